package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/issuance"
)

type exportInput struct {
	OneInput
	Format string `query:"format" enum:"json,png,svg,code" doc:"json: the credential; png, svg: its QR code; code: the text of the QR code. By the header Accept when left out, json where that does not decide"`
	Accept string `header:"Accept"`
}

// exported is a certificate in a format made on request.
type exported struct {
	ContentType string `header:"Content-Type"`
	Vary        string `header:"Vary"`
	Body        []byte
}

// The content types of an export, by its form.
func exportTypes() map[string]string {
	return map[string]string{"json": "application/ld+json", "png": "image/png", "svg": "image/svg+xml", "code": "text/plain; charset=utf-8"}
}

// form is what is asked for: by name, else by the first content type that is
// one of ours.
func (in exportInput) form() string {
	if in.Format != "" {
		return in.Format
	}
	for accepted := range strings.SplitSeq(in.Accept, ",") {
		mediaType, _, _ := strings.Cut(accepted, ";")
		switch strings.ToLower(strings.TrimSpace(mediaType)) {
		case "image/png":
			return "png"
		case "image/svg+xml":
			return "svg"
		case "text/plain":
			return "code"
		case "application/json", "application/ld+json", "application/*", "*/*":
			return "json"
		}
	}
	return "json"
}

// exports adds the formats that a certificate is put into when somebody asks.
func (h *handler) exports(api huma.API) {
	op := h.operation("getDIVOC", http.MethodGet, "/certificates/{id}/credentials/divoc",
		"The certificate in DIVOC's own format, signed now, where the programme's profile asks for it", 404, 409, 422)
	content := map[string]*huma.MediaType{}
	for _, t := range exportTypes() {
		mediaType, _, _ := strings.Cut(t, ";")
		content[mediaType] = &huma.MediaType{}
	}
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: content}}
	huma.Register(api, op, func(ctx context.Context, in *exportInput) (*exported, error) {
		r, err := h.one(ctx, in.OneInput, "export")
		if err != nil {
			return nil, err
		}
		form := in.form()
		data, err := h.divoc(ctx, r, form)
		return &exported{ContentType: exportTypes()[form], Vary: "Accept", Body: data}, h.problem(err)
	})
}

// divoc returns a certificate in DIVOC's format in one of the forms of
// exportTypes.
func (h *handler) divoc(ctx context.Context, r *issuance.Record, form string) ([]byte, error) {
	credential, err := h.Service.ExportDIVOC(ctx, caller(ctx), r)
	if err != nil || form == "json" {
		return credential, err
	}
	code, err := issuance.DIVOCCode(credential)
	switch {
	case err != nil:
		return nil, err
	case form == "png":
		return h.Printer.CodePNG(code)
	case form == "svg":
		return h.Printer.CodeSVG(code)
	default:
		return []byte(code), nil
	}
}
