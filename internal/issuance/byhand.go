package issuance

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// actCorrect is how the audit says why somebody corrected a certificate by hand:
// an entry of the version that was corrected.
const actCorrect = "correct"

// aloneTime is how long what one person corrected counts together: half today and
// half tomorrow is no way around the second person.
const aloneTime = 30 * 24 * time.Hour

// CorrectByHand issues a new version of a record as one person of the staff says
// it is. seen is the version they saw; where another stands by now the error is
// [vaccination.Conflict]. Name and birth date together, or within a month, are
// [vaccination.Forbidden]: two people decide that, by a case. reason is kept in
// the audit and must hold nothing personal.
func (s *Service) CorrectByHand(ctx context.Context, by access.Caller, seen vaccination.CertificateID, e vaccination.Event, reason string) (Result, error) {
	if err := checkReason(reason); err != nil {
		return Result{}, err
	}
	if reason == "" {
		return Result{}, vaccination.Errorf(vaccination.Invalid, "say why, in a line that says nothing of the person")
	}
	_, v, err := s.find(ctx, by, access.Correct, seen)
	if err != nil {
		return Result{}, err
	}
	if e.Programme == "" {
		e.Programme = v.row.Programme
	}
	if by.Source == "" {
		by.Source = "admin"
	}
	return s.Amend(ctx, by, Correct, e, false, func(ctx context.Context, _ pgx.Tx, q *query.Queries, each []Each) error {
		r := each[0].Result
		switch {
		case each[0].Err != nil:
			return each[0].Err
		case r.Outcome == Unchanged && r.Replaces == seen: // the form came twice
			return nil
		case r.Outcome != Corrected:
			return vaccination.Errorf(vaccination.Conflict, "this changes nothing: the certificate says so already")
		case r.Replaces != seen:
			return vaccination.Errorf(vaccination.Conflict, "the certificate was corrected meanwhile: look at it again")
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(v.row.Bucket), Act: actCorrect, Object: seen.String(), Detail: reason})
	})
}

// Happened is something that the audit has of a certificate.
type Happened struct {
	At     time.Time
	Actor  string
	Act    string
	Detail string
}

// Timeline returns what happened to a certificate that the caller was shown, the
// newest first, at most that many: who issued, saw, changed and sent it.
func (s *Service) Timeline(ctx context.Context, by access.Caller, r *Record, most int) ([]Happened, error) {
	if !by.Owns(access.Read, r.Source) {
		return nil, errNoCertificate()
	}
	q, chain := s.Store.Read(), registry.GroupOf(r.row.Bucket)
	rows, err := q.AuditOfCertificate(ctx, query.AuditOfCertificateParams{Object: r.ID.String(), Chain: chain, MaxRows: int32(most)})
	if err != nil {
		return nil, err
	}
	out := make([]Happened, 0, len(rows)+1)
	for _, row := range rows {
		out = append(out, Happened(row))
	}
	issue, err := q.IssueOfCertificate(ctx, query.IssueOfCertificateParams{
		Since: r.IssuedAt.Add(-time.Second), Until: r.IssuedAt.Add(issueTime), Chain: chain, Object: r.ID.String(),
	})
	switch {
	case err == nil:
		out = append(out, Happened(issue))
	case !registry.IsNone(err):
		return nil, err
	}
	return out, nil
}

// issueTime is how long signing and writing a certificate may take: within it lies
// the entry of its issue.
const issueTime = 10 * time.Minute
