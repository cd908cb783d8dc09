package admin_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/commcare"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/places"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/internal/web/admin"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is the portal behind HTTP; who asks is in a header of the test.
type world struct {
	t        testing.TB
	house    *issuancetest.House
	bulk     *bulk.Service
	counts   *statistics.Service
	intake   *intake.Service
	staff    *staff.Service
	messages *deliver.Service
	cases    *casework.Service
	url      string
	log      *strings.Builder
	routes   []string
}

func callers() map[string]access.Caller {
	return map[string]access.Caller{
		"anna":     {Actor: "staff:1", Role: access.SystemAdmin, Source: "admin"},
		"ben":      {Actor: "staff:2", Role: access.ProgrammeAdmin, Source: "admin"},
		"facility": {Actor: "staff:3", Role: access.FacilityAdmin, Facility: "FAL", Source: "admin"},
		"desk":     {Actor: "staff:4", Role: access.FacilityStaff, Facility: "FAL", Source: "admin"},
		"auditor":  {Actor: "staff:5", Role: access.Auditor},
		"stale":    {Actor: "staff:6", Role: access.SystemAdmin, Source: "admin"}, // who proved themselves long ago
	}
}

// recorder notes the patterns.
type recorder struct {
	*http.ServeMux
	w *world
}

func (r recorder) Handle(pattern string, h http.Handler) {
	r.w.routes = append(r.w.routes, pattern)
	r.ServeMux.Handle(pattern, h)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	w := &world{t: t, house: h, log: &strings.Builder{}}
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
	now := h.Now
	w.bulk = bulk.New(bulk.Options{Store: h.Store, Issuance: h.Service, Now: now, Log: log})
	w.counts = &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: now}
	w.intake = intake.New(intake.Options{Store: h.Store, Box: h.Box, Issuance: h.Service, Profile: h.Profile, Now: now, Log: log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.CommCare: commcare.New(commcare.Options{Now: now, Log: log}).Kind()}})
	w.staff, err = staff.New(staff.Options{Store: h.Store, Box: h.Box, Now: now, Random: rand.Reader, Log: log, PublicURL: h.PublicURL, Issuer: "Ministry of Health"})
	if err != nil {
		t.Fatal(err)
	}
	w.messages = deliver.New(deliver.Options{Store: h.Store, Box: h.Box, Profile: h.Profile, PublicURL: h.PublicURL, Now: now, Random: rand.Reader, Log: log,
		Contacts: func(p query.Person) ([]string, *seal.PersonKey, error) { return w.house.Service.ContactsOf(p) }})
	w.cases = casework.New(casework.Options{Store: h.Store, Box: h.Box, Issuance: h.Service, Profile: h.Profile, Now: now, Random: h.Random, Log: log})
	mux := recorder{http.NewServeMux(), w}
	admin.Register(mux, admin.Options{
		Frame: frame, Service: h.Service, Bulk: w.bulk, Statistics: w.counts, Intake: w.intake, Print: "/print.css", Now: now, Log: log,
		Layouts: layouts.New(layouts.Options{Store: h.Store, Profile: h.Profile, Printer: p, Now: now, Log: log}),
		Uploads: upload.New(upload.Options{Store: h.Store, Box: h.Box, Issuance: h.Service, Zone: h.Profile.TimeZone, Now: now, Log: log}),
		Cases:   w.cases,
		Places:  places.Service{Store: h.Store, Now: now},
		Staff:   w.staff, Messages: w.messages,
		Caller: func(r *http.Request) (access.Caller, error) {
			if c, ok := callers()[r.Header.Get("As")]; ok {
				return c, nil
			}
			return access.Caller{}, vaccination.Errorf(vaccination.Unauthorized, "sign in")
		},
		SignIn: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sign-in", http.StatusSeeOther) },
		Fresh:  func(r *http.Request) bool { return r.Header.Get("As") != "stale" },
		Again: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/sign-in/again", http.StatusSeeOther)
		},
		Protect: http.NewCrossOriginProtection().Handler,
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

type reply struct {
	status     int
	path, text string
	header     http.Header
}

// ask gets a page, or sends a form, and follows redirects within the portal.
func (w *world) ask(as, path string, form url.Values, headers ...string) reply {
	w.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	}
	return w.send(as, method, path, body, headers...)
}

func (w *world) send(as, method, path string, body io.Reader, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("As", as)
	r.Header.Set("Accept-Language", "en")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		next.Header.Set("As", as)
		next.Header.Set("Accept-Language", "en")
		if !strings.HasPrefix(next.URL.Path, admin.Path) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	answer, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Request.URL.RequestURI(), string(data), answer.Header}
}

func (r reply) is(t testing.TB, status int, holds ...string) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("%s: %d, want %d\n%.1500s", r.path, r.status, status, words(r.text))
	}
	for _, text := range holds {
		if !strings.Contains(words(r.text), text) {
			t.Errorf("%s does not say %q:\n%.3000s", r.path, text, words(r.text))
		}
	}
	return r
}

var tags = regexp.MustCompile(`(?s)<(script|style|svg).*?</(script|style|svg)>|<[^>]*>`)

// words are what a page says.
func words(page string) string {
	page = tags.ReplaceAllString(page, " ")
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&amp;", "&").Replace(strings.Join(strings.Fields(page), " "))
}

func event(code, name, lot string) vaccination.Event {
	return vaccination.Event{
		EnrolmentCode: code, Person: vaccination.Person{Name: name, BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Nationality: "JAM", Identifier: vaccination.Identifier{Value: "X" + code}},
		Contacts:    []string{"tel:+18765550142"},
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: lot, Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Total: 2, Centre: "Falmouth Health Centre"},
	}
}

// issue issues a certificate of a source's.
func (w *world) issue(code, name, lot string) vaccination.CertificateID {
	w.t.Helper()
	r, err := w.house.Service.Issue(w.t.Context(), access.Caller{Actor: "token:1 clinic", Role: access.SourceRole, Source: "clinic"}, issuance.Certify, []vaccination.Event{event(code, name, lot)})
	if err != nil {
		w.t.Fatal(err)
	}
	return r[0].ID
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.house.Store.Pool().QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}
