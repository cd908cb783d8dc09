package desk

import (
	"context"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Beneficiaries returns the people who are reached by a mobile number and were
// born on a date, for print desks that have DIVOC's program: both are asked at
// once, so whoever knows them is shown whom they name. It counts as a search and
// as an opened record for each, with the bounds and reasons of a desk.
func (s *Service) Beneficiaries(ctx context.Context, by access.Caller, mobile string, birth vaccination.Date, reason string) ([]issuance.Found, error) {
	if err := by.Can(access.SearchPeople); err != nil {
		return nil, err
	}
	if err := by.Can(access.Print); err != nil {
		return nil, err
	}
	if mobile == "" || birth.Precision() != vaccination.PrecisionDay || birth.Estimated {
		return nil, vaccination.Errorf(vaccination.Invalid, "give the mobile number and the whole date of birth: phoneno=…&dob=1987-04-21")
	}
	if _, err := s.Issuance.Profile.Phone(mobile); err != nil {
		return nil, err
	}
	if err := s.allow(ctx, by, Today{Searches: 1}, reason); err != nil {
		return nil, err
	}
	people, _, err := s.Issuance.FindPeople(ctx, by, issuance.Wanted{Mobile: mobile}, maxWith)
	if err != nil {
		return nil, err
	}
	var out []issuance.Found
	var records [][]vaccination.CertificateID
	for _, p := range people {
		on := p.Person.BirthDate
		on.Estimated = false
		if on == birth && len(out) < maxFound {
			out = append(out, p)
			records = append(records, []vaccination.CertificateID{p.Certificate})
		}
	}
	if err := s.searched(ctx, by, "mobile and birth-date", len(out), reason); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, nil
	}
	if err := s.allow(ctx, by, Today{Opened: len(out)}, reason); err != nil {
		return nil, err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		return s.opened(ctx, q, by, withReason("by mobile and birth-date", reason), records...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxWith bounds the people with one number who are compared with a birth date.
const maxWith = 100
