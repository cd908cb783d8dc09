package intake

import (
	"time"

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
	Elsewhere HoldClass = "elsewhere" // this dose of this person has a certificate from elsewhere
	Older     HoldClass = "older"     // a newer state is known
	Replaced  HoldClass = "replaced"  // it was held, and a newer state arrived
	Repeated  HoldClass = "repeated"  // the same delivery again
	Fetched   HoldClass = "fetched"   // a stub whose records were fetched
	Kept      HoldClass = "kept"      // a person decided that the certificate stands
	Withdrawn HoldClass = "withdrawn" // it was deleted before anything was issued
)

// Revoking is why an item is issued whose certificate was revoked: a person
// decided so after the source deleted the record.
const Revoking HoldClass = "revoking"

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
	Certificate vaccination.CertificateID `json:"certificate,omitzero" doc:"that it made or is about"`
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
	Max      int           // at most so many; 0 is 100 to list, all to decide

	code []byte // that lack this code
}
