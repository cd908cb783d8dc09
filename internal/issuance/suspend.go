package issuance

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// A suspension may have an end. From that second on the certificate is valid
// again for whoever asks, by the clock and not by a job: its state, its status
// list (which is signed anew when a suspension in it ended since) and the next
// trust bundle say so at once, also when nothing runs in the background. What is
// late is only the record: the certificate is moved back to valid, with an entry
// in the audit, by the first who reads it or by a job that looks every minute.

// reasonOver is why a certificate is valid again after the end of a suspension.
const reasonOver = "the time of its suspension is over"

// actUntil is how the audit says when a suspension ends: the entry after that of
// the suspension, with the time in RFC 3339.
const actUntil = "suspend until"

// liftPage is how many suspensions are lifted in one transaction.
const liftPage = 500

// Suspend suspends a certificate until a time, in whole seconds, or gives a
// suspension another end. Before the end it can be lifted by [Service.Change].
// reason is as for Change. A time that is not in the future is
// [vaccination.Invalid].
func (s *Service) Suspend(ctx context.Context, by access.Caller, id vaccination.CertificateID, until time.Time, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	until = until.UTC().Truncate(time.Second)
	if !until.After(s.Now()) || until.Year() > 9999 {
		return vaccination.Errorf(vaccination.Invalid, "a suspension ends in the future: give a later time, or none for one without an end")
	}
	return s.retry(ctx, func() error {
		p, v, err := s.find(ctx, by, access.Revoke, id)
		if err != nil {
			return err
		}
		return s.change(ctx, by, p, []*version{v}, vaccination.ActSuspend, until, reason)
	})
}

// ended finds out until when versions are suspended and lifts the suspensions
// that are over. It reports whether there were any: the caller reads again.
func (s *Service) ended(ctx context.Context, versions []*version) (bool, error) {
	of := query.SuspensionsOfParams{}
	byID := map[vaccination.CertificateID]*version{}
	for _, v := range versions {
		if v.status() == vaccination.StatusSuspended {
			of.Buckets, of.Ids = append(of.Buckets, v.row.Bucket), append(of.Ids, v.row.ID)
			byID[v.id()] = v
		}
	}
	if len(byID) == 0 {
		return false, nil
	}
	rows, err := s.Store.Read().SuspensionsOf(ctx, of)
	if err != nil {
		return false, err
	}
	var over []query.Certificate
	for _, row := range rows {
		v := byID[vaccination.CertificateID(row.ID)]
		v.until = row.Until
		if !row.Until.After(s.Now()) && row.Since.Equal(v.row.StatusAt) {
			over = append(over, v.row)
		}
	}
	if len(over) == 0 {
		return false, nil
	}
	if hold, err := s.Hold(ctx); err != nil || hold != nil { // nothing is changed then, but read
		return false, err
	}
	if err := s.lift(ctx, over); err != nil && !registry.IsRace(err) { // somebody else did
		return false, err
	}
	return true, nil
}

// overdue reports whether a suspended certificate is suspended no more.
func (s *Service) overdue(ctx context.Context, id vaccination.CertificateID) (bool, error) {
	rows, err := s.Store.Read().SuspensionsOf(ctx, query.SuspensionsOfParams{Buckets: []int16{int16(id.Bucket())}, Ids: [][]byte{id[:]}})
	return len(rows) == 1 && !rows[0].Until.After(s.Now()), err
}

// lift ends suspensions in one transaction.
func (s *Service) lift(ctx context.Context, rows []query.Certificate) error {
	w := newWrites(s, access.System("suspensions"))
	for _, row := range rows {
		if err := w.move(row, vaccination.ActLift, reasonOver); err != nil {
			return err
		}
		w.changedNews(nil, row, vaccination.ActLift)
		w.record(row.Bucket, string(vaccination.ActLift), vaccination.CertificateID(row.ID), reasonOver)
	}
	if err := s.Store.TxRaw(ctx, w.run(ctx)); err != nil {
		return err
	}
	s.bundles.drop()
	return nil
}

// LiftEnded lifts every suspension that is over and returns how many. It may run
// anywhere, at any time, more than once at a time: each suspension is lifted
// once.
func (s *Service) LiftEnded(ctx context.Context) (lifted int, err error) {
	for {
		n, more := 0, false
		err := s.retry(ctx, func() (err error) {
			n, more, err = s.liftPage(ctx)
			return err
		})
		lifted += n
		if err != nil || !more {
			return lifted, err
		}
	}
}

func (s *Service) liftPage(ctx context.Context) (lifted int, more bool, err error) {
	q, now := s.Store.Read(), s.Now().UTC()
	if err := q.DeleteStaleSuspensions(ctx, now); err != nil {
		return 0, false, err
	}
	rows, err := q.DueSuspensions(ctx, query.DueSuspensionsParams{Now: now, MaxRows: liftPage})
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	over := make([]query.Certificate, len(rows))
	for i, row := range rows {
		over[i] = row.Certificate
	}
	if err := s.lift(ctx, over); err != nil {
		return 0, false, err
	}
	return len(over), len(rows) == liftPage, nil
}
