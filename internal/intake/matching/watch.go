package matching

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
)

// Watch compares people for whom certificates are issued without the intake, right
// after, and writes down who looks like somebody known. It is safe for concurrent
// use; two at once do the work of one.
type Watch struct {
	Issuance *issuance.Service
	Log      *slog.Logger
}

// Look follows the audit to its end and returns how many pairs it found that were
// not known.
func (w Watch) Look(ctx context.Context) (found int64, err error) {
	hold, err := registry.ReadHold(ctx, w.Issuance.Store.Read())
	if err != nil || hold != nil {
		return 0, err
	}
	seen, err := w.Issuance.LikenessSeen(ctx)
	if err != nil {
		return 0, err
	}
	for chain, after := range seen {
		n, err := w.follow(ctx, chain, after)
		found += n
		if err != nil {
			return found, err
		}
	}
	if found > 0 {
		w.Log.Warn("certificates were issued for people who may be known under another code", slog.Int64("pairs", found))
	}
	return found, nil
}

// follow follows one chain.
func (w Watch) follow(ctx context.Context, chain int16, after int64) (found int64, err error) {
	m := Matcher{Issuance: w.Issuance}
	for {
		near, last, err := w.Issuance.Newcomers(ctx, chain, after)
		if err != nil || last == after {
			return found, err
		}
		var alike []issuance.Alike
		for _, a := range near {
			x, y := a.People[0], a.People[1]
			v, differs := compare(m.record(x.Person, x.Contacts), m.record(y.Person, y.Contacts))
			if v != other {
				a.Same, a.Differs = v == same, differs
				alike = append(alike, a)
			}
		}
		n, err := w.Issuance.KeepAlike(ctx, chain, after, last, alike)
		if err != nil {
			return found, err
		}
		found, after = found+n, last
	}
}

// watchEvery is how soon after a certificate its person is compared.
const watchEvery = 10 * time.Second

// look is the job of a [Watch].
type look struct{}

// Kind names the job in the queue.
func (look) Kind() string { return "look-for-likeness" }

type worker struct {
	river.WorkerDefaults[look]
	w Watch
}

// Timeout is none: after the import of a large file there is much to compare.
func (*worker) Timeout(*river.Job[look]) time.Duration { return -1 }

// Work looks. What fails is looked at again at the next run.
func (w *worker) Work(ctx context.Context, _ *river.Job[look]) error {
	_, err := w.w.Look(ctx)
	if err != nil && ctx.Err() == nil {
		w.w.Log.Warn("looking for people who are known already failed", slog.String("error", err.Error()))
	}
	return err
}

// Work is what the queue is to run for w.
func (w Watch) Work() issuance.Work {
	return issuance.Work{
		Queue: "likeness", Workers: 1, Add: func(ws *river.Workers) { river.AddWorker(ws, &worker{w: w}) },
		Every: []issuance.Periodic{{Every: watchEvery, Job: func() river.JobArgs { return look{} }}},
	}
}
