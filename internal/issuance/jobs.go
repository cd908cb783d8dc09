package issuance

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/opendivoc/divoc/internal/registry"
)

// publishList is the job that signs a status list anew after a change.
type publishList struct {
	List int32 `json:"list"`
}

// Kind names the job in the queue.
func (publishList) Kind() string { return "publish-status-list" }

type publishWorker struct {
	river.WorkerDefaults[publishList]
	service *Service
}

// Work publishes the list. A failure is tried again by the queue.
func (w *publishWorker) Work(ctx context.Context, job *river.Job[publishList]) error {
	return w.service.PublishList(ctx, job.Args.List)
}

// Queue runs issuance's jobs in the database that holds the certificates.
type Queue struct {
	client *river.Client[pgx.Tx]
}

// NewQueue returns the queue of s and makes s use it.
func NewQueue(store *registry.Store, s *Service, log *slog.Logger) (*Queue, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &publishWorker{service: s})
	client, err := river.NewClient(riverpgxv5.New(store.Pool()), &river.Config{
		Logger:  log,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		Workers: workers,
	})
	if err != nil {
		return nil, err
	}
	s.Later = func(ctx context.Context, tx pgx.Tx, list int32) error {
		// One waiting job per list is enough: it reads what is true when it runs.
		_, err := client.InsertTx(ctx, tx, publishList{List: list}, nil)
		return err
	}
	return &Queue{client: client}, nil
}

// Start begins working until Stop.
func (q *Queue) Start(ctx context.Context) error { return q.client.Start(ctx) }

// Stop lets running jobs end.
func (q *Queue) Stop(ctx context.Context) error { return q.client.Stop(ctx) }
