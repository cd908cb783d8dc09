package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/vaccination"
)

// maxScan bounds what can be sent to be verified: a photograph of paper.
const maxScan = 16 << 20

type verifyInput struct {
	Language    string `query:"lang" doc:"language of the sentences" example:"en"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"application/json"`
}

type verifyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         json.RawMessage
}

// verification adds the one operation that anybody may call.
func (h *handler) verification(api huma.API) {
	op := operation("verify", http.MethodPost, "/verify", "Say what a certificate is worth")
	op.Security, op.MaxBodyBytes, op.SkipValidateBody = nil, maxScan, true
	op.Description = `Send {"data": "text of a code"} as JSON, or a file (image, PDF, credential) as it is. The answer is one statement, or {"statements": […]} for a file with several codes.`
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
		statements, err := h.Verify(ctx, data, in.Language)
		if err != nil {
			return nil, h.problem(err)
		}
		body, err := json.Marshal(statements)
		return &verifyOutput{CacheControl: "no-store", Body: body}, h.problem(err)
	})
}
