package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
)

// vectors returns the folder of published test vectors, which is not part of
// the repository.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("DIVOC_VECTORS")
	for up := "."; dir == ""; up = filepath.Join(up, "..") {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			dir = filepath.Join(up, "..", "shared", "vectors")
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test vectors: set DIVOC_VECTORS (%v)", err)
	}
	return dir
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const did = "did:web:certificates.jamaica.example"

func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// documentKey is a document key: a trust.Signer and its public half.
type documentKey struct{ private ed25519.PrivateKey }

func newDocumentKey(t testing.TB) documentKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return documentKey{private}
}

func (k documentKey) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }
func (k documentKey) ID() string                { return did + "#" + trust.Multikey(k.public()) }
func (k documentKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.private, message), nil
}
func (k documentKey) key() trust.Key {
	return trust.Key{ID: k.ID(), Public: k.public(), NotBefore: day(0)}
}

// authority is a signing CA that makes signer certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return credentialtest.Key(t, elliptic.P256())
}

func newAuthority(t testing.TB, organisation, country string) authority {
	t.Helper()
	k := newKey(t)
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "SCA", Organization: []string{organisation}, Country: []string{country}},
		NotBefore: day(0), NotAfter: day(4 * 365), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{credentialtest.X509(t, template, template, k.Public(), k), k}
}

func (a authority) signer(t testing.TB, usage ...asn1.ObjectIdentifier) *x509.Certificate {
	t.Helper()
	return credentialtest.X509(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "DSC", Organization: a.cert.Subject.Organization, Country: a.cert.Subject.Country},
		NotBefore: day(0), NotAfter: day(2 * 365), KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: usage,
	}, a.cert, newKey(t).Public(), a.key)
}

func certPEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func keyPEM(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// sample is a bundle as a server publishes it.
func sample(t testing.TB, key documentKey) *trust.Bundle {
	t.Helper()
	sca := newAuthority(t, "Ministry of Health", "JM")
	parsed, err := trust.Parse(certPEM(sca.signer(t), sca.cert))
	if err != nil {
		t.Fatal(err)
	}
	dsc := parsed.Issuers[0].Keys[0]
	dsc.ID = did + "#dsc"
	old := newDocumentKey(t).key()
	old.Retired = day(3)
	hcids := func(names ...string) trust.Hashes {
		var hs []trust.Hash
		for _, n := range names {
			hs = append(hs, trust.HashOf(n))
		}
		return trust.NewHashes(hs)
	}
	return &trust.Bundle{
		Version: 7, Issued: day(10),
		Issuers: []trust.Issuer{{ID: did, Name: "Ministry of Health & Wellness", Country: "JM", Keys: []trust.Key{dsc, key.key(), old}}},
		Status: []trust.Snapshot{{
			Issuer: did, AsOf: day(10), NextUpdate: day(11),
			Superseded: hcids("s1", "s2", "s3"), Suspended: hcids("p1", "r1"), Revoked: hcids("r1", "r2"),
		}},
	}
}
