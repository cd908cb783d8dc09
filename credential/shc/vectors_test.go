package shc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/shc"
)

// TestVectorsSHC runs the specification's examples: the card in each of its forms
// verifies and is the same, and says what its expanded payload says.
func TestVectorsSHC(t *testing.T) {
	v := credentialtest.NewVectors(t, "smart-health-cards", "")
	keys := map[string]*ecdsa.PublicKey{}
	for _, file := range v.Files(t, "jwks.json") {
		for kid, key := range jwks(t, file) {
			keys[kid] = key
		}
	}
	same := func(text string) func(string) (bool, string) {
		return func(want string) (bool, string) {
			c, err := shc.Decode(text)
			if err != nil {
				return false, err.Error()
			}
			key := keys[c.KeyID]
			if key == nil {
				return false, "no key " + c.KeyID
			}
			if err := c.Verify(key); err != nil {
				return false, err.Error()
			}
			plain, err := shc.Decode(want)
			if err != nil || plain.Issuer != c.Issuer || !plain.NotBefore.Equal(c.NotBefore) || plain.Revocation != c.Revocation {
				return false, "another card than its JWS"
			}
			if _, err := c.Certificates(); err != nil && !errors.Is(err, shc.ErrContent) {
				return false, err.Error()
			}
			return true, ""
		}
	}
	for _, file := range v.Files(t, "-d-jws.txt") {
		jws := strings.TrimSpace(read(t, file))
		ok, why := same(jws)(jws)
		v.Check(t, v.Name(file), ok, why)
		base := strings.TrimSuffix(file, "d-jws.txt")

		data := read(t, base+"e-file.smart-health-card")
		cards, good := shc.Cards([]byte(data))
		if good && len(cards) == 1 {
			ok, why = same(cards[0])(jws)
		}
		v.Check(t, v.Name(base)+"e-file", good && ok, why)

		parts, err := filepath.Glob(base + "f-qr-code-numeric-value-*.txt")
		if err != nil || len(parts) == 0 {
			v.Check(t, v.Name(base)+"f", false, "no code")
			continue
		}
		slices.Reverse(parts) // any order
		var codes []string
		for _, p := range parts {
			codes = append(codes, strings.TrimSpace(read(t, p)))
		}
		ok, why = same(strings.Join(codes, "\n"))(jws)
		v.Check(t, v.Name(base)+"f-qr-code", ok, why)
	}
	for _, file := range v.Files(t, ".json") {
		if filepath.Base(filepath.Dir(file)) != "crl" {
			continue
		}
		l, err := shc.ParseCRL([]byte(read(t, file)))
		v.Check(t, v.Name(file), err == nil && l.KeyID == strings.TrimSuffix(filepath.Base(file), ".json"), "not a revocation list")
	}
}

func jwks(t testing.TB, path string) map[string]*ecdsa.PublicKey {
	t.Helper()
	var set struct{ Keys []struct{ Kid, X, Y string } }
	if err := json.Unmarshal([]byte(read(t, path)), &set); err != nil {
		t.Fatal(err)
	}
	out := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		x, _ := base64.RawURLEncoding.DecodeString(k.X)
		y, _ := base64.RawURLEncoding.DecodeString(k.Y)
		if key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)); err == nil {
			out[k.Kid] = key
		}
	}
	return out
}

// TestVectorsWHOCards reads the health cards among WHO's fixtures as its map to the
// core data set has it.
func TestVectorsWHOCards(t *testing.T) {
	v := credentialtest.NewVectors(t, "who-ddcc-fixtures", "shc")
	for _, file := range v.Files(t, ".json") {
		if filepath.Base(filepath.Dir(file)) != "shc" {
			continue
		}
		value, err := jcs.Parse([]byte(read(t, file)))
		if err != nil {
			t.Fatal(err)
		}
		bundle := value
		if vc, ok := value.Get("vc"); ok {
			subject, _ := vc.Get("credentialSubject")
			bundle, _ = subject.Get("fhirBundle")
		}
		all, err := fhirdoc.Read(bundle)
		good := err == nil && strings.HasSuffix(all[0].Name, "Anyperson") && all[0].BirthDate.String() == "1951-01-20"
		if strings.Contains(file, "covid") {
			good = good && all[0].Test.Result.Code != ""
		} else {
			good = good && all[0].Vaccination.Vaccine.Code != "" && len(all) == 3
		}
		v.Check(t, v.Name(file), good, "read otherwise than WHO does")
	}
}
