package casework

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// maxList bounds a page of cases.
const maxList = 1000

// List returns a page of cases by deadline, without anything of a person: to who
// decides all of them, to staff those of their facility.
func (s *Service) List(ctx context.Context, by access.Caller, f Filter) ([]Summary, error) {
	if by.Can(access.DecideCases) != nil {
		if err := by.Can(access.OpenCase); err != nil {
			return nil, err
		}
		if by.Role == access.Citizen || by.Facility == "" {
			return nil, vaccination.Errorf(vaccination.Forbidden, "a list of cases is for staff of a facility and for who decides them")
		}
		f.Facility = by.Facility
	}
	in := query.CasesParams{
		Kind: string(f.Kind), Programme: f.Programme, Facility: f.Facility, TakenBy: f.TakenBy, DueBefore: time.Unix(0, 0), AfterDeadline: time.Unix(0, 0), MaxRows: int32(f.Max),
	}
	if in.MaxRows <= 0 || in.MaxRows > maxList {
		in.MaxRows = 100
	}
	if f.Overdue {
		in.DueBefore = s.now()
	}
	if len(f.States) == 0 {
		f.States = []State{Open, Waiting, SecondApproval}
	}
	for _, state := range f.States {
		if _, ok := moves()[state]; !ok {
			return nil, vaccination.Errorf(vaccination.Invalid, "there is no such state of a case")
		}
		in.States = append(in.States, string(state))
	}
	if f.After != 0 {
		last, err := s.Store.Read().CaseByID(ctx, query.CaseByIDParams{Bucket: f.After.Bucket(), ID: int64(f.After)})
		if registry.IsNone(err) {
			return nil, errNoCase()
		}
		if err != nil {
			return nil, err
		}
		in.AfterDeadline, in.AfterID = last.CaseFile.Deadline, last.CaseFile.ID
	}
	rows, err := s.Store.Read().Cases(ctx, in)
	out := make([]Summary, len(rows))
	for i, r := range rows {
		out[i] = s.summary(r.CaseFile, int(r.Evidence))
	}
	return out, err
}

func (s *Service) summary(c query.CaseFile, evidence int) Summary {
	out := Summary{
		Ticket: Ticket(c.ID), Kind: Kind(c.Kind), State: State(c.State), Programme: c.Programme, Facility: c.Facility,
		OpenedAs: access.Role(c.OpenedAs), OpenedBy: c.OpenedBy, TakenBy: c.TakenBy, Opened: c.OpenedAt, Deadline: c.Deadline,
		Evidence: evidence, Effect: Effect(c.Effect), Overdue: !State(c.State).Final() && s.now().After(c.Deadline),
	}
	if c.Certificate != nil {
		out.Certificate = vaccination.CertificateID(c.Certificate)
	}
	if c.Result != nil {
		out.Result = vaccination.CertificateID(c.Result)
	}
	if c.ClosedAt != nil {
		out.Closed = *c.ClosedAt
	}
	if c.EffectAt != nil {
		out.EffectAt = *c.EffectAt
	}
	return out
}

// Get opens a case for somebody who may see it; the look is recorded. A citizen
// is not told who of the staff did what.
func (s *Service) Get(ctx context.Context, by access.Caller, t Ticket) (*Case, error) {
	f, err := s.may(ctx, by, t)
	if err != nil {
		return nil, err
	}
	if err := s.looked(ctx, by, t, "read"); err != nil {
		return nil, err
	}
	return s.show(ctx, f, by.Role == access.Citizen)
}

// looked records a look at a case.
func (s *Service) looked(ctx context.Context, by access.Caller, t Ticket, what string) error {
	return registry.Audit(ctx, s.Store.Read(), s.now(), by.Actor, registry.Entry{Chain: registry.GroupOf(t.Bucket()), Act: "read", Object: t.object(), Detail: what})
}

// show is a case with its files and timeline. plain leaves out who did what.
func (s *Service) show(ctx context.Context, f *file, plain bool) (*Case, error) {
	out := &Case{Summary: s.summary(f.row, f.evidence), Asked: f.asked, Erased: f.seal == nil}
	events, err := s.Store.Read().CaseEvents(ctx, query.CaseEventsParams{Bucket: f.row.Bucket, CaseID: f.row.ID})
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		line := Entry{At: e.At, Act: Act(e.Act), By: e.Actor}
		if e.Note != nil && f.seal != nil {
			note, err := f.seal.Unseal(e.Note, f.ticket().noteColumn(int(e.Turn)))
			if err != nil {
				return nil, fmt.Errorf("opening a note of %s: %w", f.ticket().object(), err)
			}
			line.Note = string(note)
		}
		out.Timeline = append(out.Timeline, line)
	}
	files, err := s.Store.Read().CaseEvidenceOf(ctx, query.CaseEvidenceOfParams{Bucket: f.row.Bucket, CaseID: f.row.ID})
	if err != nil {
		return nil, err
	}
	for _, e := range files {
		out.Files = append(out.Files, Evidence{
			Number: int(e.N), Added: e.AddedAt, By: e.AddedBy, Size: int(e.Size), Width: int(e.Width), Height: int(e.Height), Gone: e.Gone || f.seal == nil,
		})
	}
	if plain {
		out.OpenedBy, out.TakenBy, out.Asked.Decided, out.Asked.Old = "", "", nil, nil
		for i := range out.Timeline {
			out.Timeline[i].By = ""
		}
		for i := range out.Files {
			out.Files[i].By = ""
		}
	}
	return out, nil
}

// maxOfPerson bounds the cases of one person that are shown at once.
const maxOfPerson = 100

// newest asks for the newest cases of a person.
func newest(bucket int16, person int64) query.CasesOfPersonParams {
	return query.CasesOfPersonParams{Bucket: bucket, PersonID: person, Before: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), MaxRows: maxOfPerson}
}

// OfCertificate returns the newest cases about the person of a certificate, at
// most 100, the newest first: to a citizen who opened their record those that citizens may open.
func (s *Service) OfCertificate(ctx context.Context, by access.Caller, id vaccination.CertificateID) ([]Summary, error) {
	subject, err := s.subject(ctx, by, id, "cases")
	if err != nil || subject == nil {
		return nil, err
	}
	rows, err := s.Store.Read().CasesOfPerson(ctx, newest(subject.Bucket, subject.Person))
	if err != nil {
		return nil, err
	}
	var out []Summary
	for _, r := range rows {
		c := s.summary(r.CaseFile, int(r.Evidence))
		switch {
		case by.Role == access.Citizen && !c.Kind.ByCitizen():
			continue
		case by.Role == access.Citizen:
			c.OpenedBy, c.TakenBy = "", ""
		case by.Can(access.DecideCases) != nil && !(by.Facility != "" && c.Facility == by.Facility) && c.OpenedBy != by.Actor:
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// Follow says where a case stands, to whoever has its ticket: kind, state and
// dates alone. Whoever lets it be asked without signing in limits how often.
func (s *Service) Follow(ctx context.Context, t Ticket) (Followed, error) {
	row, err := s.Store.Read().CaseByID(ctx, query.CaseByIDParams{Bucket: t.Bucket(), ID: int64(t)})
	if registry.IsNone(err) {
		return Followed{}, errNoCase()
	}
	if err != nil {
		return Followed{}, err
	}
	events, err := s.Store.Read().CaseEvents(ctx, query.CaseEventsParams{Bucket: t.Bucket(), CaseID: int64(t)})
	if err != nil {
		return Followed{}, err
	}
	c := s.summary(row.CaseFile, 0)
	out := Followed{Ticket: t, Kind: c.Kind, State: c.State, Opened: c.Opened, Deadline: c.Deadline, Closed: c.Closed, Effect: c.Effect, EffectAt: c.EffectAt}
	for _, e := range events {
		if !slices.Contains([]Act{ActHandOver, ActForget}, Act(e.Act)) { // none of theirs
			out.Timeline = append(out.Timeline, Entry{At: e.At, Act: Act(e.Act)})
		}
	}
	return out, nil
}

// Count is how many cases of a kind and state are open, and late.
type Count struct {
	Kind  Kind
	State State
	N     int64
	Late  int64
}

// Counts says how many cases are open.
func (s *Service) Counts(ctx context.Context) ([]Count, error) {
	rows, err := s.Store.Read().CountCases(ctx, s.now())
	var out []Count
	for _, r := range rows {
		out = append(out, Count{Kind(r.Kind), State(r.State), r.N, r.Late})
	}
	return out, err
}
