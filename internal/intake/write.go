package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// write issues what is to be issued and writes fragments, ledger, arrivals and
// the source's counters with it, in one transaction.
func (b *batch) write(ctx context.Context) error { return b.writeAlso(ctx, nil) }

// writeAlso is write with something more in the same transaction.
func (b *batch) writeAlso(ctx context.Context, also func(context.Context, pgx.Tx, *query.Queries, *writing) error) error {
	var told []issuance.Told
	var of []*verdict
	for _, v := range b.verdicts {
		if v.state != "" {
			continue
		}
		at := b.now
		if !at.After(v.dose.state.Told) {
			at = v.dose.state.Told.Add(time.Microsecond)
		}
		told, of = append(told, issuance.Told{Event: v.event, AsOf: at, One: v.one, Seen: v.seen}), append(of, v)
	}
	_, err := b.s.Issuance.Settle(ctx, b.issuedBy(), told, func(ctx context.Context, tx pgx.Tx, q *query.Queries, each []issuance.Each) error {
		w := &writing{batch: b, items: newItems(b.src.Name), results: map[*verdict]issuance.Each{}}
		for i, e := range each {
			w.results[of[i]] = e
		}
		if err := w.judged(); err != nil {
			return err
		}
		if also != nil {
			if err := also(ctx, tx, q, w); err != nil {
				return err
			}
		}
		return w.store(ctx, q)
	})
	return err
}

// writing is one try to write a batch. What it changes of fragments is undone
// when it is not committed: it works on copies.
type writing struct {
	*batch
	items   *items
	results map[*verdict]issuance.Each
	put     []*stored
	issued  int
	deleted int
	audit   []registry.Entry
}

// judged puts together what is to be written.
func (w *writing) judged() error {
	for _, in := range w.arrived {
		in.items = 0 // of a try before
	}
	changed := map[*stored]*stored{}
	for _, f := range w.frags {
		if f.dirty {
			changed[f] = f
		}
	}
	for _, v := range w.verdicts {
		after, err := w.verdict(v)
		if err != nil {
			return err
		}
		if after != nil {
			changed[v.dose] = after
			if v.takes != nil {
				gone := *v.takes
				gone.row.Record, gone.row.Content, gone.row.Certificate, gone.row.Settled = nil, nil, nil, true
				changed[v.takes] = &gone
				if open, ok := w.open[string(gone.row.Key)]; ok {
					w.decide(open, itemRow{state: Unchanged, class: Replaced})
				}
			}
		}
	}
	w.mentioned()
	w.arrivals()
	for _, f := range changed {
		if err := w.s.seal(f); err != nil {
			return err
		}
		w.put = append(w.put, f)
	}
	return nil
}

// verdict writes what became of a dose to the ledger and returns the dose as it
// is to be stored, nil where it stays.
func (w *writing) verdict(v *verdict) (*stored, error) {
	r := itemRow{state: v.state, class: v.class, problems: v.problems, code: v.code, sealed: v.sealed, certificate: v.dose.row.Certificate}
	var after *stored
	if v.state == "" {
		e := w.results[v]
		if e.Err != nil {
			r.state = Held
			r.class, r.problems = w.refusal(e.Err)
		} else {
			r.state, r.certificate = Issued, e.Result.ID[:]
			if e.Result.Outcome == issuance.Unchanged {
				r.state, r.class = Unchanged, Same
			} else {
				w.issued++
			}
			after = w.certified(v, e.Result)
		}
	}
	w.told(v, &r)
	open, isOpen := w.open[string(v.dose.row.Key)]
	if v.deleted && !(isOpen && open.Class == string(Deleted)) {
		w.deleted++
	}
	own := w.causes[v.dose] != nil // the dose itself is new, and has a mention
	switch {
	case own && isOpen:
		w.decide(open, itemRow{state: Unchanged, class: Replaced, certificate: open.Certificate})
	case isOpen:
		w.decide(open, r)
		return after, nil
	}
	if own {
		v.row(&r, w.causes[v.dose])
		for _, m := range w.mentions {
			if m.dose == v.dose && m.class == "" {
				w.add(m.in, r)
			}
		}
		return after, nil
	}
	// It changed because of the person: only what comes of it counts.
	if v.cause != nil && (r.state == Issued || r.state == Held) {
		v.row(&r, v.cause)
		w.add(v.cause, r)
	}
	return after, nil
}

// row completes a new item of a dose.
func (v *verdict) row(r *itemRow, in *arrived) {
	r.bucket, r.fragment, r.facility = v.dose.row.Bucket, v.dose.row.Key, v.dose.row.Facility
	r.arrival, r.received = in.id, in.at
}

func (w *writing) add(in *arrived, r itemRow) {
	r.arrival, r.received = in.id, in.at
	in.items++
	w.items.add(r)
}

// decide gives a held item another state or reason.
func (w *writing) decide(open query.Item, r itemRow) {
	r.bucket, r.id, r.facility = open.Bucket, open.ID, open.Facility
	if r.state == Held && string(r.class) == open.Class && r.field() == open.Field {
		return // as before
	}
	w.items.add(r)
}

// certified is a dose after it was certified.
func (w *writing) certified(v *verdict, r issuance.Result) *stored {
	after := *v.dose
	after.row.Record, after.row.Content, after.row.Certificate = v.record, v.content, r.ID[:]
	after.state.Place, after.state.PlaceOf = v.place, after.row.Facility
	after.state.Told = w.now
	if !w.now.After(v.dose.state.Told) {
		after.state.Told = v.dose.state.Told.Add(time.Microsecond)
	}
	return &after
}

// mentioned writes the doses of arrivals that change nothing.
func (w *writing) mentioned() {
	judged := map[*stored]bool{}
	for _, v := range w.verdicts {
		judged[v.dose] = true
	}
	for _, m := range w.mentions {
		class := m.class
		if class == "" {
			if judged[m.dose] {
				continue
			}
			class = Same
		}
		w.add(m.in, itemRow{
			bucket: m.dose.row.Bucket, fragment: m.dose.row.Key, facility: m.dose.row.Facility,
			state: Unchanged, class: class, certificate: m.dose.row.Certificate,
		})
	}
}

// arrivals gives arrivals without a dose their item.
func (w *writing) arrivals() {
	for _, in := range w.arrived {
		r := itemRow{bucket: int16(w.s.Box.Bucket(w.src.Name + ":" + string(in.hash)))}
		switch {
		case in.err != nil:
			r.state, r.class = Held, Unreadable
			r.problems = append([]vaccination.Fault{{Code: string(Unreadable), Message: in.err.Message}}, in.err.Faults...)
			if len(in.err.Faults) > 0 && in.err.Message == "" {
				r.problems = in.err.Faults
			}
		case len(in.reading.Needs) > 0:
			r.state, r.class = Held, WaitingForRecord
			r.problems = []vaccination.Fault{{Code: string(WaitingForRecord), Message: "this delivery names records that the source has to be asked for; nothing is to be done unless it stays so"}}
		case in.items == 0:
			r.state, r.class = Unchanged, NoDose
		default:
			continue
		}
		w.add(in, r)
	}
}

// refusal says why nothing was issued, as a person can act on it.
func (w *writing) refusal(err error) (HoldClass, []vaccination.Fault) {
	var e *vaccination.Error
	if !errors.As(err, &e) {
		w.s.Log.Error("a record cannot be issued", slog.String("source", w.src.Name), slog.String("error", err.Error()))
		return NotIssued, []vaccination.Fault{{Code: string(vaccination.Internal), Message: "something went wrong on our side: retry later"}}
	}
	class := NotIssued
	switch e.Code {
	case vaccination.Conflict:
		class = InConflict
	case vaccination.Revoked:
		class = WasRevoked
	case vaccination.Invalid:
		class = InvalidValue
		if len(e.Faults) > 0 && e.Faults[0].Code == vaccination.FaultRequired {
			class = MissingField
		}
	}
	if len(e.Faults) == 0 {
		return class, []vaccination.Fault{{Code: string(e.Code), Message: e.Message}}
	}
	return class, e.Faults
}

// store writes everything. The turn comes first: who lost it changes nothing.
func (w *writing) store(ctx context.Context, q *query.Queries) error {
	row := w.src.row
	turn := query.MoveTurnParams{Name: w.src.Name, Turn: row.Turn, HourAt: w.hour(), HourIssued: int32(w.issued), DeletionsAt: row.DeletionsAt, Deletions: row.Deletions}
	if row.HourAt.Equal(w.hour()) {
		turn.HourIssued += row.HourIssued
	}
	if w.deleted > 0 {
		if w.now.Sub(row.DeletionsAt) > breakerWindow {
			turn.DeletionsAt, turn.Deletions = w.now, 0
		}
		turn.Deletions += int32(w.deleted)
	}
	n, err := q.MoveTurn(ctx, turn)
	if err == nil && n != 1 {
		err = errElsewhere
	}
	if err != nil {
		return err
	}
	if w.deleted > 0 {
		if err := w.breaker(ctx, q, int(turn.Deletions)); err != nil {
			return err
		}
	}
	var places []Facility
	var ids []int64
	for _, in := range w.arrived {
		ids = append(ids, in.id)
		places = append(places, in.reading.Facilities...)
	}
	if err := putFacilities(ctx, q, w.src.Name, places); err != nil {
		return err
	}
	if len(w.put) > 0 {
		slices.SortFunc(w.put, func(a, b *stored) int { return slices.Compare(a.row.Key, b.row.Key) })
		if err := q.PutFragments(ctx, putParams(w.src.Name, w.put)); err != nil {
			return err
		}
	}
	if len(w.items.decided) > 0 {
		n, err := q.DecideItems(ctx, w.items.decisions(w.now, w.by, w.note))
		if err == nil && n != int64(len(w.items.decided)) {
			err = errElsewhere
		}
		if err != nil {
			return err
		}
	}
	if len(w.items.insert) > 0 {
		if err := q.InsertItems(ctx, w.items.params(w.now)); err != nil {
			return err
		}
	}
	if len(ids) > 0 {
		n, err := q.ArrivalsDone(ctx, ids)
		if err == nil && n != int64(len(ids)) {
			err = errElsewhere
		}
		if err != nil {
			return err
		}
	}
	if len(w.audit) > 0 {
		return registry.Audit(ctx, q, w.now, w.issuedBy().Actor, w.audit...)
	}
	return nil
}

// What a source may delete before it is paused: a storm of deletions is a
// mistake at the source more often than the truth.
const (
	breakerWindow = 24 * time.Hour
	breakerLeast  = 20
	breakerShare  = 20 // one of so many of the source's doses
)

// breaker pauses a source that deleted too much in one window.
func (w *writing) breaker(ctx context.Context, q *query.Queries, deletions int) error {
	if deletions <= breakerLeast || w.src.row.Breaker {
		return nil
	}
	doses, err := q.CountDoses(ctx, w.src.Name)
	if err != nil || deletions <= int(doses)/breakerShare {
		return err
	}
	problem := fmt.Sprintf("the source deleted %d certified records within a day, of %d it has: nothing is revoked; see whether that is right, then resume it", deletions, doses)
	w.s.Log.Error("a source is paused: it deletes too much", slog.String("source", w.src.Name), slog.Int("deletions", deletions), slog.Int64("doses", doses))
	if err := q.TripBreaker(ctx, query.TripBreakerParams{Name: w.src.Name, Problem: problem}); err != nil {
		return err
	}
	return registry.Audit(ctx, q, w.now, "intake:"+w.src.Name, registry.Entry{Chain: registry.AdminChain, Act: "source.breaker", Object: w.src.Name, Detail: problem})
}
