package issuance

import (
	"context"
	"slices"

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
// so that two people must have said so. A source that corrects its own record is
// believed, as it was when it sent it.
func amendable(by access.Caller, action Action, last *version, d *Draft, differs []string) error {
	if last.row.Source == access.Abroad != d.said.Vaccination.FromEvidence {
		return vaccination.Errorf(vaccination.Conflict, "this dose was recorded from evidence: it is corrected by a case")
	}
	if action == Correct && by.Source != last.row.Source && !d.second && NeedsTwo(differs) {
		return vaccination.Errorf(vaccination.Forbidden, "this changes name and birth date together, which two people must approve: open a case")
	}
	return nil
}

// NeedsTwo reports whether a correction of these fields needs two people.
func NeedsTwo(differs []string) bool {
	return slices.Contains(differs, "person.name") && slices.Contains(differs, "person.birthDate")
}
