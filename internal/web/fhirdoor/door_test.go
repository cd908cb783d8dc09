package fhirdoor

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

type world struct {
	*issuancetest.House
	t      *testing.T
	intake *intake.Service
	server *httptest.Server
	token  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{House: issuancetest.New(t, "jamaica"), t: t}
	w.intake = intake.New(intake.Options{
		Store: w.Store, Box: w.Box, Issuance: w.Service, Profile: w.Profile, Now: w.Now, Log: w.Log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.FHIR: fhir.New(fhir.Options{Now: w.Now, Log: w.Log}).Kind()},
	})
	text := strings.Replace(fhir.Mapping, "code: []", `code: ["Patient.identifier(urn:moh)", "Patient.identifier()"]`, 1)
	if err := w.intake.Create(t.Context(), w.Admin, intake.NewSource{Name: "ehr", Kind: intake.FHIR, Mapping: text}); err != nil {
		t.Fatal(err)
	}
	w.token = w.Token(t, "ehr")
	mux := http.NewServeMux()
	Register(mux, Options{Intake: w.intake, Issuance: w.Service, Tokens: w.Tokens(), PublicURL: issuancetest.PublicURL, Version: "test", Now: w.Now, Log: w.Log})
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) ask(method, path, token, body string, header ...string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := w.server.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.StatusCode, string(data)
}

const patient = `{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","identifier":[{"system":"urn:moh","value":"PAT-1"}],"name":[{"given":["Ama"],"family":"Reid"}],"gender":"female","birthDate":"1980-02-03"},"request":{"method":"POST","url":"Patient"}}`

func immunization(id, product, number string) string {
	return `{"resource":{"resourceType":"Immunization","identifier":[{"system":"urn:ehr","value":"` + id + `"}],"status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"` + product + `"}]},
	"patient":{"reference":"urn:uuid:1"},"occurrenceDateTime":"2021-06-0` + number + `","lotNumber":"EX1","protocolApplied":[{"doseNumberPositiveInt":` + number + `}]},"request":{"method":"POST","url":"Immunization"}}`
}

func bundle(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

// told is what a test looks at of an answer: status, and issues by code and place.
func told(t *testing.T, body string) (out []string) {
	t.Helper()
	var b struct {
		Type  string `json:"type"`
		Entry []struct {
			Response struct {
				Status  string
				Outcome fhir.Outcome
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Entry {
		line := e.Response.Status
		for _, i := range e.Response.Outcome.Issue {
			line += " " + i.Code + strings.Join(i.Expression, "")
		}
		out = append(out, line)
	}
	return out
}

func TestTransaction(t *testing.T) {
	w := newWorld(t)
	// Doses in the order of entries, wherever they stand; one with a product nobody knows.
	body := bundle("transaction", immunization("V2", "208", "2"), patient, immunization("V1", "208", "1"), immunization("V3", "no such code", "3"))
	status, answer := w.ask("POST", "/fhir", w.token, body)
	if status != http.StatusOK || !strings.Contains(answer, "transaction-response") {
		t.Fatalf("%d %s", status, answer)
	}
	want := []string{"201 Created informational", "202 Accepted informational", "201 Created informational", "202 Accepted code-invalidImmunization.vaccineCode"}
	if diff := cmp.Diff(want, told(t, answer)); diff != "" {
		t.Error(diff)
	}
	for _, personal := range []string{"Reid", "PAT-1", "1980"} {
		if strings.Contains(answer, personal) {
			t.Errorf("the answer says %q: %s", personal, answer)
		}
	}
	// The same again: the same, and nothing twice.
	_, answer = w.ask("POST", "/fhir/", w.token, body)
	again := told(t, answer)
	if len(again) != 4 || !strings.HasPrefix(again[0], "20") {
		t.Errorf("%q", again)
	}
	counts, err := w.intake.Counts(t.Context())
	if c := counts["ehr"]; err != nil || c.Issued != 2 || c.Held != 1 || c.In != c.Issued+c.Unchanged+c.Held+c.Rejected+c.Waiting {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestOneImmunization(t *testing.T) {
	w := newWorld(t)
	alone := `{"resourceType":"Immunization","id":"i1","status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"208"}]},"patient":{"identifier":{"system":"urn:moh","value":"PAT-1"}},"occurrenceDateTime":"2021-06-01","protocolApplied":[{"doseNumberPositiveInt":1}]}`
	status, answer := w.ask("POST", "/fhir/Immunization", w.token, alone)
	if status != http.StatusAccepted || !strings.Contains(answer, "OperationOutcome") {
		t.Fatalf("a dose whose person is not known yet: %d %s", status, answer)
	}
	if status, answer = w.ask("POST", "/fhir", w.token, bundle("batch", patient)); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	counts, err := w.intake.Counts(t.Context())
	if c := counts["ehr"]; err != nil || c.Issued != 1 || c.Held != 0 {
		t.Errorf("the dose is not issued when its person arrives: %+v, %v", c, err)
	}
	if status, answer = w.ask("POST", "/fhir/Immunization", w.token, strings.Replace(alone, "completed", "entered-in-error", 1)); status != http.StatusAccepted {
		t.Errorf("entered in error waits for a person: %d %s", status, answer)
	}
}

// A conditional create changes nothing that is there; the same without the
// condition is newer and corrects.
func TestConditionalCreate(t *testing.T) {
	w := newWorld(t)
	once := strings.Replace(immunization("V1", "208", "1"), `"url":"Immunization"`, `"url":"Immunization","ifNoneExist":"identifier=urn:ehr|V1"`, 1)
	other := strings.Replace(once, "EX1", "EX2", 1)
	for i, want := range []string{"201 Created informational", "200 OK informational", "201 Created informational"} {
		body := []string{once, other, strings.Replace(immunization("V1", "208", "1"), "EX1", "EX2", 1)}[i]
		_, answer := w.ask("POST", "/fhir", w.token, bundle("transaction", patient, body))
		if got := told(t, answer); len(got) != 2 || got[1] != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
		w.Pass(time.Minute)
	}
	// The same of one resource by itself, by a header.
	alone := `{"resourceType":"Immunization","identifier":[{"system":"urn:ehr","value":"V1"}],"status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"208"}]},"patient":{"identifier":{"system":"urn:moh","value":"PAT-1"}},"occurrenceDateTime":"2021-06-01","lotNumber":"EX3","protocolApplied":[{"doseNumberPositiveInt":1}]}`
	if status, answer := w.ask("POST", "/fhir/Immunization", w.token, alone, "If-None-Exist", "identifier=urn:ehr|V1"); status != http.StatusOK {
		t.Errorf("a conditional create of what is there: %d %s", status, answer)
	}
	if status, answer := w.ask("POST", "/fhir/Immunization", w.token, alone); status != http.StatusCreated {
		t.Errorf("a correction: %d %s", status, answer)
	}
}

// What is deleted and unknown is not passed over, and a bad entry stops no other.
func TestEntriesByThemselves(t *testing.T) {
	w := newWorld(t)
	_, answer := w.ask("POST", "/fhir", w.token, bundle("batch", `{"request":{"method":"DELETE","url":"Immunization/unknown"}}`, `{"resource":{"resourceType":"Patient"}}`,
		patient, immunization("V1", "208", "1"), strings.Replace(immunization("V2", "208", "2"), "urn:uuid:1", "urn:uuid:9", 1)))
	want := []string{"202 Accepted required", "422 Unprocessable Entity invalid", "202 Accepted informational", "201 Created informational", "202 Accepted required"}
	if diff := cmp.Diff(want, told(t, answer)); diff != "" {
		t.Errorf("%s%s", diff, answer)
	}
}

func TestSubmitHealthEvent(t *testing.T) {
	w := newWorld(t)
	answers := []string{`{"linkId":"name","answer":[{"valueString":"Ama Reid"}]}`, `{"linkId":"birthDate","answer":[{"valueDate":"1980-02-03"}]}`, `{"linkId":"identifier","answer":[{"valueString":"P9"}]}`,
		`{"linkId":"brand","answer":[{"valueCoding":{"system":"http://id.who.int/icd/release/11/mms","code":"XM8NQ0"}}]}`, `{"linkId":"lot","answer":[{"valueString":"L1"}]}`,
		`{"linkId":"date","answer":[{"valueDate":"2021-06-01"}]}`, `{"linkId":"dose","answer":[{"valueInteger":1}]}`, `{"linkId":"country","answer":[{"valueCoding":{"code":"JAM"}}]}`}
	entry := `{"resource":{"resourceType":"Parameters","parameter":[{"name":"response","resource":{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2021-06-02T10:00:00Z","item":[` + strings.Join(answers, ",") + `]}}]},
		"request":{"method":"POST","url":"QuestionnaireResponse/$generateHealthCertificate"}}`
	status, answer := w.ask("POST", "/fhir", w.token, bundle("batch", entry))
	if status != http.StatusOK || !strings.Contains(answer, "batch-response") {
		t.Fatalf("%d %s", status, answer)
	}
	// It is issued; of the document it says what is missing, the place.
	if diff := cmp.Diff([]string{"201 Created invalid informational"}, told(t, answer)); diff != "" || !strings.Contains(answer, "vaccination.centre") {
		t.Errorf("%s%s", diff, answer)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	other := w.Token(t, "other")
	for name, tt := range map[string]struct {
		method, path, token, body string
		want                      int
	}{
		"nobody":                   {"POST", "/fhir", "", bundle("batch"), 401},
		"a source without FHIR":    {"POST", "/fhir", other, bundle("batch"), 403},
		"not JSON":                 {"POST", "/fhir", w.token, "<Bundle/>", 422},
		"too much":                 {"POST", "/fhir", w.token, `"` + strings.Repeat("x", maxBody) + `"`, 413},
		"another resource's path":  {"POST", "/fhir/Patient", w.token, patient, 404},
		"reading back":             {"GET", "/fhir/Immunization", w.token, "", 405},
		"JSON that is no resource": {"POST", "/fhir", w.token, `{"a":1}`, 202},
		"anybody asks what it can": {"GET", "/fhir/metadata", "", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := w.ask(tt.method, tt.path, tt.token, tt.body)
			if status != tt.want || !strings.Contains(answer, "resourceType") {
				t.Errorf("%d %s, want %d", status, answer, tt.want)
			}
		})
	}
}
