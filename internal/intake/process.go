package intake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

const (
	queueName = "intake"
	// workers bounds how many sources are settled at once.
	workers = maxAlone
	// look is how often the keeper looks for what was left.
	look = 5 * time.Second
	// share is how many batches a job settles of one source before it lets the
	// others have their turn.
	share = 2
	// attempts bounds how often a batch is put together again after somebody
	// else changed what it was made of.
	attempts = 10
)

// Process settles everything of a source that waits, in this goroutine, and
// returns when nothing does. Where another process works on the source it waits
// for it.
func (s *Service) Process(ctx context.Context, source string) error {
	for {
		n, err := s.settleSome(ctx, source)
		if err != nil || n == 0 {
			return err
		}
	}
}

// settleSome settles one batch, again where others were quicker.
func (s *Service) settleSome(ctx context.Context, source string) (n int, err error) {
	for range attempts {
		select {
		case <-s.stop:
			return 0, ErrStopped
		default:
		}
		if n, err = s.settleWaiting(ctx, source); !isRace(err) {
			return n, err
		}
	}
	return n, err
}

// Settle settles what waits of a source until a delivery has been looked at, and
// returns what became of it; deliveries of the channel [Demand] go before all
// others. Nothing is returned of a delivery that cannot be settled now, as of a
// paused source.
func (s *Service) Settle(ctx context.Context, source, reference string) ([]Item, error) {
	hash, err := hashOf(reference)
	if err != nil {
		return nil, err
	}
	for rest := false; ; {
		row, err := s.Store.Read().ArrivalByHash(ctx, query.ArrivalByHashParams{Hash: hash, Source: source})
		if registry.IsNone(err) {
			return nil, errNoArrival()
		}
		if err != nil {
			return nil, err
		}
		if row.State == stateDone {
			return s.outcomes(ctx, row)
		}
		if rest {
			return nil, nil
		}
		n, err := s.settleSome(ctx, source)
		if err != nil {
			return nil, err
		}
		// Nothing waits: somebody else may have settled it since it was read.
		rest = n == 0
	}
}

// processSource is the job that settles what a source delivered.
type processSource struct {
	Source string `json:"source"`
}

// Kind names the job in the queue.
func (processSource) Kind() string { return "process-source" }

type worker struct {
	river.WorkerDefaults[processSource]
	s *Service
}

// Timeout is none: much may wait.
func (*worker) Timeout(*river.Job[processSource]) time.Duration { return -1 }

// Work settles some of what waits, and goes to the end of the queue with the
// rest, so that a source with much to settle keeps no other one waiting. What
// fails is tried again by the keeper, which also sees what a killed program left.
func (w *worker) Work(ctx context.Context, job *river.Job[processSource]) error {
	source := job.Args.Source
	if !errors.Is(w.s.drain(ctx, source, w.s.processShare), errMore) {
		return nil
	}
	return w.s.Store.TxRaw(ctx, func(tx pgx.Tx, _ *query.Queries) error { return w.s.later(ctx, tx, source) })
}

// errMore says that a source has more than was settled.
var errMore = errors.New("intake: more waits")

// processShare is Process for a few batches alone.
func (s *Service) processShare(ctx context.Context, source string) error {
	for range share {
		n, err := s.settleSome(ctx, source)
		if err != nil || n == 0 {
			return err
		}
	}
	return errMore
}

// drains are the sources that this process settles just now; true says that more
// arrived meanwhile.
type drains struct {
	mu      sync.Mutex
	running map[string]bool
}

// run works on a source, unless another goroutine does: that one works once more
// before it ends, so that nothing which arrived meanwhile is left.
func (d *drains) run(source string, work func() error) error {
	d.mu.Lock()
	if _, running := d.running[source]; running {
		d.running[source] = true
		d.mu.Unlock()
		return nil
	}
	d.running[source] = false
	d.mu.Unlock()
	for {
		err := work()
		d.mu.Lock()
		again := d.running[source] && err == nil
		d.running[source] = false
		if !again {
			delete(d.running, source)
		}
		d.mu.Unlock()
		if !again {
			return err
		}
	}
}

// drain settles what waits of a source by work, unless this process does so
// already.
func (s *Service) drain(ctx context.Context, source string, work func(context.Context, string) error) error {
	err := s.drains.run(source, func() error { return work(ctx, source) })
	if err != nil && !errors.Is(err, ErrStopped) && !errors.Is(err, errMore) && ctx.Err() == nil {
		s.Log.Warn("deliveries of a source wait to be tried again", slog.String("source", source), slog.String("error", err.Error()))
	}
	return err
}

// Work is what the queue is to run for s.
func (s *Service) Work() issuance.Work {
	return issuance.Work{Queue: queueName, Workers: workers, Add: func(w *river.Workers) { river.AddWorker(w, &worker{s: s}) }}
}

// Start makes q process what is received from now on, and what was left before,
// until [Service.Stop].
func (s *Service) Start(ctx context.Context, q *issuance.Queue) {
	s.later = func(ctx context.Context, tx pgx.Tx, source string) error {
		return q.InsertTx(ctx, tx, processSource{Source: source}, &river.InsertOpts{Queue: queueName, MaxAttempts: 1})
	}
	s.keeping.Go(func() { s.keep(ctx) })
}

// Stop ends processing after the batches that are being written.
func (s *Service) Stop() {
	s.stopOnce.Do(func() { close(s.stop) })
	s.keeping.Wait()
}

// keep takes up what was left: by a program that was killed, a database that
// went away, a source that did not answer.
func (s *Service) keep(ctx context.Context) {
	every := time.NewTicker(look)
	defer every.Stop()
	for {
		if err := s.takeUp(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("looking for deliveries that wait", slog.String("error", err.Error()))
		}
		select {
		case <-s.stop:
			return
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

func (s *Service) takeUp(ctx context.Context) error {
	names, err := s.Store.Read().SourcesWithWaiting(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		s.keeping.Go(func() { _ = s.drain(ctx, name, s.Process) }) // it is logged, and tried again
	}
	return s.askAgain(ctx)
}
