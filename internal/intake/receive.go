package intake

import (
	"context"
	"errors"
	"time"
)

// Delivery is what one contact with a source brought.
type Delivery struct {
	Arrivals []Arrival
	// Cursor, if not nil, is how far the source was read once these arrivals
	// are stored; it moves in the same transaction.
	Cursor *string
	// From, with Cursor, is where it stood when the poll began: when somebody
	// else moved it since, nothing is stored and the error is [ErrMoved].
	From string
	// Lag is how far what was read is behind the source, where it is known.
	Lag time.Duration
}

// ErrMoved says that another poll of the same source moved its cursor.
var ErrMoved = errors.New("intake: another poll of this source was quicker")

// Receive stores one arrival and returns its reference, which is the same for
// the same arrival of the same source and says nothing of a person. When it
// returns nil the arrival is durable and will be processed, whatever happens.
// When the connection breaks while storing, it may or may not be: sending it
// again is right.
func (s *Service) Receive(ctx context.Context, source string, a Arrival) (reference string, err error) {
	refs, err := s.Deliver(ctx, source, Delivery{Arrivals: []Arrival{a}})
	if err != nil {
		return "", err
	}
	return refs[0], nil
}

// Deliver stores arrivals and moves the source's cursor, in one transaction, and
// returns the arrivals' references. See [Service.Receive].
func (s *Service) Deliver(ctx context.Context, source string, d Delivery) (references []string, err error) {
	return nil, errors.New("intake: not yet")
}

// Known is what is stored of one thing of a source.
type Known struct {
	Version time.Time
	Hash    string // of its content, as [Hash] makes it
	Deleted bool
}

// Known returns what is stored under ids of a source, for a poll that asks
// only for what changed. Ids never seen are not in the answer.
func (s *Service) Known(ctx context.Context, source string, kind FragmentKind, ids []string) (map[string]Known, error) {
	return nil, errors.New("intake: not yet")
}

// Contact records that a source was asked: err nil that it answered, else what
// it said ([*vaccination.Error]; others are told as unreachable). With stop
// nothing more is asked until a person mends the source.
func (s *Service) Contact(ctx context.Context, source string, err error, stop bool) error {
	return errors.New("intake: not yet")
}

// PutFacilities stores places of vaccination as the source names them now.
func (s *Service) PutFacilities(ctx context.Context, source string, list []Facility) error {
	return errors.New("intake: not yet")
}

// Source opens a source with its settings and mapping, for its kind. Unknown is
// [vaccination.NotFound].
func (s *Service) Source(ctx context.Context, name string) (Source, error) {
	return Source{}, errors.New("intake: not yet")
}

// OfKind opens every active source of a kind.
func (s *Service) OfKind(ctx context.Context, kind SourceKind) ([]Source, error) {
	return nil, errors.New("intake: not yet")
}

// Process settles everything of a source that waits, in this goroutine, and
// returns when nothing does. Where another process works on the source it waits
// for it.
func (s *Service) Process(ctx context.Context, source string) error {
	return errors.New("intake: not yet")
}

// Outcomes are the items of a delivery: one for each dose in it. None as long as
// it waits.
func (s *Service) Outcomes(ctx context.Context, source, reference string) ([]Item, error) {
	return nil, errors.New("intake: not yet")
}
