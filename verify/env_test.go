package verify_test

import (
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
	"github.com/opendivoc/divoc/verify/verifytest"
)

// env is an issuer, a certificate of it and a verifier; each test changes one
// thing of it before signing.
type env struct {
	now     time.Time
	content vaccination.Certificate
	payload hcert.Payload
	qr      verifytest.CodeKey
	doc     verifytest.DocumentKey
	issuer  trust.Issuer
	bundle  trust.Bundle
	others  []*trust.Bundle
	options verify.Options
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
		qr:  verifytest.NewCodeKey(t, "JM", start.Add(-30*24*time.Hour), c.Info.Period.End.Add(24*time.Hour)),
		doc: verifytest.NewDocumentKey(t, c.Info.Issuer.ID),
	}
	e.issuer = trust.Issuer{ID: c.Info.Issuer.ID, Name: "Ministry of Health, Jamaica", Country: "JM", Keys: []trust.Key{e.qr.Trusted(), e.doc.Trusted()}}
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
