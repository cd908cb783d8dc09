package oidc

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/internal/web/signin"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// peer is the provider and the service that uses it.
type peer struct {
	*Provider
	t       *testing.T
	site    *httptest.Server
	staff   *staff.Service
	log     strings.Builder
	browser *http.Client
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{t: t}
	var door http.Handler
	p.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door.ServeHTTP(w, r) }))
	t.Cleanup(p.site.Close)
	p.Provider = Start(t, Options{Site: p.site.URL})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service: %s", p.log.String())
		}
	})
	provider, err := staff.ReadProvider(p.StaffFile(t.TempDir()), staff.ProviderClient())
	if err != nil {
		t.Fatal(err)
	}
	p.staff = newStaff(t, p.site.URL, slog.New(slog.NewTextHandler(&p.log, nil)))
	always := func(*http.Request) error { return nil }
	people := signin.New(signin.Options{Staff: p.staff, Provider: provider, Limit: always, Told: always, Log: slog.New(slog.DiscardHandler)})
	frame, err := page.New(page.Options{Asset: func(n string) string { return "/assets/" + n }, Languages: []string{"en"}, Staff: people.Signed})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	people.Register(mux, frame, http.NewCrossOriginProtection().Handler)
	mux.HandleFunc("GET /desk", func(w http.ResponseWriter, r *http.Request) {
		by, err := people.Caller(r)
		if err != nil {
			people.SignIn(w, r)
			return
		}
		fmt.Fprintf(w, "%s at %s as %s, fresh %t", by.Role, by.Facility, by.Actor, people.Fresh(r))
	})
	door = people.Remember(mux)
	p.newBrowser()
	return p
}

func newStaff(t *testing.T, address string, log *slog.Logger) *staff.Service {
	t.Helper()
	store, err := registry.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.Open(key, t.TempDir(), seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := staff.New(staff.Options{Store: store, Box: box, Now: time.Now, Random: rand.Reader, Log: log, PublicURL: address, Issuer: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// account changes who signs in, to Ann Brown.
func (p *peer) account(subject, role string, facility ...string) {
	p.t.Helper()
	p.Staff(subject, "Ann Brown", role, strings.Join(facility, ""))
}

func (p *peer) newBrowser() {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.browser = &http.Client{Jar: jar}
}

// get follows an address to its end.
func (p *peer) get(path string) (status int, body string) {
	p.t.Helper()
	r, err := p.browser.Get(p.site.URL + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

const toDesk = staff.ProviderPath + "?to=%2Fdesk"

func (p *peer) isAtDesk(want string) {
	p.t.Helper()
	if status, body := p.get("/desk"); status != 200 || body != want {
		p.t.Errorf("%d %.200s, want %s", status, body, want)
	}
}

func (p *peer) isNobody(why string) {
	p.t.Helper()
	if _, body := p.get("/desk"); !strings.Contains(body, "<h1 class=\"govuk-heading-l\">Sign in</h1>") {
		p.t.Errorf("%s: is signed in: %.200s", why, body)
	}
}

func TestStaffOfAProvider(t *testing.T) {
	p := newPeer(t)
	p.account("a1", "desk", "KGN-1")
	const ann = "facility-staff at KGN-1 as staff:1, fresh true"
	if status, body := p.get(toDesk); status != 200 || body != ann {
		t.Fatalf("%d %s", status, body)
	}
	// Another key of the provider's is found.
	p.Tell(Claims{"rotate": true})
	p.newBrowser()
	if status, body := p.get(toDesk); status != 200 || body != ann {
		t.Errorf("after a new key: %d %s", status, body)
	}
	// A proof is asked for anew.
	if status, body := p.get(staff.ProviderPath + "?again=1&to=%2Fdesk"); status != 200 || body != ann {
		t.Errorf("again: %d %s", status, body)
	}
	// Signing out here leads to signing out there.
	r, err := p.browser.PostForm(p.site.URL+signin.OutPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	there, ok := strings.CutPrefix(r.Header.Get("Refresh"), "0; url="+p.Issuer+"/session/end?")
	if q, err := url.ParseQuery(there); !ok || err != nil || q.Get("id_token_hint") == "" || q.Get("post_logout_redirect_uri") != p.site.URL+staff.OutPath {
		t.Errorf("sign out: %q", r.Header.Get("Refresh"))
	}
	p.isNobody("after signing out")
}

// Signing out at the provider ends the session here: it says so itself.
func TestSignedOutAtTheProvider(t *testing.T) {
	p := newPeer(t)
	p.account("a1", "boss")
	p.get(toDesk)
	p.isAtDesk("system-admin at  as staff:1, fresh true")
	end, err := p.browser.Get(p.Issuer + "/session/end")
	if err != nil {
		t.Fatal(err)
	}
	form, err := io.ReadAll(end.Body)
	_ = end.Body.Close()
	xsrf := regexp.MustCompile(`name="xsrf" value="([^"]+)"`).FindSubmatch(form)
	if err != nil || xsrf == nil {
		t.Fatalf("%v %s", err, form)
	}
	r, err := p.browser.PostForm(p.Issuer+"/session/end/confirm", url.Values{"xsrf": {string(xsrf[1])}, "logout": {"yes"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, body := p.get("/desk"); !strings.Contains(body, "staff:1") {
			break
		}
	}
	p.isNobody("after signing out at the provider")

	for why, token := range map[string]string{"nothing": "", "garbage": "x.y.z"} {
		r, err := http.PostForm(p.site.URL+staff.EndedPath, url.Values{"logout_token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode != 400 {
			t.Errorf("%s as a logout token: %d", why, r.StatusCode)
		}
	}
}

func TestWhatAProviderMayNotSay(t *testing.T) {
	p := newPeer(t)
	for _, lie := range []string{"aud", "iss", "nonce", "key", "none"} {
		p.account("a1", "boss")
		p.Tell(Claims{"lie": lie})
		p.newBrowser()
		if status, body := p.get(toDesk); status != 403 || !strings.Contains(body, "answer could not be used") {
			t.Errorf("another %s: %d %.300s", lie, status, body)
		}
		p.isNobody("another " + lie)
	}
	p.Tell(Claims{"lie": ""})
	for why, a := range map[string][]string{"no role that counts": {"a2", "nurse"}, "no facility": {"a3", "desk"}} {
		p.account(a[0], a[1])
		p.newBrowser()
		if status, body := p.get(toDesk); status != 403 || !strings.Contains(body, "none of your roles") || strings.Contains(body, "Ann") {
			t.Errorf("%s: %d %.300s", why, status, body)
		}
		p.isNobody(why)
	}
	if list, err := p.staff.List(t.Context(), access.System("test")); err != nil || len(list) != 0 {
		t.Errorf("accounts were made: %v, %v", list, err)
	}
}

// The return of a sign-in belongs to the browser that began it.
func TestAReturnInAnotherBrowser(t *testing.T) {
	p := newPeer(t)
	p.account("a1", "boss")
	p.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, staff.ReturnPath) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	r, err := p.browser.Get(p.site.URL + toDesk)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	back, err := url.Parse(r.Header.Get("Location"))
	if err != nil || back.Path != staff.ReturnPath {
		t.Fatalf("%v %s", err, r.Header.Get("Location"))
	}
	attacked := p.browser
	p.newBrowser()
	if status, _ := p.get(back.RequestURI()); status != 410 {
		t.Errorf("in another browser: %d", status)
	}
	p.get(staff.ProviderPath) // which has begun one of its own, and ended it
	p.newBrowser()
	p.browser = attacked
	q := back.Query()
	q.Set("state", "another")
	if status, _ := p.get(back.Path + "?" + q.Encode()); status != 403 {
		t.Errorf("with another state: %d", status)
	}
	if status, _ := p.get(back.RequestURI()); status != 410 {
		t.Errorf("after it failed once: %d", status)
	}
	p.isNobody("after all that")
}

func TestAnAccountAtTheProviderChanges(t *testing.T) {
	p := newPeer(t)
	p.account("a1", "desk", "KGN-1")
	p.get(toDesk)
	first := p.browser
	p.newBrowser()
	p.account("a1", "boss")
	if _, body := p.get(toDesk); body != "system-admin at  as staff:1, fresh true" {
		t.Errorf("another role: %s", body)
	}
	second := p.browser
	p.browser = first
	p.isNobody("with the role from before")
	p.account("a1", "nurse")
	p.newBrowser()
	p.get(toDesk)
	p.browser = second
	p.isNobody("whose role is gone")
	p.account("a1", "boss")
	p.newBrowser()
	p.get(toDesk)
	if err := p.staff.Deactivate(t.Context(), access.System("test"), 1); err != nil {
		t.Fatal(err)
	}
	p.isNobody("deactivated here")
	if status, body := p.get(toDesk); status != 403 || !strings.Contains(body, "was deactivated") {
		t.Errorf("deactivated here: %d %.200s", status, body)
	}
}
