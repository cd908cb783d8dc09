package hcert

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
)

// payloadOf picks the payload out of the sub-claims of -260: what can be read
// first, then what is recognised. Older producers wrap a payload in an array of
// one.
func payloadOf(sub map[any]any) (Payload, any) {
	for _, known := range []struct {
		number  int64
		payload Payload
	}{{subDDCC, DDCC}, {subDomestic, Domestic}, {subEUDCC, EUDCC}, {subDDCCTest, DDCCTest}, {subICVP, ICVP}, {subHealthLink, HealthLink}} {
		if v, ok := sub[known.number]; ok {
			return known.payload, single(v)
		}
	}
	// ICVP's number is not final: it is known by its form under any that means
	// nothing else. One only, so that no other hides behind it.
	if len(sub) == 1 {
		for _, v := range sub {
			if isICVP(single(v)) {
				return ICVP, single(v)
			}
		}
	}
	return Unknown, nil
}

// Certificate returns what m says. It reads the forms seen in the field: the
// issuer and identifiers as text or map, codes as text or map, numbers as text,
// total_doses, arrays of one. Codes have no display texts. Errors are
// [ErrPayload] for kinds that are not read, and [ErrMalformed].
//
// The period is that of the CWT claims, which every verifier obeys; KeyID is the
// key id in hexadecimal. Texts are in NFC, as HCERT 1.1.1 asks, also where they
// were signed in another form.
func (m *Message) Certificate() (vaccination.Certificate, error) {
	top, ok := m.content.(map[any]any)
	if !ok && (m.Payload == DDCC || m.Payload == Domestic || m.Payload == EUDCC || m.Payload == DDCCTest || m.Payload == ICVP) {
		return vaccination.Certificate{}, fmt.Errorf("%w: content", ErrMalformed)
	}
	switch {
	case m.old:
		return m.readOld(top)
	case m.Payload == DDCC, m.Payload == Domestic, m.Payload == DDCCTest:
		return m.readCore(top)
	case m.Payload == EUDCC:
		return m.readDCC(top)
	case m.Payload == ICVP:
		return m.readICVP(top)
	}
	return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrPayload, m.Payload.Name())
}

// readCore reads the core data set of DDCC:VS or DDCC:TR.
func (m *Message) readCore(top map[any]any) (vaccination.Certificate, error) {
	r := &reader{m: top}
	c := vaccination.Certificate{Domestic: m.Payload == Domestic, Specimen: r.flag("specimen")}
	c.Name = r.text("name")
	c.BirthDate = r.date("birthDate")
	c.BirthDate.Estimated = c.BirthDate.Estimated || r.flag("birthDateEstimated")
	c.Sex = r.sex("sex")
	c.Identifier = r.identifier("identifier")
	m.readInfo(r.sub("certificate"), &c.Info)
	if m.Payload == DDCCTest {
		readTest(r.sub("test"), &c.Test)
	} else {
		readDose(r.sub("vaccination"), &c.Vaccination)
		c.Vaccination.FromEvidence = r.flag("fromEvidence")
	}
	if r.failed != "" {
		return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrMalformed, r.failed)
	}
	return c, nil
}

func (m *Message) readInfo(r *reader, i *vaccination.CertificateInfo) {
	i.Issuer = r.issuer("issuer")
	i.HCID = r.identifier("hcid").Value
	i.Version = r.text("version")
	p := r.sub("period")
	i.Period = vaccination.Period{Start: p.time("start"), End: p.time("end")}
	m.envelope(i)
}

// envelope takes from the claims what they say: the issuer's country, the key,
// the period.
func (m *Message) envelope(i *vaccination.CertificateInfo) {
	i.Issuer.Country = m.Issuer
	if country, ok := catalogue.CountryByCode(m.Issuer); ok {
		i.Issuer.Country = country.Alpha3
	}
	if len(m.KeyIDs) > 0 {
		i.KeyID = fmt.Sprintf("%x", m.KeyIDs[0])
	}
	if !m.IssuedAt.IsZero() {
		i.Period.Start = m.IssuedAt
	}
	if m.NotBefore.After(i.Period.Start) {
		i.Period.Start = m.NotBefore
	}
	if !m.ExpiresAt.IsZero() {
		i.Period.End = m.ExpiresAt
	}
}

func readTest(r *reader, t *vaccination.Test) {
	*t = vaccination.Test{
		Pathogen: r.coding("pathogen", diseaseSystem), Type: r.coding("type", testTypeSystem), Brand: r.coding("brand", ""),
		Manufacturer: r.coding("manufacturer", ""), Origin: r.coding("origin", diseaseSystem), Result: r.coding("result", diseaseSystem),
		Centre: r.text("centre"), Country: r.coding("country", countrySystem),
	}
	if text := r.text("date"); text != "" {
		var ok bool
		if t.Date, ok = sampleTime(text); !ok {
			r.fail("date")
		}
	}
}

func readDose(r *reader, d *vaccination.Dose) {
	d.Vaccine = r.coding("vaccine", vaccineSystem)
	d.Brand = r.coding("brand", brandSystem)
	d.Manufacturer = r.coding("manufacturer", makerSystem)
	d.MAHolder = r.coding("maholder", makerSystem)
	d.Disease = r.coding("disease", diseaseSystem)
	d.Lot = r.text("lot")
	d.Date = r.date("date")
	d.ValidFrom = r.date("validFrom")
	d.ValidUntil = r.date("validUntil")
	d.Number = r.number("dose")
	d.Total = r.number("totalDoses")
	if d.Total == 0 {
		d.Total = r.number("total_doses")
	}
	d.Country = r.coding("country", countrySystem)
	d.Centre = r.text("centre")
	d.Practitioner = r.identifier("practitioner").Value
	d.NextDose = r.date("nextDose")
}

// reader takes elements out of a map and keeps the name of the first that is not
// what it should be. A missing element is empty.
type reader struct {
	m      map[any]any
	path   string
	parent *reader
	failed string
}

func (r *reader) fail(name string) {
	if name == "" {
		return
	}
	if r.failed == "" {
		r.failed = name
	}
	if r.parent != nil {
		r.parent.fail(r.path + "." + name)
	}
}

// single unwraps an array of one.
func single(v any) any {
	if a, ok := v.([]any); ok && len(a) == 1 {
		return a[0]
	}
	return v
}

func (r *reader) get(name string) any { return single(r.m[name]) }

func (r *reader) sub(name string) *reader {
	s := &reader{path: name, parent: r}
	switch v := r.get(name).(type) {
	case nil:
	case map[any]any:
		s.m = v
	default:
		r.fail(name)
	}
	return s
}

func (r *reader) text(name string) string {
	switch v := r.get(name).(type) {
	case nil:
		return ""
	case string:
		return nfc(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	r.fail(name)
	return ""
}

func (r *reader) flag(name string) bool {
	v, ok := r.get(name).(bool)
	if !ok && r.m[name] != nil {
		r.fail(name)
	}
	return v
}

func (r *reader) number(name string) int {
	n, ok := int64(0), true
	switch v := r.get(name).(type) {
	case nil:
	case int64:
		n = v
	case float64:
		n, ok = int64(v), v == math.Trunc(v)
	case string:
		var err error
		n, err = strconv.ParseInt(v, 10, 32)
		ok = err == nil
	default:
		ok = false
	}
	if !ok || n < 0 || n > 1000 {
		r.fail(name)
		return 0
	}
	return int(n)
}

// date reads a date, or the date of a dateTime.
func (r *reader) date(name string) vaccination.Date {
	text, _, _ := strings.Cut(r.text(name), "T")
	d, err := vaccination.ParseDate(text)
	if err != nil {
		r.fail(name)
	}
	return d
}

// time reads a FHIR dateTime; a date alone is its midnight UTC.
func (r *reader) time(name string) time.Time {
	text := r.text(name)
	if text == "" {
		return time.Time{}
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC().Truncate(time.Second)
		}
	}
	r.fail(name)
	return time.Time{}
}

func (r *reader) coding(name, implied string) vaccination.Coding {
	m, isMap := r.get(name).(map[any]any)
	if !isMap {
		if code := r.text(name); code != "" {
			return vaccination.Coding{Code: code, System: implied}
		}
		return vaccination.Coding{}
	}
	s := &reader{m: m, path: name, parent: r}
	c := vaccination.Coding{Code: s.text("code"), System: s.text("system"), Display: s.text("display")}
	if c.Code != "" && c.System == "" {
		c.System = implied
	}
	return c
}

// sex reads FHIR's administrative gender, as a code or a coding of it, or its letter.
func (r *reader) sex(name string) vaccination.Sex {
	switch code := r.coding(name, "").Code; code {
	case "M", "m":
		return vaccination.SexMale
	case "F", "f":
		return vaccination.SexFemale
	default:
		return vaccination.Sex(code)
	}
}

func (r *reader) identifier(name string) vaccination.Identifier {
	m, isMap := r.get(name).(map[any]any)
	if !isMap {
		return vaccination.Identifier{Value: r.text(name)}
	}
	s := &reader{m: m, path: name, parent: r}
	i := vaccination.Identifier{Value: s.text("value")}
	if _, isText := s.get("type").(string); isText { // FHIR has a CodeableConcept here
		i.Kind = s.text("type")
	}
	return i
}

// issuer reads the authority: its name, or an identifier when it looks like one,
// or a FHIR Reference.
func (r *reader) issuer(name string) vaccination.Issuer {
	m, isMap := r.get(name).(map[any]any)
	if isMap {
		s := &reader{m: m, path: name, parent: r}
		i := vaccination.Issuer{ID: s.text("id"), Name: s.text("name")}
		if i.ID == "" {
			i.ID = s.text("reference")
		}
		if i.Name == "" {
			i.Name = s.text("display")
		}
		return i
	}
	text := r.text(name)
	for _, scheme := range []string{"did:", "https:", "http:", "urn:"} {
		if strings.HasPrefix(text, scheme) {
			return vaccination.Issuer{ID: text}
		}
	}
	return vaccination.Issuer{Name: text}
}
