package hcert

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/vaccination"
)

func products(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// strictSince is the version of EU DCC from which what is written has one form.
const strictSince = "1.3"

// checkDCC returns the path of the first element that the schema does not allow,
// "" when there is none. Certificates of before 1.3 are held to what all
// versions have in common.
func checkDCC(top map[any]any) string {
	ver, _ := top["ver"].(string)
	return (&dccCheck{strict: ver >= strictSince || len(ver) > 1 && ver[1] != '.'}).top(top)
}

func TestEUDCCOfADose(t *testing.T) {
	c, s := credentialtest.Jamaica(), newSigner(t)
	cose, err := EncodeEU(c, products(t), s)
	if err != nil {
		t.Fatal(err)
	}
	code, err := Text(cose)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(code)
	if err != nil || m.Payload != EUDCC || m.Subject() != Vaccination {
		t.Fatal(m, err)
	}
	if err := m.Verify(s.key.Public()); err != nil {
		t.Fatal(err)
	}
	if bad := checkDCC(m.content.(map[any]any)); bad != "" {
		t.Errorf("the schema does not allow %s", bad)
	}
	got, err := m.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != c.Name || got.BirthDate != c.BirthDate || got.Info.HCID != c.Info.HCID || !got.Info.Period.End.Equal(c.Info.Period.End) {
		t.Errorf("%+v", got)
	}
	p, _ := products(t).Product(c.Vaccination.Product)
	want := vaccination.Dose{
		Disease: vaccination.Coding{Code: covid, System: snomed}, Vaccine: vaccination.Coding{Code: p.EUVP, System: snomed},
		Brand: vaccination.Coding{Code: p.EUMP, System: vaccination.SystemEUBrand}, Manufacturer: vaccination.Coding{Code: p.EUMA, System: makerSystem},
		Number: c.Vaccination.Number, Total: c.Vaccination.Total, Date: c.Vaccination.Date, Country: vaccination.Coding{Code: "JM", System: countrySystem},
	}
	if diff := cmp.Diff(want, got.Vaccination); diff != "" {
		t.Error(diff)
	}
}

func TestEUDCCOfATestAndARecovery(t *testing.T) {
	s := newSigner(t)
	person := credentialtest.Jamaica()
	jamaica := vaccination.Coding{Code: "JAM", System: vaccination.SystemISO3166}
	for subject, c := range map[Subject]vaccination.Certificate{
		Test: {Person: person.Person, Info: person.Info, Test: vaccination.Test{
			Type: vaccination.Coding{Code: "LP6464-4"}, Result: vaccination.Coding{Code: "260415000"}, Date: time.Date(2021, 6, 11, 17, 30, 0, 0, time.UTC), Country: jamaica, Centre: "Falmouth",
		}},
		Recovery: {Person: person.Person, Info: person.Info, Recovery: vaccination.Recovery{
			FirstPositive: vaccination.Date{Year: 2021, Month: 6, Day: 1}, ValidFrom: vaccination.Date{Year: 2021, Month: 6, Day: 12}, ValidUntil: vaccination.Date{Year: 2021, Month: 11, Day: 28}, Country: jamaica,
		}},
	} {
		cose, err := EncodeEU(c, nil, s)
		if err != nil {
			t.Fatal(subject, err)
		}
		m, err := DecodeCOSE(cose)
		if err != nil || m.Subject() != subject {
			t.Fatal(subject, m, err)
		}
		got, err := m.Certificate()
		if err != nil || got.Test.Date != c.Test.Date || got.Recovery.ValidUntil != c.Recovery.ValidUntil || got.Test.Centre != c.Test.Centre {
			t.Errorf("%s: %+v %v", subject, got, err)
		}
	}
}

func TestEUDCCNamesWhatIsMissing(t *testing.T) {
	for want, change := range map[string]func(*vaccination.Certificate){
		latinName:   func(c *vaccination.Certificate) { c.Name = "නිමල් පෙරේරා" },
		"birthDate": func(c *vaccination.Certificate) { c.BirthDate = vaccination.Date{} },
		"vaccination.product": func(c *vaccination.Certificate) {
			c.Vaccination.Product, c.Vaccination.Brand = "stamaril", vaccination.Coding{}
		},
		"vaccination.totalDoses": func(c *vaccination.Certificate) { c.Vaccination.Total = 0 },
		"vaccination.date":       func(c *vaccination.Certificate) { c.Vaccination.Date.Day = 0 },
		"vaccination.country":    func(c *vaccination.Certificate) { c.Vaccination.Country = vaccination.Coding{} },
	} {
		c := credentialtest.Jamaica()
		change(&c)
		var missing *MissingError
		if _, err := EncodeEU(c, products(t), newSigner(t)); !errors.As(err, &missing) || !slices.Equal(missing.Fields, []string{want}) {
			t.Errorf("without %s: %v", want, err)
		}
	}
}

func TestTheSchemaOfEUDCCIsHeld(t *testing.T) {
	type tm = map[any]any
	good := func() tm {
		return tm{"ver": "1.3.0", "nam": tm{"fnt": "DOE"}, "dob": "1964", "v": []any{tm{
			"tg": covid, "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215", "dn": int64(1), "sd": int64(2), "dt": "2021-02-18", "co": "AT", "is": "M", "ci": "X",
		}}}
	}
	if bad := checkDCC(good()); bad != "" {
		t.Fatal(bad)
	}
	for want, change := range map[string]func(top, v tm){
		"ver":     func(top, _ tm) { top["ver"] = "1" },
		"nam":     func(top, _ tm) { top["nam"] = "x" },
		"nam.fnt": func(top, _ tm) { top["nam"] = tm{"fnt": "doe"} },
		"dob":     func(top, _ tm) { top["dob"] = "1899-01-01" },
		"t":       func(top, _ tm) { top["t"] = tm{} },
		"v":       func(top, v tm) { top["v"] = []any{v, v} },
		"dn":      func(_, v tm) { v["dn"] = int64(0) },
		"sd":      func(_, v tm) { v["sd"] = "2" },
		"dt":      func(_, v tm) { v["dt"] = "2021-02" },
		"co":      func(_, v tm) { v["co"] = "at" },
		"is":      func(_, v tm) { v["is"] = strings.Repeat("x", 81) },
		"ci":      func(_, v tm) { delete(v, "ci") },
		"mp":      func(_, v tm) { v["mp"] = nil },
	} {
		top := good()
		change(top, top["v"].([]any)[0].(tm))
		if bad := checkDCC(top); bad != want {
			t.Errorf("%s: %q", want, bad)
		}
	}
}

// FuzzContent: whatever was signed, reading it neither fails badly nor says
// something that writing and reading again would change.
func FuzzContent(f *testing.F) {
	s := newSigner(f)
	eu, err := EncodeEU(credentialtest.Jamaica(), products(f), s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(eu)
	f.Add(icvpOf(f, s))
	catalogue := products(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeCOSE(data)
		if err != nil {
			return
		}
		c, err := m.Certificate()
		if err != nil || m.Payload != EUDCC {
			return
		}
		again, err := EncodeEU(c, catalogue, s)
		if err != nil {
			return
		}
		m2, err := DecodeCOSE(again)
		if err != nil {
			t.Fatal(err)
		}
		c2, err := m2.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		third, err := EncodeEU(c2, catalogue, s)
		if err != nil {
			t.Fatal(err)
		}
		if m3, err := DecodeCOSE(third); err != nil || !bytes.Equal(m3.signed.Payload, m2.signed.Payload) {
			t.Errorf("read and written again it is another: %v", err)
		}
	})
}

// What was signed before 1.3, or beside the schema, and is clear all the same.
func TestOlderContents(t *testing.T) {
	const dose = `{"tg":"840539006","vp":"J07BX03","mp":"EU/1/20/1528","ma":"ORG-100030215","dn":%d,"sd":2,"dt":"%s","co":"BG","is":"I","ci":"C%d"}`
	doses := func(list ...string) string { return "[" + strings.Join(list, ",") + "]" }
	first, second := fmt.Sprintf(dose, 1, "2021-02-16", 1), fmt.Sprintf(dose, 2, "2021-03-09", 2)
	for name, tc := range map[string]struct {
		ver, dob, v string
		born        string
		number      int
	}{
		"one dose":                          {"1.3.0", "1978-01-26", doses(first), "1978-01-26", 1},
		"a dose each":                       {"1.0.0", "1978-01-26", doses(first, second), "1978-01-26", 2},
		"a dose each, the latest first":     {"1.0.0", "1978-01-26", doses(second, first), "1978-01-26", 2},
		"the day of birth is not known":     {"1.0.0", "1978-01-XX", doses(first), "1978-01", 1},
		"nor the month":                     {"1.0.0", "1978-xx-xx", doses(first), "1978", 1},
		"nothing of the birth is known":     {"1.3.0", "", doses(first), "", 1},
		"a time behind the date of birth":   {"1.0.0", "1978-01-26T00:00:00", doses(first), "1978-01-26", 1},
		"a code of more than 80 characters": {"1.3.0", "1978", doses(strings.Replace(first, "ORG-100030215", strings.Repeat("9", 81), 1)), "1978", 1},
	} {
		top, err := contentOfJSON([]byte(`{"ver":"` + tc.ver + `","nam":{"fnt":"A"},"dob":"` + tc.dob + `","v":` + tc.v + `,"t":null}`))
		if err != nil {
			t.Fatal(err)
		}
		c, err := (&Message{Payload: EUDCC, content: top}).Certificate()
		if err != nil || c.BirthDate.String() != tc.born || c.Vaccination.Number != tc.number || c.Info.HCID != fmt.Sprint("C", tc.number) {
			t.Errorf("%s: %v, born %s, dose %d of %s", name, err, c.BirthDate, c.Vaccination.Number, c.Info.HCID)
		}
	}
	for name, tc := range map[string]string{
		"a date of birth that is a name": `{"ver":"1.0.0","nam":{"fnt":"A"},"dob":"Anna","v":[` + first + `]}`,
		"no day, yet a month too many":   `{"ver":"1.0.0","nam":{"fnt":"A"},"dob":"1978-13-XX","v":[` + first + `]}`,
		"a dose and a test":              `{"ver":"1.0.0","nam":{"fnt":"A"},"dob":"1978","v":[` + first + `],"t":[` + first + `]}`,
	} {
		top, err := contentOfJSON([]byte(tc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&Message{Payload: EUDCC, content: top}).Certificate(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
