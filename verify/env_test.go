package verify_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// env is an issuer, a certificate of it and a verifier; each test changes one
// thing of it before signing.
type env struct {
	now     time.Time
	content vaccination.Certificate
	payload hcert.Payload
	qr      qrKey
	doc     docKey
	issuer  trust.Issuer
	bundle  trust.Bundle
	others  []*trust.Bundle
	options verify.Options
}

type qrKey struct {
	private *ecdsa.PrivateKey
	cert    *x509.Certificate
}

func (k qrKey) KeyID() []byte { return trust.CertificateKeyID(k.cert) }

func (k qrKey) Sign(structure []byte) ([]byte, error) {
	sum := sha256.Sum256(structure)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}

type docKey struct {
	id      string
	private ed25519.PrivateKey
}

func (k docKey) ID() string                      { return k.id }
func (k docKey) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil }

func newQRKey(t testing.TB, country string, from, until time.Time) qrKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: "signer", Country: []string{country}},
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return qrKey{private, cert}
}

func newDocKey(t testing.TB, did string) docKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return docKey{did + "#" + vc.EncodeKey(public), private}
}

func (k qrKey) trusted() trust.Key {
	return trust.Key{
		KeyID: k.KeyID(), Public: k.private.Public(), Certificate: k.cert,
		NotBefore: k.cert.NotBefore, NotAfter: k.cert.NotAfter,
	}
}

func (k docKey) trusted() trust.Key {
	return trust.Key{ID: k.id, Public: k.private.Public()}
}

// newEnv is one where everything is well: a certificate of Jamaica, issued a
// year ago, verified now with a snapshot of this morning.
func newEnv(t testing.TB) *env {
	t.Helper()
	c := credentialtest.Jamaica()
	start := c.Info.Period.Start
	now := start.Add(100 * 24 * time.Hour)
	names, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	e := &env{
		now: now, content: c, payload: hcert.DDCC,
		qr:  newQRKey(t, "JM", start.Add(-30*24*time.Hour), c.Info.Period.End.Add(24*time.Hour)),
		doc: newDocKey(t, c.Info.Issuer.ID),
	}
	e.issuer = trust.Issuer{ID: c.Info.Issuer.ID, Name: "Ministry of Health, Jamaica", Country: "JM", Keys: []trust.Key{e.qr.trusted(), e.doc.trusted()}}
	e.bundle = trust.Bundle{Version: 1, Issued: now.Add(-time.Hour), Status: []trust.Snapshot{{Issuer: c.Info.Issuer.ID, AsOf: now.Add(-6 * time.Hour)}}}
	e.options = verify.Options{At: now, Catalogue: names}
	return e
}

// key is the trusted form of the QR key, to be changed.
func (e *env) key() *trust.Key { return &e.issuer.Keys[0] }

func (e *env) opts() verify.Options {
	o, b := e.options, e.bundle
	if len(e.issuer.Keys) > 0 {
		b.Issuers = append(slices.Clone(b.Issuers), e.issuer)
	}
	o.Trust = trust.New(append(slices.Clone(e.others), &b)...)
	return o
}

func (e *env) cose(t testing.TB) []byte {
	t.Helper()
	cose, err := hcert.Encode(e.content, e.payload, e.qr)
	if err != nil {
		t.Fatal(err)
	}
	return cose
}

func text(t testing.TB, cose []byte) string {
	t.Helper()
	s, err := hcert.Text(cose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (e *env) document(t testing.TB) string {
	t.Helper()
	doc, err := vc.Issue(e.content, nil, e.doc, e.content.Info.Period.Start)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
