package fhir

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// Outcome is an OperationOutcome.
type Outcome struct {
	Type  string  `json:"resourceType"`
	Issue []Issue `json:"issue"`
}

// Issue is one issue of an [Outcome]. It holds nothing personal.
type Issue struct {
	Severity    string   `json:"severity"` // error, warning, information
	Code        string   `json:"code"`     // of FHIR's IssueType
	Diagnostics string   `json:"diagnostics,omitempty"`
	Expression  []string `json:"expression,omitempty"`
}

// NewOutcome returns an OperationOutcome.
func NewOutcome(issues ...Issue) Outcome { return Outcome{Type: "OperationOutcome", Issue: issues} }

// ErrorOutcome tells an error as FHIR does.
func ErrorOutcome(e *vaccination.Error) Outcome {
	codes := map[vaccination.Code]string{
		vaccination.Invalid: "invalid", vaccination.NotFound: "not-found", vaccination.Unauthorized: "login", vaccination.Forbidden: "forbidden",
		vaccination.TooLarge: "too-long", vaccination.NotAllowed: "not-supported", vaccination.Unavailable: "transient", vaccination.TooMany: "throttled", vaccination.Conflict: "conflict",
	}
	code := codes[e.Code]
	if code == "" {
		code = "exception"
	}
	return NewOutcome(Issue{Severity: "error", Code: code, Diagnostics: e.Message})
}

// ResponseBundle is the answer to a transaction or batch.
type ResponseBundle struct {
	Type       string          `json:"resourceType"`
	Identifier *Identifier     `json:"identifier,omitempty"` // of the delivery
	Kind       string          `json:"type"`
	Entry      []ResponseEntry `json:"entry,omitempty"`
}

// Identifier names something in a system of names.
type Identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// ResponseEntry is the answer to one entry, in the order of the request.
type ResponseEntry struct {
	Resource json.RawMessage `json:"resource,omitempty"` // what an operation returned
	Response Response        `json:"response"`
}

// Response is what became of one entry.
type Response struct {
	Status  string  `json:"status"`
	Outcome Outcome `json:"outcome"`
}

// Request is a body that was delivered, as its answer needs it.
type Request struct {
	// Kind is the type of the Bundle: "transaction", "batch"; empty for a
	// resource by itself.
	Kind string
	// Entries are those of the Bundle, in its order; one for a resource by
	// itself. None of a body that cannot be read, which is held.
	Entries []RequestEntry
}

// RequestEntry is one entry of a request. Parameters with a Bundle in them are one.
type RequestEntry struct {
	Doses    []string           // the source's ids of the doses in it
	Fault    *vaccination.Error // why nothing could be kept of it, or of a part
	Generate bool               // it asks for WHO's $generateHealthCertificate
}

// Doses are the ids of all doses.
func (r Request) Doses() (out []string) {
	for _, e := range r.Entries {
		out = append(out, e.Doses...)
	}
	return out
}

// ReadRequest finds out what an arrival asks for.
func ReadRequest(a intake.Arrival, m *mapping.Mapping) Request {
	var r Request
	root, err := decode(a.Body)
	if err != nil {
		return r
	}
	n := 1
	if root.text("resourceType") == "Bundle" {
		r.Kind, n = cmp.Or(root.text("type"), "batch"), len(root.list("entry"))
	}
	entries, err := parse(a.Body, a.Hints)
	if err != nil {
		return r
	}
	r.Entries = make([]RequestEntry, n)
	if r.Kind != "" {
		for i, x := range root.list("entry") {
			ask := x.one("request")
			r.Entries[i].Generate = ask.text("method") == "POST" && strings.HasSuffix(ask.text("url"), "/$generateHealthCertificate")
		}
	}
	b := newBundle(entries)
	for _, e := range entries {
		to := &r.Entries[0]
		if r.Kind != "" {
			to = &r.Entries[e.of]
		}
		fragments, err := b.fragments(e, m)
		for _, f := range fragments {
			if f.Kind == intake.DoseFragment {
				to.Doses = append(to.Doses, f.ID)
			}
		}
		if err != nil && to.Fault == nil {
			errors.As(err, &to.Fault)
		}
	}
	return r
}

// Together is one answer for an entry that holds several things: what is not yet
// settled decides its status.
func Together(answers []Response) Response {
	one := answers[0]
	for _, a := range answers[1:] {
		one.Status = max(one.Status, a.Status) // 4xx, 202, 201, 200
		one.Outcome.Issue = append(one.Outcome.Issue, a.Outcome.Issue...)
	}
	return one
}

// Refused is the answer for an entry of which nothing could be kept.
func Refused(e *vaccination.Error) Response {
	status := "422 Unprocessable Entity"
	if e.Code == vaccination.NotAllowed {
		status = "405 Method Not Allowed"
	}
	return Response{status, ErrorOutcome(e)}
}

// Answer tells what became of a dose: an HTTP status and an OperationOutcome.
func Answer(i intake.Item) Response {
	switch i.State {
	case intake.Issued:
		return Response{"201 Created", NewOutcome(Issue{Severity: "information", Code: "informational", Diagnostics: "certificate " + i.Certificate.String()})}
	case intake.Unchanged:
		o := Issue{Severity: "information", Code: "informational", Diagnostics: "nothing changed: " + string(i.Class)}
		if i.Certificate != (vaccination.CertificateID{}) {
			o.Diagnostics = "nothing changed: certificate " + i.Certificate.String()
		}
		return Response{"200 OK", NewOutcome(o)}
	case intake.Rejected:
		return Response{"200 OK", NewOutcome(Issue{Severity: "warning", Code: "suppressed", Diagnostics: "somebody decided that nothing comes of this"})}
	}
	var issues []Issue
	for _, p := range i.Problems {
		issue := Issue{Severity: "warning", Code: issueCode(p.Code), Diagnostics: p.Message}
		if at := Expression(p.Path); at != "" {
			issue.Expression = []string{at}
		}
		issues = append(issues, issue)
	}
	if issues == nil {
		issues = []Issue{{Severity: "warning", Code: "business-rule", Diagnostics: "held for a person to decide: " + string(i.Class)}}
	}
	return Response{"202 Accepted", NewOutcome(issues...)}
}

// Stored is the answer for what was stored and is nothing by itself, or not looked
// at yet.
func Stored(reference string) Response {
	return Response{"202 Accepted", NewOutcome(Issue{Severity: "information", Code: "informational", Diagnostics: "stored as " + reference})}
}

func issueCode(code string) string {
	switch code {
	case vaccination.FaultRequired, string(mapping.Missing):
		return "required"
	case string(mapping.Unmapped), "unknown":
		return "code-invalid"
	case string(intake.PossibleDuplicate), string(intake.SecondDose):
		return "duplicate"
	}
	return "value"
}

// Expression is where FHIR keeps a field of an event.
func Expression(path string) string {
	known := map[string]string{
		"enrolmentCode": "Patient.identifier", "person.name": "Patient.name", "person.birthDate": "Patient.birthDate", "person.sex": "Patient.gender",
		"person.identifier": "Patient.identifier", "contacts": "Patient.telecom", "address": "Patient.address",
		"vaccination.product": "Immunization.vaccineCode", "vaccination.manufacturer": "Immunization.manufacturer", "vaccination.lot": "Immunization.lotNumber",
		"vaccination.date": "Immunization.occurrence", "vaccination.dose": "Immunization.protocolApplied.doseNumber",
		"vaccination.totalDoses": "Immunization.protocolApplied.seriesDoses", "vaccination.centre": "Immunization.location",
		"vaccination.practitioner": "Immunization.performer", "vaccination.country": "Immunization.extension", "programme": "Immunization.protocolApplied.targetDisease",
	}
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if e, ok := known[p]; ok {
			return e
		}
	}
	return ""
}
