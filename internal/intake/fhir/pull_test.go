package fhir

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// resource is one resource of the peer.
type resource struct {
	kind, id, body string
	changed        time.Time
}

// peer is a FHIR server in memory, made from what the specification says of
// search: a list by _lastUpdated in pages of offsets, which shift when a resource
// changes while they are read. It is no FHIR server.
type peer struct {
	list     []*resource
	size     int           // of a page
	round    time.Duration // to which its times are rounded, up
	unsorted bool
	between  func(page int) // called before each page behind the first
	status   int            // of the next answer
	asked    int
}

func (p *peer) put(kind, id, body string, changed time.Time) {
	p.list = slices.DeleteFunc(p.list, func(r *resource) bool { return r.kind == kind && r.id == id })
	p.list = append(p.list, &resource{kind, id, body, changed})
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked++
	if p.status != 0 {
		w.WriteHeader(p.status)
		p.status = 0
		return
	}
	kind, id, one := strings.Cut(strings.TrimPrefix(r.URL.Path, "/fhir/"), "/")
	q := r.URL.Query()
	offset, _ := strconv.Atoi(q.Get("offset"))
	if kind == "metadata" {
		fmt.Fprint(w, `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"resource":[{"type":"Immunization"}]}]}`)
		return
	}
	if offset > 0 && p.between != nil {
		p.between(offset / p.size)
	}
	since, _ := time.Parse(time.RFC3339, strings.TrimPrefix(q.Get("_lastUpdated"), "ge"))
	var found []*resource
	for _, x := range p.list {
		if x.kind == kind && (!one || x.id == id) && !x.changed.Before(since) {
			found = append(found, x)
		}
	}
	if !p.unsorted {
		slices.SortStableFunc(found, func(a, b *resource) int { return a.changed.Compare(b.changed) })
	}
	shown := func(x *resource) string {
		at := x.changed
		if p.round > 0 {
			at = at.Add(p.round).Truncate(p.round)
		}
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"lastUpdated":%q},%s}`, x.kind, x.id, at.Format(time.RFC3339Nano), x.body)
	}
	if one {
		if len(found) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, shown(found[0]))
		return
	}
	link := ""
	if offset+p.size < len(found) {
		q.Set("offset", fmt.Sprint(offset+p.size))
		link = fmt.Sprintf(`,"link":[{"relation":"self","url":"x"},{"relation":"next","url":"/fhir/%s?%s"}]`, kind, q.Encode())
	}
	var entries []string
	for _, x := range found[min(offset, len(found)):min(offset+p.size, len(found))] {
		entries = append(entries, `{"resource":`+shown(x)+`}`)
	}
	entries = append(entries, `{"resource":{"resourceType":"OperationOutcome"}}`)
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset"%s,"entry":[%s]}`, link, strings.Join(entries, ","))
}

// store is what a poll needs of package intake, in memory.
type store struct {
	source   intake.Source
	known    map[string]intake.Known
	arrivals int
	fail     int // the delivery that fails, counted from now
}

func hash(f intake.Fragment) string {
	f.Version = time.Time{}
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (s *store) Hash(f intake.Fragment) string { return hash(f) }

func (s *store) Deliver(_ context.Context, _ string, d intake.Delivery) ([]string, error) {
	if s.fail--; s.fail == 0 {
		return nil, fmt.Errorf("the disk is full")
	}
	if d.Cursor != nil {
		if d.From != s.source.Cursor {
			return nil, intake.ErrMoved
		}
		s.source.Cursor = *d.Cursor
	}
	for _, a := range d.Arrivals {
		r, err := Reader{}.Read(a, s.source.Mapping)
		if err != nil {
			return nil, err
		}
		s.arrivals++
		for _, f := range r.Fragments {
			s.known[string(f.Kind)+f.ID] = intake.Known{Version: f.Version, Hash: hash(f)}
		}
	}
	return make([]string, len(d.Arrivals)), nil
}

func (s *store) Known(_ context.Context, _ string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error) {
	out := map[string]intake.Known{}
	for _, id := range ids {
		if k, ok := s.known[string(kind)+id]; ok {
			out[id] = k
		}
	}
	return out, nil
}

func (s *store) Contact(context.Context, string, error, bool) error { return nil }

func (s *store) OfKind(context.Context, intake.SourceKind) ([]intake.Source, error) {
	return []intake.Source{s.source}, nil
}

type pulling struct {
	peer    *peer
	store   *store
	service *Service
	now     time.Time
}

func newPulling(t *testing.T) *pulling {
	t.Helper()
	p := &pulling{peer: &peer{size: 4}, now: time.Date(2021, 6, 1, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(p.peer)
	t.Cleanup(server.Close)
	p.store = &store{known: map[string]intake.Known{}, source: intake.Source{Name: "ehr", Kind: intake.FHIR, Mapping: withCode(t, "urn:moh"),
		Config: json.RawMessage(fmt.Sprintf(`{"url":%q,"token":"t"}`, server.URL+"/fhir"))}}
	p.service = New(Options{Intake: p.store, Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler)})
	return p
}

func (p *pulling) poll(t *testing.T) error {
	t.Helper()
	return p.service.Poll(t.Context(), p.store.source)
}

// enter puts n doses of n people on the server, a minute after each other.
func (p *pulling) enter(from, n int) {
	for i := from; i < from+n; i++ {
		at := p.now.Add(time.Duration(i-100) * time.Minute)
		p.peer.put("Patient", fmt.Sprintf("p%d", i), fmt.Sprintf(`"identifier":[{"system":"urn:moh","value":"P%d"}]`, i), at)
		p.peer.put("Immunization", fmt.Sprintf("i%d", i), fmt.Sprintf(`"status":"completed","patient":{"reference":"Patient/p%d"}`, i), at)
	}
}

// missing are the doses of n that were not found.
func (p *pulling) missing(n int) (out []string) {
	for i := range n {
		if _, ok := p.store.known["dose"+fmt.Sprintf("i%d", i)]; !ok {
			out = append(out, fmt.Sprintf("i%d", i))
		}
	}
	return out
}

func TestPollFindsEverything(t *testing.T) {
	for name, change := range map[string]func(*peer){
		"sorted":            func(*peer) {},
		"not sorted":        func(p *peer) { p.unsorted = true },
		"times rounded up":  func(p *peer) { p.round = time.Minute },
		"one page for all":  func(p *peer) { p.size = 1000 },
		"pages of one each": func(p *peer) { p.size = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPulling(t)
			p.enter(0, 30)
			change(p.peer)
			if p.peer.unsorted {
				slices.Reverse(p.peer.list)
			}
			if err := p.poll(t); err != nil || p.missing(30) != nil || p.store.arrivals != 60 {
				t.Fatalf("%v is missing, %d arrivals, %v", p.missing(30), p.store.arrivals, err)
			}
			// Again: what the overlap shows is known, and nothing is stored.
			if err := p.poll(t); err != nil || p.store.arrivals != 60 {
				t.Errorf("%d arrivals of no news, %v", p.store.arrivals-60, err)
			}
			p.enter(30, 3)
			p.peer.put("Immunization", "i3", `"status":"entered-in-error","patient":{"reference":"Patient/p3"}`, p.now)
			if err := p.poll(t); err != nil || p.missing(33) != nil || p.store.arrivals != 67 {
				t.Errorf("%v is missing, %d arrivals, %v", p.missing(33), p.store.arrivals-60, err)
			}
		})
	}
}

// A resource that changes while pages are read moves the others from one page to
// another; whoever only follows the links misses one.
func TestPagesShift(t *testing.T) {
	p := newPulling(t)
	p.enter(0, 12)
	shifts := 0
	p.peer.between = func(page int) {
		if page == 1 && shifts < 2 {
			shifts++
			for _, r := range slices.Clone(p.peer.list) {
				if r.id == fmt.Sprintf("i%d", shifts) {
					p.peer.put(r.kind, r.id, r.body, p.now.Add(time.Duration(shifts)*time.Minute))
				}
			}
		}
	}
	if err := p.poll(t); err != nil || shifts == 0 || p.missing(12) != nil {
		t.Errorf("%v is missing after %d shifts, %v", p.missing(12), shifts, err)
	}
}

func TestPollGoesOnWhereItStopped(t *testing.T) {
	for name, interrupt := range map[string]func(*pulling){
		"our disk is full": func(p *pulling) { p.store.fail = 3 },
		"the server is away": func(p *pulling) {
			p.peer.between = func(page int) { p.peer.status = http.StatusBadGateway; p.peer.between = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPulling(t)
			p.enter(0, 30)
			interrupt(p)
			if err := p.poll(t); err == nil {
				t.Fatal("it did not fail")
			}
			before := p.store.arrivals
			if p.store.source.Cursor == "" || before == 0 {
				t.Fatalf("nothing was kept: %d arrivals", before)
			}
			p.peer.status = http.StatusGone // the server forgot the page
			if err := p.poll(t); err != nil || p.missing(30) != nil || p.store.arrivals != 60 {
				t.Errorf("%v is missing, %d arrivals, %v", p.missing(30), p.store.arrivals, err)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	p := newPulling(t)
	p.enter(0, 2)
	got, err := p.service.Fetch(t.Context(), p.store.source, intake.PersonFragment, []string{"Patient/p1", "P1", "Patient/none", "Patient/../p1"})
	if err != nil || len(got) != 1 || !strings.Contains(string(got[0].Body), `"p1"`) {
		t.Errorf("%d arrivals, %v", len(got), err)
	}
}

func TestTester(t *testing.T) {
	p := newPulling(t)
	if _, err := p.service.Test(t.Context(), p.store.source); err != nil {
		t.Error(err)
	}
	p.peer.status = http.StatusUnauthorized
	if _, err := p.service.Test(t.Context(), p.store.source); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("refused credentials: %v", err)
	}
	p.store.source.Config = nil
	if _, err := p.service.Test(t.Context(), p.store.source); cmp.Or(err, p.poll(t)) != nil {
		t.Errorf("a source that only posts is not asked: %v", err)
	}
}

func TestReadConfig(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":           {``, ""},
		"a token":           {`{"url":"https://ehr.example/fhir/","token":"t","every":"2m"}`, ""},
		"a password":        {`{"url":"https://ehr.example/fhir","user":"u","password":"p"}`, ""},
		"both":              {`{"url":"https://ehr.example/fhir","token":"t","user":"u"}`, "token"},
		"no address":        {`{"token":"t"}`, "url"},
		"plain http":        {`{"url":"http://ehr.example/fhir"}`, "url"},
		"too often":         {`{"every":"1s"}`, "every"},
		"a word of another": {`{"apiKey":"x"}`, "cannot be read"},
		"more than one":     {`{} {}`, "follows"},
		"two lines":         {`{"url":"https://ehr.example/fhir","token":"a\nb"}`, "token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadConfig(json.RawMessage(tt.text))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v", err)
			}
		})
	}
}
