// Package api is the native door: /api/v1, described by OpenAPI 3.1 at
// /openapi.json, with errors as RFC 9457 problems that never repeat a value
// that was sent.
package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/sync/semaphore"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/subject"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/verify"
)

// maxBody bounds a request of the API in bytes; an event list has its own bound.
const maxBody = 8 << 20

// Options are what the door opens to.
type Options struct {
	Service *issuance.Service
	Tokens  access.Tokens
	Printer *printer.Printer
	Uploads *upload.Service
	Intake  *intake.Service
	// Bulk withdraws many certificates.
	Bulk     *bulk.Service
	Trust    *trustlist.Service
	Audit    *audit.Service
	Subject  *subject.Service
	Cases    *casework.Service
	Messages *deliver.Service
	// OnDemand gives certificates to people who ask; Limit is how often a
	// network may.
	OnDemand *ondemand.Service
	Limit    *door.Limiter
	// Verify says what a code, credential, image or PDF is worth.
	// rules names acceptance rules to ask beside, "" none; an unknown name is
	// vaccination.Invalid.
	Verify  func(ctx context.Context, data []byte, lang, rules string) (verify.Statements, error)
	Log     *slog.Logger
	Version string
}

type handler struct {
	Options
	// room is for files to verify: anybody may send them.
	room *semaphore.Weighted
}

const prefix = "/api/v1"

// Register adds the API and its description to mux, and returns the description.
func Register(mux door.Mux, o Options) (*huma.OpenAPI, error) {
	h := &handler{o, semaphore.NewWeighted(scanRoom)}
	api := humago.New(mux, configuration(o.Version))
	h.events(api)
	h.certificates(api)
	h.exports(api)
	h.formats(api)
	h.verification(api)
	h.uploads(api)
	h.sources(api)
	h.holds(api)
	h.people(api)
	h.messages(api)
	h.audit(api)
	h.subjects(api)
	h.cases(api)
	h.withdrawals(api)
	h.trust(api)
	h.onDemand(api)
	describe(api.OpenAPI())
	description, err := api.OpenAPI().MarshalJSON()
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Access-Control-Allow-Origin", "*") // as public as its source
		_, _ = w.Write(description)                        // the client went away
	})
	door.Missing(mux, "/api/", func(w http.ResponseWriter, _ *http.Request, err error) { door.WriteProblem(w, o.Log, err) })
	return api.OpenAPI(), nil
}

// configuration leaves out what huma would add by itself: links that name
// whatever host was asked for, pages and files of its own.
func configuration(version string) huma.Config {
	c := huma.DefaultConfig("divoc", version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	json := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: door.ReadJSON}
	c.Formats = map[string]huma.Format{"application/json": json, "json": json}
	c.Transformers = []huma.Transformer{ourProblem}
	c.Info.Description = "Issues, corrects, revokes, finds and verifies vaccination certificates."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token made by `divoc token create`, or by an identity provider whose tokens count here."}}
	c.Components.Schemas = schemas()
	return c
}

// operation is what the operations for recognised callers share. errors are the
// statuses it can answer beside those of every operation.
func (h *handler) operation(id, method, path, summary string, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: prefix + path, Summary: summary, MaxBodyBytes: -1, // bounded by body
		Security:    []map[string][]string{{"token": {}}},
		Middlewares: huma.Middlewares{uncached, h.recognise},
		Errors:      append(errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable),
	}
}

// uncached keeps answers about people out of caches.
func uncached(ctx huma.Context, next func(huma.Context)) {
	ctx.SetHeader("Cache-Control", "no-store")
	next(ctx)
}

// body is an operation that reads JSON.
func (h *handler) body(op huma.Operation) huma.Operation {
	op.Middlewares = append(op.Middlewares, h.whole(maxBody))
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	return op
}

// whole reads the body before huma does, which takes one that breaks off for a
// fault of ours.
func (h *handler) whole(limit int64) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		data, err := door.ReadBody(w, r, limit)
		if err != nil {
			door.WriteProblem(w, h.Log, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		next(ctx)
	}
}

type callerKey struct{}

// recognise lets only recognised callers through, before anything of the body
// is read.
func (h *handler) recognise(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	by, err := door.Bearer(r, h.Tokens)
	if err != nil {
		door.WriteProblem(w, h.Log, err)
		return
	}
	next(huma.WithValue(ctx, callerKey{}, by))
}

// caller is who is calling. Without recognise it is nobody, who may do nothing.
func caller(ctx context.Context) access.Caller {
	by, _ := ctx.Value(callerKey{}).(access.Caller)
	return by
}
