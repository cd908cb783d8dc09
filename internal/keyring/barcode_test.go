package keyring_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// passport is a passport authority and a signer of seals under it, made here.
type passport struct {
	authority, signer *x509.Certificate // what is asked for
	ca                crypto.Signer
	key               crypto.Signer
	private           crypto.Signer // that is imported
}

func newPassport(t *testing.T, now time.Time, change func(*passport)) []byte {
	t.Helper()
	types, err := asn1.Marshal(struct {
		Version int
		Types   []string `asn1:"set"`
	}{0, []string{"NV"}})
	if err != nil {
		t.Fatal(err)
	}
	p := &passport{ca: credentialtest.Key(t, elliptic.P384()), key: credentialtest.Key(t, elliptic.P256())}
	p.authority = &x509.Certificate{Subject: pkix.Name{CommonName: "CSCA", Country: []string{"JM"}}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	p.signer = &x509.Certificate{Subject: pkix.Name{CommonName: "BSC", Country: []string{"JM"}}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 14, 2}}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}, Value: types}}}
	by := p.ca
	if change != nil {
		change(p)
	}
	if p.private == nil {
		p.private = p.key
	}
	authority := credentialtest.X509(t, p.authority, p.authority, p.ca.Public(), p.ca)
	signer := credentialtest.X509(t, p.signer, p.authority, p.key.Public(), by)
	private, err := x509.MarshalPKCS8PrivateKey(p.private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return slices.Concat(block("CERTIFICATE", signer.Raw), block("CERTIFICATE", authority.Raw), block("PRIVATE KEY", private))
}

// Each row is an import with one thing wrong; nothing changes.
func TestImportSealRefuses(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	now := c.now()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*passport)
		edit   func([]byte) []byte
		want   string
	}{
		"another country":             {change: func(p *passport) { p.signer.Subject.Country = []string{"TT"} }, want: "country"},
		"an authority of another":     {change: func(p *passport) { p.authority.Subject.Country = []string{"TT"} }, want: "country"},
		"a signer for something else": {change: func(p *passport) { p.signer.UnknownExtKeyUsage = nil }, want: "2.23.136.1.1.14.2"},
		"a signer of tests":           {change: func(p *passport) { v := p.signer.ExtraExtensions[0].Value; v[len(v)-1] = 'T' }, want: "NV"},
		"a key usage without signing": {change: func(p *passport) { p.signer.KeyUsage = x509.KeyUsageKeyAgreement }, want: "digitalSignature"},
		"an authority as the signer":  {change: func(p *passport) { p.signer.IsCA, p.signer.BasicConstraintsValid = true, true }, want: "authority's"},
		"signed by somebody else":     {change: func(p *passport) { p.ca = other }, want: "did not issue"},
		"another private key":         {change: func(p *passport) { p.private = other }, want: "private key"},
		"an RSA key":                  {change: func(p *passport) { p.key = weak }, want: "P-256"},
		"not yet valid":               {change: func(p *passport) { p.signer.NotBefore = now.AddDate(0, 1, 0) }, want: "time of validity"},
		"past its time":               {change: func(p *passport) { p.signer.NotAfter = now.AddDate(0, 0, -1) }, want: "time of validity"},
		"an authority past its time":  {change: func(p *passport) { p.authority.NotAfter = now.AddDate(0, 0, -1) }, want: "time of validity"},
		"it outlives its authority":   {change: func(p *passport) { p.signer.NotAfter = now.AddDate(20, 0, 0) }, want: "outlives"},
		"an authority that is none":   {change: func(p *passport) { p.authority.IsCA = false }, want: "self-signed"},
		"no private key":              {edit: func(d []byte) []byte { i := bytes.Index(d, []byte("-----BEGIN PRIVATE")); return d[:i] }, want: "private key"},
		"no authority": {edit: func(d []byte) []byte {
			i := bytes.LastIndex(d, []byte("-----BEGIN CERT"))
			return append(d[:i:i], d[bytes.Index(d, []byte("-----BEGIN PRIVATE")):]...)
		}, want: "authority"},
		"a block that is cut off": {edit: func(d []byte) []byte { return d[:len(d)-30] }, want: "cut off"},
		"something else in it":    {edit: func(d []byte) []byte { return append(d, pem.EncodeToMemory(&pem.Block{Type: "X"})...) }, want: "nothing else"},
	} {
		t.Run(name, func(t *testing.T) {
			data := newPassport(t, now, tc.change)
			if tc.edit != nil {
				data = tc.edit(data)
			}
			if err := r.ImportSeal(t.Context(), data); vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if r.Seal() != nil {
				t.Fatal("it counts")
			}
		})
	}
}

// An imported signer signs, is known by its certificate, and is no key of anything
// else; the next one takes its place.
func TestImportSeal(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	before := len(r.Issuer().Keys)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		data := newPassport(t, c.now(), func(p *passport) {
			k, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			p.key = k
		})
		if err := r.ImportSeal(t.Context(), data); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.ImportSeal(t.Context(), data); vaccination.ErrorCode(err) != vaccination.Conflict {
			t.Errorf("imported twice: %v", err)
		}
	}
	k := r.Seal()
	if sig, err := k.Sign([]byte("x")); err != nil || len(sig) != 96 {
		t.Errorf("%d bytes, %v", len(sig), err)
	}
	iss := r.Issuer()
	if len(iss.Keys) != before+2 {
		t.Fatalf("%d keys", len(iss.Keys))
	}
	for _, k := range iss.Keys[before:] {
		if slices.Contains(k.Usage, trust.Seal) && k.Allows(trust.Vaccination) {
			t.Error("it may sign codes too")
		}
	}
	document, err := iss.DIDDocument()
	if err != nil {
		t.Fatal(err)
	}
	certs, _, err := r.ExportPublic()
	if err != nil || bytes.Contains(document, []byte("P-384")) || bytes.Count(certs, []byte("BEGIN")) != 2 {
		t.Errorf("a signer of seals stands among those of codes: %v\n%s", err, document)
	}
	id := r.List()[len(r.List())-1].ID
	if err := r.Retire(t.Context(), id); err != nil || r.Seal() != nil {
		t.Errorf("retired, it signs: %v", err)
	}
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("without it the others do not work: %v", err)
	}
}

func TestSealPastItsTime(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	if err := r.ImportSeal(t.Context(), newPassport(t, c.now(), nil)); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * 366 * 24 * time.Hour)
	if _, err := r.Seal().Sign([]byte("x")); vaccination.ErrorCode(err) != vaccination.Unavailable {
		t.Errorf("signed after its time: %v", err)
	}
}
