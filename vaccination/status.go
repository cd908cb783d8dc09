package vaccination

// Status is the state a certificate is in. Every published form of it (status
// lists, DIVOC's revoked check, a verification statement) follows this one.
type Status string

// The states of a certificate.
const (
	StatusValid      Status = "valid"
	StatusSuspended  Status = "suspended"  // for a time; can be lifted
	StatusSuperseded Status = "superseded" // a corrected version exists; final
	StatusRevoked    Status = "revoked"    // final
)

// Act is what somebody does to a certificate.
type Act string

// The acts that move a certificate from one state to another.
const (
	ActSupersede Act = "supersede"
	ActSuspend   Act = "suspend"
	ActLift      Act = "lift"
	ActRevoke    Act = "revoke"
)

// moves is the whole law of states. What is not in it is refused.
func moves() map[Status]map[Act]Status {
	return map[Status]map[Act]Status{
		StatusValid: {
			ActSupersede: StatusSuperseded,
			ActSuspend:   StatusSuspended,
			ActRevoke:    StatusRevoked,
		},
		StatusSuspended: {
			ActSuspend: StatusSuspended, // for another time, or another reason
			ActLift:    StatusValid,
			ActRevoke:  StatusRevoked,
		},
		StatusSuperseded: {},
		StatusRevoked:    {},
	}
}

// After returns the state that act leads to from s. A move that is not allowed
// is a [Conflict] error.
func (s Status) After(act Act) (Status, error) {
	next, ok := moves()[s][act]
	if !ok {
		return "", Errorf(Conflict, "a %s certificate cannot be changed by %q", s, act)
	}
	return next, nil
}

// Final reports whether nothing can follow s.
func (s Status) Final() bool { return len(moves()[s]) == 0 }
