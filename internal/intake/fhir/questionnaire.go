package fhir

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
)

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
