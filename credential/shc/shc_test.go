package shc_test

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/vaccination"
)

type signer struct{ *ecdsa.PrivateKey }

func (s signer) Public() *ecdsa.PublicKey { return &s.PublicKey }

func (s signer) Sign(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	r, v, err := ecdsa.Sign(rand.Reader, s.PrivateKey, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...), nil
}

func newSigner(t testing.TB) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k}
}

func products(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const issuer = "https://certificates.example.org"

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestACardIsReadAsItWasIssued(t *testing.T) {
	s, c := newSigner(t), credentialtest.Jamaica()
	jws, err := shc.Issue(c, products(t), issuer, "abc-_12", s)
	if err != nil {
		t.Fatal(err)
	}
	code, err := shc.Code(jws)
	if err != nil {
		t.Fatal(err)
	}
	file, ok := shc.Cards(shc.File(jws))
	if !ok || len(file) != 1 {
		t.Fatal("the file is not read")
	}
	for _, text := range []string{jws, code, file[0], strings.ToUpper(code[:3]) + code[3:]} {
		card, err := shc.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := card.Verify(s.Public()); err != nil {
			t.Fatal(err)
		}
		if card.Issuer != issuer || card.Revocation != "abc-_12" || !card.NotBefore.Equal(c.Info.Period.Start) || !card.ExpiresAt.Equal(c.Info.Period.End) {
			t.Errorf("%+v", card)
		}
		all, err := card.Certificates()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		got := all[0]
		p, _ := products(t).Product(c.Vaccination.Product)
		if got.Name != c.Name || got.BirthDate != c.BirthDate || got.Vaccination.Date != c.Vaccination.Date || got.Vaccination.Lot != c.Vaccination.Lot ||
			got.Vaccination.Vaccine != (vaccination.Coding{System: vaccination.SystemCVX, Code: p.CVX[0]}) || got.Vaccination.Centre != c.Vaccination.Centre {
			t.Errorf("%+v", got)
		}
	}
}

func TestACardRequires(t *testing.T) {
	for want, change := range map[string]func(*vaccination.Certificate){
		"name":      func(c *vaccination.Certificate) { c.Name = "" },
		"birthDate": func(c *vaccination.Certificate) { c.BirthDate = vaccination.Date{} },
		"vaccination.vaccine": func(c *vaccination.Certificate) {
			c.Vaccination.Product, c.Vaccination.Vaccine, c.Vaccination.Brand = "", vaccination.Coding{}, vaccination.Coding{}
		},
		"vaccination.date": func(c *vaccination.Certificate) { c.Vaccination.Date = vaccination.Date{} },
	} {
		c := credentialtest.Jamaica()
		change(&c)
		if got := shc.Missing(c, products(t)); !slices.Equal(got, []string{want}) {
			t.Errorf("without %s: %v", want, got)
		}
		if _, err := shc.Issue(c, products(t), issuer, "", newSigner(t)); !errors.Is(err, shc.ErrMissing) {
			t.Errorf("without %s: %v", want, err)
		}
	}
	for _, bad := range []string{"http://example.org", "https://example.org/", "did:web:example.org", ""} {
		if _, err := shc.Issue(credentialtest.Jamaica(), products(t), bad, "", newSigner(t)); err == nil {
			t.Errorf("issued for %q", bad)
		}
	}
}

// hostile makes a card of any header and payload, well signed.
func hostile(t testing.TB, s signer, header, payload string, pack func([]byte) []byte) string {
	t.Helper()
	if pack == nil {
		pack = deflate
	}
	e := base64.RawURLEncoding.EncodeToString
	in := e([]byte(strings.ReplaceAll(header, "KID", shc.Thumbprint(s.Public())))) + "." + e(pack([]byte(payload)))
	sig, err := s.Sign([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	return in + "." + e(sig)
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

const (
	header  = `{"alg":"ES256","zip":"DEF","kid":"KID"}`
	patient = `{"fullUrl":"resource:0","resource":{"resourceType":"Patient","name":[{"family":"A","given":["B"]}],"birthDate":"1951-01-20"}}`
	dose    = `{"fullUrl":"resource:1","resource":{"resourceType":"Immunization","status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"207"}]},"patient":{"reference":"resource:0"},"occurrenceDateTime":"2021-01-01"}}`
	card    = `{"iss":"https://example.org","nbf":1687450764.5,"vc":{"type":["https://smarthealth.cards#health-card"],"credentialSubject":{"fhirVersion":"4.0.1","fhirBundle":{"resourceType":"Bundle","type":"collection","entry":[` + patient + `,` + dose + `]}}}}`
)

func TestHostileCards(t *testing.T) {
	s := newSigner(t)
	if c, err := shc.Decode(hostile(t, s, header, card, nil)); err != nil || c.Verify(s.Public()) != nil {
		t.Fatal(err)
	}
	change := func(old, with string) string {
		out := strings.Replace(card, old, with, 1)
		if out == card {
			t.Fatalf("%s is not in the card", old)
		}
		return out
	}
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"algorithm none":           {hostile(t, s, strings.Replace(header, "ES256", "none", 1), card, nil), shc.ErrAlgorithm},
		"HMAC":                     {hostile(t, s, strings.Replace(header, "ES256", "HS256", 1), card, nil), shc.ErrAlgorithm},
		"not compressed":           {hostile(t, s, `{"alg":"ES256","kid":"KID"}`, card, nil), shc.ErrMalformed},
		"a key id of words":        {hostile(t, s, `{"alg":"ES256","zip":"DEF","kid":"key"}`, card, nil), shc.ErrMalformed},
		"a critical header":        {hostile(t, s, `{"alg":"ES256","zip":"DEF","kid":"KID","crit":["x"]}`, card, nil), shc.ErrMalformed},
		"a header twice":           {hostile(t, s, `{"alg":"ES256","alg":"ES256","zip":"DEF","kid":"KID"}`, card, nil), shc.ErrMalformed},
		"zlib in place of DEFLATE": {hostile(t, s, header, card, func(b []byte) []byte { return append([]byte{0x78, 0x9c}, deflate(b)...) }), shc.ErrMalformed},
		"bytes after DEFLATE":      {hostile(t, s, header, card, func(b []byte) []byte { return append(deflate(b), 0) }), shc.ErrMalformed},
		"a bomb":                   {hostile(t, s, header, strings.Repeat(" ", 40<<20), nil), shc.ErrTooLarge},
		"an issuer by http":        {hostile(t, s, header, change("https://example.org", "http://example.org"), nil), shc.ErrMalformed},
		"an issuer with a slash":   {hostile(t, s, header, change("https://example.org", "https://example.org/"), nil), shc.ErrMalformed},
		"no time":                  {hostile(t, s, header, change(`"nbf":1687450764.5,`, ""), nil), shc.ErrMalformed},
		"a time as text":           {hostile(t, s, header, change("1687450764.5", `"2023"`), nil), shc.ErrMalformed},
		"a time in milliseconds":   {hostile(t, s, header, change("1687450764.5", "16874507645000"), nil), shc.ErrMalformed},
		"another type":             {hostile(t, s, header, change("#health-card", "#other"), nil), shc.ErrMalformed},
		"another FHIR":             {hostile(t, s, header, change("4.0.1", "3.0.2"), nil), shc.ErrMalformed},
		"a rid that is too long":   {hostile(t, s, header, change(`"vc":{`, `"vc":{"rid":"1234567890123456789012345",`), nil), shc.ErrMalformed},
		"a member twice":           {hostile(t, s, header, change(`"vc":{`, `"vc":{},"vc":{`), nil), shc.ErrMalformed},
		"two parts":                {"eyJ." + "x", shc.ErrNotSHC},
		"padding":                  {strings.Replace(hostile(t, s, header, card, nil), ".", "=.", 1), shc.ErrMalformed},
		"an odd number of digits":  {"shc:/567", shc.ErrMalformed},
		"a letter among digits":    {"shc:/56x6", shc.ErrMalformed},
		"digits beyond z":          {"shc:/5678", shc.ErrMalformed},
		"one code of two":          {"shc:/1/2/5676", shc.ErrChunk},
		"code 3 of 2":              {"shc:/3/2/5676", shc.ErrMalformed},
		"code 0":                   {"shc:/0/2/5676", shc.ErrMalformed},
		"one code twice, changed":  {"shc:/1/2/5676 shc:/1/2/5677", shc.ErrMalformed},
		"no card":                  {"https://example.org", shc.ErrNotSHC},
		"endless":                  {"shc:/" + strings.Repeat("5", 70_000), shc.ErrTooLarge},
	} {
		if _, err := shc.Decode(tc.text); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	for name, tc := range map[string]struct {
		payload string
		want    error
	}{
		"two patients":         {change(patient, patient+","+patient), shc.ErrMalformed},
		"a dose of another":    {change(`"reference":"resource:0"`, `"reference":"resource:9"`), shc.ErrMalformed},
		"a dose in error":      {change(`"completed"`, `"entered-in-error"`), shc.ErrContent},
		"a dose without a day": {change(`"2021-01-01"`, `"soon"`), shc.ErrMalformed},
		"no name":              {change(`"family":"A","given":["B"]`, `"use":"usual"`), shc.ErrMalformed},
		"no Bundle":            {change(`"Bundle"`, `"List"`), shc.ErrMalformed},
	} {
		c, err := shc.Decode(hostile(t, s, header, tc.payload, nil))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := c.Certificates(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestASignatureOfAnotherKeyOrTextIsRefused(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	jws := hostile(t, s, header, card, nil)
	c, err := shc.Decode(jws)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.Verify(other.Public()) == nil || !errors.Is(c.Verify(&p384.PublicKey), shc.ErrAlgorithm) || c.Verify(nil) == nil {
		t.Error("verified with another key")
	}
	// Signed by a key that the card does not name.
	forged := strings.Join(append(strings.Split(jws, ".")[:2], strings.Split(hostile(t, other, header, card, nil), ".")[2]), ".")
	if c, err := shc.Decode(forged); err != nil || c.Verify(s.Public()) == nil || c.Verify(other.Public()) == nil {
		t.Error("verified with the signature of another key", err)
	}
	parts := strings.Split(jws, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(deflate([]byte(strings.Replace(card, `"A"`, `"X"`, 1))))
	if c, err := shc.Decode(strings.Join(parts, ".")); err != nil || c.Verify(s.Public()) == nil {
		t.Error("verified with another payload", err)
	}
}

func TestRevocationLists(t *testing.T) {
	at := time.Unix(1_664_492_124, 0)
	l, err := shc.ParseCRL([]byte(`{"kid":"k","method":"rid","ctr":3,"rids":["abc","def.1664492124","abcd.1"]}`))
	if err != nil || l.Counter != 3 {
		t.Fatal(l, err)
	}
	for _, tc := range []struct {
		rid    string
		issued time.Time
		want   bool
	}{
		{"abc", at, true}, {"def", at.Add(-time.Second), true}, {"def", at, false}, {"ab", at, false}, {"abcd", at, false}, {"x", at, false}, {"", at, false},
	} {
		if got := l.Revoked(tc.rid, tc.issued); got != tc.want {
			t.Errorf("%s issued %v: %v", tc.rid, tc.issued, got)
		}
	}
	again, err := shc.ParseCRL(shc.EncodeCRL("k", 4, []string{"z", "a"}))
	if err != nil || again.Counter != 4 || !again.Revoked("z", at) || again.Revoked("b", at) {
		t.Error(again, err)
	}
	for _, bad := range []string{`{}`, `[]`, `{"kid":"k","method":"sha","ctr":1,"rids":[]}`, `{"kid":"k","method":"rid","ctr":1.5,"rids":[]}`, `{"kid":"k","method":"rid","ctr":1,"rids":["a b"]}`, `{"kid":"k","method":"rid","ctr":1,"rids":["a.x"]}`, `{"kid":"k","method":"rid","ctr":1,"rids":[1]}`} {
		if _, err := shc.ParseCRL([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

// FuzzDecode: what is read as a card is the same when its code is made again.
func FuzzDecode(f *testing.F) {
	s := newSigner(f)
	good := hostile(f, s, header, card, nil)
	code, err := shc.Code(good)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, code, "shc:/1/2/5676", "shc:/", "eyJ.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c, err := shc.Decode(in)
		if err != nil {
			return
		}
		if c.Verify(s.Public()) == nil && !strings.Contains(in, "shc") && in != good {
			t.Errorf("%q verifies", in)
		}
		_, _ = c.Certificates()
	})
}
