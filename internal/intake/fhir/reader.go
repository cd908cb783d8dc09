package fhir

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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

// fragments are the person or dose that an entry is. With an error they are what
// can be kept of it all the same.
func (b bundle) fragments(e entry, m *mapping.Mapping) ([]intake.Fragment, error) {
	if e.fault != nil {
		return nil, e.fault
	}
	switch e.resource.text("resourceType") {
	case "Patient":
		return patient(e.resource, m)
	case "Immunization":
		return b.immunization(e, m)
	case "QuestionnaireResponse":
		return questionnaire(e.resource, m)
	}
	return nil, nil
}

// entry is one resource of a body and the name that others refer to it by.
type entry struct {
	of       int // the entry of the outermost Bundle that it came in
	fullURL  string
	resource element
	delete   bool   // a request to delete it
	id       string // that a conditional request names
	create   bool   // only if there is none yet
	fault    error  // why it is none that can be read
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

// identity is what a dose is known by: an identifier with its system.
func identity(system, value string) string {
	if value == "" {
		return ""
	}
	return system + "|" + value
}

// bundle finds resources by what refers to them.
type bundle struct {
	byURL map[string]element // by fullUrl
	byID  map[string]entry   // by type and id; without a resource where two have one
}

func newBundle(entries []entry) bundle {
	b := bundle{map[string]element{}, map[string]entry{}}
	for _, e := range entries {
		if e.fullURL != "" && b.byURL[e.fullURL] == nil {
			b.byURL[e.fullURL] = e.resource
		}
		if id := e.resource.text("id"); id != "" {
			name := e.resource.text("resourceType") + "/" + id
			if before, ok := b.byID[name]; ok && before.fullURL != e.fullURL {
				e.resource = nil // which of the two is meant cannot be told
			}
			b.byID[name] = e
		}
	}
	return b
}

// look finds what a reference of a resource means: something it contains, or
// something that came with it. An absolute reference never means a resource of
// another server that has the same id.
func (b bundle) look(from element, reference string) element {
	if id, ok := strings.CutPrefix(reference, "#"); ok {
		for _, c := range from.list("contained") {
			if id != "" && c.text("id") == id {
				return c
			}
		}
		return nil
	}
	reference, _, _ = strings.Cut(reference, "/_history/")
	if r := b.byURL[reference]; r != nil || reference == "" {
		return r
	}
	parts := strings.Split(reference, "/")
	if len(parts) < 2 {
		return nil
	}
	e := b.byID[strings.Join(parts[len(parts)-2:], "/")]
	if len(parts) > 2 && strings.HasPrefix(e.fullURL, "http") {
		return nil
	}
	return e.resource
}

// version is when the source's server last changed a resource; where it says
// only how often, the number of seconds stands for that.
func version(r element) time.Time {
	meta := r.one("meta")
	if t, err := time.Parse(time.RFC3339, meta.text("lastUpdated")); err == nil {
		return t.UTC()
	}
	if n, err := strconv.ParseUint(meta.text("versionId"), 10, 30); err == nil && n > 0 {
		return time.Unix(int64(n), 0).UTC()
	}
	return time.Time{}
}

var errNobody = invalid("a Patient has no identifier that the mapping names (person.code) and no id: who this is could not be told the next time")

// patientID begins the ids of people who are known by their Patient's id, so that
// none is taken for somebody's identifier.
const patientID = "Patient/"

// personIDs are who a Patient is for the source, the identifier first.
func personIDs(p element, m *mapping.Mapping) (ids []string) {
	f := person(p)
	for _, name := range m.Person.Code.From {
		if f[name] != "" {
			ids = append(ids, f[name])
			break
		}
	}
	if id := p.text("id"); id != "" {
		ids = append(ids, patientID+id)
	}
	return ids
}

// patient is a person under each of the names that doses may use.
func patient(p element, m *mapping.Mapping) (out []intake.Fragment, err error) {
	for _, id := range personIDs(p, m) {
		out = append(out, intake.Fragment{Kind: intake.PersonFragment, ID: id, Version: version(p), Fields: person(p)})
	}
	if out == nil {
		return nil, errNobody
	}
	return out, nil
}

func (b bundle) immunization(e entry, m *mapping.Mapping) (out []intake.Fragment, err error) {
	i := e.resource
	f := intake.Fragment{
		Kind: intake.DoseFragment, Version: version(i), Status: i.text("status"), Create: e.create,
		Fields:  dose(i, func(reference string) element { return b.look(i, reference) }),
		Deleted: e.delete || i.text("status") == "entered-in-error",
	}
	f.Person = b.whose(i, m)
	if reference := i.one("patient").text("reference"); strings.HasPrefix(reference, "#") && f.Person != "" {
		// Who stands in the dose itself is told by it alone. Their id means
		// nothing beyond it.
		who := maps.Clone(b.look(i, reference))
		delete(who, "id")
		if out, err = patient(who, m); err != nil {
			return nil, err
		}
		for n := range out {
			out[n].Version = f.Version
		}
	}
	f.ID = e.id
	for _, identifier := range i.list("identifier") {
		f.ID = cmp.Or(f.ID, identity(identifier.text("system"), identifier.text("value")))
	}
	f.ID = cmp.Or(f.ID, i.text("id"))
	switch {
	case f.ID == "" && f.Deleted:
		return nil, invalid("an Immunization is to be deleted and has no id")
	case f.ID == "":
		f.ID = said(i, f.Person, i.text("occurrenceDateTime"), f.Fields["Immunization.protocolApplied.doseNumber"], i.text("lotNumber"))
	}
	place := i.one("location").text("reference")
	if at := b.look(i, place); at.text("id") != "" && !strings.HasPrefix(place, "#") {
		place = "Location/" + at.text("id")
	}
	if !strings.HasPrefix(place, "#") && !strings.HasPrefix(place, "urn:") { // these are names for one body
		f.Facility = place
	}
	return append(out, f), nil
}

// whose is the person that a dose is about: the Patient that came with it, one
// named by an identifier, or one on the source's server. Nobody is "".
func (b bundle) whose(i element, m *mapping.Mapping) string {
	who := i.one("patient")
	reference := who.text("reference")
	if p := b.look(i, reference); p != nil {
		if strings.HasPrefix(reference, "#") {
			p = maps.Clone(p)
			delete(p, "id")
		}
		if ids := personIDs(p, m); ids != nil {
			return ids[0]
		}
		return ""
	}
	if id := who.one("identifier"); id != nil && slices.Contains(m.Person.Code.From, "Patient.identifier("+id.text("system")+")") {
		return id.text("value")
	}
	kind, id, found := strings.Cut(reference, "Patient/")
	if !found || strings.HasPrefix(kind, "urn:") {
		return ""
	}
	id, _, _ = strings.Cut(id, "/")
	if _, other := b.byID[patientID+id]; id == "" || other && kind != "" {
		return "" // somebody else of that id came with it
	}
	return patientID + id
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
	at := version(q)
	if t, err := time.Parse(time.RFC3339, q.text("authored")); err == nil && at.IsZero() {
		at = t.UTC()
	}
	out := []intake.Fragment{{
		Kind: intake.DoseFragment, ID: said(q, id, d["Immunization.occurrence"], d["Immunization.protocolApplied.doseNumber"]), Person: id, Version: at, Status: "completed", Fields: mapping.Fields(d),
	}}
	if id != "" { // else it waits for somebody to find out whose it is
		out = append([]intake.Fragment{{Kind: intake.PersonFragment, ID: id, Version: at, Fields: mapping.Fields(p)}}, out...)
	}
	return out, nil
}

// said is the id of a dose that has none: what it says of whom, when and which. One
// of nobody is known by all that it says, so that it is not taken for another's.
func said(r element, person string, parts ...string) string {
	text := []byte(strings.Join(append([]string{person}, parts...), "\x00"))
	if person == "" {
		text, _ = json.Marshal(r) // it was read from JSON
	}
	sum := sha256.Sum256(text)
	return "said:" + hex.EncodeToString(sum[:12])
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
