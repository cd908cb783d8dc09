package fhir

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/intake/remote"
	"github.com/opendivoc/divoc/vaccination"
)

// Config are the settings of a source of kind fhir, as JSON. It holds
// credentials. A source that only posts to us needs none of them.
type Config struct {
	// URL is the base address of the server; empty where it may not be asked.
	URL string `json:"url,omitempty"`
	// Token is a Bearer token; User and Password are for servers without.
	Token    string `json:"token,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// Every is the time between two polls: "5m", where it is empty.
	Every remote.Duration `json:"every,omitzero"`
}

const (
	defaultEvery = 5 * time.Minute
	minEvery     = 30 * time.Second
	maxEvery     = 24 * time.Hour
	overlap      = 10 * time.Minute // again what was read: resources become visible late
	pageSize     = 200
)

// ReadConfig reads the settings of a source. The error names every setting that
// is wrong and none of their values.
func ReadConfig(text json.RawMessage) (*Config, error) {
	c := &Config{Every: remote.Duration(defaultEvery)}
	if len(bytes.TrimSpace(text)) == 0 {
		return c, nil
	}
	s, err := remote.ReadSettings("FHIR", "JSON with url and token (or user and password), as docs/sources-fhir.md says, or nothing for one that posts to us", text, c)
	if err != nil {
		return nil, err
	}
	every := time.Duration(c.Every)
	s.Wrong(every < minEvery || every > maxEvery, "every", "30s to 24h")
	if c.URL = strings.TrimRight(c.URL, "/"); c.URL != "" {
		s.Wrong(remote.CheckAddress(c.URL) != nil, "url", "the server's base address, with https")
	}
	s.Wrong(c.URL == "" && c.Token+c.User+c.Password != "", "url", "the server's base address: without it the server is not asked")
	s.Wrong(c.Token != "" && c.User != "", "token", "a token, or user and password: one of the two")
	s.Wrong(strings.ContainsAny(c.Token+c.User+c.Password, "\r\n"), "token", "one line")
	if err := s.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// CheckConfig is [ReadConfig] for package intake.
func CheckConfig(text json.RawMessage) error {
	_, err := ReadConfig(text)
	return err
}

func (c *Config) header() http.Header {
	switch {
	case c.Token != "":
		return http.Header{"Authorization": {"Bearer " + c.Token}}
	case c.User != "":
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))}}
	}
	return http.Header{}
}

// Intake is what this package needs of [intake.Service].
type Intake interface {
	Deliver(ctx context.Context, source string, d intake.Delivery) ([]string, error)
	Known(ctx context.Context, source string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error)
	Hash(f intake.Fragment) string
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

// Service asks the sources of kind fhir for what is new. It is safe for concurrent
// use.
type Service struct{ Options }

// New returns a Service. It asks nobody yet.
func New(o Options) *Service { return &Service{o} }

// Kind is how package intake reads, asks and tests such sources.
func (s *Service) Kind() intake.Kind {
	return intake.Kind{Reader: Reader{}, Fetcher: s, Tester: s, CheckConfig: CheckConfig, Mapping: Mapping}
}

func (s *Service) client(src intake.Source) (*Config, *remote.Client, error) {
	c, err := ReadConfig(src.Config)
	if err != nil || c.URL == "" {
		return c, nil, err
	}
	return c, remote.New("the FHIR server", c.header(), s.Transport, s.Patience...), nil
}

// Test implements [intake.Tester]: the server must serve FHIR 4.0 and let
// Immunization be searched by _lastUpdated. It says nothing that a mapping could
// be checked against.
func (s *Service) Test(ctx context.Context, src intake.Source) (mapping.Metadata, error) {
	c, client, err := s.client(src)
	if err != nil || client == nil {
		return mapping.Metadata{}, err
	}
	var capability struct {
		FHIRVersion string `json:"fhirVersion"`
		Rest        []struct {
			Resource []struct {
				Type string `json:"type"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if err := client.JSON(ctx, http.MethodGet, c.URL+"/metadata", nil, &capability); err != nil {
		return mapping.Metadata{}, err
	}
	if !strings.HasPrefix(capability.FHIRVersion, "4.0") {
		return mapping.Metadata{}, client.Strange("its CapabilityStatement is not of FHIR 4.0")
	}
	for _, rest := range capability.Rest {
		for _, r := range rest.Resource {
			if r.Type == "Immunization" {
				var page struct{}
				return mapping.Metadata{}, client.JSON(ctx, http.MethodGet, c.URL+"/Immunization?_count=1&_sort=_lastUpdated", nil, &page)
			}
		}
	}
	return mapping.Metadata{}, client.Strange("its CapabilityStatement has no Immunization")
}

var logicalID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// Fetch implements [intake.Fetcher] for people.
func (s *Service) Fetch(ctx context.Context, src intake.Source, kind intake.FragmentKind, ids []string) ([]intake.Arrival, error) {
	c, client, err := s.client(src)
	if err != nil || kind != intake.PersonFragment {
		return nil, err
	}
	if client == nil {
		return nil, intake.ErrNotAsked
	}
	var out []intake.Arrival
	for _, id := range ids {
		id, ok := strings.CutPrefix(id, patientID)
		if !ok || !logicalID.MatchString(id) {
			continue // known by an identifier: they come with a Bundle
		}
		var raw json.RawMessage
		err := client.JSON(ctx, http.MethodGet, c.URL+"/Patient/"+id, nil, &raw)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		var asked struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &asked); err != nil || asked.ID != id {
			return nil, client.Strange("it sent somebody who was not asked for")
		}
		out = append(out, s.arrival(intake.Demand, raw))
	}
	return out, nil
}

func (s *Service) arrival(channel intake.Channel, raw json.RawMessage) intake.Arrival {
	return intake.Arrival{Channel: channel, ContentType: "application/fhir+json", Body: raw, Received: s.Now()}
}

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

// page reads one page of a search: the resources of the kind asked for, when the
// newest was changed, and the address of the next page.
func page(ctx context.Context, client *remote.Client, address, resource string) (out []json.RawMessage, last time.Time, next string, err error) {
	var b struct {
		Type string `json:"resourceType"`
		Link []struct {
			Relation string `json:"relation"`
			URL      string `json:"url"`
		} `json:"link"`
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := client.JSON(ctx, http.MethodGet, address, nil, &b); err != nil {
		return nil, last, "", err
	}
	if b.Type != "Bundle" {
		return nil, last, "", client.Strange("a search is not answered with a Bundle")
	}
	for _, e := range b.Entry {
		var r struct {
			Type string `json:"resourceType"`
			Meta struct {
				LastUpdated string `json:"lastUpdated"`
			} `json:"meta"`
		}
		if len(e.Resource) == 0 {
			continue
		}
		if err := json.Unmarshal(e.Resource, &r); err != nil {
			return nil, last, "", client.Strange("an entry of a Bundle is no resource")
		}
		if r.Type != resource {
			continue // an OperationOutcome, or what the server includes by itself
		}
		out = append(out, e.Resource)
		if t, err := time.Parse(time.RFC3339, r.Meta.LastUpdated); err == nil && t.After(last) {
			last = t.UTC()
		}
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			next, err = client.Next(address, l.URL)
		}
	}
	return out, last, next, err
}

// Schedule is when the sources of this kind are asked.
func (s *Service) Schedule() *intake.Schedule {
	return &intake.Schedule{Intake: s.Intake, Kind: intake.FHIR, Every: every, Poll: s.Poll, Now: s.Now, Log: s.Log}
}

// every is the time between two polls of a source with these settings.
func every(text json.RawMessage) (time.Duration, error) {
	c, err := ReadConfig(text)
	if err != nil || c.URL == "" {
		return 0, err
	}
	return time.Duration(c.Every), nil
}
