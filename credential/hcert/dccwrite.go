package hcert

import (
	"errors"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/cose"
	"github.com/opendivoc/divoc/credential/mrz"
	"github.com/opendivoc/divoc/vaccination"
)

// dccVersion is the version of the schema that is written.
const dccVersion = "1.3.0"

// dcc is the payload of an EU DCC with the names of its schema.
type dcc struct {
	Version   string        `cbor:"ver"`
	Name      dccPerson     `cbor:"nam"`
	BirthDate string        `cbor:"dob"`
	V         []dccDose     `cbor:"v,omitempty"`
	T         []dccTest     `cbor:"t,omitempty"`
	R         []dccRecovery `cbor:"r,omitempty"`
}

type dccPerson struct {
	Surname  string `cbor:"fn"`
	Standard string `cbor:"fnt"`
}

type dccDose struct {
	Target  string `cbor:"tg"`
	Vaccine string `cbor:"vp"`
	Product string `cbor:"mp"`
	Holder  string `cbor:"ma"`
	Number  int    `cbor:"dn"`
	Total   int    `cbor:"sd"`
	Date    string `cbor:"dt"`
	Country string `cbor:"co"`
	Issuer  string `cbor:"is"`
	ID      string `cbor:"ci"`
}

type dccTest struct {
	Target  string `cbor:"tg"`
	Type    string `cbor:"tt"`
	Name    string `cbor:"nm,omitempty"`
	Device  string `cbor:"ma,omitempty"`
	Sample  string `cbor:"sc"`
	Result  string `cbor:"tr"`
	Centre  string `cbor:"tc,omitempty"`
	Country string `cbor:"co"`
	Issuer  string `cbor:"is"`
	ID      string `cbor:"ci"`
}

type dccRecovery struct {
	Target  string `cbor:"tg"`
	First   string `cbor:"fr"`
	Country string `cbor:"co"`
	Issuer  string `cbor:"is"`
	From    string `cbor:"df"`
	Until   string `cbor:"du"`
	ID      string `cbor:"ci"`
}

// covid is the one disease of EU DCC, in SNOMED CT.
const covid = "840539006"

// latinName is what a format calls missing that needs a name in Latin letters:
// none is made up from another script.
const latinName = "name (in Latin letters)"

// MissingEU returns the paths of the elements that EU DCC requires and c does not
// have. The codes of a dose are those of its product in products.
func MissingEU(c vaccination.Certificate, products *catalogue.Catalogue) []string {
	_, latin := mrz.Name(c.Name)
	all := []requirement{
		{"name", c.Name != ""},
		{latinName, latin || c.Name == ""},
		{"birthDate", !c.BirthDate.IsZero() && !c.BirthDate.Estimated},
		{"certificate.issuer", c.Info.Issuer.Name != "" || c.Info.Issuer.ID != ""},
		{"certificate.hcid", c.Info.HCID != ""},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
		{"certificate.period.end", !c.Info.Period.End.IsZero()},
	}
	switch {
	case !c.Test.IsZero():
		all = append(all, missingTest(c.Test)...)
	case !c.Recovery.IsZero():
		r := c.Recovery
		all = append(all, requirement{"recovery.firstPositive", day(r.FirstPositive)}, requirement{"recovery.validFrom", day(r.ValidFrom)},
			requirement{"recovery.validUntil", day(r.ValidUntil)}, requirement{"recovery.country", alpha2(r.Country) != ""})
	default:
		v := c.Vaccination
		p := productOf(v, products)
		all = append(all, requirement{"vaccination.product", p.EUMP != "" && p.EUVP != "" && p.EUMA != ""}, requirement{"vaccination.dose", v.Number > 0},
			requirement{"vaccination.totalDoses", v.Total > 0}, requirement{"vaccination.date", day(v.Date)}, requirement{"vaccination.country", alpha2(v.Country) != ""})
	}
	return missingOf(all)
}

// EncodeEU returns the COSE_Sign1 of c as EU DCC 1.3, signed by s: its test or
// recovery where it has one, else its vaccination. The whole name stands as the
// surname, as recorded and in the letters of the machine readable zone: which
// part is which is not recorded. What is required and not there is a
// [MissingError].
func EncodeEU(c vaccination.Certificate, products *catalogue.Catalogue, s Signer) ([]byte, error) {
	if missing := MissingEU(c, products); len(missing) > 0 {
		return nil, &MissingError{Format: EUDCC.Name(), Fields: missing}
	}
	country, ok := catalogue.CountryByCode(c.Info.Issuer.Country)
	if !ok {
		return nil, errors.New("the issuer's country is no code of ISO 3166-1")
	}
	latin, _ := mrz.Name(c.Name)
	issuer := c.Info.Issuer.Name
	if issuer == "" {
		issuer = c.Info.Issuer.ID
	}
	issuer = atMost(issuer, maxText80)
	p := dcc{Version: dccVersion, BirthDate: c.BirthDate.String(), Name: dccPerson{Surname: atMost(c.Name, maxText80), Standard: strings.TrimRight(atMost(latin, maxText80), "<")}}
	switch {
	case !c.Test.IsZero():
		t := c.Test
		p.T = []dccTest{{
			Target: covid, Type: euTest(t.Type, "tt", catalogue.TestType), Device: device(t), Sample: t.Date.UTC().Format(time.RFC3339),
			Result: euTest(t.Result, "tr", catalogue.TestResult), Centre: atMost(t.Centre, maxText80), Country: alpha2(t.Country), Issuer: issuer, ID: c.Info.HCID,
		}}
		if p.T[0].Device == "" { // the device's code says which test it was
			p.T[0].Name = atMost(t.Brand.Display, maxText80)
		}
	case !c.Recovery.IsZero():
		r := c.Recovery
		p.R = []dccRecovery{{
			Target: covid, First: r.FirstPositive.String(), Country: alpha2(r.Country), Issuer: issuer,
			From: r.ValidFrom.String(), Until: r.ValidUntil.String(), ID: c.Info.HCID,
		}}
	default:
		v := c.Vaccination
		product := productOf(v, products)
		p.V = []dccDose{{
			Target: covid, Vaccine: product.EUVP, Product: product.EUMP, Holder: product.EUMA, Number: v.Number, Total: v.Total,
			Date: v.Date.String(), Country: alpha2(v.Country), Issuer: issuer, ID: c.Info.HCID,
		}}
	}
	payload, err := cose.Marshal(map[int]any{
		claimIssuer: country.Alpha2, claimIssuedAt: c.Info.Period.Start.Unix(), claimExpires: c.Info.Period.End.Unix(),
		claimHCERT: map[int]any{subEUDCC: p},
	})
	if err != nil {
		return nil, err
	}
	return sign(payload, s)
}

// missingTest is what the group "t" requires: of an amplification test its centre,
// of a rapid antigen test the device, by its number in JRC's list (Regulation (EU)
// 2021/953, annex, point 2).
func missingTest(t vaccination.Test) []requirement {
	kind := euTest(t.Type, "tt", catalogue.TestType)
	return []requirement{
		{"test.type", kind != ""},
		{"test.manufacturer", kind != antigenTest || device(t) != ""},
		{"test.result", euTest(t.Result, "tr", catalogue.TestResult) != ""},
		{"test.date", !t.Date.IsZero()},
		{"test.centre", kind == antigenTest || t.Centre != ""},
		{"test.country", alpha2(t.Country) != ""},
	}
}

// antigenTest is a rapid antigen test in the value set of kinds of test.
const antigenTest = "LP217198-3"

// euTest is a code of a test in one of the EU's value sets, "" where it has none.
func euTest(c vaccination.Coding, set string, find func(string) (catalogue.TestTerm, bool)) string {
	if catalogue.EUSet(c.Code) == set {
		return c.Code
	}
	term, _ := find(c.Code)
	return term.EU
}

// device is the number of a rapid antigen test in JRC's list, as far as that is
// known here, "" for every other test.
func device(t vaccination.Test) string {
	if catalogue.EUSet(t.Manufacturer.Code) != "device" {
		return ""
	}
	return t.Manufacturer.Code
}

func productOf(v vaccination.Dose, products *catalogue.Catalogue) catalogue.Product {
	if products == nil {
		return catalogue.Product{}
	}
	p, ok := products.Product(v.Product)
	if !ok && v.Brand.Code != "" {
		p, _ = products.Find(v.Brand.Code, v.Manufacturer.Code)
	}
	return p
}

// alpha2 is a country as EU DCC writes it; "" for what is no country of ISO
// 3166-1.
func alpha2(c vaccination.Coding) string {
	country, _ := catalogue.FindCountry(c.Code)
	return country.Alpha2
}

// atMost cuts s to n characters.
func atMost(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
