package casework

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// dueJob is the job of [Service.Due].
type dueJob struct{}

// Kind names the job in the queue.
func (dueJob) Kind() string { return "cases-due" }

// dueEvery is how often the job looks.
const dueEvery = time.Minute

type dueWorker struct {
	river.WorkerDefaults[dueJob]
	service *Service
}

// Work does what is due.
func (w *dueWorker) Work(ctx context.Context, _ *river.Job[dueJob]) error { return w.service.Due(ctx) }

// Work is the jobs of cases, for the queue that runs them.
func (s *Service) Work() issuance.Work {
	return issuance.Work{
		Queue: "cases", Workers: 1,
		Add:   func(w *river.Workers) { river.AddWorker(w, &dueWorker{service: s}) },
		Every: []issuance.Periodic{{Every: dueEvery, Job: func() river.JobArgs { return dueJob{} }}},
	}
}

// failed tells the operator that a case could not be taken further.
func (s *Service) failed(ctx context.Context, t Ticket, err error) {
	if vaccination.ErrorCode(err) == vaccination.Conflict || ctx.Err() != nil {
		return // somebody was first
	}
	s.Log.Warn("a case that is due could not be taken further", slog.String("ticket", t.String()), slog.String("error", err.Error()))
}
