package hcert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"rsc.io/qr"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/vaccination"
)

// testSigner signs ES256 deterministically.
type testSigner struct{ key *ecdsa.PrivateKey }

func newSigner(t testing.TB) testSigner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return testSigner{key}
}

func (s testSigner) KeyID() []byte { return []byte{1, 2, 3, 4, 5, 6, 7, 8} }

func (s testSigner) Sign(msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	der, err := s.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	v.R.FillBytes(out[:32])
	v.S.FillBytes(out[32:])
	return out, nil
}

func everything() []Element {
	return []Element{Identifier, MAHolder, ValidFrom, ValidUntil, Centre, Practitioner, NextDose}
}

func encode(t testing.TB, c vaccination.Certificate, s Signer, extra ...Element) []byte {
	t.Helper()
	cose, err := Encode(c, DDCC, s, extra...)
	if err != nil {
		t.Fatal(err)
	}
	return cose
}

// carried returns what a code with every element says of c.
func carried(c vaccination.Certificate, p Payload) vaccination.Certificate {
	coding := func(c vaccination.Coding, implied string) vaccination.Coding {
		switch {
		case c.Code == "":
			return vaccination.Coding{Display: c.Display}
		case c.System == "":
			return vaccination.Coding{Code: c.Code, System: implied}
		}
		return vaccination.Coding{Code: c.Code, System: c.System}
	}
	c.Domestic, c.Programme, c.Nationality = p == Domestic, "", ""
	if c.Identifier.Value == "" {
		c.Identifier.Kind = ""
	}
	if c.Info.Issuer.Name != "" {
		c.Info.Issuer.ID = ""
	}
	c.Info.KeyID = "0102030405060708"
	v := &c.Vaccination
	v.Product, v.CentreAddress = "", vaccination.Address{}
	v.Vaccine = coding(v.Vaccine, vaccination.SystemICD11)
	v.Brand = coding(v.Brand, vaccination.SystemICD11)
	v.Manufacturer = coding(v.Manufacturer, vaccination.SystemEUOrg)
	v.MAHolder = coding(v.MAHolder, vaccination.SystemEUOrg)
	v.Disease = coding(v.Disease, vaccination.SystemICD11)
	v.Country = coding(v.Country, vaccination.SystemISO3166)
	return c
}

func TestWhatIsEncodedReadsBackTheSame(t *testing.T) {
	s := newSigner(t)
	counts := map[Payload]int{}
	rapid.Check(t, func(t *rapid.T) {
		c := credentialtest.Draw(t)
		if rapid.Bool().Draw(t, "complete") { // else hardly one would be
			full := credentialtest.Jamaica().Vaccination
			c.Name, c.Info.Version, c.Domestic = "x"+c.Name, "1"+c.Info.Version, false
			c.Vaccination.Vaccine, c.Vaccination.Brand, c.Vaccination.Manufacturer = full.Vaccine, full.Brand, full.Manufacturer
			c.Vaccination.Lot, c.Vaccination.Date, c.Vaccination.Number, c.Vaccination.Country = "l"+c.Vaccination.Lot, full.Date, full.Number, full.Country
		}
		p := DDCC
		if c.Domestic || len(Missing(c, DDCC)) > 0 {
			p, c.Name = Domestic, "x"+c.Name
		}
		counts[p]++
		cose, err := Encode(c, p, s, everything()...)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Text(cose)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Verify(s.key.Public()); err != nil {
			t.Fatal(err)
		}
		got, err := m.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(carried(c, p), got); diff != "" {
			t.Fatal(diff)
		}
		if m.Payload != p || !m.IssuedAt.Equal(c.Info.Period.Start) || !m.ExpiresAt.Equal(c.Info.Period.End) {
			t.Fatal(m.Payload, m.IssuedAt, m.ExpiresAt)
		}
		again, err := Encode(got, p, s, everything()...)
		if err != nil || !bytes.Equal(again, cose) {
			t.Fatalf("encodes differently: %v\n%x\n%x", err, cose, again)
		}
	})
	if counts[DDCC] < 20 || counts[Domestic] < 20 {
		t.Errorf("drawn: %v", counts)
	}
}

func TestEncodeNamesEveryMissingElement(t *testing.T) {
	s := newSigner(t)
	for field, spoil := range map[string]func(*vaccination.Certificate){
		"name":                       func(c *vaccination.Certificate) { c.Name = "" },
		"certificate.issuer":         func(c *vaccination.Certificate) { c.Info.Issuer.Name, c.Info.Issuer.ID = "", "" },
		"certificate.issuer.country": func(c *vaccination.Certificate) { c.Info.Issuer.Country = "" },
		"certificate.hcid":           func(c *vaccination.Certificate) { c.Info.HCID = "" },
		"certificate.version":        func(c *vaccination.Certificate) { c.Info.Version = "" },
		"certificate.period.start":   func(c *vaccination.Certificate) { c.Info.Period.Start = time.Time{} },
		"vaccination.vaccine":        func(c *vaccination.Certificate) { c.Vaccination.Vaccine.Code = "" },
		"vaccination.brand":          func(c *vaccination.Certificate) { c.Vaccination.Brand = vaccination.Coding{} },
		"vaccination.manufacturer": func(c *vaccination.Certificate) {
			c.Vaccination.Manufacturer, c.Vaccination.MAHolder = vaccination.Coding{}, vaccination.Coding{}
		},
		"vaccination.lot":     func(c *vaccination.Certificate) { c.Vaccination.Lot = "" },
		"vaccination.date":    func(c *vaccination.Certificate) { c.Vaccination.Date.Day = 0 },
		"vaccination.dose":    func(c *vaccination.Certificate) { c.Vaccination.Number = 0 },
		"vaccination.country": func(c *vaccination.Certificate) { c.Vaccination.Country = vaccination.Coding{} },
	} {
		t.Run(field, func(t *testing.T) {
			c := credentialtest.Jamaica()
			spoil(&c)
			_, err := Encode(c, DDCC, s)
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Format != "WHO DDCC" || !cmp.Equal(missing.Fields, []string{field}) {
				t.Errorf("error %v", err)
			}
		})
	}
	_, err := Encode(vaccination.Certificate{}, DDCC, s)
	var missing *MissingError
	if !errors.As(err, &missing) || len(missing.Fields) != 13 {
		t.Errorf("of nothing: %v", err)
	}
	_, err = Encode(vaccination.Certificate{}, Domestic, s)
	if !errors.As(err, &missing) || len(missing.Fields) != 5 {
		t.Errorf("of nothing, at home: %v", err)
	}
	estimated := credentialtest.Jamaica()
	estimated.Vaccination.Date.Estimated = true
	if _, err := Encode(estimated, DDCC, s); !errors.As(err, &missing) {
		t.Errorf("an estimated date: %v", err)
	}
	holder := credentialtest.Jamaica()
	holder.Vaccination.Manufacturer = vaccination.Coding{}
	m, err := DecodeCOSE(encode(t, holder, s))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := m.Certificate(); err != nil || c.Vaccination.MAHolder.Code == "" {
		t.Errorf("the holder stands in for the manufacturer: %v %v", c.Vaccination.MAHolder, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	s := newSigner(t)
	domestic := credentialtest.Jamaica()
	domestic.Domestic = true
	if _, err := Encode(domestic, DDCC, s); !errors.Is(err, ErrPayload) {
		t.Errorf("a domestic certificate as DDCC: %v", err)
	}
	if _, err := Encode(credentialtest.Jamaica(), EUDCC, s); !errors.Is(err, ErrPayload) {
		t.Errorf("an EU DCC: %v", err)
	}
	abroad := credentialtest.Jamaica()
	abroad.Info.Issuer.Country = "XYZ"
	if _, err := Encode(abroad, DDCC, s); err == nil {
		t.Error("a country that is none")
	}
	if _, err := Encode(credentialtest.Jamaica(), DDCC, shortSigner{}); !errors.Is(err, ErrSignature) {
		t.Errorf("a signer that gives DER: %v", err)
	}
	long := credentialtest.Jamaica()
	noise := make([]byte, 4000)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	long.Name = strings.ToValidUTF8(string(noise), "x")
	if _, err := Text(encode(t, long, s)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than a QR code holds: %v", err)
	}
}

type shortSigner struct{}

func (shortSigner) KeyID() []byte               { return []byte{1} }
func (shortSigner) Sign([]byte) ([]byte, error) { return make([]byte, 70), nil }

// What a profile did not ask for is not in the code.
func TestExtraElementsOnlyOnRequest(t *testing.T) {
	s := newSigner(t)
	c := credentialtest.Jamaica()
	c.Vaccination.NextDose = vaccination.Date{Year: 2022, Month: 1, Day: 4}
	plain := encode(t, c, s)
	values := map[Element]string{Identifier: c.Identifier.Value, Centre: c.Vaccination.Centre, Practitioner: c.Vaccination.Practitioner, NextDose: "2022-01-04", ValidUntil: "2022-11-30", ValidFrom: "validFrom", MAHolder: "maholder"}
	for e, value := range values {
		if bytes.Contains(plain, []byte(value)) {
			t.Errorf("%s without request", e)
		}
		if !bytes.Contains(encode(t, c, s, e), []byte(value)) {
			t.Errorf("no %s on request", e)
		}
	}
}

// Issue 2 section 4: Latin names within QR version 20, Sinhala and Tamil within
// 24, at level M.
func TestCodeFitsTheQRCode(t *testing.T) {
	s := newSigner(t)
	for name, c := range map[string]struct {
		certificate vaccination.Certificate
		extra       []Element
		version     int
	}{
		"Latin":                          {credentialtest.Jamaica(), nil, 20},
		"Latin with every element":       {credentialtest.Jamaica(), everything(), 20},
		"long Sinhala":                   {credentialtest.SriLanka(), nil, 24},
		"long Sinhala with its facility": {credentialtest.SriLanka(), []Element{Centre}, 24},
		"long Tamil with its facility":   {credentialtest.Tamil(), []Element{Centre}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := Text(encode(t, c.certificate, s, c.extra...))
			if err != nil {
				t.Fatal(err)
			}
			code, err := qr.Encode(text, qr.M)
			if err != nil {
				t.Fatal(err)
			}
			version := (code.Size - 17) / 4
			if version > c.version {
				t.Errorf("version %d, at most %d", version, c.version)
			}
			t.Logf("%d characters, version %d", len(text), version)
		})
	}
}

func BenchmarkTable_IssueHCERT(b *testing.B) {
	s, c := newSigner(b), credentialtest.Jamaica()
	b.ReportAllocs()
	for b.Loop() {
		cose, err := Encode(c, DDCC, s)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Text(cose); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTable_VerifyHCERT(b *testing.B) {
	s := newSigner(b)
	text, err := Text(encode(b, credentialtest.Jamaica(), s))
	if err != nil {
		b.Fatal(err)
	}
	pub := s.key.Public()
	b.ReportAllocs()
	for b.Loop() {
		m, err := Decode(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Verify(pub); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Certificate(); err != nil {
			b.Fatal(err)
		}
	}
}
