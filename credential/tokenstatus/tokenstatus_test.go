package tokenstatus

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const url = "https://certificates.example.org/status/token/0"

var issued = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type signer struct{ ed25519.PrivateKey }

func newSigner(n byte) signer {
	return signer{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))}
}

func (s signer) ID() string                    { return "did:web:certificates.example.org#key" }
func (s signer) Sign(m []byte) ([]byte, error) { return ed25519.Sign(s.PrivateKey, m), nil }

func info() Info {
	return Info{URL: url, Issuer: "did:web:certificates.example.org", IssuedAt: issued, ExpiresAt: issued.Add(time.Hour), TTL: time.Minute}
}

// The two examples of section 4.1 and 4.2: values are packed from the least
// significant bit on.
func TestTheDraftsExamples(t *testing.T) {
	for _, c := range []struct {
		bits int64
		lst  string
		want []Value
	}{
		{1, "eNrbuRgAAhcBXQ", []Value{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}},
		{2, "eNo76fITAAPfAgc", []Value{1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3}},
	} {
		data, err := base64.RawURLEncoding.DecodeString(c.lst)
		if err != nil {
			t.Fatal(err)
		}
		l, err := unpack(c.bits, data)
		if err != nil {
			t.Fatal(err)
		}
		var got []Value
		for i := range uint32(l.Len()) {
			v, ok := l.Get(i)
			if !ok {
				t.Fatal(i)
			}
			got = append(got, v)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d bits: %s", c.bits, diff)
		}
	}
}

// The first of the draft's lists of 2^20 positions (appendix C.1).
func TestTheDraftsLongList(t *testing.T) {
	const lst = "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb"
	packed, err := base64.RawURLEncoding.DecodeString(lst)
	if err != nil {
		t.Fatal(err)
	}
	l, err := unpack(1, packed)
	if err != nil || l.Len() != 1<<20 {
		t.Fatal(l, err)
	}
	var set []uint32
	for i := range uint32(l.Len()) {
		if v, ok := l.Get(i); !ok || v > 1 {
			t.Fatal(i, v)
		} else if v == 1 {
			set = append(set, i)
		}
	}
	if diff := cmp.Diff([]uint32{0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345}, set); diff != "" {
		t.Error(diff)
	}
}

// forms are both forms of a list.
var forms = map[string]struct {
	issue func(Info, *List, Signer) ([]byte, error)
	parse func([]byte) (*Token, error)
}{"JWT": {Issue, Parse}, "CWT": {IssueCWT, ParseCWT}}

func TestAListReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "positions")
		l, want := New(n), map[uint32]Value{}
		for _, i := range rapid.SliceOfN(rapid.Uint32Range(0, uint32(n-1)), 0, 60).Draw(t, "indexes") {
			v := Value(rapid.IntRange(0, 3).Draw(t, "value"))
			l.Set(i, v)
			want[i] = v
		}
		for name, form := range forms {
			data, err := form.issue(info(), l, newSigner(1))
			if err != nil {
				t.Fatal(err)
			}
			token, err := form.parse(data)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := token.Verify(newSigner(1).Public()); err != nil {
				t.Fatal(name, err)
			}
			if diff := cmp.Diff(info(), token.Info); diff != "" || token.KeyID != newSigner(1).ID() {
				t.Fatal(name, diff)
			}
			for i := range uint32(n) {
				if v, err := token.Lookup(url, i, issued); err != nil || v != want[i] {
					t.Fatalf("%s: position %d: %d %v, want %d", name, i, v, err, want[i])
				}
			}
		}
	})
}

// Attack classes of lists: index out of range, list swapped for another, freeze.
func TestLookupRefuses(t *testing.T) {
	data, err := Issue(info(), New(131072), newSigner(1))
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url   string
		index uint32
		at    time.Time
		want  error
	}{
		"index out of range: the first beyond":   {url, 131072, issued, ErrRange},
		"index out of range: the greatest":       {url, 1<<32 - 1, issued, ErrRange},
		"list swapped: one of another address":   {url + "1", 1, issued, ErrOther},
		"freeze: one whose time has just ended":  {url, 1, issued.Add(time.Hour), ErrExpired},
		"freeze: one whose time ended long past": {url, 1, issued.AddDate(1, 0, 0), ErrExpired},
	} {
		if _, err := token.Lookup(c.url, c.index, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Attack classes: wrong list signer, algorithm confusion, a signature moved.
func TestVerifyRefuses(t *testing.T) {
	data, err := Issue(info(), New(8), newSigner(1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Issue(Info{URL: url, IssuedAt: issued}, New(8), newSigner(1))
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parts, others := strings.Split(string(data), "."), strings.Split(string(other), ".")
	input := encoded(`{"alg":"ES256","kid":"12","typ":"statuslist+jwt"}`) + "." + parts[1]
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	es256 := input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	for name, c := range map[string]struct {
		text string
		key  any
		want error
	}{
		"as signed":                         {string(data), newSigner(1).Public(), nil},
		"ES256, as others sign":             {es256, &private.PublicKey, nil},
		"wrong list signer":                 {string(data), newSigner(2).Public(), ErrSignature},
		"a signature of another list":       {parts[0] + "." + parts[1] + "." + others[2], newSigner(1).Public(), ErrSignature},
		"no signature":                      {parts[0] + "." + parts[1] + ".", newSigner(1).Public(), ErrSignature},
		"algorithm confusion: to ES256":     {es256, newSigner(1).Public(), ErrAlgorithm},
		"algorithm confusion: from EdDSA":   {string(data), &private.PublicKey, ErrAlgorithm},
		"algorithm confusion: a shared key": {string(data), []byte("secret"), ErrAlgorithm},
	} {
		token, err := Parse([]byte(c.text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := token.Verify(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func packed(t testing.TB, data []byte, more ...byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(append(b.Bytes(), more...))
}

func TestParseRefuses(t *testing.T) {
	const header = `{"alg":"EdDSA","typ":"statuslist+jwt"}`
	claims := func(bits, lst string) string {
		return fmt.Sprintf(`{"iat":1,"sub":"x","status_list":{"bits":%s,"lst":"%s"}}`, bits, lst)
	}
	good := packed(t, make([]byte, 4))
	for name, c := range map[string]struct {
		header, claims string
		want           error
	}{
		"a good one":                        {header, claims("1", good), nil},
		"bomb: a list that inflates":        {header, claims("1", packed(t, make([]byte, maxList+1))), ErrTooLarge},
		"bomb: bytes behind the list":       {header, claims("1", packed(t, make([]byte, 4), 0)), ErrMalformed},
		"a list cut short":                  {header, claims("1", good[:8]), ErrMalformed},
		"a list in gzip":                    {header, claims("1", "H4sIAAAAAAAA"), ErrMalformed},
		"values of three bits":              {header, claims("3", good), ErrMalformed},
		"values of no bits":                 {header, claims("0", good), ErrMalformed},
		"values of a fraction of a bit":     {header, claims("1.5", good), ErrMalformed},
		"no list":                           {header, `{"iat":1,"sub":"x"}`, ErrMalformed},
		"no time of issue":                  {header, `{"sub":"x","status_list":{"bits":1,"lst":"` + good + `"}}`, ErrMalformed},
		"no address":                        {header, `{"iat":1,"status_list":{"bits":1,"lst":"` + good + `"}}`, ErrMalformed},
		"a time to live of nothing":         {header, strings.Replace(claims("1", good), `"iat"`, `"ttl":0,"iat"`, 1), ErrMalformed},
		"a negative end":                    {header, strings.Replace(claims("1", good), `"iat"`, `"exp":-1,"iat"`, 1), ErrMalformed},
		"duplicate keys":                    {header, strings.Replace(claims("1", good), `"iat"`, `"sub":"y","iat"`, 1), ErrMalformed},
		"algorithm confusion: none":         {`{"alg":"none","typ":"statuslist+jwt"}`, claims("1", good), ErrAlgorithm},
		"algorithm confusion: HS256":        {`{"alg":"HS256","typ":"statuslist+jwt"}`, claims("1", good), ErrAlgorithm},
		"another kind of token":             {`{"alg":"EdDSA","typ":"JWT"}`, claims("1", good), ErrMalformed},
		"a critical header that is unknown": {`{"alg":"EdDSA","crit":["x"],"typ":"statuslist+jwt"}`, claims("1", good), ErrMalformed},
	} {
		if _, err := Parse([]byte(encoded(c.header) + "." + encoded(c.claims) + "." + encoded("s"))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Parse(bytes.Repeat([]byte("a"), maxText+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too long a text: %v", err)
	}
	if _, err := Parse([]byte("a.b")); !errors.Is(err, ErrMalformed) {
		t.Errorf("two parts: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	good, err := Issue(info(), New(64), newSigner(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good))
	f.Add(encoded(`{"alg":"EdDSA","typ":"statuslist+jwt"}`) + "." + encoded(`{"iat":1,"sub":"x","status_list":{"bits":8,"lst":"`+packed(f, make([]byte, 16<<20))+`"}}`) + ".")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if len(token.list.data) > maxList || token.URL == "" || token.IssuedAt.IsZero() {
			t.Fatal("read beyond its bounds")
		}
		n := uint32(token.list.Len())
		if _, ok := token.list.Get(n); ok {
			t.Fatal("a position beyond the end")
		}
		if n > 0 {
			if _, ok := token.list.Get(n - 1); !ok {
				t.Fatal("the last position is outside")
			}
		}
	})
}
