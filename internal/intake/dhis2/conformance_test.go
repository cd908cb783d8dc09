package dhis2

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

// TestConformance looks whether a server does what this package relies on: your
// own with DHIS2_URL (make conformance; docs/sources-dhis2.md), else the replay of
// the documented behaviour. It only reads.
func TestConformance(t *testing.T) {
	if address := os.Getenv("DHIS2_URL"); address != "" {
		config, err := json.Marshal(Config{
			URL: address, Token: os.Getenv("DHIS2_TOKEN"), User: os.Getenv("DHIS2_USER"), Password: os.Getenv("DHIS2_PASSWORD"), Program: os.Getenv("DHIS2_PROGRAM"),
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(config)
		if err != nil {
			t.Fatalf("set DHIS2_URL, DHIS2_PROGRAM, and DHIS2_TOKEN or DHIS2_USER with DHIS2_PASSWORD: %v", err)
		}
		m := covac(t)
		if file := os.Getenv("DHIS2_MAPPING"); file != "" {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := profile.Open("sri-lanka")
			if err != nil {
				t.Fatal(err)
			}
			if m, err = mapping.Parse(file, text, p); err != nil {
				t.Fatal(err)
			}
		}
		conform(t, c, m, os.Getenv("DHIS2_RECORD"))
		return
	}
	for _, version := range []string{"2.35.14", "2.38.4", "2.40.4", "2.41.0", "2.42.1"} {
		t.Run("replay of "+version, func(t *testing.T) {
			s, err := replay.New(replay.Options{Version: version, People: 40, Token: "d2pat_test"})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(s)
			defer server.Close()
			dir := t.TempDir()
			conform(t, &Config{URL: server.URL, Token: "d2pat_test", Program: replay.Program, OrgUnitMode: "ACCESSIBLE"}, covac(t), dir)
			files, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(files) < 4 {
				t.Fatalf("%d files were recorded, %v", len(files), err)
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range s.People() {
					for _, secret := range []string{p.NationalID, p.Phone, p.BirthDate, p.SystemID, strings.Fields(p.Name)[0]} {
						if secret != "" && strings.Contains(string(text), secret) {
							t.Errorf("%s holds %q of a person", filepath.Base(f), secret)
						}
					}
				}
			}
		})
	}
}

func conform(t *testing.T, config *Config, m *mapping.Mapping, record string) {
	ctx := context.Background()
	keep := &recorder{t: t, dir: record}
	c := NewClient(config, keep, 1, time.Second)
	info, err := c.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("version %s, clock %s, zone %s", info.Version, info.Now.Format(stampForm), info.Zone)
	meta, err := c.Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	check := m.Against(meta)
	if err := check.Err(); err != nil {
		t.Errorf("the mapping: %v", err)
	}
	for _, u := range check.Unmapped {
		t.Logf("no word for code %q of %s (%s)", u.Code, u.Field, u.Rule)
	}
	units, err := c.Facilities(ctx)
	if err != nil || len(units) == 0 {
		t.Errorf("%d facilities, %v", len(units), err)
	}

	// Something that changed, to ask about.
	var rows []row
	from := info.Now
	for _, back := range []time.Duration{24 * time.Hour, 30 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		from = info.Now.Add(-back)
		if rows, err = c.changed(ctx, true, from, info.Now, 1, 20, false); err != nil {
			t.Fatalf("events of a window: %v", err)
		}
		if len(rows) > 0 {
			break
		}
	}
	if len(rows) == 0 {
		t.Skip("the programme has no event that our user may see: nothing more can be looked at")
	}
	r := rows[0]
	if again, err := c.changed(ctx, true, r.updated, r.updated.Add(time.Millisecond), 1, 200, true); err != nil ||
		!slices.ContainsFunc(again, func(x row) bool { return x.event == r.event }) {
		t.Errorf("a window's first instant does not belong to it: %d rows, %v", len(again), err)
	}
	if _, err := c.changed(ctx, false, from, info.Now, 1, 20, false); err != nil {
		t.Errorf("people of a window: %v", err)
	}
	var ids []string
	for _, r := range rows {
		if !r.deleted && !slices.Contains(ids, r.entity) && len(ids) < 5 {
			ids = append(ids, r.entity)
		}
	}
	found, err := c.Entities(ctx, ids)
	if err != nil || len(found) != len(ids) {
		t.Errorf("%d of %d people who were asked for, %v", len(found), len(ids), err)
	}
	for id, raw := range found {
		a := intake.Arrival{Channel: intake.Poll, Body: raw, Hints: map[string]string{hintProgram: config.Program, hintZone: info.Zone.String()}}
		reading, err := Reader{}.Read(a, m)
		if err != nil || len(reading.Fragments) == 0 || reading.Fragments[0].ID != id || reading.Fragments[0].Version.IsZero() {
			t.Errorf("a person cannot be read: %d parts, %v", len(reading.Fragments), err)
		}
	}
	if none, err := c.Entities(ctx, []string{"aaaaaaaaaaa"}); err != nil || len(none) != 0 {
		t.Errorf("somebody who is not there: %d people, %v", len(none), err)
	}
	a, err := c.words(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.get(ctx, a.entities+"/aaaaaaaaaaa", url.Values{"program": {config.Program}}, nil); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("one person who is not there: %v", err)
	}
	for _, f := range meta.Person {
		if slices.Contains(m.Person.Identifiers["national-id"].From, f.ID) {
			if found, err := c.Find(ctx, f.ID, []string{"divoc-conformance-none", "divoc-conformance-nobody"}); err != nil || len(found) != 0 {
				t.Errorf("a number that nobody has: %d people, %v", len(found), err)
			}
		}
	}
	wrong := *config
	wrong.Token, wrong.User, wrong.Password = "d2pat_wrong", "", ""
	if _, err := NewClient(&wrong, nil, 1).Info(ctx); vaccination.ErrorCode(err) != vaccination.Unauthorized {
		t.Errorf("a wrong token: %v", err)
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
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z]+`).ReplaceAllString(strings.TrimPrefix(q.URL.Path[strings.Index(q.URL.Path, "/api/"):], "/api/"), "-"), "-")
	if slices.Contains(r.seen, name) {
		return a, nil
	}
	r.seen = append(r.seen, name)
	var body strings.Builder
	data := json.NewDecoder(teeTo(a, &body))
	var v any
	if data.Decode(&v) == nil {
		text, err := json.MarshalIndent(scrub("", v), "", " ")
		if err == nil {
			err = os.WriteFile(filepath.Join(r.dir, name+".json"), text, 0o600)
		}
		if err != nil {
			r.t.Errorf("recording: %v", err)
		}
	}
	return a, nil
}

// scrub keeps the form of an answer: names, ids of metadata, codes, numbers and
// truths. Texts that can be a person's are replaced; people's and events' ids,
// and every date, are others.
func scrub(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = scrub(k, x)
		}
		return out
	case []any:
		out := []any{}
		for i, x := range v {
			if i == 3 { // three of each are enough
				break
			}
			out = append(out, scrub(name, x))
		}
		return out
	case string:
		switch name {
		case "version", "serverTimeZoneId", "calendar", "dateFormat", "id", "code", "valueType", "attribute", "dataElement", "program", "programStage", "orgUnit", "status", "trackedEntityType":
			return v
		}
		if _, err := stamp(v); err == nil {
			return "2000-01-01T00:00:00.000"
		}
		return "scrubbed"
	}
	return v
}

// teeTo reads the whole answer into keep and puts it back.
func teeTo(a *http.Response, keep *strings.Builder) *strings.Reader {
	defer a.Body.Close()
	_, _ = io.Copy(keep, io.LimitReader(a.Body, 64<<20)) // what breaks off is no JSON
	a.Body = io.NopCloser(strings.NewReader(keep.String()))
	return strings.NewReader(keep.String())
}
