package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Forget destroys what sources delivered of a person: the state of each thing,
// and the raw text of every delivery that told of them, also where others stand
// in it too. What the ledger counts stays, without saying of whom. It is an
// [issuance.Forget].
func Forget(ctx context.Context, q *query.Queries, who issuance.Whom) error {
	rows, err := q.FragmentsOfCertificates(ctx, who.IDs())
	if err != nil {
		return err
	}
	var keys [][]byte
	sources := map[string]bool{}
	for _, r := range rows {
		keys = append(keys, r.Key)
		sources[r.Source] = true
	}
	arrivals, err := q.ArrivalsOfFragments(ctx, query.ArrivalsOfFragmentsParams{Keys: keys, Certificates: who.IDs()})
	if err != nil {
		return err
	}
	var ids []int64
	for _, a := range arrivals {
		ids = append(ids, a.ID)
		sources[a.Source] = true
	}
	var names []string
	for s := range sources {
		names = append(names, s)
	}
	if err := q.MoveTurns(ctx, names); err != nil {
		return err
	}
	if _, err := q.ForgetItems(ctx, query.ForgetItemsParams{Keys: keys, Certificates: who.IDs(), At: who.At}); err != nil {
		return err
	}
	if _, err := q.DeleteFragments(ctx, keys); err != nil {
		return err
	}
	_, err = q.ClearArrivals(ctx, query.ClearArrivalsParams{Ids: ids, At: who.At})
	return err
}

// Delivered is one thing that a source told of a person, as it is kept.
type Delivered struct {
	Source   string    `json:"source"`
	Version  time.Time `json:"version"` // as of when, by the source
	Deleted  bool      `json:"deleted,omitempty"`
	Fragment Fragment  `json:"state"`
}

// Arrived is one delivery that told of a person. Its text holds others too, and
// is not part of what is handed out.
type Arrived struct {
	Source   string    `json:"source"`
	Received time.Time `json:"received"`
	Latest   time.Time `json:"latest"`
	Times    int       `json:"times"`
	Bytes    int       `json:"bytes"`
	Kept     bool      `json:"kept"` // its text is
}

// Held returns what sources delivered of a person, for who shows it to them.
func (s *Service) Held(ctx context.Context, who issuance.Whom) (states []Delivered, arrivals []Arrived, err error) {
	q := s.Store.Read()
	rows, err := q.FragmentsOfCertificates(ctx, who.IDs())
	if err != nil {
		return nil, nil, err
	}
	var keys [][]byte
	for _, r := range rows {
		f, err := s.open(r)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, r.Key)
		states = append(states, Delivered{r.Source, r.Version, r.Deleted, f.state.Fragment})
	}
	list, err := q.ArrivalsOfFragments(ctx, query.ArrivalsOfFragmentsParams{Keys: keys, Certificates: who.IDs()})
	for _, a := range list {
		arrivals = append(arrivals, Arrived{a.Source, a.ReceivedAt, a.LatestAt, int(a.Times), int(a.Size), a.ClearedAt == nil})
	}
	return states, arrivals, err
}

// clearStep is how many deliveries lose their text in one transaction.
const clearStep = 1000

// ClearOld removes the raw text of deliveries that came last before a time and of
// which nothing waits for a decision, and returns how many; hash, size and the
// counts of the ledger stay. One that comes again has its text again. It may run
// anywhere, more than once at a time.
func (s *Service) ClearOld(ctx context.Context, before time.Time) (n int64, err error) {
	for {
		var done int64
		err := s.Store.Tx(ctx, func(q *query.Queries) error {
			ids, err := q.ArrivalsToClear(ctx, query.ArrivalsToClearParams{Before: before, MaxRows: clearStep})
			if err != nil || len(ids) == 0 {
				return err
			}
			now := s.Now().UTC()
			if done, err = q.ClearSettled(ctx, query.ClearSettledParams{Ids: ids, At: now, Before: before}); err != nil || done == 0 {
				return err
			}
			return registry.Audit(ctx, q, now, access.System("retention").Actor, registry.Entry{Chain: registry.AdminChain, Act: "delivery.clear", Detail: fmt.Sprintf("%d deliveries", done)})
		})
		n += done
		if err != nil || done == 0 {
			return n, err
		}
	}
}
