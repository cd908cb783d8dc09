package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// issuedCertificate is one version as the API shows it.
type issuedCertificate struct {
	ID        string                  `json:"id"`
	HCID      string                  `json:"hcid"`
	Programme string                  `json:"programme"`
	Dose      int                     `json:"dose"`
	Version   int                     `json:"version"`
	Status    vaccination.Status      `json:"status" enum:"valid,suspended,superseded,revoked"`
	StatusAt  time.Time               `json:"statusAt"`
	Until     *time.Time              `json:"suspendedUntil,omitempty" doc:"when a suspension ends by itself; without it, when it is lifted"`
	Reason    string                  `json:"reason,omitempty"`
	IssuedAt  time.Time               `json:"issuedAt"`
	Replaces  string                  `json:"replaces,omitempty"`
	Source    string                  `json:"source"`
	Content   vaccination.Certificate `json:"content" doc:"the core data set as certified"`
}

func issuedOf(r *issuance.Record) issuedCertificate {
	return issuedCertificate{
		ID: r.ID.String(), HCID: r.Certificate.Info.HCID, Programme: r.Programme, Dose: r.Dose, Version: r.Version,
		Status: r.Status, StatusAt: r.StatusAt, Until: timeOrNone(r.SuspendedUntil), Reason: r.Reason, IssuedAt: r.IssuedAt, Replaces: idOrNone(r.Replaces), Source: r.Source, Content: r.Certificate,
	}
}

// OneInput is the input of every operation on one certificate. It is exported
// because huma reads nothing into a struct that is embedded unexported.
type OneInput struct {
	ID string `path:"id" doc:"id of the certificate, or its UVCI" example:"0G7Q2M5VX8K3TR9ZC4WYB1NA"`
}

type pageInput struct {
	OneInput
	Language []string `query:"lang,explode" doc:"languages of the page, of those of the profile, in their order; all when left out"`
}

type searchInput struct {
	Body struct {
		EnrolmentCode string `json:"enrolmentCode" minLength:"1" maxLength:"200"`
		Programme     string `json:"programme,omitempty"`
	}
}

type listOutput struct {
	Body struct {
		Certificates []issuedCertificate `json:"certificates"`
	}
}

// file is an answer that is not JSON of the API's own.
type file struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// one finds the certificate a path names, for a caller that may read it.
func (h *handler) one(ctx context.Context, in OneInput, purpose string) (*issuance.Record, error) {
	id, err := h.named(in)
	if err != nil {
		return nil, err
	}
	r, err := h.Service.ByID(ctx, caller(ctx), id, purpose)
	return r, h.problem(err)
}

// named reads the id in a path. One that is none names no certificate.
func (h *handler) named(in OneInput) (vaccination.CertificateID, error) {
	id, err := vaccination.ParseCertificateID(in.ID)
	if err != nil {
		err = h.problem(vaccination.Errorf(vaccination.NotFound, "%s", err.Error()))
	}
	return id, err
}

// certificates adds the operations on what was issued.
func (h *handler) certificates(api huma.API) {
	huma.Register(api, h.body(h.operation("findCertificates", http.MethodPost, "/certificates/search", "Find the certificates of an enrolment code", 404)),
		func(ctx context.Context, in *searchInput) (*listOutput, error) {
			records, err := h.Service.Search(ctx, caller(ctx), in.Body.Programme, in.Body.EnrolmentCode, "search")
			return list(records), h.problem(err)
		})
	huma.Register(api, h.operation("getCertificate", http.MethodGet, "/certificates/{id}", "Show a certificate and its state", 404),
		func(ctx context.Context, in *OneInput) (*struct{ Body issuedCertificate }, error) {
			r, err := h.one(ctx, *in, "show")
			if err != nil {
				return nil, err
			}
			return &struct{ Body issuedCertificate }{issuedOf(r)}, nil
		})
	huma.Register(api, h.operation("getVersions", http.MethodGet, "/certificates/{id}/versions", "List all versions of the record a certificate belongs to", 404),
		func(ctx context.Context, in *OneInput) (*listOutput, error) {
			id, err := h.named(*in)
			if err != nil {
				return nil, err
			}
			records, err := h.Service.Versions(ctx, caller(ctx), id, "versions")
			return list(records), h.problem(err)
		})
	h.files(api)
	h.changes(api)
}

func list(records []*issuance.Record) *listOutput {
	out := &listOutput{}
	out.Body.Certificates = []issuedCertificate{}
	for _, r := range records {
		out.Body.Certificates = append(out.Body.Certificates, issuedOf(r))
	}
	return out
}

// files adds the forms a certificate can be had in.
func (h *handler) files(api huma.API) {
	operation := func(id, path, contentType, summary string, errors ...int) huma.Operation {
		op := h.operation(id, http.MethodGet, "/certificates/{id}"+path, summary, append(errors, 404)...)
		mediaType, _, _ := strings.Cut(contentType, ";")
		op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{mediaType: {}}}}
		return op
	}
	huma.Register(api, operation("getPDF", "/pdf", "application/pdf", "The certificate as a page to print, with all current doses", 409),
		func(ctx context.Context, in *pageInput) (*file, error) {
			id, err := h.named(in.OneInput)
			if err != nil {
				return nil, err
			}
			doses, index, err := h.Service.Page(ctx, caller(ctx), id, "pdf")
			if err != nil {
				return nil, h.problem(err)
			}
			data, err := h.Printer.PDF(doses, index, in.Language)
			return &file{"application/pdf", `inline; filename="certificate.pdf"`, data}, h.problem(err)
		})
	forms := []struct {
		id, path, contentType, summary string
		make                           func(*issuance.Record) ([]byte, error)
	}{
		{"getQRImage", "/qr.png", "image/png", "The QR code as an image", h.Printer.PNG},
		{"getQRDrawing", "/qr.svg", "image/svg+xml", "The QR code as a drawing", h.Printer.SVG},
		{"getCode", "/code", "text/plain; charset=utf-8", "The text of the QR code", func(r *issuance.Record) ([]byte, error) { return []byte(r.Code), nil }},
		{"getCredential", "/credential", "application/vc", "The signed W3C verifiable credential", func(r *issuance.Record) ([]byte, error) { return r.Document, nil }},
	}
	for _, f := range forms {
		huma.Register(api, operation(f.id, f.path, f.contentType, f.summary), func(ctx context.Context, in *OneInput) (*file, error) {
			r, err := h.one(ctx, *in, f.id)
			if err != nil {
				return nil, err
			}
			data, err := f.make(r)
			return &file{ContentType: f.contentType, Body: data}, h.problem(err)
		})
	}
}
