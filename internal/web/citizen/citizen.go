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
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/casework"
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
