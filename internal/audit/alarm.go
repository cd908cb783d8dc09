package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Kind is what an alarm is about.
type Kind string

// The kinds.
const (
	KindBrowsing Kind = "browsing" // a person opened many records and printed none of them: they open no more until somebody looked
	KindNight    Kind = "night"    // a person issued or corrected at night
	KindBulk     Kind = "bulk"     // somebody withdrew very many
)

// Alarm is something that a person has to look at.
type Alarm struct {
	ID     int64
	Kind   Kind
	Actor  string // as the audit names them
	Count  int
	Raised time.Time
	Latest time.Time // when it was seen last
	Closed time.Time // zero while it is open
	By     string    // who closed it
	Reason string
}

// classBrowsing keeps the advisory locks of [Service.Allow] apart from others.
const classBrowsing = 0x62726f77

// maxReason bounds a reason, in bytes.
const maxReason = 200

func opened() []string  { return []string{ActOpen, ActRead} }
func printed() []string { return []string{ActPrint} }

// people are the actors whose looks are counted: systems read as they have to.
const people = "staff:"

// bulkActs are acts that harm many when one person does them again and again.
func bulkActs() []string {
	return []string{string(vaccination.ActRevoke), string(vaccination.ActSuspend), "hold.reject", "hold.release", "person.erase", "person.export"}
}

// Allow says whether an actor may open one more record in full. It is asked in
// the transaction that then writes the [ActOpen] entries for it, so that no two
// requests pass at once. A member of staff who opened [Rules].Opened records
// within an hour without an [ActPrint] for any certificate of them hears
// [vaccination.TooMany], an alarm is raised, and they open nothing more until an
// administrator closed it. Certificates opened at one moment are one record, and
// a record that is opened again counts once.
//
// The alarm is written beside the transaction, which its caller undoes.
func (s *Service) Allow(ctx context.Context, q *query.Queries, actor string) error {
	if !strings.HasPrefix(actor, people) {
		return nil
	}
	if err := q.LockActor(ctx, query.LockActorParams{Class: classBrowsing, Actor: actor}); err != nil {
		return err
	}
	_, err := q.OpenAlarm(ctx, query.OpenAlarmParams{Kind: string(KindBrowsing), Actor: actor})
	if err == nil {
		return errBrowsing()
	}
	if !registry.IsNone(err) {
		return err
	}
	n, err := s.countOpened(ctx, q, actor)
	if err != nil || n < s.Rules.Opened {
		return err
	}
	if err := s.raise(ctx, KindBrowsing, actor, n); err != nil {
		return err
	}
	return errBrowsing()
}

func errBrowsing() error {
	return vaccination.Errorf(vaccination.TooMany, "you opened many records within an hour without printing them: an administrator has to look at that before you can open more")
}

// countOpened counts what an actor opened within an hour, and since somebody
// looked last.
func (s *Service) countOpened(ctx context.Context, q *query.Queries, actor string) (int, error) {
	since := s.Now().UTC().Add(-time.Hour)
	looked, err := q.LastClosed(ctx, query.LastClosedParams{Kind: string(KindBrowsing), Actor: actor})
	if err != nil {
		return 0, err
	}
	if looked.After(since) {
		since = looked
	}
	n, err := q.CountOpened(ctx, query.CountOpenedParams{Actor: actor, Since: since, Opened: opened(), Printed: printed()})
	return int(n), err
}

// raise writes an alarm, or that one which is open was seen again, in a
// transaction of its own.
func (s *Service) raise(ctx context.Context, kind Kind, actor string, n int) error {
	now := s.Now().UTC()
	fresh := false
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.RaiseAlarm(ctx, query.RaiseAlarmParams{Kind: string(kind), Actor: actor, N: int32(min(n, 1<<30)), At: now})
		fresh = row.Fresh
		if err != nil || !fresh {
			return err
		}
		return registry.Audit(ctx, q, now, access.System("alarms").Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "alarm." + string(kind), Object: fmt.Sprintf("alarm %d", row.ID), Detail: fmt.Sprintf("%s, %d within the time looked at", actor, n),
		})
	})
	if err == nil && fresh {
		s.Log.Warn("alarm: somebody has to look at what an actor does", slog.String("kind", string(kind)), slog.String("actor", actor), slog.Int("count", n))
	}
	return err
}

// Alarms returns alarms, open ones first, then the newest; at most max.
func (s *Service) Alarms(ctx context.Context, by access.Caller, open bool, max int) ([]Alarm, error) {
	if err := mayLook(by); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().Alarms(ctx, query.AlarmsParams{Open: open, MaxRows: int32(max)})
	out := make([]Alarm, len(rows))
	for i, r := range rows {
		out[i] = alarmOf(r)
	}
	return out, err
}

func mayLook(by access.Caller) error {
	if by.Can(access.ManageStaff) == nil && by.At(access.ManageStaff, "") {
		return nil
	}
	return by.Can(access.ReadAudit)
}

func alarmOf(r query.Alarm) Alarm {
	a := Alarm{ID: r.ID, Kind: Kind(r.Kind), Actor: r.Actor, Count: int(r.N), Raised: r.RaisedAt, Latest: r.LatestAt, By: r.ClosedBy, Reason: r.ClosedWhy}
	if r.ClosedAt != nil {
		a.Closed = *r.ClosedAt
	}
	return a
}

// CloseAlarm says that somebody who runs the whole system looked at an alarm, and
// why it is no more one; who was kept from opening records may again. Nobody
// closes their own ([vaccination.Forbidden]).
func (s *Service) CloseAlarm(ctx context.Context, by access.Caller, id int64, reason string) error {
	if !by.At(access.ManageStaff, "") {
		return vaccination.Errorf(vaccination.Forbidden, "your role may not do this (%s)", access.ManageStaff)
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.AlarmByID(ctx, id)
		if registry.IsNone(err) {
			return vaccination.Errorf(vaccination.NotFound, "there is no such alarm")
		}
		if err != nil {
			return err
		}
		if row.Actor == by.Actor {
			return vaccination.Errorf(vaccination.Forbidden, "the alarm is about you: somebody else has to look at it")
		}
		now := s.Now().UTC()
		n, err := q.CloseAlarm(ctx, query.CloseAlarmParams{ID: id, At: now, By: by.Actor, Why: reason})
		if err == nil && n == 0 {
			err = vaccination.Errorf(vaccination.Conflict, "somebody closed this alarm before")
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "alarm.close", Object: fmt.Sprintf("alarm %d", id), Detail: row.Actor + ": " + reason})
	})
}

// checkReason bounds a reason that is kept in the audit.
func checkReason(reason string) error {
	switch {
	case reason == "":
		return vaccination.Errorf(vaccination.Invalid, "say why, with nothing of a person")
	case len(reason) > maxReason:
		return vaccination.Errorf(vaccination.Invalid, "the reason is too long: at most %d bytes", maxReason)
	}
	for _, r := range reason {
		if r < ' ' || r == 0x7f {
			return vaccination.Errorf(vaccination.Invalid, "the reason holds a line break or an invisible character")
		}
	}
	return nil
}

// Look raises alarms about what the audit tells of the last hours. It may run
// anywhere, more than once at a time.
func (s *Service) Look(ctx context.Context) error {
	now := s.Now().UTC()
	q := s.Store.Read()
	actors, err := q.ActorsOpened(ctx, query.ActorsOpenedParams{Since: now.Add(-time.Hour), Opened: opened(), Actors: people + "%"})
	if err != nil {
		return err
	}
	for _, actor := range actors {
		n, err := s.countOpened(ctx, q, actor)
		if err == nil && n >= s.Rules.Opened {
			err = s.raise(ctx, KindBrowsing, actor, n)
		}
		if err != nil {
			return err
		}
	}
	rows, err := q.ActsSince(ctx, query.ActsSinceParams{Kind: string(KindBulk), Since: now.Add(-time.Hour), Until: now, Acts: bulkActs(), Besides: []string{"intake:%"}, Least: int64(s.Rules.Bulk)})
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := s.raise(ctx, KindBulk, r.Actor, int(r.N)); err != nil {
			return err
		}
	}
	// An hour later as well, so that what was done just before the end is seen.
	for _, at := range []time.Time{now, now.Add(-lookEvery)} {
		began, night := s.Rules.Night(at)
		if !night {
			continue
		}
		// Systems deliver at any hour: only people are looked at.
		rows, err := q.ActsSince(ctx, query.ActsSinceParams{Kind: string(KindNight), Since: began, Until: at, Acts: []string{"issued", "corrected"}, Besides: []string{"intake:%", "token:%", "system:%"}, Least: 1})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := s.raise(ctx, KindNight, r.Actor, int(r.N)); err != nil {
				return err
			}
		}
		break
	}
	return nil
}

// lookEvery is how often the job looks.
const lookEvery = 5 * time.Minute

// OpenAlarms counts the alarms that nobody closed, by kind: for the measures.
func (s *Service) OpenAlarms(ctx context.Context) (map[Kind]int, error) {
	rows, err := s.Store.Read().CountOpenAlarms(ctx)
	out := map[Kind]int{KindBrowsing: 0, KindNight: 0, KindBulk: 0}
	for _, r := range rows {
		out[Kind(r.Kind)] = int(r.N)
	}
	return out, err
}
