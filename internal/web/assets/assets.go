// Package assets serves the files of the front end: style sheets, scripts and
// WebAssembly, built by internal/web/frontend and embedded in the binary.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/web/door"
)

// The build leaves each file compressed twice, never plain: name.br, name.gz.
//
//go:embed all:dist
var dist embed.FS

// Prefix is the path below which [Files] answers.
const Prefix = "/assets/"

// ErrNotBuilt says that the binary was made without its front end.
var ErrNotBuilt = errors.New("the web pages' files are missing from this program: run make build")

type file struct {
	version string // of the content, 12 hex digits
	kind    string // media type
	br, gz  []byte
}

// Files are the embedded files, ready to be served. It is an [http.Handler]
// for the paths below [Prefix].
type Files struct{ byName map[string]file }

// Open returns the embedded files, or [ErrNotBuilt].
func Open() (*Files, error) {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	return open(sub)
}

func open(dir fs.FS) (*Files, error) {
	names, err := fs.Glob(dir, "*.gz")
	if err != nil {
		return nil, err
	}
	f := &Files{byName: make(map[string]file, len(names))}
	for _, name := range names {
		gz, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		name = strings.TrimSuffix(name, ".gz")
		br, err := fs.ReadFile(dir, name+".br")
		if err != nil {
			return nil, fmt.Errorf("%w (%s has no .br)", ErrNotBuilt, name)
		}
		sum := sha256.Sum256(gz)
		f.byName[name] = file{version: hex.EncodeToString(sum[:6]), kind: mediaType(name), br: br, gz: gz}
	}
	for _, name := range []string{"app.css", "app.js"} {
		if _, ok := f.byName[name]; !ok {
			return nil, ErrNotBuilt
		}
	}
	return f, nil
}

// mediaType does not ask the machine's tables, which differ.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	case ".svg":
		return "image/svg+xml"
	case ".ts":
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

// Has reports whether the build made a file of this name.
func (f *Files) Has(name string) bool {
	_, ok := f.byName[name]
	return ok
}

// URL returns the path of a file with the version of its content, so that a
// browser may keep it for ever; "" for a file that was not built.
func (f *Files) URL(name string) string {
	x, ok := f.byName[name]
	if !ok {
		return ""
	}
	return Prefix + name + "?v=" + x.version
}

// Hash is the SHA-256 hash of a file's content, not compressed; nil for one that
// was not built.
func (f *Files) Hash(name string) []byte {
	x, ok := f.byName[name]
	if !ok {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(x.gz))
	if err != nil {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, z); err != nil {
		return nil
	}
	return h.Sum(nil)
}

// Worker is the service worker of the verifying page: it keeps that page, and
// no other, for when there is no network.
const Worker = "worker.js"

// ServeHTTP answers GET and HEAD of one file in the best encoding the browser
// takes.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f.serve(w, r, strings.TrimPrefix(r.URL.Path, Prefix), "same-origin")
}

// Shared answers below a path with those files that pages of other sites may load,
// and with no other.
func (f *Files) Shared(prefix string, names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, prefix)
		if !slices.Contains(names, name) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		f.serve(w, r, name, "cross-origin")
	})
}

// serve answers with one file; policy says whose pages may load it.
func (f *Files) serve(w http.ResponseWriter, r *http.Request, name, policy string) {
	x, ok := f.byName[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, encoding := x.gz, ""
	switch {
	case door.Accepts(r, "br"):
		body, encoding = x.br, "br"
	case door.Accepts(r, "gzip"):
		encoding = "gzip"
	}
	h := w.Header()
	h.Set("Content-Type", x.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", policy)
	h.Set("Vary", "Accept-Encoding")
	// A script that runs as a worker has the policy of its own answer: the
	// reader of PDF files may fetch nothing.
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'")
	if name == Worker {
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'")
		h.Set("Service-Worker-Allowed", "/verify")
	}
	if r.URL.Query().Get("v") == x.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	etag := `"` + x.version + "-" + encoding + `"`
	h.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if encoding == "" {
		plain, err := gunzip(body)
		if err != nil {
			http.Error(w, "damaged file", http.StatusInternalServerError)
			return
		}
		body = plain
	} else {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the browser went away: nothing to do
	}
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
