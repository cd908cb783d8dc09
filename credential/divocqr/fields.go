package divocqr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

func cannotCarry(path string) error { return fmt.Errorf("%w: %s", ErrCannotCarry, path) }

// writer makes members; bad is the path of the first element that cannot be said.
type writer struct{ bad string }

func (w *writer) refuse(path string) {
	if w.bad == "" {
		w.bad = path
	}
}

func textMember(name, s string) member { return member{name, value{kind: text, text: s}} }

func (w *writer) text(v *value, name, path, s string) {
	if s == "" {
		return
	}
	if !utf8.ValidString(s) {
		w.refuse(path) // JSON would say something else than what is signed
	}
	v.members = append(v.members, textMember(name, s))
}

func (w *writer) list(v *value, name string, texts ...string) {
	items := make([]value, len(texts))
	for i, s := range texts {
		items[i] = value{kind: text, text: s}
	}
	v.members = append(v.members, member{name, value{kind: list, items: items}})
}

func (w *writer) date(v *value, name, path string, d vaccination.Date) {
	if d.Estimated {
		w.refuse(path)
	}
	w.text(v, name, path, d.String())
}

func (w *writer) number(v *value, name string, n int) {
	v.members = append(v.members, member{name, value{kind: number, text: strconv.Itoa(n)}})
}

// nested adds an object unless it is empty.
func (w *writer) nested(v *value, name string, inner value) {
	if len(inner.members) > 0 {
		v.members = append(v.members, member{name, inner})
	}
}

func (w *writer) person(c *vaccination.Certificate, o Options, method string) value {
	v := value{kind: object, members: make([]member, 0, 8)}
	ref := c.Info.HCID
	if id, ok := c.ID(); ok {
		ref = id.String()
	}
	name := c.Name
	if c.Specimen {
		name = specimen + name
	}
	w.text(&v, "type", "", "Person")
	w.text(&v, "id", "identifier", w.holder(c, o, controller(method), ref))
	w.text(&v, "refId", "certificate.hcid", ref)
	w.text(&v, "name", "name", name)
	w.text(&v, "gender", "sex", genderOf(c.Sex))
	w.text(&v, "nationality", "nationality", c.Nationality)
	w.date(&v, "dob", "birthDate", c.BirthDate)
	return v
}

// controller is the verification method without its fragment: whose key it is.
func controller(method string) string {
	did, _, _ := strings.Cut(method, "#")
	return did
}

// holder returns the id of the holder, which is absolute whatever the number is:
// DIVOC made certificates whose holder anyone can change because it was not.
func (w *writer) holder(c *vaccination.Certificate, o Options, did, ref string) string {
	id := did + ":" + ref
	if o.Identifier && !c.Identifier.IsZero() {
		kind, number := c.Identifier.Kind, c.Identifier.Value
		id = did + ":" + number
		if kind != "" {
			id = "did:" + kind + ":" + number
		}
		if number == "" || number == ref || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.HasPrefix(id, did+":") != (kind == "") {
			w.refuse("identifier") // it would be read as another
		}
	}
	if checkIRI(id) != nil || strings.TrimSpace(id) != id {
		w.refuse("identifier")
	}
	return id
}

func genderOf(s vaccination.Sex) string {
	switch s {
	case vaccination.SexMale:
		return "Male"
	case vaccination.SexFemale:
		return "Female"
	case vaccination.SexOther:
		return "Other"
	case vaccination.SexUnknown:
		return "Unknown"
	}
	return ""
}

func (w *writer) vaccination(c *vaccination.Certificate, o Options) value {
	d := &c.Vaccination
	v := value{kind: object, members: make([]member, 0, 16)}
	w.text(&v, "id", "certificate.hcid", o.VerifyURL+"?"+c.Info.HCID)
	w.text(&v, "certificateId", "certificate.hcid", c.Info.HCID)
	w.list(&v, "type", "Vaccination")
	w.text(&v, "batch", "vaccination.lot", d.Lot)
	w.text(&v, "vaccine", "vaccination.brand", d.Brand.Display)
	maker := d.Manufacturer.Display
	if maker == "" { // one of the two is required, as in the WHO DDCC data set
		maker = d.MAHolder.Display
	}
	w.text(&v, "manufacturer", "vaccination.manufacturer", maker)
	if d.Vaccine.System == vaccination.SystemICD11 {
		w.text(&v, "icd11Code", "vaccination.vaccine", d.Vaccine.Code)
	}
	w.text(&v, "prophylaxis", "vaccination.vaccine", d.Vaccine.Display)
	w.date(&v, "date", "vaccination.date", d.Date)
	w.date(&v, "effectiveStart", "vaccination.validFrom", d.ValidFrom)
	w.date(&v, "effectiveUntil", "vaccination.validUntil", d.ValidUntil)
	w.number(&v, "dose", d.Number)
	w.number(&v, "totalDoses", d.Total)
	if d.Number > maxDose || d.Total > maxDose {
		w.refuse("vaccination.dose")
	}
	w.place(&v, "vaccination", d.Practitioner, d.Centre, d.CentreAddress, d.Country)
	return v
}

// test writes the details of a test, in DIVOC's words for disease and result.
func (w *writer) test(c *vaccination.Certificate, o Options) value {
	t := &c.Test
	v := value{kind: object, members: make([]member, 0, 16)}
	w.text(&v, "id", "certificate.hcid", o.VerifyURL+"?"+c.Info.HCID)
	w.text(&v, "certificateId", "certificate.hcid", c.Info.HCID)
	w.list(&v, "type", "TestDetails")
	w.text(&v, "batch", "test.lot", t.Lot)
	w.text(&v, "testName", "test.brand", t.Brand.Display)
	w.text(&v, "testType", "test.type", t.Type.Display)
	w.text(&v, "manufacturer", "test.manufacturer", t.Manufacturer.Display)
	disease := t.Pathogen.Display
	if catalogue.IsSARSCoV2(t.Pathogen.Code) || catalogue.IsSARSCoV2(disease) {
		disease = "COVID-19"
	}
	w.text(&v, "disease", "test.pathogen", disease)
	w.text(&v, "sampleOrigin", "test.origin", t.Origin.Display)
	w.text(&v, "sampleCollectionTimestamp", "test.date", t.Date.UTC().Format(timeForm))
	if !t.ResultDate.IsZero() {
		w.text(&v, "resultTimestamp", "test.resultDate", t.ResultDate.UTC().Format(timeForm))
	}
	w.text(&v, "result", "test.result", resultOf(t.Result))
	w.place(&v, "test", t.Practitioner, t.Centre, t.CentreAddress, t.Country)
	return v
}

// resultOf is a result as DIVOC's requests say it, "" for what is none.
func resultOf(result vaccination.Coding) string {
	said := result.Code
	if said == "" {
		said = result.Display
	}
	term, _ := catalogue.TestResult(said)
	return map[string]string{catalogue.Detected: "Positive", catalogue.NotDetected: "Negative", catalogue.Inconclusive: "Inconclusive", catalogue.Void: "Void"}[term.Key]
}

// place writes who answers for a dose or a test, and where it was.
func (w *writer) place(v *value, of, practitioner, centre string, a vaccination.Address, country vaccination.Coding) {
	verifier := value{kind: object}
	w.text(&verifier, "name", of+".practitioner", practitioner)
	w.nested(v, "verifier", verifier)
	facility := value{kind: object}
	w.text(&facility, "name", of+".centre", centre)
	w.nested(&facility, "address", w.address(of+".centreAddress", a, country))
	w.nested(v, "facility", facility)
}

// address is the facility's. Its country is where the dose was given or the sample
// taken.
func (w *writer) address(at string, a vaccination.Address, in vaccination.Coding) value {
	country := a.Country
	switch {
	case in.Code != "":
		country = in.Code
	case in.Display != "":
		country = in.Display
	}
	v := value{kind: object}
	w.text(&v, "streetAddress", at, a.Line1)
	w.text(&v, "streetAddress2", at, a.Line2)
	w.text(&v, "district", at, a.District)
	w.text(&v, "addressRegion", at, a.Region)
	w.text(&v, "addressCountry", at, country)
	w.text(&v, "postalCode", at, a.PostCode)
	return v
}

// appendJSON appends a value as JSON.
func appendJSON(b []byte, v *value) []byte {
	switch v.kind {
	case text:
		return jcs.AppendString(b, v.text)
	case list:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, &v.items[i])
		}
		return append(b, ']')
	case object:
		return append(appendMembers(append(b, '{'), v.members), '}')
	default: // a number; nothing else is written
		return append(b, v.text...)
	}
}

func appendMembers(b []byte, members []member) []byte {
	for i := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), members[i].name...), `":`...)
		b = appendJSON(b, &members[i].value)
	}
	return b
}
