package fhirdoor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

const (
	toGenerate = "/fhir/QuestionnaireResponse/$generateHealthCertificate"
	toRevoke   = "/fhir/QuestionnaireResponse/$revokeHealthCertificate"
)

// questionnaire are the answers about one dose of one person.
func questionnaire(person, dose, centre string) string {
	answer := func(link, kind, value string) string {
		return fmt.Sprintf(`{"linkId":%q,"answer":[{%q:%s}]}`, link, kind, value)
	}
	items := []string{
		answer("name", "valueString", `"Ama Reid"`), answer("birthDate", "valueDate", `"1980-02-03"`), answer("identifier", "valueString", `"`+person+`"`),
		answer("brand", "valueCoding", `{"system":"http://id.who.int/icd/release/11/mms","code":"XM8NQ0"}`), answer("lot", "valueString", `"L1"`),
		answer("date", "valueDate", `"2021-06-01"`), answer("dose", "valueInteger", dose), answer("country", "valueCoding", `{"code":"JAM"}`),
	}
	if centre != "" {
		items = append(items, answer("centre", "valueString", `"`+centre+`"`))
	}
	return `{"resourceType":"QuestionnaireResponse","status":"completed","authored":"2021-06-02T10:00:00Z","item":[` + strings.Join(items, ",") + `]}`
}

func parameters(resources ...string) string {
	var all []string
	for _, r := range resources {
		all = append(all, `{"name":"response","resource":`+r+`}`)
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(all, ",") + `]}`
}

// opened is a document: the certificate's id, the types of its resources, and the
// text of its code.
func opened(t *testing.T, body []byte) (id string, kinds []string, code string) {
	t.Helper()
	var d struct {
		ID, Type string
		Entry    []struct {
			Resource struct {
				ResourceType string
				Content      []struct {
					Attachment struct {
						ContentType string
						Data        []byte
					}
				}
			}
		}
	}
	if err := json.Unmarshal(body, &d); err != nil || d.Type != "document" {
		t.Fatalf("%v: %s", err, body)
	}
	for _, e := range d.Entry {
		kinds = append(kinds, e.Resource.ResourceType)
		for _, c := range e.Resource.Content {
			switch c.Attachment.ContentType {
			case "text/plain":
				code = string(c.Attachment.Data)
			case "image/png":
				if !strings.HasPrefix(string(c.Attachment.Data), "\x89PNG") {
					t.Error("the picture is none", base64.StdEncoding.EncodeToString(c.Attachment.Data[:8]))
				}
			}
		}
	}
	return d.ID, kinds, code
}

// audited counts the entries of an act on a certificate.
func (w *world) audited(id, act string) int64 {
	w.t.Helper()
	of, err := vaccination.ParseCertificateID(id)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := w.Store.Read().CountAudit(w.t.Context(), query.CountAuditParams{Chain: registry.GroupOf(int16(of.Bucket())), Object: id, Act: act})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// The answer to one vaccination, in each way that it may be posted, is the document
// of its certificate; its code verifies; and nothing is certified twice.
func TestGenerate(t *testing.T) {
	w := newWorld(t)
	one := questionnaire("P9", "1", "Kingston")
	dose := strings.Replace(immunization("V1", "208", "2"), `"patient"`, `"location":{"display":"Kingston"},"extension":[{"url":"http://smart.who.int/ddcc/StructureDefinition/DDCCCountryOfEvent","valueCode":"JAM"}],"patient"`, 1)
	var first string
	for i, x := range []struct{ path, body string }{
		{toGenerate, parameters(one)}, {toGenerate, one}, {"/fhir/Bundle/$generateHealthCertificate", bundle("collection", patient, dose)}, {"/fhir/Bundle/$generateHealthCertificate", parameters(bundle("collection", patient, dose))},
	} {
		status, answer := w.ask("POST", x.path, w.token, x.body)
		if status != http.StatusOK {
			t.Fatalf("%d: %d %s", i, status, answer)
		}
		id, kinds, code := opened(t, []byte(answer))
		if diff := cmp.Diff([]string{"Composition", "Patient", "Organization", "Immunization", "DocumentReference"}, kinds); diff != "" {
			t.Error(diff)
		}
		s := verify.Text(t.Context(), code, verify.Options{
			Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{w.Keys.Issuer()}, Status: []trust.Snapshot{{Issuer: w.Keys.Issuer().ID, AsOf: w.Now()}}}), At: w.Now(), Catalogue: w.Profile.Catalogue,
		})
		if s.Verdict != verify.Valid || s.Content.Name != "Ama Reid" {
			t.Errorf("%d: %s", i, s.Text("en"))
		}
		if i%2 == 1 && id != first {
			t.Errorf("%d: the same again is another certificate", i)
		}
		first = id
	}
	if n := w.audited(first, "export"); n != 2 {
		t.Errorf("a document handed out twice is %d times in the audit", n)
	}
}

func TestGenerateRefuses(t *testing.T) {
	w := newWorld(t)
	other := w.Token(t, "other")
	for name, tt := range map[string]struct {
		path, token, body string
		want              int
		code              string
	}{
		"nobody":                      {toGenerate, "", questionnaire("P1", "1", "Kingston"), 401, "login"},
		"a source without FHIR":       {toGenerate, other, questionnaire("P1", "1", "Kingston"), 403, "forbidden"},
		"no JSON":                     {toGenerate, w.token, "<a/>", 422, "invalid"},
		"no vaccination":              {toGenerate, w.token, bundle("collection", patient), 422, "invalid"},
		"two vaccinations":            {toGenerate, w.token, parameters(questionnaire("P1", "1", "Kingston"), questionnaire("P1", "2", "Kingston")), 422, "invalid"},
		"no place, which is required": {toGenerate, w.token, questionnaire("P2", "1", ""), 422, "invalid"},
		"no number: held":             {toGenerate, w.token, questionnaire("P3", "null", "Kingston"), 202, "required"},
		"too much":                    {toGenerate, w.token, `"` + strings.Repeat("x", maxBody) + `"`, 413, "too-long"},
		"a folder, which is not made": {"/fhir/Bundle/$generateHealthFolder", w.token, "{}", 404, "not-found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := w.ask("POST", tt.path, tt.token, tt.body)
			if status != tt.want || !strings.Contains(answer, "OperationOutcome") || !strings.Contains(answer, `"code":"`+tt.code+`"`) {
				t.Errorf("%d %s, want %d %s", status, answer, tt.want, tt.code)
			}
			if strings.Contains(answer, "Reid") {
				t.Errorf("it repeats a name: %s", answer)
			}
		})
	}
	if c, err := w.intake.Counts(t.Context()); err != nil || c["ehr"].Issued != 1 {
		t.Errorf("refused and issued all the same: %+v %v", c["ehr"], err)
	}
}

// Entries of a batch that ask for it have their documents; the first hundred.
func TestSubmitHealthEventReturnsDocuments(t *testing.T) {
	w := newWorld(t)
	var entries []string
	for i := range maxDocuments + 2 {
		entries = append(entries, `{"resource":`+questionnaire(fmt.Sprint("B", i), "1", "Kingston")+`,"request":{"method":"POST","url":"QuestionnaireResponse/$generateHealthCertificate"}}`)
	}
	entries[1] = strings.Replace(entries[1], "$generateHealthCertificate", "", 1)
	status, answer := w.ask("POST", "/fhir", w.token, bundle("batch", entries...))
	var b struct {
		Entry []struct {
			Resource json.RawMessage
			Response struct{ Status string }
		}
	}
	if err := json.Unmarshal([]byte(answer), &b); err != nil || status != http.StatusOK || len(b.Entry) != len(entries) {
		t.Fatal(status, err, len(b.Entry))
	}
	with := 0
	for i, e := range b.Entry {
		if e.Response.Status != "201 Created" {
			t.Errorf("%d: %s", i, e.Response.Status)
		}
		if e.Resource != nil {
			opened(t, e.Resource)
			with++
		}
	}
	if with != maxDocuments || b.Entry[1].Resource != nil || b.Entry[0].Resource == nil {
		t.Errorf("%d documents", with)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	generate := func(person string) string {
		t.Helper()
		status, answer := w.ask("POST", toGenerate, w.token, questionnaire(person, "1", "Kingston"))
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		id, _, _ := opened(t, []byte(answer))
		return id
	}
	mine, second := generate("P1"), generate("P2")
	body := func(more ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(more, ",") + `]}`
	}
	id := func(id string) string { return `{"name":"id","valueId":"` + id + `"}` }
	auditor, err := w.Tokens().Create(t.Context(), w.Admin, access.NewToken{Role: access.Auditor, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path, token, body string
		want              int
	}{
		"nobody":                 {toRevoke, "", body(id(mine)), 401},
		"an auditor":             {toRevoke, auditor, body(id(mine)), 403},
		"an auditor, of none":    {toRevoke, auditor, body(), 403},
		"another source":         {toRevoke, w.Token(t, "other"), body(id(mine)), 404},
		"no id":                  {toRevoke, w.token, body(), 422},
		"two ids":                {toRevoke, w.token, body(id(mine), id(second)), 422},
		"a parameter of no name": {toRevoke, w.token, body(id(mine), `{"name":"force","valueBoolean":true}`), 422},
		"no Parameters":          {toRevoke, w.token, strings.Replace(body(id(mine)), "Parameters", "Bundle", 1), 422},
		"no JSON":                {toRevoke, w.token, `<a/>`, 422},
		"no certificate's id":    {toRevoke, w.token, body(id("none")), 404},
		"a reason of two lines":  {toRevoke, w.token, body(id(mine), `{"name":"reason","valueString":"a\nb"}`), 422},
		"two certificates":       {strings.Replace(toRevoke, "/$", "/"+second+"/$", 1), w.token, body(id(mine)), 422},
		"too much":               {toRevoke, w.token, strings.Repeat(" ", maxParameters+1), 413},
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := w.ask("POST", tt.path, tt.token, tt.body); status != tt.want || !strings.Contains(answer, "OperationOutcome") {
				t.Errorf("%d %s, want %d", status, answer, tt.want)
			}
		})
	}
	state := func(id string) (vaccination.Status, string) {
		t.Helper()
		of, err := vaccination.ParseCertificateID(id)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Service.ByID(t.Context(), w.Admin, of, "test")
		if err != nil {
			t.Fatal(err)
		}
		return r.Status, r.Reason
	}
	if s, _ := state(mine); s != vaccination.StatusValid {
		t.Fatalf("what was refused made it %s", s)
	}
	for range 2 { // the same again changes nothing
		status, answer := w.ask("POST", toRevoke, w.token, body(id(mine), `{"name":"reason","valueString":"recorded in error"}`))
		if status != http.StatusOK || !strings.Contains(answer, `"valueBoolean":true`) {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if n := w.audited(mine, "revoke"); n != 1 {
		t.Errorf("revoked %d times by the audit", n)
	}
	if s, reason := state(mine); s != vaccination.StatusRevoked || reason != "recorded in error" {
		t.Errorf("%s: %s", s, reason)
	}
	if status, answer := w.ask("POST", strings.Replace(toRevoke, "/$", "/"+second+"/$", 1), w.token, body()); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
	if s, _ := state(second); s != vaccination.StatusRevoked {
		t.Errorf("by its address: %s", s)
	}
	// What is revoked is in no document any more.
	if status, answer := w.ask("POST", toGenerate, w.token, questionnaire("P1", "1", "Kingston")); status == http.StatusOK {
		t.Errorf("%s", answer)
	}
}
