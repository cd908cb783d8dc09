package fhir

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
)

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
