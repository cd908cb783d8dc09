// Package reference is the page that describes the API to those who write
// clients: made of the same OpenAPI description that /openapi.json gives, on the
// server, so that it needs no script and nothing from elsewhere.
package reference

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/web/page"
)

// Path is where the reference stands; documents lie below it.
const Path = "/docs"

// Options are what the reference shows.
type Options struct {
	Frame     *page.Frame
	API       *huma.OpenAPI
	PublicURL string // for the examples
	Documents fs.FS  // Markdown, each shown as it is below [Path]
}

// Page answers with the reference.
func Page(o Options) http.Handler {
	r := read(o.API, o.PublicURL)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		o.Frame.Write(w, q, page.Page{Title: "API reference", Body: func(v page.View) templ.Component { return reference(r) }})
	})
}

// Document answers with one of the documents, by its {name}.
func Document(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		name := q.PathValue("name")
		text, err := fs.ReadFile(o.Documents, name)
		if err != nil || !strings.HasSuffix(name, ".md") {
			o.Frame.Error(w, q, http.StatusNotFound)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(text) // the client went away
	})
}
