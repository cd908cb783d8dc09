package intake

import (
	"context"
	"errors"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// ItemState is where an item of the ledger stands.
type ItemState string

// The states of items; an arrival that nobody has looked at yet is waiting.
const (
	Issued    ItemState = "issued"
	Unchanged ItemState = "unchanged"
	Held      ItemState = "held"
	Rejected  ItemState = "rejected"
)

// HoldClass is why an item is in its state.
type HoldClass string

// Why items are held. The classes of package mapping are beside them.
const (
	UnmappedCode      HoldClass = "unmapped-code" // the mapping lacks a code of the source
	MissingField      HoldClass = "missing-field"
	InvalidValue      HoldClass = "invalid-value"
	Unreadable        HoldClass = "unreadable"         // the arrival is not what the source says it is
	WaitingForPerson  HoldClass = "waiting-for-person" // it is released when the person arrives
	WaitingForRecord  HoldClass = "waiting-for-record" // a stub whose records are not fetched yet
	OutOfScope        HoldClass = "out-of-scope"       // a facility that the source does not report for
	OverLimit         HoldClass = "over-limit"         // more than the source issues in an hour
	InConflict        HoldClass = "conflict"           // another source certified other content
	WasRevoked        HoldClass = "revoked"            // its certificate was revoked
	NotIssued         HoldClass = "not-issued"         // issuing failed in another way
	Deleted           HoldClass = "deleted"            // the source deleted it, or no longer counts it, after it was certified
	Moved             HoldClass = "moved"              // it was certified as another dose or for another person
	SameDose          HoldClass = "same-dose"          // another record of the source is this dose already
	PossibleDuplicate HoldClass = "possible-duplicate" // the person may be known under another code
	SecondDose        HoldClass = "second-dose"        // the person may have had this dose elsewhere
)

// Why items are unchanged.
const (
	NoDose    HoldClass = "no-dose"   // nothing in the arrival is a dose that counts
	Same      HoldClass = "same"      // it says what is certified
	Older     HoldClass = "older"     // a newer state is known
	Replaced  HoldClass = "replaced"  // it was held, and a newer state arrived
	Repeated  HoldClass = "repeated"  // the same delivery again
	Fetched   HoldClass = "fetched"   // a stub whose records were fetched
	Kept      HoldClass = "kept"      // a person decided that the certificate stands
	Withdrawn HoldClass = "withdrawn" // it was deleted before anything was issued
)

// Item is one line of the ledger. Problems hold nothing personal.
type Item struct {
	ID          int64                     `json:"id"`
	Source      string                    `json:"source"`
	Reference   string                    `json:"reference" doc:"of the delivery it came with"`
	State       ItemState                 `json:"state" enum:"issued,unchanged,held,rejected"`
	Class       HoldClass                 `json:"class,omitempty" doc:"why it is in this state"`
	Field       string                    `json:"field,omitempty" doc:"the field of the event that it is about"`
	Problems    []vaccination.Fault       `json:"problems,omitempty" doc:"what would help; path is a field of the event"`
	Facility    string                    `json:"facility,omitempty" doc:"the source's id of the place of vaccination"`
	Certificate vaccination.CertificateID `json:"-"`
	Received    time.Time                 `json:"received"`
	Decided     time.Time                 `json:"decided,omitzero"`
	By          string                    `json:"by,omitempty" doc:"who decided, if somebody did"`
	Note        string                    `json:"note,omitempty"`
}

// HoldFilter says which held items are meant. The zero filter means all.
type HoldFilter struct {
	Source   string
	Class    HoldClass
	Facility string
	Field    string
	Older    time.Duration // held for at least so long
	IDs      []int64       // these alone
	After    int64         // behind this item
	Max      int           // at most so many; 0 is 100
}

// Holds lists held items, the oldest first.
func (s *Service) Holds(ctx context.Context, by access.Caller, f HoldFilter) ([]Item, error) {
	return nil, errors.New("intake: not yet")
}

// Action is what a person decides about held items.
type Action string

// The decisions.
const (
	Retry   Action = "retry"   // look at it again, after something was mended
	Release Action = "release" // issue it although it was over a limit, or looked like somebody else
	Reject  Action = "reject"  // nothing comes of it
	Revoke  Action = "revoke"  // it was deleted: revoke its certificate
	Keep    Action = "keep"    // it was deleted: the certificate stands
)

// Decision is what a person decides, and why.
type Decision struct {
	Action Action
	Reason string // one line, nothing personal; needed to reject, revoke and keep
}

// Decided says what became of held items.
type Decided struct {
	Items  int `json:"items"` // that the decision was about
	Issued int `json:"issued"`
	Closed int `json:"closed"` // unchanged or rejected
	Held   int `json:"held"`   // for the same or another reason
}

// Decide decides held items, one or many.
func (s *Service) Decide(ctx context.Context, by access.Caller, f HoldFilter, d Decision) (Decided, error) {
	return Decided{}, errors.New("intake: not yet")
}
