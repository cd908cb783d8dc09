package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/vaccination"
)

// exportOffer is one format that a certificate can, or cannot, be had in.
type exportOffer struct {
	Format   string   `json:"format" enum:"code,vc,vc-eddsa-rdfc-2022,vc-ecdsa-rdfc-2019,vc-ecdsa-jcs-2019,divoc,eu-dcc,eu-dcc-recovery,icvp,shc,vds-nc,fhir" doc:"for the path of the export"`
	Possible bool     `json:"possible" doc:"whether the certificate can be had in it"`
	Missing  []string `json:"missing" doc:"what the format requires and the certificate does not have, as paths in content"`
	Refused  string   `json:"refused,omitempty" enum:"not-offered,not-current,suspended,domestic,no-signer,other-kind,does-not-fit,over,not-positive,other-test,too-early,not-first" doc:"what else stands against it"`
	Pilot    bool     `json:"pilot" doc:"the issuer has not joined the network in which it is recognised: verifiers abroad will not recognise it"`
	Made     bool     `json:"made" doc:"it was made before, and the same is handed out again"`
	Code     bool     `json:"code" doc:"it has a QR code"`
}

type exportList struct {
	Body struct {
		Exports []exportOffer `json:"exports"`
	}
}

type formatInput struct {
	OneInput
	Format string `path:"format" enum:"code,vc,vc-eddsa-rdfc-2022,vc-ecdsa-rdfc-2019,vc-ecdsa-jcs-2019,divoc,eu-dcc,eu-dcc-recovery,icvp,shc,vds-nc,fhir" doc:"one of the formats of the list"`
}

// exportedFile is a certificate in another format.
type exportedFile struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Pilot       string `header:"Divoc-Pilot" doc:"true where verifiers abroad will not recognise it"`
	Body        []byte
}

// formats adds the formats that a certificate can be exported to.
func (h *handler) formats(api huma.API) {
	h.form(api)
	huma.Register(api, h.operation("getExports", http.MethodGet, "/certificates/{id}/exports", "The formats a certificate can be had in, and what each would lack", 404),
		func(ctx context.Context, in *OneInput) (*exportList, error) {
			id, err := h.named(*in)
			if err != nil {
				return nil, err
			}
			offers, err := h.Service.Exports(ctx, caller(ctx), id)
			if err != nil {
				return nil, h.problem(err)
			}
			out := &exportList{}
			out.Body.Exports = []exportOffer{}
			for _, o := range offers {
				out.Body.Exports = append(out.Body.Exports, exportOffer{
					Format: string(o.Format), Possible: o.Possible(), Missing: append([]string{}, o.Missing...),
					Refused: o.Refused, Pilot: o.Pilot, Made: o.Made, Code: o.Code,
				})
			}
			return out, nil
		})
	for _, form := range []struct {
		id, path, mediaType, summary string
		of                           func(*issuance.Exported) (exportedFile, error)
	}{
		{"getExport", "", "application/octet-stream", "A certificate in another format: made once, and the same from then on", func(e *issuance.Exported) (exportedFile, error) {
			return exportedFile{ContentType: e.MediaType, Disposition: `attachment; filename="` + e.FileName + `"`, Body: e.Body}, nil
		}},
		{"getExportImage", "/qr.png", "image/png", "The QR code of a certificate in another format, as an image", func(e *issuance.Exported) (exportedFile, error) {
			data, err := h.code(e, h.Printer.CodePNG)
			return exportedFile{ContentType: "image/png", Body: data}, err
		}},
		{"getExportDrawing", "/qr.svg", "image/svg+xml", "The QR code of a certificate in another format, as a drawing", func(e *issuance.Exported) (exportedFile, error) {
			data, err := h.code(e, h.Printer.CodeSVG)
			return exportedFile{ContentType: "image/svg+xml", Body: data}, err
		}},
	} {
		op := h.operation(form.id, http.MethodGet, "/certificates/{id}/exports/{format}"+form.path, form.summary, 404, 409, 422)
		op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{form.mediaType: {}}}}
		huma.Register(api, op, func(ctx context.Context, in *formatInput) (*exportedFile, error) {
			id, err := h.named(in.OneInput)
			if err != nil {
				return nil, err
			}
			e, err := h.Service.Export(ctx, caller(ctx), id, issuance.Format(in.Format))
			if err != nil {
				return nil, h.problem(err)
			}
			file, err := form.of(e)
			if e.Pilot {
				file.Pilot = "true"
			}
			return &file, h.problem(err)
		})
	}
}

type formInput struct {
	OneInput
	Size string `query:"size" enum:"a4,a5,card,card-fold" doc:"the paper; a4 when left out"`
}

// form adds the international form to print, of ICVP alone.
func (h *handler) form(api huma.API) {
	op := h.operation("getICVPForm", http.MethodGet, "/certificates/{id}/exports/icvp/pdf", "A certificate as International Certificate of Vaccination or Prophylaxis to print, in English and French", 404, 409, 422)
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/pdf": {}}}}
	huma.Register(api, op, func(ctx context.Context, in *formInput) (*exportedFile, error) {
		r, err := h.one(ctx, in.OneInput, "export")
		if err != nil {
			return nil, err
		}
		e, err := h.Service.ExportRecord(ctx, caller(ctx), r, issuance.FormatICVP)
		if err != nil {
			return nil, h.problem(err)
		}
		data, err := h.Printer.ICVP(r, e, render.Size(in.Size))
		file := exportedFile{ContentType: "application/pdf", Disposition: `attachment; filename="icvp.pdf"`, Body: data}
		if e.Pilot {
			file.Pilot = "true"
		}
		return &file, h.problem(err)
	})
}

// code draws the QR code of an export that has one.
func (h *handler) code(e *issuance.Exported, draw func(string) ([]byte, error)) ([]byte, error) {
	if e.Code == "" {
		return nil, vaccination.Errorf(vaccination.NotFound, "this format has no QR code")
	}
	return draw(e.Code)
}
