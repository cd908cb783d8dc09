package issuance_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// A signer certificate for vaccinations alone signs no test: every verifier would
// refuse it.
func TestASignerForVaccinationsSignsNoTest(t *testing.T) {
	w := newTests(t)
	r := w.must(issuance.Certify, tested("T-1"))
	recovering := w.must(issuance.Certify, positive("T-3", w.now.Add(-20*time.Hour).Truncate(time.Second)))
	request, err := w.Keys.CSR(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(request)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	authority := credentialtest.Key(t, elliptic.P256())
	country := pkix.Name{CommonName: "National SCA", Country: []string{"JM"}}
	sca := &x509.Certificate{
		Subject: country, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.AddDate(4, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	sign := func(template, parent *x509.Certificate, public any) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: credentialtest.X509(t, template, parent, public, authority).Raw})
	}
	dsc := sign(&x509.Certificate{
		Subject: country, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}},
	}, sca, csr.PublicKey)
	if err := w.Keys.Import(w.ctx, append(dsc, sign(sca, sca, authority.Public())...)); err != nil {
		t.Fatal(err)
	}
	w.fails(vaccination.Unavailable, issuance.Certify, tested("T-2"))
	offers, err := w.Exports(w.ctx, w.by, r.ID)
	if err != nil || offerOf(t, offers, issuance.FormatEU).Refused != issuance.NoSigner || offerOf(t, offers, issuance.FormatSHC).Refused != issuance.NoSigner {
		t.Errorf("%+v, %v", offers, err)
	}
	w.must(issuance.Certify, event("T-2", 1)) // vaccinations go on
	w.now = w.now.AddDate(0, 0, 15)
	if offers, err = w.Exports(w.ctx, w.by, recovering.ID); err != nil || offerOf(t, offers, issuance.FormatRecovery).Refused != issuance.NoSigner {
		t.Errorf("a recovery: %+v, %v", offers, err)
	}
	w.checked()
}
