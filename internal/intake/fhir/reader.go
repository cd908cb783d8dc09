package fhir

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// HintIfNoneExist is the header of a conditional create of one resource; the door
// hands it on as a hint of the arrival.
const HintIfNoneExist = "if-none-exist"

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
// person.code and by the Patient's own id ("Patient/" before it), by both where
// there are both, so that a dose finds them under either. A dose is known by its
// first identifier, else by its id, else by what it says.
//
// Entries stand by themselves: one that means nothing keeps no other from being
// read, and the sender hears of it ([ReadRequest]). Where nothing else stands in
// the body, it is refused.
func (Reader) Read(a intake.Arrival, m *mapping.Mapping) (intake.Reading, error) {
	entries, err := parse(a.Body, a.Hints)
	if err != nil {
		return intake.Reading{}, err
	}
	b := newBundle(entries)
	var reading intake.Reading
	var fault error
	for _, e := range entries {
		fragments, err := b.fragments(e, m)
		if err != nil && fault == nil {
			fault = err
		}
		reading.Fragments = append(reading.Fragments, fragments...)
	}
	if len(reading.Fragments) == 0 && fault != nil {
		return intake.Reading{}, fault
	}
	return reading, nil
}

func invalid(message string) error { return vaccination.Errorf(vaccination.Invalid, "%s", message) }

// parse reads a body into its resources.
func parse(body []byte, hints map[string]string) ([]entry, error) {
	root, err := decode(body)
	if err != nil {
		return nil, err
	}
	whole := entry{resource: root}
	if criteria := hints[HintIfNoneExist]; criteria != "" {
		whole.create, whole.id = true, named(criteria)
	}
	out, err := unfold(whole, 0)
	if err == nil && len(out) > maxEntries {
		err = invalid("a Bundle has at most 5000 entries")
	}
	if err == nil && len(out) == 1 && root.text("resourceType") != "Bundle" {
		err = out[0].fault
	}
	return out, err
}

func decode(body []byte) (root element, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if intake.Depth(body) > maxDepth {
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
			inner = append(inner, request(x))
		}
	case "Parameters":
		for _, x := range e.resource.list("parameter") {
			if r := x.one("resource"); r != nil {
				inner = append(inner, entry{resource: r})
			}
		}
		if len(inner) == 0 {
			e.fault = cmp.Or(e.fault, invalid("Parameters hold no resource"))
			return []entry{e}, nil
		}
	case "":
		e.fault = cmp.Or(e.fault, invalid("a resource has no resourceType"))
		return []entry{e}, nil
	default:
		return []entry{e}, nil
	}
	var out []entry
	for i, x := range inner {
		if x.of = e.of; level == 0 {
			x.of = i
		}
		more, err := unfold(x, level+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// request reads an entry of a Bundle and what is asked to be done with it.
func request(x element) entry {
	r := x.one("request")
	e := entry{fullURL: x.text("fullUrl"), resource: x.one("resource")}
	path, query, _ := strings.Cut(r.text("url"), "?")
	kind, id, _ := strings.Cut(strings.Trim(path, "/"), "/")
	switch method := r.text("method"); method {
	case "", "POST":
		if r.text("ifNoneExist") != "" {
			e.create, e.id = true, named(r.text("ifNoneExist"))
		}
	case "PUT":
		if e.resource != nil && e.resource.text("id") == "" && id != "" {
			e.resource["id"] = id
		}
		e.id = named(query)
	case "DELETE":
		e.delete, e.resource, e.id = true, element{"resourceType": kind, "id": id}, named(query)
		if id == "" && e.id == "" {
			e.fault = invalid("a request to delete names no resource: Immunization/ and its id, or ?identifier=")
		}
	default:
		e.fault = vaccination.Errorf(vaccination.NotAllowed, "only POST, PUT and DELETE of whole resources are read, no %s", method)
	}
	return e
}

// named is the identifier in the criteria of a conditional request
// ("identifier=system|value"), as [identity] writes it.
func named(criteria string) string {
	q, err := url.ParseQuery(strings.TrimPrefix(criteria, "?"))
	if err != nil {
		return ""
	}
	system, value, ok := strings.Cut(q.Get("identifier"), "|")
	if !ok {
		system, value = "", system
	}
	return identity(system, value)
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
