package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// result is what became of an event.
type result struct {
	Outcome     issuance.Outcome   `json:"outcome" enum:"issued,corrected,updated,unchanged"`
	Certificate string             `json:"certificate" doc:"id of the certificate, 24 characters"`
	HCID        string             `json:"hcid" doc:"the id as printed, a UVCI"`
	Programme   string             `json:"programme"`
	Dose        int                `json:"dose"`
	Version     int                `json:"version"`
	Status      vaccination.Status `json:"status" enum:"valid,suspended,superseded,revoked"`
	Replaces    string             `json:"replaces,omitempty" doc:"id of the certificate before this one"`
}

func resultOf(r issuance.Result) result {
	return result{r.Outcome, r.ID.String(), r.HCID, r.Programme, r.Dose, r.Version, r.Status, idOrNone(r.Replaces)}
}

func idOrNone(id vaccination.CertificateID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

type issueInput struct {
	Body struct {
		Events []vaccination.Event `json:"events" minItems:"1" maxItems:"1000" doc:"all are written, or none"`
	}
}

type issueOutput struct {
	Body struct {
		Results []result `json:"results" doc:"one for each event, in their order"`
	}
}

// events adds the operations that issue.
func (h *handler) events(api huma.API) {
	issue := func(action issuance.Action) func(context.Context, *issueInput) (*issueOutput, error) {
		return func(ctx context.Context, in *issueInput) (*issueOutput, error) {
			results, err := h.Service.Issue(ctx, caller(ctx), action, in.Body.Events)
			if err != nil {
				return nil, h.problem(err)
			}
			out := &issueOutput{}
			for _, r := range results {
				out.Body.Results = append(out.Body.Results, resultOf(r))
			}
			return out, nil
		}
	}
	op := h.operation("certify", http.MethodPost, "/events", "Report vaccination events and test results; each becomes a certificate", 409, 410)
	op.Description = "A record is known by programme, enrolment code and number of the dose or test; a test without a number is known by its sample. The same again answers with its certificate; other content is a conflict (409) that names the fields; after a revocation the same content is 410. When it answers 200, everything is durable."
	huma.Register(api, h.body(op), issue(issuance.Certify))
	op = h.operation("correct", http.MethodPost, "/corrections", "Correct what was certified; the old version is superseded", 404, 409, 410)
	op.Description = "Send the whole event with what changed. Where only contacts or the address differ, no new version is made (outcome updated)."
	huma.Register(api, h.body(op), issue(issuance.Correct))
}
