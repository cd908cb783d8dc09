package ondemand

import (
	"context"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// Seen is what a member of staff saw of somebody who stands before them, where no
// code can be sent: their identity document.
type Seen struct {
	Document  string           // its kind, one of the profile's
	BirthDate vaccination.Date // that stands in it
	Reason    string           // why no code was sent: one of [DeskReasons]
}

// DeskReasons are the codes of why a desk asks in place of the person.
func DeskReasons() []string { return []string{"no-number", "lost-telephone", "no-telephone"} }

// Handed is the outcome of [Service.AtDesk] where certificates were issued.
const Handed Outcome = "handed"

// AtDesk is [Service.Start] and [Service.Prove] in one for somebody whose identity
// document a member of staff sees: no code is sent, and the birth date in the
// document takes its place. Who it was, where, the kind of document and the
// reason are recorded with whose record it is. A birth date that is not the
// record's is [vaccination.Forbidden].
func (s *Service) AtDesk(ctx context.Context, by access.Caller, a Ask, seen Seen) (Answer, Given, error) {
	if err := by.Can(access.Print); err != nil {
		return Answer{}, Given{}, err
	}
	if !slices.ContainsFunc(s.Issuance.Profile.Identities, func(k profile.IdentityKind) bool { return k.Key == seen.Document }) ||
		!slices.Contains(DeskReasons(), seen.Reason) || seen.BirthDate.Precision() != vaccination.PrecisionDay {
		return Answer{}, Given{}, vaccination.Errorf(vaccination.Invalid, "say which document you saw, the whole date of birth in it, and why no code was sent")
	}
	id, err := s.number(a)
	if err != nil {
		return Answer{}, Given{}, err
	}
	records, down, err := s.found(ctx, a.Kind, id)
	if err != nil {
		return Answer{}, Given{}, err
	}
	switch {
	case len(records) == 0 && down:
		return Answer{Outcome: Unreachable}, Given{}, nil
	case len(records) == 0:
		return Answer{Outcome: NobodyFound}, Given{}, nil
	case len(records) > 1:
		reference, err := s.hand(ctx, records)
		if err != nil {
			return Answer{}, Given{}, err
		}
		return Answer{Outcome: Ambiguous, Reference: reference}, Given{}, s.atDesk(ctx, by, records[0], seen, string(Ambiguous))
	}
	r := records[0]
	if on := r.person.BirthDate; !on.IsZero() && !on.Estimated && !agrees(seen.BirthDate, on) {
		if err := s.atDesk(ctx, by, r, seen, "refused"); err != nil {
			return Answer{}, Given{}, err
		}
		return Answer{}, Given{}, vaccination.Errorf(vaccination.Forbidden, "the record that was found has another date of birth: look at the number and the document again")
	}
	switch {
	case len(r.doses) == 0 && !r.partial:
		return Answer{Outcome: NobodyFound}, Given{}, s.atDesk(ctx, by, r, seen, string(NobodyFound))
	case len(r.doses) == 0:
		reference, err := s.hand(ctx, records)
		if err != nil {
			return Answer{}, Given{}, err
		}
		return Answer{Outcome: Incomplete, Reference: reference}, Given{}, s.atDesk(ctx, by, r, seen, string(Incomplete))
	}
	// It is recorded before it is done: what cannot be recorded is not issued.
	if err := s.atDesk(ctx, by, r, seen, string(Handed)); err != nil {
		return Answer{}, Given{}, err
	}
	given, err := s.deliver(ctx, r.source, *r.arrival)
	return Answer{Outcome: Handed, Reference: given.Reference}, given, err
}

// agrees reports whether a birth date, as far as a record knows one, is it.
func agrees(seen, on vaccination.Date) bool {
	if on.Month == 0 {
		seen.Month = 0
	}
	if on.Day == 0 {
		seen.Day = 0
	}
	return seen.Year == on.Year && seen.Month == on.Month && seen.Day == on.Day
}

// atDesk records what a member of staff did, in the chain of whose record it is.
func (s *Service) atDesk(ctx context.Context, by access.Caller, r record, seen Seen, came string) error {
	return registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{
		Chain: registry.GroupOf(int16(s.Box.Bucket(r.code))), Act: "on-demand.desk", Object: by.Facility,
		Detail: r.source + " " + came + ", " + seen.Document + " seen, " + seen.Reason,
	})
}
