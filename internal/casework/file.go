package casework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// file is a case as it was read.
type file struct {
	row      query.CaseFile
	evidence int
	asked    Asked
	seal     sealer // nil where the person was erased
}

// sealer seals for one person, or for a case whose person is not known yet.
type sealer interface {
	Seal(plain []byte, column string) ([]byte, error)
	Unseal(sealed []byte, column string) ([]byte, error)
}

// fileSeal seals for a case of somebody who has no key yet.
type fileSeal struct {
	box *seal.Box
	id  Ticket
}

// Seal implements sealer.
func (f fileSeal) Seal(plain []byte, column string) ([]byte, error) {
	return f.box.Seal(plain, seal.AAD(vaccination.Bucket(f.id.Bucket()), int64(f.id), column))
}

// Unseal implements sealer.
func (f fileSeal) Unseal(sealed []byte, column string) ([]byte, error) {
	return f.box.Unseal(sealed, seal.AAD(vaccination.Bucket(f.id.Bucket()), int64(f.id), column))
}

func (f *file) ticket() Ticket { return Ticket(f.row.ID) }

func (f *file) state() State { return State(f.row.State) }

// The places that values are bound to.
func (t Ticket) column() string          { return "case " + t.String() }
func (t Ticket) noteColumn(n int) string { return fmt.Sprintf("case note %s %d", t, n) }
func (t Ticket) fileColumn(n int) string { return fmt.Sprintf("case evidence %s %d", t, n) }

// errNoCase is told of a case that does not exist and of one that is not the
// caller's to see.
func errNoCase() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no case with this ticket number")
}

// errMeanwhile is told where somebody else did something to the case first.
func errMeanwhile() error {
	return vaccination.Errorf(vaccination.Conflict, "somebody did something to this case meanwhile: look at it again")
}

// load reads a case and opens what was asked. What was erased is empty.
func (s *Service) load(ctx context.Context, t Ticket) (*file, error) {
	row, err := s.Store.Read().CaseByID(ctx, query.CaseByIDParams{Bucket: t.Bucket(), ID: int64(t)})
	if registry.IsNone(err) {
		return nil, errNoCase()
	}
	if err != nil {
		return nil, err
	}
	return s.open(ctx, row.CaseFile, int(row.Evidence))
}

func (s *Service) open(ctx context.Context, row query.CaseFile, evidence int) (*file, error) {
	f := &file{row: row, evidence: evidence}
	if row.PersonID == nil {
		f.seal = fileSeal{s.Box, f.ticket()}
	} else {
		key, err := s.Issuance.PersonSeal(ctx, row.Bucket, *row.PersonID)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			return f, nil // erased
		}
		if err != nil {
			return nil, err
		}
		f.seal = key
	}
	if len(row.Sealed) == 0 {
		f.seal = nil
		return f, nil
	}
	plain, err := f.seal.Unseal(row.Sealed, f.ticket().column())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", f.ticket().object(), err)
	}
	return f, json.Unmarshal(plain, &f.asked)
}

// may loads a case that the caller may see: who decides sees all, staff of a
// facility what was opened there, a citizen what is about a record they opened.
// What is not theirs looks like what is not there.
func (s *Service) may(ctx context.Context, by access.Caller, t Ticket) (*file, error) {
	if err := by.Can(access.OpenCase); err != nil {
		return nil, err
	}
	f, err := s.load(ctx, t)
	if err != nil {
		return nil, err
	}
	sees, err := s.sees(ctx, by, f.row)
	if err == nil && !sees {
		err = errNoCase()
	}
	return f, err
}

func (s *Service) sees(ctx context.Context, by access.Caller, row query.CaseFile) (bool, error) {
	switch {
	case by.Can(access.DecideCases) == nil:
		return true, nil
	case by.Role == access.Citizen:
		if s.Opened == nil || row.Certificate == nil || !Kind(row.Kind).ByCitizen() {
			return false, nil
		}
		return s.Opened(ctx, by, vaccination.CertificateID(row.Certificate))
	default:
		return row.OpenedBy == by.Actor || by.Facility != "" && row.Facility == by.Facility, nil
	}
}

// step is one act and what it changes of a case.
type step struct {
	act  Act
	note string // what the person is told
	row  func(*query.CaseFile)
}

// write does one act to the case as it was read, in the caller's transaction,
// with its line of the timeline and its audit entry. It leaves f as it is: a
// transaction may run again. Where somebody was first, the error is
// [vaccination.Conflict].
func (s *Service) write(ctx context.Context, q *query.Queries, by access.Caller, f *file, st step) (State, error) {
	row, at := f.row, s.now()
	next, err := f.state().After(st.act)
	if err != nil {
		return "", err
	}
	if f.seal == nil {
		if st.act != ActForget && st.act != ActRefuse && st.act != ActWithdraw {
			return "", vaccination.Errorf(vaccination.Conflict, "this person's data was erased: the case can only be ended")
		}
		st.note = ""
	}
	row.State = string(next)
	if next.Final() && row.ClosedAt == nil {
		row.ClosedAt = &at
	}
	if st.row != nil {
		st.row(&row)
	}
	n, err := q.MoveCase(ctx, query.MoveCaseParams{
		Bucket: row.Bucket, ID: row.ID, Turn: row.Turn, State: row.State, TakenBy: row.TakenBy, ApprovedBy: row.ApprovedBy,
		ClosedAt: row.ClosedAt, Effect: row.Effect, EffectAt: row.EffectAt, Result: row.Result, Sealed: row.Sealed,
	})
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", errMeanwhile()
	}
	var note []byte
	if st.note != "" {
		if note, err = f.seal.Seal([]byte(st.note), f.ticket().noteColumn(int(row.Turn)+1)); err != nil {
			return "", err
		}
	}
	err = q.InsertCaseEvent(ctx, query.InsertCaseEventParams{Bucket: row.Bucket, CaseID: row.ID, Turn: row.Turn + 1, At: at, Actor: by.Actor, Act: string(st.act), Note: note})
	if err != nil {
		return "", err
	}
	return next, registry.Audit(ctx, q, at, by.Actor, entry(f.ticket(), st.act, row.Kind+" "+row.State))
}

// do is write in a transaction of its own, with what also writes.
func (s *Service) do(ctx context.Context, by access.Caller, f *file, st step, also ...func(*query.Queries) error) (state State, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		for _, a := range also {
			if err := a(q); err != nil {
				return err
			}
		}
		state, err = s.write(ctx, q, by, f, st)
		return err
	})
	if registry.IsRace(err) {
		err = errMeanwhile()
	}
	return state, err
}

// markAct stands before an act in the audit.
const markAct = "case."

func entry(t Ticket, act Act, detail string) registry.Entry {
	return registry.Entry{Chain: registry.GroupOf(t.Bucket()), Act: markAct + string(act), Object: t.object(), Detail: detail}
}

// now is the time as PostgreSQL keeps it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// sealed is what was asked, sealed anew.
func (f *file) sealed(a Asked) ([]byte, error) {
	if f.seal == nil {
		return nil, errors.New("casework: sealing for an erased person")
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return f.seal.Seal(plain, f.ticket().column())
}

func (f *file) certificate() vaccination.CertificateID {
	if f.row.Certificate == nil {
		return vaccination.CertificateID{}
	}
	return vaccination.CertificateID(f.row.Certificate)
}
