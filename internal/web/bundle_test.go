package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/opendivoc/divoc/trust"
)

// TestATrustBundleIsFetchedOnce asks for it as caches do: packed, and only when
// it changed.
func TestATrustBundleIsFetchedOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	const path = "/trust/bundle.json"
	get := func(headers ...string) reply {
		t.Helper()
		return w.askAs("", http.MethodGet, path, nil, headers...)
	}
	plain := get("Accept-Encoding", "identity").is(t, 200)
	packed := get("Accept-Encoding", "br, gzip").is(t, 200)
	if got := packed.header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("it comes as %q", got)
	}
	z, err := gzip.NewReader(bytes.NewReader([]byte(packed.body)))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != plain.body {
		t.Errorf("packed and plain differ: %v", err)
	}
	if _, err := trust.Parse([]byte(plain.body)); err != nil {
		t.Error(err)
	}
	tag := plain.header.Get("ETag")
	if tag == "" || packed.header.Get("ETag") != tag || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("tags %q, %q; varies with %q", tag, packed.header.Get("ETag"), packed.header.Get("Vary"))
	}
	for _, headers := range [][]string{{"If-None-Match", tag}, {"If-None-Match", `"x", ` + tag}} {
		if again := get(headers...).is(t, 304); again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("%v: answered %q", headers, again.body)
		}
	}
	w.now = w.now.Add(30 * time.Second)
	get("If-None-Match", tag).is(t, 304)

	id := w.report("/api/v1/events", event("A-1"))[0].Certificate
	w.ask(http.MethodPost, "/api/v1/certificates/"+id+"/revocation", m{"reason": "x"}).is(t, 200)
	w.now = w.now.Add(2 * time.Second)
	if r := get("If-None-Match", tag).is(t, 200); r.header.Get("ETag") == tag {
		t.Error("another bundle has the same tag")
	}
}
