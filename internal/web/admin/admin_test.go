package admin_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	"github.com/opendivoc/divoc/internal/keyring"
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

// TestWhoMayOpenWhichPage asks for every page as everybody.
func TestWhoMayOpenWhichPage(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1").String()
	if err := w.intake.Create(t.Context(), access.System("test"), intake.NewSource{Name: "hq", Kind: intake.CommCare, Mapping: mapping}); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("/certificates/{id}/{act}", "/certificates/"+id+"/revoke", "/certificates/{id}", "/certificates/"+id, "{source}/{act}", "hq/test", "{source}", "hq",
		"{name}", "standard", "{version}", "1", "{sample}", "0", "{item}", "1024", "{act}", "rotate", "{decision}", "refuse", "{ticket}", "0000-0000-0000", "{n}", "1", "{code}", "NONE", "{id}", "1")
	// Which of anna, ben, facility, desk and auditor: 1 may.
	law := map[string]string{
		"": "11101", "/certificates": "11000", "/cases": "11000", "/withdrawals": "11000", "/sources": "11000", "/holds": "11000", "/likenesses": "11000", "/uploads": "10000", "/places": "11000", "/messages": "11000", "/staff": "10100", "/programmes": "11000", "/layouts": "11000", "/keys": "10000", "/settings": "10000",
	}
	people := []string{"anna", "ben", "facility", "desk", "auditor"}
	for _, pattern := range w.routes {
		method, path, _ := strings.Cut(pattern, " ")
		section := ""
		if rest := strings.TrimPrefix(path, admin.Path); rest != "" {
			section = "/" + strings.Split(rest, "/")[1]
		}
		for i, as := range append(people, "") {
			var form url.Values
			if method == http.MethodPost {
				form = url.Values{}
			}
			got := w.ask(as, fill.Replace(path), form)
			switch {
			case as == "" && (got.status != http.StatusSeeOther || got.header.Get("Location") != "/sign-in"):
				t.Errorf("%s by nobody: %d %s", pattern, got.status, got.header.Get("Location"))
			case as == "":
			case law[section] == "":
				t.Fatalf("nobody said who may ask %s", pattern)
			case law[section][i] == '0' && got.status != http.StatusForbidden:
				t.Errorf("%s by %s: %d", pattern, as, got.status)
			case law[section][i] == '1' && (got.status == http.StatusForbidden || got.status >= 500):
				t.Errorf("%s by %s: %d %.300s", pattern, as, got.status, words(got.text))
			}
			if c := got.header.Get("Cache-Control"); as != "" && c != "no-store" && got.status < 400 {
				t.Errorf("%s by %s: Cache-Control %q", pattern, as, c)
			}
		}
		if method == http.MethodPost {
			if got := w.ask("anna", fill.Replace(path), url.Values{}, "Sec-Fetch-Site", "cross-site"); got.status != http.StatusForbidden {
				t.Errorf("%s from another site: %d", pattern, got.status)
			}
		}
	}
	if n := w.count("SELECT count(*) FROM certificate WHERE status > 0"); n != 0 {
		t.Errorf("%d certificates were changed", n)
	}
}

const mapping = `
person: {name: case_name, birthDate: dob}
dose: {number: dose_number, product: vaccine, date: date_given}
`

func TestACertificateIsFoundSeenAndChanged(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1")
	w.issue("B", "Other Person", "PF1")
	at := admin.Path + "/certificates/" + id.String()

	w.ask("ben", admin.Path+"/certificates", nil).is(t, 200, "Find a certificate")
	for name, form := range map[string]url.Values{
		"by enrolment code": form("code", "A"),
		"by name":           form("born-day", "21", "born-month", "4", "born-year", "1987", "name", "marcia"),
	} {
		got := w.ask("ben", admin.Path+"/certificates", form).is(t, 200, "Marcia Campbell", "21 April 1987")
		if strings.Contains(got.text, "Other Person") || !strings.Contains(got.text, at) {
			t.Errorf("%s: %s", name, words(got.text))
		}
	}
	w.ask("ben", admin.Path+"/certificates", form("mobile", "876 555 0142")).is(t, 200, "Marcia Campbell", "Other Person")
	w.ask("ben", admin.Path+"/certificates", form("code", "nobody")).is(t, 200, "Nobody was found")
	w.ask("ben", admin.Path+"/certificates", form()).is(t, 422)
	w.ask("ben", admin.Path+"/certificates", form("certificate", "x")).is(t, 422, "24 letters")
	if got := w.ask("ben", admin.Path+"/certificates", form("certificate", id.String())).is(t, 200, "Falmouth Health Centre"); got.path != at {
		t.Errorf("by its number: %s", got.path)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'search' AND actor = 'staff:2'"); n != 4 {
		t.Errorf("%d searches are recorded", n)
	}

	w.ask("ben", at+"/suspend", form("reason", "")).is(t, 422, "Say why")
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "31", "until-month", "2", "until-year", "2027")).is(t, 422, "no date")
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "1", "until-month", "1", "until-year", "2020")).is(t, 422)
	w.ask("ben", at+"/suspend", form("reason", "looked at", "until-day", "24", "until-month", "11", "until-year", "2026")).is(t, 200, "The certificate is suspended", "Suspended", "25 November 2026")
	w.ask("ben", at+"/correct", nil).is(t, 200, "This cannot be done")
	w.ask("ben", at+"/lift", form("reason", "was right")).is(t, 200, "valid again")
	w.ask("ben", at+"/revoke", nil).is(t, 200, "cannot be undone")
	revoked := w.ask("ben", at+"/revoke", form("reason", "never given")).is(t, 200, "is revoked", "never given", "staff:2", "token:1 clinic")
	if strings.Contains(revoked.text, at+"/revoke") || !strings.Contains(revoked.text, at+"/reissue") {
		t.Error("the ways on are not those of its state")
	}
	w.ask("ben", at+"/suspend", form("reason", "x")).is(t, 422)
	again := w.ask("ben", at+"/reissue", form("reason", "was given")).is(t, 200, "issued again", "Version", "2")
	if again.path == at {
		t.Error("the page is the old one's")
	}
	w.ask("ben", at+"/burn", form("reason", "x")).is(t, 404)
	w.ask("ben", admin.Path+"/certificates/nonsense", nil).is(t, 404)
	if strings.Contains(w.log.String(), "Marcia") {
		t.Error("a name is in the log")
	}
}

func TestACorrectionIsSeenBeforeItIsIssued(t *testing.T) {
	w := newWorld(t)
	id := w.issue("A", "Marcia Campbell", "PF1")
	at := admin.Path + "/certificates/" + id.String() + "/correct"
	page := w.ask("ben", at, nil).is(t, 200)
	all := form()
	for _, m := range regexp.MustCompile(`<input[^>]*\sid="([a-z]+)" name="[a-z]+" type="text" value="([^"]*)"`).FindAllStringSubmatch(page.text, -1) {
		all.Set(m[1], m[2])
	}
	if all.Get("lot") != "PF1" || all.Get("born") != "1987-04-21" {
		t.Fatalf("the form holds %v", all)
	}
	all.Set("product", "comirnaty")
	with := func(pairs ...string) url.Values {
		v := url.Values{}
		for k, x := range all {
			v[k] = x
		}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	w.ask("ben", at, with("step", "preview")).is(t, 200, "Nothing changes")
	w.ask("ben", at, with("step", "preview", "lot", "PF2")).is(t, 200, "What changes", "PF1", "PF2", "Issue the corrected certificate")
	w.ask("ben", at, with("step", "preview", "date", "2021-13-01")).is(t, 422, "cannot be read")
	if got := w.ask("ben", at, with("step", "preview", "born", "2199-01-01")).is(t, 422); strings.Contains(got.text, "Issue the corrected") {
		t.Error("what is wrong can be sent")
	}
	w.ask("ben", at, with("lot", "PF2", "reason", "a slip")).is(t, 200, "What changes") // not seen: no version
	w.ask("ben", at, with("lot", "PF2", "version", id.String())).is(t, 422, "Say why", "What changes", "Issue the corrected certificate")
	if n := w.count("SELECT count(*) FROM certificate"); n != 1 {
		t.Fatalf("%d certificates before it was seen", n)
	}
	both := with("name", "Marsha Campbell", "born", "1988-04-21", "version", id.String(), "reason", "x")
	w.ask("ben", at, both).is(t, 422, "two people")
	for range 2 { // the form comes twice
		w.ask("ben", at, with("lot", "PF2", "version", id.String(), "reason", "a slip"))
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != 2 {
		t.Errorf("%d certificates", n)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'correct' AND detail = 'a slip'"); n != 1 {
		t.Errorf("the reason is recorded %d times", n)
	}
	// The name now, the birth date next: together it is two people's to say.
	next := func(pairs ...string) (reply, vaccination.CertificateID) {
		var raw []byte
		if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT id FROM certificate WHERE status = 0").Scan(&raw); err != nil {
			t.Fatal(err)
		}
		now := vaccination.CertificateID(raw)
		return w.ask("ben", admin.Path+"/certificates/"+now.String()+"/correct", with(append(pairs, "version", now.String(), "reason", "x")...)), now
	}
	got, _ := next("lot", "PF2", "name", "Marsha Campbell")
	got.is(t, 200, "is issued")
	got, _ = next("lot", "PF2", "name", "Marsha Campbell", "born", "1988-04-21")
	got.is(t, 422, "within a month")
	w.house.Pass(31 * 24 * time.Hour)
	got, _ = next("lot", "PF2", "name", "Marsha Campbell", "born", "1988-04-21")
	got.is(t, 200, "is issued")
}

func TestManyAreWithdrawnByTwoPeople(t *testing.T) {
	w := newWorld(t)
	a, b := w.issue("A", "Marcia Campbell", "PF1"), w.issue("B", "Other Person", "PF2")
	new := admin.Path + "/withdrawals"
	w.ask("ben", new+"/new", nil).is(t, 200, "Begin a withdrawal")
	for _, path := range []string{new + "/new", new} {
		var f url.Values
		if path == new {
			f = form("act", "revoke", "reason", "x", "lot", "PF1", "once", "1")
		}
		if got := w.ask("stale", path, f); got.status != 303 || got.header.Get("Location") != "/sign-in/again" {
			t.Errorf("%s without proof: %d", path, got.status)
		}
	}
	w.ask("ben", new, form("act", "revoke", "reason", "x", "once", "2")).is(t, 422, "say which")
	w.ask("ben", new, form("act", "revoke", "reason", "x", "once", "3", "ids", a.String()+"\nnonsense1")).is(t, 422, "Line 2")
	asked := w.ask("ben", new, form("act", "revoke", "reason", "a recalled batch", "once", "4", "ids", "certificate\n"+a.String()+",x\n"+a.String())).is(t, 200, "being searched")
	if err := w.bulk.ProcessAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ask("ben", asked.path, nil).is(t, 200, "Somebody else has to approve", a.String())
	w.ask("ben", asked.path+"/approve", form("found", "1")).is(t, 422, "somebody else")
	w.ask("stale", asked.path+"/approve", form("found", "1")).is(t, 303)
	w.ask("anna", asked.path+"/approve", form("found", "2")).is(t, 422)
	w.ask("anna", asked.path+"/burn", form()).is(t, 404)
	w.ask("anna", asked.path+"/approve", form("found", "1")).is(t, 200, "approved")
	if err := w.bulk.ProcessAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.ask("anna", asked.path, nil).is(t, 200, "Done", "staff:2", "staff:1", "Revoked")
	file := w.ask("anna", asked.path+"?format=csv", nil)
	if !strings.Contains(file.text, a.String()+",Revoked") || strings.Contains(file.text, b.String()) {
		t.Errorf("the file:\n%s", file.text)
	}

	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for k, v := range map[string]string{"act": "suspend", "reason": "looked at", "once": "5"} {
		_ = m.WriteField(k, v)
	}
	part, err := m.CreateFormFile("file", "list.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(part, "\xef\xbb\xbfcertificate,name\r\n%s,\"x\"\r\n", b)
	_ = m.Close()
	w.send("anna", http.MethodPost, new, &body, "Content-Type", m.FormDataContentType()).is(t, 200, "being searched")
	w.ask("anna", new, nil).is(t, 200, "a recalled batch", "looked at")
}

func TestToday(t *testing.T) {
	w := newWorld(t)
	w.issue("A", "Marcia Campbell", "PF1")
	err := registry.Count(t.Context(), w.house.Store.Read(), w.house.Now(), registry.Counted{Kind: registry.CountIssued, Facility: `=HYPERLINK("http://example.org")`, Product: "<script>", Source: "@x", N: 3})
	if err != nil {
		t.Fatal(err)
	}
	got := w.ask("anna", admin.Path, nil).is(t, 200, "Today", "Issued 4", "Falmouth Health Centre", "Comirnaty")
	if strings.Contains(got.text, "<script>=") || strings.Contains(got.text, "<script>\n") || !strings.Contains(got.text, "&lt;script&gt;") {
		t.Error("a name is a part of the page")
	}
	if strings.Contains(got.text, "style=") {
		t.Error("styles in the page, which the policy refuses")
	}
	for _, of := range []string{"hours", "facilities", "products", "sources"} {
		file := w.ask("anna", admin.Path+"?format=csv&of="+of, nil).is(t, 200)
		if !strings.HasPrefix(file.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(file.text, "\xef\xbb\xbf") {
			t.Errorf("%s: %s", of, file.header.Get("Content-Type"))
		}
		for _, line := range strings.Split(strings.TrimPrefix(file.text, "\xef\xbb\xbf"), "\n") {
			if cell := strings.TrimLeft(line, `"`); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%s: a spreadsheet runs %s", of, line)
			}
		}
	}
	w.ask("anna", admin.Path+"?format=csv&of=none", nil).is(t, 404)
	w.ask("anna", admin.Path+"?day=2026-11-21", nil).is(t, 200, "What happened from 21 November 2026", "Issued 0")
	w.ask("anna", admin.Path+"?days=31", nil).is(t, 200, "Issued 4", "by day")
	w.ask("anna", admin.Path+"?day=x&days=-1&programme=%27", nil).is(t, 200, "Issued 0")
}

func TestFacilities(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/places"
	w.ask("ben", at+"/new", form("code", "", "name", "")).is(t, 422, "has a code", "has a name")
	w.ask("ben", at+"/new", form("code", "a/b", "name", "x")).is(t, 422)
	w.ask("ben", at+"/new", form("code", "FAL", "name", "Falmouth Health Centre", "district", "Trelawny", "status", "active")).is(t, 200, "is saved", "Falmouth")
	send := func(table string) reply {
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		part, err := m.CreateFormFile("file", "places.csv")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(table))
		_ = m.Close()
		return w.send("ben", http.MethodPost, at, &body, "Content-Type", m.FormDataContentType())
	}
	send("facilityCode\nX\n").is(t, 422, "facilityName is missing")
	send("facilityCode,facilityName\nX,\nY,y\n").is(t, 422, "row 1", "has a name")
	send("facilityCode,facilityName\nX,x\nX,y\n").is(t, 422, "row 2", "twice")
	if n := w.count("SELECT count(*) FROM place"); n != 1 {
		t.Errorf("%d places after wrong tables", n)
	}
	send("\xef\xbb\xbffacilityName,facilityCode,status\r\n'=1+1,KGN,Active\r\nFalmouth Health Centre,FAL,Inactive\r\n").is(t, 200, "2 rows read, 2 changed")
	file := w.ask("ben", at+"?format=csv", nil).is(t, 200)
	if !strings.Contains(file.text, "KGN,'=1+1,") {
		t.Errorf("the file:\n%s", file.text)
	}
	send(file.text).is(t, 200, "2 rows read, 0 changed") // a file comes back as it went
	if list := w.ask("ben", at, nil).is(t, 200); strings.Contains(list.text, "Falmouth") {
		t.Error("a closed place is listed")
	}
	w.ask("ben", at+"?all=1&search=falm", nil).is(t, 200, "Falmouth", "Not active")
	w.ask("ben", at+"/FAL", nil).is(t, 200, "Falmouth")
	w.ask("ben", at+"/NONE", nil).is(t, 404)
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'place'"); n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestKeysNeedProofAndCare(t *testing.T) {
	w := newWorld(t)
	before := w.house.Keys.List()
	if got := w.ask("stale", admin.Path+"/keys/rotate", form("set", "signing")); got.header.Get("Location") != "/sign-in/again" {
		t.Errorf("without proof: %d", got.status)
	}
	w.ask("anna", admin.Path+"/keys/rotate", form("set", "everything")).is(t, 422)
	w.ask("anna", admin.Path+"/keys/retire", form("key", before[0].ID, "sure", "x")).is(t, 422, "not the first five")
	w.ask("anna", admin.Path+"/keys/retire", form("key", "none", "sure", "none")).is(t, 422)
	if n := len(w.house.Keys.List()); n != len(before) {
		t.Fatalf("%d keys", n)
	}
	w.ask("anna", admin.Path+"/keys/rotate", form("set", "document")).is(t, 200, "There are new keys")
	if n := len(w.house.Keys.List()); n != len(before)+1 {
		t.Errorf("%d keys", n)
	}
	old := before[slices.IndexFunc(before, func(k keyring.Info) bool { return k.Kind == "document" })]
	w.ask("anna", admin.Path+"/keys/retire", form("key", old.ID, "sure", old.ID[:5])).is(t, 200, "is retired")
	if n := w.count("SELECT count(*) FROM audit WHERE act IN ('keys.rotate', 'keys.retire') AND actor = 'staff:1'"); n != 2 {
		t.Errorf("%d entries", n)
	}
}

func TestUploads(t *testing.T) {
	w := newWorld(t)
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("dates", "DMY")
	part, err := m.CreateFormFile("file", "list.json")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, `[{"enrolmentCode":"X"}]`)
	_ = m.Close()
	got := w.send("anna", http.MethodPost, admin.Path+"/uploads", &body, "Content-Type", m.FormDataContentType()).is(t, 200, "list.json", "Being read")
	w.send("anna", http.MethodPost, admin.Path+"/uploads", strings.NewReader("x"), "Content-Type", "text/plain").is(t, 422, "Choose a file")
	w.ask("anna", admin.Path+"/uploads", nil).is(t, 200, "list.json")
	w.ask("anna", got.path, nil).is(t, 200)
	w.ask("anna", admin.Path+"/uploads/99", nil).is(t, 404)
}

func TestSettingsProgrammesAndLayouts(t *testing.T) {
	w := newWorld(t)
	w.ask("anna", admin.Path+"/settings", nil).is(t, 200, "From the profile", "Jamaica")
	w.ask("ben", admin.Path+"/programmes", nil).is(t, 200, "Products", "Comirnaty")
	at := admin.Path + "/layouts/standard"
	w.ask("ben", admin.Path+"/layouts", nil).is(t, 200, "Version 1", "COVID-19")
	w.ask("ben", at, nil).is(t, 200, "In force")
	link := regexp.MustCompile(`/admin/layouts/standard/1/sample/\d+`).FindString(w.ask("ben", at+"/1", nil).is(t, 200, "Sample people").text)
	if pdf := w.ask("ben", link, nil).is(t, 200); !strings.HasPrefix(pdf.text, "%PDF") {
		t.Errorf("%s is no PDF", link)
	}
	w.ask("ben", link+"?form=page", nil).is(t, 200, "SPECIMEN")
	for _, none := range []string{"/none", "/standard/2", "/standard/x", "/standard/1/sample/999", "/standard/1/sample/x"} {
		w.ask("ben", admin.Path+"/layouts"+none, nil).is(t, 404)
	}
}

// TestALayoutIsDraftedTriedAskedForAndApproved follows one on its pages.
func TestALayoutIsDraftedTriedAskedForAndApproved(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/layouts/standard/2"
	if got := w.ask("anna", admin.Path+"/layouts/standard", form("from", "1")).is(t, 200, "Draft"); got.path != at {
		t.Fatalf("the draft is at %s", got.path)
	}
	seen := func() string {
		return regexp.MustCompile(`name="seen" value="([0-9a-f]{32})"`).FindStringSubmatch(w.ask("anna", at, nil).text)[1]
	}
	content := func(more ...string) url.Values {
		return form(append([]string{
			"seen", seen(), "why", "the new colour", "accent", "#112233", "languages", "en", "show", "sex", "show", "verify",
			"blocks", "header title person doses certificate barcode notes", "margin", "12", "qr", "60", "note-en", "Vaccination is free.",
		}, more...)...)
	}
	wrong := content()
	wrong.Set("accent", "#ffff00")
	w.ask("anna", at, wrong).is(t, 422, "darker colour")
	wrong.Set("accent", "#112233")
	wrong.Set("blocks", "header")
	w.ask("anna", at, wrong).is(t, 422, "all seven parts")
	w.ask("anna", at, content()).is(t, 200, "The draft is saved", "#112233", "Vaccination is free.", "What it would change")
	w.ask("anna", at+"/sample/0?form=page", nil).is(t, 200, "Vaccination is free.", "Sex")
	if page := words(w.ask("anna", at+"/sample/0?form=page", nil).text); strings.Contains(page, "Nationality") {
		t.Error("a field that is not shown stands on the page")
	}
	if r := w.ask("stale", at+"/ask", form("seen", seen())); r.header.Get("Location") != "/sign-in/again" {
		t.Errorf("asked for by somebody who proved themselves long ago: %d", r.status)
	}
	hash := seen()
	w.ask("anna", at+"/ask", form("seen", hash)).is(t, 200, "Somebody else can approve it now", "You asked for this")
	w.ask("anna", at+"/approve", form("seen", hash)).is(t, 422, "somebody else has to approve it")
	w.ask("ben", at, nil).is(t, 200, "Approve and put in force", "#112233")
	if r := w.ask("stale", at+"/approve", form("seen", hash)); r.header.Get("Location") != "/sign-in/again" {
		t.Errorf("approved by somebody who proved themselves long ago: %d", r.status)
	}
	w.ask("ben", at+"/approve", form("seen", hash)).is(t, 200, "It is in force")
	w.ask("ben", admin.Path+"/layouts", nil).is(t, 200, "Version 2")
	w.ask("ben", admin.Path+"/layouts/standard", nil).is(t, 200, "staff:1", "staff:2", "Was in force")
}
