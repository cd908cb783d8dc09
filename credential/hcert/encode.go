package hcert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/cose"
	"github.com/opendivoc/divoc/vaccination"
)

// Numbers of the sub-claims of -260 (HCERT 1.1.1, section 3.3). A negative
// number is free for private use: a domestic certificate is no DDCC, so it must
// not sit where a verifier abroad would take it for one.
const (
	subEUDCC      = 1
	subDDCC       = 3
	subDDCCTest   = 4
	subHealthLink = 5
	subICVP       = -6
	subDomestic   = -1000
)

// body is the core data set with the element names of DDCC implementation guide
// 1.0.1 as keys. The fields after Vaccination are ours; readers of the data set
// pass over them.
type body struct {
	Name        string       `cbor:"name,omitempty"`
	BirthDate   string       `cbor:"birthDate,omitempty"`
	Sex         string       `cbor:"sex,omitempty"`
	Identifier  any          `cbor:"identifier,omitempty"` // text, or identifier when its kind is known
	Certificate info         `cbor:"certificate"`
	Vaccination *vaccineDose `cbor:"vaccination,omitempty"`
	Test        *labTest     `cbor:"test,omitempty"`

	BirthDateEstimated bool `cbor:"birthDateEstimated,omitempty"`
	Specimen           bool `cbor:"specimen,omitempty"`
	FromEvidence       bool `cbor:"fromEvidence,omitempty"` // of the dose
}

type identifier struct {
	Type  string `cbor:"type"`
	Value string `cbor:"value"`
}

type info struct {
	Issuer  string  `cbor:"issuer,omitempty"`
	HCID    string  `cbor:"hcid,omitempty"`
	Version string  `cbor:"version,omitempty"`
	Period  *period `cbor:"period,omitempty"`
}

type period struct {
	Start string `cbor:"start,omitempty"`
	End   string `cbor:"end,omitempty"`
}

type vaccineDose struct {
	Vaccine      *coding `cbor:"vaccine,omitempty"`
	Brand        *coding `cbor:"brand,omitempty"`
	Manufacturer *coding `cbor:"manufacturer,omitempty"`
	MAHolder     *coding `cbor:"maholder,omitempty"`
	Disease      *coding `cbor:"disease,omitempty"`
	Lot          string  `cbor:"lot,omitempty"`
	Date         string  `cbor:"date,omitempty"`
	ValidFrom    string  `cbor:"validFrom,omitempty"`
	ValidUntil   string  `cbor:"validUntil,omitempty"`
	Dose         int     `cbor:"dose,omitempty"`
	TotalDoses   int     `cbor:"totalDoses,omitempty"`
	Country      *coding `cbor:"country,omitempty"`
	Centre       string  `cbor:"centre,omitempty"`
	Practitioner string  `cbor:"practitioner,omitempty"`
	NextDose     string  `cbor:"nextDose,omitempty"`
}

// labTest is the element "test" of DDCC:TR.
type labTest struct {
	Pathogen     *coding `cbor:"pathogen,omitempty"`
	Type         *coding `cbor:"type,omitempty"`
	Brand        *coding `cbor:"brand,omitempty"`
	Manufacturer *coding `cbor:"manufacturer,omitempty"`
	Origin       *coding `cbor:"origin,omitempty"`
	Date         string  `cbor:"date,omitempty"`
	Result       *coding `cbor:"result,omitempty"`
	Centre       string  `cbor:"centre,omitempty"`
	Country      *coding `cbor:"country,omitempty"`
}

type coding struct {
	Code    string `cbor:"code,omitempty"`
	System  string `cbor:"system,omitempty"`
	Display string `cbor:"display,omitempty"`
}

// The code systems that a code without system is in, by element.
const (
	vaccineSystem  = vaccination.SystemICD11
	brandSystem    = vaccination.SystemICD11
	makerSystem    = vaccination.SystemEUOrg
	diseaseSystem  = vaccination.SystemICD11
	countrySystem  = vaccination.SystemISO3166
	timeForm       = "2006-01-02T15:04:05Z"
	domesticFormat = "a domestic certificate"
)

// Encode returns the COSE_Sign1 of c as payload p, signed by s: always the
// elements that the core data set requires and those of the person, extra ones
// where asked for. Elements that the certificate does not have are left out.
//
// p is [DDCC], [DDCCTest] or [Domestic], another is [ErrPayload]. When p requires an element
// that c does not have, the error is a [MissingError] that names all of them;
// [Domestic] requires only name, issuer, its country, hcid and the time of issue.
// A certificate marked Domestic is refused as DDCC.
func Encode(c vaccination.Certificate, p Payload, s Signer, extra ...Element) ([]byte, error) {
	number := subDDCC
	switch {
	case p == Domestic:
		number = subDomestic
	case p == DDCCTest:
		number = subDDCCTest
	case p != DDCC:
		return nil, fmt.Errorf("%w: %s is not issued", ErrPayload, p.Name())
	}
	if c.Domestic && p != Domestic {
		return nil, fmt.Errorf("%w: a domestic certificate is no %s", ErrPayload, p.Name())
	}
	if missing := Missing(c, p); len(missing) > 0 {
		format := p.Name()
		if p == Domestic {
			format = domesticFormat
		}
		return nil, &MissingError{Format: format, Fields: missing}
	}
	country, ok := catalogue.CountryByCode(c.Info.Issuer.Country)
	if !ok {
		return nil, errors.New("the issuer's country is no code of ISO 3166-1")
	}
	claims := map[int]any{
		claimIssuer:   country.Alpha2,
		claimIssuedAt: c.Info.Period.Start.Unix(),
		claimHCERT:    map[int]any{number: bodyOf(c, p, extra)},
	}
	if !c.Info.Period.End.IsZero() {
		claims[claimExpires] = c.Info.Period.End.Unix()
	}
	payload, err := cose.Marshal(claims)
	if err != nil {
		return nil, err
	}
	return sign(payload, s)
}

// Missing returns the paths of the elements that p requires and c does not have
// (DDCC implementation guide 1.0.1, DDCCCoreDataSetVS with its invariant
// who-ddcc-data-1, and DDCCCoreDataSetTR). The date of a dose must be known to the
// day.
func Missing(c vaccination.Certificate, p Payload) []string {
	all := []requirement{
		{"name", c.Name != ""},
		{"certificate.issuer", c.Info.Issuer.Name != "" || c.Info.Issuer.ID != ""},
		{"certificate.issuer.country", c.Info.Issuer.Country != ""},
		{"certificate.hcid", c.Info.HCID != ""},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
	}
	switch v, t := c.Vaccination, c.Test; p {
	case DDCC:
		all = append(all, []requirement{
			{"certificate.version", c.Info.Version != ""},
			{"vaccination.vaccine", v.Vaccine.Code != ""},
			{"vaccination.brand", v.Brand.Code != "" || v.Brand.Display != ""},
			{"vaccination.manufacturer", named(v.Manufacturer) || named(v.MAHolder)},
			{"vaccination.lot", v.Lot != ""},
			{"vaccination.date", v.Date.Precision() == vaccination.PrecisionDay && !v.Date.Estimated},
			{"vaccination.dose", v.Number > 0},
			{"vaccination.country", v.Country.Code != ""},
		}...)
	case DDCCTest:
		all = append(all, []requirement{
			{"certificate.version", c.Info.Version != ""},
			{"test.pathogen", t.Pathogen.Code != ""},
			{"test.type", t.Type.Code != ""},
			{"test.date", !t.Date.IsZero()},
			{"test.country", t.Country.Code != ""},
		}...)
	}
	return missingOf(all)
}

func named(c vaccination.Coding) bool { return c.Code != "" || c.Display != "" }

func bodyOf(c vaccination.Certificate, p Payload, extra []Element) body {
	asked := func(e Element) bool { return slices.Contains(extra, e) }
	b := body{
		Name:               c.Name,
		BirthDate:          strings.TrimSuffix(c.BirthDate.String(), "~"),
		Sex:                string(c.Sex),
		Certificate:        info{Issuer: c.Info.Issuer.Name, HCID: c.Info.HCID, Version: c.Info.Version, Period: &period{Start: timeText(c.Info.Period.Start), End: timeText(c.Info.Period.End)}},
		BirthDateEstimated: c.BirthDate.Estimated,
		Specimen:           c.Specimen,
	}
	if b.Certificate.Issuer == "" {
		b.Certificate.Issuer = c.Info.Issuer.ID
	}
	if asked(Identifier) {
		switch {
		case c.Identifier.Value == "":
		case c.Identifier.Kind == "":
			b.Identifier = c.Identifier.Value
		default:
			b.Identifier = identifier{Type: c.Identifier.Kind, Value: c.Identifier.Value}
		}
	}
	if p == DDCCTest {
		b.Test = testOf(c.Test)
	} else {
		b.Vaccination, b.FromEvidence = doseOf(c.Vaccination, asked), c.Vaccination.FromEvidence
	}
	return b
}

func doseOf(v vaccination.Dose, asked func(Element) bool) *vaccineDose {
	d := &vaccineDose{
		Vaccine: codingOf(v.Vaccine, vaccineSystem), Brand: codingOf(v.Brand, brandSystem),
		Manufacturer: codingOf(v.Manufacturer, makerSystem), Disease: codingOf(v.Disease, diseaseSystem),
		Lot: v.Lot, Date: v.Date.String(), Dose: v.Number, TotalDoses: v.Total,
		Country: codingOf(v.Country, countrySystem),
	}
	if asked(MAHolder) || d.Manufacturer == nil {
		d.MAHolder = codingOf(v.MAHolder, makerSystem)
	}
	if asked(ValidFrom) {
		d.ValidFrom = v.ValidFrom.String()
	}
	if asked(ValidUntil) {
		d.ValidUntil = v.ValidUntil.String()
	}
	if asked(Centre) {
		d.Centre = v.Centre
	}
	if asked(Practitioner) {
		d.Practitioner = v.Practitioner
	}
	if asked(NextDose) {
		d.NextDose = v.NextDose.String()
	}
	return d
}

// testOf is all of the core data set's element: what a test has beyond it stands
// in the document.
func testOf(t vaccination.Test) *labTest {
	return &labTest{
		Pathogen: codingOf(t.Pathogen, diseaseSystem), Type: codingOf(t.Type, testTypeSystem), Brand: codingOf(t.Brand, ""),
		Manufacturer: codingOf(t.Manufacturer, ""), Origin: codingOf(t.Origin, diseaseSystem), Date: timeText(t.Date),
		Result: codingOf(t.Result, diseaseSystem), Centre: t.Centre, Country: codingOf(t.Country, countrySystem),
	}
}

// codingOf returns c without the system its element implies and without display,
// except where the display is all there is.
func codingOf(c vaccination.Coding, implied string) *coding {
	switch {
	case c.Code == "" && c.Display == "":
		return nil
	case c.Code == "":
		return &coding{Display: c.Display}
	case c.System == implied:
		return &coding{Code: c.Code}
	}
	return &coding{Code: c.Code, System: c.System}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeForm)
}
