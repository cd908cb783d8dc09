package admin

import (
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// programmes adds the pages of what the profile declares.
func (h *handler) programmes(mux door.Mux) {
	h.page(mux, "GET /programmes", access.ManageProgrammes, h.listProgrammes)
}

func (h *handler) lang(a *asked) string { return h.Frame.Locale(a.Request).Tag }

func (h *handler) listProgrammes(a *asked) (*body, error) {
	p, lang := h.Service.Profile, h.lang(a)
	t := &table{Caption: a.v.T("admin.menu.programmes"), CSV: a.fileURL("of", "programmes"),
		Head: []string{a.v.T("admin.programme"), a.v.T("admin.place.code"), a.v.T("admin.doses"), a.v.T("admin.formats"), a.v.T("admin.incomplete"), a.v.T("admin.years"), a.v.T("admin.layout")}}
	products := &table{Caption: a.v.T("admin.products"), CSV: a.fileURL("of", "products"),
		Head: []string{a.v.T("admin.product"), a.v.T("admin.place.code"), a.v.T("admin.programme"), a.v.T("admin.maker"), "ICD-11", "CVX", "EU"}}
	for _, key := range p.ProgrammeKeys() {
		pr := p.Programmes[key]
		doses := a.v.T("admin.doses.open")
		if pr.Doses > 0 {
			doses = strconv.Itoa(pr.Doses)
		}
		t.Rows = append(t.Rows, []cell{text(p.ProgrammeName(key, lang)), text(key), text(doses), text(strings.Join(pr.Payloads, ", ")), text(a.v.T("admin.incomplete." + pr.Incomplete)), text(strconv.Itoa(pr.ValidYears)), to(pr.Layout, Path+"/layouts/"+pathOf(pr.Layout))})
		for _, x := range p.Catalogue.Products(pr.Disease) {
			if pr.Accepts(x) {
				maker := x.Manufacturer.Display
				if maker == "" {
					maker = x.MAHolder.Display
				}
				products.Rows = append(products.Rows, []cell{text(x.Name(lang)), text(x.Key), text(p.ProgrammeName(key, lang)), text(maker), text(x.ICD11), text(strings.Join(x.CVX, " ")), text(x.EUMP)})
			}
		}
	}
	if a.wantsFile() {
		if a.URL.Query().Get("of") == "products" {
			return a.file("products", products)
		}
		return a.file("programmes", t)
	}
	return &body{Title: a.v.T("admin.menu.programmes"), Lead: a.v.T("admin.programmes.lead"), Blocks: []block{{Table: t}, {Heading: a.v.T("admin.products"), Table: products}}}, nil
}

// sample is an invented person's certificate as it is shown.
func (h *handler) sample(pr *profile.Programme, e vaccination.Event) *issuance.Record {
	d := e.Vaccination
	if product, ok := h.Service.Profile.Catalogue.Find(d.Product, ""); ok {
		product.Fill(&d)
	}
	pr.Complete(&d)
	var id vaccination.CertificateID
	now := h.Now().UTC()
	return &issuance.Record{
		ID: id, Programme: pr.Key, Dose: d.Number, Version: 1, Status: vaccination.StatusValid, IssuedAt: now, Code: "SPECIMEN",
		Certificate: vaccination.Certificate{
			Person: e.Person, Vaccination: d, Programme: pr.Key, Specimen: true,
			Info: vaccination.CertificateInfo{Issuer: h.Service.Issuer(), HCID: id.UVCI(h.Service.Profile.Country.Alpha2), Version: vaccination.SchemaVersion, Period: vaccination.Period{Start: now, End: now.AddDate(pr.ValidYears, 0, 0)}},
		},
	}
}
