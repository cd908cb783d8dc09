package hcert

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/vaccination"
)

const stamaril = "YellowFeverProductc8337a6fabae2095cdd2ab3dfc41334d"

// traveller is a yellow fever certificate issued the day after the dose.
func traveller() vaccination.Certificate {
	c := credentialtest.Jamaica()
	c.Nationality = "JAM"
	c.Identifier = vaccination.Identifier{Kind: "passport", Value: "A1234567"}
	c.Vaccination = vaccination.Dose{
		Product: "stamaril", Lot: "YF123", Date: vaccination.DateOf(c.Info.Period.Start.AddDate(0, 0, -1)), Number: 1,
		Disease: vaccination.Coding{Code: "1D47", System: vaccination.SystemICD11, Display: "Yellow fever"}, Practitioner: "N. Brown",
	}
	return c
}

func icvpOf(t testing.TB, s Signer) []byte {
	t.Helper()
	c := traveller()
	cose, err := EncodeICVP(c, ICVPProduct(c.Vaccination, products(t)), 0, s)
	if err != nil {
		t.Fatal(err)
	}
	return cose
}

func TestICVPOfADose(t *testing.T) {
	s, c := newSigner(t), traveller()
	for _, number := range []int{0, -6, 6, 42} {
		cose, err := EncodeICVP(c, stamaril, number, s)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeCOSE(cose)
		if err != nil || m.Payload != ICVP || m.Verify(s.key.Public()) != nil {
			t.Fatal(number, m, err)
		}
		got, err := m.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		if got.Info.HCID != c.Info.HCID {
			t.Errorf("its id became %q", got.Info.HCID)
		}
		if got.Person != c.Person || got.Info.Version != icvpVersion || got.Info.Issuer.Name != c.Info.Issuer.Name {
			t.Errorf("%+v", got)
		}
		from := vaccination.DateOf(c.Info.Period.Start.AddDate(0, 0, 9))
		want := vaccination.Dose{
			Brand: vaccination.Coding{Code: stamaril, System: SystemWHOPQ}, Disease: c.Vaccination.Disease,
			Lot: "YF123", Date: c.Vaccination.Date, ValidFrom: from, Practitioner: "N. Brown",
		}
		if diff := cmp.Diff(want, got.Vaccination); diff != "" {
			t.Error(diff)
		}
		start, _ := from.Earliest()
		if !got.Info.Period.Start.Equal(start) || !got.Info.Period.End.Equal(c.Info.Period.End) {
			t.Errorf("it counts from %v to %v", got.Info.Period.Start, got.Info.Period.End)
		}
	}
}

// The CWT ID of others is no id of ours.
func TestICVPTakesNoOthersIDForOurs(t *testing.T) {
	id := make([]byte, 15)
	for name, cti := range map[string]any{
		"none": nil, "a random one": make([]byte, 16), "of another country": append([]byte("CL"), id...), "cut": append([]byte("JM"), id[1:]...),
		"longer": append([]byte("JM0"), id...), "a text": "JM" + string(id), "small letters": append([]byte("jm"), id...),
	} {
		claims := m{1: "JM", claimIssuedAt: 1782481924, claimID: cti, claimHCERT: m{-6: map[string]any{
			"n": "A B", "dob": "1959-08-11", "v": "1.0", "vx": map[string]any{"vp": stamaril, "dv": "2025-09-26", "is": "MOH"},
		}}}
		msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, claims, make([]byte, 64)))
		if err != nil {
			t.Fatal(name, err)
		}
		if c, err := msg.Certificate(); err != nil || c.Info.HCID != "" {
			t.Errorf("%s: %q, %v", name, c.Info.HCID, err)
		}
	}
}

// Only the keys of 2026 are written, one dose, and nothing that follows from the
// product.
func TestICVPHasTheKeysOf2026(t *testing.T) {
	m, err := DecodeCOSE(icvpOf(t, newSigner(t)))
	if err != nil {
		t.Fatal(err)
	}
	keys := func(v any) (out []string) {
		for k := range v.(map[any]any) {
			out = append(out, k.(string))
		}
		slices.Sort(out)
		return out
	}
	if got := keys(m.content); !slices.Equal(got, []string{"dob", "dt", "id", "n", "nt", "s", "v", "vx"}) {
		t.Error(got)
	}
	if got := keys(m.content.(map[any]any)["vx"]); !slices.Equal(got, []string{"bo", "cn", "dv", "is", "vp"}) {
		t.Error(got)
	}
}

func TestICVPOfEachAgeIsRead(t *testing.T) {
	type tm = map[string]any
	for name, content := range map[string]tm{
		"2024": {"n": "A B", "dob": "1959-08-11", "s": "male", "ntl": "CHL", "nid": "1234", "gn": "C D", "v": tm{
			"vp": tm{"code": stamaril}, "dn": 1, "tg": "1D47", "dt": "2025-09-26", "bo": "L1", "vls": "2025-10-06", "cn": "X", "is": "MINSAL", "ma": "Y", "mid": "Z", "mp": "Q",
		}},
		"2025": {"n": "A B", "dob": "1959-08-11", "s": "male", "ntl": "CHL", "ndt": "NI", "nid": "1234", "v": tm{
			"vp": stamaril, "dt": "2025-09-26", "bo": "L1", "vls": "2025-09-26", "is": "MINSAL",
		}},
		"2026": {"n": "A B", "dob": "1959-08-11", "s": "male", "nt": "CHL", "dt": "NI", "id": "1234", "v": "1.0", "vx": tm{
			"vp": stamaril, "dv": "2025-09-26", "bo": "L1", "is": "MINSAL",
		}},
	} {
		m, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, m{1: "CL", claimIssuedAt: 1782481924, claimHCERT: m{-6: content}}, make([]byte, 64)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Certificate()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v := c.Vaccination
		if c.Name != "A B" || c.Nationality != "CHL" || c.Identifier.Value != "1234" || v.Brand.Code != stamaril || v.Date.String() != "2025-09-26" ||
			v.ValidFrom.String() != "2025-10-06" || v.Lot != "L1" || c.Info.Issuer.Name != "MINSAL" || v.Disease.Code != "1D47" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// In 2024 a dose could have a name for a number, a kind of vaccine could stand for the
// product, and a letter for the sex.
func TestICVPOf2024InWords(t *testing.T) {
	type tm = map[string]any
	for name, tc := range map[string]struct {
		dn     any
		vp     string
		number int
		system string
	}{
		"a kind of ICD-11":         {"Primary", "XM0N24", 1, vaccineSystem},
		"a kind of SNOMED CT":      {"secondDose", "871772009", 2, snomed},
		"a number as a text":       {"3", "XM0N24", 3, vaccineSystem},
		"a name that is no number": {"booster", "XM0N24", 0, vaccineSystem},
		"no dose":                  {nil, "XM0N24", 0, vaccineSystem},
	} {
		content := tm{"n": "A B", "dob": "1999-05-05", "s": "F", "nid": "1", "v": tm{"vp": tc.vp, "dn": tc.dn, "tg": "1D47", "dt": "2023-07-04", "bo": "d1"}}
		m, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, m{1: "XCL", claimIssuedAt: 1727101283, claimHCERT: m{-6: content}}, make([]byte, 64)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Certificate()
		if v := c.Vaccination; err != nil || v.Number != tc.number || v.Vaccine.Code != tc.vp || v.Vaccine.System != tc.system || v.Brand.Code != "" || v.Disease.Code != "1D47" || c.Sex != vaccination.SexFemale {
			t.Errorf("%s: %v %+v", name, err, c)
		}
	}
}

func TestICVPNamesWhatIsMissing(t *testing.T) {
	for want, change := range map[string]func(*vaccination.Certificate){
		"birthDate":        func(c *vaccination.Certificate) { c.BirthDate.Day = 0 },
		"nationality":      func(c *vaccination.Certificate) { c.Nationality = "" },
		"vaccination.lot":  func(c *vaccination.Certificate) { c.Vaccination.Lot = "" },
		"vaccination.date": func(c *vaccination.Certificate) { c.Vaccination.Date.Estimated = true },
	} {
		c := traveller()
		change(&c)
		var missing *MissingError
		if _, err := EncodeICVP(c, stamaril, 0, newSigner(t)); !errors.As(err, &missing) || !slices.Equal(missing.Fields, []string{want}) {
			t.Errorf("without %s: %v", want, err)
		}
	}
	c := traveller()
	c.Vaccination.Product = "yellow-fever-chumakov" // in three presentations, an id each
	if id := ICVPProduct(c.Vaccination, products(t)); id != "" {
		t.Errorf("a product of several ids has %s", id)
	}
}

// What DDCC looked like before it had a place in HCERT.
func TestTheOldDDCCIsRead(t *testing.T) {
	type tm = map[string]any
	claims := tm{
		"name": "Eddie Murphy", "sex": tm{"code": "male", "system": "http://hl7.org/fhir/administrative-gender"}, "birthDate": "1986-09-19", "identifier": "1234567890", "hcid": "US111222333444555666",
		"valid_from": "2021-07-08", "valid_until": "2022-07-08", "date": "2021-07-08", "due_date": "2021-07-29", "hw": "http://www.acme.org/practitioners/23",
		"disease": tm{"code": "RA01", "system": "http://id.who.int/icd11/mms"}, "centre": "Vaccination Site", "vaccine": tm{"code": "XM68M6"},
		"lot": "PT123F", "dose": 1, "total_doses": 2, "brand": tm{"code": "XM8NQ0"}, "ma_holder": tm{"code": "TEST"}, "pha": "wA69g8VD512TfTTdkTNSsG", "country": tm{"code": "USA"},
	}
	msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{4: []byte("11")}, claims, make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := msg.Certificate()
	if err != nil || msg.Payload != DDCC {
		t.Fatal(msg.Payload, err)
	}
	if c.Name != "Eddie Murphy" || c.Sex != vaccination.SexMale || c.Info.HCID != "US111222333444555666" || c.Vaccination.Lot != "PT123F" || c.Vaccination.Total != 2 ||
		c.Vaccination.Brand.Code != "XM8NQ0" || !c.Info.Period.Start.Equal(time.Date(2021, 7, 8, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", c)
	}
}

func TestTestResultsOfDDCCAreRead(t *testing.T) {
	type tm = map[string]any
	msg, err := DecodeCOSE(wrap(t, m{1: -7}, m{}, m{1: "JM", claimHCERT: m{subDDCCTest: tm{
		"name": "A", "birthDate": "1990-01-01", "certificate": tm{"hcid": "X", "issuer": "M"},
		"test": tm{"pathogen": tm{"code": "XN109"}, "type": "1334426561", "date": "2021-06-11T17:30:00+02:00", "result": "RA01.0", "country": "JAM", "centre": "C"},
	}}}, make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := msg.Certificate()
	if err != nil || msg.Subject() != Test || c.Test.Result.Code != "RA01.0" || c.Test.Date.Format(time.RFC3339) != "2021-06-11T15:30:00Z" || c.Info.HCID != "X" {
		t.Errorf("%+v %v", c, err)
	}
}
