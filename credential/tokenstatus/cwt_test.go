package tokenstatus

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/cose"
)

// The example of section 5.2. The draft gives no key for it.
func TestTheDraftsCWT(t *testing.T) {
	data, err := hex.DecodeString("d2845820a2012610781a6170706c69636174696f6e2f7374617475736c6973742b637774a1044231325850a502782168747470733a2f2f6578616d706c652e636f6d2f7374617475736c697374732f31061a648c5bea041a8898dfea19fffe19a8c019fffda2646269747301636c73744a78dadbb918000217015d584093fa4d01032b18c35e2fe1101b77fd6cc9440022caa4694450c4e4e9feab4e99d1fa6d9772ce2bf3a12e0323ded7c982c5e101a5e67f0cbc1e2b6f57ce99c279")
	if err != nil {
		t.Fatal(err)
	}
	token, err := ParseCWT(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Info{URL: "https://example.com/statuslists/1", IssuedAt: time.Unix(1686920170, 0).UTC(), ExpiresAt: time.Unix(2291720170, 0).UTC(), TTL: 12 * time.Hour}
	if diff := cmp.Diff(want, token.Info); diff != "" || token.Algorithm != "ES256" || token.KeyID != "12" {
		t.Errorf("%s %q %s", token.Algorithm, token.KeyID, diff)
	}
	for i, v := range []Value{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1} {
		if got, err := token.Lookup(want.URL, uint32(i), issued); err != nil || got != v {
			t.Errorf("position %d: %d %v", i, got, err)
		}
	}
}

// Attack classes: wrong list signer, algorithm confusion, a signature moved.
func TestVerifyRefusesACWT(t *testing.T) {
	parse := func(data []byte, err error) *Token {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		token, err := ParseCWT(data)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := parse(IssueCWT(info(), New(8), newSigner(1)))
	moved := *parse(IssueCWT(Info{URL: url, IssuedAt: issued}, New(8), newSigner(1)))
	moved.signature = good.signature
	none := *good
	none.signature = []byte{}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	es256 := parse(raw(t, m{1: cose.ES256, 16: MediaTypeCWT}, claimsOf(t, nil), func(message []byte) ([]byte, error) {
		sum := sha256.Sum256(message)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
	}), nil)
	for name, c := range map[string]struct {
		token *Token
		key   any
		want  error
	}{
		"as signed":                       {good, newSigner(1).Public(), nil},
		"ES256, as others sign":           {es256, &private.PublicKey, nil},
		"wrong list signer":               {good, newSigner(2).Public(), ErrSignature},
		"a signature of another list":     {&moved, newSigner(1).Public(), ErrSignature},
		"no signature":                    {&none, newSigner(1).Public(), ErrSignature},
		"algorithm confusion: to ES256":   {es256, newSigner(1).Public(), ErrAlgorithm},
		"algorithm confusion: from EdDSA": {good, &private.PublicKey, ErrAlgorithm},
	} {
		if err := c.token.Verify(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

type m = map[int]any

// raw is a message with any header and claims.
func raw(t testing.TB, header m, claims any, sign func([]byte) ([]byte, error)) []byte {
	t.Helper()
	payload, err := cose.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	data, err := cose.Sign(header, payload, sign)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// claimsOf are good claims, but for those in other; one that is nil is left out.
func claimsOf(t testing.TB, other m) m {
	out := m{2: url, 6: 1, 65533: m0{"bits": 1, "lst": zipped(t, make([]byte, 4))}}
	maps.Copy(out, other)
	maps.DeleteFunc(out, func(_ int, v any) bool { return v == nil })
	return out
}

type m0 = map[string]any

func zipped(t testing.TB, data []byte, more ...byte) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(packed(t, data, more...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParseCWTRefuses(t *testing.T) {
	header := m{1: cose.EdDSA, 16: MediaTypeCWT}
	list := func(bits, lst any) m { return claimsOf(t, m{65533: m0{"bits": bits, "lst": lst}}) }
	good := zipped(t, make([]byte, 4))
	sign := func([]byte) ([]byte, error) { return make([]byte, 64), nil }
	for name, c := range map[string]struct {
		header m
		claims any
		want   error
	}{
		"a good one":                        {header, list(1, good), nil},
		"with the algorithm's newer number": {m{1: cose.Ed25519, 16: MediaTypeCWT}, list(1, good), nil},
		"bomb: a list that inflates":        {header, list(1, zipped(t, make([]byte, maxList+1))), ErrTooLarge},
		"bomb: bytes behind the list":       {header, list(1, zipped(t, make([]byte, 4), 0)), ErrMalformed},
		"bomb: claims nested too deep":      {header, claimsOf(t, m{1: deep(20)}), ErrTooLarge},
		"a list cut short":                  {header, list(1, good[:8]), ErrMalformed},
		"a list as text":                    {header, list(1, encoded(string(good))), ErrMalformed},
		"values of three bits":              {header, list(3, good), ErrMalformed},
		"values of no bits":                 {header, list(0, good), ErrMalformed},
		"values of minus one bit":           {header, list(-1, good), ErrMalformed},
		"values of a fraction of a bit":     {header, list(1.5, good), ErrMalformed},
		"no list":                           {header, claimsOf(t, m{65533: nil}), ErrMalformed},
		"no time of issue":                  {header, claimsOf(t, m{6: nil}), ErrMalformed},
		"a time of issue as text":           {header, claimsOf(t, m{6: "1"}), ErrMalformed},
		"no address":                        {header, claimsOf(t, m{2: nil}), ErrMalformed},
		"an address that is no text":        {header, claimsOf(t, m{2: 1}), ErrMalformed},
		"a time to live of nothing":         {header, claimsOf(t, m{65534: 0}), ErrMalformed},
		"a time to live as text":            {header, claimsOf(t, m{65534: "60"}), ErrMalformed},
		"a negative end":                    {header, claimsOf(t, m{4: -1}), ErrMalformed},
		"claims that are no map":            {header, []int{1}, ErrMalformed},
		"algorithm confusion: none named":   {m{16: MediaTypeCWT}, list(1, good), ErrAlgorithm},
		"algorithm confusion: HMAC":         {m{1: 5, 16: MediaTypeCWT}, list(1, good), ErrAlgorithm},
		"algorithm confusion: PS256":        {m{1: cose.PS256, 16: MediaTypeCWT}, list(1, good), ErrAlgorithm},
		"another kind of token":             {m{1: cose.EdDSA, 16: "application/cwt"}, list(1, good), ErrMalformed},
		"no kind of token":                  {m{1: cose.EdDSA}, list(1, good), ErrMalformed},
		"a critical header that is unknown": {m{1: cose.EdDSA, 2: []int{99}, 16: MediaTypeCWT}, list(1, good), ErrMalformed},
		"a key id as text":                  {m{1: cose.EdDSA, 4: "12", 16: MediaTypeCWT}, list(1, good), ErrMalformed},
	} {
		if _, err := ParseCWT(raw(t, c.header, c.claims, sign)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	twice := raw(t, header, list(1, good), sign)
	twice = bytes.Replace(twice, []byte("\xa3\x02"), []byte("\xa3\x06"), 1) // iat twice
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                    {nil, ErrMalformed},
		"duplicate keys":             {twice, ErrMalformed},
		"a JWT":                      {[]byte("eyJ.e30.c2ln"), ErrMalformed},
		"a MAC in place of a key":    {[]byte{0xd1, 0x84}, ErrMalformed},
		"something behind it":        {append(raw(t, header, list(1, good), sign), 0), ErrMalformed},
		"larger than any is written": {make([]byte, maxText+1), ErrTooLarge},
	} {
		if _, err := ParseCWT(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func deep(n int) any {
	if n == 0 {
		return 1
	}
	return []any{deep(n - 1)}
}

func FuzzParseCWT(f *testing.F) {
	good, err := IssueCWT(info(), New(64), newSigner(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(raw(f, m{1: cose.EdDSA, 16: MediaTypeCWT}, claimsOf(f, m{65533: m0{"bits": 8, "lst": zipped(f, make([]byte, 2<<20))}}), newSigner(1).Sign))
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := ParseCWT(data)
		if err != nil {
			return
		}
		if len(token.list.data) > maxList || token.URL == "" || token.IssuedAt.IsZero() {
			t.Fatal("read beyond its bounds")
		}
		if _, ok := token.list.Get(uint32(token.list.Len())); ok {
			t.Fatal("a position beyond the end")
		}
	})
}
