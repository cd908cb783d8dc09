// Package fhir runs a whole house to which systems post FHIR: what becomes of
// published samples, and whether what we answer is FHIR to other software.
package fhir

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/fhirdoor"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

var update = flag.Bool("update", false, "write the golden files anew")

type house struct {
	*issuancetest.House
	t      *testing.T
	intake *intake.Service
	url    string
	token  string
}

// newHouse returns a house with a source whose people are named by identifiers of
// these systems. Doses of the samples say no number: change is made to the mapping.
func newHouse(t *testing.T, systems []string, change ...string) *house {
	t.Helper()
	h := &house{House: issuancetest.New(t, "jamaica"), t: t}
	h.intake = intake.New(intake.Options{
		Store: h.Store, Box: h.Box, Issuance: h.Service, Profile: h.Profile, Now: h.Now, Log: h.Log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.FHIR: fhir.New(fhir.Options{Now: h.Now, Log: h.Log}).Kind()},
	})
	var code []string
	for _, s := range systems {
		code = append(code, fmt.Sprintf("%q", "Patient.identifier("+s+")"))
	}
	text := strings.NewReplacer(append([]string{"code: []", "code: [" + strings.Join(code, ", ") + "]"}, change...)...).Replace(fhir.Mapping)
	if err := h.intake.Create(t.Context(), h.Admin, intake.NewSource{Name: "ehr", Kind: intake.FHIR, Mapping: text}); err != nil {
		t.Fatal(err)
	}
	h.token = h.Token(t, "ehr")
	mux := http.NewServeMux()
	fhirdoor.Register(mux, fhirdoor.Options{Intake: h.intake, Issuance: h.Service, Tokens: h.Tokens(), PublicURL: issuancetest.PublicURL, Version: "test", Now: h.Now, Log: h.Log})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *house) ask(method, path, body string) (int, []byte) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return a.StatusCode, data
}

// outcome is one entry of an answer, for people to read.
func outcome(b *strings.Builder, status string, o fhir.Outcome) {
	fmt.Fprintf(b, "  %s\n", status)
	for _, i := range o.Issue {
		text, _, certified := strings.Cut(i.Diagnostics, "certificate ")
		if certified {
			text += "certificate …"
		}
		if strings.HasPrefix(text, "stored as ") {
			text = "stored as …"
		}
		fmt.Fprintf(b, "    %s %s %s%s\n", i.Severity, i.Code, strings.Join(i.Expression, ""), ": "+text)
	}
}

// told lists what an answer says.
func told(t *testing.T, status int, body []byte) string {
	t.Helper()
	var b strings.Builder
	var v struct {
		fhir.ResponseBundle
		Issue []fhir.Issue `json:"issue"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "  %d %s %s\n", status, v.Type, v.Kind)
	if v.Issue != nil {
		outcome(&b, "", fhir.NewOutcome(v.Issue...))
	}
	for _, e := range v.Entry {
		outcome(&b, e.Response.Status, e.Response.Outcome)
	}
	return b.String()
}

// healthRecord is one dose, made from the link ids of WHO's DDCC guide; WHO
// publishes none that could be used here. healthEvent submits it, and one of
// which too little is known.
const (
	healthRecord = `{"resourceType":"Parameters","parameter":[{"name":"response","resource":{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2021-06-02T10:00:00Z","questionnaire":"http://smart.who.int/ddcc/Questionnaire/DDCCVSCoreDataSetQuestionnaire","item":[
   {"linkId":"name","answer":[{"valueString":"Ama Reid"}]},{"linkId":"birthDate","answer":[{"valueDate":"1980-02-03"}]},{"linkId":"identifier","answer":[{"valueString":"H1"}]},{"linkId":"sex","answer":[{"valueCoding":{"code":"female"}}]},
   {"linkId":"vaccine","answer":[{"valueCoding":{"system":"http://id.who.int/icd11/mms","code":"XM0GQ8"}}]},{"linkId":"brand","answer":[{"valueCoding":{"system":"http://id.who.int/icd11/mms","code":"XM8NQ0"}}]},
   {"linkId":"lot","answer":[{"valueString":"EX1"}]},{"linkId":"date","answer":[{"valueDate":"2021-06-01"}]},{"linkId":"dose","answer":[{"valueInteger":1}]},{"linkId":"total_doses","answer":[{"valueInteger":2}]},
   {"linkId":"country","answer":[{"valueCoding":{"system":"urn:iso:std:iso:3166","code":"JAM"}}]},{"linkId":"centre","answer":[{"valueString":"Kingston"}]},{"linkId":"disease","answer":[{"valueCoding":{"system":"http://id.who.int/icd11/mms","code":"RA01"}}]}]}}]}`
	healthEvent = `{"resourceType":"Bundle","type":"batch","entry":[
 {"resource":` + healthRecord + `,
  "request":{"method":"POST","url":"QuestionnaireResponse/$generateHealthCertificate"}},
 {"resource":{"resourceType":"QuestionnaireResponse","status":"completed","item":[{"linkId":"name","answer":[{"valueString":"Nobody"}]}]},"request":{"method":"POST","url":"QuestionnaireResponse/$generateHealthCertificate"}}]}`
)

func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	data, err := os.ReadFile(filepath.Join(dir, "ddcc-fhir", name))
	if os.IsNotExist(err) {
		t.Skip("no fixtures: set DIVOC_FIXTURES to the folder of published samples")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPublishedSamples lists what becomes of WHO's International Patient Summary
// example and of the sample of SMART Health Cards, as they are and with the numbers
// of the doses that they lack; of WHO's example of a DIVOC payload, which is no
// FHIR; and of a Submit Health Event. The list was read by eye; -update writes it
// anew.
func TestPublishedSamples(t *testing.T) {
	var b strings.Builder
	for _, sample := range []struct {
		name, body string
		systems    []string
		change     []string
	}{
		{"International Patient Summary", fixture(t, "Bundle-IPS-Immunization-Example-Bundle-01.json"), []string{"urn:oid:1.3.182.4.4"}, nil},
		{"International Patient Summary, its dose taken for the first", fixture(t, "Bundle-IPS-Immunization-Example-Bundle-01.json"), []string{"urn:oid:1.3.182.4.4"},
			[]string{"number: Immunization.protocolApplied.doseNumber", "number: {from: Immunization.protocolApplied.doseNumber, constant: 1}"}},
		{"SMART Health Cards", fixture(t, "example-00-a-fhirBundle.json"), []string{"urn:oid:example"}, nil},
		{"SMART Health Cards, the doses told apart by their batches", fixture(t, "example-00-a-fhirBundle.json"), []string{"urn:oid:example"},
			[]string{"number: Immunization.protocolApplied.doseNumber", `number: {from: [Immunization.protocolApplied.doseNumber, Immunization.lotNumber], codes: {"0000009": 1, "0000007": 2, "0000001": 3}}`}},
		{"SMART Health Cards, posted without an identifier system of ours", fixture(t, "example-00-a-fhirBundle.json"), []string{"urn:other"}, nil},
		{"a payload of DIVOC's", fixture(t, "example-divoc-payload-vaccine.json"), nil, nil},
		{"Submit Health Event", healthEvent, []string{""}, nil},
	} {
		h := newHouse(t, sample.systems, sample.change...)
		status, answer := h.ask("POST", "/fhir", sample.body)
		fmt.Fprintf(&b, "%s\n%s", sample.name, told(t, status, answer))
		counts, err := h.intake.Counts(t.Context())
		c := counts["ehr"]
		if err != nil || c.In != c.Issued+c.Unchanged+c.Held || c.In == 0 {
			t.Errorf("%s: the ledger does not add up: %+v, %v", sample.name, c, err)
		}
		fmt.Fprintf(&b, "  in all: %d issued, %d unchanged, %d held\n", c.Issued, c.Unchanged, c.Held)
	}
	golden := filepath.Join("testdata", "samples.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("another outcome than the one that was read by eye (- before, + now):\n%s", diff)
	}
}

// TestOthersReadOurAnswers has the npm package fhir validate everything that the
// door says: CapabilityStatement, OperationOutcomes and response Bundles; and
// shows that it refuses broken ones.
func TestOthersReadOurAnswers(t *testing.T) {
	h := newHouse(t, []string{"urn:moh", ""})
	patient := `{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","identifier":[{"system":"urn:moh","value":"P1"}],"name":[{"given":["Ama"],"family":"Reid"}],"gender":"female","birthDate":"1980-02-03"},"request":{"method":"POST","url":"Patient"}}`
	immunization := func(id, product string) string {
		return `{"resource":{"resourceType":"Immunization","identifier":[{"value":"` + id + `"}],"status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"` + product + `"}]},
			"patient":{"reference":"urn:uuid:1"},"occurrenceDateTime":"2021-06-01","protocolApplied":[{"doseNumberPositiveInt":1}]},"request":{"method":"POST","url":"Immunization"}}`
	}
	bundle := func(kind string, entries ...string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
	}
	var resources []json.RawMessage
	for _, x := range []struct{ method, path, body string }{
		{"GET", "/fhir/metadata", ""},
		{"POST", "/fhir", bundle("transaction", patient, immunization("a", "208"), immunization("b", "none"), `{"request":{"method":"PATCH","url":"Immunization/1"}}`, `{"request":{"method":"DELETE","url":"Immunization/1"}}`)},
		{"POST", "/fhir", bundle("batch")},
		{"POST", "/fhir", healthEvent},
		{"POST", "/fhir/Immunization", `{"resourceType":"Immunization","id":"1","status":"completed","patient":{"reference":"Patient/1"}}`},
		{"POST", "/fhir", `{"resourceType":`},
		{"POST", "/fhir", `{"a":1}`},
		{"GET", "/fhir/Immunization", ""},
		{"POST", "/fhir/Patient", patient},
	} {
		_, answer := h.ask(x.method, x.path, x.body)
		resources = append(resources, answer)
	}
	ours := len(resources)
	resources = append(resources,
		json.RawMessage(bytes.Replace(resources[0], []byte(`"kind":"instance"`), []byte(`"kind":"sometimes"`), 1)),
		json.RawMessage(bytes.Replace(resources[1], []byte(`"severity"`), []byte(`"gravity"`), 1)),
		json.RawMessage(`{"resourceType":"OperationOutcome","issue":[]}`),
	)
	for i, v := range validate(t, resources) {
		switch {
		case i < ours && !v.Valid:
			t.Errorf("%s\nis refused: %q", resources[i], v.Messages)
		case i >= ours && v.Valid:
			t.Errorf("broken, and not refused: %s", resources[i])
		}
	}
}

// validated is what the package fhir says of a resource.
type validated struct {
	Valid    bool
	Messages []string
}

func validate(t *testing.T, resources []json.RawMessage) (out []validated) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed: no other software read what we answer")
	}
	dir := filepath.Join("..", "interop", "js")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "fhir")); err != nil {
		if text, err := exec.CommandContext(t.Context(), "npm", "ci", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts").CombinedOutput(); err != nil {
			t.Skipf("npm ci: %v %s", err, text)
		}
	}
	in, err := json.Marshal(resources)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "validate-fhir.mjs"))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err := json.Unmarshal(text, &out); err != nil || len(out) != len(resources) {
		t.Fatalf("%d answers of %d, %v", len(out), len(resources), err)
	}
	return out
}
