package web

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheDescription reads /openapi.json as a client's generator would, and
// tries what it promises.
func TestTheDescription(t *testing.T) {
	w := newWorld(t, "jamaica")
	r := w.askAs("", http.MethodGet, "/openapi.json", nil, "Host", "evil.example", "X-Forwarded-Host", "evil.example").is(t, 200)
	if r.header.Get("Content-Type") != "application/openapi+json" || strings.Contains(r.body, "evil") || strings.Contains(r.body, "127.0.0.1") || strings.Contains(r.body, "$schema") {
		t.Errorf("%s names a host or a schema", r.header)
	}
	type content map[string]struct {
		Schema  json.RawMessage
		Example json.RawMessage
	}
	type operation struct {
		OperationID, Summary string
		Security             []map[string][]string
		Parameters           []struct{ Name, In string }
		RequestBody          struct{ Content content }
		Responses            map[string]struct {
			Description string
			Content     content
		}
	}
	d := into[struct {
		OpenAPI    string
		Info       struct{ Title, Version string }
		Paths      map[string]map[string]operation
		Components struct {
			Schemas         map[string]json.RawMessage
			SecuritySchemes map[string]struct{ Type, Scheme string }
		}
	}](t, r)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Title == "" || d.Info.Version != "test" || d.Components.SecuritySchemes["token"].Scheme != "bearer" {
		t.Errorf("openapi %s, info %+v", d.OpenAPI, d.Info)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"([^"]*)"`).FindAllStringSubmatch(r.body, -1) {
		if name, ok := strings.CutPrefix(ref[1], "#/components/schemas/"); !ok || d.Components.Schemas[name] == nil {
			t.Errorf("a reference to nothing: %s", ref[1])
		}
	}
	var described, ids []string
	for path, operations := range d.Paths {
		for method, op := range operations {
			name := strings.ToUpper(method) + " " + path
			described, ids = append(described, name), append(ids, op.OperationID)
			if op.Summary == "" || op.OperationID == "" {
				t.Errorf("%s says nothing of itself", name)
			}
			private := op.OperationID != "verify" && !strings.Contains(path, "/on-demand")
			if (len(op.Security) == 1) != private {
				t.Errorf("%s: security %v", name, op.Security)
			}
			for _, p := range op.Parameters {
				if strings.EqualFold(p.Name, "Authorization") {
					t.Errorf("%s describes the token as a parameter, not by its scheme", name)
				}
			}
			done := "200"
			if op.Responses["204"].Description != "" { // nothing to say
				done = "204"
			}
			must := []string{done, "422", "500", "503"}
			if private {
				must = append(must, "401", "403")
			}
			if strings.Contains(path, "{id}") {
				must = append(must, "404")
			}
			for _, status := range must {
				if op.Responses[status].Description == "" && (status != "422" || strings.Contains(path, "{id}") || op.RequestBody.Content != nil) {
					t.Errorf("%s does not say what %s is", name, status)
				}
			}
			for status, response := range op.Responses {
				if (len(response.Content) == 0) != (status == "204") {
					t.Errorf("%s: %s has no content, or has some and should not", name, status)
				}
				if problem := response.Content["application/problem+json"]; status != done && !strings.Contains(string(problem.Schema), "/Problem") {
					t.Errorf("%s: %s is not a problem", name, status)
				}
			}
			if body, ok := op.RequestBody.Content["application/json"]; ok && body.Example == nil {
				t.Errorf("%s has no example", name)
			}
		}
	}
	for _, pattern := range w.patterns {
		// Bodies of other systems are described by those: docs/sources-commcare.md.
		theirs := strings.Contains(pattern, " /api/v1/intake/") || strings.Contains(pattern, " /api/v1/receipts/") || strings.HasSuffix(pattern, " /api/v1/token")
		if strings.Contains(pattern, " /api/v1/") && !theirs && !slices.Contains(described, pattern) {
			t.Errorf("%s is not described", pattern)
		}
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != len(described) {
		t.Errorf("two operations of one id: %v", ids)
	}
	for _, name := range []string{"Event", "Person", "Dose", "IssuedCertificate", "Problem", "Statement", "Result"} {
		if d.Components.Schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
	if strings.Contains(r.body, "ErrorModel") {
		t.Error("an error is described that is never sent")
	}
	// The examples work, in the order of a certificate's life.
	example := func(path string) json.RawMessage {
		return d.Paths[path]["post"].RequestBody.Content["application/json"].Example
	}
	issued := into[struct{ Results []result }](t, w.ask(http.MethodPost, "/api/v1/events", example("/api/v1/events")).is(t, 200)).Results[0]
	w.ask(http.MethodPost, "/api/v1/corrections", example("/api/v1/corrections")).is(t, 200)
	w.ask(http.MethodPost, "/api/v1/certificates/search", example("/api/v1/certificates/search")).is(t, 200)
	w.ask(http.MethodPost, "/api/v1/certificates/"+issued.Certificate+"/revocation", example("/api/v1/certificates/{id}/revocation")).is(t, 200)
	// And the same description comes from every start.
	if again := newWorld(t, "jamaica").askAs("", http.MethodGet, "/openapi.json", nil); again.body != r.body {
		t.Error("the description differs from start to start")
	}
}

// TestNothingOfAPersonGetsOut certifies, corrects, refuses, prints and verifies
// people with marked values, and looks for the mark in everything that is not
// an answer to somebody who may read it.
func TestNothingOfAPersonGetsOut(t *testing.T) {
	c := newCollector(t)
	w := newTracedWorld(t, "jamaica", c.traces)
	w.work()
	const mark = "Zqxmarked"
	person := []any{
		"recipient.name", "Marcia " + mark, "recipient.identity", mark + "123", "recipient.dob", "1971-02-03", "recipient.contact", []string{"mailto:" + mark + "@example.org", "tel:8765557131"},
		"recipient.address.addressLine1", mark + " Road", "vaccination.batch", mark + "LOT", "facility.name", mark + " Clinic", "vaccinator.name", mark + " Brown",
	}
	leaks := []string{mark, strings.ToUpper(mark), strings.ToLower(mark), "1971-02-03", "5557131"}
	clean := func(what, text string) {
		t.Helper()
		for _, leak := range leaks {
			if i := strings.Index(text, leak); i >= 0 {
				t.Errorf("%s says %s: …%s…", what, leak, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	errors := func(method, path string, body any) {
		t.Helper()
		r := w.ask(method, path, body)
		if r.status < 400 {
			t.Errorf("%s %s: %d", method, path, r.status)
		}
		clean(method+" "+path, r.body)
	}
	code := mark + "-1"
	req := request(code, person...)
	first := w.certify(http.MethodPost, req)[0]
	errors(http.MethodPost, "/divoc/api/v1/certify", request(code, append(person, "vaccination.batch", mark+"OTHER", "recipient.name", mark)...))
	errors(http.MethodPost, "/divoc/api/v1/certify", request(code, append(person, "vaccination.name", mark, "recipient.gender", mark, "programId", mark, "vaccination.date", mark, "facility.address.country", mark)...))
	errors(http.MethodPost, "/divoc/api/v1/certify", `[{"`+mark+`": "`+mark)
	errors(http.MethodPost, "/api/v1/events", events(event(code, "person.name", "\u202e"+mark, "person."+mark+" 7", mark, "contacts", []string{mark})))
	errors(http.MethodPost, "/api/v1/events", m{mark + "-7": mark})
	errors(http.MethodGet, "/divoc/api/v1/certificates/"+mark, nil)
	errors(http.MethodGet, "/certificate/api/certificatePDF/"+mark+"?programId="+mark+"&lang="+mark, nil)
	errors(http.MethodGet, "/api/v1/certificates/"+mark+"?"+mark, nil)
	errors(http.MethodGet, "/"+mark+"/"+mark, nil)
	errors(mark, "/api/v1/"+mark, nil)
	w.ask(http.MethodGet, "/certificate/api/certificatePDF/"+code, nil).is(t, 200)
	credential := w.ask(http.MethodGet, "/api/v1/certificates/"+first.CertificateID+"/credential", nil).is(t, 200).body
	if !strings.Contains(credential, mark) {
		t.Error("the mark is not even in the credential")
	}
	w.askAs("", http.MethodPost, "/api/v1/verify?lang="+mark, credential).is(t, 200)
	clean("the revoked check", w.askAs("", http.MethodPost, "/divoc/api/v1/certificate/revoked", credential).body)
	w.ask(http.MethodDelete, "/divoc/api/v1/certificates/"+code+"?allDoses=true", nil).is(t, 200)
	clean("the trust bundle", w.askAs("", http.MethodGet, "/trust/bundle.json", nil).body)
	clean("the metrics", w.askAs("", http.MethodGet, "/metrics", nil).body)
	upload := into[uploadInfo](t, w.askAs(w.token, http.MethodPost, "/api/v1/uploads?filename="+mark+".csv", csvFile(csvRow(mark+"-2", "1971-02-03"), csvRow(mark+"-3", mark)), "Content-Type", "text/csv").is(t, 200))
	w.process(upload.ID)
	clean("the log", w.log.String())
	traces := c.stop()
	clean("the traces", string(traces.bytes))
	for _, code := range []string{code, first.CertificateID, w.token} {
		if strings.Contains(string(traces.bytes), code) {
			t.Errorf("the traces hold %s", code)
		}
	}
	if len(traces.spans) < 50 {
		t.Errorf("%d spans of all that", len(traces.spans))
	}
	if !strings.Contains(w.log.String(), "POST /divoc/api/v1/certify") {
		t.Errorf("the log says nothing at all: %s", w.log)
	}
}
