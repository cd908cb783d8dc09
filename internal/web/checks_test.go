package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/vaccination"
)

// TestChecksAreCounted: each way to be told online what a certificate is worth
// counts for it, and nothing else does.
func TestChecksAreCounted(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.certify(http.MethodPost, request("R-1"))[0]
	id := must(vaccination.ParseCertificateID(first.CertificateID))(t)
	path := "/api/v1/certificates/" + first.CertificateID
	credential := w.ask(http.MethodGet, path+"/credential", nil).is(t, 200).body
	code := w.ask(http.MethodGet, path+"/code", nil).is(t, 200).body
	count := func() (n int64) {
		t.Helper()
		if err := w.counts.FlushChecks(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		row := w.service.Store.Pool().QueryRow(t.Context(), "SELECT coalesce(sum(n), 0) FROM certificate_check WHERE certificate = $1", id[:])
		if err := row.Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 0 {
		t.Errorf("issued and read it was checked %d times", n)
	}
	audited := w.audited()
	for i, c := range []struct {
		name, path string
		body       any
		status     int
		counts     int64
	}{
		{"the code", "/api/v1/verify", m{"data": code}, 200, 1},
		{"the document", "/api/v1/verify", credential, 200, 1},
		{"a forgery of it", "/api/v1/verify", strings.Replace(credential, "Marcia", "Maria", 1), 200, 0},
		{"DIVOC's check", "/divoc/api/v1/certificate/revoked", credential, 404, 1},
		{"nothing", "/api/v1/verify", m{"data": "HC1:"}, 200, 0},
	} {
		before := count()
		w.askAs("", http.MethodPost, c.path, c.body).is(t, c.status)
		if n := count() - before; n != c.counts {
			t.Errorf("%d: %s counts %d times, want %d", i, c.name, n, c.counts)
		}
	}
	if n := w.audited(); n != audited {
		t.Errorf("%d entries of the audit tell of checks", n-audited)
	}
	for _, text := range []string{first.CertificateID, id.String()} {
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, text) && strings.Contains(line, "verif") {
				t.Errorf("the log tells who was verified: %s", line)
			}
		}
	}
}
