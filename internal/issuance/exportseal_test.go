package issuance_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// importSeal gives h a signer of seals and returns its passport authority; both
// are made here.
func importSeal(t *testing.T, h *issuancetest.House) *x509.Certificate {
	t.Helper()
	issue := func(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
		template.NotBefore, template.NotAfter = h.Now().AddDate(-1, 0, 0), h.Now().AddDate(3, 0, 0)
		return credentialtest.X509(t, template, parent, public, by)
	}
	caKey, key := credentialtest.Key(t, elliptic.P256()), credentialtest.Key(t, elliptic.P256())
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "CSCA", Organization: []string{"Passports"}, Country: []string{"JM"}}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority := issue(ca, ca, caKey.Public(), caKey)
	signer := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "BSC", Country: []string{"JM"}}, KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 14, 2}}}, ca, key.Public(), caKey)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	if err := h.Keys.ImportSeal(t.Context(), slices.Concat(block("CERTIFICATE", signer.Raw), block("CERTIFICATE", authority.Raw), block("PRIVATE KEY", private))); err != nil {
		t.Fatal(err)
	}
	return authority
}

// A seal can be had once a signer was imported. It verifies under its authority
// alone, as others know it, and under our own list, where it follows the
// certificate's state though it has no room for the certificate's id.
func TestSealsOfAnImportedSigner(t *testing.T) {
	h, r := exported(t)
	authority := importSeal(t, h)
	offers, err := h.Service.Exports(t.Context(), h.Admin, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if o := offerOf(t, offers, issuance.FormatVDS); !o.Possible() || !o.Pilot || !o.Code {
		t.Fatalf("%+v", o)
	}
	e, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatVDS)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatVDS); err != nil || !bytes.Equal(again.Body, e.Body) {
		t.Errorf("another seal when asked for again: %v", err)
	}
	abroad, err := trust.Parse(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}))
	if err != nil {
		t.Fatal(err)
	}
	s := verify.Text(t.Context(), e.Code, verify.Options{Trust: trust.New(abroad), At: h.Now(), Catalogue: h.Profile.Catalogue})
	if s.Verdict != verify.Valid || s.Content.Name != "MARCIA CAMPBELL" || s.Content.Vaccination.Number != 1 {
		t.Errorf("abroad: %s", s.Text("en"))
	}
	mine := h.Keys.Issuer()
	state := func() verify.Statement {
		t.Helper()
		data, err := h.Service.TrustBundle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		return verify.Text(t.Context(), e.Code, verify.Options{Trust: trust.New(b, abroad), At: h.Now(), Catalogue: h.Profile.Catalogue})
	}
	if s := state(); s.Verdict != verify.Valid || s.Status != vaccination.StatusValid || s.Issuer.ID != mine.ID {
		t.Errorf("by our bundle: %s", s.Text("en"))
	}
	handle := trust.Handle(r.HCID)
	if got, status, known, err := h.Service.SealStatus(t.Context(), handle); err != nil || !known || status != vaccination.StatusValid || got != r.ID {
		t.Errorf("%s %s %v %v", got, status, known, err)
	}
	if _, _, known, err := h.Service.SealStatus(t.Context(), "000000000000"); err != nil || known {
		t.Errorf("a seal that was never made is known: %v", err)
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, r.ID, vaccination.ActRevoke, "a test"); err != nil {
		t.Fatal(err)
	}
	if _, status, _, err := h.Service.SealStatus(t.Context(), handle); err != nil || status != vaccination.StatusRevoked {
		t.Errorf("revoked, it is %s, %v", status, err)
	}
	h.Set(h.Now().AddDate(0, 0, 1))
	if s := state(); !s.Has(verify.Revoked) {
		t.Errorf("revoked: %s", s.Text("en"))
	}
	// The signer of seals signs nothing else, and is no key of cards.
	if keys, err := h.Service.CardKeys(t.Context()); err != nil || bytes.Count(keys, []byte(`"kid"`)) != 1 {
		t.Errorf("%s %v", keys, err)
	}
}
