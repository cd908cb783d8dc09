package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/home"
	"github.com/opendivoc/divoc/vaccination"
)

// demo is what a demonstration shows: synthetic people, open to everybody.
type demo struct{ Options }

// DemoCaller delivers the people of a demonstration.
func DemoCaller() access.Caller { return access.System("demo") }

const demoList = 40

// Samples returns the newest certificates.
func (d *demo) Samples(ctx context.Context, lang string) ([]home.Sample, error) {
	records, err := d.Service.Latest(ctx, DemoCaller(), demoList)
	if err != nil {
		return nil, err
	}
	out := make([]home.Sample, len(records))
	for i, r := range records {
		v := r.Certificate.Vaccination
		url := "/demo/certificates/" + r.ID.String()
		out[i] = home.Sample{
			ID: r.ID.String(), Name: r.Certificate.Name, Product: v.Brand.Display, Dose: v.Number, Total: v.Total,
			Date: v.Date, Status: r.Status, PDF: url + "/pdf", Print: url + "/print", Code: url + "/qr.png",
		}
		if v.Number > v.Total {
			out[i].Total = 0 // a dose beyond the schedule
		}
		if product, ok := d.Service.Profile.Catalogue.Product(v.Product); ok {
			out[i].Product = product.Name(lang)
		}
	}
	return out, nil
}

// Programmes returns what the form offers.
func (d *demo) Programmes(lang string) []home.Programme {
	p := d.Service.Profile
	var out []home.Programme
	for _, key := range p.ProgrammeKeys() {
		pr := home.Programme{Key: key, Name: p.ProgrammeName(key, lang)}
		for _, product := range p.Catalogue.Products(p.Programmes[key].Disease) {
			if p.Programmes[key].Accepts(product) {
				pr.Products = append(pr.Products, home.Choice{Key: product.Key, Name: product.Name(lang)})
			}
		}
		out = append(out, pr)
	}
	return out
}

// Code returns a new enrolment code.
func (d *demo) Code() string { return "DEMO-" + rand.Text()[:10] }

// Check returns every fault that Issue would find.
func (d *demo) Check(ctx context.Context, e vaccination.Event) error {
	return d.Service.Faults(ctx, DemoCaller(), e, nil)
}

// Issue certifies the event.
func (d *demo) Issue(ctx context.Context, e vaccination.Event) (string, error) {
	results, err := d.Service.Issue(ctx, DemoCaller(), issuance.Certify, []vaccination.Event{e})
	if err != nil {
		return "", err
	}
	return results[0].ID.String(), nil
}

// demo adds the pages of the synthetic people.
func (s *server) demo(mux door.Mux) {
	page := func(purpose string, write func(http.ResponseWriter, *http.Request, []*issuance.Record, int) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id, err := vaccination.ParseCertificateID(r.PathValue("id"))
			if err != nil {
				err = vaccination.Errorf(vaccination.NotFound, "%s", err.Error())
			}
			var doses []*issuance.Record
			var index int
			if err == nil {
				doses, index, err = s.Service.Page(r.Context(), DemoCaller(), id, purpose)
			}
			if err == nil {
				w.Header().Set("Cache-Control", "no-store")
				err = write(w, r, doses, index)
			}
			if err != nil {
				door.WriteProblem(w, s.Log, err)
			}
		}
	}
	mux.HandleFunc("GET /demo/certificates/{id}/pdf", page("pdf", func(w http.ResponseWriter, r *http.Request, doses []*issuance.Record, index int) error {
		data, err := s.Printer.PDF(doses, index, r.URL.Query()["lang"])
		if err == nil {
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write(data) // the client went away
		}
		return err
	}))
	mux.HandleFunc("GET /demo/certificates/{id}/print", page("print", func(w http.ResponseWriter, r *http.Request, doses []*issuance.Record, index int) error {
		var b strings.Builder
		err := s.Printer.HTML(&b, doses, index, r.URL.Query()["lang"], render.HTMLOptions{Stylesheet: printStyle})
		if err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
			_, _ = w.Write([]byte(b.String())) // the client went away
		}
		return err
	}))
	mux.HandleFunc("GET /demo/certificates/{id}/qr.png", page("qr", func(w http.ResponseWriter, _ *http.Request, doses []*issuance.Record, index int) error {
		data, err := s.Printer.PNG(doses[index])
		if err == nil {
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(data) // the client went away
		}
		return err
	}))
}

// printStyle answers with the style of pages to print, in the colour of a layout.
func (s *server) printStyle(w http.ResponseWriter, r *http.Request) {
	style, err := render.PrintCSS(r.URL.Query().Get("accent"))
	if err != nil {
		door.WriteProblem(w, s.Log, err)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(style) // the client went away
}
