package issuance

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
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
// door and on whichever dose, is together. A source that corrects its own record
// is believed, as it was when it sent it.
func (s *Service) amendable(by access.Caller, action Action, versions []*version, d *Draft, differs []string) error {
	last := versions[len(versions)-1]
	if last.row.Source == access.Abroad != d.said.Vaccination.FromEvidence {
		return vaccination.Errorf(vaccination.Conflict, "this dose was recorded from evidence: it is corrected by a case")
	}
	if action != Correct || by.Role == access.SourceRole && by.Source == last.row.Source || d.second {
		return nil
	}
	two, err := s.needsTwo(d.person, d.person.versions, last, d.said, differs)
	if err == nil && two {
		err = vaccination.Errorf(vaccination.Forbidden, "this changes name and birth date together, or within a month, which two people must approve: open a case")
	}
	if d.alone = touchesWho(differs); d.alone {
		d.person.changing = append(d.person.changing, differs...)
	}
	return err
}

// needsTwo reports whether it takes two people to correct the record that ends
// with last, in these fields, to what is said: compared too with what each record
// of the person said a month ago, and with what else the same call corrects. all
// are the person's versions, by record, the oldest first.
func (s *Service) needsTwo(p *person, all []*version, last *version, said vaccination.Event, differs []string) (bool, error) {
	if NeedsTwo(differs) || !touchesWho(differs) {
		return NeedsTwo(differs), nil
	}
	changed := slices.Concat(differs, p.changing)
	for record := range records(all) {
		before, now := monthAgo(record, s.Now()), record[len(record)-1]
		is := said
		if now != last {
			if before == now {
				continue
			}
			var err error
			if is, err = s.eventOf(p, now); err != nil {
				return false, err
			}
		}
		was, err := s.eventOf(p, before)
		if err != nil {
			return false, err
		}
		changed = append(changed, vaccination.Diff(was, is)...)
	}
	return NeedsTwo(changed), nil
}

// records are the versions of each record, of versions that are in order.
func records(all []*version) iter.Seq[[]*version] {
	return func(yield func([]*version) bool) {
		for len(all) > 0 {
			n := slices.IndexFunc(all, func(v *version) bool { return v.row.Programme != all[0].row.Programme || v.row.Dose != all[0].row.Dose })
			if n < 0 {
				n = len(all)
			}
			if !yield(all[:n:n]) {
				return
			}
			all = all[n:]
		}
	}
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
// certificate to this event: name and birth date together, or within a month, on
// whichever dose.
func (s *Service) NeedsTwo(ctx context.Context, by access.Caller, id vaccination.CertificateID, after vaccination.Event) (bool, error) {
	p, v, err := s.find(ctx, by, access.DecideCases, id)
	if err != nil {
		return false, err
	}
	all, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{p.row.Bucket}, People: []int64{p.row.ID}})
	if err != nil {
		return false, err
	}
	last := v
	for _, o := range all {
		if o.row.Programme == v.row.Programme && o.row.Dose == v.row.Dose {
			last = o
		}
	}
	is, err := s.eventOf(p, last)
	if err != nil {
		return false, err
	}
	after = after.Normalise()
	return s.needsTwo(p, all, last, after, vaccination.Diff(is, after))
}

// touchesWho reports whether fields are about who somebody is.
func touchesWho(differs []string) bool {
	return slices.Contains(differs, "person.name") || slices.Contains(differs, "person.birthDate")
}

// NeedsTwo reports whether a correction of these fields needs two people.
func NeedsTwo(differs []string) bool {
	return slices.Contains(differs, "person.name") && slices.Contains(differs, "person.birthDate")
}
