package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/tokenstatus"
)

// listPaths are all lists and keys that the world publishes of a certificate that
// was exported and revoked.
func (w *world) listPaths(code string) []string {
	w.t.Helper()
	id := w.report("/api/v1/events", event(code))[0].Certificate
	base := "/api/v1/certificates/" + id
	credential := into[struct {
		CredentialStatus []struct{ StatusListCredential string }
	}](w.t, w.ask(http.MethodGet, base+"/credential", nil).is(w.t, 200))
	_, list, _ := strings.Cut(credential.CredentialStatus[0].StatusListCredential, "/revocation/")
	w.ask(http.MethodGet, base+"/exports/eu-dcc", nil).is(w.t, 200)
	w.ask(http.MethodGet, base+"/exports/shc", nil).is(w.t, 200)
	w.ask(http.MethodPost, base+"/revocation", m{}).is(w.t, 200)
	w.now = w.now.Add(2 * time.Second)
	index := into[struct{ Batches []struct{ BatchID string } }](w.t, w.askAs("", http.MethodGet, "/status/hashes", nil).is(w.t, 200))
	if len(index.Batches) != 3 { // one for each kind of hash
		w.t.Fatalf("%d batches", len(index.Batches))
	}
	keys := into[struct{ Keys []struct{ Kid string } }](w.t, w.askAs("", http.MethodGet, "/.well-known/jwks.json", nil).is(w.t, 200))
	return []string{
		"/status/revocation/" + list, "/status/suspension/" + list, "/status/token/" + list, "/status/hashes", "/status/hashes/" + index.Batches[0].BatchID,
		"/.well-known/jwks.json", "/.well-known/crl/" + keys.Keys[0].Kid + ".json", "/trust/bundle.json", "/.well-known/did.json", "/contexts/vaccination/v1",
	}
}

// TestListsAreStaticFiles asks for each list as caches, browsers and gateways do.
func TestListsAreStaticFiles(t *testing.T) {
	w := newWorld(t, "jamaica")
	for _, path := range w.listPaths("A") {
		t.Run(path, func(t *testing.T) {
			get := func(method string, headers ...string) reply {
				t.Helper()
				return w.askAs("", method, path, nil, append([]string{"Accept-Encoding", "identity"}, headers...)...)
			}
			plain := get(http.MethodGet).is(t, 200)
			h := plain.header
			if tag := h.Get("ETag"); !strings.HasPrefix(tag, `W/"`) || !strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=") || h.Get("Access-Control-Allow-Origin") != "*" || !varies(h, path) || h.Get("Set-Cookie") != "" {
				t.Errorf("header %v", h)
			}
			head := get(http.MethodHead).is(t, 200)
			if head.body != "" || head.header.Get("ETag") != h.Get("ETag") || head.header.Get("Content-Type") != h.Get("Content-Type") {
				t.Errorf("HEAD: %v %q", head.header, head.body)
			}
			for _, have := range []string{h.Get("ETag"), `"other", ` + h.Get("ETag")} {
				if r := get(http.MethodGet, "If-None-Match", have).is(t, 304); r.body != "" || r.header.Get("ETag") != h.Get("ETag") {
					t.Errorf("If-None-Match %s: %q", have, r.body)
				}
			}
			get(http.MethodGet, "If-None-Match", `W/"other"`).is(t, 200)
			// 304 poisoning: a time alone never says that a list made just now is known.
			get(http.MethodGet, "If-Modified-Since", w.now.UTC().Format(http.TimeFormat)).is(t, 200)
			if r := get(http.MethodGet, "Range", "bytes=0-3").is(t, 200); r.body != plain.body {
				t.Error("a part was sent")
			}
			if len(plain.body) < packFrom {
				return
			}
			packed := w.askAs("", http.MethodGet, path, nil, "Accept-Encoding", "br, gzip").is(t, 200)
			if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("ETag") != h.Get("ETag") || len(packed.body) >= len(plain.body) {
				t.Fatalf("packed: %v, %d bytes of %d", packed.header, len(packed.body), len(plain.body))
			}
			z, err := gzip.NewReader(bytes.NewReader([]byte(packed.body)))
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(z); err != nil || string(data) != plain.body {
				t.Errorf("packed and plain differ: %v", err)
			}
		})
	}
	types := map[string]string{"revocation": "application/vc", "token": "application/statuslist+jwt", "hashes": "application/json"}
	for _, path := range w.listPaths("B")[:4] {
		if want, ok := types[strings.Split(path, "/")[2]]; ok {
			if got := w.askAs("", http.MethodGet, path, nil).header.Get("Content-Type"); got != want {
				t.Errorf("%s is %s", path, got)
			}
		}
	}
	w.now = w.now.Add(time.Minute)
	path := w.listPaths("C")[6]
	w.now = w.now.Add(time.Minute)
	r := w.askAs("", http.MethodGet, path, nil).is(t, 200)
	if at, err := http.ParseTime(r.header.Get("Last-Modified")); err != nil || !at.Before(w.now) {
		t.Errorf("a minute later: last modified %v, %v", at, err)
	}
	w.askAs("", http.MethodGet, path, nil, "If-Modified-Since", r.header.Get("Last-Modified")).is(t, 304)
}

// varies reports whether an answer says by what it would be another.
func varies(h http.Header, path string) bool {
	want := []string{"Accept-Encoding"}
	if strings.HasPrefix(path, "/status/token/") {
		want = []string{"Accept", "Accept-Encoding"}
	}
	return slices.Equal(h.Values("Vary"), want)
}

// TestTokenStatusListsInTwoForms asks for both at their one address.
func TestTokenStatusListsInTwoForms(t *testing.T) {
	w := newWorld(t, "jamaica")
	path := w.listPaths("A")[2]
	const jwt, cwt = tokenstatus.MediaType, tokenstatus.MediaTypeCWT
	tags := map[string]string{}
	for accept, want := range map[string]string{
		"": jwt, "*/*": jwt, jwt: jwt, cwt: cwt, "text/html": jwt, "?": jwt,
		cwt + ", " + jwt + ";q=0.9": cwt, cwt + ";q=0.5, " + jwt: jwt, cwt + ", " + jwt: jwt, cwt + ";q=0": jwt, "text/html, " + cwt + ";q=0.1": cwt,
	} {
		r := w.askAs("", http.MethodGet, path, nil, "Accept", accept).is(t, 200)
		if got := r.header.Get("Content-Type"); got != want {
			t.Errorf("Accept %q: %s", accept, got)
		}
		if tag := r.header.Get("ETag"); tags[want] != "" && tags[want] != tag {
			t.Errorf("%s has two tags", want)
		} else {
			tags[want] = tag
		}
	}
	if tags[jwt] == tags[cwt] {
		t.Error("both forms have one tag: a cache would mix them up")
	}
	w.askAs("", http.MethodGet, path, nil, "Accept", cwt, "If-None-Match", tags[cwt]).is(t, 304)
	w.askAs("", http.MethodGet, path, nil, "Accept", cwt, "If-None-Match", tags[jwt]).is(t, 200)
}

// TestListsThatAreNotThere asks for what nobody published.
func TestListsThatAreNotThere(t *testing.T) {
	w := newWorld(t, "jamaica")
	for _, path := range []string{
		"/status/token/99999", "/status/token/-1", "/status/token/x", "/status/token/4294967296", "/status/token-cwt/0", "/status/other/0",
		"/status/hashes/00000000-0000-8000-8000-000000000000", "/status/hashes/x", "/.well-known/crl/x.json",
	} {
		if r := w.askAs("", http.MethodGet, path, nil); r.status != 404 || r.header.Get("ETag") != "" {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
	}
}
