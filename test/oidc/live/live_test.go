// Package live holds the tests in which the real program is used with an OpenID
// Connect provider that others wrote (npm: oidc-provider): by staff, and by
// citizens as eSignet has it (private_key_jwt, signed and encrypted claims).
package live

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/oidc"
	"github.com/opendivoc/divoc/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// peer is the program with a provider beside it.
type peer struct {
	*oidc.Provider
	t       *testing.T
	site    string
	data    string
	server  *program.Server
	browser *http.Client
}

// start starts both, for a profile with what more adds to it of the provider.
func start(t *testing.T, country string, more func(*oidc.Provider) string) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	p := &peer{t: t, site: "http://" + address}
	p.Provider = oidc.Start(t, oidc.Options{Site: p.site})
	t.Cleanup(func() {
		if t.Failed() && p.server != nil {
			t.Logf("the program: %s", p.server.Log())
		}
	})
	p.newBrowser()

	dir := t.TempDir()
	at := filepath.Join(dir, country)
	if err := os.CopyFS(at, must(fs.Sub(profiles.FS, country))(t)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(at, "profile.yaml")
	text := string(must(os.ReadFile(file))(t)) + more(p.Provider)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.data = filepath.Join(dir, "data")
	p.server = program.Start(t, p.data, "--profile", at, "--listen", address, "--demo", "--public-url", p.site, "--staff-provider", p.StaffFile(dir))
	return p
}

// must is v, or the end of the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (p *peer) newBrowser() {
	p.t.Helper()
	p.browser = &http.Client{Jar: must(cookiejar.New(nil))(p.t), Timeout: 30 * time.Second}
}

type reply struct {
	status int
	at     string // the path that it ended at
	body   string
	header http.Header
}

func (p *peer) do(r *http.Response, err error) reply {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	return reply{r.StatusCode, r.Request.URL.Path, string(must(io.ReadAll(r.Body))(p.t)), r.Header}
}

// get follows an address of the site, or a whole one, to its end.
func (p *peer) get(to string) reply {
	p.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = p.site + to
	}
	return p.do(p.browser.Get(to))
}

func (p *peer) post(path string, form url.Values) reply {
	p.t.Helper()
	return p.do(p.browser.PostForm(p.site+path, form))
}

// link is where the link or form with an id leads.
func (p *peer) link(page reply, id string) string {
	p.t.Helper()
	found := regexp.MustCompile(`<a[^>]*id="` + id + `"[^>]*>`).FindString(page.body)
	href := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(found)
	if href == nil {
		p.t.Fatalf("no link %s at %s: %.3000s", id, page.at, page.body)
	}
	return strings.ReplaceAll(href[1], "&amp;", "&")
}

// confirm says yes to the provider's question whether to sign out.
func (p *peer) confirm(page reply) reply {
	p.t.Helper()
	xsrf := regexp.MustCompile(`name="xsrf" value="([^"]+)"`).FindStringSubmatch(page.body)
	if xsrf == nil {
		p.t.Fatalf("the provider does not ask: %d %.500s", page.status, page.body)
	}
	return p.do(p.browser.PostForm(p.Issuer+"/session/end/confirm", url.Values{"xsrf": {xsrf[1]}, "logout": {"yes"}}))
}

// TestStaffSignInAtTheirProvider is --staff-provider as it runs: the button, roles
// and facility of the ID token, and signing out here and there.
func TestStaffSignInAtTheirProvider(t *testing.T) {
	p := start(t, "jamaica", func(*oidc.Provider) string { return "" })
	if page := p.get("/sign-in?to=%2Fdesk"); !strings.Contains(page.body, "the ministry") || !strings.Contains(page.body, staff.ProviderPath) {
		t.Fatalf("no button of the provider's: %d %.3000s", page.status, page.body)
	}
	at := staff.ProviderPath + "?to=%2Fdesk"
	p.Tell(oidc.Claims{"account": oidc.Claims{"sub": "a1", "name": "Ann Brown", "realm_access": oidc.Claims{"roles": []string{"offline_access", "desk"}}, "facility_code": "KGN-1"}})
	page := p.get(at)
	if page.status != 200 || page.at != "/desk" || !strings.Contains(page.body, "Ann Brown") || !strings.Contains(page.body, "KGN-1") {
		t.Fatalf("at the desk: %d at %s: %.3000s", page.status, page.at, page.body)
	}
	if page := p.get("/admin/staff"); page.status != 403 {
		t.Errorf("staff of a desk at the staff's pages: %d", page.status)
	}
	list := program.Must(t, "staff", "list", "--data", p.data)
	if !strings.Contains(list, "facility-staff") || !strings.Contains(list, "KGN-1") {
		t.Errorf("the list: %s", list)
	}
	// Out here, and by the page's own link there.
	out := p.post("/sign-out", nil)
	there, ok := strings.CutPrefix(out.header.Get("Refresh"), "0; url=")
	if !ok || !strings.HasPrefix(there, p.Issuer+"/session/end?") {
		t.Fatalf("signed out: %d %q", out.status, out.header.Get("Refresh"))
	}
	if back := p.confirm(p.get(there)); back.at != staff.OutPath {
		t.Errorf("after signing out there: %d at %s", back.status, back.at)
	}
	if page := p.get("/desk"); page.at != "/sign-in" {
		t.Errorf("after signing out: at %s", page.at)
	}
	// Another role there is another one here, from the next sign-in on.
	p.Tell(oidc.Claims{"account": oidc.Claims{"sub": "a1", "name": "Ann Brown", "realm_access": oidc.Claims{"roles": []string{"boss"}}}})
	if page := p.get(staff.ProviderPath + "?to=%2Fadmin%2Fstaff"); page.status != 200 || page.at != "/admin/staff" {
		t.Errorf("an administrator: %d at %s", page.status, page.at)
	}
	// Who signs out there is told to leave here, by the provider itself.
	p.confirm(p.get(p.Issuer + "/session/end"))
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if page := p.get("/admin/staff"); page.at == "/sign-in" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("signed out at the provider, and still in here")
		}
	}
	// No role: no account.
	p.newBrowser()
	p.Tell(oidc.Claims{"account": oidc.Claims{"sub": "a2", "name": "Nobody", "realm_access": oidc.Claims{"roles": []string{"nurse"}}}})
	if page := p.get(at); page.status != 403 || !strings.Contains(page.body, "none of your roles") {
		t.Errorf("without a role: %d %.500s", page.status, page.body)
	}
	if list := program.Must(t, "staff", "list", "--data", p.data); strings.Contains(list, "Nobody") {
		t.Errorf("an account without a role: %s", list)
	}
	for _, secret := range []string{"Ann Brown", oidc.Secret()} {
		if strings.Contains(p.server.Log(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestCitizensSignInAtTheirIdentity is a citizen's way by the country's identity:
// the button, the provider, their record open by its date of birth and the family's
// not, and out.
func TestCitizensSignInAtTheirIdentity(t *testing.T) {
	p := start(t, "sri-lanka", (*oidc.Provider).CitizenIdentity)
	token := p.server.Token("clinic")
	for code, person := range map[string]string{
		"MINE":   `{"name":"Nimali Perera","birthDate":"1987-04-21","sex":"female","identifier":{"type":"national-id","value":"871120015V"}}`,
		"FAMILY": `{"name":"Kamal Perera","birthDate":"2015-09-02","sex":"male"}`,
	} {
		body := `{"events":[{"programme":"covid-19","enrolmentCode":"` + code + `","contacts":["tel:0712345678"],"person":` + person + `,"vaccination":{"product":"Comirnaty","lot":"PF1","date":"2021-11-30","dose":1,"totalDoses":2,"centre":"Galle"}}]}`
		if status, answer, err := p.server.Do(http.MethodPost, "/api/v1/events", token, body); err != nil || status != 200 || strings.Contains(answer, `"refused"`) {
			t.Fatalf("issuing: %d %s %v", status, answer, err)
		}
	}
	p.Tell(oidc.Claims{"account": oidc.Claims{"sub": "psut-1", "individual_id": "198711200015", "birthdate": "1987-04-21", "phone_number": "+94712345678", "phone_number_verified": true}})
	first := p.get("/my?lang=en")
	list := p.get(p.link(first, "identity"))
	if list.status != 200 || list.at != "/my/certificates" || !strings.Contains(list.body, "Nimali Perera") || strings.Contains(list.body, "Kamal") || !strings.Contains(list.body, "K. P.") {
		t.Fatalf("%d at %s: %.4000s", list.status, list.at, list.body)
	}
	// What it holds is theirs now; the family's asks for its own date.
	mine := regexp.MustCompile(`/my/certificates/([0-9A-Z]{24})`).FindAllStringSubmatch(list.body, -1)
	open := 0
	for _, c := range mine {
		if r := p.get(c[0] + "/pdf"); r.status == 200 && strings.HasPrefix(r.body, "%PDF") {
			open++
		}
	}
	if len(mine) != 2 || open != 1 {
		t.Errorf("%d of %d are open", open, len(mine))
	}
	// The language of messages.
	if r := p.post("/my/language", url.Values{"language": {"ta"}}); r.status != 200 || !strings.Contains(r.body, `value="ta" checked`) {
		t.Errorf("choosing a language: %d %.3000s", r.status, r.body)
	}
	// Out here, and there.
	left := p.post("/my/leave", nil)
	if back := p.confirm(p.get(p.link(left, "identity-left"))); back.at != citizen.OutPath {
		t.Errorf("after signing out there: %d at %s", back.status, back.at)
	}
	if r := p.get("/my/certificates"); r.at != "/my" {
		t.Errorf("after leaving: at %s", r.at)
	}
	// The keys that are published are those that the command prints.
	printed := program.Must(t, "keys", "client", "--data", p.data)
	published := p.get(citizen.KeysPath)
	var a, b any
	if json.Unmarshal([]byte(printed), &a) != nil || json.Unmarshal([]byte(published.body), &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) || strings.Contains(printed, `"d"`) {
		t.Errorf("published %s, printed %s", published.body, printed)
	}
	for _, lie := range []string{"aud", "iss", "nonce", "key", "none"} {
		p.Tell(oidc.Claims{"lie": lie})
		p.newBrowser()
		if r := p.get(citizen.IdentityPath); r.status != 403 || r.at != citizen.ReturnPath {
			t.Errorf("another %s: %d at %s", lie, r.status, r.at)
		}
		if r := p.get("/my/certificates"); r.at != "/my" {
			t.Errorf("another %s: is signed in", lie)
		}
	}
	for _, secret := range []string{"Nimali", "198711200015", "871120015V", "1987-04-21", "0712345678", "94712345678", "psut-1"} {
		if strings.Contains(p.server.Log(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if out := program.Must(t, "fsck", "--data", p.data); strings.Contains(out, "wrong") {
		t.Errorf("fsck: %s", out)
	}
}
