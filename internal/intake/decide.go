package intake

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Action is what a person decides about held items.
type Action string

// The decisions.
const (
	Retry   Action = "retry"   // look at it again, after something was mended
	Release Action = "release" // issue it although it was over a limit; the person is somebody else than those they look like
	Merge   Action = "merge"   // the person is one with whom they look like: issue it and link the two
	Reject  Action = "reject"  // nothing comes of it
	Revoke  Action = "revoke"  // it was deleted: revoke its certificate
	Keep    Action = "keep"    // it was deleted: the certificate stands
)

// Decision is what a person decides, and why.
type Decision struct {
	Action Action
	Reason string // one line, nothing personal; needed to reject, merge, revoke and keep
	// As is a certificate of whom a person is merged with; zero where the item has
	// one candidate alone.
	As vaccination.CertificateID
}

// Decided says what became of held items.
type Decided struct {
	Items   int `json:"items" doc:"that the decision was about"`
	Issued  int `json:"issued" doc:"of these, that made or changed a certificate"`
	Closed  int `json:"closed" doc:"of these, that are unchanged or rejected"`
	Held    int `json:"held" doc:"of these, that are held still, for the same or another reason"`
	Waiting int `json:"waiting" doc:"of these, that are read again"`
}

func (d *Decided) add(o Decided) {
	d.Items += o.Items
	d.Issued += o.Issued
	d.Closed += o.Closed
	d.Held += o.Held
	d.Waiting += o.Waiting
}

// fits reports whether an action is one for items of a class.
func (a Action) fits(c HoldClass) bool {
	switch a {
	case Retry:
		return c != Deleted
	case Release:
		return slices.Contains([]HoldClass{OverLimit, OutOfScope, Moved, WasRevoked, SameDose, PossibleDuplicate, SecondDose}, c)
	case Merge:
		return c == PossibleDuplicate
	case Reject:
		return c != Deleted
	case Revoke, Keep:
		return c == Deleted
	}
	return false
}

// Decide decides held items, one or many: those that f names, of which each must
// be one that the action fits. Each batch of items is one transaction with its
// entries in the audit.
func (s *Service) Decide(ctx context.Context, by access.Caller, f HoldFilter, d Decision) (Decided, error) {
	var all Decided
	if err := by.Can(access.DecideHolds); err != nil {
		return all, err
	}
	if err := checkNote(d.Reason); err != nil {
		return all, err
	}
	if d.Reason == "" && d.Action != Retry && d.Action != Release {
		return all, vaccination.Errorf(vaccination.Invalid, "say why")
	}
	if f.Source == "" && len(f.IDs) == 0 {
		return all, vaccination.Errorf(vaccination.Invalid, "say which: a source, with a reason class if not all of it is meant, or the numbers of items")
	}
	most := f.Max
	for {
		if most > 0 && most <= all.Items {
			return all, nil
		}
		f.Max = batchArrivals
		if most > 0 {
			f.Max = min(f.Max, most-all.Items)
		}
		rows, err := s.held(ctx, f)
		if err != nil {
			return all, err
		}
		if len(rows) == 0 {
			if len(f.IDs) > 0 && all.Items == 0 {
				return all, vaccination.Errorf(vaccination.NotFound, "none of these items is held")
			}
			return all, nil
		}
		for source, items := range bySource(rows) {
			done, err := s.decide(ctx, by, source, items, d)
			all.add(done)
			if err != nil {
				return all, err
			}
		}
		f.After = rows[len(rows)-1].Item.ID
	}
}

func bySource(rows []query.HeldItemsRow) map[string][]query.Item {
	out := map[string][]query.Item{}
	for _, r := range rows {
		out[r.Item.Source] = append(out[r.Item.Source], r.Item)
	}
	return out
}

// decide decides held items of one source.
func (s *Service) decide(ctx context.Context, by access.Caller, source string, rows []query.Item, d Decision) (done Decided, err error) {
	for _, r := range rows {
		if !d.Action.fits(HoldClass(r.Class)) {
			return done, vaccination.Errorf(vaccination.Invalid, "item %d is held as %s: one cannot %s that", r.ID, r.Class, d.Action)
		}
	}
	for range attempts {
		err = s.alone(ctx, source, func() error {
			done = Decided{}
			b, err := s.newBatch(ctx, source)
			if err != nil {
				return err
			}
			b.by, b.note = by.Actor, d.Reason
			if (d.Action == Revoke || d.Action == Keep) && b.src.row.Breaker && len(rows) > 1 {
				return vaccination.Errorf(vaccination.Conflict, "this source is paused because it deleted too much at once: see whether that is right and resume it, then decide about many")
			}
			return b.decide(ctx, by, rows, d, &done)
		})
		if !isRace(err) {
			return done, err
		}
	}
	return done, err
}

// decide puts together and writes what a person decided about held items.
func (b *batch) decide(ctx context.Context, by access.Caller, rows []query.Item, d Decision, done *Decided) error {
	var keys [][]byte
	for _, r := range rows {
		if r.Fragment != nil {
			keys = append(keys, r.Fragment)
		}
	}
	if err := b.loadDoses(ctx, keys); err != nil {
		return err
	}
	if err := b.loadAround(ctx); err != nil {
		return err
	}
	own := *newItems(b.src.Name) // decided without judging
	var again []query.Item       // arrivals to read again
	for _, r := range rows {
		f := b.frags[string(r.Fragment)]
		if open, ok := b.open[string(r.Fragment)]; f != nil && (!ok || open.ID != r.ID) {
			continue // somebody else decided it
		}
		done.Items++
		row := itemRow{bucket: r.Bucket, id: r.ID, facility: r.Facility, certificate: r.Certificate, state: Unchanged, class: Kept}
		switch {
		case f == nil && d.Action == Retry:
			again = append(again, r)
			continue
		case f == nil: // rejected
			row.state, row.class = Rejected, HoldClass(r.Class)
		case d.Action == Retry || d.Action == Release:
			b.decided[f] = r
			if d.Action == Release {
				b.release[f] = HoldClass(r.Class)
			}
			if r.Class == string(PossibleDuplicate) && d.Action == Release {
				if person := b.frags[string(f.row.Person)]; person != nil {
					person.state.Distinct, person.dirty = true, true
				}
			}
			if r.Class == string(Moved) && d.Action == Release {
				if err := b.revoke(ctx, by, f, "the source moved the record to another dose or person"); err != nil {
					return err
				}
			}
			continue
		case d.Action == Merge:
			if err := b.merge(ctx, by, f, r, d); err != nil {
				return err
			}
			continue
		case d.Action == Reject:
			row.state, row.class = Rejected, HoldClass(r.Class)
			f.row.Settled, f.dirty = true, true
		case d.Action == Revoke:
			if err := b.revoke(ctx, by, f, d.Reason); err != nil {
				return err
			}
			row.state, row.class = Issued, Revoking
			f.row.Settled, f.row.Content, f.dirty = !b.personGone(f), nil, true
		case d.Action == Keep:
			f.row.Settled, f.dirty = !b.personGone(f), true
		}
		own.add(row)
	}
	if err := b.evaluate(ctx); err != nil {
		return err
	}
	return b.writeDecision(ctx, by, own, again, d, done)
}

// personGone reports whether a dose counts as deleted because its person is: then
// the dose is looked at again when the person comes back.
func (b *batch) personGone(f *stored) bool {
	person := b.frags[string(f.row.Person)]
	return !f.row.Deleted && person != nil && person.row.Deleted
}

// writeDecision writes what was judged, own, and which arrivals are read again.
func (b *batch) writeDecision(ctx context.Context, by access.Caller, own items, again []query.Item, d Decision, done *Decided) error {
	before := *done
	return b.writeAlso(ctx, func(ctx context.Context, tx pgx.Tx, q *query.Queries, w *writing) error {
		*done = before
		w.items.decided = append(w.items.decided, own.decided...)
		for _, r := range w.items.decided {
			switch r.state {
			case Issued:
				done.Issued++
			case Unchanged, Rejected:
				done.Closed++
			}
		}
		done.Waiting = len(again)
		done.Held = max(0, done.Items-done.Issued-done.Closed-done.Waiting)
		for _, r := range w.items.decided {
			w.record(r.bucket, "hold."+string(d.Action), r.id, string(r.state)+" "+d.Reason)
		}
		if len(again) == 0 {
			return nil
		}
		var ids, arrivals []int64
		for _, r := range again {
			ids, arrivals = append(ids, r.ID), append(arrivals, r.Arrival)
			w.record(r.Bucket, "hold."+string(d.Action), r.ID, d.Reason)
		}
		if _, err := q.DeleteOpenItems(ctx, ids); err != nil {
			return err
		}
		if _, err := q.AwakeArrivals(ctx, arrivals); err != nil {
			return err
		}
		if b.s.later != nil {
			return b.s.later(ctx, tx, b.src.Name)
		}
		return nil
	})
}

func (w *writing) record(bucket int16, act string, item int64, detail string) {
	w.audit = append(w.audit, registry.Entry{Chain: registry.GroupOf(bucket), Act: act, Object: fmt.Sprintf("item %d", item), Detail: detail})
}

// revoke revokes the certificate of a dose, if it stands. Should writing what
// follows fail, deciding the same again finds it revoked.
func (b *batch) revoke(ctx context.Context, by access.Caller, f *stored, reason string) error {
	if f.row.Certificate == nil {
		return nil
	}
	by = access.Caller{Actor: by.Actor, Role: access.SourceRole, Source: b.src.Name}
	_, err := b.s.Issuance.Change(ctx, by, vaccination.CertificateID(f.row.Certificate), vaccination.ActRevoke, reason)
	switch vaccination.ErrorCode(err) {
	case vaccination.Conflict, vaccination.NotFound: // it was superseded, or is not the source's own
		return nil
	}
	return err
}

// loadDoses reads doses by their keys with their people and all of their doses.
func (b *batch) loadDoses(ctx context.Context, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	if err := b.fetch(ctx, keys, nil); err != nil {
		return err
	}
	var people [][]byte
	for _, f := range b.frags {
		people = append(people, f.row.Person)
	}
	return b.fetch(ctx, slices.Clone(people), people)
}

// issuedBy is who a source's certificates are issued by, in the audit.
func (b *batch) issuedBy() access.Caller {
	by := access.Caller{Actor: "intake:" + b.src.Name, Role: access.SourceRole, Source: b.src.Name}
	if b.by != "" {
		by.Actor = b.by
	}
	return by
}

// merge remembers whom the person of a held dose is one with, so that the next
// certificate of theirs makes the link.
func (b *batch) merge(ctx context.Context, by access.Caller, f *stored, r query.Item, d Decision) error {
	item, err := itemOf(r, nil)
	if err != nil {
		return err
	}
	as := d.As
	var candidates int
	for _, p := range item.Problems {
		if p.Path != candidatePath {
			continue
		}
		if candidates++; d.As.IsZero() {
			if as, err = vaccination.ParseCertificateID(p.Message); err != nil {
				return err
			}
		}
	}
	person := b.frags[string(f.row.Person)]
	if d.As.IsZero() && candidates != 1 || person == nil {
		return vaccination.Errorf(vaccination.Invalid, "item %d has %d candidates: say which, by a certificate of theirs", r.ID, candidates)
	}
	code, err := b.s.Issuance.EnrolmentOf(ctx, by, as, "merge")
	if err != nil {
		return err
	}
	person.state.As, person.state.AsWhy, person.state.Distinct, person.dirty = code, d.Reason, false, true
	b.decided[f] = r
	return nil
}
