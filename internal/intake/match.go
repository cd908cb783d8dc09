package intake

import (
	"context"

	"github.com/opendivoc/divoc/vaccination"
)

// Matcher says whether people whom the registry does not know under their
// enrolment code are known under another. It is asked before anything is issued
// for them.
type Matcher interface {
	// Match returns one answer for each event, in their order. It writes
	// nothing; the zero Match is somebody new.
	Match(ctx context.Context, source string, events []vaccination.Event) ([]Match, error)
}

// Match is what a [Matcher] says of one event.
type Match struct {
	// Same is the enrolment code of the person that this is, beyond doubt: the
	// event is issued for them. Empty for nobody.
	Same string
	// Hold, if not "", holds the event for review, with this class:
	// [PossibleDuplicate], [SecondDose].
	Hold HoldClass
	// Candidate is the reference of whom it may be; it says nothing of a person.
	Candidate string
	// Problems are what to show with a hold: fields and advice, no values.
	Problems []vaccination.Fault
}
