package commcare

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// How a poll looks back: cases appear in the list some time after they changed,
// and maintenance indexes them again.
const (
	overlap = time.Hour
	walkAgo = 7 * 24 * time.Hour // between two walks through everything
)

// Intake is what this package needs of [intake.Service].
type Intake interface {
	Deliver(ctx context.Context, source string, d intake.Delivery) ([]string, error)
	Each(ctx context.Context, source string, f func([]intake.Fragment) error) error
	Known(ctx context.Context, source string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error)
	Contact(ctx context.Context, source string, err error, stop bool) error
	OfKind(ctx context.Context, kind intake.SourceKind) ([]intake.Source, error)
}

// Options are what a Service needs.
type Options struct {
	Intake    Intake
	Transport http.RoundTripper // nil is Go's own
	Patience  []time.Duration   // the waits before asking again a server that is not there
	Now       func() time.Time
	Log       *slog.Logger
}

// Service asks the sources of kind commcare for what forwarding lost. It is safe
// for concurrent use.
type Service struct{ Options }

// New returns a Service. It asks nobody yet.
func New(o Options) *Service { return &Service{o} }

// Kind is how package intake reads, asks and tests such sources.
func (s *Service) Kind() intake.Kind {
	return intake.Kind{Reader: Reader{}, Fetcher: s, Tester: s, CheckConfig: CheckConfig}
}

// client returns the client of a source; nil where it may not be asked.
func (s *Service) client(src intake.Source) (*Config, *Client, error) {
	c, err := ReadConfig(src.Config)
	if err != nil || c.URL == "" {
		return c, nil, err
	}
	return c, NewClient(c, s.Transport, s.Patience...), nil
}

// Test implements [intake.Tester]. The API tells no metadata: a mapping cannot
// be checked against it.
func (s *Service) Test(ctx context.Context, src intake.Source) (mapping.Metadata, error) {
	c, client, err := s.client(src)
	if err != nil || client == nil {
		return mapping.Metadata{}, err
	}
	for _, t := range caseTypes(c, src.Mapping) {
		if _, err := client.First(ctx, t, time.Time{}, 1); err != nil {
			return mapping.Metadata{}, err
		}
	}
	return mapping.Metadata{}, nil
}

// Fetch implements [intake.Fetcher]: people and doses are both cases.
func (s *Service) Fetch(ctx context.Context, src intake.Source, _ intake.FragmentKind, ids []string) ([]intake.Arrival, error) {
	_, client, err := s.client(src)
	if err != nil {
		return nil, err
	}
	if client == nil {
		return nil, intake.ErrNotAsked
	}
	cases, _, err := client.Fetch(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []intake.Arrival
	for _, id := range slices.Sorted(maps.Keys(cases)) {
		out = append(out, s.arrival(intake.Demand, cases[id]))
	}
	return out, nil
}

func (s *Service) arrival(channel intake.Channel, raw json.RawMessage) intake.Arrival {
	return intake.Arrival{Channel: channel, ContentType: "application/json", Body: raw, Received: s.Now()}
}

// caseTypes are the types to ask for: people first, so that few doses wait for
// theirs.
func caseTypes(c *Config, m *mapping.Mapping) []string {
	if len(c.CaseTypes) > 0 {
		return c.CaseTypes
	}
	types := slices.Clone([]string(m.Person.Types))
	for _, stage := range slices.Sorted(maps.Keys(m.Stages)) {
		if !slices.Contains(types, stage) {
			types = append(types, stage)
		}
	}
	return types
}

// progress is how far a source was read: its cursor.
type progress struct {
	Until  map[string]time.Time `json:"until,omitempty"` // by case type: indexed up to
	Walked time.Time            `json:"walked,omitzero"` // when the last walk through everything ended
}

// polling is one poll of one source.
type polling struct {
	s      *Service
	client *Client
	src    intake.Source
	p      progress
	cursor string // as it is stored
}

// Poll reads what changed at a source since the last poll, and once a week
// everything. What it read is durable when it returns nil, and the cursor moved
// with it. After an error the next poll begins where this one stopped.
func (s *Service) Poll(ctx context.Context, src intake.Source) error {
	c, client, err := s.client(src)
	if err != nil || client == nil {
		return err
	}
	if src.Mapping == nil {
		return vaccination.Errorf(vaccination.Invalid, "a CommCare source needs a mapping")
	}
	p := &polling{s: s, client: client, src: src, cursor: src.Cursor}
	if src.Cursor != "" {
		if err := json.Unmarshal([]byte(src.Cursor), &p.p); err != nil {
			return err
		}
	}
	types := caseTypes(c, src.Mapping)
	if len(types) == 0 {
		return vaccination.Errorf(vaccination.Invalid, "name the case types to ask for: person.types and stages in the mapping, or caseTypes in the settings")
	}
	if p.p.Until == nil {
		p.p.Until = map[string]time.Time{}
		p.p.Walked = s.Now() // the first poll reads everything
	}
	for _, t := range types {
		since := p.p.Until[t]
		if !since.IsZero() {
			since = since.Add(-overlap)
		}
		if err := p.list(ctx, t, since, func(c []Listed) { p.upTo(t, c) }); err != nil {
			return err
		}
	}
	if s.Now().Sub(p.p.Walked) < walkAgo {
		return nil
	}
	return p.walk(ctx, types)
}

// upTo moves the cursor of a case type behind a page.
func (p *polling) upTo(caseType string, page []Listed) {
	if n := len(page); n > 0 && page[n-1].Indexed.After(p.p.Until[caseType]) {
		p.p.Until[caseType] = page[n-1].Indexed
	}
}

// walk reads everything, for what no poll before showed, and then asks for each
// case that is known here and was not listed: one that was deleted forwards
// nothing and is in no list.
func (p *polling) walk(ctx context.Context, types []string) error {
	seed := maphash.MakeSeed()
	listed := map[uint64]struct{}{} // eight bytes of each id: there may be millions
	for _, t := range types {
		err := p.list(ctx, t, time.Time{}, func(page []Listed) {
			for _, c := range page {
				listed[maphash.String(seed, c.ID)] = struct{}{}
			}
		})
		if err != nil {
			return err
		}
	}
	err := p.s.Intake.Each(ctx, p.src.Name, func(known []intake.Fragment) error {
		missing := map[string]intake.Fragment{}
		for _, f := range known {
			if _, ok := listed[maphash.String(seed, f.ID)]; !ok && !strings.Contains(f.ID, "#") { // a slot is no case
				missing[f.ID] = f
			}
		}
		return p.missing(ctx, missing)
	})
	if err != nil {
		return err
	}
	p.p.Walked = p.s.Now()
	return p.store(ctx, nil)
}

// missing asks for cases that were not listed, and stores what they are now: of
// another type, out of our user's sight no longer, or deleted.
func (p *polling) missing(ctx context.Context, cases map[string]intake.Fragment) error {
	if len(cases) == 0 {
		return nil
	}
	found, deleted, err := p.client.Fetch(ctx, slices.Sorted(maps.Keys(cases)))
	if err != nil {
		return err
	}
	var arrivals []intake.Arrival
	for _, id := range slices.Sorted(maps.Keys(found)) {
		arrivals = append(arrivals, p.s.arrival(intake.Poll, found[id]))
	}
	for _, id := range deleted {
		known := cases[id]
		caseType := known.Stage
		if known.Kind == intake.PersonFragment {
			caseType = slices.Concat([]string(p.src.Mapping.Person.Types), []string{"-"})[0] // any type is a person's, or one of these
		}
		// As of what we know: should it come back, its next change is newer.
		body, err := json.Marshal(map[string]string{"case_id": id, "case_type": caseType, "error": notFound, "server_date_modified": known.Version.Format(time.RFC3339Nano)})
		if err != nil {
			return err
		}
		arrivals = append(arrivals, p.s.arrival(intake.Poll, body))
	}
	return p.store(ctx, arrivals)
}

// list reads a list of cases to its end, page by page, and stores of each what is
// not known yet; it tells of each page before it is stored.
func (p *polling) list(ctx context.Context, caseType string, since time.Time, tell func([]Listed)) error {
	page, err := p.client.First(ctx, caseType, since, pageSize)
	for err == nil {
		var news []intake.Arrival
		if news, err = p.news(ctx, page.Cases); err != nil {
			break
		}
		tell(page.Cases)
		if err = p.store(ctx, news); err != nil || page.Next == "" {
			break
		}
		page, err = p.client.Page(ctx, page.Next)
	}
	return err
}

// news are the cases whose newest state is not stored.
func (p *polling) news(ctx context.Context, cases []Listed) ([]intake.Arrival, error) {
	ids := make([]string, len(cases))
	for i, c := range cases {
		ids[i] = c.ID
	}
	known := map[string]intake.Known{}
	for _, kind := range []intake.FragmentKind{intake.PersonFragment, intake.DoseFragment} {
		some, err := p.s.Intake.Known(ctx, p.src.Name, kind, ids)
		if err != nil {
			return nil, err
		}
		maps.Copy(known, some)
	}
	var out []intake.Arrival
	for _, c := range cases {
		if k, ok := known[c.ID]; !ok || k.Deleted || k.Version.Before(c.Changed) || c.Changed.IsZero() {
			out = append(out, p.s.arrival(intake.Poll, c.Raw))
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

// Schedule is when the sources of this kind are asked.
func (s *Service) Schedule() *intake.Schedule {
	return &intake.Schedule{Intake: s.Intake, Kind: intake.CommCare, Every: every, Poll: s.Poll, Now: s.Now, Log: s.Log}
}

// every is the time between two polls of a source with these settings.
func every(text json.RawMessage) (time.Duration, error) {
	c, err := ReadConfig(text)
	if err != nil || c.URL == "" {
		return 0, err
	}
	return time.Duration(c.Every), nil
}
