package audit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/vaccination"
)

// look is the job that raises alarms and publishes heads when they are due.
type look struct{}

// Kind names the job in the queue.
func (look) Kind() string { return "look-at-audit" }

// Worker does the jobs of this package.
type Worker struct {
	river.WorkerDefaults[look]
	s *Service
}

// Timeout is more than a night's entries need.
func (*Worker) Timeout(*river.Job[look]) time.Duration { return 2 * time.Minute }

// Work looks. What fails is tried again at the next run.
func (w *Worker) Work(ctx context.Context, _ *river.Job[look]) error {
	err := w.s.Look(ctx)
	if err != nil {
		w.s.Log.Warn("looking for alarms in the audit failed", slog.String("error", err.Error()))
	}
	heads := w.s.PublishDue(ctx)
	if vaccination.ErrorCode(heads) == vaccination.Unavailable {
		heads = nil // on hold: they are published when that ended
	}
	if heads != nil {
		w.s.Log.Warn("the heads of the audit were not published or not sent", slog.String("error", heads.Error()))
	}
	return errors.Join(err, heads)
}

// Every is how often the job is to be run.
const Every = lookEvery

// Job returns the job.
func Job() river.JobArgs { return look{} }

// AddTo makes workers know the job.
func (s *Service) AddTo(workers *river.Workers) { river.AddWorker(workers, &Worker{s: s}) }
