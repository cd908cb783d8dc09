package divocqr

// Codes that [Credential.Weaknesses] returns; they are reasons of a statement.
const (
	// FieldsNotBound: the signature is over the values, not over which member
	// holds which ([Credential.Unbound]).
	FieldsNotBound = "fields-not-bound"
	// SubjectNotSigned: the signature does not cover the holder's data.
	SubjectNotSigned = "subject-not-signed"
	// ValuesMoved: certificateId does not agree with the evidence's id, which
	// the signature binds; DIVOC writes both from one value, so values were put
	// into other members after signing.
	ValuesMoved = "values-moved"
)

// Group is a set of members that share an IRI: their values can be put in any
// of them without breaking the signature.
type Group struct {
	IRI    string
	Fields []string // the members present, as "evidence.dose", in the credential's order
}

// Weaknesses returns the codes of what the signature, though genuine, does not
// protect in this credential, worst first. None means that every value that is
// shown is bound to its member.
func (c *Credential) Weaknesses() []string {
	var codes []string
	if c.statements.unsigned {
		codes = append(codes, SubjectNotSigned)
	}
	if id := c.evidence.str("certificateId"); id != "" && !endsIn(c.evidence.str("id"), id) {
		codes = append(codes, ValuesMoved)
	}
	if len(c.Unbound()) > 0 {
		codes = append(codes, FieldsNotBound)
	}
	return codes
}

// Unbound returns the groups of members whose values the signature leaves
// exchangeable. DIVOC writes all the members of an IRI, so a group is bound only
// where all are there and hold one value. Where one is missing, its neighbour's
// value could as well have been moved out of it.
//
// Not listed are certificateId, which is read from the evidence's id instead,
// and members that are never shown.
func (c *Credential) Unbound() []Group {
	var groups []Group
	for _, t := range c.vocabulary.evidence.terms {
		if !t.shown || len(groups) > 0 && hasGroup(groups, t.iri) {
			continue
		}
		g, members, differ := Group{IRI: t.iri}, 0, false
		for _, other := range c.vocabulary.evidence.terms {
			if other.shown && other.iri == t.iri {
				members++
			}
		}
		var first *sharedValue
		for i := range c.statements.shared {
			s := &c.statements.shared[i]
			if s.iri != t.iri {
				continue
			}
			if first == nil {
				first = s
			}
			differ = differ || s.object != first.object
			g.Fields = append(g.Fields, s.field)
		}
		if first != nil && (differ || len(g.Fields) < members) {
			groups = append(groups, g)
		}
	}
	return groups
}

func hasGroup(groups []Group, iri string) bool {
	for _, g := range groups {
		if g.IRI == iri {
			return true
		}
	}
	return false
}
