package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

type askInput struct {
	Body struct {
		Kind     string `json:"kind" doc:"of the number: a kind of identity document of the country, or system-id for the number of the record in the source" example:"national-id"`
		Number   string `json:"number" minLength:"1" maxLength:"60" doc:"as the person types it" example:"871120015V"`
		Language string `json:"language,omitempty" maxLength:"35" doc:"of the message with the code" example:"si"`
	}
}

// A challenge is a secret for some minutes: it stands in bodies, never in an
// address, which logs keep.
type proveInput struct {
	Body struct {
		Challenge string `json:"challenge" minLength:"1" maxLength:"100" doc:"as the first answer gave it"`
		Code      string `json:"code" minLength:"1" maxLength:"20" doc:"six digits, as they were sent" example:"123456"`
		Factor    string `json:"factor,omitempty" maxLength:"60" doc:"what the first answer asked for beside the code: a date (YYYY-MM-DD) or a batch number" example:"2021-06-16"`
	}
}

type givenPageInput struct {
	Body struct {
		Challenge   string   `json:"challenge" minLength:"1" maxLength:"100" doc:"as the first answer gave it"`
		Certificate string   `json:"certificate" minLength:"1" maxLength:"100" doc:"the id of one of the certificates"`
		Languages   []string `json:"languages,omitempty" maxItems:"20" doc:"of the page, of those of the profile, in this order; all when left out"`
	}
}

type provenOutput struct {
	Body struct {
		Certificates []issuedCertificate `json:"certificates"`
		// Waiting doses are held for a person.
		Waiting   int       `json:"waiting,omitempty" doc:"doses that a person must look at first"`
		Reference string    `json:"reference,omitempty" doc:"of what a person looks at; say it when you ask about it"`
		CopyOf    time.Time `json:"copyOf,omitzero" doc:"the source could not be reached: these were known at this time"`
	}
}

// onDemand adds what a person may ask who is nobody to us yet. A challenge is
// what they may do: it names one record, for some minutes.
func (h *handler) onDemand(api huma.API) {
	public := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: prefix + "/on-demand" + path, Summary: summary, Description: description,
			MaxBodyBytes: -1, Middlewares: huma.Middlewares{uncached, h.limited},
			Errors: append(errors, http.StatusTooManyRequests, http.StatusServiceUnavailable),
		}
	}
	huma.Register(api, h.body(public("askOnDemand", http.MethodPost, "", "Ask for the certificates of a person, by a number",
		"The record is looked for in the sources. A code goes to the telephone number that the source holds, and to no other. Each outcome says what to do next.")),
		func(ctx context.Context, in *askInput) (*struct{ Body ondemand.Answer }, error) {
			a, err := h.OnDemand.Start(ctx, ondemand.Ask{Kind: in.Body.Kind, Number: in.Body.Number, Language: in.Body.Language})
			return &struct{ Body ondemand.Answer }{a}, h.problem(err)
		})
	huma.Register(api, h.body(public("proveOnDemand", http.MethodPost, "/proofs", "Give the code back and get the certificates",
		"A code counts for five minutes, five tries and one use.", http.StatusForbidden, http.StatusNotFound)),
		func(ctx context.Context, in *proveInput) (*provenOutput, error) {
			given, err := h.OnDemand.Prove(ctx, in.Body.Challenge, in.Body.Code, in.Body.Factor)
			if err != nil {
				return nil, h.problem(err)
			}
			records, err := h.OnDemand.Records(ctx, in.Body.Challenge, "on-demand")
			if err != nil {
				return nil, h.problem(err)
			}
			out := &provenOutput{}
			out.Body.Certificates = list(records).Body.Certificates
			out.Body.Waiting, out.Body.CopyOf = given.Waiting, given.CopyOf
			if given.Waiting > 0 {
				out.Body.Reference = given.Reference
			}
			return out, nil
		})
	page := public("getOnDemandPDF", http.MethodPost, "/pages", "Get the page of a certificate as PDF",
		"For a quarter of an hour after the code was given.", http.StatusNotFound)
	page.Middlewares = huma.Middlewares{uncached} // a challenge was proven
	page.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/pdf": {}}}}
	huma.Register(api, h.body(page), func(ctx context.Context, in *givenPageInput) (*file, error) {
		id, err := vaccination.ParseCertificateID(in.Body.Certificate)
		if err != nil {
			return nil, h.problem(vaccination.Errorf(vaccination.NotFound, "%s", err.Error()))
		}
		doses, index, err := h.OnDemand.Page(ctx, in.Body.Challenge, id, "pdf")
		if err != nil {
			return nil, h.problem(err)
		}
		data, err := h.Printer.PDF(doses, index, in.Body.Languages)
		return &file{ContentType: "application/pdf", Body: data, Disposition: `attachment; filename="certificate.pdf"`}, h.problem(err)
	})
}

// limited lets each network ask so often and no more.
func (h *handler) limited(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if err := h.Limit.Take(r); err != nil {
		door.WriteProblem(w, h.Log, err)
		return
	}
	next(ctx)
}
