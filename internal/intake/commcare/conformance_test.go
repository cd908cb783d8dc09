package commcare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/test/commcare/hq"
	"github.com/opendivoc/divoc/vaccination"
)

// TestConformance looks whether a project of CommCare HQ does what this package
// relies on: your own with COMMCARE_URL (make conformance;
// docs/sources-commcare.md), else the replay of the documented behaviour. It only
// reads. With COMMCARE_LISTEN it also waits for something forwarded to it.
func TestConformance(t *testing.T) {
	env := func(name string) string { return os.Getenv("COMMCARE_" + name) }
	if env("URL") == "" {
		w := newWorld(t)
		w.enter(0, 20)
		w.now = w.now.Add(time.Hour)
		c, err := ReadConfig(w.store.source.Config)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		conform(t, c, w.store.source.Mapping, dir)
		forwarded := make(chan struct{})
		listen(t, "127.0.0.1:0", w.store.source.Mapping, dir, func(address string) {
			f := &hq.Forwarder{Server: w.hq, URL: "http://" + address, Client: http.DefaultClient, Random: rand.New(rand.NewPCG(1, 2))}
			go func() { f.Step(); close(forwarded) }()
		})
		<-forwarded
		scrubbed(t, dir)
		return
	}
	config, err := json.Marshal(Config{URL: env("URL"), Domain: env("DOMAIN"), User: env("USER"), APIKey: env("KEY"), CaseTypes: strings.Fields(strings.ReplaceAll(env("CASE_TYPES"), ",", " ")), Every: defaultConfig().Every})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(config)
	if err != nil {
		t.Fatalf("set COMMCARE_URL, COMMCARE_DOMAIN, COMMCARE_USER and COMMCARE_KEY: %v", err)
	}
	text := hq.Mapping()
	if file := env("MAPPING"); file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	m := parse(t, text)
	conform(t, c, m, env("RECORD"))
	if env("LISTEN") != "" {
		listen(t, env("LISTEN"), m, env("RECORD"), func(address string) {
			t.Logf("forward something to %s within ten minutes: an https address in front of it, any authentication", address)
		})
	}
}

func defaultConfig() *Config {
	c, _ := ReadConfig(nil) // nothing is right
	return c
}

func conform(t *testing.T, config *Config, m *mapping.Mapping, record string) {
	ctx := t.Context()
	c := NewClient(config, &recorder{t: t, dir: record}, time.Second)
	for _, caseType := range caseTypes(config, m) {
		page, err := c.First(ctx, caseType, time.Time{}, 2)
		if err != nil {
			t.Fatalf("cases of type %s: %v", caseType, err)
		}
		if len(page.Cases) == 0 {
			t.Logf("there is no case of type %s that our user may see", caseType)
			continue
		}
		if !slices.IsSortedFunc(page.Cases, func(a, b Listed) int { return a.Indexed.Compare(b.Indexed) }) {
			t.Errorf("%s: the list is not in the order of indexed_on", caseType)
		}
		first := page.Cases[0]
		if first.Changed.IsZero() {
			t.Errorf("%s: a case has no server_last_modified", caseType)
		}
		again, err := c.First(ctx, caseType, first.Indexed, 2)
		if err != nil || !slices.ContainsFunc(again.Cases, func(x Listed) bool { return x.ID == first.ID }) {
			t.Errorf("%s: indexed_on.gte leaves out its own instant: %v", caseType, err)
		}
		if page.Next != "" {
			next, err := c.Page(ctx, page.Next)
			if err != nil || len(next.Cases) == 0 || slices.ContainsFunc(next.Cases, func(x Listed) bool { return x.ID == first.ID }) || next.Cases[0].Indexed.Before(first.Indexed) {
				t.Errorf("%s: the next page does not go on behind this one: %v", caseType, err)
			}
		}
		const nobody = "00000000-aaaa-4000-8000-divocnobody0"
		found, gone, err := c.Fetch(ctx, []string{first.ID, nobody})
		if err != nil || found[first.ID] == nil || !slices.Equal(gone, []string{nobody}) {
			t.Errorf("%s: a bulk fetch of one case and one that is not there: %d found, %d not there, %v", caseType, len(found), len(gone), err)
		}
		reading, err := Reader{}.Read(intake.Arrival{Body: first.Raw}, m)
		switch {
		case err != nil:
			t.Errorf("%s: a case cannot be read: %v", caseType, err)
		case len(reading.Fragments) == 0:
			t.Logf("%s: the mapping has no use for cases of this type", caseType)
		case !reading.Fragments[0].Version.Equal(first.Changed):
			t.Errorf("%s: a case is read with another time than the list's", caseType)
		}
	}
	wrong := *config
	wrong.APIKey = "wrong"
	if _, err := NewClient(&wrong, nil).First(ctx, "any", time.Time{}, 1); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("a wrong API key: %v", err)
	}
}

// listen waits for one body and looks whether it can be read.
func listen(t *testing.T, address string, m *mapping.Mapping, record string, ready func(address string)) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	type forwarded struct {
		body   []byte
		header http.Header
	}
	got := make(chan forwarded, 100)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err == nil {
			select {
			case got <- forwarded{body, r.Header}:
			default:
			}
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	defer server.Close()
	go func() { _ = server.Serve(l) }() // ends with Close
	ready(l.Addr().String())
	select {
	case f := <-got:
		scheme, _, _ := strings.Cut(f.header.Get("Authorization"), " ")
		t.Logf("forwarded: %d bytes of %s, authorization %q, user agent %q", len(f.body), f.header.Get("Content-Type"), scheme, f.header.Get("User-Agent"))
		hints := map[string]string{}
		for _, name := range Hints() {
			if v := f.header.Get(name); v != "" {
				hints[name] = v
			}
		}
		reading, err := Reader{}.Read(intake.Arrival{Body: f.body, Hints: hints}, m)
		if err != nil {
			t.Errorf("what was forwarded cannot be read: %v", err)
		}
		for _, x := range reading.Fragments {
			if x.Version.IsZero() {
				t.Errorf("what was forwarded does not say when it changed: neither in its body nor in the headers %v", Hints())
			}
		}
		t.Logf("it holds %d people and doses of the mapping and names %d cases to ask for", len(reading.Fragments), len(reading.Needs))
		(&recorder{t: t, dir: record}).keep("forwarded", f.body)
	case <-time.After(10 * time.Minute):
		t.Error("nothing was forwarded")
	}
}

// recorder keeps scrubbed answers, one of each kind, in a folder.
type recorder struct {
	t    *testing.T
	dir  string
	seen []string
}

// RoundTrip asks, and keeps what a file may hold of the answer.
func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := http.DefaultTransport.RoundTrip(q)
	if err != nil || r.dir == "" || a.StatusCode != http.StatusOK {
		return a, err
	}
	body, err := io.ReadAll(a.Body)
	a.Body.Close()
	if err != nil {
		return nil, err
	}
	a.Body = io.NopCloser(strings.NewReader(string(body)))
	name := "case-list"
	if q.Method == http.MethodPost {
		name = "case-bulk-fetch"
	}
	if !slices.Contains(r.seen, name) {
		r.seen = append(r.seen, name)
		r.keep(name, body)
	}
	return a, nil
}

// keep writes a body without anything that can be a person's. XML is not kept.
func (r *recorder) keep(name string, body []byte) {
	var v any
	if r.dir == "" || json.Unmarshal(body, &v) != nil {
		return
	}
	text, err := json.MarshalIndent(scrub("", v), "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(r.dir, name+".json"), text, 0o600)
	}
	if err != nil {
		r.t.Errorf("recording: %v", err)
	}
}

// scrub keeps the form of an answer: names, types of cases, numbers and truths. Of
// other texts the letters and digits are replaced, of ids all.
func scrub(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k := range maps.Keys(v) {
			out[k] = scrub(k, v[k])
		}
		return out
	case []any:
		for i := range v {
			v[i] = scrub(name, v[i])
		}
		return v
	case string:
		switch {
		case slices.Contains([]string{"case_type", "relationship", "error", "doc_type", "version"}, name):
			return v
		case strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids"):
			sum := sha256.Sum256([]byte(v))
			return "id-" + hex.EncodeToString(sum[:6])
		}
		return strings.Map(func(r rune) rune {
			switch {
			case unicode.IsDigit(r):
				return '0'
			case unicode.IsLetter(r):
				return 'x'
			}
			return r
		}, v)
	}
	return v
}

// scrubbed looks through what was recorded for what people are known by.
func scrubbed(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files were recorded, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			person, _ := hq.Invent(i)
			for _, name := range []string{"first_name", "last_name", "dob", "mobile_number", "nids_number"} {
				if secret := person.Properties[name]; strings.Contains(string(text), secret) {
					t.Errorf("%s holds %q of a person", filepath.Base(f), secret)
				}
			}
			if strings.Contains(string(text), person.ID) {
				t.Errorf("%s holds the id of a person", filepath.Base(f))
			}
		}
	}
}
