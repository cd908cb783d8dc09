package hcert

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/cose"
	"github.com/opendivoc/divoc/vaccination"
)

// SystemWHOPQ is the code system of the products that WHO has prequalified,
// under which ICVP names a product.
const SystemWHOPQ = "http://smart.who.int/pcmt-vaxprequal/CodeSystem/PreQualProductIds"

const (
	icvpFormat  = "ICVP"
	icvpVersion = "1.0" // of the template, element v
	// yellowFever begins the ids of the products against it.
	yellowFever     = "YellowFeverProduct"
	yellowFeverDays = 10 // after which the vaccine counts (IHR 2005, annex 7)
)

// icvp is the content of sub-claim -6 as WHO's requirements of April 2026 have it
// (smart-trust-phw, logical model DVCMin). What follows from the product, such as
// disease and validity, is not in it.
type icvp struct {
	Name        string   `cbor:"n"`
	BirthDate   string   `cbor:"dob"`
	Sex         string   `cbor:"s"`
	Nationality string   `cbor:"nt"`
	Document    string   `cbor:"id,omitempty"`
	Type        string   `cbor:"dt,omitempty"` // HL7 v2-0203
	Version     string   `cbor:"v"`
	Dose        icvpDose `cbor:"vx"`
}

type icvpDose struct {
	Product   string `cbor:"vp"`
	Date      string `cbor:"dv"`
	Clinician string `cbor:"cn,omitempty"`
	Issuer    string `cbor:"is,omitempty"`
	Batch     string `cbor:"bo"`
}

// documentTypes are the codes of HL7 table 0203 for the kinds of identity
// document that have one. It is never written to.
var documentTypes = map[string]string{"passport": "PPN", "national-id": "NI", "driving-licence": "DL", "birth-certificate": "BCT"}

// ICVPProduct returns the id under which WHO has prequalified the product of a
// dose: what the dose says, else what the catalogue says of its product. A
// product that comes in several presentations has an id for each, so the
// catalogue has one only where there is no choice.
func ICVPProduct(d vaccination.Dose, products *catalogue.Catalogue) string {
	if d.Brand.System == SystemWHOPQ {
		return d.Brand.Code
	}
	if products == nil {
		return ""
	}
	p, _ := products.Product(d.Product)
	return p.WHOPQ
}

// ICVPValidity returns from when and until when the vaccination of a product
// given on a day counts; a zero end means for the life of the person. ok is false
// for a product without a rule.
func ICVPValidity(product string, given vaccination.Date) (from, until vaccination.Date, ok bool) {
	day, known := given.Earliest()
	if !known || given.Precision() != vaccination.PrecisionDay || !strings.HasPrefix(product, yellowFever) {
		return from, until, false
	}
	return vaccination.DateOf(day.AddDate(0, 0, yellowFeverDays)), until, true
}

// MissingICVP returns the paths of the elements that ICVP requires and c does
// not have. product is what [ICVPProduct] found.
func MissingICVP(c vaccination.Certificate, product string) []string {
	v := c.Vaccination
	nationality, _ := catalogue.FindCountry(c.Nationality)
	return missingOf([]requirement{
		{"name", c.Name != ""},
		{"birthDate", day(c.BirthDate)},
		{"nationality", nationality.Alpha3 != ""},
		{"vaccination.product", product != ""},
		{"vaccination.date", day(v.Date)},
		{"vaccination.lot", v.Lot != ""},
		{"certificate.issuer", c.Info.Issuer.Name != "" || c.Info.Issuer.ID != "" || v.Practitioner != ""},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
	})
}

// EncodeICVP returns the COSE_Sign1 of c as ICVP under the sub-claim number, 0
// for -6, signed by s. An id of ours is its CWT ID, so that lists know it. Its time begins when the vaccination counts, if that is
// later than its issue, and ends with c's period: for life stands in no claim,
// and no code outlives its signer's certificate. What is required and not there
// is a [MissingError].
func EncodeICVP(c vaccination.Certificate, product string, number int, s Signer) ([]byte, error) {
	if missing := MissingICVP(c, product); len(missing) > 0 {
		return nil, &MissingError{Format: icvpFormat, Fields: missing}
	}
	if number == 0 {
		number = subICVP
	}
	country, ok := catalogue.CountryByCode(c.Info.Issuer.Country)
	if !ok {
		return nil, errors.New("the issuer's country is no code of ISO 3166-1")
	}
	nationality, _ := catalogue.FindCountry(c.Nationality)
	body := icvp{
		Name: c.Name, BirthDate: c.BirthDate.String(), Sex: string(vaccination.SexUnknown), Nationality: nationality.Alpha3, Version: icvpVersion,
		Dose: icvpDose{Product: product, Date: c.Vaccination.Date.String(), Clinician: c.Vaccination.Practitioner, Issuer: c.Info.Issuer.Name, Batch: c.Vaccination.Lot},
	}
	if body.Dose.Issuer == "" {
		body.Dose.Issuer = c.Info.Issuer.ID
	}
	switch c.Sex {
	case vaccination.SexMale, vaccination.SexFemale, vaccination.SexOther:
		body.Sex = string(c.Sex)
	}
	if code := documentTypes[c.Identifier.Kind]; code != "" && c.Identifier.Value != "" {
		body.Document, body.Type = c.Identifier.Value, code
	}
	claims := map[int]any{
		claimIssuer:   country.Alpha2,
		claimIssuedAt: c.Info.Period.Start.Unix(),
		claimHCERT:    map[int]any{number: body},
	}
	if id, err := vaccination.ParseCertificateID(c.Info.HCID); err == nil {
		claims[claimID] = icvpID(country.Alpha2, id)
	}
	if !c.Info.Period.End.IsZero() {
		claims[claimExpires] = c.Info.Period.End.Unix()
	}
	if from, _, ok := ICVPValidity(product, c.Vaccination.Date); ok {
		if t, _ := from.Earliest(); t.After(c.Info.Period.Start) {
			claims[claimNotBefore] = t.Unix()
		}
	}
	payload, err := cose.Marshal(claims)
	if err != nil {
		return nil, err
	}
	return sign(payload, s)
}

// icvpID is the certificate's id as the CWT ID of an ICVP (RFC 8392, section
// 3.1.7), whose content has no member for one: the letters of the country and the
// bytes of the id. Without it no list could tell its state; others pass over it.
func icvpID(country string, id vaccination.CertificateID) []byte {
	return append([]byte(country), id[:]...)
}

// hcidOf is the id of which id is the [icvpID], "" where it is none.
func (m *Message) hcidOf(id []byte) string {
	country, rest := m.Issuer, vaccination.CertificateID{}
	if len(country) != 2 || len(id) != len(country)+len(rest) || string(id[:2]) != country {
		return ""
	}
	copy(rest[:], id[2:])
	return rest.UVCI(country)
}

// isICVP reports whether v has the form of an ICVP content of any age.
func isICVP(v any) bool {
	m, ok := v.(map[any]any)
	if !ok {
		return false
	}
	_, name := m["n"].(string)
	_, now := m["vx"].(map[any]any)
	_, before := m["v"].(map[any]any)
	return name && m["dob"] != nil && (now || before)
}

// readICVP reads the three key sets in use: of 2024 and of October 2025, where v
// is the vaccination, and of 2026, where it is vx and v the template's version.
func (m *Message) readICVP(top map[any]any) (vaccination.Certificate, error) {
	r := &reader{m: top}
	c := vaccination.Certificate{Person: vaccination.Person{
		Name: r.text("n"), BirthDate: r.date("dob"), Sex: r.sex("s"),
		Nationality: r.first("nt", "ntl"), Identifier: vaccination.Identifier{Kind: r.first("dt", "ndt"), Value: r.first("id", "nid")},
	}}
	for kind, code := range documentTypes {
		if c.Identifier.Kind == code {
			c.Identifier.Kind = kind
		}
	}
	dose := "vx"
	if _, isMap := r.get("v").(map[any]any); isMap {
		dose = "v"
	} else {
		c.Info.Version = r.text("v")
	}
	v := r.sub(dose)
	d := &c.Vaccination
	product := v.code("vp")
	d.Brand = vaccination.Coding{Code: product, System: SystemWHOPQ}
	vaccine := vaccination.Coding{}
	if dose == "v" && !strings.Contains(product, "Product") { // in 2024 a kind of vaccine could stand there
		d.Brand, vaccine = vaccination.Coding{}, vaccination.Coding{Code: product, System: vaccineSystem}
		if strings.Trim(product, "0123456789") == "" {
			vaccine.System = snomed
		}
	}
	d.Date = v.firstDate("dv", "dt")
	d.Practitioner, d.Lot = v.text("cn"), v.text("bo")
	d.ValidFrom, d.ValidUntil = v.date("vls"), v.date("vle")
	d.Number = v.ordinal("dn")
	if d.Vaccine = v.coding("tg", ""); d.Vaccine.Code != "" {
		d.Disease, d.Vaccine = d.Vaccine, vaccine
	} else {
		d.Vaccine = vaccine
	}
	d.Manufacturer = vaccination.Coding{Code: v.code("mid"), Display: v.text("mp")}
	d.MAHolder = vaccination.Coding{Display: v.text("ma")}
	if strings.HasPrefix(product, yellowFever) {
		d.Disease = vaccination.Coding{Code: "1D47", System: vaccination.SystemICD11, Display: "Yellow fever"}
		if from, _, ok := ICVPValidity(product, d.Date); ok && (d.ValidFrom.IsZero() || d.ValidFrom.Before(from)) {
			d.ValidFrom = from
		}
	}
	issuer := v.issuer("is")
	m.envelope(&c.Info)
	c.Info.HCID = m.hcidOf(m.id)
	c.Info.Issuer.ID, c.Info.Issuer.Name = issuer.ID, issuer.Name
	switch {
	case r.failed != "":
		return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrMalformed, r.failed)
	case c.Name == "" || product == "":
		return vaccination.Certificate{}, fmt.Errorf("%w: name or product", ErrMalformed)
	}
	return c, nil
}

// ordinal reads a dose by its number, or by its name as in 2024 ("Primary",
// "secondDose"). A name that says no number is none.
func (r *reader) ordinal(name string) int {
	text, ok := r.get(name).(string)
	if !ok || text != "" && text[0] >= '0' && text[0] <= '9' {
		return r.number(name)
	}
	text = strings.ToLower(text)
	for n, names := range [][]string{{"primary", "first"}, {"second"}, {"third"}, {"fourth"}} {
		for _, n1 := range names {
			if strings.HasPrefix(text, n1) {
				return n + 1
			}
		}
	}
	return 0
}

// first returns the text of the first of two members that is there.
func (r *reader) first(name, older string) string {
	if r.m[name] != nil {
		return r.text(name)
	}
	return r.text(older)
}

func (r *reader) firstDate(name, older string) vaccination.Date {
	if r.m[name] != nil {
		return r.date(name)
	}
	return r.date(older)
}

// code returns the code of a member that is a text or a coding.
func (r *reader) code(name string) string {
	c := r.coding(name, "")
	if c.Code == "" {
		return c.Display
	}
	return c.Code
}

func day(d vaccination.Date) bool { return d.Precision() == vaccination.PrecisionDay && !d.Estimated }

// requirement is an element that a format needs.
type requirement struct {
	path  string
	there bool
}

func missingOf(all []requirement) []string {
	var missing []string
	for _, r := range all {
		if !r.there {
			missing = append(missing, r.path)
		}
	}
	return missing
}
