// Package verifytest makes certificates of every format that is verified, by keys of
// its own, with the trust list under which they count: for tests and benchmarks.
package verifytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
)

// CodeKey signs codes and health cards: P-256 with a signer certificate.
type CodeKey struct {
	Private *ecdsa.PrivateKey
	Cert    *x509.Certificate
}

// NewCodeKey returns a key of a country (ISO 3166-1 alpha-2), whose certificate it
// signed itself.
func NewCodeKey(t testing.TB, country string, from, until time.Time) CodeKey {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: "signer", Country: []string{country}},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	private := credentialtest.Key(t, elliptic.P256())
	return CodeKey{private, credentialtest.X509(t, template, template, private.Public(), private)}
}

// KeyID is the key's id in HCERT.
func (k CodeKey) KeyID() []byte { return trust.CertificateKeyID(k.Cert) }

// Public is the key as cards ask for it.
func (k CodeKey) Public() *ecdsa.PublicKey { return &k.Private.PublicKey }

// Certificate is the signer's, as seals ask for it.
func (k CodeKey) Certificate() *x509.Certificate { return k.Cert }

// Sign returns the ES256 signature of message, r and s of 32 bytes each.
func (k CodeKey) Sign(message []byte) ([]byte, error) { return signES256(k.Private, message) }

// Trusted is the key as a trust list has it.
func (k CodeKey) Trusted() trust.Key {
	return trust.Key{
		KeyID: k.KeyID(), Public: k.Private.Public(), Certificate: k.Cert,
		NotBefore: k.Cert.NotBefore, NotAfter: k.Cert.NotAfter,
	}
}

// DocumentKey signs documents and trust lists: Ed25519 with a name.
type DocumentKey struct {
	Name    string
	Private ed25519.PrivateKey
}

// NewDocumentKey returns a key of the issuer with this DID.
func NewDocumentKey(t testing.TB, did string) DocumentKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return DocumentKey{did + "#" + vc.EncodeKey(public), private}
}

// ID is the key's verification method.
func (k DocumentKey) ID() string { return k.Name }

// Sign returns the Ed25519 signature of message.
func (k DocumentKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.Private, message), nil
}

// Trusted is the key as a trust list has it.
func (k DocumentKey) Trusted() trust.Key { return trust.Key{ID: k.Name, Public: k.Private.Public()} }

// DIVOCKey signs DIVOC's format, with RSA or Ed25519.
type DIVOCKey struct {
	Name    string
	Private crypto.Signer
}

// Method is the key's verification method.
func (k DIVOCKey) Method() string { return k.Name }

// Public decides the suite of proofs.
func (k DIVOCKey) Public() crypto.PublicKey { return k.Private.Public() }

// Sign returns the signature of input: RSASSA-PSS with SHA-256 and a salt of its
// length, or Ed25519.
func (k DIVOCKey) Sign(input []byte) ([]byte, error) {
	if _, ok := k.Private.(*rsa.PrivateKey); ok {
		digest := sha256.Sum256(input)
		return k.Private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	return k.Private.Sign(rand.Reader, input, crypto.Hash(0))
}

// Trusted is the key as a trust list has it: it signs this format alone.
func (k DIVOCKey) Trusted() trust.Key {
	return trust.Key{ID: k.Name, Public: k.Public(), Usage: []trust.Usage{trust.DIVOC}}
}

// newSealer returns a signer of seals (ICAO 9303-13: extended key usage 2.23.136.1.1.14.2)
// and the authority that issued its certificate, as a trust list has it.
func newSealer(t testing.TB, country string, from, until time.Time) (CodeKey, trust.Key) {
	t.Helper()
	private := credentialtest.Key(t, elliptic.P384())
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CSCA", Country: []string{country}}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authority := credentialtest.X509(t, root, root, private.Public(), private)
	key := credentialtest.Key(t, elliptic.P256())
	signer := credentialtest.X509(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "BSC", Country: []string{country}}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 14, 2}},
	}, authority, key.Public(), private)
	return CodeKey{key, signer}, CodeKey{private, authority}.Trusted()
}

func signES256(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}
