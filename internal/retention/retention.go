// Package retention removes what is past its time: a job, each day, for every
// class of data that the profile gives a time.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Class is one class of data.
type Class struct {
	Name string // the key of its name in the pages' texts: "kept.deliveries"
	Keep time.Duration
	// Remove removes what is older than a time, in batches, and returns how much.
	// It may be ended and run again at any moment.
	Remove func(ctx context.Context, before time.Time) (int64, error)
	// Due counts what Remove would remove.
	Due func(ctx context.Context, before time.Time) (int64, error)
}

// Service removes. It is safe for concurrent use.
type Service struct {
	Store   *registry.Store
	Classes []Class
	Now     func() time.Time
	Log     *slog.Logger
}

// Line is what is so of one class.
type Line struct {
	Class   string
	Keep    time.Duration
	Ran     time.Time // when the job ran last, zero for never
	Removed int64     // then
	Due     int64     // now
}

// Run removes what is past its time of each class, and notes what it did. One
// class that fails holds up no other.
func (s *Service) Run(ctx context.Context) error {
	if hold, err := registry.ReadHold(ctx, s.Store.Read()); err != nil || hold != nil {
		return err
	}
	var all error
	for _, c := range s.Classes {
		now := s.Now().UTC()
		before := now.Add(-c.Keep)
		removed, err := c.Remove(ctx, before)
		due := int64(0)
		if err == nil {
			due, err = c.Due(ctx, before)
		}
		if err != nil {
			s.Log.Warn("data past its time waits to be removed", slog.String("class", c.Name), slog.String("error", err.Error()))
			all = errors.Join(all, fmt.Errorf("%s: %w", c.Name, err))
		}
		if err := s.Store.Read().InsertRetentionRun(ctx, query.InsertRetentionRunParams{Class: c.Name, RanAt: now, Keep: int64(c.Keep / time.Second), Removed: removed, Due: due}); err != nil {
			return err
		}
	}
	return errors.Join(all, s.Store.Read().ForgetRetentionRuns(ctx, s.Now().UTC().AddDate(-1, 0, 0)))
}

// Report says of each class how long it is kept, what the last run did and what
// is due.
func (s *Service) Report(ctx context.Context) ([]Line, error) {
	runs, err := s.Store.Read().LastRetentionRuns(ctx)
	if err != nil {
		return nil, err
	}
	last := map[string]query.RetentionRun{}
	for _, r := range runs {
		last[r.Class] = r
	}
	out := make([]Line, len(s.Classes))
	for i, c := range s.Classes {
		r := last[c.Name]
		out[i] = Line{Class: c.Name, Keep: c.Keep, Ran: r.RanAt, Removed: r.Removed}
		due, err := c.Due(ctx, s.Now().UTC().Add(-c.Keep))
		if err != nil {
			return nil, err
		}
		out[i].Due = due
	}
	return out, nil
}

// step is how many rows one statement removes.
const step = 5000

// Stepwise calls do, which removes at most so many rows, until it removes none.
func Stepwise(do func(max int32) (int64, error)) (n int64, err error) {
	for {
		done, err := do(step)
		n += done
		if err != nil || done < step {
			return n, err
		}
	}
}

// job is the job of a day.
type job struct{}

// Kind names the job in the queue.
func (job) Kind() string { return "retention" }

type worker struct {
	river.WorkerDefaults[job]
	s *Service
}

// Timeout is none: there may be very many rows, in small steps.
func (*worker) Timeout(*river.Job[job]) time.Duration { return -1 }

// Work removes. What fails is tried again the next day.
func (w *worker) Work(ctx context.Context, _ *river.Job[job]) error { return w.s.Run(ctx) }

// Every is how often the job is to be run.
const Every = 24 * time.Hour

// Job returns the job.
func Job() river.JobArgs { return job{} }

// AddTo makes workers know the job.
func (s *Service) AddTo(workers *river.Workers) { river.AddWorker(workers, &worker{s: s}) }
