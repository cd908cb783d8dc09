package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Approve has a withdrawal done. found is how many certificates the second person
// saw: of another number nothing is done. Who asked cannot approve
// ([vaccination.Forbidden]); what is not ready, or waited too long, is a
// [vaccination.Conflict]. Approving what oneself approved changes nothing.
func (s *Service) Approve(ctx context.Context, by access.Caller, id, found int64) error {
	return s.decide(ctx, by, id, Approved, func(i Info) error {
		switch {
		case !by.Second(i.By):
			return vaccination.Errorf(vaccination.Forbidden, "you asked for this, or somebody at another door did who may be you: somebody else has to approve it where it was asked for")
		case i.State != Ready:
			return vaccination.Errorf(vaccination.Conflict, "this is %s: it cannot be approved", i.State)
		case !s.Now().Before(i.Expires()):
			return vaccination.Errorf(vaccination.Conflict, "nobody approved this within a day: ask for it again")
		case i.Found != found:
			return vaccination.Errorf(vaccination.Conflict, "it is about %d certificates now: look at them again", i.Found)
		case i.Found == 0:
			return vaccination.Errorf(vaccination.Conflict, "there is nothing to change")
		}
		return nil
	}, fmt.Sprintf("%d certificates", found))
}

// Refuse ends a withdrawal before it is done, also by who asked for it.
func (s *Service) Refuse(ctx context.Context, by access.Caller, id int64, reason string) error {
	if !line(reason, maxReason) {
		return vaccination.Errorf(vaccination.Invalid, "a reason is one line of at most %d characters", maxReason)
	}
	return s.decide(ctx, by, id, Refused, func(i Info) error {
		if i.State != Ready && i.State != Looking {
			return vaccination.Errorf(vaccination.Conflict, "this is %s: it cannot be refused", i.State)
		}
		return nil
	}, reason)
}

func (s *Service) decide(ctx context.Context, by access.Caller, id int64, to State, check func(Info) error, detail string) error {
	if err := by.Can(access.WithdrawMany); err != nil {
		return err
	}
	return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
		row, err := q.LockWithdrawal(ctx, id)
		if registry.IsNone(err) {
			return errNone()
		}
		if err != nil {
			return err
		}
		i, err := infoOf(row)
		if err != nil {
			return err
		}
		if i.Decider == by.Actor && (i.State == to || to == Approved && i.State == Done) {
			return nil // the form came twice
		}
		if err := check(i); err != nil {
			return err
		}
		n, err := q.MoveWithdrawal(ctx, query.MoveWithdrawalParams{State: string(to), DecidedBy: by.Actor, At: s.Now().UTC(), ID: id, Before: row.State})
		if err == nil && n != 1 {
			err = registry.ErrChanged
		}
		if err != nil {
			return err
		}
		act := map[State]string{Approved: "withdrawal.approve", Refused: "withdrawal.refuse"}[to]
		if err := s.audit(ctx, q, by.Actor, act, id, detail); err != nil {
			return err
		}
		if to != Approved {
			return nil
		}
		return s.work(ctx, tx, id)
	})
}

// maxList bounds a list of withdrawals, maxItems one of their certificates.
const (
	maxList  = 100
	maxItems = 500
)

// List returns withdrawals, the newest first, at most 100 of those with an id
// below before (0 for all).
func (s *Service) List(ctx context.Context, by access.Caller, before int64) ([]Info, error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return nil, err
	}
	if before <= 0 {
		before = 1<<63 - 1
	}
	rows, err := s.Store.Read().Withdrawals(ctx, query.WithdrawalsParams{Before: before, MaxRows: maxList})
	if err != nil {
		return nil, err
	}
	out := make([]Info, len(rows))
	for i, row := range rows {
		if out[i], err = infoOf(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Get returns one withdrawal; unknown is [vaccination.NotFound].
func (s *Service) Get(ctx context.Context, by access.Caller, id int64) (Info, error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return Info{}, err
	}
	row, err := s.Store.Read().WithdrawalByID(ctx, id)
	if registry.IsNone(err) {
		return Info{}, errNone()
	}
	if err != nil {
		return Info{}, err
	}
	return infoOf(row)
}

// Items returns what a withdrawal is about, at most 500 certificates behind one of
// them.
func (s *Service) Items(ctx context.Context, by access.Caller, id int64, after vaccination.CertificateID) ([]Item, error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return nil, err
	}
	p := query.WithdrawalItemsParams{Withdrawal: id, Bucket: int16(after.Bucket()), After: after[:], MaxRows: maxItems}
	if after.IsZero() {
		p.Bucket, p.After = -1, []byte{}
	}
	rows, err := s.Store.Read().WithdrawalItems(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]Item, len(rows))
	for i, r := range rows {
		out[i] = Item{ID: vaccination.CertificateID(r.ID), State: r.State, Why: r.Why}
		if r.Status >= 0 {
			out[i].Status, out[i].Programme, out[i].Dose, out[i].Source, out[i].Issued = issuance.StatusNumbered(r.Status), r.Programme, int(r.Dose), r.Source, r.IssuedAt
		}
	}
	return out, nil
}

// infoOf is a row as it is shown.
func infoOf(row query.Withdrawal) (Info, error) {
	i := Info{
		ID: row.ID, Act: vaccination.Act(row.Act), Reason: row.Reason, State: State(row.State), Looked: row.Looked, Found: row.Found, Changed: row.Changed, Skipped: row.Skipped,
		By: row.AskedBy, At: row.AskedAt, Decider: row.DecidedBy,
	}
	for from, to := range map[*time.Time]*time.Time{row.ReadyAt: &i.Ready, row.DecidedAt: &i.Decided, row.EndedAt: &i.Ended} {
		if from != nil {
			*to = *from
		}
	}
	if row.Filter != "" {
		i.Filter = &Filter{}
		if err := json.Unmarshal([]byte(row.Filter), i.Filter); err != nil {
			return i, fmt.Errorf("reading the filter of withdrawal %d: %w", row.ID, err)
		}
	}
	return i, nil
}
