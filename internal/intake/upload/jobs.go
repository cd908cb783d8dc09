package upload

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
)

const (
	queueName = "uploads"
	// stalled is after how long without a batch an upload counts as left alone.
	// Where it was not, two work on it and the slower gives up.
	stalled = 15 * time.Second
	// abandoned is how long a sender may send nothing.
	abandoned = 24 * time.Hour
	look      = 5 * time.Second
)

// processUpload is the job that processes an upload.
type processUpload struct {
	Upload int64 `json:"upload"`
}

// Kind names the job in the queue.
func (processUpload) Kind() string { return "process-upload" }

type worker struct {
	river.WorkerDefaults[processUpload]
	s *Service
}

// Timeout is none: a file takes as long as it takes.
func (*worker) Timeout(*river.Job[processUpload]) time.Duration { return -1 }

// Work processes the upload. What fails is tried again by the keeper, which also
// sees what a killed program left.
func (w *worker) Work(ctx context.Context, job *river.Job[processUpload]) error {
	err := w.s.Process(ctx, job.Args.Upload, nil)
	switch {
	case errors.Is(err, ErrElsewhere):
		return nil
	case errors.Is(err, ErrStopped):
		return river.JobSnooze(time.Second)
	case err != nil:
		w.s.Log.Warn("an upload waits to be tried again", slog.Int64("upload", job.Args.Upload), slog.String("error", err.Error()))
	}
	return err
}

// Work is what the queue is to run for s.
func (s *Service) Work() issuance.Work {
	return issuance.Work{
		Queue: queueName, Workers: 2,
		Add: func(w *river.Workers) {
			river.AddWorker(w, &worker{s: s})
			river.AddWorker(w, &clearWorker{s: s})
		},
		Every: []issuance.Periodic{{Every: 24 * time.Hour, Job: func() river.JobArgs { return clearUploads{} }}},
	}
}

// Start makes q process what is received from now on, and what was left
// unfinished before, until [Service.Stop].
func (s *Service) Start(ctx context.Context, q *issuance.Queue) {
	s.later = func(ctx context.Context, tx pgx.Tx, id int64) error {
		return q.InsertTx(ctx, tx, processUpload{Upload: id}, &river.InsertOpts{Queue: queueName, MaxAttempts: 1})
	}
	s.keeping.Go(func() { s.keep(ctx) })
}

// Stop ends processing after the batches that are being written.
func (s *Service) Stop() {
	s.stopOnce.Do(func() { close(s.stop) })
	s.keeping.Wait()
}

// keep takes up what was left: by a program that was killed, a database that
// went away, a sender who did.
func (s *Service) keep(ctx context.Context) {
	every := time.NewTicker(look)
	defer every.Stop()
	for {
		if err := s.takeUp(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("looking for unfinished uploads", slog.String("error", err.Error()))
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
	return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		now := s.Now().UTC()
		ids, err := q.StalledUploads(ctx, query.StalledUploadsParams{At: now, Before: now.Add(-stalled)})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.later(ctx, tx, id); err != nil {
				return err
			}
		}
		return q.DeleteAbandonedUploads(ctx, now.Add(-abandoned))
	})
}
