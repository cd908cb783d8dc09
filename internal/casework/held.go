package casework

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Held is everything that cases hold about one person.
type Held struct {
	Cases     []*Case        `json:"cases,omitempty"`
	Guardians []GuardianLink `json:"guardians,omitempty"`
	Deceased  bool           `json:"deceased,omitempty"`
}

// GuardianLink is that somebody's telephone reaches, or reached, a child's
// certificates. Who it is stands in the case.
type GuardianLink struct {
	Ticket  Ticket    `json:"ticket"`
	Made    time.Time `json:"made"`
	By      string    `json:"by"`
	Until   time.Time `json:"until"`
	Ended   time.Time `json:"ended,omitzero"`
	EndedBy string    `json:"endedBy,omitempty"`
}

// Held returns everything that cases hold about a person, for who exports that;
// recording the look is theirs. Photographs are had by [Service.Photo].
func (s *Service) Held(ctx context.Context, bucket int16, person int64) (*Held, error) {
	q := s.Store.Read()
	out := &Held{}
	for page := newest(bucket, person); ; {
		rows, err := q.CasesOfPerson(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			f, err := s.open(ctx, r.CaseFile, int(r.Evidence))
			if err != nil {
				return nil, err
			}
			c, err := s.show(ctx, f, false)
			if err != nil {
				return nil, err
			}
			out.Cases = append(out.Cases, c)
			page.Before, page.BeforeID = r.CaseFile.OpenedAt, r.CaseFile.ID
		}
		if len(rows) < maxOfPerson {
			break
		}
	}
	links, err := q.GuardiansOf(ctx, query.GuardiansOfParams{Bucket: bucket, PersonID: person})
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		g := GuardianLink{Ticket: Ticket(l.CaseID), Made: l.MadeAt, By: l.MadeBy, Until: l.Until, EndedBy: l.EndedBy}
		if l.EndedAt != nil {
			g.Ended = *l.EndedAt
		}
		out.Guardians = append(out.Guardians, g)
	}
	out.Deceased, err = q.IsDeceased(ctx, query.IsDeceasedParams{Bucket: bucket, PersonID: person})
	return out, err
}

// Erase deletes what cases hold of a person, in the transaction that destroys
// their key: what was asked, what they were told, photographs, and the numbers of
// guardians. That there were cases, and when, stays.
func Erase(ctx context.Context, q *query.Queries, by access.Caller, at time.Time, bucket int16, person int64) error {
	if _, err := q.EraseCases(ctx, query.EraseCasesParams{Bucket: bucket, PersonID: person}); err != nil {
		return err
	}
	if err := q.EraseCaseNotes(ctx, query.EraseCaseNotesParams{Bucket: bucket, PersonID: person}); err != nil {
		return err
	}
	if _, err := q.EraseCaseEvidence(ctx, query.EraseCaseEvidenceParams{Bucket: bucket, PersonID: person}); err != nil {
		return err
	}
	_, err := q.EndGuardiansOf(ctx, query.EndGuardiansOfParams{At: at, By: by.Actor, Bucket: bucket, PersonID: person})
	return err
}

// forgetAtOnce bounds one call of [Service.ForgetEvidence].
const forgetAtOnce = 500

// ForgetEvidence deletes the photographs of cases that were decided before a time,
// and returns of how many cases; it is called until that is none.
func (s *Service) ForgetEvidence(ctx context.Context, by access.Caller, before time.Time) (int, error) {
	rows, err := s.Store.Read().OldEvidence(ctx, query.OldEvidenceParams{Before: before, MaxRows: forgetAtOnce})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rows {
		f, err := s.load(ctx, Ticket(r.ID))
		if err != nil {
			return n, err
		}
		_, err = s.do(ctx, by, f, step{act: ActForget}, func(q *query.Queries) error {
			_, err := q.ForgetCaseEvidence(ctx, query.ForgetCaseEvidenceParams{Bucket: r.Bucket, CaseID: r.ID})
			return err
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// HandOver gives the open cases that one member of staff works on to another, or,
// where to is empty, to nobody, in the caller's transaction. from and to are
// actors. It returns how many there were.
func HandOver(ctx context.Context, q *query.Queries, by access.Caller, at time.Time, from, to string) (int, error) {
	rows, err := q.CasesHeldBy(ctx, from)
	if err != nil {
		return 0, err
	}
	at = at.UTC().Truncate(time.Microsecond)
	var entries []registry.Entry
	for _, r := range rows {
		c := r.CaseFile
		state, err := State(c.State).After(ActHandOver)
		if err != nil {
			return 0, err
		}
		n, err := q.MoveCase(ctx, query.MoveCaseParams{
			Bucket: c.Bucket, ID: c.ID, Turn: c.Turn, State: string(state), TakenBy: to, ApprovedBy: c.ApprovedBy, ClosedAt: c.ClosedAt,
			Effect: c.Effect, EffectAt: c.EffectAt, Result: c.Result, Sealed: c.Sealed,
		})
		if err == nil && n == 0 {
			err = registry.ErrChanged
		}
		if err != nil {
			return 0, err
		}
		err = q.InsertCaseEvent(ctx, query.InsertCaseEventParams{Bucket: c.Bucket, CaseID: c.ID, Turn: c.Turn + 1, At: at, Actor: by.Actor, Act: string(ActHandOver)})
		if err != nil {
			return 0, err
		}
		entries = append(entries, entry(Ticket(c.ID), ActHandOver, c.Kind+" "+c.State))
	}
	if len(entries) == 0 {
		return 0, nil
	}
	return len(entries), registry.Audit(ctx, q, at, by.Actor, entries...)
}
