package trustlist

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
)

// All keys and lists here are made by the tests.

var (
	from  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// authority is a CSCA or SCA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return credentialtest.Key(t, elliptic.P256())
}

func newAuthority(t testing.TB, name, country string) authority {
	t.Helper()
	k := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{name}, Country: []string{country}}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{credentialtest.X509(t, template, template, k.Public(), k), k}
}

// signer issues a signer certificate.
func (a authority) signer(t testing.TB, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "DSC", Organization: a.cert.Subject.Organization, Country: a.cert.Subject.Country}, KeyUsage: x509.KeyUsageDigitalSignature}
	for _, f := range change {
		f(template)
	}
	return credentialtest.X509(t, template, a.cert, newKey(t).Public(), a.key)
}

func pems(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func entry(kind, country string, c *x509.Certificate) gatewayItem {
	return gatewayItem{KID: base64.StdEncoding.EncodeToString(trust.CertificateKeyID(c)), Country: country, Type: kind, Raw: base64.StdEncoding.EncodeToString(c.Raw)}
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	return must(json.Marshal(v))(t)
}
