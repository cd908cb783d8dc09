package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// abroad is a signer of another country, made here.
type abroad struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAbroad(t *testing.T, now time.Time) abroad {
	t.Helper()
	k := credentialtest.Key(t, elliptic.P256())
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "DSC", Organization: []string{"Health"}, Country: []string{"DE"}}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	return abroad{k, credentialtest.X509(t, template, template, k.Public(), k)}
}

func (a abroad) KeyID() []byte { return trust.CertificateKeyID(a.cert) }

func (a abroad) Sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, a.key, digest[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

func (a abroad) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// code is a certificate of theirs.
func (a abroad) code(t *testing.T, now time.Time) string {
	t.Helper()
	c := vaccination.Certificate{
		Person: vaccination.Person{Name: "Anna Beispiel", BirthDate: vaccination.Date{Year: 1990, Month: 1, Day: 2}},
		Vaccination: vaccination.Dose{Vaccine: vaccination.Coding{Code: "XM0GQ8", System: vaccination.SystemICD11}, Brand: vaccination.Coding{Code: "XM8NQ0", System: vaccination.SystemICD11}, Manufacturer: vaccination.Coding{Code: "ORG-100030215"},
			Disease: vaccination.Coding{Code: "RA01", System: vaccination.SystemICD11}, Lot: "X1", Date: vaccination.Date{Year: 2021, Month: 6, Day: 1}, Number: 1, Total: 2, Country: vaccination.Coding{Code: "DEU", System: vaccination.SystemISO3166}, Centre: "Berlin"},
		Info: vaccination.CertificateInfo{Issuer: vaccination.Issuer{Name: "Health", Country: "DEU"}, HCID: "URN:UVCI:01:DE:ABCDEFGH", Version: "1.0.1", Period: vaccination.Period{Start: now.AddDate(0, -1, 0), End: now.AddDate(0, 1, 0)}},
	}
	cose := must(hcert.Encode(c, hcert.DDCC, a))(t)
	return must(hcert.Text(cose))(t)
}

// A certificate of another country is that of an unknown issuer until somebody
// looked at the difference and applied it; then the server and the bundle for
// browsers know it, until the source is ended.
func TestTrustOfOthers(t *testing.T) {
	w := newWorld(t, "jamaica")
	a := newAbroad(t, w.now)
	code := a.code(t, w.now)
	verdict := func() (string, string) {
		t.Helper()
		w.now = w.now.Add(2 * time.Second)
		s := into[struct {
			Verdict string
			Issuer  struct{ Name string }
		}](t, w.ask(http.MethodPost, "/api/v1/verify", m{"data": code}))
		return s.Verdict, s.Issuer.Name
	}
	inBundle := func() bool {
		t.Helper()
		w.now = w.now.Add(2 * time.Minute)
		b := must(trust.Parse([]byte(w.ask(http.MethodGet, "/trust/bundle.json", nil).body)))(t)
		return len(trust.New(b).ByKeyID(a.KeyID())) > 0
	}
	if v, _ := verdict(); v != "cannot-tell" || inBundle() {
		t.Fatalf("before: %s", v)
	}
	admin := func(method, path string, body any) reply {
		return w.askAs(w.admin(), method, "/api/v1/trust/"+path, body)
	}
	admin(http.MethodPut, "sources/eu", m{"kind": "certificates"}).is(t, 200)
	p := into[struct {
		Version int64
		Keys    int
		Changes []struct{ What string }
	}](t, admin(http.MethodPost, "sources/eu/imports", m{"list": a.pem()}))
	if p.Keys != 1 || len(p.Changes) != 1 || p.Changes[0].What != "added" {
		t.Fatalf("%+v", p)
	}
	if v, _ := verdict(); v != "cannot-tell" {
		t.Errorf("it counts before anybody applied it: %s", v)
	}
	// The page shows the same, and applies it only for somebody who proved who they are.
	c := w.colleague("root", access.SystemAdmin, "")
	at := "/admin/keys/trust/eu/1"
	page := w.page(c, http.MethodGet, at, "")
	if page.status != 200 || !strings.Contains(page.body, "Health (DE)") {
		t.Fatalf("%d %s", page.status, page.body)
	}
	if r := w.page(c, http.MethodPost, at, url.Values{"act": {"apply"}}.Encode()); r.status != http.StatusSeeOther || strings.HasPrefix(r.header.Get("Location"), "/sign-in") {
		t.Fatalf("%d to %s", r.status, r.header.Get("Location"))
	}
	if v, name := verdict(); v != "valid" || name != "Health (DE)" {
		t.Errorf("applied: %s of %s", v, name)
	}
	if !inBundle() {
		t.Error("the bundle for browsers does not have it")
	}
	for _, path := range []string{"/admin/keys/trust", "/admin/keys/trust/eu", "/admin/keys/trust/eu?format=csv"} {
		if r := w.page(c, http.MethodGet, path, ""); r.status != 200 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	admin(http.MethodPost, "sources/eu/imports", m{"list": newAbroad(t, w.now).pem()}).is(t, 409)
	admin(http.MethodPost, "sources/eu/imports", m{"list": "[]"}).is(t, 422)
	admin(http.MethodDelete, "sources/eu", nil).is(t, 204)
	if v, _ := verdict(); v != "cannot-tell" || inBundle() {
		t.Errorf("after: %s", v)
	}
}
