package fhir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "fixtures")
	}
	data, err := os.ReadFile(filepath.Join(dir, "ddcc-fhir", name))
	if os.IsNotExist(err) {
		t.Skipf("no fixtures at %s: set DIVOC_FIXTURES", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parsed(t testing.TB, text string) *mapping.Mapping {
	t.Helper()
	p, err := profile.Open("jamaica")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse("fhir.yaml", []byte(text), p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func withCode(t testing.TB, system string) *mapping.Mapping {
	return parsed(t, strings.Replace(Mapping, "code: []", `code: ["Patient.identifier(`+system+`)"]`, 1))
}

// what is the part of a fragment that a table shows.
type what struct {
	Kind    intake.FragmentKind
	ID      string
	Person  string
	Status  string
	Deleted bool
}

func read(t *testing.T, m *mapping.Mapping, body string) ([]what, []intake.Fragment) {
	t.Helper()
	r, err := Reader{}.Read(intake.Arrival{Body: []byte(body)}, m)
	if err != nil {
		t.Fatal(err)
	}
	var out []what
	for _, f := range r.Fragments {
		out = append(out, what{f.Kind, f.ID, f.Person, f.Status, f.Deleted})
	}
	return out, r.Fragments
}

// events maps the doses of a reading.
func events(m *mapping.Mapping, fragments []intake.Fragment) (out []mapping.Outcome) {
	people := map[string]mapping.Fields{}
	for _, f := range fragments {
		if f.Kind == intake.PersonFragment {
			people[f.ID] = f.Fields
		}
	}
	for _, f := range fragments {
		if f.Kind == intake.DoseFragment {
			out = append(out, m.Event(mapping.Input{Source: "ehr", PersonID: f.Person, Person: people[f.Person], Stage: f.Stage, Status: f.Status, Dose: f.Fields}))
		}
	}
	return out
}

// WHO's example of an International Patient Summary's immunization, and the
// sample of SMART Health Cards: published examples, none recorded.
func TestPublishedBundles(t *testing.T) {
	m := withCode(t, "urn:oid:1.3.182.4.4")
	shown, fragments := read(t, m, fixture(t, "Bundle-IPS-Immunization-Example-Bundle-01.json"))
	if diff := cmp.Diff([]what{
		{intake.PersonFragment, "1998041799999", "", "", false}, {intake.PersonFragment, "Patient/afd2a258-c0fb-4a41-a337-263e9efd9936", "", "", false},
		{intake.DoseFragment, "52e23edf-f8d0-4386-a50b-a4750bb4f0b9", "1998041799999", "completed", false},
	}, shown); diff != "" {
		t.Error(diff)
	}
	out := events(m, fragments)[0]
	if len(out.Problems) != 1 || out.Problems[0].Field != "vaccination.dose" {
		t.Errorf("the example does not say which dose it is: %+v", out)
	}

	m = withCode(t, "urn:oid:example")
	shown, fragments = read(t, m, fixture(t, "example-00-a-fhirBundle.json"))
	if len(shown) != 4 || shown[3].Person != "12345" || shown[1].ID == shown[2].ID || !strings.HasPrefix(shown[1].ID, "said:") {
		t.Errorf("%+v", shown)
	}
	fragments[1].Fields["Immunization.protocolApplied.doseNumber"] = "1"
	e := events(m, fragments)[0].Event
	want := vaccination.Event{
		EnrolmentCode: "12345", Person: vaccination.Person{Name: "John B. Anyperson", BirthDate: date("1951-01-20")},
		Vaccination: vaccination.Dose{Product: "208", Lot: "0000009", Date: date("2021-01-01"), Number: 1, Centre: "ABC General Hospital", Practitioner: "ABC General Hospital"},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

const transaction = `{"resourceType":"Bundle","type":"transaction","entry":[
 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","meta":{"lastUpdated":"2021-06-01T10:00:00Z"},"identifier":[{"system":"urn:moh","value":"P1"}],
  "name":[{"use":"old","text":"Ama Old"},{"use":"official","given":["Ama","B"],"family":"Reid"}],"gender":"female","birthDate":"1980-02-03","telecom":[{"system":"phone","use":"old","value":"1"},{"system":"phone","value":"8765550142"}],
  "address":[{"line":["1 High St","Flat 2"],"city":"Kingston","state":"Surrey","postalCode":"KGN"}]},"request":{"method":"POST","url":"Patient"}},
 {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Organization","name":"Kingston Public"}},
 {"fullUrl":"urn:uuid:3","resource":{"resourceType":"Practitioner","name":[{"given":["Ann"],"family":"Lee"}]}},
 {"fullUrl":"urn:uuid:4","resource":{"resourceType":"Location","id":"L9","name":"Ward 4"}},
 {"fullUrl":"urn:uuid:5","resource":{"resourceType":"Immunization","identifier":[{"system":"urn:ehr","value":"V-7"}],"status":"completed","meta":{"lastUpdated":"2021-06-01T10:00:00Z"},
  "vaccineCode":{"coding":[{"system":"http://id.who.int/icd11/mms","code":"XM8NQ0"},{"system":"http://hl7.org/fhir/sid/cvx","code":"208"}],"text":"Pfizer"},
  "patient":{"reference":"urn:uuid:1"},"occurrenceDateTime":"2021-06-01T22:30:00-05:00","lotNumber":"EX1","manufacturer":{"display":"Pfizer"},"location":{"reference":"urn:uuid:4"},
  "performer":[{"actor":{"reference":"urn:uuid:2"}},{"actor":{"reference":"urn:uuid:3"}}],
  "protocolApplied":[{"doseNumberPositiveInt":2,"seriesDosesPositiveInt":2,"targetDisease":[{"coding":[{"code":"RA01"}]}]}],
  "extension":[{"url":"http://smart.who.int/ddcc/StructureDefinition/DDCCCountryOfVaccination","valueCode":"JAM"}]}}]}`

func TestTransaction(t *testing.T) {
	m := withCode(t, "urn:moh")
	shown, fragments := read(t, m, transaction)
	if diff := cmp.Diff([]what{{intake.PersonFragment, "P1", "", "", false}, {intake.DoseFragment, "urn:ehr|V-7", "P1", "completed", false}}, shown); diff != "" {
		t.Fatal(diff)
	}
	if fragments[1].Facility != "Location/L9" || fragments[1].Version.IsZero() {
		t.Errorf("facility %q, version %v", fragments[1].Facility, fragments[1].Version)
	}
	want := vaccination.Event{
		EnrolmentCode: "P1", Person: vaccination.Person{Name: "Ama B Reid", BirthDate: date("1980-02-03"), Sex: "female"}, Contacts: []string{"tel:8765550142"},
		Address: vaccination.Address{Line1: "1 High St", Line2: "Flat 2", District: "Kingston", Region: "Surrey", PostCode: "KGN"},
		Vaccination: vaccination.Dose{Product: "XM8NQ0", Manufacturer: vaccination.Coding{Display: "Pfizer"}, Lot: "EX1", Date: date("2021-06-01"), Number: 2, Total: 2,
			Country: vaccination.Coding{Code: "JAM"}, Centre: "Ward 4", Practitioner: "Ann Lee"},
	}
	if diff := cmp.Diff(mapping.Outcome{Event: want}, events(m, fragments)[0]); diff != "" {
		t.Error(diff)
	}
}

func TestResources(t *testing.T) {
	m := withCode(t, "urn:moh")
	tests := map[string]struct {
		body string
		want []what
	}{
		"an immunization of a patient on the server": {`{"resourceType":"Immunization","id":"i1","status":"completed","patient":{"reference":"https://ehr.example/fhir/Patient/p1/_history/3"}}`,
			[]what{{intake.DoseFragment, "i1", "Patient/p1", "completed", false}}},
		"an immunization of a named patient": {`{"resourceType":"Immunization","id":"i1","status":"completed","patient":{"identifier":{"system":"urn:moh","value":"P1"}}}`,
			[]what{{intake.DoseFragment, "i1", "P1", "completed", false}}},
		"entered in error": {`{"resourceType":"Immunization","id":"i1","status":"entered-in-error","patient":{"reference":"Patient/p1"}}`,
			[]what{{intake.DoseFragment, "i1", "Patient/p1", "entered-in-error", true}}},
		"not done": {`{"resourceType":"Immunization","id":"i1","status":"not-done","patient":{"reference":"Patient/p1"}}`,
			[]what{{intake.DoseFragment, "i1", "Patient/p1", "not-done", false}}},
		"deleted by a transaction": {`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Immunization/i1"}}]}`,
			[]what{{intake.DoseFragment, "i1", "", "", true}}},
		"references by relative address": {`{"resourceType":"Bundle","entry":[{"fullUrl":"https://ehr.example/fhir/Patient/p1","resource":{"resourceType":"Patient","id":"p1"}},
			{"resource":{"resourceType":"Immunization","id":"i1","patient":{"reference":"Patient/p1"}}}]}`,
			[]what{{intake.PersonFragment, "Patient/p1", "", "", false}, {intake.DoseFragment, "i1", "Patient/p1", "", false}}},
		"a questionnaire in parameters": {`{"resourceType":"Parameters","parameter":[{"name":"response","resource":{"resourceType":"QuestionnaireResponse","authored":"2021-06-02T00:00:00Z","item":[
			{"linkId":"name","answer":[{"valueString":"Ama"}]},{"linkId":"identifier","answer":[{"valueString":"Q1"}]},
			{"linkId":"group","item":[{"linkId":"dose","answer":[{"valueInteger":1}]},{"linkId":"date","answer":[{"valueDate":"2021-06-01"}]}]}]}}]}`,
			[]what{{intake.PersonFragment, "Q1", "", "", false}, {intake.DoseFragment, "said:e892749ba96d5bd63db85171", "Q1", "completed", false}}},
		"a dose of nobody waits":         {`{"resourceType":"Immunization","id":"i","status":"completed"}`, []what{{intake.DoseFragment, "i", "", "completed", false}}},
		"a dose of nobody here waits":    {`{"resourceType":"Immunization","id":"i","patient":{"reference":"urn:uuid:9"}}`, []what{{intake.DoseFragment, "i", "", "", false}}},
		"a dose of a stranger waits":     {`{"resourceType":"Immunization","id":"i","patient":{"identifier":{"system":"urn:other","value":"1"}}}`, []what{{intake.DoseFragment, "i", "", "", false}}},
		"a patient of both names":        {`{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:moh","value":"P1"}]}`, []what{{intake.PersonFragment, "P1", "", "", false}, {intake.PersonFragment, "Patient/p1", "", "", false}}},
		"a number that looks like an id": {`{"resourceType":"Patient","id":"7","identifier":[{"system":"urn:other","value":"7"}]}`, []what{{intake.PersonFragment, "Patient/7", "", "", false}}},
		"identifiers of two systems":     {`{"resourceType":"Immunization","identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"}],"patient":{"reference":"Patient/p1"}}`, []what{{intake.DoseFragment, "urn:a|1", "Patient/p1", "", false}}},
		"the same id on two servers": {`{"resourceType":"Bundle","entry":[{"fullUrl":"https://a.example/Patient/1","resource":{"resourceType":"Patient","id":"1"}},{"resource":{"resourceType":"Immunization","id":"i","patient":{"reference":"https://b.example/Patient/1"}}}]}`,
			[]what{{intake.PersonFragment, "Patient/1", "", "", false}, {intake.DoseFragment, "i", "", "", false}}},
		"a contained patient": {`{"resourceType":"Immunization","id":"i","contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:moh","value":"P1"}]}],"patient":{"reference":"#p"}}`,
			[]what{{intake.PersonFragment, "P1", "", "", false}, {intake.DoseFragment, "i", "P1", "", false}}},
		"a contained patient of no name waits": {`{"resourceType":"Immunization","id":"i","contained":[{"resourceType":"Patient","id":"p"}],"patient":{"reference":"#p"}}`, []what{{intake.DoseFragment, "i", "", "", false}}},
		"an update by id":                      {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Immunization","patient":{"reference":"Patient/p1"}},"request":{"method":"PUT","url":"Immunization/i1"}}]}`, []what{{intake.DoseFragment, "i1", "Patient/p1", "", false}}},
		"an update by identifier":              {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Immunization","patient":{"reference":"Patient/p1"}},"request":{"method":"PUT","url":"Immunization?identifier=urn:ehr|V-7"}}]}`, []what{{intake.DoseFragment, "urn:ehr|V-7", "Patient/p1", "", false}}},
		"questionnaires of nobody are not one": {`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"QuestionnaireResponse","item":[{"linkId":"name","answer":[{"valueString":"A"}]}]}},
			{"resource":{"resourceType":"QuestionnaireResponse","item":[{"linkId":"name","answer":[{"valueString":"B"}]}]}}]}`, []what{{intake.DoseFragment, "said:c8f4df869315f78d608608fa", "", "completed", false}, {intake.DoseFragment, "said:ee5c6f40b29357dd7515fd26", "", "completed", false}}},
		"a deletion by identifier": {`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Immunization?identifier=urn%3Aehr%7CV-7"}}]}`, []what{{intake.DoseFragment, "urn:ehr|V-7", "", "", true}}},
		"a bad entry beside good ones": {`{"resourceType":"Bundle","entry":[{},{"resource":{"resourceType":"Patient"}},{"request":{"method":"PATCH","url":"Immunization/i1"},"resource":{"resourceType":"Parameters"}},
			{"resource":{"resourceType":"Patient","id":"p1"}}]}`, []what{{intake.PersonFragment, "Patient/p1", "", "", false}}},
		"a resource of no interest": {`{"resourceType":"Observation","id":"o"}`, nil},
		"an empty bundle":           {`{"resourceType":"Bundle"}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			shown, _ := read(t, m, tt.body)
			if diff := cmp.Diff(tt.want, shown); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Places, makers and people who vaccinate may stand in the dose itself; a dose's
// number may be a text.
func TestContained(t *testing.T) {
	m := parsed(t, strings.Replace(Mapping, "number: Immunization.protocolApplied.doseNumber", "number: {from: Immunization.protocolApplied.doseNumber, codes: {\"2\": 2, booster: 3}}", 1))
	for text, want := range map[string]int{"2": 2, "Booster": 3} {
		_, fragments := read(t, m, `{"resourceType":"Immunization","id":"i","status":"completed","occurrenceDateTime":"2021-06-01",
			"contained":[{"resourceType":"Patient","id":"p","identifier":[{"value":"x"}],"name":[{"text":"Ama Reid"}]},{"resourceType":"Location","id":"l","name":"Ward 4"},{"resourceType":"Practitioner","id":"w","name":[{"given":["Ann"],"family":"Lee"}]},{"resourceType":"Organization","id":"o","name":"Maker"}],
			"patient":{"reference":"#p"},"location":{"reference":"#l"},"performer":[{"actor":{"reference":"#w"}}],"manufacturer":{"reference":"#o"},"protocolApplied":[{"doseNumberString":"`+text+`"}]}`)
		d := fragments[len(fragments)-1]
		out := m.Event(mapping.Input{Source: "ehr", PersonID: "p", Person: mapping.Fields{"Patient.name.text": "Ama Reid"}, Status: d.Status, Dose: d.Fields})
		got := out.Event.Vaccination
		if got.Number != want || got.Centre != "Ward 4" || got.Practitioner != "Ann Lee" || got.Manufacturer.Display != "Maker" || d.Facility != "" {
			t.Errorf("%q: %+v, facility %q, %+v", text, got, d.Facility, out.Problems)
		}
	}
	// A text that no list has is a problem, not a guess.
	out := m.Event(mapping.Input{Source: "ehr", PersonID: "p", Status: "completed", Dose: mapping.Fields{"Immunization.protocolApplied.doseNumber": "second"}})
	if len(out.Problems) == 0 {
		t.Error("a dose of an unknown number")
	}
}

// Newer is what the source's server says is newer.
func TestVersion(t *testing.T) {
	at := func(meta string) time.Time {
		r, err := decode([]byte(`{"resourceType":"Immunization","meta":` + meta + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return version(r)
	}
	if !at(`{"versionId":"9"}`).Before(at(`{"versionId":"10"}`)) || !at(`{"versionId":"10"}`).Before(at(`{"versionId":"1","lastUpdated":"2021-06-01T10:00:00.5+02:00"}`)) {
		t.Error("versions are out of order")
	}
	for _, meta := range []string{`{}`, `{"versionId":"W/x"}`, `{"versionId":"0"}`, `{"lastUpdated":"yesterday"}`, `null`} {
		if !at(meta).IsZero() {
			t.Errorf("%s is a time", meta)
		}
	}
}

// Each entry of a request is answered in its place, whatever is nested in it.
func TestReadRequest(t *testing.T) {
	m := withCode(t, "urn:moh")
	inner := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p"}},{"resource":{"resourceType":"Immunization","id":"a","patient":{"reference":"Patient/p"}}},{"resource":{"resourceType":"Immunization","id":"b","patient":{"reference":"Patient/p"}}}]}`
	r := ReadRequest(intake.Arrival{Body: []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}},{"resource":{"resourceType":"Parameters","parameter":[{"name":"response","resource":` + inner + `}]}},{},
		{"resource":{"resourceType":"Immunization","id":"c","patient":{"reference":"Patient/p"}}}]}`)}, m)
	var got []string
	for _, e := range r.Entries {
		line := strings.Join(e.Doses, ",")
		if e.Fault != nil {
			line += string(e.Fault.Code)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{string(vaccination.NotAllowed), "a,b", string(vaccination.Invalid), "c"}, got); diff != "" || r.Kind != "batch" {
		t.Error(diff, r.Kind)
	}
}

// A body of many references is read in a moment.
func TestManyReferences(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","entry":[`)
	for i := range maxEntries / 2 {
		fmt.Fprintf(&b, `{"fullUrl":"https://e.example/Patient/%d","resource":{"resourceType":"Patient","id":"%[1]d"}},{"resource":{"resourceType":"Immunization","id":"%[1]d","patient":{"reference":"Patient/%[1]d"},"location":{"reference":"Location/9"}}},`, i)
	}
	began := time.Now()
	shown, _ := read(t, withCode(t, "urn:moh"), strings.TrimSuffix(b.String(), ",")+"]}")
	if took := time.Since(began); len(shown) != maxEntries || took > 5*time.Second {
		t.Errorf("%d fragments in %v", len(shown), took)
	}
}

func TestRefusedBodies(t *testing.T) {
	m := withCode(t, "urn:moh")
	for name, body := range map[string]string{
		"not JSON":              "<Patient/>",
		"two resources":         `{"resourceType":"Patient"}{}`,
		"no resource":           `{"a":1}`,
		"an entry without one":  `{"resourceType":"Bundle","entry":[{}]}`,
		"too deep":              strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		"bundles in bundles":    strings.Repeat(`{"resourceType":"Bundle","entry":[{"resource":`, 8) + `{"resourceType":"Patient"}` + strings.Repeat("}]}", 8),
		"a patient of no name":  `{"resourceType":"Patient","birthDate":"1980-01-01"}`,
		"nothing in parameters": `{"resourceType":"Parameters"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := (Reader{}).Read(intake.Arrival{Body: []byte(body)}, m); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error %v, %+v", err, r)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	m := withCode(f, "urn:moh")
	f.Add([]byte(transaction))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Reader{}.Read(intake.Arrival{Body: body}, m)
		if err != nil && vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("error %v", err)
		}
		for _, x := range r.Fragments {
			if x.ID == "" {
				t.Errorf("a fragment of nothing: %+v", x)
			}
		}
	})
}
