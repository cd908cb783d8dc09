package vdsnc_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/vaccination"
)

var contact = vdsnc.Contact{Phone: "+18765550100", Email: "tests@example.org"}

// tested is a test that has every element of a seal.
func tested() vaccination.Certificate {
	c := credentialtest.Tested()
	c.Identifier = vaccination.Identifier{Kind: "passport", Value: "A1234567"}
	return c
}

// What is written of a test is read back, verifies under its authority, and is in
// its one form; a change of any byte is noticed.
func TestATestIsWrittenAndReadBack(t *testing.T) {
	s := newSigner(t, elliptic.P256())
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringMatching(`[A-Za-z0-9<>&"\\/é‘’ශ  ]{0,60}[A-Za-z0-9]`)
		c := tested()
		x := &c.Test
		x.Centre, c.Identifier.Value = strings.TrimSpace(line.Draw(t, "centre")), rapid.StringMatching(`[A-Z0-9]{1,12}`).Draw(t, "passport")
		x.CentreAddress = vaccination.Address{Line1: line.Draw(t, "address")}
		x.Type.Code = rapid.SampledFrom([]string{"1334426561", "2056159157"}).Draw(t, "kind")
		x.Result.Code = rapid.SampledFrom([]string{"RA01.0", "QA02"}).Draw(t, "result")
		if rapid.Bool().Draw(t, "no origin") {
			x.Origin = vaccination.Coding{}
		}
		handle := rapid.StringMatching(`[0-9A-Z]{1,12}`).Draw(t, "handle")
		text, err := vdsnc.EncodeTest(c, contact, "JAM", handle, s)
		if err != nil {
			t.Fatal(err)
		}
		if canonical, err := jcs.Canonical(text); err != nil || !bytes.Equal(canonical, text) {
			t.Fatalf("not in the form of RFC 8785: %v\n%s", err, text)
		}
		seal, err := vdsnc.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if again := seal.Text(); !bytes.Equal(again, text) || seal.Type != "icao.test" {
			t.Errorf("read and written again as\n%s\nbefore\n%s", again, text)
		}
		if err := errors.Join(seal.Verify(s.authority), seal.VerifyBy(s.cert)); err != nil {
			t.Errorf("it does not verify: %v", err)
		}
		all, err := seal.Certificates()
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		word := func(s string) vaccination.Coding { return vaccination.Coding{Display: s} }
		want := vaccination.Test{
			Type: word(map[string]string{"1334426561": "molecular", "2056159157": "antigen"}[x.Type.Code]), Result: word(map[string]string{"RA01.0": "positive", "QA02": "negative"}[x.Result.Code]),
			Date: x.Date, ResultDate: x.ResultDate, Centre: x.Centre, Country: vaccination.Coding{Code: "JAM", System: vaccination.SystemISO3166},
		}
		if x.Origin.Code != "" {
			want.Origin = word("nasopharyngeal")
		}
		got := all[0]
		if diff := cmp.Diff(want, got.Test); diff != "" || got.Name != "MARCIA ANN LOUISE CAMPBELL" || got.Identifier != c.Identifier || got.BirthDate != c.BirthDate || got.Info.HCID != handle {
			t.Errorf("%s %+v", diff, got)
		}
		at := rapid.IntRange(0, bytes.Index(text, []byte(`,"sig":`))-1).Draw(t, "at")
		changed := bytes.Clone(text)
		changed[at] ^= 1
		if seal, err := vdsnc.Decode(changed); err == nil && seal.Verify(s.authority) == nil && !bytes.Equal(seal.Text(), text) {
			t.Errorf("byte %d is another, and it verifies:\n%s", at, changed)
		}
	})
}

func TestMissingOfATest(t *testing.T) {
	s := newSigner(t, elliptic.P256())
	if m := vdsnc.MissingTest(tested(), contact); len(m) > 0 {
		t.Fatalf("%v", m)
	}
	for path, remove := range map[string]func(*vaccination.Certificate, *vdsnc.Contact){
		"name":            func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Name = "" },
		vdsnc.LatinName:   func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Name = "කමලා" },
		"birthDate":       func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.BirthDate.Estimated = true },
		vdsnc.Passport:    func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Identifier.Kind = "national-id" },
		"test.type":       func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.Type.Code = "x" },
		"test.result":     func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.Result.Code = "inconclusive" },
		"test.date":       func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.Date = time.Time{} },
		"test.resultDate": func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.ResultDate = time.Time{} },
		"test.centre":     func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.Centre = " " },
		"test.centreAddress": func(c *vaccination.Certificate, _ *vdsnc.Contact) {
			c.Test.CentreAddress = vaccination.Address{Country: "JAM"}
		},
		"test.country":        func(c *vaccination.Certificate, _ *vdsnc.Contact) { c.Test.Country.Code = "Narnia" },
		vdsnc.ProviderContact: func(_ *vaccination.Certificate, of *vdsnc.Contact) { of.Email = "" },
	} {
		c, of := tested(), contact
		remove(&c, &of)
		if m := vdsnc.MissingTest(c, of); !slices.Equal(m, []string{path}) {
			t.Errorf("%s: %v is missing", path, m)
		}
		if _, err := vdsnc.EncodeTest(c, of, "JAM", "A", s); !errors.Is(err, vdsnc.ErrMissing) {
			t.Errorf("%s: written without it: %v", path, err)
		}
	}
	if _, err := vdsnc.EncodeTest(tested(), contact, "JAM", "URN:1", s); !errors.Is(err, vdsnc.ErrContent) {
		t.Errorf("an id that is none: %v", err)
	}
}

// A signer whose document types are proofs of vaccination alone seals no test.
func TestASignerOfVaccinationsSealsNoTest(t *testing.T) {
	s := newSigner(t, elliptic.P256())
	for types, want := range map[string]bool{"NV": false, "NT": true} {
		list, err := asn1.Marshal(struct {
			Version int
			Types   []string `asn1:"set"`
		}{0, []string{types}})
		if err != nil {
			t.Fatal(err)
		}
		cert := *s.cert
		cert.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}, Value: list}}
		of := signer{&cert, s.authority, s.key}
		if vdsnc.Certifies(of) != want {
			t.Errorf("%s: %v", types, !want)
		}
		if _, err := vdsnc.EncodeTest(tested(), contact, "JAM", "A", of); errors.Is(err, vdsnc.ErrSigner) == want {
			t.Errorf("%s: %v", types, err)
		}
	}
	if !vdsnc.Certifies(s) {
		t.Error("a signer without a list may seal both")
	}
}
