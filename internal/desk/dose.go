package desk

import (
	"context"
	"errors"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Source is the source of what is written down by form at a desk.
const Source = "desk"

// Dose is a vaccination that is written down by form.
type Dose struct {
	Event vaccination.Event // without an enrolment code for who has none: one is made
	// As is the enrolment code of whom the person is, as the caller said after
	// they saw who they may be; New says that it is nobody of them.
	As  string
	New bool
	// Act names the form, so that what is sent twice is written down once.
	Act string
}

// Like is somebody whom a new person may be, masked.
type Like struct {
	Match
	Code string // the enrolment code, not to be shown
}

// caller is who delivers what is written down at a desk: the member of staff, as
// the desk's source. It may do no more than that.
func caller(by access.Caller) access.Caller {
	return access.Caller{Actor: by.Actor, Role: access.SourceRole, Source: Source, Facility: by.Facility}
}

// mayRegister says whether the caller may write doses down, at their facility.
func mayRegister(by access.Caller) error {
	if err := by.Can(access.RegisterDose); err != nil {
		return err
	}
	if !by.At(access.RegisterDose, by.Facility) {
		return vaccination.Errorf(vaccination.Forbidden, "doses are written down at a facility, and you are of none")
	}
	return nil
}

// Registered is what became of a dose that was written down.
type Registered struct {
	Result issuance.Result
	Record string // the name of the opened record, empty where nothing was issued
	Like   []Like // whom the person may be; nothing was issued then
}

// Register writes a dose down and issues its certificate. Faults of the form are
// [vaccination.Invalid], as for every event. Where the person is new and may be
// somebody who is known, nothing is issued and Like says whom: the caller looks and
// says As or New. The same form sent twice is one dose.
func (s *Service) Register(ctx context.Context, by access.Caller, d Dose) (out Registered, err error) {
	if err := mayRegister(by); err != nil {
		return out, err
	}
	if _, err := s.key(d.Act); err != nil {
		return out, err
	}
	e := d.Event
	switch {
	case d.As != "":
		e.EnrolmentCode = d.As
	case strings.TrimSpace(e.EnrolmentCode) == "":
		// The same for the same form: sent twice, it is the same person.
		e.EnrolmentCode = "D-" + strings.ToUpper(d.Act[:12])
	}
	c := caller(by)
	if err := s.Store.Read().EnsureSource(ctx, query.EnsureSourceParams{Name: Source, CreatedAt: s.Now().UTC()}); err != nil {
		return out, err
	}
	if err := s.Issuance.Faults(ctx, c, e, nil); err != nil {
		return out, err
	}
	looks, err := s.Issuance.Look(ctx, Source, []issuance.Ask{{Event: e}})
	if err != nil {
		return out, err
	}
	look := looks[0]
	if look.Person == nil && !d.New && len(look.Like) > 0 {
		for _, k := range look.Like {
			out.Like = append(out.Like, Like{mask(issuance.Found{Certificate: k.Certificate, EnrolmentCode: k.EnrolmentCode, Person: k.Person}), k.EnrolmentCode})
		}
		return out, s.searched(ctx, by, "dose", len(out.Like), "")
	}
	results, err := s.Issuance.Issue(ctx, c, issuance.Certify, []vaccination.Event{e})
	var item *issuance.ItemError
	if errors.As(err, &item) {
		err = item.Err
	}
	if err != nil {
		return out, err
	}
	if err := s.audit(ctx, s.Store.Read(), by, ActDose, results[0].ID, string(results[0].Outcome)+" at "+by.Facility); err != nil {
		return out, err
	}
	out.Result = results[0]
	out.Record, err = s.add(ctx, by, kindRecord, recordLife, Opened{ID: results[0].ID, How: "dose"})
	return out, err
}

// IssueOnDemand asks the sources for the record of somebody whose identity
// document the caller sees, and issues at once: see [ondemand.Service.AtDesk]. It
// counts as an opened record. record names it where there is one now.
func (s *Service) IssueOnDemand(ctx context.Context, by access.Caller, a ondemand.Ask, seen ondemand.Seen) (answer ondemand.Answer, given ondemand.Given, record string, err error) {
	if s.OnDemand == nil {
		return answer, given, "", vaccination.Errorf(vaccination.Unavailable, "no source is asked for records here")
	}
	if err := by.Can(access.Print); err != nil {
		return answer, given, "", err
	}
	if err := s.allow(ctx, by, Today{Opened: 1}, seen.Reason); err != nil && !errors.Is(err, ErrReason) {
		return answer, given, "", err
	}
	if answer, given, err = s.OnDemand.AtDesk(ctx, by, a, seen); err != nil || len(given.Certificates) == 0 {
		return answer, given, "", err
	}
	o := Opened{ID: given.Certificates[len(given.Certificates)-1], How: "document"}
	err = s.Store.Tx(ctx, func(q *query.Queries) error { return s.opened(ctx, q, by, "by document", given.Certificates) })
	if err != nil {
		return answer, given, "", err
	}
	record, err = s.add(ctx, by, kindRecord, recordLife, o)
	return answer, given, record, err
}
