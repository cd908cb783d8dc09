package issuance

import (
	"context"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Standing is a certificate that stands of a dose that is asked for.
type Standing struct {
	Certificate vaccination.CertificateID
	Source      string
	Dose        vaccination.Dose // as its source said it
}

// Standing returns, for each person, the certificates that stand of one dose of
// whoever they are one with, without their own where events[i] is issued under
// their code (own). A nil person has none.
func (s *Service) Standing(ctx context.Context, people []*Known, own []bool, events []vaccination.Event) ([][]Standing, error) {
	var in query.StandingDosesParams
	for i, k := range people {
		if k == nil {
			continue
		}
		for _, ref := range k.group {
			if own[i] && ref == k.ref {
				continue // issuing knows: a correction, or a conflict
			}
			in.Buckets, in.People = append(in.Buckets, ref.bucket), append(in.People, ref.id)
			in.Programmes, in.Doses = append(in.Programmes, events[i].Programme), append(in.Doses, int16(events[i].Number()))
		}
	}
	out := make([][]Standing, len(people))
	if len(in.People) == 0 {
		return out, nil
	}
	rows, err := s.Store.Read().StandingDoses(ctx, in)
	if err != nil || len(rows) == 0 {
		return out, err
	}
	of, err := s.peopleOf(ctx, rows)
	if err != nil {
		return nil, err
	}
	said := make([]vaccination.Event, len(rows))
	err = inParallel(len(rows), func(i int) (err error) {
		said[i], err = s.eventOf(of[personKey{rows[i].Bucket, rows[i].PersonID}], &version{row: rows[i]})
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, k := range people {
		if k == nil {
			continue
		}
		for j, r := range rows {
			ref := personKey{r.Bucket, r.PersonID}
			if r.Programme == events[i].Programme && int(r.Dose) == events[i].Number() && slices.Contains(k.group, ref) && !(own[i] && ref == k.ref) {
				out[i] = append(out[i], Standing{vaccination.CertificateID(r.ID), r.Source, said[j].Vaccination})
			}
		}
	}
	return out, nil
}

// EnrolmentOf is the enrolment code of a certificate's person, for a decision
// about them; the look at it is recorded.
func (s *Service) EnrolmentOf(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) (string, error) {
	p, v, err := s.find(ctx, by, access.MergePeople, id)
	if err != nil {
		return "", err
	}
	if err := s.auditRead(ctx, by, purpose, v); err != nil {
		return "", err
	}
	known, err := s.particularsOf(p)
	return known.EnrolmentCode, err
}
