package fhirdoor

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	maxParameters = 16 << 10 // bytes of a request to revoke
	// maxDocuments is how many documents one batch is answered with; what is beyond
	// is issued all the same, and named.
	maxDocuments = 100

	definitions = "http://smart.who.int/ddcc/OperationDefinition/"
)

// operations are WHO's (DDCC implementation guide 1.0).
func (h *handler) operations(mux door.Mux) {
	mux.HandleFunc("POST /fhir/QuestionnaireResponse/$generateHealthCertificate", h.or(h.generate))
	mux.HandleFunc("POST /fhir/Bundle/$generateHealthCertificate", h.or(h.generate))
	mux.HandleFunc("POST /fhir/QuestionnaireResponse/$revokeHealthCertificate", h.or(h.revoke))
	mux.HandleFunc("POST /fhir/QuestionnaireResponse/{id}/$revokeHealthCertificate", h.or(h.revoke))
}

func (h *handler) or(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			h.fail(w, r, err)
		}
	}
}

// generate takes one vaccination, as every other way of posting does, and answers
// with the document of its certificate. Where there is none yet, it says why.
func (h *handler) generate(w http.ResponseWriter, r *http.Request) error {
	src, by, err := h.source(r)
	if err != nil {
		return err
	}
	a, err := h.arrival(w, r)
	if err != nil {
		return err
	}
	request := fhir.ReadRequest(a, src.Mapping)
	for _, e := range request.Entries {
		if e.Fault != nil {
			return e.Fault
		}
	}
	if n := len(request.Doses()); n != 1 {
		return vaccination.Errorf(vaccination.Invalid, "one vaccination is certified at a time, and this says %d: post more as a batch to /fhir", n)
	}
	reference, err := h.Intake.Receive(r.Context(), src.Name, a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), waiting)
	defer cancel()
	found, whole := h.settled(ctx, src.Name, reference, request)
	item, ok := found[request.Doses()[0]]
	if !ok || !certified(item) {
		answer := response(fhir.RequestEntry{Doses: request.Doses()}, found, whole, reference)
		status, err := strconv.Atoi(answer.Status[:3])
		if err != nil {
			return err
		}
		h.write(w, status, answer.Outcome)
		return nil
	}
	document, err := h.Issuance.Export(ctx, by, item.Certificate, issuance.FormatFHIR)
	if err != nil {
		e, _ := door.Public(h.Log, err)
		h.write(w, door.Status(e.Code), undocumented(fhir.Answer(item).Outcome, "error", e))
		return nil
	}
	h.write(w, http.StatusOK, json.RawMessage(document.Body))
	return nil
}

// certified reports whether an entry has a certificate.
func certified(i intake.Item) bool {
	return (i.State == intake.Issued || i.State == intake.Unchanged) && !i.Certificate.IsZero()
}

// undocumented adds to what became of an entry why there is no document of it.
func undocumented(o fhir.Outcome, severity string, e *vaccination.Error) fhir.Outcome {
	why := fhir.ErrorOutcome(e).Issue[0]
	why.Severity = severity
	o.Issue = append([]fhir.Issue{why}, o.Issue...)
	return o
}

// documents puts into an answer the documents of those entries that ask for
// $generateHealthCertificate: of the first, within the time there is.
func (h *handler) documents(ctx context.Context, by access.Caller, entries []fhir.RequestEntry, found map[string]intake.Item, out []fhir.ResponseEntry) {
	made := 0
	for i, e := range entries {
		if !e.Generate || len(e.Doses) != 1 || e.Fault != nil || made == maxDocuments || ctx.Err() != nil {
			continue
		}
		item, ok := found[e.Doses[0]]
		if !ok || !certified(item) {
			continue
		}
		made++
		document, err := h.Issuance.Export(ctx, by, item.Certificate, issuance.FormatFHIR)
		if err != nil {
			e, _ := door.Public(h.Log, err)
			out[i].Response.Outcome = undocumented(out[i].Response.Outcome, "warning", e)
			continue
		}
		out[i].Resource = document.Body
	}
}

// revoke revokes a certificate by the rights of whoever asks, as the other ways of
// revoking do.
func (h *handler) revoke(w http.ResponseWriter, r *http.Request) error {
	secret, err := door.SourceSecret(r)
	if err != nil {
		return err
	}
	by, err := h.Tokens.Authenticate(r.Context(), secret)
	if err != nil {
		return err
	}
	if err := by.Can(access.Revoke); err != nil {
		return err
	}
	body, err := door.ReadBody(w, r, maxParameters)
	if err != nil {
		return err
	}
	name, reason, err := revocation(body)
	if err != nil {
		return err
	}
	if of := r.PathValue("id"); of != "" {
		if name != "" && name != of {
			return vaccination.Errorf(vaccination.Invalid, "the parameter id names another certificate than the address")
		}
		name = of
	}
	if name == "" {
		return vaccination.Errorf(vaccination.Invalid, "the parameter id is missing: the certificate's, as in the document's id")
	}
	id, err := vaccination.ParseCertificateID(name)
	if err != nil {
		return vaccination.Errorf(vaccination.NotFound, "%s", err.Error())
	}
	if _, err := h.Issuance.Change(r.Context(), by, id, vaccination.ActRevoke, reason); err != nil {
		return err
	}
	type m = map[string]any
	h.write(w, http.StatusOK, m{"resourceType": "Parameters", "parameter": []m{{"name": "return", "valueBoolean": true}}})
	return nil
}

// revocation reads the Parameters of a request to revoke: id, which WHO's guide
// has, and reason, which is ours.
func revocation(body []byte) (id, reason string, err error) {
	var p struct {
		Type      string `json:"resourceType"`
		Parameter []struct {
			Name   string `json:"name"`
			ID     string `json:"valueId"`
			String string `json:"valueString"`
		} `json:"parameter"`
	}
	if err := door.ReadJSON(body, &p); err != nil {
		return "", "", vaccination.Errorf(vaccination.Invalid, "%s", err.Error())
	}
	if p.Type != "Parameters" {
		return "", "", vaccination.Errorf(vaccination.Invalid, "the body is no Parameters resource")
	}
	for _, x := range p.Parameter {
		switch {
		case x.Name == "id" && x.ID != "" && id == "":
			id = x.ID
		case x.Name == "reason" && x.String != "" && reason == "":
			reason = x.String
		default:
			return "", "", vaccination.Errorf(vaccination.Invalid, "parameters are one id (valueId) and, if there is one, a reason (valueString)")
		}
	}
	return id, reason, nil
}
