// Package page is the frame around every web page: header, language chooser,
// SPECIMEN banner, footer, error summary, and the security headers.
//
// The pages are plain HTML and work without scripts; the components are those
// of govuk-frontend in the issuer's colours, without its crown or typeface.
package page

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/locale"
)

// Options say whose pages these are.
type Options struct {
	Asset     func(name string) string // the URL of an asset, "" for one that was not built: assets.Files.URL
	Issuer    map[string]string        // language → the authority's name
	Languages []string                 // offered, the first is the default; those without texts are left out
	StaffAt   []string                 // paths of pages for staff: only languages that have every text are offered there
	Primary   string                   // colour of header and buttons, #rrggbb; empty = a dark blue
	Emblem    []byte                   // SVG; empty = none
	Zone      *time.Location           // by whose clocks moments are written; nil for UTC, which says so
	Specimen  bool                     // a demonstration: every page says so
	Version   string                   // of the program, in the footer
	// Staff says who of the staff is signed in at a browser; nil where nobody can
	// be. It is asked for personal pages only: others are kept by caches.
	Staff func(r *http.Request) (Staff, bool)
}

// Staff is who is signed in, as the frame shows them.
type Staff struct {
	Name, Role, Facility string // Role is a key: "facility-staff"
	Desk, Admin, Audit   bool   // which pages are theirs
}

// Frame writes pages. It is safe for concurrent use.
type Frame struct {
	o         Options
	locales   *locale.Catalogue
	languages []string
	complete  []string // of languages, those that have every text; never none
	theme     []byte
	version   string // of theme and emblem
}

const defaultPrimary = "#12436d"

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// New checks the options. The primary colour must be dark enough for white
// text on it (WCAG 2.2, 1.4.3: contrast 4.5).
func New(o Options) (*Frame, error) {
	if o.Asset == nil {
		return nil, errors.New("page: no assets")
	}
	locales, err := locale.Load()
	if err != nil {
		return nil, err
	}
	f := &Frame{o: o, locales: locales}
	for _, tag := range slices.Concat(o.Languages, locale.Pseudo()) {
		if locales.Has(tag) {
			f.languages = append(f.languages, tag)
			if locales.Complete(tag) {
				f.complete = append(f.complete, tag)
			}
		}
	}
	if len(f.languages) == 0 {
		f.languages = []string{locale.Fallback}
	}
	if len(f.complete) == 0 {
		f.complete = []string{locale.Fallback}
	}
	if f.o.Primary == "" {
		f.o.Primary = defaultPrimary
	}
	if !hexColour.MatchString(f.o.Primary) {
		return nil, fmt.Errorf("theme: primary colour %q is not of the form #rrggbb", f.o.Primary)
	}
	if c := contrastToWhite(f.o.Primary); c < 4.5 {
		return nil, fmt.Errorf("theme: primary colour %s is too light for white text on it (contrast %.1f, needs 4.5): choose a darker one", f.o.Primary, c)
	}
	f.theme = fmt.Appendf(nil, ":root{--govuk-brand-colour:%s;--primary:%[1]s}\n", f.o.Primary)
	sum := sha256.Sum256(append(f.theme, o.Emblem...))
	f.version = hex.EncodeToString(sum[:6])
	return f, nil
}

// Page is one page inside the frame.
type Page struct {
	Status int    // HTTP status, 0 = 200
	Title  string // of the document, before the service's name
	Faulty bool   // a form came back with faults: the title says so
	Body   func(View) templ.Component
	Script string // an asset beside app.js, a module: "verify.js"
	// Verifier allows what only the verifying page needs: WebAssembly and the
	// camera.
	Verifier bool
	// Camera allows a page of a form to read a code with the camera.
	Camera   bool
	Manifest string // path of the manifest that lets the page be installed
	// Personal keeps the page out of every cache.
	Personal bool
}

// View is what a page's body needs to know of the request and the frame.
type View struct {
	L        *locale.Locale
	Asset    func(name string) string // URL of an asset, "" when it was not built
	Specimen bool
	Staff    *Staff // who is signed in; nil for nobody
	frame    *Frame
	page     Page
	path     string
	query    url.Values
}

const languageCookie = "lang"

// Locale returns the language of a request: ?lang=, else what was chosen
// before, else what the browser asks for, else the first language.
func (f *Frame) Locale(r *http.Request) *locale.Locale {
	return f.locales.Locale(f.language(r)).In(f.o.Zone)
}

func (f *Frame) language(r *http.Request) string {
	if tag, ok := f.asked(r); ok {
		return tag
	}
	if c, err := r.Cookie(languageCookie); err == nil && f.offers(r.URL.Path, c.Value) {
		return c.Value
	}
	return locale.Match(f.offered(r.URL.Path), r.Header.Get("Accept-Language"))
}

func (f *Frame) asked(r *http.Request) (string, bool) {
	tag := r.URL.Query().Get("lang")
	return tag, f.offers(r.URL.Path, tag)
}

func (f *Frame) offers(path, tag string) bool { return slices.Contains(f.offered(path), tag) }

// offered are the languages of the page at a path.
func (f *Frame) offered(path string) []string {
	for _, p := range f.o.StaffAt {
		if path == p || strings.HasPrefix(path, p+"/") {
			return f.complete
		}
	}
	return f.languages
}

// Write answers with a page.
func (f *Frame) Write(w http.ResponseWriter, r *http.Request, p Page) {
	l := f.Locale(r)
	if tag, ok := f.asked(r); ok {
		http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: tag, Path: "/", MaxAge: int(365 * 24 * time.Hour / time.Second),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
	}
	f.headers(w.Header(), p)
	w.Header().Set("Content-Language", l.Tag)
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	if r.Method == http.MethodHead {
		return
	}
	v := View{L: l, Asset: f.o.Asset, Specimen: f.o.Specimen, frame: f, page: p, path: r.URL.Path, query: r.URL.Query()}
	if p.Personal && f.o.Staff != nil {
		if s, ok := f.o.Staff(r); ok {
			v.Staff = &s
		}
	}
	// The only error left is a reader who went away.
	_ = frame(v).Render(context.WithoutCancel(r.Context()), w)
}

// Error answers with a plain page for an HTTP status: 403, 404, 405, 413, 500, 503.
func (f *Frame) Error(w http.ResponseWriter, r *http.Request, status int) {
	l := f.Locale(r)
	key := "error." + strconv.Itoa(status)
	if !l.Has(key + ".title") {
		key = "error.500"
	}
	f.Write(w, r, Page{Status: status, Title: l.T(key + ".title"), Body: func(v View) templ.Component {
		return message(v, l.T(key+".title"), l.T(key+".text"))
	}})
}

func (f *Frame) headers(h http.Header, p Page) {
	script, camera := "script-src 'self'", "camera=()"
	if p.Camera {
		script, camera = "script-src 'self' 'wasm-unsafe-eval'", "camera=(self)"
	}
	if p.Verifier {
		script, camera = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; manifest-src 'self'", "camera=(self)"
	}
	h.Set("Content-Security-Policy", "default-src 'none'; "+script+"; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Permissions-Policy", camera+", geolocation=(), microphone=(), payment=(), usb=()")
	// Not no-referrer: older browsers would then send "Origin: null" with our
	// own forms, and the protection against forged requests would refuse them.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Language, Cookie")
	h.Set("Cache-Control", "private, no-cache")
	if p.Personal {
		h.Set("Cache-Control", "no-store")
	}
}

// Prefix is the path below which [Frame.Theme] answers.
const Prefix = "/theme/"

// Theme serves the issuer's colours and emblem below [Prefix].
func (f *Frame) Theme() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		h := w.Header()
		switch r.URL.Path {
		case Prefix + "theme.css":
			body = f.theme
			h.Set("Content-Type", "text/css; charset=utf-8")
		case Prefix + "emblem.svg":
			body = f.o.Emblem
			h.Set("Content-Type", "image/svg+xml")
			// Opened on its own an SVG is a document: it may do nothing.
			h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		}
		if len(body) == 0 {
			http.NotFound(w, r)
			return
		}
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == f.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

func (f *Frame) themeURL(name string) string { return Prefix + name + "?v=" + f.version }

func (f *Frame) issuer(tag string) string {
	for _, t := range append([]string{tag, locale.Fallback}, f.languages...) {
		if n := f.o.Issuer[t]; n != "" {
			return n
		}
	}
	return "divoc"
}

// LanguageName is a language's own name for itself.
func (f *Frame) LanguageName(tag string) string { return f.locales.Locale(tag).Name() }
