package verifytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/jsonld"
	"github.com/opendivoc/divoc/credential/multibase"
	"github.com/opendivoc/divoc/credential/rdfc"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// Format is a certificate of one format.
type Format struct {
	Name string `json:"name"` // one word
	Text string `json:"text"` // of its code, or the document
	// Reason is all that stands against it, "" where it is valid: of DIVOC's format
	// nothing better is ever said than that its details are not protected.
	Reason string `json:"reason"`
}

// Formats are certificates of one person in every format, valid at a time under the
// signed trust list.
type Formats struct {
	All  []Format
	List []byte // the JSON of a trust bundle
	At   time.Time
}

// icvpProduct is a yellow fever vaccine as WHO prequalified it.
const icvpProduct = "YellowFeverProductc8337a6fabae2095cdd2ab3dfc41334d"

// New makes them with new keys.
func New(t testing.TB) Formats {
	t.Helper()
	names, err := catalogue.Load()
	must(t, err)
	c := credentialtest.Jamaica()
	start, end, did := c.Info.Period.Start, c.Info.Period.End, c.Info.Issuer.ID
	out := Formats{At: start.Add(100 * 24 * time.Hour)}
	from, until := start.Add(-30*24*time.Hour), end.Add(24*time.Hour)
	code, doc := NewCodeKey(t, "JM", from, until), NewDocumentKey(t, did)
	sealer, authority := newSealer(t, "JM", from, until)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	slow, fast := DIVOCKey{did + "#divoc-rsa", private}, DIVOCKey{did + "#divoc-ed25519", NewDocumentKey(t, did).Private}
	elliptical := credentialtest.Key(t, elliptic.P256())

	add := func(name, text string) {
		f := Format{Name: name, Text: text}
		if strings.HasPrefix(name, "DIVOC") {
			f.Reason = verify.FieldsNotBound
		}
		out.All = append(out.All, f)
	}
	coded := func(name string) func([]byte, error) {
		return func(cose []byte, err error) {
			must(t, err)
			text, err := hcert.Text(cose)
			must(t, err)
			add(name, text)
		}
	}
	coded("EU-DCC")(hcert.EncodeEU(c, names, code))
	coded("DDCC")(hcert.Encode(c, hcert.DDCC, code))
	travel := c
	travel.Vaccination = vaccination.Dose{Lot: "YF123", Date: vaccination.DateOf(out.At.AddDate(0, 0, -30)), Practitioner: "N. Brown"}
	travel.Info.Period.Start = out.At.Add(-24 * time.Hour)
	coded("ICVP")(hcert.EncodeICVP(travel, icvpProduct, 0, code))

	id, _ := c.ID()
	jws, err := shc.Issue(c, names, "https://"+strings.TrimPrefix(did, "did:web:"), base64.RawURLEncoding.EncodeToString(id[:]), code)
	must(t, err)
	card, err := shc.Code(jws)
	must(t, err)
	add("SMART-card", card)

	document, err := vc.Issue(c, nil, doc, start)
	must(t, err)
	add("VC-eddsa-jcs-2022", string(document))
	add("VC-eddsa-rdfc-2022", secure(t, document, "eddsa-rdfc-2022", doc.Name, doc.Private))
	add("VC-ecdsa-jcs-2019", secure(t, document, "ecdsa-jcs-2019", did+"#p256", elliptical))
	add("VC-ecdsa-rdfc-2019", secure(t, document, "ecdsa-rdfc-2019", did+"#p256", elliptical))

	for name, key := range map[string]DIVOCKey{"DIVOC-RSA": slow, "DIVOC-Ed25519": fast} {
		data, err := divocqr.Issue(c, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}, key, out.At.Add(-time.Hour))
		must(t, err)
		text, err := divocqr.Code(data)
		must(t, err)
		add(name, text)
	}

	seal, err := vdsnc.Encode(c, "JAM", "VB0009990012", sealer)
	must(t, err)
	add("VDS-NC", string(seal))

	bundle := &trust.Bundle{
		Version: 1, Issued: out.At.Add(-time.Hour),
		Issuers: []trust.Issuer{{ID: did, Name: c.Info.Issuer.Name, Country: "JM", Keys: []trust.Key{
			code.Trusted(), doc.Trusted(), {ID: did + "#p256", Public: elliptical.Public()}, slow.Trusted(), fast.Trusted(), authority,
		}}},
		Status: []trust.Snapshot{{Issuer: did, AsOf: out.At.Add(-6 * time.Hour), NextUpdate: out.At.Add(24 * time.Hour)}},
	}
	out.List, err = bundle.Sign(doc)
	must(t, err)
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secure puts a proof of any suite that is verified in place of a document's (Data
// Integrity EdDSA and ECDSA Cryptosuites 1.0, sections 3.2 and 3.3), by the
// specification's steps and not by those that verify it.
func secure(t testing.TB, document []byte, suite, method string, key crypto.Signer) string {
	t.Helper()
	read := func(data []byte) jcs.Value {
		v, err := jcs.Parse(data)
		must(t, err)
		return v
	}
	unsecured := read(document).Without("proof")
	contexts, _ := unsecured.Get("@context")
	proof := read(fmt.Appendf(nil, `{"type":"DataIntegrityProof","cryptosuite":%q,"created":"2026-11-22T06:40:05Z","proofPurpose":"assertionMethod","verificationMethod":%q}`, suite, method)).With("@context", contexts)
	hash := func(v jcs.Value) []byte {
		canonical := v.Append(nil)
		if strings.Contains(suite, "-rdfc-") {
			quads, err := jsonld.ToRDF(v, known)
			must(t, err)
			canonical, _, err = rdfc.Canonicalize(quads, rdfc.Options{Hash: sha256.New})
			must(t, err)
		}
		sum := sha256.Sum256(canonical)
		return sum[:]
	}
	data := append(hash(proof), hash(unsecured)...)
	var signature []byte
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		var err error
		signature, err = signES256(key, data)
		must(t, err)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, data)
	default:
		t.Fatalf("%s: no key for it", suite)
	}
	return string(unsecured.With("proof", proof.With("proofValue", jcs.Value{Kind: jcs.String, Text: multibase.Encode(signature)})).Append(nil))
}

// known are the contexts of our documents.
func known(url string) ([]byte, bool) {
	if url == vc.ContextURL {
		return []byte(vc.Context()), true
	}
	return jsonld.Known(url)
}
