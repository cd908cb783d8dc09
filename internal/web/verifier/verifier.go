// Package verifier is the page /verify: a code is scanned, chosen as a picture
// or PDF, or pasted, and the verdict is shown.
//
// Without scripts the server verifies what is sent. With scripts the page
// verifies on the device, with our verifier as WebAssembly and the published
// trust bundle, and sends nothing anywhere.
package verifier

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// Path is where the page is.
const Path = "/verify"

// MaxFile bounds an uploaded file, bytes; the page's scripts keep to it too.
const MaxFile = 10 << 20

// maxForm leaves room for the other fields and the boundaries of the form.
const maxForm = MaxFile + 64<<10

// Options are what the page needs.
type Options struct {
	Frame *page.Frame
	// Verify finds the codes in the text, picture, PDF or credential and
	// verifies each; sentences are in lang. No code at all is an empty result.
	// A *vaccination.Error of kind Invalid says that the file cannot be read,
	// one of kind TooMany that the server is busy. Nothing of data is kept.
	// rules names the acceptance rules to ask beside, "" for none.
	Verify func(ctx context.Context, data []byte, lang, rules string) ([]verify.Statement, error)
	// Countries are those whose acceptance rules can be asked, as alpha-2 codes.
	Countries []string
	// TrustURL is where the page's scripts get the trust bundle; default
	// "/trust/bundle.json".
	TrustURL string
	// MaxStatusAge is how old a state may be for a certificate to be called valid.
	MaxStatusAge time.Duration
}

// RulesPath is where the acceptance rules of countries are, for the page's scripts.
const RulesPath = Path + "/rules.json"

// ManifestPath is where the manifest is that lets the page be installed.
const ManifestPath = Path + "/manifest.webmanifest"

// Manifest answers with the web app manifest (W3C, Web Application Manifest) of
// the page, in the reader's language.
func Manifest(f *page.Frame) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := f.Locale(r)
		type icon struct {
			Source string `json:"src"`
			Sizes  string `json:"sizes"`
			Type   string `json:"type"`
		}
		icons := []icon{}
		if url := f.EmblemURL(); url != "" {
			icons = append(icons, icon{url, "any", "image/svg+xml"})
		}
		h := w.Header()
		h.Set("Vary", "Accept-Language, Cookie")
		h.Set("Cache-Control", "private, max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		door.WriteJSON(w, http.StatusOK, "application/manifest+json", map[string]any{
			"id": Path, "start_url": Path, "scope": Path, "display": "standalone", "lang": l.Tag, "dir": l.Dir(),
			"name": l.T("verify.title"), "short_name": l.T("verify.app"), "icons": icons,
			"theme_color": f.Primary(), "background_color": "#ffffff",
		})
	}
}

// Handler answers GET and POST of [Path].
func Handler(o Options) http.Handler {
	if o.TrustURL == "" {
		o.TrustURL = "/trust/bundle.json"
	}
	h := &handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) { h.ask(w, r, http.StatusOK, nil) })
	mux.HandleFunc("POST "+Path, h.verify)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.Frame.Error(w, r, http.StatusMethodNotAllowed) })
	return mux
}

type handler struct{ Options }

// ask writes the page that asks for a code.
func (h *handler) ask(w http.ResponseWriter, r *http.Request, status int, faults []page.Fault) {
	l := h.Frame.Locale(r)
	h.Frame.Write(w, r, page.Page{Status: status, Title: l.T("verify.title"), Faulty: len(faults) > 0, Script: "verify.js", Verifier: true, Manifest: ManifestPath,
		Body: func(v page.View) templ.Component { return askPage(v, h.config(v), h.choices(l), faults) }})
}

// verify answers a form that was sent without scripts.
func (h *handler) verify(w http.ResponseWriter, r *http.Request) {
	l := h.Frame.Locale(r)
	refuse := func(status int, field, key string) {
		h.ask(w, r, status, []page.Fault{{Field: field, Message: l.T(key)}})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	data, asked, err := sent(r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || len(data) > MaxFile:
		refuse(http.StatusRequestEntityTooLarge, "file", "verify.toolarge")
		return
	case err != nil:
		refuse(http.StatusBadRequest, "file", "verify.unreadable")
		return
	case len(data) == 0:
		refuse(http.StatusUnprocessableEntity, "file", "verify.empty")
		return
	}
	statements, err := h.Verify(r.Context(), data, l.Tag, asked)
	switch code := vaccination.ErrorCode(err); {
	case code == vaccination.Invalid:
		refuse(http.StatusUnprocessableEntity, "file", "verify.unreadable")
		return
	case code == vaccination.TooMany || code == vaccination.Unavailable:
		h.Frame.Error(w, r, http.StatusServiceUnavailable)
		return
	case err != nil:
		h.Frame.Error(w, r, http.StatusInternalServerError)
		return
	case len(statements) == 0:
		refuse(http.StatusUnprocessableEntity, "file", "verify.nocode")
		return
	}
	views := make([]result, len(statements))
	for i, s := range statements {
		if views[i], err = resultOf(l, s); err != nil {
			h.Frame.Error(w, r, http.StatusInternalServerError)
			return
		}
	}
	title := l.T("result." + views[0].Verdict)
	if len(views) > 1 {
		title = l.T("result.several", "count", strconv.Itoa(len(views)))
	}
	h.Frame.Write(w, r, page.Page{Title: title + " – " + l.T("verify.title"), Personal: true,
		Body: func(v page.View) templ.Component { return resultPage(v, views) }})
}

// sent returns the file that was chosen, else the text that was pasted, and which
// rules are asked. It reads the parts itself: nothing sent may reach the disk.
func sent(r *http.Request) (content []byte, rules string, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, "", err
	}
	var file, text []byte
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, "", err
		}
		switch p.FormName() {
		case "file":
			file = data
		case "text":
			text = data
		case "rules":
			rules = string(data)
		}
	}
	if len(file) > 0 {
		return file, rules, nil
	}
	return text, rules, nil
}
