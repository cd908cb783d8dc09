package fhir

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestOthersReadOurDocuments has the npm package fhir validate the documents of
// certificates, as answered and as exported, and what it is told about revoking;
// and shows that it looks into each resource of a document.
func TestOthersReadOurDocuments(t *testing.T) {
	const operation = "/fhir/QuestionnaireResponse/"
	h := newHouse(t, []string{""})
	status, document := h.ask("POST", operation+"$generateHealthCertificate", healthRecord)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, document)
	}
	// As much as a document can say; and one about another disease than WHO's guide.
	day := func(day int) vaccination.Date { return vaccination.Date{Year: 2021, Month: 11, Day: day} }
	full := vaccination.Event{
		EnrolmentCode: "F1",
		Person:        vaccination.Person{Name: "Ama Reid", BirthDate: day(1), Sex: vaccination.SexOther, Identifier: vaccination.Identifier{Kind: "passport", Value: "X1"}},
		Vaccination:   vaccination.Dose{Product: "Comirnaty", Lot: "L1", Date: day(2), ValidFrom: day(16), NextDose: day(23), Number: 1, Total: 2, Centre: "Kingston", Practitioner: "N7"},
	}
	yellow := full
	yellow.Programme, yellow.EnrolmentCode = "yellow-fever", "Y1"
	yellow.Vaccination.Product, yellow.Vaccination.NextDose, yellow.Vaccination.Total = "Stamaril", vaccination.Date{}, 0
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{full, yellow})
	if err != nil {
		t.Fatal(err)
	}
	var exports []json.RawMessage
	for _, r := range each {
		e, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatFHIR)
		if err != nil {
			t.Fatal(err)
		}
		exports = append(exports, e.Body)
	}
	if covid := []byte("COVID-19 Certificate"); !bytes.Contains(exports[0], covid) || bytes.Contains(exports[1], covid) {
		t.Error("a document says what it is not about")
	}
	var of struct{ ID string }
	if err := json.Unmarshal(document, &of); err != nil {
		t.Fatal(err)
	}
	_, revoked := h.ask("POST", operation+of.ID+"/$revokeHealthCertificate", `{"resourceType":"Parameters"}`)
	_, again := h.ask("POST", operation+"$generateHealthCertificate", healthRecord)
	_, refused := h.ask("POST", operation+"$generateHealthCertificate", `{"resourceType":"QuestionnaireResponse"}`)
	good := append(exports, document, revoked, again, refused)
	all := slices.Clone(good)
	for _, broken := range [][2]string{
		{`"status":"final"`, `"status":"finished"`},                          // of the Composition
		{`"use":"official"`, `"use":"of office"`},                            // of the Patient
		{`"vaccineCode"`, `"vaccine"`},                                       // of the Immunization
		{`"status":"current"`, `"condition":"current"`},                      // of the DocumentReference
		{`"doseNumberPositiveInt":1`, `"doseNumberPositiveInt":"the first"`}, // of the Immunization
	} {
		other := bytes.Replace(document, []byte(broken[0]), []byte(broken[1]), 1)
		if bytes.Equal(other, document) {
			t.Errorf("the document does not have %s", broken[0])
		}
		all = append(all, other)
	}
	for i, v := range validate(t, all) {
		switch {
		case i < len(good) && !v.Valid:
			t.Errorf("%s\nis refused: %q", all[i], v.Messages)
		case i >= len(good) && v.Valid:
			t.Errorf("broken, and not refused: %s", all[i])
		}
	}
}
