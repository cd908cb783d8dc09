package keyring_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func states(r *keyring.Ring) map[string]keyring.State {
	out := map[string]keyring.State{}
	for _, k := range r.List() {
		out[k.ID] = k.State
	}
	return out
}

func current(t *testing.T, r *keyring.Ring, kind keyring.Kind) keyring.Info {
	t.Helper()
	for _, k := range r.List() {
		if k.Kind == kind && k.State == keyring.StateCurrent {
			return k
		}
	}
	t.Fatalf("no current %s key", kind)
	return keyring.Info{}
}

func TestRotateRefusesAnUnknownSet(t *testing.T) {
	r := open(t, options(t, newClock()))
	if err := r.Rotate(t.Context(), "everything"); vaccination.ErrorCode(err) != vaccination.Invalid || len(r.List()) != 3 {
		t.Errorf("error = %v", err)
	}
}

func TestRotateIfDue(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	half := 365 * 12 * time.Hour
	for step, want := range []bool{false, true, false, true, false} {
		if done, err := r.RotateIfDue(t.Context()); err != nil || done != want {
			t.Fatalf("step %d: rotated %v, %v", step, done, err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := r.QR().NotAfter().Sub(c.now()); left < half*3 {
			t.Errorf("step %d: a credential would last %v at most", step, left)
		}
		if !want {
			c.advance(half)
		}
	}
	authorities := 0
	for _, k := range r.List() {
		if k.Kind == keyring.KindAuthority {
			authorities++
		}
	}
	if authorities != 2 {
		t.Errorf("%d signing CAs after a year, want 2", authorities)
	}
}

func TestASignerCertificateNeverOutlivesItsAuthority(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	for range 12 {
		c.advance(200 * 24 * time.Hour)
		if _, err := r.RotateIfDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		k := r.Issuer().Keys[0]
		if k.NotAfter.After(k.Chain[0].NotAfter) {
			t.Errorf("ends %v, its authority %v", k.NotAfter, k.Chain[0].NotAfter)
		}
	}
}

func TestRetire(t *testing.T) {
	for _, kind := range []keyring.Kind{keyring.KindQR, keyring.KindDocument, keyring.KindAuthority} {
		t.Run("a current "+string(kind)+" key is replaced", func(t *testing.T) {
			r := open(t, options(t, newClock()))
			old := current(t, r, kind)
			if err := r.Retire(t.Context(), strings.ToUpper(old.ID[:1])+old.ID[1:]); err != nil {
				t.Fatal(err)
			}
			if states(r)[old.ID] != keyring.StateRetired || current(t, r, kind).ID == old.ID {
				t.Error("was not replaced")
			}
			if err := r.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if kind == keyring.KindDocument && len(r.BundleSigners()) != 1 {
				t.Error("a key that was retired by name still signs bundles")
			}
			if err := r.Retire(t.Context(), old.ID); err != nil {
				t.Errorf("a second time: %v", err)
			}
		})
	}
	t.Run("a pending key is dropped", func(t *testing.T) {
		r := open(t, options(t, newClock()))
		if _, err := r.CSR(t.Context()); err != nil {
			t.Fatal(err)
		}
		list := r.List()
		if err := r.Retire(t.Context(), list[len(list)-1].ID); err != nil || len(r.List()) != len(list)-1 {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("an unknown key is not found", func(t *testing.T) {
		r := open(t, options(t, newClock()))
		if err := r.Retire(t.Context(), "0011223344556677"); vaccination.ErrorCode(err) != vaccination.NotFound {
			t.Errorf("error = %v", err)
		}
	})
}

func TestATrustBundleCanBeFollowedThroughARotation(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	publish := func(version int64) *trust.Bundle {
		b := &trust.Bundle{Version: version, Issued: c.now(), Issuers: []trust.Issuer{r.Issuer()}}
		data, err := b.Sign(r.BundleSigners()...)
		if err != nil {
			t.Fatal(err)
		}
		read, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		return read
	}
	last := publish(1)
	for v := range int64(4) {
		c.advance(time.Hour)
		if err := r.Rotate(t.Context(), "signing"); err != nil {
			t.Fatal(err)
		}
		next := publish(v + 2)
		if err := next.Replaces(last); err != nil {
			t.Errorf("rotation %d: %v", v+1, err)
		}
		last = next
	}
}

func TestExportPublic(t *testing.T) {
	r := open(t, options(t, newClock()))
	if err := r.Rotate(t.Context(), "signing"); err != nil {
		t.Fatal(err)
	}
	certs, doc, err := r.ExportPublic()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"certificates": certs, "DID document": doc} {
		if strings.Contains(string(data), "PRIVATE") {
			t.Errorf("%s hold a private key", name)
		}
		b, err := trust.Parse(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l := trust.New(b)
		if len(l.ByKeyID(r.QR().KeyID())) != 1 {
			t.Errorf("%s do not have the current key of codes", name)
		}
		if name == "DID document" && len(l.ByMethod(r.Document().ID())) != 1 {
			t.Error("the DID document does not have the current document key")
		}
	}
}

// country is an authority outside the program.
type country struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCountry(t *testing.T, c *clock) country {
	t.Helper()
	k := credentialtest.Key(t, elliptic.P256())
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "National SCA", Country: []string{"JM"}},
		NotBefore: c.now().Add(-time.Hour), NotAfter: c.now().AddDate(4, 0, 0), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return country{credentialtest.X509(t, template, template, k.Public(), k), k}
}

func template(c *clock) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: "DSC JM", Country: []string{"JM"}},
		NotBefore: c.now().Add(-time.Hour), NotAfter: c.now().AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}},
	}
}

func chain(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func request(t *testing.T, r *keyring.Ring) *x509.CertificateRequest {
	t.Helper()
	text, err := r.CSR(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := req.CheckSignature(); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestImport(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	sca := newCountry(t, c)
	before := current(t, r, keyring.KindQR)
	req := request(t, r)
	if req.Subject.Country[0] != "JM" || req.Subject.CommonName == "" {
		t.Errorf("subject %v", req.Subject)
	}
	if current(t, r, keyring.KindQR).ID != before.ID {
		t.Error("a request changed the current key")
	}
	dsc := credentialtest.X509(t, template(c), sca.cert, req.PublicKey, sca.key)
	if err := r.Import(t.Context(), chain(dsc, sca.cert)); err != nil {
		t.Fatal(err)
	}
	if !r.QR().Certificate().Equal(dsc) || !r.Issuer().Keys[0].Chain[0].Equal(sca.cert) {
		t.Error("the imported certificate is not current")
	}
	if states(r)[before.ID] != keyring.StateRetired {
		t.Error("the key before is not retired")
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Rotate(t.Context(), "signing"); vaccination.ErrorCode(err) != vaccination.Conflict || !strings.Contains(err.Error(), "keys csr") {
		t.Errorf("rotating another authority's certificate: %v", err)
	}
	if err := r.Retire(t.Context(), current(t, r, keyring.KindQR).ID); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("retiring another authority's certificate: %v", err)
	}
	if err := r.Rotate(t.Context(), "document"); err != nil {
		t.Error(err)
	}
	if err := r.Import(t.Context(), chain(dsc, sca.cert)); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("imported twice: %v", err)
	}
}

func TestImportRefuses(t *testing.T) {
	c := newClock()
	sca, stranger := newCountry(t, c), newCountry(t, c)
	r := open(t, options(t, c))
	public := request(t, r).PublicKey
	with := func(f func(*x509.Certificate)) []byte {
		tmpl := template(c)
		f(tmpl)
		return chain(credentialtest.X509(t, tmpl, sca.cert, public, sca.key), sca.cert)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	otherDER, _ := x509.MarshalPKCS8PrivateKey(other)
	good := credentialtest.X509(t, template(c), sca.cert, public, sca.key)
	middle := country{key: other}
	middle.cert = credentialtest.X509(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Middle", Country: []string{"JM"}}, NotBefore: c.now().Add(-time.Hour),
		NotAfter: c.now().AddDate(3, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, sca.cert, other.Public(), sca.key)
	before := len(r.List())
	for name, in := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                    {nil, "authority"},
		"the certificate alone":      {chain(good), "authority"},
		"a stranger's chain":         {chain(good, stranger.cert), "not signed by"},
		"the chain upside down":      {chain(sca.cert, good), "authority's; the signer's comes first"},
		"a chain without root":       {chain(good, good), "self-signed"},
		"another key":                {chain(credentialtest.X509(t, template(c), sca.cert, other.Public(), sca.key), sca.cert), "did not make"},
		"a key on P-384":             {chain(credentialtest.X509(t, template(c), sca.cert, p384.Public(), sca.key), sca.cert), "P-256"},
		"an authority's certificate": {with(func(x *x509.Certificate) { x.IsCA, x.BasicConstraintsValid = true, true }), "authority's"},
		"a usage without signatures": {with(func(x *x509.Certificate) { x.KeyUsage = x509.KeyUsageKeyAgreement }), "digitalSignature"},
		"a usage of tests only": {with(func(x *x509.Certificate) {
			x.UnknownExtKeyUsage[0] = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}
		}), "vaccination"},
		"another country":            {with(func(x *x509.Certificate) { x.Subject.Country = []string{"LK"} }), "country"},
		"a certificate that is over": {with(func(x *x509.Certificate) { x.NotAfter = c.now().Add(-time.Minute) }), "time of validity"},
		"one that has not begun":     {with(func(x *x509.Certificate) { x.NotBefore = c.now().Add(time.Minute) }), "time of validity"},
		"one that outlives its root": {with(func(x *x509.Certificate) { x.NotAfter = c.now().AddDate(5, 0, 0) }), "outlives"},
		"something else than PEM":    {[]byte("hello"), "authority"},
		"a block cut off":            {append(chain(good, sca.cert), "-----BEGIN CERTIFICATE-----\nAAA"...), "cut off"},
		"an authority too deep":      {chain(credentialtest.X509(t, template(c), middle.cert, public, middle.key), middle.cert, sca.cert), "does not verify"},
		"too many certificates":      {chain(good, good, good, good, good, good, good, good, good), "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			err := r.Import(t.Context(), in.data)
			if vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), in.want) {
				t.Errorf("error = %v, want one with %q", err, in.want)
			}
			if len(r.List()) != before {
				t.Error("the keyring changed")
			}
		})
	}
	t.Run("a private key of another certificate", func(t *testing.T) {
		third, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		data := append(chain(credentialtest.X509(t, template(c), sca.cert, third.Public(), sca.key), sca.cert), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: otherDER})...)
		if err := r.Import(t.Context(), data); err == nil || !strings.Contains(err.Error(), "not that of the first") {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("but not a key made elsewhere with its certificate", func(t *testing.T) {
		data := append(chain(credentialtest.X509(t, template(c), sca.cert, other.Public(), sca.key), sca.cert), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: otherDER})...)
		if err := r.Import(t.Context(), data); err != nil {
			t.Error(err)
		}
	})
}

// The published test issuers of the HCERT test data are refused outside a
// demonstration, as signers and as authorities.
func TestImportRefusesPublishedTestKeys(t *testing.T) {
	dir := os.Getenv("DIVOC_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(dir, "hcert-testdata", "testdata", "issuer1.key"))
	if err != nil {
		t.Skipf("no test vectors: set DIVOC_VECTORS (%v)", err)
	}
	block, _ := pem.Decode(text)
	for block != nil && !strings.Contains(block.Type, "PRIVATE KEY") {
		_, rest := pem.Decode(text)
		text = rest
		block, _ = pem.Decode(text)
	}
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		private = parsed.(*ecdsa.PrivateKey)
	}
	c := newClock()
	sca := newCountry(t, c)
	data := append(chain(credentialtest.X509(t, template(c), sca.cert, private.Public(), sca.key), sca.cert), pem.EncodeToMemory(block)...)
	published := sca
	published.key = private
	tmpl := *sca.cert
	tmpl.PublicKey, tmpl.SubjectKeyId, tmpl.AuthorityKeyId = nil, nil, nil
	published.cert = credentialtest.X509(t, &tmpl, &tmpl, private.Public(), private)
	for _, demo := range []bool{false, true} {
		o := options(t, c)
		o.Demo = demo
		r := open(t, o)
		under := chain(credentialtest.X509(t, template(c), published.cert, request(t, r).PublicKey, published.key), published.cert)
		for name, data := range map[string][]byte{"as a signer": data, "as an authority": under} {
			err := r.Import(t.Context(), data)
			if refused := vaccination.ErrorCode(err) == vaccination.Forbidden; refused == demo || (demo && err != nil) {
				t.Errorf("%s, demo %v: error = %v", name, demo, err)
			}
		}
	}
}
