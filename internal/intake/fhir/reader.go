package fhir

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// Limits of one body.
const (
	maxDepth   = 64
	maxEntries = 5000
)

// Reader reads a Bundle, an Immunization, a Patient, a QuestionnaireResponse or
// Parameters with one of these.
type Reader struct{}

// Read returns the people and doses of a body, doses in the order of the entries.
//
// A person is known by the first identifier that the mapping names for
// person.code, else by the Patient's own id; a dose by its first identifier, else
// by its id, else by what it says. A Patient that has neither is refused: the
// next delivery would make another person of them.
func (Reader) Read(a intake.Arrival, m *mapping.Mapping) (intake.Reading, error) {
	entries, err := parse(a.Body)
	if err != nil {
		return intake.Reading{}, err
	}
	b := newBundle(entries)
	var reading intake.Reading
	for _, e := range entries {
		fragments, err := b.fragments(e, m)
		if err != nil {
			return intake.Reading{}, err
		}
		reading.Fragments = append(reading.Fragments, fragments...)
	}
	return reading, nil
}

// fragments are the person or dose that an entry is.
func (b bundle) fragments(e entry, m *mapping.Mapping) ([]intake.Fragment, error) {
	switch e.resource.text("resourceType") {
	case "Patient":
		return b.patient(e.resource, m)
	case "Immunization":
		return b.immunization(e, m)
	case "QuestionnaireResponse":
		return questionnaire(e.resource, m)
	}
	return nil, nil
}

// entry is one resource of a body and the name that others refer to it by.
type entry struct {
	fullURL  string
	resource element
	delete   bool // a request to delete it
}

func invalid(message string) error { return vaccination.Errorf(vaccination.Invalid, "%s", message) }

// parse reads a body into its resources.
func parse(body []byte) ([]entry, error) {
	root, err := decode(body)
	if err != nil {
		return nil, err
	}
	out, err := unfold(entry{resource: root}, 0)
	if err == nil && len(out) > maxEntries {
		err = invalid("a Bundle has at most 5000 entries")
	}
	return out, err
}

func decode(body []byte) (root element, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if deep(body) {
		return nil, invalid("the body is nested too deeply")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil || d.More() {
		return nil, invalid("the body is no JSON of one FHIR resource")
	}
	return root, nil
}

// unfold takes resources out of Bundles and Parameters.
func unfold(e entry, level int) ([]entry, error) {
	if level > 4 {
		return nil, invalid("Bundles are nested too deeply")
	}
	var inner []entry
	switch e.resource.text("resourceType") {
	case "Bundle":
		for _, x := range e.resource.list("entry") {
			method := x.one("request").text("method")
			next := entry{fullURL: x.text("fullUrl"), resource: x.one("resource"), delete: method == "DELETE"}
			if method == "DELETE" {
				kind, id, _ := strings.Cut(x.one("request").text("url"), "/")
				next.resource = element{"resourceType": kind, "id": id}
			}
			inner = append(inner, next)
		}
	case "Parameters":
		for _, x := range e.resource.list("parameter") {
			if r := x.one("resource"); r != nil {
				inner = append(inner, entry{resource: r})
			}
		}
	case "":
		return nil, invalid("a resource has no resourceType")
	default:
		return []entry{e}, nil
	}
	var out []entry
	for _, x := range inner {
		more, err := unfold(x, level+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// deep reports whether a text is nested deeper than any resource of ours.
func deep(body []byte) bool {
	level, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if level++; level > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			level--
		}
	}
	return false
}

// bundle finds resources by what refers to them.
type bundle struct{ byName map[string]element }

func newBundle(entries []entry) bundle {
	b := bundle{map[string]element{}}
	for _, e := range entries {
		for _, name := range []string{e.fullURL, e.resource.text("resourceType") + "/" + e.resource.text("id")} {
			if name != "" && b.byName[name] == nil {
				b.byName[name] = e.resource
			}
		}
	}
	return b
}

// look finds what a reference means among what came with it.
func (b bundle) look(reference string) element {
	if r := b.byName[reference]; r != nil || reference == "" {
		return r
	}
	// A relative reference means the resource whose full address ends so.
	for _, name := range slices.Sorted(maps.Keys(b.byName)) {
		if strings.Contains(reference, "/") && (strings.HasSuffix(name, "/"+reference) || strings.HasSuffix(reference, "/"+name)) {
			return b.byName[name]
		}
	}
	return nil
}

// version is when the source's server last changed a resource.
func version(r element) time.Time {
	t, err := time.Parse(time.RFC3339, r.one("meta").text("lastUpdated"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

var errNobody = invalid("a Patient has no identifier that the mapping names (person.code) and no id: who this is could not be told the next time")

// personID is who a Patient is for the source.
func personID(p element, m *mapping.Mapping) string {
	f := person(p)
	for _, name := range m.Person.Code.From {
		if f[name] != "" {
			return f[name]
		}
	}
	return p.text("id")
}

func (b bundle) patient(p element, m *mapping.Mapping) ([]intake.Fragment, error) {
	id := personID(p, m)
	if id == "" {
		return nil, errNobody
	}
	return []intake.Fragment{{Kind: intake.PersonFragment, ID: id, Version: version(p), Fields: person(p)}}, nil
}

func (b bundle) immunization(e entry, m *mapping.Mapping) ([]intake.Fragment, error) {
	i := e.resource
	f := intake.Fragment{
		Kind: intake.DoseFragment, Version: version(i), Status: i.text("status"), Fields: dose(i, b.look),
		Deleted: e.delete || i.text("status") == "entered-in-error",
	}
	if f.Person = b.whose(i.one("patient"), m); f.Person == "" && !f.Deleted {
		return nil, invalid("an Immunization does not say whose it is: it has no patient reference, or one to nothing in the Bundle")
	}
	for _, identifier := range i.list("identifier") {
		f.ID = cmp.Or(f.ID, identifier.text("value"))
	}
	f.ID = cmp.Or(f.ID, i.text("id"))
	switch {
	case f.ID == "" && f.Deleted:
		return nil, invalid("an Immunization is to be deleted and has no id")
	case f.ID == "":
		said := sha256.Sum256([]byte(strings.Join([]string{f.Person, i.text("occurrenceDateTime"), f.Fields["Immunization.protocolApplied.doseNumber"]}, "\x00")))
		f.ID = "said:" + hex.EncodeToString(said[:12])
	}
	place := i.one("location")
	f.Facility = place.text("reference")
	if at := b.look(f.Facility); at != nil {
		f.Facility = "Location/" + at.text("id")
	}
	return []intake.Fragment{f}, nil
}

// whose is the person that a dose is about: the Patient that came with it, one
// named by an identifier, or one on the source's server.
func (b bundle) whose(patient element, m *mapping.Mapping) string {
	if p := b.look(patient.text("reference")); p != nil {
		return personID(p, m)
	}
	if i := patient.one("identifier"); i != nil && slices.Contains(m.Person.Code.From, "Patient.identifier("+i.text("system")+")") {
		return i.text("value")
	}
	kind, id, found := strings.Cut(patient.text("reference"), "Patient/")
	if !found || strings.HasPrefix(kind, "urn:") {
		return ""
	}
	id, _, _ = strings.Cut(id, "/")
	return id
}

// questionnaire reads WHO's Submit Health Event (DDCC implementation guide 1.0.1,
// DDCCQuestionnaireResponse): one dose with its person, by link ids.
func questionnaire(q element, m *mapping.Mapping) ([]intake.Fragment, error) {
	p, d := fields{}, fields{}
	links := map[string]struct {
		f    fields
		name string
	}{
		"name": {p, "Patient.name.text"}, "birthDate": {p, "Patient.birthDate"}, "identifier": {p, "Patient.identifier()"}, "sex": {p, "Patient.gender"},
		"vaccine": {d, "Immunization.vaccineCode"}, "brand": {d, "Immunization.extension(brand)"}, "manufacturer": {d, "Immunization.manufacturer"},
		"ma_holder": {d, "Immunization.extension(marketAuthorization)"}, "lot": {d, "Immunization.lotNumber"}, "date": {d, "Immunization.occurrence"},
		"vaccine_valid": {d, "Immunization.extension(validFrom)"}, "dose": {d, "Immunization.protocolApplied.doseNumber"},
		"total_doses": {d, "Immunization.protocolApplied.seriesDoses"}, "country": {d, "Immunization.extension(country)"},
		"centre": {d, "Immunization.location.display"}, "hw": {d, "Immunization.performer.display"}, "due_date": {d, "Immunization.nextDose"},
		"disease": {d, "Immunization.protocolApplied.targetDisease"},
	}
	var walk func(items []element)
	walk = func(items []element) {
		for _, item := range items {
			link, known := links[item.text("linkId")]
			for _, answer := range item.list("answer") {
				if known {
					link.f.answer(link.name, answer)
				}
				walk(answer.list("item"))
			}
			walk(item.list("item"))
		}
	}
	walk(q.list("item"))
	id := ""
	for _, name := range append(slices.Clone([]string(m.Person.Code.From)), "Patient.identifier()") {
		id = cmp.Or(id, p[name])
	}
	if id == "" {
		return nil, invalid("the questionnaire has no identifier of the person: who this is could not be told the next time")
	}
	at := version(q)
	if t, err := time.Parse(time.RFC3339, q.text("authored")); err == nil && at.IsZero() {
		at = t.UTC()
	}
	said := sha256.Sum256([]byte(strings.Join([]string{id, d["Immunization.occurrence"], d["Immunization.protocolApplied.doseNumber"]}, "\x00")))
	return []intake.Fragment{
		{Kind: intake.PersonFragment, ID: id, Version: at, Fields: mapping.Fields(p)},
		{Kind: intake.DoseFragment, ID: "said:" + hex.EncodeToString(said[:12]), Person: id, Version: at, Status: "completed", Fields: mapping.Fields(d)},
	}, nil
}

// answer sets the value of one answer, whatever its type.
func (f fields) answer(name string, a element) {
	if c := a.one("valueCoding"); c != nil {
		f.coding(name, c)
		f.set(name, c.text("code"))
	}
	if r := a.one("valueReference"); r != nil {
		f.set(name+".display", r.text("display"))
	}
	for _, kind := range []string{"valueString", "valueDate", "valueDateTime", "valueInteger", "valueDecimal", "valueBoolean"} {
		f.set(name, a.text(kind))
	}
}

// Mapping is the mapping for a source that sends FHIR as the specification has it.
// A country names its own identifier systems.
const Mapping = `# FHIR R4: fields by their FHIR names. Name the identifier systems of your
# country in person.code and person.identifiers.
person:
  code: []
  name: Patient.name.text
  givenName: Patient.name.given
  familyName: Patient.name.family
  birthDate: Patient.birthDate
  sex: Patient.gender
  phone: Patient.telecom(phone)
  email: Patient.telecom(email)
  nationality: [Patient.nationality(urn:iso:std:iso:3166)]
  line1: Patient.address.line
  line2: Patient.address.line2
  district: [Patient.address.district, Patient.address.city]
  region: Patient.address.state
  postCode: Patient.address.postalCode
dose:
  number: Immunization.protocolApplied.doseNumber
  totalDoses: Immunization.protocolApplied.seriesDoses
  product:
    - Immunization.extension(brand)
    - Immunization.vaccineCode(http://id.who.int/icd/release/11/mms)
    - Immunization.vaccineCode(http://hl7.org/fhir/sid/cvx)
    - Immunization.vaccineCode(http://snomed.info/sct)
    - Immunization.vaccineCode(http://www.whocc.no/atc)
    - Immunization.vaccineCode.text
  manufacturer: Immunization.manufacturer.display
  lot: Immunization.lotNumber
  date: Immunization.occurrence
  validFrom: Immunization.extension(validFrom)
  nextDose: Immunization.nextDose
  country: Immunization.extension(country)
  centre: [Immunization.location.display, "Immunization.performer(Organization).display", Immunization.performer.display]
  practitioner: Immunization.performer.display
statuses: [completed]
`
