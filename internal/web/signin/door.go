// Package signin is how staff come in: the pages /sign-in and /account, the
// cookies that say who is signed in, and what other pages for staff ask about
// that ([Door.Caller], [Door.SignIn], [Door.Fresh]).
//
// Every page works without scripts but what passkeys need. A cookie is random,
// new at each sign-in, and never read by the API, so that no other site can act
// in somebody's name.
package signin

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// The paths of the pages.
const (
	Path        = "/sign-in"
	AgainPath   = "/sign-in/again"
	AccountPath = "/account"
	OutPath     = "/sign-out"
)

// Options are what a Door needs.
type Options struct {
	Staff    *staff.Service
	Provider *staff.Provider // the country's identity provider; nil for none
	Secure   bool            // the pages are reached by https
	// Limit counts a request of a network that tries to come in; the error is
	// [vaccination.TooMany]. It slows down and never locks an address out.
	Limit func(*http.Request) error
	// Told counts, in the same way, what the provider tells of who signed out there.
	Told func(*http.Request) error
	// Left is told who signs out, before they are; nil tells nobody.
	Left func(context.Context, access.Caller) error
	Log  *slog.Logger
}

// Door says who is signed in. It is safe for concurrent use.
type Door struct {
	Options
	frame *page.Frame
}

// New returns the door; [Door.Register] adds its pages.
func New(o Options) *Door { return &Door{Options: o} }

// remembered is who a request comes from, once that was looked up.
type remembered struct {
	once    sync.Once
	session staff.Session
	err     error
}

type memoryKey struct{}

// Remember lets one request ask only once who it comes from. It is the outermost
// handler.
func (d *Door) Remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), memoryKey{}, &remembered{})))
	})
}

// Session is who is signed in at the browser of r, or [vaccination.Unauthorized].
func (d *Door) Session(r *http.Request) (staff.Session, error) {
	look := func() (staff.Session, error) {
		return d.Staff.Session(r.Context(), d.cookie(r, sessionCookie))
	}
	m, ok := r.Context().Value(memoryKey{}).(*remembered)
	if !ok {
		return look()
	}
	m.once.Do(func() { m.session, m.err = look() })
	return m.session, m.err
}

// Caller is who is signed in at the browser of r, in terms of the law, or
// [vaccination.Unauthorized].
func (d *Door) Caller(r *http.Request) (access.Caller, error) {
	at, err := d.Session(r)
	if err != nil {
		return access.Caller{}, err
	}
	return at.Member.Caller(), nil
}

// Fresh says whether who is signed in proved within minutes who they are. It is
// asked before many certificates are withdrawn, before keys and before roles; if
// not, [Door.Again].
func (d *Door) Fresh(r *http.Request) bool {
	at, err := d.Session(r)
	return err == nil && at.Fresh()
}

// SignIn sends a browser to sign in and back to this page.
func (d *Door) SignIn(w http.ResponseWriter, r *http.Request) { d.send(w, r, Path) }

// Again sends a browser to prove once more who uses it, and back to this page.
func (d *Door) Again(w http.ResponseWriter, r *http.Request) { d.send(w, r, AgainPath) }

func (d *Door) send(w http.ResponseWriter, r *http.Request, to string) {
	back := r.URL.RequestURI()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		back = "" // what was sent is gone; the page it came from is not known for sure
		if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host {
			back = from.RequestURI()
		}
	}
	if back = local(back); back != "" && back != "/" {
		to += "?" + url.Values{"to": {back}}.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// local is a path of ours that a page may send a browser to, "" for anything
// else: another host must not be reached through an address of ours.
func local(to string) string {
	if !strings.HasPrefix(to, "/") || len(to) > 2000 || strings.ContainsAny(to, "\\\x00\r\n\t") {
		return ""
	}
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(to, "//") || strings.HasPrefix(u.Path, "//") {
		return ""
	}
	for _, own := range []string{Path, OutPath} { // not round and round
		if u.Path == own || strings.HasPrefix(u.Path, own+"/") {
			return ""
		}
	}
	return u.RequestURI()
}

// home is where somebody begins who asked for no page.
func home(r access.Role) string {
	switch {
	case staff.AtFacility(r):
		return "/desk"
	case r == access.Auditor:
		return "/admin/audit"
	}
	return "/admin"
}

// Signed is [page.Options.Staff]: who is signed in, for the frame.
func (d *Door) Signed(r *http.Request) (page.Staff, bool) {
	if d.cookie(r, sessionCookie) == "" {
		return page.Staff{}, false
	}
	at, err := d.Session(r)
	if err != nil {
		return page.Staff{}, false
	}
	by := at.Member.Caller()
	return page.Staff{
		Name: at.Member.Name, Role: string(by.Role), Facility: by.Facility,
		Desk:  by.Can(access.SearchPeople) == nil,
		Admin: by.Can(access.ManageStaff) == nil || by.Can(access.ManageProgrammes) == nil,
		Audit: by.Can(access.ReadAudit) == nil,
	}, true
}

// The cookies: who is signed in, and what was begun.
const (
	sessionCookie = "staff"
	stepCookie    = "staff-step"
)

// cookieName has the prefix by which a browser takes it from this very host over
// https only. Over http, in a demonstration on one's own machine, there is none.
func (d *Door) cookieName(name string) string {
	if d.Secure {
		return "__Host-" + name
	}
	return name
}

// cookie is the value of a cookie; one that was sent twice is none.
func (d *Door) cookie(r *http.Request, name string) string {
	all := r.CookiesNamed(d.cookieName(name))
	if len(all) != 1 {
		return ""
	}
	return all[0].Value
}

// keep gives the browser a cookie, for as long as it is open where life is 0.
func (d *Door) keep(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: d.cookieName(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: d.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (d *Door) forget(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: d.cookieName(name), Path: "/", MaxAge: -1, Secure: d.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// browser is what the service is told of the browser of r.
func (d *Door) browser(r *http.Request) staff.Browser {
	return staff.Browser{Old: d.cookie(r, sessionCookie), Agent: r.UserAgent()}
}

// stepLife is how long a browser keeps what was begun.
const stepLife = 10 * time.Minute

// in signs a browser in and sends it on.
func (d *Door) in(w http.ResponseWriter, r *http.Request, session, to string) {
	http.Redirect(w, r, d.arrive(w, r, session, to), http.StatusSeeOther)
}

// arrive gives a browser its session and says where it goes next.
func (d *Door) arrive(w http.ResponseWriter, r *http.Request, session, to string) string {
	d.keep(w, sessionCookie, session, 0)
	d.forget(w, stepCookie)
	w.Header().Set("Cache-Control", "no-store")
	if to = local(to); to != "" {
		return to
	}
	if at, err := d.Staff.Session(r.Context(), session); err == nil {
		return home(at.Member.Role)
	}
	return AccountPath
}

// status is how an error of the service is told: an HTTP status and the key of a
// sentence.
func (d *Door) status(err error) (status int, key string) {
	switch vaccination.ErrorCode(err) {
	case vaccination.Forbidden:
		return http.StatusUnprocessableEntity, "signin.fault.wrong"
	case vaccination.TooMany:
		return http.StatusTooManyRequests, "signin.fault.wait"
	case vaccination.NotFound, vaccination.Unauthorized:
		return http.StatusGone, "signin.fault.over"
	case vaccination.Invalid, vaccination.Conflict:
		return http.StatusUnprocessableEntity, "signin.fault.invalid"
	case vaccination.Unavailable:
		return http.StatusServiceUnavailable, "signin.fault.later"
	}
	d.Log.Error("a page of signing in failed", slog.String("error", err.Error()))
	return http.StatusInternalServerError, "signin.fault.later"
}
