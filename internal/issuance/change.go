package issuance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// maxReason bounds the reason given for a change, in characters. It is kept in
// clear, so it must say nothing of the person.
const maxReason = 200

// checkReason refuses what could not be kept on one line of the audit.
func checkReason(reason string) error {
	if !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return vaccination.Errorf(vaccination.Invalid, "a reason is one line of at most %d characters", maxReason)
	}
	return nil
}

// Change revokes, suspends or lifts one certificate; a suspension of it has no
// end, see [Service.Suspend] for one that has. reason is kept with it and must
// hold nothing personal: one line of at most 200 characters. The error is
// [vaccination.NotFound] for a certificate that is not the caller's,
// [vaccination.Conflict] for a move that the table of moves does not have.
// Revoking what is revoked changes nothing.
func (s *Service) Change(ctx context.Context, by access.Caller, id vaccination.CertificateID, act vaccination.Act, reason string) (vaccination.Status, error) {
	if err := checkReason(reason); err != nil {
		return "", err
	}
	if act == vaccination.ActSupersede {
		return "", vaccination.Errorf(vaccination.Invalid, "a certificate is superseded by a correction, not by itself")
	}
	var after vaccination.Status
	err := s.retry(ctx, func() error {
		p, v, err := s.find(ctx, by, access.Revoke, id)
		if err != nil {
			return err
		}
		if act == vaccination.ActRevoke && v.status() == vaccination.StatusRevoked {
			after = vaccination.StatusRevoked
			return nil
		}
		if after, err = v.status().After(act); err != nil {
			return err
		}
		return s.change(ctx, by, p, []*version{v}, act, time.Time{}, reason)
	})
	if err != nil {
		return "", err
	}
	return after, nil
}

// RevokeDoses revokes the current certificates of doses of an enrolment code,
// or of all its doses when doses is empty. As DIVOC has it, doses must be
// consecutive and include the highest one certified. It returns what is revoked
// after it, certificates that were revoked before included.
func (s *Service) RevokeDoses(ctx context.Context, by access.Caller, programme, code string, doses []int, reason string) ([]vaccination.CertificateID, error) {
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	doses = slices.Clone(doses)
	slices.Sort(doses)
	doses = slices.Compact(doses)
	var ids []vaccination.CertificateID
	err := s.retry(ctx, func() (err error) {
		ids, err = s.revokeDoses(ctx, by, programme, code, doses, reason)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func (s *Service) revokeDoses(ctx context.Context, by access.Caller, programme, code string, doses []int, reason string) ([]vaccination.CertificateID, error) {
	p, versions, err := s.findByCode(ctx, by, access.Revoke, programme, code)
	if err != nil {
		return nil, err
	}
	newest := map[int]*version{}
	for _, v := range versions {
		newest[int(v.row.Dose)] = v // versions come oldest first
	}
	certified := make([]int, 0, len(newest))
	for dose := range newest {
		certified = append(certified, dose)
	}
	slices.Sort(certified)
	if len(doses) == 0 {
		doses = certified
	}
	if err := revocable(doses, certified); err != nil {
		return nil, err
	}
	var ids []vaccination.CertificateID
	var stand []*version
	for _, dose := range doses {
		v := newest[dose]
		ids = append(ids, v.id())
		if v.status() != vaccination.StatusRevoked {
			stand = append(stand, v)
		}
	}
	return ids, s.change(ctx, by, p, stand, vaccination.ActRevoke, time.Time{}, reason)
}

// revocable checks DIVOC's rule for the doses of one call. Both are sorted.
func revocable(doses, certified []int) error {
	for i, dose := range doses {
		if !slices.Contains(certified, dose) {
			return vaccination.Errorf(vaccination.NotFound, "there is no certificate for dose %d", dose)
		}
		if i > 0 && dose != doses[i-1]+1 {
			return vaccination.Errorf(vaccination.Invalid, "the doses to revoke must follow one another")
		}
	}
	if last := certified[len(certified)-1]; doses[len(doses)-1] != last {
		return vaccination.Errorf(vaccination.Invalid, "the doses to revoke must include the highest one certified, dose %d", last)
	}
	return nil
}

// change moves versions of one person in one transaction. until is the end of a
// suspension, zero for none.
func (s *Service) change(ctx context.Context, by access.Caller, p *person, versions []*version, act vaccination.Act, until time.Time, reason string) error {
	if len(versions) == 0 {
		return nil
	}
	if reason == "" {
		reason = string(act)
	}
	w := newWrites(s, by)
	for _, v := range versions {
		if err := w.move(v.row, act, reason); err != nil {
			return err
		}
		w.changedNews(p, v.row, act)
		w.record(p.row.Bucket, string(act), v.id(), reason)
		if !until.IsZero() {
			w.flags[len(w.flags)-1].until = until
			w.record(p.row.Bucket, actUntil, v.id(), until.Format(time.RFC3339))
		}
	}
	if err := s.Store.TxRaw(ctx, w.run(ctx)); err != nil {
		return err
	}
	s.bundles.drop()
	return nil
}

// actReissue is how the audit says why a certificate was issued again: the entry
// of the revoked one.
const actReissue = "reissue"

// ReissueByID issues a revoked certificate again, with the same content, as a
// new version. reason stands in the audit, as for [Service.Change].
func (s *Service) ReissueByID(ctx context.Context, by access.Caller, id vaccination.CertificateID, reason string) (Result, error) {
	if err := checkReason(reason); err != nil {
		return Result{}, err
	}
	p, v, err := s.find(ctx, by, access.Reissue, id)
	if err != nil {
		return Result{}, err
	}
	parts, err := s.open(p, v)
	if err != nil {
		return Result{}, err
	}
	var e vaccination.Event
	if err := json.Unmarshal(parts.event, &e); err != nil {
		return Result{}, fmt.Errorf("reading the event of certificate %s: %w", id, err)
	}
	by.Source = v.row.Source
	each, err := s.issueEach(ctx, request{by: by, action: Reissue, events: []vaccination.Event{e}, reason: reason}, nil)
	if err != nil {
		return Result{}, err
	}
	return each[0].Result, each[0].Err
}
