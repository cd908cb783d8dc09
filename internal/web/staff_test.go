package web

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // as authenticator apps do it
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/vaccination"
)

// colleague is a member of staff of a world, with an app on their telephone.
type colleague struct {
	id      int64
	login   string
	totp    []byte
	session string
}

const colleaguePassword = "copper lantern swims north"

// code is what the app shows.
func (c *colleague) code(now time.Time) string {
	h := hmac.New(sha1.New, c.totp)
	_ = binary.Write(h, binary.BigEndian, now.Unix()/30)
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// colleague makes an account and signs it in. facility is for the roles at one.
func (w *world) colleague(login string, role access.Role, facility string) *colleague {
	w.t.Helper()
	c := &colleague{login: login}
	id, link, err := w.staff.Invite(w.t.Context(), access.System("test"), staff.Invitee{Name: "Ann Brown", Login: login, Role: role, Facility: facility})
	if err != nil {
		w.t.Fatal(err)
	}
	c.id = id
	c.totp = must(w.staff.Invitation(w.t.Context(), link))(w.t).TOTP
	if c.session, _, err = w.staff.Accept(w.t.Context(), link, colleaguePassword, c.code(w.now), staff.Browser{}); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// own is a token of a new colleague's own, for what takes two people.
func (w *world) own(login string) string {
	w.t.Helper()
	by := access.Caller{Actor: staff.Actor(w.colleague(login, access.SystemAdmin, "").id), Role: access.SystemAdmin}
	return must(w.tokens.Create(w.t.Context(), by, access.NewToken{Role: access.SystemAdmin, Name: login, For: time.Hour}))(w.t)
}

// awake signs a colleague in again whose session ended.
func (w *world) awake(c *colleague) *colleague {
	w.t.Helper()
	if _, err := w.staff.Session(w.t.Context(), c.session); err == nil {
		return c
	}
	w.now = w.now.Add(time.Minute) // another code
	step := must(w.staff.Password(w.t.Context(), c.login, colleaguePassword))(w.t)
	c.session = must(w.staff.Code(w.t.Context(), step, c.code(w.now), staff.Browser{}))(w.t)
	return c
}

// cookie is the header by which a browser says who is signed in.
func (c *colleague) cookie() []string { return []string{"Cookie", "__Host-staff=" + c.session} }

// page asks for a page as a browser does, without following where it leads.
// form is sent as a form where it is not "".
func (w *world) page(c *colleague, method, path, form string, headers ...string) reply {
	w.t.Helper()
	if c != nil {
		headers = append(headers, c.cookie()...)
	}
	if method == http.MethodPost {
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	}
	client := *w.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	was := w.client
	w.client = &client
	defer func() { w.client = was }()
	var body any
	if method == http.MethodPost {
		body = form
	}
	return w.askAs("", method, path, body, headers...)
}

func TestSigningInByPages(t *testing.T) {
	w := newWorld(t, "jamaica")
	c := w.colleague("ann", access.FacilityStaff, "KGN-1")
	w.now = w.now.Add(time.Minute)
	cookieOf := func(r reply, name string) string {
		t.Helper()
		for _, set := range r.header.Values("Set-Cookie") {
			if value, ok := strings.CutPrefix(set, "__Host-"+name+"="); ok {
				for _, must := range []string{"; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
					if !strings.Contains(value, must) {
						t.Errorf("cookie %s without %s: %s", name, must, set)
					}
				}
				value, _, _ = strings.Cut(value, ";")
				return value
			}
		}
		return ""
	}
	const right = "login=ann&password=copper+lantern+swims+north&to="
	r := w.page(nil, "POST", "/sign-in", right+"%2Fdesk").is(t, 303)
	step := cookieOf(r, "staff-step")
	if r.header.Get("Location") != "/sign-in/code?to=%2Fdesk" || step == "" || cookieOf(r, "staff") != "" {
		t.Errorf("after the password: %v", r.header)
	}
	// A session that somebody planted in the browser is not the one that is signed in.
	r = w.page(nil, "POST", "/sign-in/code", "to=%2Fdesk&code="+c.code(w.now), "Cookie", "__Host-staff=planted; __Host-staff-step="+step).is(t, 303)
	session := cookieOf(r, "staff")
	if r.header.Get("Location") != "/desk" || session == "" || session == "planted" || session == c.session {
		t.Errorf("after the code: %v", r.header)
	}
	at := &colleague{session: session}
	if r := w.page(at, "GET", "/account", "").is(t, 200); !strings.Contains(r.body, "Ann Brown") || !strings.Contains(r.body, "Facility staff") || !strings.Contains(r.body, "KGN-1") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("account: %v", r.header)
	}
	// Two cookies of the name are none; nor does the API know any.
	w.page(nil, "GET", "/account", "", "Cookie", "__Host-staff="+session+"; __Host-staff=other").is(t, 303)
	w.page(nil, "GET", "/account", "", "Cookie", "staff="+session).is(t, 303)
	w.page(at, "GET", "/api/v1/uploads", "").is(t, 401)

	// What another site sends is refused, and changes nothing.
	for _, path := range []string{"/sign-out", "/account/sessions", "/sign-in", "/account/recovery", "/sign-in/passkey", "/sign-in/again"} {
		w.page(at, "POST", path, right, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.org").is(t, 403)
		w.page(at, "POST", path, right, "Origin", "https://evil.example.org").is(t, 403)
	}
	w.page(at, "GET", "/account", "").is(t, 200)
	w.page(at, "POST", "/sign-out", "").is(t, 200)
	if r := w.page(at, "GET", "/account?x=1", "").is(t, 303); r.header.Get("Location") != "/sign-in?to=%2Faccount%3Fx%3D1" {
		t.Errorf("after signing out: %v", r.header)
	}
	w.page(at, "POST", "/sign-in/demo", "role=system-admin").is(t, 404) // no such page outside a demonstration

	// Nothing personal in the log.
	for _, secret := range []string{"Ann Brown", "copper", session, step, c.code(w.now), "login=ann"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log holds %.20q", secret)
		}
	}
}

// After a sign-in a browser goes nowhere but to a page of ours.
func TestWhereASignInLeads(t *testing.T) {
	w := newWorld(t, "jamaica")
	c := w.colleague("ann", access.SystemAdmin, "")
	for to, want := range map[string]string{
		"/admin/sources?x=1": "/admin/sources?x=1", "": "/admin", "https://evil.example.org": "/admin", "//evil.example.org": "/admin", "/\\evil.example.org": "/admin",
		"/%2F/evil": "/admin", "\\\\evil": "/admin", "javascript:alert(1)": "/admin", "/sign-out": "/admin", "/sign-in/again": "/admin", "http:evil": "/admin", "/a\nb": "/admin", "///evil": "/admin",
	} {
		w.now = w.now.Add(time.Minute)
		step := must(w.staff.Password(t.Context(), "ann", colleaguePassword))(t)
		r := w.page(nil, "POST", "/sign-in/code", "code="+c.code(w.now)+"&to="+strings.NewReplacer("%", "%25", "&", "%26", "\n", "%0A", "+", "%2B").Replace(to), "Cookie", "__Host-staff-step="+step)
		if got := r.header.Get("Location"); r.status != 303 || got != want {
			t.Errorf("to %q: %d %q", to, r.status, got)
		}
	}
}

func TestPagesTellNoNames(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.colleague("ann", access.Auditor, "")
	for range 7 {
		known := w.page(nil, "POST", "/sign-in", "password=wrong+wrong+wrong&login=ann")
		unknown := w.page(nil, "POST", "/sign-in", "password=wrong+wrong+wrong&login=bob")
		if known.status != unknown.status || known.body != strings.ReplaceAll(unknown.body, `value="bob"`, `value="ann"`) || len(known.header) != len(unknown.header) {
			t.Errorf("%d and %d, or other pages", known.status, unknown.status)
		}
		w.now = w.now.Add(time.Second)
	}
}

func TestATokenForAProgramme(t *testing.T) {
	w := newWorld(t, "jamaica")
	programmes := w.service.Profile.ProgrammeKeys()
	w.report("/api/v1/events", event("OWN"))
	id := into[struct{ Certificates []shown }](t, w.ask(http.MethodPost, "/api/v1/certificates/search", m{"enrolmentCode": "OWN"})).Certificates[0].ID
	of := map[bool]string{}
	for _, same := range []bool{true, false} {
		programme := w.service.Profile.DefaultProgramme
		if !same {
			programme = "another"
		}
		of[same] = w.newToken(access.NewToken{Role: access.SourceRole, Source: "check", Programme: programme, For: time.Hour})
	}
	for path, want := range map[string][2]int{ // of its programme, of another
		"GET /api/v1/certificates/" + id: {200, 404}, "GET /api/v1/certificates/" + id + "/pdf": {200, 404}, "GET /divoc/api/v1/certificates/OWN": {200, 404},
		"GET /api/v1/uploads": {403, 403}, "GET /divoc/api/v1/certificates": {403, 403},
	} {
		method, path, _ := strings.Cut(path, " ")
		for i, same := range []bool{true, false} {
			if got := w.askAs(of[same], method, path, nil); got.status != want[i] {
				t.Errorf("%s by a token of programme %t: %d %.200s", path, same, got.status, got.body)
			}
		}
	}
	if got := w.askAs(of[true], http.MethodPost, "/api/v1/events", events(event("NEW"))); got.status != 200 {
		t.Errorf("its own programme (%v): %d %.300s", programmes, got.status, got.body)
	}
	if got := w.askAs(of[false], http.MethodPost, "/api/v1/events", events(event("NEW 2"))); got.status != 403 {
		t.Errorf("another programme: %d %.300s", got.status, got.body)
	}
	for name, n := range map[string]access.NewToken{
		"an administrator for a programme": {Role: access.SystemAdmin, Programme: "x", For: time.Hour}, "a desk without a facility": {Role: access.FacilityStaff, For: time.Hour},
		"a source with a facility": {Role: access.SourceRole, Source: "check", Facility: "X", For: time.Hour},
	} {
		if _, err := w.tokens.Create(t.Context(), access.System("test"), n); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
