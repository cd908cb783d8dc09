package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// How many certificates one step looks at, and changes.
const (
	lookStep   = 500
	changeStep = 200
)

// errElsewhere says that another server did this step.
var errElsewhere = errors.New("bulk: somebody else goes on with this withdrawal")

// Process works on a withdrawal until there is nothing to do: it is ready, done,
// or decided against. Several may work on one; each step is done once.
func (s *Service) Process(ctx context.Context, id int64) error {
	for {
		row, err := s.Store.Read().WithdrawalByID(ctx, id)
		if registry.IsNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		switch State(row.State) {
		case Looking:
			err = s.look(ctx, row)
		case Approved:
			err = s.change(ctx, row)
		case Ready:
			return s.expire(ctx, row)
		default:
			return nil
		}
		if errors.Is(err, errElsewhere) {
			continue // it is read again
		}
		if err != nil {
			return err
		}
	}
}

// as is the caller that a withdrawal is done for.
func as(row query.Withdrawal) access.Caller {
	c := access.System("withdrawal")
	c.Actor = row.AskedBy
	return c
}

// look does one step of the search.
func (s *Service) look(ctx context.Context, row query.Withdrawal) error {
	if row.Filter == "" {
		return s.lookAtList(ctx, row)
	}
	i, err := infoOf(row)
	if err != nil {
		return err
	}
	f := i.Filter
	c := issuance.Common{Act: i.Act, Source: f.Source, Actor: f.Actor, Since: f.Since, Until: f.Until, Lot: f.Lot, Facility: f.Facility, Programme: f.Programme, Most: lookStep}
	if row.Position != "" {
		if err := json.Unmarshal([]byte(row.Position), &c.After); err != nil {
			return err
		}
	}
	found, looked, next, done, err := s.Issuance.Scan(ctx, as(row), c)
	if err != nil {
		return err
	}
	position, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return s.looked(ctx, row, string(position), looked, done, func(q *query.Queries) (int64, int64, error) {
		n, err := q.InsertWithdrawalItems(ctx, itemParams(row.ID, found, nil))
		return n, 0, err
	})
}

// looked writes a step of the search.
func (s *Service) looked(ctx context.Context, row query.Withdrawal, position string, looked int, done bool, items func(*query.Queries) (found, skipped int64, err error)) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, err := q.LockWithdrawal(ctx, row.ID); err != nil {
			return err
		}
		found, skipped, err := items(q)
		if err != nil {
			return err
		}
		n, err := q.WithdrawalLooked(ctx, query.WithdrawalLookedParams{Position: position, Looked: int64(looked), Found: found, Skipped: skipped, ID: row.ID, Before: row.Position})
		if err == nil && n != 1 {
			return errElsewhere
		}
		if err == nil && done {
			err = q.WithdrawalReady(ctx, query.WithdrawalReadyParams{At: s.Now().UTC(), ID: row.ID})
		}
		return err
	})
}

// lookAtList looks at everything that stands in a list: how it stands is known
// without opening it.
func (s *Service) lookAtList(ctx context.Context, row query.Withdrawal) error {
	var ids []vaccination.CertificateID
	waiting, err := s.Store.Read().WaitingWithdrawalItems(ctx, query.WaitingWithdrawalItemsParams{Withdrawal: row.ID, MaxRows: MaxIDs})
	if err != nil {
		return err
	}
	var p query.SetWithdrawalItemsParams
	p.Withdrawal = row.ID
	for len(waiting) > 0 {
		n := min(len(waiting), lookStep*4)
		ids = ids[:0]
		for _, w := range waiting[:n] {
			ids = append(ids, vaccination.CertificateID(w.ID))
		}
		stand, err := s.Issuance.States(ctx, as(row), ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if why := cannot(stand, id, vaccination.Act(row.Act)); why != "" {
				p.Buckets, p.Ids = append(p.Buckets, int16(id.Bucket())), append(p.Ids, append([]byte{}, id[:]...))
				p.States, p.Whys = append(p.States, skipped), append(p.Whys, why)
			}
		}
		waiting = waiting[n:]
		row.Looked += int64(n)
	}
	return s.looked(ctx, row, "looked", int(row.Looked), true, func(q *query.Queries) (int64, int64, error) {
		n, err := q.SetWithdrawalItems(ctx, p)
		return row.Looked - n, n, err
	})
}

// Why a certificate is skipped, beside its state.
const unknown = "not-found"

// cannot says why an act cannot be done to a certificate, "" where it can.
func cannot(stand map[vaccination.CertificateID]issuance.Stood, id vaccination.CertificateID, act vaccination.Act) string {
	is, ok := stand[id]
	if !ok {
		return unknown
	}
	if _, err := is.Status.After(act); err != nil {
		return string(is.Status)
	}
	return ""
}

// change does one step of what was approved.
func (s *Service) change(ctx context.Context, row query.Withdrawal) error {
	waiting, err := s.Store.Read().WaitingWithdrawalItems(ctx, query.WaitingWithdrawalItemsParams{Withdrawal: row.ID, MaxRows: changeStep})
	if err != nil {
		return err
	}
	if len(waiting) == 0 {
		return s.Store.Tx(ctx, func(q *query.Queries) error {
			now, err := q.LockWithdrawal(ctx, row.ID)
			if err != nil || State(now.State) != Approved {
				return err
			}
			if err := q.WithdrawalDone(ctx, query.WithdrawalDoneParams{At: s.Now().UTC(), ID: row.ID}); err != nil {
				return err
			}
			return s.audit(ctx, q, row.AskedBy, "withdrawal.done", row.ID, "")
		})
	}
	ids := make([]vaccination.CertificateID, len(waiting))
	for i, w := range waiting {
		ids[i] = vaccination.CertificateID(w.ID)
	}
	return s.Issuance.ChangeMany(ctx, as(row), ids, vaccination.Act(row.Act), row.Reason, func(ctx context.Context, _ pgx.Tx, q *query.Queries, each []error) error {
		now, err := q.LockWithdrawal(ctx, row.ID) // one step at a time
		if err != nil {
			return err
		}
		if State(now.State) != Approved {
			return errElsewhere
		}
		p := query.SetWithdrawalItemsParams{Withdrawal: row.ID}
		done := query.WithdrawalChangedParams{ID: row.ID}
		for i, id := range ids {
			state, why := changed, ""
			if each[i] == nil {
				done.Changed++
			} else {
				state, why = skipped, string(vaccination.ErrorCode(each[i]))
				done.Skipped++
			}
			p.Buckets, p.Ids = append(p.Buckets, int16(id.Bucket())), append(p.Ids, append([]byte{}, id[:]...))
			p.States, p.Whys = append(p.States, state), append(p.Whys, why)
		}
		n, err := q.SetWithdrawalItems(ctx, p)
		if err == nil && n != int64(len(ids)) {
			return errElsewhere
		}
		if err != nil {
			return err
		}
		return q.WithdrawalChanged(ctx, done)
	})
}

// expire ends a withdrawal that nobody approved in time.
func (s *Service) expire(ctx context.Context, row query.Withdrawal) error {
	if row.ReadyAt == nil || s.Now().Before(row.ReadyAt.Add(patience)) {
		return nil
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.MoveWithdrawal(ctx, query.MoveWithdrawalParams{State: string(Expired), At: s.Now().UTC(), ID: row.ID, Before: string(Ready)})
		if err != nil || n == 0 {
			return err
		}
		return s.audit(ctx, q, access.System("withdrawal").Actor, "withdrawal.expire", row.ID, "")
	})
}

// ProcessAll works on everything that is open and goes on after an error with the
// next.
func (s *Service) ProcessAll(ctx context.Context) error {
	ids, err := s.Store.Read().OpenWithdrawals(ctx, s.Now().UTC().Add(-patience))
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if err := s.Process(ctx, id); err != nil {
			s.Log.Error("working on a withdrawal", slog.Int64("withdrawal", id), slog.String("error", err.Error()))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// process is the job that works on one withdrawal, processAll the one that takes
// up what was left.
type (
	process    struct{ ID int64 }
	processAll struct{}
)

// Kind names the job in the queue.
func (process) Kind() string { return "withdrawal" }

// Kind names the job in the queue.
func (processAll) Kind() string { return "withdrawals" }

type worker struct {
	river.WorkerDefaults[process]
	service *Service
}

// Work does it. While the system is on hold it waits.
func (w *worker) Work(ctx context.Context, job *river.Job[process]) error {
	err := w.service.Process(ctx, job.Args.ID)
	if vaccination.ErrorCode(err) == vaccination.Unavailable {
		return river.JobSnooze(time.Minute)
	}
	return err
}

// Timeout has none: a step is short, and what is left is taken up again.
func (w *worker) Timeout(*river.Job[process]) time.Duration { return -1 }

type allWorker struct {
	river.WorkerDefaults[processAll]
	service *Service
}

// Work does it.
func (w *allWorker) Work(ctx context.Context, _ *river.Job[processAll]) error {
	return w.service.ProcessAll(ctx)
}

// Timeout has none: a step is short, and what is left is taken up again.
func (w *allWorker) Timeout(*river.Job[processAll]) time.Duration { return -1 }

// queue is the name of the queue, takeUp how often what was left is looked for.
const (
	queue  = "withdrawals"
	takeUp = 5 * time.Minute
)

// Work is the service's part of the job queue.
func (s *Service) Work() issuance.Work {
	return issuance.Work{
		Queue: queue, Workers: 2,
		Add: func(w *river.Workers) {
			river.AddWorker(w, &worker{service: s})
			river.AddWorker(w, &allWorker{service: s})
		},
		Every: []issuance.Periodic{{Every: takeUp, Job: func() river.JobArgs { return processAll{} }}},
	}
}

// Start has jobs put into the transactions that make work.
func (s *Service) Start(q *issuance.Queue) {
	s.later = func(ctx context.Context, tx pgx.Tx, id int64) error {
		return q.InsertTx(ctx, tx, process{ID: id}, &river.InsertOpts{Queue: queue})
	}
}
