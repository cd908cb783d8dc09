package commcare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/test/commcare/hq"
	"github.com/opendivoc/divoc/vaccination"
)

// store is what a poll needs of package intake, in memory: deliveries are read at
// once. The real one is tried with in test/intake.
type store struct {
	source    intake.Source
	known     map[string]intake.Known
	fragments map[string]intake.Fragment
	arrivals  int
	fail      error // of the next delivery
}

func (s *store) Deliver(_ context.Context, _ string, d intake.Delivery) ([]string, error) {
	if err := s.fail; err != nil {
		s.fail = nil
		return nil, err
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
			s.known[f.ID] = intake.Known{Version: f.Version, Deleted: f.Deleted}
			s.fragments[f.ID] = f
		}
	}
	return make([]string, len(d.Arrivals)), nil
}

func (s *store) Known(_ context.Context, _ string, _ intake.FragmentKind, ids []string) (map[string]intake.Known, error) {
	out := map[string]intake.Known{}
	for _, id := range ids {
		if k, ok := s.known[id]; ok {
			out[id] = k
		}
	}
	return out, nil
}

func (s *store) Each(_ context.Context, _ string, f func([]intake.Fragment) error) error {
	for _, x := range s.fragments {
		if x.Deleted {
			continue
		}
		x.Fields = nil
		if err := f([]intake.Fragment{x}); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Contact(context.Context, string, error, bool) error { return nil }

func (s *store) OfKind(context.Context, intake.SourceKind) ([]intake.Source, error) {
	return []intake.Source{s.source}, nil
}

type world struct {
	now     time.Time
	hq      *hq.Server
	store   *store
	service *Service
	poll    func() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2021, 6, 1, 12, 0, 0, 0, time.UTC)}
	w.hq = hq.New(hq.Options{Domain: "jamaica", User: "reader@moh", APIKey: "key", Now: func() time.Time { return w.now }, IndexLag: 2 * time.Minute})
	address, stop := w.hq.Start()
	t.Cleanup(stop)
	w.store = &store{known: map[string]intake.Known{}, fragments: map[string]intake.Fragment{}, source: intake.Source{
		Name: "commcare", Kind: intake.CommCare, Mapping: parse(t, hq.Mapping()),
		Config: json.RawMessage(fmt.Sprintf(`{"url":%q,"domain":"jamaica","user":"reader@moh","apiKey":"key"}`, address)),
	}}
	w.service = New(Options{Intake: w.store, Patience: []time.Duration{time.Millisecond, time.Millisecond}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)})
	w.poll = func() error { return w.service.Poll(t.Context(), w.store.source) }
	return w
}

// enter puts n people with their doses into the project and returns how many
// cases there are.
func (w *world) enter(from, n int) (cases int) {
	for i := from; i < from+n; i++ {
		person, doses := hq.Invent(i)
		w.hq.Put(person)
		cases++
		for _, d := range doses {
			w.hq.Put(d)
			cases++
		}
	}
	return cases
}

func TestPollFindsEverything(t *testing.T) {
	w := newWorld(t)
	cases := w.enter(0, 1200) // more than a page of each type
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	if len(w.store.known) != cases || w.store.arrivals != cases {
		t.Fatalf("%d of %d cases, %d arrivals", len(w.store.known), cases, w.store.arrivals)
	}
	// Nothing new: the overlap is asked again and nothing is stored.
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil || w.store.arrivals != cases {
		t.Errorf("%d arrivals again, %v", w.store.arrivals-cases, err)
	}
	// One case changes; one appears in the list later than what came after it.
	w.hq.Put(hq.Case{ID: "00000000-0000-4000-8000-000000000007", Properties: map[string]string{"mobile_number": "8765550000"}})
	w.now = w.now.Add(10 * time.Minute)
	if err := w.poll(); err != nil || w.store.arrivals != cases+1 {
		t.Errorf("%d arrivals of one change, %v", w.store.arrivals-cases, err)
	}
	// Maintenance indexes everything again without a change.
	w.hq.Reindex()
	w.now = w.now.Add(10 * time.Minute)
	if err := w.poll(); err != nil || w.store.arrivals != cases+1 {
		t.Errorf("%d arrivals of a new index, %v", w.store.arrivals-cases-1, err)
	}
}

func TestPollGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t)
	cases := w.enter(0, 1200)
	w.now = w.now.Add(time.Hour)
	w.store.fail = errors.New("the disk is full")
	if err := w.poll(); err == nil || w.store.source.Cursor != "" {
		t.Fatalf("error %v, cursor %q", err, w.store.source.Cursor)
	}
	w.hq.Refuse(http.StatusTooManyRequests, 1)
	w.hq.Refuse(http.StatusBadGateway, 1)
	if err := w.poll(); err != nil || len(w.store.known) != cases {
		t.Fatalf("%d of %d cases, %v", len(w.store.known), cases, err)
	}
	w.store.source.Cursor = `{"until":{}}` // somebody else moved it
	old := w.store.source
	old.Cursor = ""
	if err := w.service.Poll(t.Context(), old); !errors.Is(err, intake.ErrMoved) {
		t.Errorf("two polls at once: %v", err)
	}
}

// A page that does not come is an error, and no end of the list: neither is the
// poll taken for well, nor what it would have shown for deleted.
func TestAPageThatDoesNotCome(t *testing.T) {
	w := newWorld(t)
	cases := w.enter(0, 1200)
	w.now = w.now.Add(time.Hour)
	w.service.Transport = broken{}
	if err := w.poll(); vaccination.ErrorCode(err) != vaccination.Unavailable {
		t.Errorf("error %v", err)
	}
	w.service.Transport = nil
	if err := w.poll(); err != nil || len(w.store.known) != cases {
		t.Errorf("%d of %d cases, %v", len(w.store.known), cases, err)
	}
	w.now = w.now.Add(8 * 24 * time.Hour)
	w.service.Transport = broken{}
	if err := w.poll(); err == nil {
		t.Error("a walk that broke off was well")
	}
	for id, k := range w.store.known {
		if k.Deleted {
			t.Fatalf("%s is taken for deleted", id)
		}
	}
}

// broken answers no page behind the first.
type broken struct{}

func (broken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("cursor") {
		return nil, errors.New("broken")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Once a week everything is read again, which finds what a list never showed.
func TestWeeklyWalk(t *testing.T) {
	w := newWorld(t)
	w.enter(0, 3)
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.enter(9, 1)
	w.now = w.now.Add(10 * time.Minute)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	delete(w.store.known, "00000000-0000-4000-8000-000000000001") // as if it had been lost
	before := w.store.arrivals
	for range 5 {
		w.now = w.now.Add(24 * time.Hour)
		if err := w.poll(); err != nil || w.store.arrivals != before {
			t.Fatalf("%d arrivals, %v", w.store.arrivals-before, err)
		}
	}
	w.now = w.now.Add(25 * time.Hour)
	if err := w.poll(); err != nil || w.store.arrivals != before+1 {
		t.Errorf("%d arrivals of the walk, %v", w.store.arrivals-before, err)
	}
}

// A case that was deleted is in no list and forwards nothing: the walk asks for what
// it did not see. One that only became of another type is no deletion.
func TestWalkFindsDeletions(t *testing.T) {
	w := newWorld(t)
	w.enter(0, 5)
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	const person, other = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	dose := person + "-1"
	w.hq.Delete(dose)
	w.hq.Delete(other)
	asked := w.hq.Asked()
	w.now = w.now.Add(24 * time.Hour)
	if err := w.poll(); err != nil || w.store.known[dose].Deleted || w.hq.Asked() != asked+2 {
		t.Fatalf("%v, %d questions", err, w.hq.Asked()-asked)
	}
	before := w.store.known[dose].Version
	w.now = w.now.Add(7 * 24 * time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	for id, k := range w.store.known {
		if gone := id == dose || id == other; k.Deleted != gone {
			t.Errorf("%s: deleted %v", id, k.Deleted)
		}
	}
	if f := w.store.fragments[dose]; f.Kind != intake.DoseFragment || !f.Version.Equal(before) {
		t.Errorf("%+v", f)
	}
	if f := w.store.fragments[other]; f.Kind != intake.PersonFragment {
		t.Errorf("%+v", f)
	}
	// It comes back.
	w.hq.Put(hq.Case{ID: dose})
	w.hq.Restore(dose)
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil || w.store.known[dose].Deleted {
		t.Errorf("a case that came back is still deleted, %v", err)
	}
}

// What our user may no longer see is not in the list either, and is there all the
// same.
func TestWalkDoesNotTakeHiddenCasesForDeleted(t *testing.T) {
	w := newWorld(t)
	w.enter(0, 3)
	w.now = w.now.Add(time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	w.hq.Hide("00000000-0000-4000-8000-000000000001")
	w.now = w.now.Add(8 * 24 * time.Hour)
	if err := w.poll(); err != nil {
		t.Fatal(err)
	}
	for id, k := range w.store.known {
		if k.Deleted {
			t.Errorf("%s is taken for deleted", id)
		}
	}
}

func TestFetch(t *testing.T) {
	w := newWorld(t)
	w.enter(1, 1)
	w.hq.Delete("00000000-0000-4000-8000-000000000001-1")
	arrivals, err := w.service.Fetch(t.Context(), w.store.source, intake.PersonFragment, []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001-1", "nobody"})
	if err != nil || len(arrivals) != 1 || !strings.Contains(string(arrivals[0].Body), "patient") {
		t.Errorf("%d arrivals, %v", len(arrivals), err)
	}
}

func TestTester(t *testing.T) {
	w := newWorld(t)
	if _, err := w.service.Test(t.Context(), w.store.source); err != nil {
		t.Error(err)
	}
	w.store.source.Config = json.RawMessage(strings.Replace(string(w.store.source.Config), `"key"`, `"other"`, 1))
	if _, err := w.service.Test(t.Context(), w.store.source); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("a wrong key: %v", err)
	}
	w.store.source.Config = nil
	if _, err := w.service.Test(t.Context(), w.store.source); err != nil {
		t.Errorf("a source that only forwards: %v", err)
	}
	if err := w.poll(); err != nil {
		t.Errorf("a source that only forwards is not asked: %v", err)
	}
}

// A server that sends other cases than were asked for, or the next page of another
// server, is not believed.
func TestStrangeServers(t *testing.T) {
	for name, body := range map[string]string{
		"another case":           `{"cases":[{"case_id":"stranger"}]}`,
		"a case without an id":   `{"cases":[{"case_type":"patient"}]}`,
		"a case without a time":  `{"cases":[{"case_id":"a"}]}`,
		"a page of another host": `{"cases":[],"next":"https://evil.example/a/jamaica/api/case/v2/?cursor=x"}`,
		"a page of a proxy":      `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			c := NewClient(&Config{URL: "https://hq.example", Domain: "d", User: "u", APIKey: "k"}, answers(body))
			_, err := c.First(t.Context(), "patient", time.Time{}, 10)
			if name == "another case" {
				_, _, err = c.Fetch(t.Context(), []string{"a"})
			}
			if vaccination.ErrorCode(err) != vaccination.Conflict {
				t.Errorf("error %v", err)
			}
		})
	}
}

type answers string

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body{strings.NewReader(string(a))}}, nil
}

type body struct{ *strings.Reader }

func (body) Close() error { return nil }

func TestReadConfig(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":          {``, ""},
		"everything":       {`{"url":"https://hq.example/","domain":"jamaica","user":"a@b","apiKey":"k","caseTypes":["patient"],"every":"15m","allow":["10.0.0.0/8"]}`, ""},
		"a server of ours": {`{"url":"http://127.0.0.1:9","domain":"d","user":"u","apiKey":"k"}`, ""},
		"plain http":       {`{"url":"http://hq.example","domain":"d","user":"u","apiKey":"k"}`, "url"},
		"no key":           {`{"url":"https://hq.example","domain":"d","user":"u"}`, "apiKey"},
		"no server":        {`{"domain":"d"}`, "url"},
		"too often":        {`{"every":"1s"}`, "every"},
		"a path as domain": {`{"url":"https://hq.example","domain":"a/b","user":"u","apiKey":"k"}`, "domain"},
		"an unknown word":  {`{"uri":"x"}`, "cannot be read"},
		"more than one":    {`{} {}`, "follows"},
		"a type of a case": {`{"caseTypes":["a b"]}`, "caseTypes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadConfig(json.RawMessage(tt.text))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v", err)
			}
		})
	}
	c, err := ReadConfig(json.RawMessage(`{"allow":["10.0.0.0/8","2001:db8::/32"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "2001:db8::1": true, "11.0.0.1": false} {
		if c.Allows(netip.MustParseAddr(address)) != want {
			t.Errorf("%s: not %v", address, want)
		}
	}
}
