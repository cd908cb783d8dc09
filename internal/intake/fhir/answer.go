package fhir

import (
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
	Type  string          `json:"resourceType"`
	Kind  string          `json:"type"`
	Entry []ResponseEntry `json:"entry"`
}

// ResponseEntry is the answer to one entry, in the order of the request.
type ResponseEntry struct {
	Response Response `json:"response"`
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
	// Doses are, for each entry, the source's id of its dose, "" where it is
	// none.
	Doses []string
}

// ReadRequest finds out what a body is. A body that cannot be read, which is held,
// has no entries.
func ReadRequest(body []byte, m *mapping.Mapping) Request {
	entries, err := parse(body)
	if err != nil {
		return Request{}
	}
	var r Request
	if root, err := decode(body); err == nil && root.text("resourceType") == "Bundle" {
		r.Kind = root.text("type")
	}
	b := newBundle(entries)
	for _, e := range entries {
		id := ""
		fragments, err := b.fragments(e, m)
		for _, f := range fragments {
			if err == nil && f.Kind == intake.DoseFragment {
				id = f.ID
			}
		}
		r.Doses = append(r.Doses, id)
	}
	return r
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
