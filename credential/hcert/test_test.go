package hcert

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/vaccination"
)

func TestATestIsWrittenAndReadBackTheSame(t *testing.T) {
	s := newSigner(t)
	full := credentialtest.Tested()
	rapid.Check(t, func(t *rapid.T) {
		c := credentialtest.DrawTest(t)
		c.Name, c.Info.Version, c.Domestic = "x"+c.Name, "1"+c.Info.Version, false
		c.Test.Pathogen, c.Test.Type, c.Test.Country = full.Test.Pathogen, full.Test.Type, full.Test.Country
		cose, err := Encode(c, DDCCTest, s, everything()...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeCOSE(cose)
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
		want := carried(c, DDCCTest)
		want.Vaccination = vaccination.Dose{}
		x := &want.Test
		x.Number, x.Lot, x.ResultDate, x.CentreAddress, x.Practitioner = 0, "", time.Time{}, vaccination.Address{}, ""
		for _, coding := range []*vaccination.Coding{&x.Pathogen, &x.Type, &x.Origin, &x.Result, &x.Country, &x.Brand, &x.Manufacturer} {
			if coding.Code == "" {
				*coding = vaccination.Coding{Display: coding.Display}
			} else {
				coding.Display = ""
			}
		}
		if x.Origin.Code != "" && x.Origin.System == "" {
			x.Origin.System = vaccination.SystemICD11
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if m.Payload != DDCCTest || m.Subject() != Test {
			t.Fatal(m.Payload, m.Subject())
		}
	})
}

func TestATestIsRefusedWhereItMisses(t *testing.T) {
	s := newSigner(t)
	for field, spoil := range map[string]func(*vaccination.Certificate){
		"certificate.version": func(c *vaccination.Certificate) { c.Info.Version = "" },
		"test.pathogen":       func(c *vaccination.Certificate) { c.Test.Pathogen.Code = "" },
		"test.type":           func(c *vaccination.Certificate) { c.Test.Type.Code = "" },
		"test.date":           func(c *vaccination.Certificate) { c.Test.Date = time.Time{} },
		"test.country":        func(c *vaccination.Certificate) { c.Test.Country.Code = "" },
	} {
		c := credentialtest.Tested()
		spoil(&c)
		var missing *MissingError
		if _, err := Encode(c, DDCCTest, s); !errors.As(err, &missing) || !slices.Equal(missing.Fields, []string{field}) || missing.Format != "WHO DDCC test result" {
			t.Errorf("without %s: %v", field, err)
		}
	}
	c := credentialtest.Tested()
	c.Domestic = true
	if _, err := Encode(c, DDCCTest, s); !errors.Is(err, ErrPayload) {
		t.Errorf("a domestic test: %v", err)
	}
	if _, err := Encode(credentialtest.Tested(), DDCC, s); err == nil {
		t.Error("a test was written as a vaccination")
	}
	if _, err := Encode(credentialtest.Jamaica(), DDCCTest, s); err == nil {
		t.Error("a vaccination was written as a test")
	}
}

func TestATestFitsItsCode(t *testing.T) {
	cose, err := Encode(credentialtest.Tested(), DDCCTest, newSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Text(cose)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil || code.Size > 17+4*20 {
		t.Fatalf("%v, size %d", err, code.Size)
	}
	t.Logf("%d characters, version %d", len(text), (code.Size-17)/4)
}

func TestATestAsEUDCC(t *testing.T) {
	s := newSigner(t)
	naat := credentialtest.Tested()
	naat.Test.Type, naat.Test.Manufacturer = term(t, catalogue.TestType, "RT-PCR"), vaccination.Coding{Display: "Roche"}
	positive := credentialtest.Tested()
	positive.Test.Result = term(t, catalogue.TestResult, "Positive")
	for name, c := range map[string]struct {
		certificate vaccination.Certificate
		want        dccTest
	}{
		"a rapid antigen test": {credentialtest.Tested(), dccTest{Type: "LP217198-3", Device: "1232", Result: "260415000"}},
		"a positive one":       {positive, dccTest{Type: "LP217198-3", Device: "1232", Result: "260373001"}},
		"an amplification":     {naat, dccTest{Type: "LP6464-4", Name: naat.Test.Brand.Display, Result: "260415000"}},
	} {
		t.Run(name, func(t *testing.T) {
			cose, err := EncodeEU(c.certificate, nil, s)
			if err != nil {
				t.Fatal(err)
			}
			m, err := DecodeCOSE(cose)
			if err != nil || m.Subject() != Test {
				t.Fatal(m, err)
			}
			top := m.content.(map[any]any)
			if bad := checkDCC(top); bad != "" {
				t.Fatalf("the schema refuses %s", bad)
			}
			got := top["t"].([]any)[0].(map[any]any)
			want := map[any]any{
				"tg": covid, "tt": c.want.Type, "sc": "2026-11-21T14:05:00Z", "tr": c.want.Result, "tc": "Falmouth Health Centre",
				"co": "JM", "is": "Ministry of Health and Wellness, Jamaica", "ci": c.certificate.Info.HCID,
			}
			if c.want.Name != "" {
				want["nm"] = c.want.Name
			}
			if c.want.Device != "" {
				want["ma"] = c.want.Device
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for want, change := range map[string]func(*vaccination.Certificate){
		"test.manufacturer": func(c *vaccination.Certificate) { c.Test.Manufacturer = vaccination.Coding{Display: "Abbott"} },
		"test.result":       func(c *vaccination.Certificate) { c.Test.Result = term(t, catalogue.TestResult, "Inconclusive") },
		"test.type":         func(c *vaccination.Certificate) { c.Test.Type = vaccination.Coding{Code: "antibody"} },
		"test.country":      func(c *vaccination.Certificate) { c.Test.Country = vaccination.Coding{} },
		"test.centre": func(c *vaccination.Certificate) {
			c.Test.Type, c.Test.Centre = term(t, catalogue.TestType, "NAAT"), ""
		},
	} {
		c := credentialtest.Tested()
		change(&c)
		var missing *MissingError
		if _, err := EncodeEU(c, nil, s); !errors.As(err, &missing) || !slices.Equal(missing.Fields, []string{want}) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}

func term(t *testing.T, find func(string) (catalogue.TestTerm, bool), name string) vaccination.Coding {
	t.Helper()
	x, ok := find(name)
	if !ok {
		t.Fatalf("no term %s", name)
	}
	return x.Coding()
}
