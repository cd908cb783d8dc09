package hcert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/cose"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/vaccination"
)

// wrap returns the bytes of a COSE_Sign1 around any parts.
func wrap(t testing.TB, protected, unprotected, payload any, signature []byte) []byte {
	t.Helper()
	p, err := cbor.Marshal(protected)
	if err != nil {
		t.Fatal(err)
	}
	body, ok := payload.([]byte)
	if !ok {
		if body, err = cbor.Marshal(payload); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cbor.Marshal([]any{p, unprotected, body, signature})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type m = map[int]any

func TestOneChangedBitNeverVerifies(t *testing.T) {
	s := newSigner(t)
	good := encode(t, credentialtest.Jamaica(), s)
	for i := 2; i < len(good); i++ {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if msg, err := DecodeCOSE(bad); err == nil && msg.Verify(s.key.Public()) == nil {
				t.Fatalf("byte %d bit %d verifies", i, bit)
			}
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	s := newSigner(t)
	good, err := DecodeCOSE(encode(t, credentialtest.Jamaica(), s))
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signature := func(b []byte) *Message {
		m, signed := *good, *good.signed
		signed.Signature = b
		m.signed = &signed
		return &m
	}
	zero, half := make([]byte, 64), bytes.Clone(good.signed.Signature)
	clear(half[32:])
	half2 := bytes.Clone(good.signed.Signature)
	clear(half2[:32])
	order := append(elliptic.P256().Params().N.FillBytes(make([]byte, 32)), good.signed.Signature[32:]...)
	for name, c := range map[string]struct {
		message *Message
		key     crypto.PublicKey
		want    error
	}{
		"another key":                {good, newSigner(t).key.Public(), ErrSignature},
		"a key on another curve":     {good, p384.Public(), ErrAlgorithm},
		"an RSA key":                 {good, rsaKey.Public(), ErrAlgorithm},
		"a symmetric key":            {good, []byte("secret"), ErrAlgorithm},
		"no key":                     {good, nil, ErrAlgorithm},
		"an empty signature":         {signature(nil), s.key.Public(), ErrSignature},
		"r and s zero":               {signature(zero), s.key.Public(), ErrSignature},
		"s zero":                     {signature(half), s.key.Public(), ErrSignature},
		"r zero":                     {signature(half2), s.key.Public(), ErrSignature},
		"r of the group order":       {signature(order), s.key.Public(), ErrSignature},
		"a signature with a tail":    {signature(append(bytes.Clone(good.signed.Signature), 0)), s.key.Public(), ErrSignature},
		"an algorithm that is unset": {&Message{}, s.key.Public(), ErrAlgorithm},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.message.Verify(c.key); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestVerifyPS256(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	protected, payload := m{headerAlg: algPS256}, m{claimIssuer: "JM"}
	sign := func(key *rsa.PrivateKey, salt int) *Message {
		msg, err := DecodeCOSE(wrap(t, protected, m{headerKid: []byte{1}}, payload, []byte{1}))
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(msg.signed.Signed())
		if msg.signed.Signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt}); err != nil {
			t.Fatal(err)
		}
		return msg
	}
	if err := sign(key, 32).Verify(key.Public()); err != nil {
		t.Error(err)
	}
	if err := sign(key, 20).Verify(key.Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("a salt of 20 bytes: %v", err)
	}
	if err := sign(small, 32).Verify(small.Public()); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("RSA of 1024 bits: %v", err)
	}
	huge := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 5000), E: 65537}
	if err := sign(key, 32).Verify(huge); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("RSA of 5000 bits: %v", err)
	}
	if err := sign(key, 32).Verify(newSigner(t).key.Public()); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("a key for ES256: %v", err)
	}
}

func TestDecodeCOSERefuses(t *testing.T) {
	es256, claims, sig := m{headerAlg: algES256}, m{claimIssuer: "JM"}, make([]byte, 64)
	deep := append(bytes.Repeat([]byte{0x81}, 100), 0xf6)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                         {nil, ErrMalformed},
		"tags alone":                      {[]byte{0xd8, 61, 0xd2}, ErrMalformed},
		"CWT tag without COSE tag":        {append([]byte{0xd8, 61}, wrap(t, es256, m{}, claims, sig)...), ErrMalformed},
		"COSE_Mac0":                       {append([]byte{0xd1}, wrap(t, es256, m{}, claims, sig)...), ErrMalformed},
		"three elements":                  {[]byte{0x83, 0x40, 0xa0, 0x40}, ErrMalformed},
		"nulls":                           {[]byte{0x84, 0xf6, 0xf6, 0xf6, 0xf6}, ErrMalformed},
		"a detached payload":              {[]byte{0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0xf6, 0x41, 0x01}, ErrMalformed},
		"bytes after the end":             {append(wrap(t, es256, m{}, claims, sig), 0), ErrMalformed},
		"no algorithm":                    {wrap(t, m{}, m{}, claims, sig), ErrAlgorithm},
		"algorithm none":                  {wrap(t, m{headerAlg: 0}, m{}, claims, sig), ErrAlgorithm},
		"HMAC":                            {wrap(t, m{headerAlg: 5}, m{}, claims, sig), ErrAlgorithm},
		"ES384":                           {wrap(t, m{headerAlg: -35}, m{}, claims, sig), ErrAlgorithm},
		"an algorithm as text":            {wrap(t, m{headerAlg: "ES256"}, m{}, claims, sig), ErrAlgorithm},
		"unprotected over protected":      {wrap(t, m{headerAlg: 5}, m{headerAlg: algES256}, claims, sig), ErrAlgorithm},
		"a critical header":               {wrap(t, m{headerAlg: algES256, cose.HeaderCrit: []int{99}, 99: 1}, m{}, claims, sig), ErrMalformed},
		"a key id as text":                {wrap(t, m{headerAlg: algES256, headerKid: "x"}, m{}, claims, sig), ErrMalformed},
		"an empty key id":                 {wrap(t, m{headerAlg: algES256, headerKid: []byte{}}, m{}, claims, sig), ErrMalformed},
		"a header twice":                  {wrap(t, es256, cbor.RawMessage{0xa2, 0x04, 0x41, 1, 0x04, 0x41, 2}, claims, sig), ErrMalformed},
		"a claim twice":                   {wrap(t, es256, m{}, []byte{0xa2, 0x06, 0x01, 0x06, 0x02}, sig), ErrMalformed},
		"a member twice in the content":   {wrap(t, es256, m{}, m{claimHCERT: m{3: cbor.RawMessage("\xa2\x61a\x01\x61a\x02")}}, sig), ErrMalformed},
		"a claim twice, length unknown":   {wrap(t, es256, m{}, []byte{0xbf, 0x06, 0x01, 0x06, 0x02, 0xff}, sig), ErrMalformed},
		"an indefinite length cut short":  {wrap(t, es256, m{}, []byte{0xbf, 0x01, 0x61, 'x'}, sig), ErrMalformed},
		"text that is no UTF-8":           {wrap(t, es256, m{}, []byte{0xa1, 0x01, 0x61, 0xff}, sig), ErrMalformed},
		"nested without end":              {wrap(t, es256, m{}, append([]byte{0xa1, 0x01}, deep...), sig), ErrTooLarge},
		"an array said to be huge":        {wrap(t, es256, m{}, []byte{0xa1, 0x01, 0x9b, 0, 0, 0, 1, 0, 0, 0, 0}, sig), ErrTooLarge},
		"a map said to be huge":           {wrap(t, es256, m{}, []byte{0xba, 0x7f, 0xff, 0xff, 0xff}, sig), ErrTooLarge},
		"claims that are no map":          {wrap(t, es256, m{}, []byte{0x01}, sig), ErrMalformed},
		"an issuer that is no text":       {wrap(t, es256, m{}, m{claimIssuer: 1}, sig), ErrMalformed},
		"an expiry that is no time":       {wrap(t, es256, m{}, m{claimExpires: "2030-01-01"}, sig), ErrMalformed},
		"an expiry before 1970":           {wrap(t, es256, m{}, m{claimExpires: -1}, sig), ErrMalformed},
		"an expiry beyond the year 9999":  {wrap(t, es256, m{}, m{claimExpires: 1e300}, sig), ErrMalformed},
		"an expiry that is not a number":  {wrap(t, es256, m{}, []byte{0xa1, 0x04, 0xf9, 0x7e, 0x00}, sig), ErrMalformed},
		"a number beyond 64 bits":         {wrap(t, es256, m{}, []byte{0xa1, 0x04, 0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, sig), ErrMalformed},
		"more bytes than a QR code holds": {make([]byte, maxInflated+1), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeCOSE(c.data); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestDecodeCOSEAcceptsEachTag(t *testing.T) {
	s := newSigner(t)
	tagged := encode(t, credentialtest.Jamaica(), s)
	for name, data := range map[string][]byte{"18": tagged, "none": tagged[1:], "61(18)": append([]byte{0xd8, 61}, tagged...)} {
		msg, err := DecodeCOSE(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := msg.Verify(s.key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProtectedKeyIDWins(t *testing.T) {
	for name, c := range map[string]struct {
		protected, unprotected m
		want                   [][]byte
	}{
		"both":             {m{1: -7, 4: []byte{1}}, m{4: []byte{2}}, [][]byte{{1}}},
		"unprotected only": {m{1: -7}, m{4: []byte{2}}, [][]byte{{2}}},
		"none":             {m{1: -7}, m{}, nil},
	} {
		msg, err := DecodeCOSE(wrap(t, c.protected, c.unprotected, m{}, make([]byte, 64)))
		if err != nil || !cmp.Equal(msg.KeyIDs, c.want) {
			t.Errorf("%s: %v %v", name, msg, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	s := newSigner(t)
	good, err := Text(encode(t, credentialtest.Jamaica(), s))
	if err != nil {
		t.Fatal(err)
	}
	text := func(b []byte) string { return "HC1:" + string(appendBase45(nil, b)) }
	bomb, err := compress(make([]byte, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	small, err := compress(make([]byte, 16<<10)) // within the size, beyond the ratio
	if err != nil {
		t.Fatal(err)
	}
	packed, err := decodeBase45(good[4:])
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(packed)
	broken[len(broken)-1] ^= 1
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":                     {"", ErrPrefix},
		"another code":                {"https://example.org", ErrPrefix},
		"a later version":             {"HC2:" + good[4:], ErrPrefix},
		"lower case":                  {strings.ToLower(good), ErrPrefix},
		"a long text of another kind": {strings.Repeat("x", maxText+1), ErrPrefix},
		"a text that is too long":     {"HC1:" + strings.Repeat("0", maxText), ErrTooLarge},
		"no body":                     {"HC1:", ErrMalformed},
		"a lower-case letter":         {good[:20] + "a" + good[21:], ErrMalformed},
		"a group beyond 65535":        {"HC1::::", ErrMalformed},
		"a pair beyond 255":           {"HC1:::", ErrMalformed},
		"a single character left":     {"HC1:0000", ErrMalformed},
		"no zlib":                     {text([]byte("no zlib at all")), ErrMalformed},
		"zlib cut short":              {text(packed[:len(packed)-20]), ErrMalformed},
		"a wrong checksum":            {text(broken), ErrMalformed},
		"bytes after the stream":      {text(append(bytes.Clone(packed), 0)), ErrMalformed},
		"a bomb":                      {text(bomb[:min(len(bomb), 5000)]), ErrTooLarge},
		"a small bomb":                {text(small), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(c.text); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	if _, err := Decode(good + "\r\n"); err != nil {
		t.Errorf("a line end: %v", err)
	}
}

func TestCertificateReadsFormsOfTheField(t *testing.T) {
	type tm = map[string]any
	full := func(change func(top, cert, vac tm)) m {
		cert := tm{"issuer": "Ministry", "hcid": "H1", "version": "1.0.0"}
		vac := tm{"vaccine": tm{"code": "XM8NQ0"}, "lot": "L1", "date": "2021-05-01", "dose": 1, "country": tm{"code": "JAM"}}
		top := tm{"name": "A B", "certificate": cert, "vaccination": vac}
		change(top, cert, vac)
		return m{claimIssuer: "JM", claimIssuedAt: 1600000000.5, claimHCERT: m{subDDCC: top}}
	}
	for name, c := range map[string]struct {
		change func(top, cert, vac tm)
		want   func(*vaccination.Certificate)
	}{
		"as it is":           {func(_, _, _ tm) {}, func(*vaccination.Certificate) {}},
		"the dose as text":   {func(_, _, vac tm) { vac["dose"] = "2" }, func(c *vaccination.Certificate) { c.Vaccination.Number = 2 }},
		"the dose as float":  {func(_, _, vac tm) { vac["dose"] = 2.0 }, func(c *vaccination.Certificate) { c.Vaccination.Number = 2 }},
		"total_doses":        {func(_, _, vac tm) { vac["total_doses"] = 3 }, func(c *vaccination.Certificate) { c.Vaccination.Total = 3 }},
		"the lot as number":  {func(_, _, vac tm) { vac["lot"] = 123 }, func(c *vaccination.Certificate) { c.Vaccination.Lot = "123" }},
		"a code as text":     {func(_, _, vac tm) { vac["vaccine"] = "XM1" }, func(c *vaccination.Certificate) { c.Vaccination.Vaccine.Code = "XM1" }},
		"a code in an array": {func(_, _, vac tm) { vac["vaccine"] = []any{tm{"code": "XM1"}} }, func(c *vaccination.Certificate) { c.Vaccination.Vaccine.Code = "XM1" }},
		"a code with system": {func(_, _, vac tm) { vac["vaccine"] = tm{"code": "1", "system": "s", "display": "d"} }, func(c *vaccination.Certificate) {
			c.Vaccination.Vaccine = vaccination.Coding{Code: "1", System: "s", Display: "d"}
		}},
		"the date as dateTime":   {func(_, _, vac tm) { vac["date"] = "2021-05-01T10:00:00Z" }, func(*vaccination.Certificate) {}},
		"the issuer as map":      {func(_, cert, _ tm) { cert["issuer"] = tm{"id": "did:web:x", "name": "M"} }, func(c *vaccination.Certificate) { c.Info.Issuer.ID, c.Info.Issuer.Name = "did:web:x", "M" }},
		"the issuer as DID":      {func(_, cert, _ tm) { cert["issuer"] = "did:web:x" }, func(c *vaccination.Certificate) { c.Info.Issuer.ID, c.Info.Issuer.Name = "did:web:x", "" }},
		"the issuer a Reference": {func(_, cert, _ tm) { cert["issuer"] = tm{"reference": "Organization/1", "display": "M"} }, func(c *vaccination.Certificate) { c.Info.Issuer.ID, c.Info.Issuer.Name = "Organization/1", "M" }},
		"the hcid as Identifier": {func(_, cert, _ tm) { cert["hcid"] = tm{"value": "H2"} }, func(c *vaccination.Certificate) { c.Info.HCID = "H2" }},
		"an identifier as text":  {func(top, _, _ tm) { top["identifier"] = "N1" }, func(c *vaccination.Certificate) { c.Identifier.Value = "N1" }},
		"an Identifier of FHIR": {func(top, _, _ tm) { top["identifier"] = tm{"type": tm{"text": "x"}, "value": "N1"} },
			func(c *vaccination.Certificate) { c.Identifier.Value = "N1" }},
		"a birth date of a year": {func(top, _, _ tm) { top["birthDate"] = "1960" }, func(c *vaccination.Certificate) { c.BirthDate.Year = 1960 }},
		"a period without exp":   {func(_, cert, _ tm) { cert["period"] = tm{"end": "2030-01-01"} }, func(c *vaccination.Certificate) { c.Info.Period.End = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"members we do not know": {func(top, cert, vac tm) { top["x"], cert["y"], vac["z"] = 1, tm{}, []any{1, 2} }, func(*vaccination.Certificate) {}},
	} {
		t.Run(name, func(t *testing.T) {
			msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, full(c.change), make([]byte, 64)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := msg.Certificate()
			if err != nil {
				t.Fatal(err)
			}
			want := vaccination.Certificate{Person: vaccination.Person{Name: "A B"}}
			want.Info = vaccination.CertificateInfo{Issuer: vaccination.Issuer{Name: "Ministry", Country: "JAM"}, HCID: "H1", Version: "1.0.0"}
			want.Info.Period.Start = msg.IssuedAt
			want.Vaccination = vaccination.Dose{Vaccine: vaccination.Coding{Code: "XM8NQ0", System: vaccination.SystemICD11}, Lot: "L1", Date: vaccination.Date{Year: 2021, Month: 5, Day: 1}, Number: 1,
				Country: vaccination.Coding{Code: "JAM", System: vaccination.SystemISO3166}}
			c.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, change := range map[string]func(top, cert, vac tm){
		"a name that is a map":       func(top, _, _ tm) { top["name"] = tm{} },
		"a vaccination that is text": func(top, _, _ tm) { top["vaccination"] = "x" },
		"a dose below zero":          func(_, _, vac tm) { vac["dose"] = -1 },
		"a dose beyond reason":       func(_, _, vac tm) { vac["dose"] = 1 << 40 },
		"a dose that is a fraction":  func(_, _, vac tm) { vac["dose"] = 1.5 },
		"a date that is none":        func(_, _, vac tm) { vac["date"] = "2021-13-01" },
		"a period that is none":      func(_, cert, _ tm) { cert["period"] = tm{"end": "soon"} },
		"two vaccines":               func(_, _, vac tm) { vac["vaccine"] = []any{"a", "b"} },
		"a specimen that is text":    func(top, _, _ tm) { top["specimen"] = "no" },
		"a code that is a map":       func(_, _, vac tm) { vac["vaccine"] = tm{"code": tm{}} },
	} {
		t.Run(name, func(t *testing.T) {
			msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, full(change), make([]byte, 64)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := msg.Certificate(); !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v, want %v", err, ErrMalformed)
			}
		})
	}
}

func TestOtherPayloadsAreRefused(t *testing.T) {
	for sub, want := range map[int]struct {
		payload Payload
		err     error
	}{1: {EUDCC, ErrMalformed}, 5: {HealthLink, ErrPayload}, -6: {ICVP, ErrMalformed}, 77: {Unknown, ErrPayload}} {
		msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, m{claimHCERT: m{sub: map[string]any{}}}, make([]byte, 64)))
		if err != nil || msg.Payload != want.payload {
			t.Errorf("%d: %v %v", sub, msg, err)
			continue
		}
		if _, err := msg.Certificate(); !errors.Is(err, want.err) || errors.Is(want.err, ErrPayload) && !strings.Contains(err.Error(), want.payload.Name()) {
			t.Errorf("%d: %v", sub, err)
		}
	}
}

// Countries write lengths and tags in every form that CBOR has.
func TestDecodeCOSEAcceptsEachLength(t *testing.T) {
	for name, data := range map[string][]byte{
		"indefinite map":  wrap(t, m{headerAlg: algES256}, m{}, []byte{0xbf, 0x01, 0x61, 'x', 0xff}, make([]byte, 64)),
		"indefinite text": wrap(t, m{headerAlg: algES256}, m{}, []byte{0xa1, 0x01, 0x7f, 0x61, 'x', 0xff}, make([]byte, 64)),
	} {
		for _, tag := range []string{"", "\xd2", "\xd8\x12", "\xd9\x00\x12", "\xd8\x3d\xd2", "\xd9\x00\x3d\xd8\x12"} {
			if data[0] == 0xd2 {
				data = data[1:]
			}
			if msg, err := DecodeCOSE(append([]byte(tag), data...)); err != nil || msg.Issuer != "x" {
				t.Errorf("%s behind %x: %v", name, tag, err)
			}
		}
	}
}

func TestReadablePayloadComesFirst(t *testing.T) {
	msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, m{claimHCERT: m{subEUDCC: map[string]any{}, subDDCC: map[string]any{"name": "A"}}}, make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := msg.Certificate(); err != nil || msg.Payload != DDCC || c.Name != "A" {
		t.Errorf("%v %v", msg.Payload, err)
	}
}

func FuzzBase45(f *testing.F) {
	f.Add("QED8WEX0")
	f.Add("BB8")
	f.Add("%69 VD92EX0")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := decodeBase45(text); err == nil && string(appendBase45(nil, b)) != text {
			t.Fatalf("%q is written %q", text, appendBase45(nil, b))
		}
	})
}

func TestBase45OfRFC9285(t *testing.T) {
	for plain, want := range map[string]string{"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0"} {
		if got := string(appendBase45(nil, []byte(plain))); got != want {
			t.Errorf("%q is written %q, want %q", plain, got, want)
		}
	}
}

func FuzzDecodeCOSE(f *testing.F) {
	s := newSigner(f)
	f.Add(encode(f, credentialtest.Jamaica(), s, everything()...))
	f.Add(encode(f, credentialtest.Tamil(), s))
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := DecodeCOSE(data)
		if err != nil {
			return
		}
		c, err := msg.Certificate()
		if err != nil {
			return
		}
		cose, err := Encode(c, msg.Payload, s, everything()...)
		if err != nil {
			return // read in a form that we would not issue
		}
		again, err := DecodeCOSE(cose)
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(carried(c, msg.Payload), second); diff != "" {
			t.Fatal(diff)
		}
		if same, err := Encode(second, msg.Payload, s, everything()...); err != nil || !bytes.Equal(same, cose) {
			t.Fatalf("encodes differently: %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	s := newSigner(f)
	text, err := Text(encode(f, credentialtest.Jamaica(), s))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		if msg, err := Decode(text); err == nil && msg == nil {
			t.Fatal("neither message nor error")
		}
	})
}
