package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
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
	// A digit of the payload changed.
	at := len(code) / 2
	changed := code[:at] + strings.Map(func(r rune) rune { return '0' + ('9'-r)%2 }, code[at:at+2]) + code[at+2:]
	if a := node[answer](t, "verify-shc.mjs", map[string]any{"code": changed, "jwks": jwks}); a.Verified {
		t.Error("a changed card verifies")
	}
}
