package deliver

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/issuance"
)

const (
	queueName = "messages"
	look      = time.Second // how often what waits is looked for
)

// sendMessages is the job that begins to send what was just queued.
type sendMessages struct {
	Class Class `json:"class"`
}

// Kind names the job in the queue.
func (sendMessages) Kind() string { return "send-messages" }

type worker struct {
	river.WorkerDefaults[sendMessages]
	s *Service
}

// Work wakes the sender. Nothing is lost when it does not: the sender looks by
// itself, and what it sends stands in the outbox.
func (w *worker) Work(_ context.Context, job *river.Job[sendMessages]) error {
	w.s.Wake(job.Args.Class)
	return nil
}

// forgetCounts is the job that drops what does not count any more.
type forgetCounts struct{}

// Kind names the job in the queue.
func (forgetCounts) Kind() string { return "forget-send-counts" }

type forgetWorker struct {
	river.WorkerDefaults[forgetCounts]
	s *Service
}

// Work drops old counts.
func (w *forgetWorker) Work(ctx context.Context, _ *river.Job[forgetCounts]) error {
	return w.s.Budget.Forget(ctx)
}

// Work is what the queue is to run for s.
func (s *Service) Work() issuance.Work {
	return issuance.Work{
		Queue: queueName, Workers: 2,
		Add: func(w *river.Workers) {
			river.AddWorker(w, &worker{s: s})
			river.AddWorker(w, &forgetWorker{s: s})
		},
		Every: []issuance.Periodic{{Every: time.Hour, Job: func() river.JobArgs { return forgetCounts{} }}},
	}
}

// Start sends what is queued, and what was left unsent before, until
// [Service.Stop]. Codes and notices each have a sender, so that no code waits for
// a thousand notices.
func (s *Service) Start(ctx context.Context, q *issuance.Queue) {
	s.later = func(ctx context.Context, tx pgx.Tx, class Class) error {
		return q.InsertTx(ctx, tx, sendMessages{Class: class}, &river.InsertOpts{Queue: queueName, MaxAttempts: 1})
	}
	for _, class := range []Class{Code, Notice} {
		s.keeping.Go(func() { s.keep(ctx, class) })
	}
	s.keeping.Go(func() { s.keepCounting(ctx) })
}

// Stop ends sending after the messages that are being handed over.
func (s *Service) Stop() {
	s.stopOnce.Do(func() { close(s.stop) })
	s.keeping.Wait()
}

// Wake has what is due of a class sent at once, in this process.
func (s *Service) Wake(class Class) {
	select {
	case s.lanes[class].wake <- struct{}{}:
	default: // it was woken already
	}
}

// wakeCounting has campaigns counted at once, in this process.
func (s *Service) wakeCounting() {
	select {
	case s.counting <- struct{}{}:
	default: // it was woken already
	}
}

// countEvery is how often campaigns are looked for that another process made.
const countEvery = 5 * time.Second

// keepCounting counts whom campaigns reach, beside what is being sent.
func (s *Service) keepCounting(ctx context.Context) {
	every := time.NewTicker(countEvery)
	defer every.Stop()
	for {
		if err := s.CountCampaigns(ctx); err != nil && ctx.Err() == nil {
			s.logSettling(err)
		}
		select {
		case <-s.stop:
			return
		case <-ctx.Done():
			return
		case <-every.C:
		case <-s.counting:
		}
	}
}

// keep sends one class again and again.
func (s *Service) keep(ctx context.Context, class Class) {
	every := time.NewTicker(look)
	defer every.Stop()
	for {
		_, err := s.Send(ctx, class)
		if err == nil && class == Notice {
			err = s.runCampaigns(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.logSettling(err)
			s.sleep(ctx, 5*look)
		}
		select {
		case <-s.stop:
			return
		case <-ctx.Done():
			return
		case <-every.C:
		case <-s.lanes[class].wake:
		}
	}
}
