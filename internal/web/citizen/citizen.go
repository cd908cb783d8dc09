// Package citizen is the citizens' portal, /my: a telephone number, a code, the
// certificates that are kept under it, and everything a person does with one.
// Each step is a page of its own and works without scripts. Codes and what a
// person answers stand in forms, never in addresses, and what is shown is kept in
// no cache.
package citizen

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// The paths of the portal.
const (
	Path       = "/my"
	codePath   = Path + "/code"
	listPath   = Path + "/certificates"
	helpPath   = Path + "/help"
	followPath = Path + "/follow"
	leftPath   = Path + "/left"

	languagePath = Path + "/language"

	reportPath  = Path + "/report"
	reportsPath = Path + "/reports"
)

// maxForm bounds the body of a form without a picture, bytes.
const maxForm = 16 << 10

// Options are what the portal needs.
type Options struct {
	Frame    *page.Frame
	Citizens *who.Service
	Issuance *issuance.Service
	OnDemand *ondemand.Service
	Printer  *printer.Printer
	Profile  *profile.Profile
	Print    string // where a printed page finds its style
	// Limit counts a request of a network; the error is [vaccination.TooMany].
	Limit func(r *http.Request) error
	// Cases keeps what people report; nil where nothing can be reported.
	Cases *casework.Service
	// Mail queues a message with a link to this portal; nil where none is sent.
	Mail func(ctx context.Context, address, language string) error
	// Own answers a form of this site alone.
	Own func(http.Handler) http.Handler
	// Secure says that the site is reached by https, which browsers ask of cookies
	// that no other site can set.
	Secure bool
	Log    *slog.Logger
}

type handler struct{ Options }

// Register adds the portal to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	get := func(path string, f http.HandlerFunc) { mux.Handle("GET "+path, f) }
	post := func(path string, f http.HandlerFunc) { mux.Handle("POST "+path, o.Own(h.limited(f))) }
	get(Path, h.start)
	post(Path, h.send)
	get(codePath, h.code)
	post(codePath, h.prove)
	post(Path+"/again", h.again)
	get(helpPath, h.help)
	get(followPath, h.follow)
	post(followPath, h.followed)
	post(Path+"/later", h.later)
	get(leftPath, h.left)
	post(Path+"/leave", h.leave)
	get(who.IdentityPath, h.beginIdentity)
	get(who.ReturnPath, h.endIdentity)
	post(who.EndedPath, h.endedIdentity)
	get(who.KeysPath, h.identityKeys)
	post(languagePath, h.signed(h.language))
	get(listPath, h.signed(h.list))
	get(listPath+"/{id}", h.signed(h.certificate))
	post(listPath+"/{id}", h.signed(h.open))
	get(listPath+"/{id}/pdf", h.signed(h.pdf))
	get(listPath+"/{id}/print", h.signed(h.print))
	get(listPath+"/{id}/qr.png", h.signed(h.qr))
	get(listPath+"/{id}/exports/{format}", h.signed(h.export))
	get(listPath+"/{id}/exports/{format}/qr.png", h.signed(h.exportCode))
	get(listPath+"/{id}/exports/icvp/pdf", h.signed(h.icvp))
	post(listPath+"/{id}/send", h.signed(h.mail))
	get(reportPath, h.howToReport)
	get(listPath+"/{id}/report", h.signed(h.report))
	post(listPath+"/{id}/report", h.signed(h.reported))
	get(reportsPath, h.signed(h.reports))
	post(reportsPath+"/{ticket}/withdraw", h.signed(h.withdraw))
	mux.HandleFunc(Path+"/", func(w http.ResponseWriter, r *http.Request) {
		// A form's address that was typed or whose language was changed.
		if r.Method == http.MethodGet && slices.Contains([]string{Path + "/again", Path + "/leave", Path + "/later", languagePath}, r.URL.Path) {
			http.Redirect(w, r, withLanguage(r, Path), http.StatusSeeOther)
			return
		}
		o.Frame.Error(w, r, http.StatusNotFound)
	})
}

// withLanguage keeps the language that was chosen in the address.
func withLanguage(r *http.Request, path string) string {
	if lang := r.URL.Query().Get("lang"); lang != "" {
		return path + "?" + url.Values{"lang": {lang}}.Encode()
	}
	return path
}

func (h *handler) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.Limit(r); err != nil {
			h.write(w, r, http.StatusTooManyRequests, h.text(r, "my.title"), func(v page.View) templ.Component {
				return sorryPage(v, v.T("my.title"), v.T("my.fault.toomany"))
			})
			return
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
			next(w, r) // it reads its body itself
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
			return
		}
		next(w, r)
	}
}

func (h *handler) text(r *http.Request, key string, args ...string) string {
	return h.Frame.Locale(r).T(key, args...)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, title string, body func(page.View) templ.Component, faults ...page.Fault) {
	h.Frame.Write(w, r, page.Page{Status: status, Title: title, Faulty: len(faults) > 0, Personal: true, Body: body})
}

// typed is what was typed on the first page.
type typed struct {
	Number, Email string
	ByEmail       bool
	Example       string
	Text, Mail    bool   // codes can be sent as text messages, by e-mail
	Document      bool   // certificates can be asked for by a document's number
	Identity      string // what the country's identity provider is called; "" for none
	WentBack      bool   // they were sent there, and came back without signing in
}

func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	if _, err := h.Citizens.Session(r.Context(), h.session(r)); err == nil {
		http.Redirect(w, r, withLanguage(r, listPath), http.StatusSeeOther)
		return
	}
	h.ask(w, r, http.StatusOK, typed{ByEmail: r.URL.Query().Get("by") == "email"})
}

func (h *handler) ask(w http.ResponseWriter, r *http.Request, status int, in typed, faults ...page.Fault) {
	var err error
	if in.Text, in.Mail, err = h.Citizens.Ways(r.Context()); err != nil {
		h.fail(w, r, err)
		return
	}
	if in.Document, err = h.OnDemand.CanSend(r.Context()); err != nil {
		h.fail(w, r, err)
		return
	}
	in.Identity = h.Citizens.IdentityName(h.Frame.Locale(r).Tag)
	if !in.Text && !in.Mail && in.Identity != "" {
		h.write(w, r, status, h.text(r, "my.title"), func(v page.View) templ.Component { return identityPage(v, in, faults) }, faults...)
		return
	}
	if !in.Text && !in.Mail {
		h.write(w, r, http.StatusServiceUnavailable, h.text(r, "my.closed.title"), func(v page.View) templ.Component { return Closed(v, in.Document) })
		return
	}
	// A link to the way that is not there may be old.
	in.ByEmail = in.Mail && (in.ByEmail || !in.Text)
	in.Example = h.Profile.PhoneRules.Example
	h.write(w, r, status, h.text(r, "my.title"), func(v page.View) templ.Component { return numberPage(v, in, faults) }, faults...)
}

func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	in := typed{Number: r.PostForm.Get("number"), Email: r.PostForm.Get("email"), ByEmail: r.PostForm.Get("by") == "email"}
	if in.ByEmail && strings.TrimSpace(in.Email) == "" {
		h.ask(w, r, http.StatusUnprocessableEntity, in, page.Fault{Field: "email", Message: h.text(r, "my.fault.email")})
		return
	}
	h.sendTo(w, r, in)
}

// sendTo asks for a code and goes on to the page where it is typed.
func (h *handler) sendTo(w http.ResponseWriter, r *http.Request, in typed) {
	if !in.ByEmail {
		in.Email = ""
	}
	secret, err := h.Citizens.Start(r.Context(), who.Ask{Number: in.Number, Email: in.Email, Language: h.Frame.Locale(r).Tag, Network: network(r)}, h.challenge(r))
	if err != nil {
		status, fault := h.told(r, err, in)
		h.ask(w, r, status, in, fault)
		return
	}
	h.set(w, challengeCookie, secret)
	http.Redirect(w, r, codePath, http.StatusSeeOther)
}

// network is where a request comes from; the zero value where that is not known.
func network(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a unix socket
	}
	return at.Addr()
}

// told is how an error of asking for a code is told.
func (h *handler) told(r *http.Request, err error, in typed) (int, page.Fault) {
	var often *budget.Often
	switch {
	case errors.As(err, &often):
		return http.StatusTooManyRequests, page.Fault{Field: "number", Message: h.text(r, "my.fault.often", "minutes", strconv.Itoa(int(math.Ceil(often.Wait.Minutes()))))}
	case vaccination.ErrorCode(err) == vaccination.TooMany:
		return http.StatusTooManyRequests, page.Fault{Field: "number", Message: h.text(r, "my.fault.toomany")}
	case vaccination.ErrorCode(err) == vaccination.Invalid:
		if _, phone := h.Profile.Phone(in.Number); phone == nil && in.ByEmail {
			return http.StatusUnprocessableEntity, page.Fault{Field: "email", Message: h.text(r, "my.fault.email")}
		}
		return http.StatusUnprocessableEntity, page.Fault{Field: "number", Message: h.text(r, "my.fault.number", "example", h.Profile.PhoneRules.Example)}
	case vaccination.ErrorCode(err) != vaccination.Unavailable:
		h.Log.Error("a code was not sent", slog.String("error", err.Error()))
	}
	return http.StatusServiceUnavailable, page.Fault{Message: h.text(r, "my.fault.unavailable")}
}

// pending is what the page for the code shows.
type pending struct {
	End, Specimen string
	Email         bool
}

func (h *handler) code(w http.ResponseWriter, r *http.Request) { h.codeForm(w, r, http.StatusOK) }

func (h *handler) codeForm(w http.ResponseWriter, r *http.Request, status int, faults ...page.Fault) {
	p, err := h.Citizens.Asked(r.Context(), h.challenge(r))
	if err != nil {
		h.again0(w, r, err)
		return
	}
	in := pending{End: p.Number[len(p.Number)-4:], Specimen: p.Specimen, Email: p.Email != ""}
	h.write(w, r, status, h.text(r, "my.code.title"), func(v page.View) templ.Component { return codePage(v, in, faults) }, faults...)
}

// again0 shows the first page to who has no code any more.
func (h *handler) again0(w http.ResponseWriter, r *http.Request, err error) {
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		h.ask(w, r, http.StatusUnprocessableEntity, typed{}, page.Fault{Field: "number", Message: h.text(r, "my.fault.ended")})
		return
	}
	h.fail(w, r, err)
}

func (h *handler) prove(w http.ResponseWriter, r *http.Request) {
	secret := h.challenge(r)
	session, err := h.Citizens.Prove(r.Context(), secret, r.PostForm.Get("code"), h.session(r))
	switch vaccination.ErrorCode(err) {
	case "":
	case vaccination.Forbidden:
		p, err := h.Citizens.Asked(r.Context(), secret)
		if err != nil {
			h.again0(w, r, err)
			return
		}
		message := h.text(r, "my.fault.code", "left", strconv.Itoa(p.Left))
		if p.Left == 1 {
			message = h.text(r, "my.fault.last")
		}
		h.codeForm(w, r, http.StatusUnprocessableEntity, page.Fault{Field: "code", Message: message})
		return
	default:
		h.again0(w, r, err)
		return
	}
	h.clear(w, challengeCookie)
	h.set(w, sessionCookie, session)
	http.Redirect(w, r, listPath, http.StatusSeeOther)
}

// again sends another code to where the last one went.
func (h *handler) again(w http.ResponseWriter, r *http.Request) {
	p, err := h.Citizens.Asked(r.Context(), h.challenge(r))
	if err != nil {
		h.again0(w, r, err)
		return
	}
	in := typed{Number: p.Number, Email: p.Email, ByEmail: p.Email != ""}
	secret, err := h.Citizens.Start(r.Context(), who.Ask{Number: in.Number, Email: in.Email, Language: h.Frame.Locale(r).Tag, Network: network(r)}, h.challenge(r))
	if err != nil { // the code before still counts
		status, fault := h.told(r, err, in)
		fault.Field = "code"
		h.codeForm(w, r, status, fault)
		return
	}
	h.set(w, challengeCookie, secret)
	http.Redirect(w, r, codePath, http.StatusSeeOther)
}

func (h *handler) help(w http.ResponseWriter, r *http.Request) {
	h.write(w, r, http.StatusOK, h.text(r, "my.help.title"), helpPage)
}

func (h *handler) leave(w http.ResponseWriter, r *http.Request) {
	left := leftPath
	if s, err := h.Citizens.Session(r.Context(), h.session(r)); err == nil && s.Provider {
		left += "?identity"
	}
	if secret := h.session(r); secret != "" {
		if err := h.Citizens.End(r.Context(), secret); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.clear(w, sessionCookie)
	h.clear(w, challengeCookie)
	http.Redirect(w, r, left, http.StatusSeeOther)
}

func (h *handler) left(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Clear-Site-Data", `"cache"`)
	// A cookie of ours says nothing of the provider's own: who shares this browser
	// signs out there too.
	there, name := "", h.Citizens.IdentityName(h.Frame.Locale(r).Tag)
	if name != "" && r.URL.Query().Has("identity") {
		there = h.Citizens.IdentityLeft(r.Context())
	}
	h.write(w, r, http.StatusOK, h.text(r, "my.left.title"), func(v page.View) templ.Component { return leftPage(v, there, name) })
}

// fail answers what went wrong on our side.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, context.Canceled):
		return
	case vaccination.ErrorCode(err) == vaccination.Unavailable || registry.IsDown(err):
		status = http.StatusServiceUnavailable
	case vaccination.ErrorCode(err) == vaccination.NotFound:
		status = http.StatusNotFound
	case vaccination.ErrorCode(err) == vaccination.Forbidden:
		status = http.StatusForbidden
	default:
		h.Log.Error("request failed", slog.String("error", err.Error()))
	}
	h.Frame.Error(w, r, status)
}

// The cookies. Their names are made longer where the site is reached by https.
const (
	sessionCookie   = "my"
	challengeCookie = "my-code"
	awayCookie      = "my-away" // apart from a code, so that neither ends the other
)

func (h *handler) cookie(name string) string {
	if h.Secure {
		return "__Host-" + name
	}
	return name
}

func (h *handler) secret(r *http.Request, name string) string {
	c, err := r.Cookie(h.cookie(name))
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}

func (h *handler) session(r *http.Request) string   { return h.secret(r, sessionCookie) }
func (h *handler) challenge(r *http.Request) string { return h.secret(r, challengeCookie) }

// set gives the browser a secret until it is closed.
func (h *handler) set(w http.ResponseWriter, name, secret string) {
	http.SetCookie(w, &http.Cookie{Name: h.cookie(name), Value: secret, Path: "/", HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode})
}

func (h *handler) clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: h.cookie(name), Path: "/", MaxAge: -1, HttpOnly: true, Secure: h.Secure, SameSite: http.SameSiteLaxMode})
}

// Door lets other pages of this site sign somebody in who proved there who they
// are.
type Door struct{ h *handler }

// Enter begins a session with these people's records opened, and goes to the list
// of their certificates.
func (d Door) Enter(w http.ResponseWriter, r *http.Request, people []who.Person) error {
	secret, err := d.h.Citizens.Grant(r.Context(), d.h.session(r), people)
	if err != nil {
		return err
	}
	d.h.set(w, sessionCookie, secret)
	http.Redirect(w, r, listPath, http.StatusSeeOther)
	return nil
}

// NewDoor returns a Door of a portal with these options.
func NewDoor(o Options) Door { return Door{&handler{o}} }

// year is the year of a dose, all that is shown of it before it is opened.
func year(d vaccination.Date) string {
	if d.IsZero() {
		return ""
	}
	return strconv.Itoa(d.Year)
}

// instant is a moment as pages write it, "" for none.
func instant(v page.View, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return v.L.Time(t)
}
