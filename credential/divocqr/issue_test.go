package divocqr_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/vaccination"
	"pgregory.net/rapid"
)

const method = "did:web:certificates.moh.gov.jm#0123456789abcdef"

var (
	signedAt = time.Date(2026, 11, 23, 8, 0, 1, 0, time.UTC)
	options  = divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}
	update   = flag.Bool("update", false, "write the golden file anew")
)

// signer signs with a key of either kind.
type signer struct {
	method string
	key    crypto.Signer
	fail   error
}

func (s signer) Method() string           { return s.method }
func (s signer) Public() crypto.PublicKey { return s.key.Public() }
func (s signer) Sign(input []byte) ([]byte, error) {
	if key, ok := s.key.(*rsa.PrivateKey); ok {
		h := crypto.SHA256.New()
		h.Write(input)
		return rsa.SignPSS(rand.Reader, key, crypto.SHA256, h.Sum(nil), salt32)
	}
	if s.fail != nil {
		return nil, s.fail
	}
	return s.key.Sign(nil, input, crypto.Hash(0))
}

func ed25519Signer(t testing.TB) signer { return signer{method: method, key: newEd25519(t)} }

// issued is c after Issue, Code and Decode.
func issued(t rapid.TB, c vaccination.Certificate, o divocqr.Options, s signer) *divocqr.Credential {
	t.Helper()
	data, err := divocqr.Issue(c, o, s, signedAt)
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	form := data
	switch code, err := divocqr.Code(data); {
	case err == nil:
		form = []byte(code)
	case !errors.Is(err, divocqr.ErrCannotCarry):
		t.Fatalf("Code: %v", err)
	}
	cred, err := divocqr.Decode(form)
	if err != nil {
		t.Fatalf("Decode: %v\n%s", err, data)
	}
	if !bytes.Equal(cred.JSON(), data) {
		t.Fatalf("the code holds\n%s\nnot\n%s", cred.JSON(), data)
	}
	if err := cred.Verify(s.Public()); err != nil {
		t.Fatalf("Verify: %v\n%s", err, data)
	}
	return cred
}

// carried is what the format can say of c.
func carried(c vaccination.Certificate, o divocqr.Options) vaccination.Certificate {
	v := c.Vaccination
	out := vaccination.Certificate{
		Person: c.Person,
		Info:   vaccination.CertificateInfo{Issuer: vaccination.Issuer{ID: c.Info.Issuer.ID}, KeyID: method, HCID: c.Info.HCID, Period: c.Info.Period},
		Vaccination: vaccination.Dose{
			Vaccine: v.Vaccine, Brand: vaccination.Coding{Display: v.Brand.Display}, Manufacturer: vaccination.Coding{Display: v.Manufacturer.Display},
			Lot: v.Lot, Date: v.Date, ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil, Number: v.Number, Total: v.Total,
			Centre: v.Centre, CentreAddress: v.CentreAddress, Practitioner: v.Practitioner,
		},
	}
	if c.Specimen {
		out.Name = "SPECIMEN " + c.Name
	}
	if !o.Identifier {
		out.Identifier = vaccination.Identifier{}
	}
	d := &out.Vaccination
	if d.Manufacturer.Display == "" {
		d.Manufacturer.Display = v.MAHolder.Display
	}
	if v.Vaccine.System != vaccination.SystemICD11 || v.Vaccine.Code == "" {
		d.Vaccine = vaccination.Coding{Display: v.Vaccine.Display}
	}
	for _, country := range []string{v.Country.Code, v.Country.Display, v.CentreAddress.Country} {
		if d.CentreAddress.Country = country; country != "" {
			break
		}
	}
	d.Country.Display = d.CentreAddress.Country
	if country, ok := catalogue.FindCountry(d.CentreAddress.Country); ok {
		d.Country = vaccination.Coding{Code: country.Alpha3, System: vaccination.SystemISO3166, Display: country.Name}
	}
	return out
}

func TestIssuedCertificatesReadAsTheyWere(t *testing.T) {
	for name, s := range map[string]signer{"RSA": {method: method, key: newRSA(t, 2048)}, "Ed25519": ed25519Signer(t)} {
		for who, c := range map[string]vaccination.Certificate{"Jamaica": credentialtest.Jamaica(), "Sinhala": credentialtest.SriLanka(), "Tamil": credentialtest.Tamil()} {
			c.BirthDate = vaccination.Date{Year: 1987, Month: 4, Day: 21}
			for _, o := range []divocqr.Options{options, {VerifyURL: options.VerifyURL, Identifier: true}} {
				cred := issued(t, c, o, s)
				if d := cmp.Diff(carried(c, o), cred.Certificate()); d != "" {
					t.Errorf("%s, %s:\n%s", name, who, d)
				}
				if d := cmp.Diff([]string{divocqr.FieldsNotBound}, cred.Weaknesses()); d != "" {
					t.Errorf("%s, %s: weaknesses\n%s", name, who, d)
				}
				if cred.Method() != method || !cred.Created().Equal(signedAt) || cred.ProofType() != name+"Signature2018" && name != "RSA" {
					t.Errorf("%s: method %s, created %v, proof %s", name, cred.Method(), cred.Created(), cred.ProofType())
				}
			}
		}
	}
}

// TestWhateverIsIssuedReadsAsItWas draws certificates. What is refused is
// refused by name; everything else is there again after Issue, Code and Decode,
// and its statements are those of an independent implementation of JSON-LD.
func TestWhateverIsIssuedReadsAsItWas(t *testing.T) {
	o, s := newOracle(t), ed25519Signer(t)
	carries := 0
	rapid.Check(t, func(t *rapid.T) {
		c := credentialtest.Draw(t)
		if rapid.IntRange(0, 9).Draw(t, "complete") > 0 {
			complete(&c)
		}
		opts := divocqr.Options{VerifyURL: options.VerifyURL, Identifier: rapid.Bool().Draw(t, "identifier")}
		data, err := divocqr.Issue(c, opts, s, signedAt)
		var missing *divocqr.MissingError
		switch {
		case errors.As(err, &missing):
			if d := cmp.Diff(divocqr.Missing(c), missing.Fields); d != "" || len(missing.Fields) == 0 {
				t.Fatal(d)
			}
			return
		case errors.Is(err, divocqr.ErrCannotCarry):
			return
		case err != nil:
			t.Fatal(err)
		}
		carries++
		cred := issued(t, c, opts, s)
		want := carried(c, opts)
		if d := cmp.Diff(want, cred.Certificate(), cmp.Transformer("trimmed", strings.TrimSpace)); d != "" {
			t.Fatalf("%s\n%s", d, data)
		}
		if len(cred.Weaknesses()) > 1 {
			t.Fatalf("weaknesses %v", cred.Weaknesses())
		}
		matches(t, o, bytes.ReplaceAll(data, []byte(`\t`), []byte(" "))) // json-gold writes \t; the processors that signed did not
	})
	if carries < 20 {
		t.Errorf("only %d were issued", carries)
	}
}

// complete gives c what the format requires.
func complete(c *vaccination.Certificate) {
	from := credentialtest.Jamaica()
	v := &c.Vaccination
	c.Name, c.BirthDate, c.Domestic = from.Name, from.BirthDate, false
	c.Identifier.Kind = "passport"
	v.Brand.Display, v.MAHolder.Display, v.Date = "Comirnaty", "Somebody", from.Vaccination.Date
	v.ValidFrom.Estimated, v.ValidUntil.Estimated = false, false
	v.Number, v.Total = max(v.Number, 1), max(v.Total, 1)
}

// TestGolden keeps the form: a change of it is meant.
func TestGolden(t *testing.T) {
	c := credentialtest.Jamaica()
	key := signer{method: method, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	data, err := divocqr.Issue(c, options, key, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "issued.json")
	if *update {
		if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.TrimSpace(string(want)), string(data)); d != "" {
		t.Error(d)
	}
}

func TestWhatTheFormatCannotSayIsRefusedByName(t *testing.T) {
	type cert = vaccination.Certificate
	withIdentity := divocqr.Options{VerifyURL: options.VerifyURL, Identifier: true}
	for _, c := range []struct {
		name   string
		change func(c *cert)
		opts   divocqr.Options
		want   string // the path; after a + it is missing, else it cannot be carried
	}{
		{"no name", func(c *cert) { c.Name = "" }, options, "+name"},
		{"a birth date not recorded", func(c *cert) { c.BirthDate = vaccination.Date{} }, options, "+birthDate"},
		{"a year of birth", func(c *cert) { c.BirthDate = vaccination.Date{Year: 1961} }, options, "+birthDate"},
		{"an estimated birth date", func(c *cert) { c.BirthDate.Estimated = true }, options, "+birthDate"},
		{"no issuer", func(c *cert) { c.Info.Issuer.ID = "" }, options, "+certificate.issuer"},
		{"no id", func(c *cert) { c.Info.HCID = "" }, options, "+certificate.hcid"},
		{"no time of issue", func(c *cert) { c.Info.Period.Start = time.Time{} }, options, "+certificate.period.start"},
		{"no product", func(c *cert) { c.Vaccination.Brand = vaccination.Coding{Code: "XM8NQ0"} }, options, "+vaccination.brand"},
		{"no manufacturer", func(c *cert) {
			c.Vaccination.Manufacturer, c.Vaccination.MAHolder = vaccination.Coding{Code: "ORG-1"}, vaccination.Coding{}
		}, options, "+vaccination.manufacturer"},
		{"a month of vaccination", func(c *cert) { c.Vaccination.Date.Day = 0 }, options, "+vaccination.date"},
		{"an estimated day of vaccination", func(c *cert) { c.Vaccination.Date.Estimated = true }, options, "+vaccination.date"},
		{"no dose number", func(c *cert) { c.Vaccination.Number = 0 }, options, "+vaccination.dose"},
		{"an open schedule", func(c *cert) { c.Vaccination.Total = 0 }, options, "+vaccination.totalDoses"},
		{"a hundredth dose", func(c *cert) { c.Vaccination.Number = 100 }, options, "vaccination.dose"},
		{"a schedule of a hundred", func(c *cert) { c.Vaccination.Total = 100 }, options, "vaccination.dose"},
		{"an identity number that ends in a space", func(c *cert) { c.Identifier.Value = "12 " }, withIdentity, "identifier"},
		{"a domestic certificate", func(c *cert) { c.Domestic = true }, options, "domestic"},
		{"an estimated begin", func(c *cert) { c.Vaccination.ValidFrom.Estimated = true }, options, "vaccination.validFrom"},
		{"an estimated end", func(c *cert) { c.Vaccination.ValidUntil.Estimated = true }, options, "vaccination.validUntil"},
		{"a text that is not UTF-8", func(c *cert) { c.Vaccination.Lot = "\xff" }, options, "vaccination.lot"},
		{"an identity number that closes an IRI", func(c *cert) { c.Identifier.Value = "1> <x:y> <z:1" }, withIdentity, "identifier"},
		{"an identity number of a line break", func(c *cert) { c.Identifier.Value = "1\n2" }, withIdentity, "identifier"},
		{"an identity kind with a colon", func(c *cert) { c.Identifier.Kind = "a:b" }, withIdentity, "identifier"},
		{"an identity kind without a number", func(c *cert) { c.Identifier.Value = "" }, withIdentity, "identifier"},
		{"an identity kind that reads as our own", func(c *cert) {
			c.Identifier = vaccination.Identifier{Kind: "web", Value: "certificates.moh.gov.jm:7"}
		}, withIdentity, "identifier"},
		{"an identity number that reads as the certificate's", func(c *cert) {
			id, _ := c.ID()
			c.Identifier = vaccination.Identifier{Value: id.String()}
		}, withIdentity, "identifier"},
	} {
		cert := credentialtest.Jamaica()
		c.change(&cert)
		_, err := divocqr.Issue(cert, c.opts, ed25519Signer(t), signedAt)
		var missing *divocqr.MissingError
		path, lacks := strings.CutPrefix(c.want, "+")
		switch {
		case lacks && (!errors.As(err, &missing) || cmp.Diff([]string{path}, missing.Fields) != "" || !strings.HasSuffix(err.Error(), ": "+path)):
			t.Errorf("%s: %v", c.name, err)
		case !lacks && (!errors.Is(err, divocqr.ErrCannotCarry) || !strings.HasSuffix(err.Error(), ": "+path)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	broken, ed := errors.New("no signature today"), newEd25519(t)
	for name, c := range map[string]struct {
		s    signer
		opts divocqr.Options
		did  string
	}{
		"a key of another kind":            {signer{method, ec, nil}, options, ""},
		"a short RSA key":                  {signer{method, newRSA(t, 1024), nil}, options, ""},
		"a signer that fails":              {signer{method, ed, broken}, options, ""},
		"a method that is no IRI":          {signer{"key-1", ed, nil}, options, ""},
		"a verifying page that is no IRI":  {signer{method, ed, nil}, divocqr.Options{VerifyURL: "/verify"}, ""},
		"an issuer that is no IRI":         {signer{method, ed, nil}, options, "Ministry of Health"},
		"an issuer that closes its IRI":    {signer{method, ed, nil}, options, "x:> <y"},
		"a method that closes its IRI":     {signer{"x:> <y", ed, nil}, options, ""},
		"a method's fragment that does so": {signer{"did:x:y#> <y", ed, nil}, options, ""},
	} {
		cert := credentialtest.Jamaica()
		if c.did != "" {
			cert.Info.Issuer.ID = c.did
		}
		if data, err := divocqr.Issue(cert, c.opts, c.s, signedAt); err == nil {
			t.Errorf("%s: %s", name, data)
		}
	}
}

func TestSpecimensSaySo(t *testing.T) {
	c := credentialtest.Jamaica()
	c.Specimen = true
	if name := issued(t, c, options, ed25519Signer(t)).Certificate().Name; name != "SPECIMEN Marcia Ann-Louise Campbell" {
		t.Errorf("name %q", name)
	}
}

func TestTheCodeHasRoom(t *testing.T) {
	for name, c := range map[string]vaccination.Certificate{"Jamaica": credentialtest.Jamaica(), "Sinhala": credentialtest.SriLanka(), "Tamil": credentialtest.Tamil()} {
		c.BirthDate = vaccination.Date{Year: 1987, Month: 4, Day: 21}
		data, err := divocqr.Issue(c, options, signer{method: method, key: newRSA(t, 2048)}, signedAt)
		if err != nil {
			t.Fatal(err)
		}
		code, err := divocqr.Code(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d bytes of JSON, %d in the code", name, len(data), len(code))
	}
	noise := make([]byte, 2000)
	_, _ = rand.Read(noise)
	if _, err := divocqr.Code(noise); !errors.Is(err, divocqr.ErrCannotCarry) {
		t.Errorf("more than a QR code holds: %v", err)
	}
}

// FuzzCode checks that what is packed is what is unpacked, also by others.
func FuzzCode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		code, err := divocqr.Code(data)
		if err != nil {
			return
		}
		got, err := readZIP(contracted(t, code))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("archive/zip reads %q, %v", got, err)
		}
	})
}

// FuzzIssue checks that no text can say anything but itself.
func FuzzIssue(f *testing.F) {
	key := ed25519Signer(f)
	f.Add("Marcia", "PF1", "A1", "passport", "Comirnaty")
	f.Add("\"}\\", "> <x:y", "1> <x:y> \"", "web:x", "\x00\u2028\xff")
	f.Fuzz(func(t *testing.T, name, lot, number, kind, brand string) {
		c := credentialtest.Jamaica()
		c.Name, c.Vaccination.Lot, c.Vaccination.Brand.Display = name, lot, brand
		c.Identifier = vaccination.Identifier{Kind: kind, Value: number}
		o := divocqr.Options{VerifyURL: options.VerifyURL, Identifier: true}
		data, err := divocqr.Issue(c, o, key, signedAt)
		if err != nil {
			return
		}
		cred, err := divocqr.Decode(data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if err := cred.Verify(key.Public()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(carried(c, o), cred.Certificate(), cmp.Transformer("trimmed", strings.TrimSpace)); d != "" {
			t.Fatal(d)
		}
	})
}

func issuing(b *testing.B, key crypto.Signer) {
	c, s := credentialtest.Jamaica(), signer{method: method, key: key}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := divocqr.Issue(c, options, s, signedAt); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssue signs certificates; beside DIVOC's own signer it is measured in
// test/interop/divoc.
func BenchmarkIssue(b *testing.B) {
	b.Run("RSA", func(b *testing.B) { issuing(b, newRSA(b, 2048)) })
	b.Run("Ed25519", func(b *testing.B) { issuing(b, newEd25519(b)) })
}
