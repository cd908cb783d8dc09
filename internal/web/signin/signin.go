package signin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Bounds of what is sent, bytes.
const (
	maxForm = 16 << 10
	maxJSON = 64 << 10
)

// script is the module that passkeys need.
const script = "signin.js"

// Register adds the pages to mux, behind protect against what other sites send.
func (d *Door) Register(mux door.Mux, frame *page.Frame, protect func(http.Handler) http.Handler) {
	d.frame = frame
	add := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, protect(h)) }
	add("GET "+Path, func(w http.ResponseWriter, r *http.Request) { d.choose(w, r, http.StatusOK, "", "") })
	add("POST "+Path, d.form(d.password))
	add("GET "+Path+"/code", d.codePage)
	add("POST "+Path+"/code", d.form(d.code))
	add("GET "+Path+"/recovery", func(w http.ResponseWriter, r *http.Request) { d.recoveryPage(w, r, http.StatusOK, "", "") })
	add("POST "+Path+"/recovery", d.form(d.recover))
	add("POST "+Path+"/passkey/options", d.limited(d.passkeyOptions))
	add("POST "+Path+"/passkey", d.limited(d.passkey))
	add("GET "+AgainPath, d.signed(func(w http.ResponseWriter, r *http.Request, at staff.Session) {
		d.againPage(w, r, at, http.StatusOK, "")
	}))
	add("POST "+AgainPath, d.form(func(w http.ResponseWriter, r *http.Request) { d.signed(d.again)(w, r) }))
	add("GET "+staff.LinkPath+"{link}", d.invitation)
	add("POST "+staff.LinkPath+"{link}", d.form(d.accept))
	add("POST "+staff.LinkPath+"{link}/passkey/options", d.limited(d.firstPasskeyOptions))
	add("POST "+staff.LinkPath+"{link}/passkey", d.limited(d.firstPasskey))
	add("POST "+OutPath, d.signOut)
	d.account(add)
	if d.Provider != nil {
		d.abroad(add)
	}
	if d.Staff.Demo {
		add("POST "+Path+"/demo", d.form(d.demo))
	}
}

// limited lets through what came not too often.
func (d *Door) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := d.Limit(r); err != nil {
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Cache-Control", "no-store")
			d.frame.Error(w, r, http.StatusTooManyRequests)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxJSON)
		next(w, r)
	}
}

// form reads a form that came not too often.
func (d *Door) form(next http.HandlerFunc) http.HandlerFunc {
	return d.limited(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			d.frame.Error(w, r, http.StatusRequestEntityTooLarge)
			return
		}
		next(w, r)
	})
}

// signed lets through who is signed in; others are sent to sign in.
func (d *Door) signed(next func(http.ResponseWriter, *http.Request, staff.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at, err := d.Session(r)
		switch vaccination.ErrorCode(err) {
		case "":
			next(w, r, at)
		case vaccination.Unauthorized:
			d.SignIn(w, r)
		default:
			status, _ := d.status(err)
			d.frame.Error(w, r, status)
		}
	}
}

// to is where a form or an address says that the browser goes next.
func to(r *http.Request) string {
	if r.Method == http.MethodPost {
		return local(r.PostForm.Get("to"))
	}
	return local(r.URL.Query().Get("to"))
}

// with is a path with where to go next.
func with(path, to string) string {
	if to == "" {
		return path
	}
	return path + "?" + url.Values{"to": {to}}.Encode()
}

// write answers with a page. fault is the key of what is wrong with field, "" for
// nothing.
func (d *Door) write(w http.ResponseWriter, r *http.Request, status int, title, field, fault string, body func(page.View, []page.Fault) templ.Component) {
	l := d.frame.Locale(r)
	var faults []page.Fault
	if fault != "" {
		faults = []page.Fault{{Field: field, Message: l.T(fault)}}
	}
	d.show(w, r, status, l.T(title), faults, body)
}

func (d *Door) show(w http.ResponseWriter, r *http.Request, status int, title string, faults []page.Fault, body func(page.View, []page.Fault) templ.Component) {
	if after := door.RetryAfter(status); after != "" {
		w.Header().Set("Retry-After", after)
	}
	module := "" // what it would show stays hidden without it
	if d.Staff.HasPasskeys() {
		module = script
	}
	d.frame.Write(w, r, page.Page{Status: status, Title: title, Faulty: len(faults) > 0, Personal: true, Script: module,
		Body: func(v page.View) templ.Component { return body(v, faults) }})
}

// choice is the first page.
type choice struct {
	To, Login string
	Provider  string // its name, "" for none
	WentBack  bool   // they were sent there, and came back without signing in
	Demo      []staff.Member
}

func (d *Door) choose(w http.ResponseWriter, r *http.Request, status int, login, fault string) {
	d.choosing(w, r, status, choice{To: to(r), Login: login}, "login", fault)
}

// choosing shows the first page, with what is wrong with a field of it.
func (d *Door) choosing(w http.ResponseWriter, r *http.Request, status int, c choice, field, fault string) {
	if d.Provider != nil {
		c.Provider = d.Provider.Name(d.frame.Locale(r).Tag)
	}
	var err error
	if c.Demo, err = d.Staff.DemoMembers(r.Context()); err != nil {
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
		return
	}
	d.write(w, r, status, "signin.title", field, fault, func(v page.View, f []page.Fault) templ.Component { return choosePage(v, c, f) })
}

func (d *Door) password(w http.ResponseWriter, r *http.Request) {
	login := r.PostForm.Get("login")
	step, err := d.Staff.Password(r.Context(), login, r.PostForm.Get("password"))
	if err != nil {
		status, key := d.status(err)
		d.choose(w, r, status, login, key)
		return
	}
	d.keep(w, stepCookie, step, stepLife)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, with(Path+"/code", to(r)), http.StatusSeeOther)
}

func (d *Door) codePage(w http.ResponseWriter, r *http.Request) { d.askCode(w, r, http.StatusOK, "") }

func (d *Door) askCode(w http.ResponseWriter, r *http.Request, status int, fault string) {
	next := to(r)
	d.write(w, r, status, "signin.code.title", "code", fault, func(v page.View, f []page.Fault) templ.Component { return codePage(v, next, f) })
}

func (d *Door) code(w http.ResponseWriter, r *http.Request) {
	session, err := d.Staff.Code(r.Context(), d.cookie(r, stepCookie), r.PostForm.Get("code"), d.browser(r))
	if err != nil {
		status, key := d.status(err)
		if status == http.StatusGone {
			d.choose(w, r, status, "", key)
			return
		}
		if key == "signin.fault.wrong" {
			key = "signin.fault.code"
		}
		d.askCode(w, r, status, key)
		return
	}
	d.in(w, r, session, to(r))
}

func (d *Door) recoveryPage(w http.ResponseWriter, r *http.Request, status int, login, fault string) {
	next := to(r)
	d.write(w, r, status, "signin.recovery.title", "login", fault, func(v page.View, f []page.Fault) templ.Component {
		return recoveryPage(v, login, next, f)
	})
}

func (d *Door) recover(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	session, err := d.Staff.Recover(r.Context(), f.Get("login"), f.Get("password"), f.Get("code"), d.browser(r))
	if err != nil {
		status, key := d.status(err)
		d.recoveryPage(w, r, status, f.Get("login"), key)
		return
	}
	d.in(w, r, session, to(r))
}

func (d *Door) againPage(w http.ResponseWriter, r *http.Request, at staff.Session, status int, fault string) {
	q := again{To: to(r), Local: at.Member.Origin == staff.Local, Demo: at.Member.Origin == staff.OfDemo, Role: string(at.Member.Role)}
	d.write(w, r, status, "signin.again.title", "password", fault, func(v page.View, f []page.Fault) templ.Component { return againPage(v, q, f) })
}

// again is what the page that asks for another proof shows.
type again struct {
	To, Role    string
	Local, Demo bool
}

func (d *Door) again(w http.ResponseWriter, r *http.Request, at staff.Session) {
	session, err := d.Staff.Again(r.Context(), d.cookie(r, sessionCookie), r.PostForm.Get("password"), r.PostForm.Get("code"))
	if err != nil {
		status, key := d.status(err)
		d.againPage(w, r, at, status, key)
		return
	}
	next := to(r)
	if next == "" {
		next = AccountPath
	}
	d.in(w, r, session, next)
}

func (d *Door) demo(w http.ResponseWriter, r *http.Request) {
	session, err := d.Staff.SignInDemo(r.Context(), access.Role(r.PostForm.Get("role")), d.browser(r))
	if err != nil {
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
		return
	}
	d.in(w, r, session, to(r))
}

func (d *Door) signOut(w http.ResponseWriter, r *http.Request) {
	if at, err := d.Session(r); err == nil && d.Left != nil {
		if err := d.Left(r.Context(), at.Member.Caller()); err != nil {
			status, _ := d.status(err)
			d.frame.Error(w, r, status)
			return
		}
	}
	idToken, err := d.Staff.SignOut(r.Context(), d.cookie(r, sessionCookie))
	if err != nil {
		status, _ := d.status(err)
		d.frame.Error(w, r, status)
		return
	}
	d.forget(w, sessionCookie)
	d.forget(w, stepCookie)
	abroad := ""
	if d.Provider != nil && idToken != "" {
		// By a header and not by a redirect: a form of ours leads nowhere else.
		if abroad = d.Staff.SignOutURL(r.Context(), d.Provider, idToken); abroad != "" {
			w.Header().Set("Refresh", "0; url="+abroad)
		}
	}
	r.Header.Del("Cookie") // nobody is signed in on the page that follows
	d.write(w, r, http.StatusOK, "signin.out.title", "", "", func(v page.View, _ []page.Fault) templ.Component { return outPage(v, abroad) })
}

// Faults of the service, in the page's language.
func faultsOf(l *locale.Locale, err error) []page.Fault {
	var e *vaccination.Error
	if !errors.As(err, &e) {
		return nil
	}
	var out []page.Fault
	for _, f := range e.Faults {
		out = append(out, page.Fault{Field: f.Path, Message: l.T("signin.fault." + f.Path + "." + f.Code)})
	}
	return out
}
