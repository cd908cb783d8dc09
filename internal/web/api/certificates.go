package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// certificate is one version as the API shows it.
type certificate struct {
	ID        string    `json:"id"`
	HCID      string    `json:"hcid"`
	Programme string    `json:"programme"`
	Dose      int       `json:"dose"`
	Version   int       `json:"version"`
	Status    string    `json:"status" enum:"valid,suspended,superseded,revoked"`
	StatusAt  time.Time `json:"statusAt"`
	Reason    string    `json:"reason,omitempty"`
	IssuedAt  time.Time `json:"issuedAt"`
	Replaces  string    `json:"replaces,omitempty"`
	Source    string    `json:"source"`
	Content   any       `json:"content" doc:"the core data set as certified"`
}

func certificateOf(r *issuance.Record) certificate {
	c := certificate{
		ID: r.ID.String(), HCID: r.Certificate.Info.HCID, Programme: r.Programme, Dose: r.Dose, Version: r.Version,
		Status: string(r.Status), StatusAt: r.StatusAt, Reason: r.Reason, IssuedAt: r.IssuedAt, Source: r.Source, Content: r.Certificate,
	}
	if !r.Replaces.IsZero() {
		c.Replaces = r.Replaces.String()
	}
	return c
}

// OneInput is the input of every operation on one certificate.
type OneInput struct {
	Authorised
	ID string `path:"id" doc:"id of the certificate, or its UVCI"`
}

type pageInput struct {
	OneInput
	Language []string `query:"lang" doc:"languages of the page, of those of the profile; all when left out"`
}

type searchInput struct {
	Authorised
	Body struct {
		EnrolmentCode string `json:"enrolmentCode" minLength:"1" maxLength:"200"`
		Programme     string `json:"programme,omitempty"`
	}
}

type listOutput struct {
	Body struct {
		Certificates []certificate `json:"certificates"`
	}
}

type changeInput struct {
	OneInput
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"kept with the certificate; say nothing of the person"`
	}
}

type statusOutput struct {
	Body struct {
		Status string `json:"status"`
	}
}

// file is an answer that is not JSON of the API's own.
type file struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func fileOf(contentType string, body []byte) *file {
	return &file{ContentType: contentType, CacheControl: "no-store", Body: body}
}

// one finds the certificate a path names, for a caller that may read it.
func (h *handler) one(ctx context.Context, in OneInput, purpose string) (*issuance.Record, error) {
	by, id, err := h.named(ctx, in)
	if err != nil {
		return nil, err
	}
	r, err := h.Service.ByID(ctx, by, id, purpose)
	return r, h.problem(err)
}

func (h *handler) named(ctx context.Context, in OneInput) (access.Caller, vaccination.CertificateID, error) {
	by, err := h.caller(ctx, in.Authorised)
	if err != nil {
		return by, vaccination.CertificateID{}, err
	}
	id, err := vaccination.ParseCertificateID(in.ID)
	if err != nil {
		err = h.problem(vaccination.Errorf(vaccination.NotFound, "%s", err.Error()))
	}
	return by, id, err
}

// certificates adds the operations on what was issued.
func (h *handler) certificates(api huma.API) {
	huma.Register(api, operation("findCertificates", http.MethodPost, "/certificates/search", "Find the certificates of an enrolment code"),
		func(ctx context.Context, in *searchInput) (*listOutput, error) {
			by, err := h.caller(ctx, in.Authorised)
			if err != nil {
				return nil, err
			}
			records, err := h.Service.ByCode(ctx, by, in.Body.Programme, in.Body.EnrolmentCode, "search")
			return list(records), h.problem(err)
		})
	huma.Register(api, operation("getCertificate", http.MethodGet, "/certificates/{id}", "Show a certificate and its state"),
		func(ctx context.Context, in *OneInput) (*struct{ Body certificate }, error) {
			r, err := h.one(ctx, *in, "show")
			if err != nil {
				return nil, err
			}
			return &struct{ Body certificate }{certificateOf(r)}, nil
		})
	huma.Register(api, operation("getVersions", http.MethodGet, "/certificates/{id}/versions", "List all versions of the record a certificate belongs to"),
		func(ctx context.Context, in *OneInput) (*listOutput, error) {
			by, id, err := h.named(ctx, *in)
			if err != nil {
				return nil, err
			}
			records, err := h.Service.Versions(ctx, by, id, "versions")
			return list(records), h.problem(err)
		})
	h.files(api)
	h.changes(api)
}

func list(records []*issuance.Record) *listOutput {
	out := &listOutput{}
	out.Body.Certificates = []certificate{}
	for _, r := range records {
		out.Body.Certificates = append(out.Body.Certificates, certificateOf(r))
	}
	return out
}

// files adds the forms a certificate can be had in.
func (h *handler) files(api huma.API) {
	huma.Register(api, operation("getPDF", http.MethodGet, "/certificates/{id}/pdf", "The certificate as a page to print, with all current doses"),
		func(ctx context.Context, in *pageInput) (*file, error) {
			by, id, err := h.named(ctx, in.OneInput)
			if err != nil {
				return nil, err
			}
			doses, index, err := h.Service.Page(ctx, by, id, "pdf")
			if err != nil {
				return nil, h.problem(err)
			}
			data, err := h.Printer.PDF(doses, index, in.Language)
			return fileOf("application/pdf", data), h.problem(err)
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
		huma.Register(api, operation(f.id, http.MethodGet, "/certificates/{id}"+f.path, f.summary),
			func(ctx context.Context, in *OneInput) (*file, error) {
				r, err := h.one(ctx, *in, f.id)
				if err != nil {
					return nil, err
				}
				data, err := f.make(r)
				return fileOf(f.contentType, data), h.problem(err)
			})
	}
}

// changes adds the operations that change a certificate's state.
func (h *handler) changes(api huma.API) {
	huma.Register(api, operation("revoke", http.MethodPost, "/certificates/{id}/revocation", "Revoke a certificate, for ever"),
		func(ctx context.Context, in *changeInput) (*statusOutput, error) {
			by, id, err := h.named(ctx, in.OneInput)
			if err != nil {
				return nil, err
			}
			status, err := h.Service.Change(ctx, by, id, vaccination.ActRevoke, in.Body.Reason)
			if err != nil {
				return nil, h.problem(err)
			}
			out := &statusOutput{}
			out.Body.Status = string(status)
			return out, nil
		})
	huma.Register(api, operation("reissue", http.MethodPost, "/certificates/{id}/reissue", "Issue a revoked certificate again, with the same content"),
		func(ctx context.Context, in *OneInput) (*struct{ Body result }, error) {
			by, id, err := h.named(ctx, *in)
			if err != nil {
				return nil, err
			}
			r, err := h.Service.ReissueByID(ctx, by, id)
			if err != nil {
				return nil, h.problem(err)
			}
			return &struct{ Body result }{resultOf(r)}, nil
		})
}
