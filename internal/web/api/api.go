// Package api is the native door: /api/v1, described by OpenAPI 3.1 at
// /openapi.json, with errors as RFC 9457 problems that never repeat a value
// that was sent.
package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// maxBody bounds a request of the API in bytes; maxEvents the events in one.
const (
	maxBody   = 8 << 20
	maxEvents = 1000
)

// Options are what the door opens to.
type Options struct {
	Service *issuance.Service
	Tokens  access.Tokens
	Printer *printer.Printer
	// Verify says what a code, credential, image or PDF is worth.
	Verify  func(ctx context.Context, data []byte, lang string) (verify.Statements, error)
	Log     *slog.Logger
	Version string
}

type handler struct{ Options }

const prefix = "/api/v1"

// Register adds the API to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	config := huma.DefaultConfig("divoc", o.Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/openapi", "", ""
	config.CreateHooks = nil // no $schema links: they would name whatever host was asked for
	config.Info.Description = "Issues, corrects, revokes, finds and verifies vaccination certificates."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "made by `divoc token create`"}}
	api := humago.New(mux, config)
	h.events(api)
	h.certificates(api)
	h.verification(api)
}

// operation is what all operations of the API share.
func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: prefix + path, Summary: summary, MaxBodyBytes: maxBody,
		Security: []map[string][]string{{"token": {}}},
	}
}

// Authorised is the input of every operation that needs a caller. Its name is
// exported, as OneInput's is, because huma reads no header or path into a struct
// embedded under another.
type Authorised struct {
	Authorization string `header:"Authorization" doc:"Bearer TOKEN"`
}

// caller recognises who is calling.
func (h *handler) caller(ctx context.Context, a Authorised) (access.Caller, error) {
	r := &http.Request{Header: http.Header{"Authorization": {a.Authorization}}}
	by, err := door.Bearer(r.WithContext(ctx), h.Tokens)
	if err != nil {
		return by, h.problem(err)
	}
	return by, nil
}

func (h *handler) problem(err error) error {
	if err == nil {
		return nil
	}
	p := door.NewProblem(h.Log, err)
	switch p.Status {
	case http.StatusUnauthorized:
		return huma.ErrorWithHeaders(p, http.Header{"WWW-Authenticate": {"Bearer"}})
	case http.StatusServiceUnavailable:
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"1"}})
	}
	return p
}

// Strict makes huma's own validation errors problems of ours, which name the
// place and what is expected there but never the value. It changes a variable
// of that package, so the program calls it once at its start.
func Strict() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		p := &door.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: message, Code: string(vaccination.Invalid)}
		if status >= http.StatusInternalServerError {
			p.Code = string(vaccination.Internal)
		}
		for _, err := range errs {
			if d, ok := err.(huma.ErrorDetailer); ok {
				detail := d.ErrorDetail()
				p.Faults = append(p.Faults, door.Fault{Path: detail.Location, Code: vaccination.FaultFormat, Message: detail.Message})
			}
		}
		return p
	}
}

type result struct {
	Outcome     issuance.Outcome `json:"outcome" enum:"issued,corrected,updated,unchanged"`
	Certificate string           `json:"certificate" doc:"id of the certificate, 24 characters"`
	HCID        string           `json:"hcid" doc:"the id as printed, a UVCI"`
	Programme   string           `json:"programme"`
	Dose        int              `json:"dose"`
	Version     int              `json:"version"`
	Status      string           `json:"status"`
	Replaces    string           `json:"replaces,omitempty" doc:"id of the certificate before this one"`
}

func resultOf(r issuance.Result) result {
	out := result{Outcome: r.Outcome, Certificate: r.ID.String(), HCID: r.HCID, Programme: r.Programme, Dose: r.Dose, Version: r.Version, Status: string(r.Status)}
	if !r.Replaces.IsZero() {
		out.Replaces = r.Replaces.String()
	}
	return out
}

type issueInput struct {
	Authorised
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
			by, err := h.caller(ctx, in.Authorised)
			if err != nil {
				return nil, err
			}
			results, err := h.Service.Issue(ctx, by, action, in.Body.Events)
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
	huma.Register(api, operation("certify", http.MethodPost, "/events", "Report vaccination events; each becomes a certificate"), issue(issuance.Certify))
	huma.Register(api, operation("correct", http.MethodPost, "/corrections", "Correct what was certified; the old version is superseded"), issue(issuance.Correct))
}
