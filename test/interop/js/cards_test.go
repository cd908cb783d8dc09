package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/shc"
)

type cardKey struct{ *ecdsa.PrivateKey }

func (k cardKey) Public() *ecdsa.PublicKey { return &k.PublicKey }

func (k cardKey) Sign(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, k.PrivateKey, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}

func TestJoseJudgesOurHealthCard(t *testing.T) {
	packages(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	products, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, key := credentialtest.Jamaica(), cardKey{private}
	jws, err := shc.Issue(c, products, "https://certificates.example.org", "abc", key)
	if err != nil {
		t.Fatal(err)
	}
	code, err := shc.Code(jws)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwks := map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": shc.Thumbprint(key.Public()), "x": encode(raw[1:33]), "y": encode(raw[33:]),
	}}}
	type answer struct {
		Verified bool
		Error    string
		Kid      string
		Claims   struct {
			Iss string
			Vc  struct {
				Rid               string
				CredentialSubject struct {
					FhirBundle struct {
						Entry []struct{ Resource map[string]any }
					}
				}
			}
		}
	}
	a := node[answer](t, "verify-shc.mjs", map[string]any{"code": code, "jwks": jwks})
	if !a.Verified || a.Claims.Iss != "https://certificates.example.org" || a.Claims.Vc.Rid != "abc" {
		t.Fatalf("%+v", a)
	}
	entries := a.Claims.Vc.CredentialSubject.FhirBundle.Entry
	if len(entries) != 2 || entries[0].Resource["birthDate"] != c.BirthDate.String() || entries[1].Resource["lotNumber"] != c.Vaccination.Lot {
		t.Errorf("%+v", entries)
	}
	if a := node[answer](t, "verify-shc.mjs", map[string]any{"code": ofTest(t, key), "jwks": jwks}); !a.Verified {
		t.Errorf("of a test: %+v", a)
	} else if r := a.Claims.Vc.CredentialSubject.FhirBundle.Entry[1].Resource; r["resourceType"] != "Observation" || r["effectiveDateTime"] != "2026-11-21T14:05:00Z" {
		t.Errorf("of a test: %+v", r)
	}
	// A digit of the payload changed.
	at := len(code) / 2
	changed := code[:at] + strings.Map(func(r rune) rune { return '0' + ('9'-r)%2 }, code[at:at+2]) + code[at+2:]
	if a := node[answer](t, "verify-shc.mjs", map[string]any{"code": changed, "jwks": jwks}); a.Verified {
		t.Error("a changed card verifies")
	}
}

// ofTest is the code of a card of a test.
func ofTest(t *testing.T, key cardKey) string {
	t.Helper()
	jws, err := shc.Issue(credentialtest.Tested(), nil, "https://certificates.example.org", "abc", key)
	if err != nil {
		t.Fatal(err)
	}
	code, err := shc.Code(jws)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// The package fhir finds nothing wrong with the Bundles in cards, of a dose and of a
// test, and does with one whose status is none.
func TestFHIRJudgesTheBundlesInCards(t *testing.T) {
	packages(t)
	products, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	dose, test := credentialtest.Jamaica(), credentialtest.Tested()
	bundles := []json.RawMessage{
		fhirdoc.AppendBundle(nil, dose, fhirdoc.VaccineCode(dose.Vaccination, products)), fhirdoc.AppendBundle(nil, test, fhirdoc.TestCode(test.Test)),
	}
	bundles = append(bundles, json.RawMessage(strings.Replace(string(bundles[1]), `"status":"final"`, `"status":"perhaps"`, 1)))
	type answer struct {
		Valid    bool
		Messages []string
	}
	for i, a := range node[[]answer](t, "validate-fhir.mjs", bundles) {
		if a.Valid != (i < 2) {
			t.Errorf("Bundle %d: %v", i, a.Messages)
		}
	}
}
