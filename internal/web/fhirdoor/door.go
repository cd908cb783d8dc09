// Package fhirdoor is the door for systems that speak FHIR R4: they post a Bundle,
// an Immunization, or WHO's Submit Health Event, and hear of each entry what
// became of it. What it certified it can be asked for as WHO's DDCC document.
package fhirdoor

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/fhir"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

const (
	maxBody     = 16 << 20 // bytes of one request
	maxCriteria = 1000     // of a conditional create
	// waiting is how long a sender waits to hear what became of its entries; what
	// takes longer is stored and goes on.
	waiting = 20 * time.Second

	contentType = "application/fhir+json"
)

// Options are what the door opens to.
type Options struct {
	Intake    *intake.Service
	Issuance  *issuance.Service
	Tokens    access.Tokens
	PublicURL string
	Version   string
	Now       func() time.Time
	Log       *slog.Logger
}

type handler struct{ Options }

// Register adds the door's paths to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	mux.HandleFunc("GET /fhir/metadata", h.metadata)
	mux.HandleFunc("POST /fhir", h.or(h.take))
	mux.HandleFunc("POST /fhir/{$}", h.or(h.take))
	mux.HandleFunc("POST /fhir/Immunization", h.or(h.take))
	h.operations(mux)
	door.Missing(mux, "/fhir/", h.fail)
}

func (h *handler) write(w http.ResponseWriter, status int, v any) {
	door.WriteJSON(w, status, contentType, v)
}

func (h *handler) fail(w http.ResponseWriter, _ *http.Request, err error) {
	e, _ := door.Public(h.Log, err)
	h.write(w, door.Status(e.Code), fhir.ErrorOutcome(e))
}

// source recognises the caller, whose token is of a source that speaks FHIR.
func (h *handler) source(r *http.Request) (src intake.Source, by access.Caller, err error) {
	secret, err := door.SourceSecret(r)
	if err != nil {
		return src, by, err
	}
	by, err = h.Tokens.Authenticate(r.Context(), secret)
	if err != nil {
		return src, by, err
	}
	if err := by.CanWhole(access.Certify); err != nil {
		return src, by, err
	}
	if by.Role != access.SourceRole {
		return src, by, vaccination.Errorf(vaccination.Forbidden, "only a source delivers here: use a token that was made for one")
	}
	src, err = h.Intake.Source(r.Context(), by.Source)
	if err == nil && src.Kind != intake.FHIR || vaccination.ErrorCode(err) == vaccination.NotFound {
		return src, by, vaccination.Errorf(vaccination.Forbidden, "the source of this token does not speak FHIR: `divoc source create --kind fhir` makes one that does")
	}
	return src, by, err
}

// arrival reads what was posted.
func (h *handler) arrival(w http.ResponseWriter, r *http.Request) (a intake.Arrival, err error) {
	body, err := door.ReadBody(w, r, maxBody)
	if err != nil {
		return a, err
	}
	// What is no JSON at all is a mistake of the connection, not of a record.
	if !json.Valid(body) {
		return a, vaccination.Errorf(vaccination.Invalid, "the body is not JSON: only %s is read", contentType)
	}
	a = intake.Arrival{Channel: intake.Push, ContentType: contentType, Body: body, Received: h.Now()}
	if criteria := r.Header.Get("If-None-Exist"); len(criteria) > maxCriteria {
		return a, vaccination.Errorf(vaccination.Invalid, "the header If-None-Exist is too long: identifier=SYSTEM|VALUE is enough")
	} else if criteria != "" {
		a.Hints = map[string]string{fhir.HintIfNoneExist: criteria}
	}
	return a, nil
}

func (h *handler) take(w http.ResponseWriter, r *http.Request) error {
	src, by, err := h.source(r)
	if err != nil {
		return err
	}
	a, err := h.arrival(w, r)
	if err != nil {
		return err
	}
	reference, err := h.Intake.Receive(r.Context(), src.Name, a)
	if err != nil {
		return err
	}
	request := fhir.ReadRequest(a, src.Mapping)
	responses := h.responses(r.Context(), by, src.Name, reference, request)
	if request.Kind == "" {
		one := responses[0].Response
		status, err := strconv.Atoi(one.Status[:3])
		if err != nil {
			return err
		}
		h.write(w, status, one.Outcome)
		return nil
	}
	answer := fhir.ResponseBundle{
		Type: "Bundle", Kind: request.Kind + "-response",
		Identifier: &fhir.Identifier{System: h.PublicURL + "/fhir/deliveries", Value: reference},
	}
	if request.Kind != "transaction" {
		answer.Kind = "batch-response"
	}
	answer.Entry = responses
	h.write(w, http.StatusOK, answer)
	return nil
}

// responses are one for each entry; at least one.
func (h *handler) responses(ctx context.Context, by access.Caller, source, reference string, request fhir.Request) []fhir.ResponseEntry {
	ctx, cancel := context.WithTimeout(ctx, waiting)
	defer cancel()
	found, whole := h.settled(ctx, source, reference, request)
	entries := request.Entries
	if len(entries) == 0 && request.Kind == "" {
		entries = make([]fhir.RequestEntry, 1)
	}
	out := make([]fhir.ResponseEntry, len(entries))
	for i, e := range entries {
		out[i].Response = response(e, found, whole, reference)
	}
	h.documents(ctx, by, entries, found, out)
	return out
}

// settled is what became of a delivery's doses. Everything is stored: an error only
// means that less can be said of it.
func (h *handler) settled(ctx context.Context, source, reference string, request fhir.Request) (found map[string]intake.Item, whole *intake.Item) {
	if _, err := h.Intake.Settle(ctx, source, reference); err != nil {
		h.Log.Warn("a delivery is stored and waits", slog.String("source", source), slog.String("error", err.Error()))
	}
	found, whole, err := h.Intake.Doses(ctx, source, reference, request.Doses())
	if err != nil {
		h.Log.Warn("a delivery is stored and cannot be told about", slog.String("source", source), slog.String("error", err.Error()))
	}
	return found, whole
}

// response is what became of one entry.
func response(e fhir.RequestEntry, found map[string]intake.Item, whole *intake.Item, reference string) fhir.Response {
	var all []fhir.Response
	for _, id := range e.Doses {
		if item, ok := found[id]; ok {
			all = append(all, fhir.Answer(item))
		}
	}
	switch {
	case e.Fault != nil:
		all = append(all, fhir.Refused(e.Fault))
	case len(all) == 0 && whole != nil && whole.State == intake.Held:
		return fhir.Answer(*whole)
	case len(all) < max(1, len(e.Doses)):
		all = append(all, fhir.Stored(reference))
	}
	return fhir.Together(all)
}

// metadata is the CapabilityStatement (FHIR R4, 2.1.0.2).
func (h *handler) metadata(w http.ResponseWriter, _ *http.Request) {
	type m = map[string]any
	create := []m{{"code": "create"}}
	operation := func(name string) m {
		return m{"name": name, "definition": definitions + "DDCCQuestionnaireResponse" + name}
	}
	generate := operation("generateHealthCertificate")
	h.write(w, http.StatusOK, m{
		"resourceType": "CapabilityStatement", "status": "active", "date": h.Now().UTC().Format(time.DateOnly), "kind": "instance",
		"fhirVersion": "4.0.1", "format": []string{"json", contentType},
		"software":       m{"name": "divoc", "version": h.Version},
		"implementation": m{"description": "takes vaccinations that become certificates; it stores no FHIR resources to read back", "url": h.PublicURL + "/fhir"},
		"rest": []m{{
			"mode":     "server",
			"security": m{"description": "a token of a source: Bearer, Basic with the token as password, or the header X-API-Key"},
			"resource": []m{
				{"type": "Immunization", "interaction": create, "conditionalCreate": true},
				{"type": "QuestionnaireResponse", "operation": []m{generate, operation("revokeHealthCertificate")}},
				{"type": "Bundle", "operation": []m{generate}},
			},
			"interaction": []m{{"code": "transaction"}, {"code": "batch"}},
		}},
	})
}
