package desk_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/casework"
	desks "github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/web/desk"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a desk behind HTTP; who asks is in a header of the test.
type world struct {
	t     testing.TB
	house *issuancetest.House
	url   string
	cases *cases
	log   *strings.Builder
	// reopened are certificates, and by whom and with what their people came.
	reopened []string
}

// cases remembers what was asked for.
type cases struct {
	mu       sync.Mutex
	requests []casework.Request
	photos   int
}

func (c *cases) Open(_ context.Context, by access.Caller, r casework.Request) (casework.Ticket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
	return 1, by.Can(access.OpenCase)
}

func (c *cases) AddEvidence(context.Context, access.Caller, casework.Ticket, []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.photos++
	return c.photos, nil
}

func callers() map[string]access.Caller {
	return map[string]access.Caller{
		"anna":    {Actor: "staff:1", Role: access.FacilityStaff, Facility: "KGN01"},
		"ben":     {Actor: "staff:2", Role: access.FacilityStaff, Facility: "MBJ02"},
		"auditor": {Actor: "staff:3", Role: access.Auditor},
		"nowhere": {Actor: "staff:4", Role: access.FacilityStaff},
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	w := &world{t: t, house: h, cases: &cases{}, log: &strings.Builder{}}
	p, err := printer.New(h.Profile, h.PublicURL)
	if err != nil {
		t.Skipf("the fonts are not there: %v", err)
	}
	frame, err := page.New(page.Options{
		Asset: func(name string) string { return "/assets/" + name }, Issuer: h.Profile.Issuer.Name, Languages: []string{"en", "si", "ta"},
		Primary: h.Profile.Theme.Primary, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	foreign := http.NewCrossOriginProtection()
	mux := http.NewServeMux()
	desk.Register(mux, desk.Options{
		Frame: frame, Profile: h.Profile, Log: log, Casework: w.cases,
		Desk: desks.New(desks.Options{
			Store: h.Store, Box: h.Box, Issuance: h.Service, Printer: p, Now: h.Now, Random: rand.Reader, Log: log,
			Allow: audit.New(audit.Options{Store: h.Store, Keys: h.Keys, Now: h.Now, Log: log}).Allow,
		}),
		Caller: func(r *http.Request) (access.Caller, error) {
			if c, ok := callers()[r.Header.Get("As")]; ok {
				return c, nil
			}
			return access.Caller{}, vaccination.Errorf(vaccination.Unauthorized, "sign in")
		},
		Reopen: func(_ context.Context, by access.Caller, id vaccination.CertificateID, seen string) error {
			if seen != "passport" {
				return vaccination.Errorf(vaccination.Invalid, "no document")
			}
			w.reopened = append(w.reopened, id.String()+" "+by.Actor+" "+seen)
			return nil
		},
		SignIn:  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sign-in", http.StatusSeeOther) },
		Protect: foreign.Handler,
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// reply is an answer with the path it came from.
type reply struct {
	status     int
	path, text string
	header     http.Header
}

// ask sends a form (or gets a page, for a nil form) and follows redirects; the
// page is in English.
func (w *world) ask(as, path string, form url.Values, headers ...string) reply {
	w.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("As", as)
	r.Header.Set("Accept-Language", "en")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(next *http.Request, _ []*http.Request) error { next.Header.Set("As", as); return nil }}
	a, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{a.StatusCode, a.Request.URL.RequestURI(), string(text), a.Header}
}

func (r reply) is(t testing.TB, status int, has string) reply {
	t.Helper()
	if r.status != status || !strings.Contains(r.text, has) {
		t.Fatalf("%s: %d, want %d with %q: %s", r.path, r.status, status, has, r.text)
	}
	if r.header.Get("Cache-Control") != "no-store" && r.path != "/sign-in" {
		t.Errorf("%s may be kept: %q", r.path, r.header.Get("Cache-Control"))
	}
	return r
}

func hidden(text, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// issue certifies a made-up person's first dose.
func (w *world) issue(code, name string) vaccination.CertificateID {
	w.t.Helper()
	results, err := w.house.Service.Issue(w.t.Context(), w.house.Admin, issuance.Certify, []vaccination.Event{{
		EnrolmentCode: code, Person: vaccination.Person{Name: name, BirthDate: date("1987-04-21")}, Contacts: []string{"tel:+18765550142"},
		Vaccination: vaccination.Dose{Product: "vaxzevria", Number: 1, Lot: "ABV7764", Date: date("2021-04-09"), Centre: "Saint Jago Park Health Centre"},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return results[0].ID
}
