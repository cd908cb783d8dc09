package issuance

import (
	"context"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// Amend corrects one record by what people decided, or issues a dose of
// [access.Abroad] for the first time, together with what also writes. second says
// that two people approved it.
func (s *Service) Amend(ctx context.Context, by access.Caller, action Action, e vaccination.Event, second bool, also Also) (Result, error) {
	each, err := s.issueEach(ctx, request{by: by, action: action, events: []vaccination.Event{e}, second: second}, also)
	if err != nil {
		return Result{}, err
	}
	return each[0].Result, each[0].Err
}

// onlyAbroad refuses a source that says of a dose that it was recorded here.
func onlyAbroad(by access.Caller, said vaccination.Event) error {
	if said.Vaccination.FromEvidence == (by.Source == access.Abroad) {
		return nil
	}
	if by.Source == access.Abroad {
		return vaccination.Errorf(vaccination.Invalid, "a dose recorded from evidence is marked so")
	}
	return &vaccination.Error{Code: vaccination.Invalid, Message: "the record has faults", Faults: []vaccination.Fault{
		{Path: "vaccination.fromEvidence", Code: "not-yours", Message: "only a case that was approved here says so: leave it out"},
	}}
}

// amendable is the law of what is corrected by hand: the mark of a dose from
// evidence stays, and somebody's name and birth date together are another person,
// so that two people must have said so; half today and half tomorrow, at whichever
// door, is together. A source that corrects its own record is believed, as it was
// when it sent it.
func (s *Service) amendable(by access.Caller, action Action, versions []*version, d *Draft, differs []string) error {
	last := versions[len(versions)-1]
	if last.row.Source == access.Abroad != d.said.Vaccination.FromEvidence {
		return vaccination.Errorf(vaccination.Conflict, "this dose was recorded from evidence: it is corrected by a case")
	}
	if action != Correct || by.Source == last.row.Source || d.second {
		return nil
	}
	two, err := s.needsTwo(d.person, versions, d.said, differs)
	if err == nil && two {
		err = vaccination.Errorf(vaccination.Forbidden, "this changes name and birth date together, or within a month, which two people must approve: open a case")
	}
	return err
}

// needsTwo reports whether a correction of these fields, to what is said, needs
// two people: compared with what the record said a month ago too. versions are the
// record's, the oldest first.
func (s *Service) needsTwo(p *person, versions []*version, said vaccination.Event, differs []string) (bool, error) {
	if NeedsTwo(differs) || !slices.Contains(differs, "person.name") && !slices.Contains(differs, "person.birthDate") {
		return NeedsTwo(differs), nil
	}
	before, err := s.eventOf(p, monthAgo(versions, s.Now()))
	return NeedsTwo(vaccination.Diff(before, said)), err
}

// monthAgo is the version of a record that stood a month ago, the first where
// there was none.
func monthAgo(versions []*version, now time.Time) (before *version) {
	for _, v := range versions {
		if before == nil || now.Sub(v.row.IssuedAt) > aloneTime {
			before = v
		}
	}
	return before
}

// NeedsTwo reports whether it takes two people to correct the record of a
// certificate to this event: name and birth date together, or within a month.
func (s *Service) NeedsTwo(ctx context.Context, by access.Caller, id vaccination.CertificateID, after vaccination.Event) (bool, error) {
	p, v, err := s.find(ctx, by, access.DecideCases, id)
	if err != nil {
		return false, err
	}
	versions, err := s.versionsOf(ctx, by, access.DecideCases, p, v.row.Programme)
	if err != nil {
		return false, err
	}
	versions = slices.DeleteFunc(versions, func(o *version) bool { return o.row.Dose != v.row.Dose })
	last, err := s.eventOf(p, versions[len(versions)-1])
	if err != nil {
		return false, err
	}
	after = after.Normalise()
	return s.needsTwo(p, versions, after, vaccination.Diff(last, after))
}

// NeedsTwo reports whether a correction of these fields needs two people.
func NeedsTwo(differs []string) bool {
	return slices.Contains(differs, "person.name") && slices.Contains(differs, "person.birthDate")
}
