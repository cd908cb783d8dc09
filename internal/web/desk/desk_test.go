package desk_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

func TestFromANumberToAPrint(t *testing.T) {
	w := newWorld(t)
	w.issue("JM-000001", "Shanice Brown")
	w.ask("anna", "/desk", nil).is(t, 200, "Find a person")
	found := w.ask("anna", "/desk/search", url.Values{"text": {"876 555 0142"}}).is(t, 200, "S. B.")
	if strings.Contains(found.text, "Shanice") || strings.Contains(found.path, "555") {
		t.Fatalf("%s: %s", found.path, found.text)
	}
	open := url.Values{"id": {hidden(found.text, "id")}, "fact": {"birth-date"}, "value": {"22/4/1987"}}
	wrong := w.ask("anna", found.path+"/open", open).is(t, 422, "not what is on record")
	if strings.Contains(wrong.text, "Shanice") {
		t.Error("a wrong answer shows who it is")
	}
	open.Set("value", "21/4/1987")
	record := w.ask("anna", found.path+"/open", open).is(t, 200, "Shanice Brown")
	w.ask("anna", record.path, nil).is(t, 200, "Shanice Brown") // a reload
	if a := w.ask("anna", record.path+"/preview?n=0&size=a5&language=en", nil); a.status != 200 || !strings.HasPrefix(a.text, "%PDF-1.7") {
		t.Errorf("preview: %d", a.status)
	}
	form := url.Values{"act": {hidden(record.text, "act")}, "certificate": {regexp.MustCompile(`name="certificate" type="checkbox" value="([^"]+)"`).FindStringSubmatch(record.text)[1]}, "size": {"a4"}, "language": {"en"}}
	printed := w.ask("anna", record.path+"/print", form).is(t, 200, "Copy 1, number 1")
	w.ask("anna", record.path+"/print", form).is(t, 200, "Copy 1, number 1") // sent again
	file := w.ask("anna", printed.path+"/file?download", nil)
	if file.status != 200 || file.header.Get("Content-Disposition") != `attachment; filename="certificate.pdf"` || file.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", file.status, file.header)
	}
	queue := w.ask("anna", "/desk/prints", nil).is(t, 200, "S. B.")
	w.ask("anna", "/desk/prints/1/again", url.Values{"act": {hidden(queue.text, "act")}}).is(t, 200, "Copy 2, number 2")
	// Another facility reaches none of it.
	w.ask("ben", record.path, nil).is(t, 404, "This has ended")
	w.ask("ben", printed.path, nil).is(t, 404, "This has ended")
	w.ask("ben", printed.path+"/file", nil).is(t, 404, "This has ended")
	w.ask("ben", "/desk/prints/1/again", url.Values{"act": {strings.Repeat("A", 22)}}).is(t, 404, "This has ended")
	w.ask("ben", "/desk/prints", nil).is(t, 200, "Nothing was printed")
	w.ask("anna", record.path+"/close", url.Values{}).is(t, 200, "Find a person")
	w.ask("anna", record.path, nil).is(t, 404, "This has ended")
	if strings.Contains(w.log.String(), "Shanice") {
		t.Error("a name is in the log")
	}
}

func TestWhoIsNotSignedInOrMayNot(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/desk", "/desk/found/x", "/desk/record/x", "/desk/record/x/preview", "/desk/record/x/correction", "/desk/print/x", "/desk/print/x/file", "/desk/prints", "/desk/dose", "/desk/dose/x", "/desk/on-demand", "/desk/slip"} {
		if a := w.ask("", path, nil); a.path != "/sign-in" {
			t.Errorf("%s by nobody: %d at %s", path, a.status, a.path)
		}
		if a := w.ask("auditor", path, nil); a.status != 403 {
			t.Errorf("%s by an auditor: %d", path, a.status)
		}
	}
	for _, path := range []string{"/desk/search", "/desk/found/x/open", "/desk/record/x/print", "/desk/record/x/close", "/desk/record/x/reopen", "/desk/record/x/correction", "/desk/prints/1/again", "/desk/dose/x", "/desk/on-demand", "/desk/later", "/desk/later/x/done"} {
		if a := w.ask("", path, url.Values{}); a.path != "/sign-in" {
			t.Errorf("%s by nobody: %d at %s", path, a.status, a.path)
		}
		if a := w.ask("auditor", path, url.Values{}); a.status != 403 {
			t.Errorf("%s by an auditor: %d", path, a.status)
		}
		if a := w.ask("anna", path, url.Values{}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.status != 403 {
			t.Errorf("%s from another site: %d", path, a.status)
		}
	}
	if a := w.ask("nowhere", "/desk/dose/"+strings.Repeat("A", 22), dose("A B", "1990-02-03")); a.status != 403 {
		t.Errorf("a dose by staff of no facility: %d", a.status)
	}
}

func TestFaultsAreTold(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"nothing":               {url.Values{}, "Type a number or scan a code"},
		"a date alone":          {url.Values{"birthDate-day": {"21"}, "birthDate-month": {"4"}, "birthDate-year": {"1987"}}, "add two letters of the name"},
		"no date":               {url.Values{"birthDate-day": {"31"}, "birthDate-month": {"2"}, "birthDate-year": {"1987"}, "name": {"Br"}}, "Give the whole date"},
		"a code that is no one": {url.Values{"text": {"HC1:ABC"}}, "not of a certificate issued here"},
	} {
		t.Run(name, func(t *testing.T) { w.ask("anna", "/desk/search", c.form).is(t, 422, c.says) })
	}
	w.ask("anna", "/desk/search", url.Values{"text": {"nobody"}}).is(t, 200, "Nobody was found")
	if a := w.ask("anna", "/desk/search", url.Values{"text": {strings.Repeat("x", 100_000)}}); a.status != 413 {
		t.Errorf("a large form: %d", a.status)
	}
}

func TestNamesAreTextAndNothingElse(t *testing.T) {
	w := newWorld(t)
	name := `<img src=x onerror=alert(1)> {{.}} "Brown"`
	id := w.issue("JM-<b>1</b>", name)
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "&lt;img src=x onerror=alert(1)&gt; {{.}}")
	if strings.Contains(record.text, "<img src=x") || strings.Contains(record.text, "<b>1</b>") {
		t.Errorf("a name is markup: %s", record.text)
	}
	if csp := record.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("%s", csp)
	}
	bad := w.ask("anna", "/desk/search", url.Values{"text": {`"><script>alert(1)</script>`}, "birthDate-day": {`"><script>`}})
	if strings.Contains(bad.text, "<script>alert") || strings.Contains(bad.text, `"><script>`) {
		t.Errorf("what was typed is markup: %s", bad.text)
	}
}

func dose(name, birth string) url.Values {
	b := strings.Split(birth, "-")
	return url.Values{"name": {name}, "birthDate-day": {b[2]}, "birthDate-month": {b[1]}, "birthDate-year": {b[0]}, "sex": {"female"}, "phone": {"876 555 0177"},
		"product": {"covid-19/vaxzevria"}, "dose": {"1"}, "date-day": {"20"}, "date-month": {"11"}, "date-year": {"2026"}, "lot": {"ABX1"}}
}

func TestADoseByForm(t *testing.T) {
	w := newWorld(t)
	form := w.ask("anna", "/desk/dose", nil).is(t, 200, "Register a dose")
	// What is typed survives a reload, for its owner alone.
	draft := dose("Marcia Reid", "1990-02-03")
	draft.Set("action", "save")
	if a := w.ask("anna", form.path, draft); a.status != 204 {
		t.Fatalf("%d", a.status)
	}
	w.ask("anna", form.path, nil).is(t, 200, `value="Marcia Reid"`)
	if a := w.ask("ben", form.path, nil); strings.Contains(a.text, "Marcia") {
		t.Error("a draft is another's too")
	}
	w.ask("anna", form.path, url.Values{"name": {"Marcia Reid"}, "dose": {"one"}}).is(t, 422, "1 for the first")
	bad := dose("Marcia Reid", "1990-02-03")
	bad.Set("date-year", "2027")
	w.ask("anna", form.path, bad).is(t, 422, "future")
	// Sent several times at once it is one dose.
	var wg sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		wg.Go(func() {
			a := w.ask("anna", form.path, dose("Marcia Reid", "1990-02-03"))
			if a.status == 200 {
				paths[i] = a.path
			}
		})
	}
	wg.Wait()
	if !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, "/desk/record/") }) {
		t.Fatalf("%v", paths)
	}
	var n, sources int
	if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE source = 'desk') FROM certificate").Scan(&n, &sources); err != nil || n != 1 || sources != 1 {
		t.Errorf("%d certificates, %d of the desk, %v", n, sources, err)
	}
	// Somebody with the same name and date is asked about.
	second := w.ask("anna", "/desk/dose", nil)
	again := dose("Marcia Reid", "1990-02-03")
	again.Set("dose", "2")
	w.ask("anna", second.path, again).is(t, 200, "Is it one of these people?")
	again.Set("as", "0")
	record := w.ask("anna", second.path, again).is(t, 200, "Marcia Reid")
	if strings.Count(record.text, `name="certificate"`) != 2 {
		t.Error("the second dose is another person's")
	}
}

func TestACorrectionIsOfTheOpenedRecord(t *testing.T) {
	w := newWorld(t)
	id, other := w.issue("JM-000001", "Shanice Brown"), w.issue("JM-000002", "Oliver Brown")
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "Shanice Brown")
	form := w.ask("anna", record.path+"/correction", nil).is(t, 200, "Ask for a correction")
	send := func(certificate string) reply {
		body := "--x\r\nContent-Disposition: form-data; name=\"certificate\"\r\n\r\n" + certificate +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nperson.name\r\n--x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\nShanice Browne" +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"act\"\r\n\r\n" + hidden(form.text, "act") +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\nPNG\r\n--x--\r\n"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+record.path+"/correction", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("As", "anna")
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		return reply{a.StatusCode, record.path, string(text), a.Header}
	}
	send(other.String()).is(t, 422, "Choose a certificate")
	send(id.String()).is(t, 200, "The request was sent")
	if len(w.cases.requests) != 1 || w.cases.photos != 1 || w.cases.requests[0].Certificate != id || w.cases.requests[0].Facility != "KGN01" || w.cases.requests[0].Once == "" {
		t.Errorf("%+v", w.cases)
	}
}

func TestTheListForLater(t *testing.T) {
	w := newWorld(t)
	list := url.Values{"reference": {"7K2M-91XA", "7K2M-91XB"}, "text": {"8765550142", "JM-1"}, "at": {fmt.Sprint(w.house.Now().UnixMilli()), fmt.Sprint(w.house.Now().UnixMilli())}}
	for range 2 {
		a := w.ask("anna", "/desk/later", list).is(t, 200, "7K2M-91XA")
		if strings.Count(a.text, `<code class="reference">`) != 2 {
			t.Error("a list sent twice is there twice")
		}
	}
	if a := w.ask("ben", "/desk", nil); strings.Contains(a.text, "7K2M") {
		t.Error("a list is another's too")
	}
	a := w.ask("anna", "/desk/later/7K2M-91XA/done", url.Values{})
	if strings.Contains(a.text, "7K2M-91XA") || !strings.Contains(a.text, "7K2M-91XB") {
		t.Errorf("%s", a.text)
	}
	w.ask("anna", "/desk/later", url.Values{"reference": {"<b>"}, "text": {"x"}, "at": {"1"}}).is(t, 422, "cannot be done")
}

// TestHowLongPagesTake tells the time of the server for the pages of a desk.
func TestHowLongPagesTake(t *testing.T) {
	w := newWorld(t)
	id := w.issue("JM-000001", "Shanice Brown")
	record := w.ask("anna", "/desk/search", url.Values{"text": {id.UVCI("JM")}}).is(t, 200, "Shanice Brown")
	for name, path := range map[string]string{"start": "/desk", "record": record.path, "prints": "/desk/prints"} {
		var times []time.Duration
		for range 40 {
			begin := time.Now()
			w.ask("anna", path, nil)
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		t.Logf("%s: p50 %v, p95 %v", name, times[20], times[37])
	}
}
