package issuance

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Hold returns why nothing is issued and published just now, nil when nothing
// stands in the way: after a restore, until [Service.Reconcile].
func (s *Service) Hold(ctx context.Context) (*registry.Hold, error) {
	return s.hold(ctx, s.Store.Read())
}

func (s *Service) hold(ctx context.Context, q *query.Queries) (*registry.Hold, error) {
	// What was seen without a hold stays so while the connections are the same: a
	// new one may lead to another database, which was restored in the place of
	// the one before.
	connections := s.Store.Pool().Stat().NewConnsCount()
	if connections > 0 && s.free.Load() == connections {
		return nil, nil
	}
	hold, err := registry.ReadHold(ctx, q)
	if err == nil && hold == nil {
		s.free.Store(connections)
	}
	return hold, err
}

// notHeld refuses with [vaccination.Unavailable] while the service is on hold.
// Whatever issues, changes a state or publishes asks it first.
func (s *Service) notHeld(ctx context.Context, q *query.Queries) error {
	hold, err := s.hold(ctx, q)
	if err == nil && hold != nil {
		err = vaccination.Errorf(vaccination.Unavailable, "this service was restored from a backup of %s and does not know yet what was published after it: nothing is issued, changed or published until an administrator has run \"divoc restore --reconcile\"", hold.Made.UTC().Format(time.RFC3339))
	}
	return err
}
