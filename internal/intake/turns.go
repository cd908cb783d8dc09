package intake

import (
	"context"
	"sync"

	"github.com/opendivoc/divoc/internal/registry/query"

	"github.com/jackc/pgx/v5"
)

// lockSources is the class of the advisory locks of sources.
const lockSources = 727362006

// maxAlone bounds how many sources are worked on at once: each holds a
// connection for its lock while it uses others.
const maxAlone = 4

// turns lets one goroutine of this process at a time work on a source, before
// it asks the database to let it be the only one of all processes.
type turns struct {
	mu   sync.Mutex
	each map[string]chan struct{}
	all  chan struct{}
}

func newTurns() turns {
	return turns{each: map[string]chan struct{}{}, all: make(chan struct{}, maxAlone)}
}

func (t *turns) of(source string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.each[source]
	if c == nil {
		c = make(chan struct{}, 1)
		t.each[source] = c
	}
	return c
}

// alone runs f while nobody else works on the source's records. The lock spares
// work; it is the source's turn, checked by every write, that keeps two from
// writing should a lock be lost.
func (s *Service) alone(ctx context.Context, source string, f func() error) error {
	for _, c := range []chan struct{}{s.turns.of(source), s.turns.all} {
		select {
		case c <- struct{}{}:
			defer func() { <-c }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var err error
	lock := s.Store.TxRaw(ctx, func(_ pgx.Tx, q *query.Queries) error {
		if err := q.LockSource(ctx, query.LockSourceParams{Class: lockSources, Name: source}); err != nil {
			return err
		}
		err = f()
		return nil
	})
	if err != nil {
		return err
	}
	return lock
}
