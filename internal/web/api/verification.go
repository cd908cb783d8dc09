package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// Bounds of what can be sent to be verified, in bytes: a photograph of paper;
// what is held of all who send at one time; and what is so small (a code, a
// credential) that it needs no place.
const (
	maxScan   = 16 << 20
	scanRoom  = 4 * maxScan
	smallScan = 256 << 10
)

// bodyTime is how long a file may take to arrive: a photograph over a slow line.
const bodyTime = time.Minute

// placed lets a large body in only when there is room for it, so that those who
// send slowly cannot fill the memory, and never for long.
func (h *handler) placed(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		door.WriteProblem(w, h.Log, err)
		return
	}
	if size := r.ContentLength; size < 0 || size > smallScan {
		if size < 0 || size > maxScan {
			size = maxScan
		}
		if !h.room.TryAcquire(size) {
			w.Header().Set("Connection", "close") // its body is not read
			door.WriteProblem(w, h.Log, vaccination.Errorf(vaccination.TooMany, "too many files are being read just now: try again in a moment"))
			return
		}
		defer h.room.Release(size)
	}
	next(ctx)
}

type verifyInput struct {
	Language string `query:"lang" doc:"language of the sentences" example:"en"`
	Rules    string `query:"rules" maxLength:"40" doc:"also ask whether a valid certificate is accepted: yellow-fever, or the country of arrival (ISO 3166-1) where this server was given its rules" example:"yellow-fever"`
	RawBody  []byte `contentType:"application/octet-stream"`
}

type verifyOutput struct{ Body verify.Statements }

// verification adds the one operation that anybody may call.
func (h *handler) verification(api huma.API) {
	op := huma.Operation{
		OperationID: "verify", Method: http.MethodPost, Path: prefix + "/verify", Summary: "Say what a certificate is worth",
		Description:  `Send {"data": "text of a code"} as JSON, or a file (image, PDF, credential) as it is. The answer is one statement, or {"statements": […]} for a file with several codes. Nothing of it is kept.`,
		MaxBodyBytes: -1, SkipValidateBody: true, Middlewares: huma.Middlewares{uncached, h.placed, h.whole(maxScan)},
		Errors:      []int{http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		RequestBody: &huma.RequestBody{Content: verifiable()},
		Responses:   map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: statements(api.OpenAPI().Components.Schemas)}}}},
	}
	huma.Register(api, op, func(ctx context.Context, in *verifyInput) (*verifyOutput, error) {
		data := in.RawBody
		var asked struct {
			Data *string `json:"data"`
		}
		if json.Unmarshal(data, &asked) == nil && asked.Data != nil {
			data = []byte(*asked.Data)
		}
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, h.problem(vaccination.Errorf(vaccination.Invalid, `send {"data": "text of a code"}, or a file`))
		}
		list, err := h.Verify(ctx, data, in.Language, in.Rules)
		return &verifyOutput{list}, h.problem(err)
	})
}

// verifiable are the kinds of body that verify takes.
func verifiable() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{
			Type: huma.TypeObject, Required: []string{"data"},
			Properties: map[string]*huma.Schema{"data": {Type: huma.TypeString, Description: "text of a QR code, or a credential as text"}},
		}, Example: map[string]string{"data": "HC1:NCFOXN…"}},
		"application/vc":  {Schema: &huma.Schema{Type: huma.TypeObject, Description: "a signed credential"}},
		"application/pdf": {},
		"image/png":       {},
		"image/jpeg":      {},
		"text/plain":      {Schema: &huma.Schema{Type: huma.TypeString, Description: "text of a QR code"}},
	}
}

// statements is the schema of [verify.Statements].
func statements(r huma.Registry) *huma.Schema {
	one := r.Schema(reflect.TypeFor[verify.Statement](), true, "Statement")
	return &huma.Schema{OneOf: []*huma.Schema{one, {
		Type: huma.TypeObject, Required: []string{"statements"},
		Properties: map[string]*huma.Schema{"statements": {Type: huma.TypeArray, Items: one}},
	}}}
}
