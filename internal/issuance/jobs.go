package issuance

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
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

// holdPause is how long waits what is not published just now.
const holdPause = 10 * time.Second

// Work publishes the list, unless somebody did who asked for it. A failure is
// tried again by the queue.
func (w *publishWorker) Work(ctx context.Context, job *river.Job[publishList]) error {
	err := w.service.publish(ctx, job.Args.List, false)
	if vaccination.ErrorCode(err) == vaccination.Unavailable {
		return river.JobSnooze(holdPause)
	}
	return err
}

// liftSuspensions is the job that lifts suspensions that are over.
type liftSuspensions struct{}

// Kind names the job in the queue.
func (liftSuspensions) Kind() string { return "lift-suspensions" }

// liftEvery is how often the job looks; see [Service.Suspend] for why nothing
// depends on it.
const liftEvery = time.Minute

type liftWorker struct {
	river.WorkerDefaults[liftSuspensions]
	service *Service
}

// Work lifts what is over. The next run takes up what this one leaves.
func (w *liftWorker) Work(ctx context.Context, _ *river.Job[liftSuspensions]) error {
	_, err := w.service.LiftEnded(ctx)
	return err
}

// Queue runs issuance's jobs in the database that holds the certificates.
type Queue struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
}

// Work is jobs of another room that the same queue runs: one client of the
// database must know every kind of job, because whichever leads sweeps up after
// all.
type Work struct {
	Queue   string               // its name, apart from the others
	Workers int                  // how many jobs of it run at once
	Add     func(*river.Workers) // adds the kinds of jobs
	Every   []Periodic
}

// Periodic is a job that is run at the start and then over and over, once among
// all servers of a database.
type Periodic struct {
	Every time.Duration
	Job   func() river.JobArgs
}

// jobs are the periodic jobs of w as the queue takes them. One that fails is not
// tried again before it is due again.
func (w Work) jobs() []*river.PeriodicJob {
	var out []*river.PeriodicJob
	for _, p := range w.Every {
		out = append(out, river.NewPeriodicJob(river.PeriodicInterval(p.Every), func() (river.JobArgs, *river.InsertOpts) {
			return p.Job(), &river.InsertOpts{Queue: w.Queue, MaxAttempts: 1}
		}, &river.PeriodicJobOpts{RunOnStart: true}))
	}
	return out
}

// NewQueue returns the queue of s and of more, and makes s use it.
func NewQueue(store *registry.Store, s *Service, log *slog.Logger, more ...Work) (*Queue, error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &publishWorker{service: s})
	river.AddWorker(workers, &liftWorker{service: s})
	periodic := Work{Queue: river.QueueDefault, Every: []Periodic{{liftEvery, func() river.JobArgs { return liftSuspensions{} }}}}.jobs()
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}}
	for _, w := range more {
		w.Add(workers)
		queues[w.Queue] = river.QueueConfig{MaxWorkers: w.Workers}
		periodic = append(periodic, w.jobs()...)
	}
	client, err := river.NewClient(riverpgxv5.New(store.Pool()), &river.Config{
		Logger:       log,
		Queues:       queues,
		Workers:      workers,
		PeriodicJobs: periodic,
		Middleware:   s.middleware(),
	})
	if err != nil {
		return nil, err
	}
	s.Later = func(ctx context.Context, tx pgx.Tx, list int32) error {
		_, err := client.InsertTx(ctx, tx, publishList{List: list}, nil)
		return err
	}
	return &Queue{client: client, pool: store.Pool()}, nil
}

// Start begins working until Stop.
func (q *Queue) Start(ctx context.Context) error { return q.client.Start(ctx) }

// Stop lets running jobs end.
func (q *Queue) Stop(ctx context.Context) error { return q.client.Stop(ctx) }

// InsertTx adds a job in the caller's transaction.
func (q *Queue) InsertTx(ctx context.Context, tx pgx.Tx, job river.JobArgs, o *river.InsertOpts) error {
	_, err := q.client.InsertTx(ctx, tx, job, o)
	return err
}

// traced makes a trace of every job.
type traced struct {
	river.MiddlewareDefaults
	traces *tracing.Tracing
}

// Work does the job within its trace.
func (m *traced) Work(ctx context.Context, job *rivertype.JobRow, do func(context.Context) error) (err error) {
	ctx, span := m.traces.Job(ctx, job.Kind, job.Attempt)
	defer func() { span.End(err) }()
	return do(ctx)
}

func (s *Service) middleware() []rivertype.Middleware {
	if !s.Traces.On() {
		return nil
	}
	return []rivertype.Middleware{&traced{traces: s.Traces}}
}
