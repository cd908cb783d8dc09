package assets

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

// built is what a build leaves: gzip as it is, "brotli" only as bytes to tell
// apart.
func built(t testing.TB, files map[string]string) fstest.MapFS {
	t.Helper()
	dir := fstest.MapFS{".gitkeep": {}}
	for name, text := range files {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		dir[name+".gz"] = &fstest.MapFile{Data: b.Bytes()}
		dir[name+".br"] = &fstest.MapFile{Data: []byte("br:" + text)}
	}
	return dir
}

func TestOpenRefusesWhatWasNotBuilt(t *testing.T) {
	noBrotli := built(t, map[string]string{"app.css": "a", "app.js": "b"})
	delete(noBrotli, "app.js.br")
	for name, dir := range map[string]fstest.MapFS{
		"nothing":   built(t, nil),
		"no script": built(t, map[string]string{"app.css": "a"}),
		"no brotli": noBrotli,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(dir); !errors.Is(err, ErrNotBuilt) {
				t.Errorf("error is %v, not ErrNotBuilt", err)
			}
		})
	}
}

func TestServe(t *testing.T) {
	files, err := open(built(t, map[string]string{"app.css": "body{}", "app.js": "run()", "x.wasm": "\x00asm"}))
	if err != nil {
		t.Fatal(err)
	}
	url := files.URL("app.js")
	const forever, ask = "public, max-age=31536000, immutable", "no-cache"
	for _, test := range []struct {
		name, method, url, accept string
		status                    int
		encoding, kind, cache     string
		body                      string
	}{
		{"brotli is preferred", "GET", url, "gzip, deflate, br", 200, "br", "text/javascript; charset=utf-8", forever, "br:run()"},
		{"plain for one who takes nothing", "GET", url, "", 200, "", "text/javascript; charset=utf-8", forever, "run()"},
		{"a weight of zero is no", "GET", url, "br;q=0, gzip;q=0.0", 200, "", "text/javascript; charset=utf-8", forever, "run()"},
		{"a small weight is yes", "GET", url, "br;q=0.1", 200, "br", "text/javascript; charset=utf-8", forever, "br:run()"},
		{"without its version it is asked for again", "GET", "/assets/app.js", "br", 200, "br", "text/javascript; charset=utf-8", ask, "br:run()"},
		{"another version is not kept for ever", "GET", "/assets/app.js?v=old", "br", 200, "br", "text/javascript; charset=utf-8", ask, "br:run()"},
		{"WebAssembly has its type", "GET", "/assets/x.wasm", "br", 200, "br", "application/wasm", ask, "br:\x00asm"},
		{"HEAD has no body", "HEAD", url, "br", 200, "br", "text/javascript; charset=utf-8", forever, ""},
		{"no such file", "GET", "/assets/other.js", "br", 404, "", "text/plain; charset=utf-8", "", "404 page not found\n"},
		{"the compressed name is no file", "GET", "/assets/app.js.br", "br", 404, "", "text/plain; charset=utf-8", "", "404 page not found\n"},
		{"nothing is written", "POST", url, "br", 405, "", "text/plain; charset=utf-8", "", "method not allowed\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.url, nil)
			r.Header.Set("Accept-Encoding", test.accept)
			w := httptest.NewRecorder()
			files.ServeHTTP(w, r)
			h := w.Header()
			if w.Code != test.status || h.Get("Content-Encoding") != test.encoding || h.Get("Content-Type") != test.kind ||
				h.Get("Cache-Control") != test.cache || w.Body.String() != test.body {
				t.Errorf("%d %q %q %q %q", w.Code, h.Get("Content-Encoding"), h.Get("Content-Type"), h.Get("Cache-Control"), w.Body)
			}
		})
	}
}

func TestAKnownFileIsNotSentAgain(t *testing.T) {
	files, err := open(built(t, map[string]string{"app.css": "a", "app.js": "b"}))
	if err != nil {
		t.Fatal(err)
	}
	get := func(tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/assets/app.js", nil)
		r.Header.Set("Accept-Encoding", "br")
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		files.ServeHTTP(w, r)
		return w
	}
	first := get("")
	if again := get(first.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the second answer is %d with %d bytes", again.Code, again.Body.Len())
	}
	if other := get(`"other"`); other.Code != http.StatusOK {
		t.Errorf("another tag is answered with %d", other.Code)
	}
}
