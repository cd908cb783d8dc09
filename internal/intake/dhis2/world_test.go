package dhis2

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// store stands for package intake: it keeps the newest state of everything and
// moves the cursor with it.
type store struct {
	t       *testing.T
	mapping *mapping.Mapping

	mu        sync.Mutex
	config    json.RawMessage
	cursor    string
	state     intake.State
	problem   error
	contacts  int
	fragments map[string]intake.Fragment // kind + id
	units     []intake.Facility
	arrivals  int
	last      []intake.Arrival
	fail      error // of the next delivery
	failAfter int
}

func (s *store) Deliver(_ context.Context, _ string, d intake.Delivery) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if s.failAfter--; s.failAfter < 0 {
			return nil, s.fail
		}
	}
	if d.Cursor != nil && d.From != s.cursor {
		return nil, intake.ErrMoved
	}
	for _, a := range d.Arrivals {
		r, err := Reader{}.Read(a, s.mapping)
		if err != nil {
			s.t.Errorf("an arrival cannot be read: %v", err)
			continue
		}
		for _, f := range r.Fragments {
			old, known := s.fragments[string(f.Kind)+f.ID]
			if !known || !f.Version.Before(old.Version) {
				s.fragments[string(f.Kind)+f.ID] = f
			}
		}
		s.arrivals++
	}
	if len(d.Arrivals) > 0 {
		s.last = d.Arrivals
	}
	if d.Cursor != nil {
		s.cursor = *d.Cursor
	}
	return make([]string, len(d.Arrivals)), nil
}

func (s *store) Known(_ context.Context, _ string, kind intake.FragmentKind, ids []string) (map[string]intake.Known, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]intake.Known{}
	for _, id := range ids {
		if f, ok := s.fragments[string(kind)+id]; ok {
			out[id] = intake.Known{Version: f.Version, Deleted: f.Deleted}
		}
	}
	return out, nil
}

func (s *store) Each(_ context.Context, _ string, f func([]intake.Fragment) error) error {
	s.mu.Lock()
	var all []intake.Fragment
	for _, x := range s.fragments {
		if !x.Deleted {
			all = append(all, x)
		}
	}
	s.mu.Unlock()
	return f(all)
}

func (s *store) Contact(_ context.Context, _ string, err error, stop bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = err
	s.contacts++
	if stop {
		s.state = intake.Stopped
	}
	return nil
}

func (s *store) PutFacilities(_ context.Context, _ string, list []intake.Facility) error {
	s.units = list
	return nil
}

func (s *store) Source(context.Context, string) (intake.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return intake.Source{Name: "dhis2", Kind: intake.DHIS2, State: s.state, Config: s.config, Mapping: s.mapping, Cursor: s.cursor}, nil
}

func (s *store) OfKind(ctx context.Context, _ intake.SourceKind) ([]intake.Source, error) {
	src, err := s.Source(ctx, "")
	if s.state != intake.Active {
		return nil, err
	}
	return []intake.Source{src}, err
}

// doses are the ids of doses that are not deleted.
func (s *store) doses() []string {
	var out []string
	for _, f := range s.fragments {
		if f.Kind == intake.DoseFragment && !f.Deleted {
			out = append(out, f.ID)
		}
	}
	slices.Sort(out)
	return out
}

// world is a replayed server, read by the real code.
type world struct {
	t       *testing.T
	clock   *clock
	replay  *replay.Server
	service *Service
	store   *store
	client  *Client
}

func newWorld(t *testing.T, o replay.Options) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}}
	o.Now, o.Token = w.clock.now, "d2pat_test"
	var err error
	if w.replay, err = replay.New(o); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.replay)
	t.Cleanup(server.Close)
	w.store = &store{t: t, state: intake.Active, fragments: map[string]intake.Fragment{}, mapping: covac(t)}
	w.store.config, _ = json.Marshal(Config{URL: server.URL, Token: "d2pat_test", Program: replay.Program})
	w.service = New(Options{Intake: w.store, Now: w.clock.now, Log: slog.New(slog.DiscardHandler)})
	src, _ := w.store.Source(context.Background(), "")
	opened, err := w.service.open(src)
	if err != nil {
		t.Fatal(err)
	}
	opened.poll.remote.Patience = []time.Duration{time.Millisecond, time.Millisecond}
	w.client = opened.poll
	w.clock.pass(time.Hour) // what the replay made has settled
	return w
}

// covac is the shipped mapping.
func covac(t testing.TB) *mapping.Mapping {
	t.Helper()
	text, err := profiles.FS.ReadFile("sri-lanka/sources/dhis2-covac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Open("sri-lanka")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse("dhis2-covac.yaml", text, p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *world) poll() error {
	src, _ := w.store.Source(context.Background(), "")
	err := w.service.Poll(context.Background(), src)
	if code := vaccination.ErrorCode(err); code != vaccination.Forbidden || err == nil {
		_ = w.store.Contact(context.Background(), "dhis2", err, code == vaccination.Unauthorized || code == vaccination.Invalid) // as the schedule does
		return err
	}
	return w.store.Contact(context.Background(), "dhis2", err, false)
}

func (w *world) polled() {
	w.t.Helper()
	if err := w.poll(); err != nil {
		w.t.Fatal(err)
	}
}

// complete fails the test when a dose of the server is not known here as it is
// there.
func (w *world) complete() {
	w.t.Helper()
	var want []string
	for _, p := range w.replay.People() {
		want = append(want, p.Events...)
	}
	slices.Sort(want)
	if got := w.store.doses(); !slices.Equal(got, want) {
		w.t.Errorf("%d doses arrived, the server has %d; missing %v, too many %v", len(got), len(want), minus(want, got), minus(got, want))
	}
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}

func total(m map[string]int) (n int) {
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

type issuedList []Certificate

func (l issuedList) Issued(_ context.Context, _, mark string, max int) ([]Certificate, string, bool, error) {
	from, _ := strconv.Atoi(mark)
	to := min(from+max, len(l))
	return l[from:to], strconv.Itoa(to), to < len(l), nil
}
