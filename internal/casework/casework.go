// Package casework sees what people ask for to its end: that a certificate is
// wrong, that a telephone number is another's or a new one, who stands for a
// child, that somebody died, a dose that was given abroad. Each is a case with a
// ticket number, evidence, a promise by when it is decided, and a line of dates
// that the person can follow.
//
// What a case is about is decided by somebody else than who opened it
// ([Service.Approve], [Service.Refuse]), and what follows from an approval, a new
// version of a certificate for one, is written in the transaction that approves.
// A person's own words, and evidence, are sealed under the person's key.
package casework

import (
	"context"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs; all are required except Opened and Tell.
type Options struct {
	Store    *registry.Store
	Box      *seal.Box
	Issuance *issuance.Service
	Profile  *profile.Profile
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
	// Opened says whether a citizen has opened the record of a certificate: proven
	// to be who reaches it, and known its date of birth. Nil: no citizen has.
	Opened func(ctx context.Context, by access.Caller, id vaccination.CertificateID) (bool, error)
	// Tell queues a message in the caller's transaction. Nil tells nobody.
	Tell func(ctx context.Context, q *query.Queries, n Notice) error
}

// Notice is a message about a case. It says nothing of health, and of the person
// nothing at all.
type Notice struct {
	Template string // case-decided, case-waiting, contact-changed
	Ticket   Ticket
	Bucket   int16  // of the person; Person is 0 where they are not known yet
	Person   int64  // whom it is about
	To       string // "tel:+…" or "mailto:…"; empty: however the person is reached
	Language string // as the person asked, may be empty
	Once     string // the same is told once
}

// Service keeps cases. It is safe for concurrent use.
type Service struct {
	Options
	room *semaphore.Weighted // for images being decoded
}

// New returns a Service.
func New(o Options) *Service { return &Service{Options: o, room: semaphore.NewWeighted(2)} }

// Kind is what a case asks for.
type Kind string

// The kinds.
const (
	Correction    Kind = "correction"  // something on a certificate is wrong
	ContactChange Kind = "contact"     // another telephone number
	Guardian      Kind = "guardian"    // somebody's telephone reaches a child's certificates
	Death         Kind = "death"       // the person died
	DoseAbroad    Kind = "dose-abroad" // a dose given in another country, to be recorded from evidence
	NotMine       Kind = "not-mine"    // this number does not belong to this person
)

// Kinds lists the kinds in the order in which they are offered.
func Kinds() []Kind { return []Kind{Correction, ContactChange, DoseAbroad, NotMine, Guardian, Death} }

// ByCitizen reports whether citizens may open cases of the kind themselves. The
// others are opened by staff, who saw the papers.
func (k Kind) ByCitizen() bool { return k != Guardian && k != Death }

// NeedsEvidence reports whether a case of the kind is not approved without.
func (k Kind) NeedsEvidence() bool { return k != Correction && k != NotMine }

// State is where a case stands.
type State string

// The states.
const (
	Open           State = "open"
	Waiting        State = "waiting-for-evidence"
	SecondApproval State = "second-approval" // one of two people approved
	Approved       State = "approved"
	Refused        State = "refused"
	Withdrawn      State = "withdrawn"
)

// Final reports whether the case is decided.
func (s State) Final() bool { return s == Approved || s == Refused || s == Withdrawn }

// Act is what somebody does to a case, as its timeline and the audit name it.
type Act string

// The acts.
const (
	ActOpen     Act = "opened"
	ActEvidence Act = "evidence"   // a photograph was added
	ActTake     Act = "taken"      // somebody works on it
	ActAsk      Act = "asked"      // more evidence is asked for
	ActFirst    Act = "approved-1" // by the first of two
	ActApprove  Act = "approved"
	ActRefuse   Act = "refused"
	ActWithdraw Act = "withdrawn"
	ActHandOver Act = "handed-over" // to other staff
	ActStop     Act = "stopped"     // a change of contact before it took effect
	ActDone     Act = "done"        // a change of contact took effect
	ActEnd      Act = "ended"       // a guardian's link
	ActForget   Act = "forgotten"   // evidence was deleted by age
)

// moves is the whole law of states. What is not in it is refused.
func moves() map[State]map[Act]State {
	return map[State]map[Act]State{
		Open:    {ActEvidence: Open, ActTake: Open, ActAsk: Waiting, ActFirst: SecondApproval, ActApprove: Approved, ActRefuse: Refused, ActWithdraw: Withdrawn, ActHandOver: Open},
		Waiting: {ActEvidence: Open, ActTake: Waiting, ActAsk: Waiting, ActFirst: SecondApproval, ActApprove: Approved, ActRefuse: Refused, ActWithdraw: Withdrawn, ActHandOver: Waiting},
		// Who approved first did not see what comes after: it begins anew.
		SecondApproval: {ActEvidence: Open, ActTake: SecondApproval, ActAsk: Waiting, ActApprove: Approved, ActRefuse: Refused, ActWithdraw: Withdrawn, ActHandOver: SecondApproval},
		Approved:       {ActStop: Approved, ActDone: Approved, ActEnd: Approved, ActForget: Approved},
		Refused:        {ActForget: Refused},
		Withdrawn:      {ActForget: Withdrawn},
	}
}

// After returns the state that act leads to from s. A move that is not allowed is
// a [vaccination.Conflict].
func (s State) After(act Act) (State, error) {
	next, ok := moves()[s][act]
	if !ok {
		return "", vaccination.Errorf(vaccination.Conflict, "this case is %s: that cannot be done any more", s)
	}
	return next, nil
}

// Effect is what became of a change of contact after it was approved.
type Effect string

// The effects.
const (
	NoEffect Effect = ""
	Pending  Effect = "pending" // it takes effect in a day
	Done     Effect = "done"
	Stopped  Effect = "stopped"
)

// contactDelay is how long a change of contact waits, so that who has the old
// number can stop it.
const contactDelay = 24 * time.Hour

// Change is one thing that is wrong, and what is right.
type Change struct {
	Field string `json:"field" enum:"person.name,person.birthDate,person.sex,person.nationality,person.identifier.type,person.identifier.value,vaccination.product,vaccination.lot,vaccination.date,vaccination.country,vaccination.centre,vaccination.practitioner" doc:"of the record"`
	Value string `json:"value" doc:"what it should be; empty where that is not known"`
}

// Request opens a case.
type Request struct {
	Kind Kind
	// Certificate names the record, and whom it is about. Only a [DoseAbroad] of
	// somebody who has no certificate is without.
	Certificate vaccination.CertificateID
	Changes     []Change           // of a Correction
	Contact     string             // of a ContactChange the new telephone number; of a Guardian theirs; of a NotMine the wrong one
	Name        string             // of a Guardian
	Event       *vaccination.Event // of a DoseAbroad: the dose, and the person where there is no certificate
	Message     string             // in the person's own words
	Language    string             // of messages about the case
	Facility    string             // where it is opened; that of staff is their own
	// Once makes a repeated submit one: the same again by the same caller is
	// answered with the same ticket, other content with [vaccination.Conflict].
	Once string
}

// Asked is what a case asks for, as it is kept, sealed.
type Asked struct {
	Changes  []Change           `json:"changes,omitempty"`
	Contact  string             `json:"contact,omitempty"`
	Name     string             `json:"name,omitempty"`
	Event    *vaccination.Event `json:"event,omitempty"`
	Message  string             `json:"message,omitempty"`
	Language string             `json:"language,omitempty"`
	// Decided are the changes that the first of two people approved.
	Decided []Change `json:"decided,omitempty"`
	// Old is where the person was reached when a change of contact was approved.
	Old []string `json:"old,omitempty"`
}

// Summary is a case without anything of the person.
type Summary struct {
	Ticket      Ticket                    `json:"ticket"`
	Kind        Kind                      `json:"kind" enum:"correction,contact,guardian,death,dose-abroad,not-mine"`
	State       State                     `json:"state" enum:"open,waiting-for-evidence,second-approval,approved,refused,withdrawn"`
	Certificate vaccination.CertificateID `json:"certificate,omitzero" doc:"that it was opened for"`
	Result      vaccination.CertificateID `json:"result,omitzero" doc:"that was issued for it"`
	Programme   string                    `json:"programme,omitempty"`
	Facility    string                    `json:"facility,omitempty"`
	OpenedAs    access.Role               `json:"openedAs"`
	OpenedBy    string                    `json:"openedBy,omitempty"`
	TakenBy     string                    `json:"takenBy,omitempty"`
	Opened      time.Time                 `json:"opened"`
	Deadline    time.Time                 `json:"deadline" doc:"by when it was promised to be decided"`
	Overdue     bool                      `json:"overdue,omitempty"`
	Closed      time.Time                 `json:"closed,omitzero"`
	Evidence    int                       `json:"evidence" doc:"how many photographs there are"`
	Effect      Effect                    `json:"effect,omitempty" enum:"pending,done,stopped" doc:"of a change of contact"`
	EffectAt    time.Time                 `json:"effectAt,omitzero" doc:"when it takes or took effect"`
}

// Case is a case, opened for somebody who may see it.
type Case struct {
	Summary
	Asked    Asked      `json:"asked"`
	Files    []Evidence `json:"files,omitempty"`
	Timeline []Entry    `json:"timeline"`
	// Erased says that the person's data was erased: what was asked is gone.
	Erased bool `json:"erased,omitempty"`
}

// Evidence is a photograph of a case.
type Evidence struct {
	Number int       `json:"number"`
	Added  time.Time `json:"added"`
	By     string    `json:"by,omitempty"`
	Size   int       `json:"size" doc:"in bytes"`
	Width  int       `json:"width"`
	Height int       `json:"height"`
	Gone   bool      `json:"gone,omitempty" doc:"deleted by age or erased"`
}

// Entry is one line of the timeline.
type Entry struct {
	At   time.Time `json:"at"`
	Act  Act       `json:"act"`
	By   string    `json:"by,omitempty" doc:"not shown to citizens"`
	Note string    `json:"note,omitempty" doc:"what the person is told"`
}

// Followed is what whoever has the ticket is shown.
type Followed struct {
	Ticket   Ticket
	Kind     Kind
	State    State
	Opened   time.Time
	Deadline time.Time
	Closed   time.Time
	Effect   Effect
	EffectAt time.Time
	Timeline []Entry // dates and acts alone
}

// Filter narrows a list.
type Filter struct {
	States    []State // none: those that are not decided
	Kind      Kind
	Programme string
	Facility  string
	TakenBy   string
	Overdue   bool
	After     Ticket // behind this one, by deadline
	Max       int    // 100 when 0, at most 1000
}

// Approval approves a case.
type Approval struct {
	// Changes are what becomes of a correction, where it is not what was asked.
	Changes []Change
	// Event is the dose abroad as it is to be recorded, where it is not what was
	// asked.
	Event *vaccination.Event
	// Version is the certificate that was seen in [Service.Preview]; where it is
	// not the current one any more, nothing is done. Zero: whichever it is.
	Version vaccination.CertificateID
	Note    string // shown to the person, may be empty
}

// Preview is what approving would do to a certificate.
type Preview struct {
	Version vaccination.CertificateID `json:"version" doc:"current version, to be given back when approving"`
	Before  vaccination.Event         `json:"before"`
	After   vaccination.Event         `json:"after"`
	Differs []string                  `json:"differs" doc:"fields"`
	TwoNeed bool                      `json:"twoNeeded" doc:"two people must approve it"`
}
