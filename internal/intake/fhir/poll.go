package fhir

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/remote"
	"github.com/opendivoc/divoc/vaccination"
)

// progress is how far a source was read: its cursor.
type progress struct {
	Patients      position `json:"patients,omitzero"`
	Immunizations position `json:"immunizations,omitzero"`
}

// position is how far a list was read. Its times are the server's own.
type position struct {
	Until time.Time `json:"until,omitzero"` // everything changed up to then was read
	// Of reading that goes on: the page to ask for next, the newest that was seen,
	// and whether something new was.
	Next string    `json:"next,omitempty"`
	Seen time.Time `json:"seen,omitzero"`
	News bool      `json:"news,omitempty"`
}

// maxPasses bounds how often a list of several pages is read again.
const maxPasses = 5

// maxPages bounds the pages of one list: twenty million resources.
const maxPages = 100_000

// polling is one poll of one source.
type polling struct {
	s      *Service
	client *remote.Client
	src    intake.Source
	base   string
	p      progress
	cursor string // as it is stored
}

// Poll reads the people and doses that were changed since the last poll: people
// first, then doses, following the server's own links. What it read is durable
// when it returns nil, and the cursor moved with it; after an error the next poll
// goes on with the page that failed.
//
// Nothing is asked of the order in which a server lists: the cursor moves when a
// list was read to its end. Pages of some servers shift while they are read, when
// a resource moves from one to another; so a list of several pages is read again
// until nothing new is found. What is read twice is stored once.
func (s *Service) Poll(ctx context.Context, src intake.Source) error {
	c, client, err := s.client(src)
	if err != nil || client == nil {
		return err
	}
	if src.Mapping == nil {
		return vaccination.Errorf(vaccination.Invalid, "a FHIR source needs a mapping")
	}
	p := &polling{s: s, client: client, src: src, base: c.URL, cursor: src.Cursor}
	if src.Cursor != "" {
		if err := json.Unmarshal([]byte(src.Cursor), &p.p); err != nil {
			return err
		}
	}
	if err := p.list(ctx, "Patient", &p.p.Patients); err != nil {
		return err
	}
	return p.list(ctx, "Immunization", &p.p.Immunizations)
}

// list reads what is new in a list.
func (p *polling) list(ctx context.Context, resource string, at *position) error {
	q := url.Values{"_sort": {"_lastUpdated"}, "_count": {strconv.Itoa(pageSize)}}
	if !at.Until.IsZero() {
		q.Set("_lastUpdated", "ge"+at.Until.Add(-overlap).Format("2006-01-02T15:04:05.000Z07:00"))
	}
	first := p.base + "/" + resource + "?" + q.Encode()
	if at.Next != "" { // of a poll before; the server may have forgotten it
		if next, err := p.client.Next(first, at.Next); err != nil {
			at.Next = ""
		} else if err := p.pages(ctx, next, resource, at); vaccination.ErrorCode(err) == vaccination.Unavailable || vaccination.ErrorCode(err) == vaccination.Unauthorized {
			return err
		} else if err != nil {
			at.Next = ""
		}
	}
	for range maxPasses {
		at.News = false
		several, err := p.pass(ctx, first, resource, at)
		if err != nil {
			return err
		}
		if !several || !at.News {
			break
		}
	}
	if at.Seen.After(at.Until) {
		at.Until = at.Seen
	}
	at.Seen, at.News = time.Time{}, false
	return p.store(ctx, nil)
}

// pass reads a list from its first page and reports whether it has several.
func (p *polling) pass(ctx context.Context, first, resource string, at *position) (several bool, err error) {
	next, err := p.page(ctx, first, resource, at)
	if err != nil || next == "" {
		return false, err
	}
	return true, p.pages(ctx, next, resource, at)
}

// pages reads a list from one of its pages to the end.
func (p *polling) pages(ctx context.Context, address, resource string, at *position) (err error) {
	for n := 0; address != "" && err == nil; n++ {
		if n == maxPages {
			return p.client.Strange("a list has no end")
		}
		address, err = p.page(ctx, address, resource, at)
	}
	return err
}

// page reads one page, stores what is new in it and moves the cursor to the next.
func (p *polling) page(ctx context.Context, address, resource string, at *position) (next string, err error) {
	raw, last, next, err := page(ctx, p.client, address, resource)
	if err != nil {
		return "", err
	}
	news, err := p.news(ctx, raw)
	if err != nil {
		return "", err
	}
	if last.After(at.Seen) {
		at.Seen = last
	}
	at.Next, at.News = next, at.News || len(news) > 0
	return next, p.store(ctx, news)
}

// news are the resources that say something which is not stored. Those that mean
// nothing to us are, too: what comes of them is for intake to say.
func (p *polling) news(ctx context.Context, raw []json.RawMessage) ([]intake.Arrival, error) {
	type read struct {
		arrival   intake.Arrival
		fragments []intake.Fragment
	}
	var all []read
	ids := map[intake.FragmentKind][]string{}
	for _, r := range raw {
		a := p.s.arrival(intake.Poll, r)
		reading, err := Reader{}.Read(a, p.src.Mapping)
		if err != nil {
			reading = intake.Reading{}
		}
		all = append(all, read{a, reading.Fragments})
		for _, f := range reading.Fragments {
			ids[f.Kind] = append(ids[f.Kind], f.ID)
		}
	}
	known := map[intake.FragmentKind]map[string]intake.Known{}
	for kind, list := range ids {
		some, err := p.s.Intake.Known(ctx, p.src.Name, kind, list)
		if err != nil {
			return nil, err
		}
		known[kind] = some
	}
	var out []intake.Arrival
	for _, r := range all {
		if len(r.fragments) == 0 || slices.ContainsFunc(r.fragments, func(f intake.Fragment) bool {
			k, ok := known[f.Kind][f.ID]
			return !ok || k.Hash != p.s.Intake.Hash(f) && (f.Version.IsZero() || !f.Version.Before(k.Version))
		}) {
			out = append(out, r.arrival)
		}
	}
	return out, nil
}

// store stores arrivals and, in the same transaction, how far the source was
// read.
func (p *polling) store(ctx context.Context, arrivals []intake.Arrival) error {
	b, err := json.Marshal(p.p)
	if err != nil {
		return err
	}
	next := string(b)
	if next == p.cursor && len(arrivals) == 0 {
		return nil
	}
	if _, err := p.s.Intake.Deliver(ctx, p.src.Name, intake.Delivery{Arrivals: arrivals, Cursor: &next, From: p.cursor}); err != nil {
		return err
	}
	p.cursor = next
	return nil
}
