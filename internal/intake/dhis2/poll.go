package dhis2

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// How a poll looks back, and what it leaves for the next.
const (
	overlap  = 10 * time.Minute // again what was read already: rows appear late
	settle   = 2 * time.Minute  // not yet what transactions may still be writing
	floor    = time.Second      // no window is halved below this
	pageSize = 200
	batch    = 200 // people in one transaction
	// maxUnread bounds the people who changed and whom our user may not see.
	maxUnread = 1000
)

// progress is how far a source was read: its cursor.
type progress struct {
	Until  string   `json:"until,omitempty"`  // the server's clock, up to which everything was read
	Walked string   `json:"walked,omitempty"` // the server's day of the last full walk
	Unread []string `json:"unread,omitempty"` // changed, and not for our user to see
	Told   string   `json:"told,omitempty"`   // the mark up to which certificates were written back
}

func readProgress(cursor string) (p progress, err error) {
	if cursor != "" {
		err = json.Unmarshal([]byte(cursor), &p)
	}
	return p, err
}

func (p progress) until() time.Time {
	t, err := stamp(p.Until)
	if err != nil {
		return time.Unix(0, 0).UTC() // never read: everything
	}
	return t
}

// polling is one poll of one source.
type polling struct {
	s      *Service
	o      *opened
	src    intake.Source
	info   Info
	p      progress
	cursor string // as it is stored
}

// Poll reads what changed at a source since the last poll, and once a day
// everything. What it read is durable when it returns nil, and the cursor moved
// with it. After an error the next poll begins where this one stopped. An error
// that is [vaccination.Forbidden] is about single people or about what will go
// wrong: the poll was well.
func (s *Service) Poll(ctx context.Context, src intake.Source) error {
	concern, err := s.poll(ctx, src)
	if err != nil || concern == nil {
		return err
	}
	// It answered; what people should know is told all the same.
	if err := s.Intake.Contact(ctx, src.Name, nil, false); err != nil {
		return err
	}
	return concern
}

func (s *Service) poll(ctx context.Context, src intake.Source) (concern, err error) {
	o, err := s.open(src)
	if err != nil {
		return nil, err
	}
	p := &polling{s: s, o: o, src: src, cursor: src.Cursor}
	if p.p, err = readProgress(src.Cursor); err != nil {
		return nil, fmt.Errorf("the cursor of source %s: %w", src.Name, err)
	}
	if p.info, err = o.poll.Info(ctx); err != nil {
		return nil, err
	}
	first, today := p.p.Until == "", p.info.Now.Format(time.DateOnly)
	walk := p.p.Walked != today
	if err := p.check(ctx, walk); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(o.config.Quiet, func(h Hours) bool { return h.Has(p.info.Now) }) {
		return p.concerns(), nil
	}
	if err := p.changes(ctx); err != nil {
		return nil, err
	}
	if walk && !first { // the first poll read everything
		if err := p.everything(ctx); err != nil {
			return nil, err
		}
	}
	if walk {
		p.p.Walked = today
		if err := p.store(ctx, nil, time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := p.writeBack(ctx); err != nil {
		return nil, err
	}
	return p.concerns(), nil
}

// check compares the mapping with the programme before anything is read, and
// again each day; and reads the names of the facilities.
func (p *polling) check(ctx context.Context, again bool) error {
	if p.src.Mapping == nil {
		return vaccination.Errorf(vaccination.Invalid, "a DHIS2 source needs a mapping")
	}
	if p.o.checked == p.src.Mapping && !again {
		return nil
	}
	meta, err := p.o.poll.Metadata(ctx)
	if err != nil {
		return err
	}
	if err := p.src.Mapping.Against(meta).Err(); err != nil {
		return err
	}
	facilities, err := p.o.poll.Facilities(ctx)
	if err != nil {
		return err
	}
	if err := p.s.Intake.PutFacilities(ctx, p.src.Name, facilities); err != nil {
		return err
	}
	p.o.checked = p.src.Mapping
	return nil
}

// changes reads from where the last poll stopped to what has settled.
func (p *polling) changes(ctx context.Context) error {
	to := p.info.Now.Add(-settle)
	from := p.p.until()
	if from.After(to) {
		// The server's clock went back: it was wrong, or summer time ended.
		// What it stamps from now on lies before the cursor.
		from = to
	}
	switch {
	case p.p.Until != "":
		from = from.Add(-overlap)
	case p.o.config.OnDemand:
		from = to // nobody asked yet
	}
	if err := p.some(ctx, p.p.Unread); err != nil {
		return err
	}
	if err := p.window(ctx, from, to, p.take); err != nil {
		return err
	}
	return p.store(ctx, nil, to)
}

// window hands over what changed between from and to, both included, in parts
// whose end is told: in the order of time and, where there is much, in windows
// cut in half until each fits one page. A second page is asked for only where a
// second has more than one holds: pages drift when rows move.
func (p *polling) window(ctx context.Context, from, to time.Time, take func(ctx context.Context, rows []row, until time.Time) error) error {
	var rows []row
	for _, events := range []bool{true, false} {
		part, err := p.o.poll.changed(ctx, events, from, to, 1, pageSize, false)
		if err != nil {
			return err
		}
		if len(part) >= pageSize {
			if to.Sub(from) > floor {
				mid := from.Add(to.Sub(from) / 2).Truncate(time.Millisecond)
				if err := p.window(ctx, from, mid, take); err != nil {
					return err
				}
				return p.window(ctx, mid, to, take) // mid twice: an instant has parts
			}
			if part, err = p.pages(ctx, events, from, to); err != nil {
				return err
			}
		}
		rows = append(rows, part...)
	}
	if len(rows) == 0 {
		return nil
	}
	return take(ctx, rows, to)
}

// pages reads all pages of a window, again until nothing new comes: rows that
// left the window push others to pages that were read.
func (p *polling) pages(ctx context.Context, events bool, from, to time.Time) ([]row, error) {
	all := map[string]row{}
	for pass := 0; pass < 10; pass++ {
		before := len(all)
		for page := 1; ; page++ {
			part, err := p.o.poll.changed(ctx, events, from, to, page, pageSize, true)
			if err != nil {
				return nil, err
			}
			for _, r := range part {
				all[r.entity+r.event] = r
			}
			if len(part) < pageSize {
				break
			}
		}
		if len(all) == before {
			break
		}
	}
	return slices.Collect(maps.Values(all)), nil
}

// take fetches those of rows whose state is not the one we know, whole, and
// stores them; the last batch moves the cursor to until.
func (p *polling) take(ctx context.Context, rows []row, until time.Time) error {
	rows, err := p.differing(ctx, rows)
	if err != nil {
		return err
	}
	byPerson := p.byPerson(rows)
	if p.o.config.OnDemand {
		known, err := p.s.Intake.Known(ctx, p.src.Name, intake.PersonFragment, slices.Collect(maps.Keys(byPerson)))
		if err != nil {
			return err
		}
		maps.DeleteFunc(byPerson, func(id string, _ []row) bool { _, ok := known[id]; return !ok })
	}
	ids := slices.Sorted(maps.Keys(byPerson))
	for len(ids) > 0 {
		n := min(batch, len(ids))
		arrivals, err := p.fetch(ctx, ids[:n], byPerson)
		if err != nil {
			return err
		}
		if ids = ids[n:]; len(ids) > 0 {
			_, err = p.s.Intake.Deliver(ctx, p.src.Name, intake.Delivery{Arrivals: arrivals})
		} else {
			if !until.After(p.p.until()) { // within the overlap
				until = time.Time{}
			}
			err = p.store(ctx, arrivals, until)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byPerson sorts rows by whom they are about. What we wrote ourselves is about
// nobody.
func (p *polling) byPerson(rows []row) map[string][]row {
	out := map[string][]row{}
	for _, r := range rows {
		if w := p.o.config.Certificates; w != nil && r.stage == w.Stage || slices.Contains(p.src.Mapping.Ignore, r.stage) && r.stage != "" {
			continue
		}
		out[r.entity] = append(out[r.entity], r)
	}
	return out
}

// fetch asks for people whole. Whoever does not come is remembered, unless the
// rows say that they were deleted: then that is what arrives.
func (p *polling) fetch(ctx context.Context, ids []string, rows map[string][]row) ([]intake.Arrival, error) {
	found, err := p.o.poll.Entities(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []intake.Arrival
	unread := p.p.Unread
	for _, id := range ids {
		raw, ok := found[id]
		if !ok {
			raw, ok = tombstone(id, rows[id])
		}
		unread = slices.DeleteFunc(unread, func(u string) bool { return u == id })
		if ok {
			out = append(out, p.s.arrival(p.o, p.info, intake.Poll, raw))
		} else if len(unread) < maxUnread {
			unread = append(unread, id)
		}
	}
	p.p.Unread = unread
	return out, nil
}

// some fetches people by id and stores them; the cursor stays.
func (p *polling) some(ctx context.Context, ids []string) error {
	for part := range slices.Chunk(slices.Clone(ids), batch) {
		arrivals, err := p.fetch(ctx, part, nil)
		if err != nil {
			return err
		}
		if err := p.store(ctx, arrivals, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// store stores arrivals and, in the same transaction, how far the source was
// read; a zero until leaves that where it is.
func (p *polling) store(ctx context.Context, arrivals []intake.Arrival, until time.Time) error {
	if !until.IsZero() {
		p.p.Until = until.Format(stampForm)
	}
	b, err := json.Marshal(p.p)
	if err != nil {
		return err
	}
	next := string(b)
	d := intake.Delivery{Arrivals: arrivals, Cursor: &next, From: p.cursor}
	if p.p.Until != "" {
		d.Lag = max(0, p.info.Now.Sub(p.p.until()))
	}
	if _, err := p.s.Intake.Deliver(ctx, p.src.Name, d); err != nil {
		return err
	}
	p.cursor = next
	return nil
}
