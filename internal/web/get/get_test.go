package get_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/get"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/test/dhis2/house"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// visit is a browser without scripts.
type visit struct {
	t     *testing.T
	url   string
	limit error
	h     *house.House
	// entered are whose records were opened.
	entered []citizen.Person
}

func newVisit(t *testing.T) *visit {
	v := &visit{t: t, h: house.New(t, replay.Options{})}
	v.h.OnDemand.Demo = true
	p := v.h.Issuance.Profile
	frame, err := page.New(page.Options{
		Asset: func(name string) string { return "/assets/" + name }, Issuer: p.Issuer.Name, Languages: p.Languages,
		Primary: p.Theme.Primary, Emblem: p.Theme.Emblem, Specimen: true, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(get.Handler(get.Options{
		Frame: frame, OnDemand: v.h.OnDemand, Profile: p,
		Limit: func(*http.Request) error { return v.limit },
		Enter: func(w http.ResponseWriter, r *http.Request, people []citizen.Person) error {
			v.entered = people
			http.Redirect(w, r, "/my/certificates", http.StatusSeeOther)
			return nil
		},
	}))
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

// post sends a form and returns the page; the language is English.
func (v *visit) post(path string, status int, form ...string) string {
	v.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := stay.PostForm(v.url+path+"?lang=en", values)
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		v.t.Fatalf("%s: status %d, want %d, %v: %s", path, r.StatusCode, status, err, b)
	}
	if r.Header.Get("Cache-Control") != "no-store" && status != http.StatusSeeOther {
		v.t.Errorf("%s may be kept: %q", path, r.Header.Get("Cache-Control"))
	}
	return string(b)
}

// hidden is the value of a hidden field, "" when there is none.
func hidden(text, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

func TestFromNumberToRecords(t *testing.T) {
	v := newVisit(t)
	text := v.post("/get", 200, "kind", "national-id", "number", "871120015V")
	code := regexp.MustCompile(`<strong>([0-9]{6})</strong>`).FindStringSubmatch(text)
	challenge := hidden(text, "challenge")
	if code == nil || challenge == "" || strings.Contains(text, "871120015") || strings.Contains(text, "නිමල්") {
		t.Fatalf("the second page: %s", text)
	}
	wrong := v.post("/get/code", 422, "challenge", challenge, "phone", "•••01", "factor", "dose-date", "code", code[1], "day", "1", "month", "1", "year", "2021")
	if hidden(wrong, "challenge") != challenge || !strings.Contains(wrong, "not right") || strings.Contains(wrong, code[1]) {
		t.Errorf("after a wrong answer: %s", wrong)
	}
	v.post("/get/code", 303, "challenge", challenge, "phone", "•••01", "factor", "dose-date", "code", code[1], "day", "16", "month", "6", "year", "2021")
	if len(v.entered) != 1 {
		t.Fatalf("opened are %v", v.entered)
	}
	s := &citizen.Session{Caller: access.Caller{Actor: "citizen:1", Role: access.Citizen}, Opened: v.entered}
	people, err := v.h.Issuance.Reach(v.h.Ctx, s, "test")
	if err != nil || len(people) != 1 || len(people[0].Records) != 2 {
		t.Errorf("reached %v, %v", people, err)
	}
	v.post("/get/code", 404, "challenge", challenge, "factor", "dose-date", "code", code[1], "day", "16", "month", "6", "year", "2021") // counts once
}

func TestEveryOutcomeHasAPage(t *testing.T) {
	v := newVisit(t)
	for number, want := range map[string]string{
		"198012300000": "No vaccination was found",
		"590090065V":   "has no telephone number",
		"900750085V":   "Several records",
		"836820105V":   "not complete",
		"871120015V":   "Enter the code",
	} {
		if text := v.post("/get", 200, "kind", "national-id", "number", number); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %s", number, want, text)
		}
	}
	if text := v.post("/get", 422, "kind", "national-id", "number", "12"); !strings.Contains(text, "cannot be such a number") {
		t.Errorf("no number: %s", text)
	}
	v.h.Replay.SetFaults(replay.Faults{Status: 503, Times: -1})
	if text := v.post("/get", 200, "kind", ondemand.SystemID, "number", "EPI_1"); !strings.Contains(text, "cannot be reached") || !strings.Contains(text, "/my/later") || hidden(text, "number") != "EPI_1" {
		t.Errorf("unreachable: %s", text)
	}
	v.limit = vaccination.Errorf(vaccination.TooMany, "slowly")
	v.post("/get", 429, "kind", "national-id", "number", "871120015V")
}

// TestWithoutAWayToSendCodes: who asks is told before they type, and what to do.
func TestWithoutAWayToSendCodes(t *testing.T) {
	v := newVisit(t)
	v.h.OnDemand.Demo = false
	v.h.OnDemand.Carries = func(context.Context) (bool, error) { return false, nil }
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r, err := http.NewRequestWithContext(t.Context(), method, v.url+"/get?lang=en", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(a.Body)
		_ = a.Body.Close()
		if a.StatusCode != 503 || !strings.Contains(string(text), "health facility") || strings.Contains(string(text), `name="number"`) {
			t.Errorf("%s: %d %s", method, a.StatusCode, text)
		}
	}
}
