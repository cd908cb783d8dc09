package admin

import (
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// certificates adds the pages to find and change one certificate.
func (h *handler) certificates(mux door.Mux) {
	h.page(mux, "GET /certificates", access.Read, func(a *asked) (*body, error) { return h.searchPage(a, nil), nil })
	h.page(mux, "POST /certificates", access.Read, h.search)
	h.page(mux, "GET /certificates/{id}", access.Read, h.showCertificate)
	h.page(mux, "GET /certificates/{id}/{act}", access.Read, h.askChange)
	h.page(mux, "POST /certificates/{id}/{act}", access.Read, h.change)
}

// mostFound bounds what a search shows: who sees more has to ask better.
const mostFound = 25

// search finds certificates by what is posted. It is recorded, without what was
// looked for.
func (h *handler) search(a *asked) (*body, error) {
	w := issuance.Wanted{
		EnrolmentCode: strings.TrimSpace(a.PostForm.Get("code")), Mobile: strings.TrimSpace(a.PostForm.Get("mobile")), Name: strings.TrimSpace(a.PostForm.Get("name")),
	}
	var faults []page.Fault
	if text := strings.TrimSpace(a.PostForm.Get("certificate")); text != "" {
		id, err := vaccination.ParseCertificateID(text)
		if err == nil {
			return a.see("/certificates/" + id.String())
		}
		faults = append(faults, page.Fault{Field: "certificate", Message: a.v.T("admin.certificate.wrong")})
	}
	born := page.DateOf(a.PostForm, "born")
	if born != (page.DateParts{}) {
		d, err := vaccination.ParseDate(born.String())
		if err != nil {
			faults = append(faults, page.Fault{Field: "born", Message: a.v.T("admin.date.wrong")})
		}
		w.BirthDate = d
	}
	if len(faults) > 0 {
		return h.searchPage(a, faults), nil
	}
	found, more, err := h.Service.FindPeople(a.Context(), a.by, w, mostFound)
	if err != nil {
		if faults, err = h.faults(err); err != nil {
			return nil, err
		}
		return h.searchPage(a, faults), nil
	}
	by := map[bool]string{w.EnrolmentCode != "": "enrolment code", w.Mobile != "": "mobile number"}[true]
	if by == "" {
		by = "birth date and name"
	}
	entries := []registry.Entry{{Chain: registry.AdminChain, Act: "search", Object: "people", Detail: by}}
	for _, f := range found {
		entries = append(entries, registry.Entry{Chain: registry.GroupOf(int16(f.Certificate.Bucket())), Act: "read", Object: f.Certificate.String(), Detail: "search"})
	}
	if err := registry.Audit(a.Context(), h.Service.Store.Read(), h.Now().UTC(), a.by.Actor, entries...); err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.found"), Head: []string{a.v.T("admin.name"), a.v.T("admin.born"), a.v.T("admin.doses"), a.v.T("admin.certificate")}, Empty: a.v.T("admin.found.none")}
	for _, f := range found {
		t.Rows = append(t.Rows, []cell{text(f.Person.Name), text(a.v.Date(f.Person.BirthDate)), number(int64(f.Doses)), certificate(f.Certificate)})
	}
	b := h.searchPage(a, nil)
	b.Blocks = append([]block{{Table: t}}, b.Blocks...)
	if more {
		b.Blocks = append([]block{{Text: a.v.T("admin.found.more"), Inset: true}}, b.Blocks...)
	}
	return b, nil
}

func (h *handler) searchPage(a *asked, faults []page.Fault) *body {
	born := a.textField("born", "born", "")
	born.Kind, born.Date = "date", page.DateOf(a.PostForm, "born")
	value := func(id, key string) field { return a.textField(id, key, a.PostForm.Get(id)) }
	b := &body{Title: a.v.T("admin.certificates.title"), Lead: a.v.T("admin.certificates.lead"), Faults: faults, Blocks: []block{{Form: &formBlock{
		Action: Path + "/certificates", Submit: a.v.T("admin.search"), Fields: []field{value("certificate", "certificate"), value("code", "code"), value("mobile", "mobile"), born, value("name", "name")},
	}}}}
	if len(faults) > 0 {
		b.Status = 422
	}
	return b
}

// of is the certificate that a page is about.
func (a *asked) of() (vaccination.CertificateID, error) {
	id, err := vaccination.ParseCertificateID(a.PathValue("id"))
	if err != nil {
		return id, vaccination.Errorf(vaccination.NotFound, "there is no such certificate")
	}
	return id, nil
}

// showCertificate shows one certificate with everything that happened to it.
func (h *handler) showCertificate(a *asked) (*body, error) {
	id, err := a.of()
	if err != nil {
		return nil, err
	}
	versions, err := h.Service.Versions(a.Context(), a.by, id, "admin")
	if err != nil {
		return nil, err
	}
	var r *issuance.Record
	for _, v := range versions {
		if v.ID == id {
			r = v
		}
	}
	if r == nil {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such certificate")
	}
	b := &body{Title: r.Certificate.Name, Caption: id.String(), Back: &link{a.v.T("admin.menu.certificates"), Path + "/certificates"}, Done: a.done()}
	b.Blocks = append(b.Blocks, block{Lines: h.facts(a, r)}, block{Links: h.acts(a, r)}, block{Heading: a.v.T("admin.versions"), Table: h.versionsTable(a, versions)})
	parts, err := h.history(a, r)
	if err != nil {
		return nil, err
	}
	b.Blocks = append(b.Blocks, parts...)
	return b, nil
}

func (h *handler) facts(a *asked, r *issuance.Record) []line {
	d := r.Certificate.Vaccination
	product := d.Brand.Display
	if p, ok := h.Service.Profile.Catalogue.Product(d.Product); ok {
		product = p.Name(h.Frame.Locale(a.Request).Tag)
	}
	out := []line{
		{a.v.T("admin.status"), a.tag("status.", string(r.Status))},
		{a.v.T("admin.born"), text(a.v.Date(r.Certificate.BirthDate))},
		{a.v.T("admin.code"), text(r.Enrolment)},
		{a.v.T("admin.programme"), text(h.Service.Profile.ProgrammeName(r.Programme, h.Frame.Locale(a.Request).Tag))},
	}
	if t := r.Certificate.Test; !t.IsZero() {
		out = append(out, []line{
			{a.v.T("row.test"), text(h.Frame.Locale(a.Request).Term(t.Type))},
			{a.v.T("row.testName"), text(h.Frame.Locale(a.Request).Term(t.Brand))},
			{a.v.T("admin.lot"), text(t.Lot)},
			{a.v.T("row.sample"), text(a.when(t.Date))},
			{a.v.T("row.result"), text(h.Frame.Locale(a.Request).Term(t.Result))},
			{a.v.T("admin.facility"), text(t.Centre)},
		}...)
	} else {
		out = append(out, []line{
			{a.v.T("admin.dose"), number(int64(r.Dose))},
			{a.v.T("admin.product"), text(product)},
			{a.v.T("admin.lot"), text(d.Lot)},
			{a.v.T("admin.vaccinated"), text(a.v.Date(d.Date))},
			{a.v.T("admin.facility"), text(d.Centre)},
		}...)
	}
	out = append(out, []line{
		{a.v.T("admin.source"), text(r.Source)},
		{a.v.T("admin.issued"), text(a.when(r.IssuedAt))},
	}...)
	if r.Reason != "" {
		out = append(out, line{a.v.T("admin.reason"), text(r.Reason)})
	}
	if !r.SuspendedUntil.IsZero() {
		out = append(out, line{a.v.T("admin.until"), text(a.when(r.SuspendedUntil))})
	}
	for i, l := range out {
		if l.Cell.Text == "" {
			out[i].Cell.Text = a.v.T("admin.none")
		}
	}
	return out
}

// changes are what can be done to a certificate, each with its permission.
func changes() []struct {
	act string
	may access.Permission
} {
	return []struct {
		act string
		may access.Permission
	}{{"correct", access.Correct}, {"suspend", access.Revoke}, {"lift", access.Revoke}, {"revoke", access.Revoke}, {"reissue", access.Reissue}}
}

// allowed reports whether the state of a certificate has an act.
func allowed(s vaccination.Status, act string) bool {
	switch act {
	case "correct":
		return s == vaccination.StatusValid
	case "reissue":
		return s == vaccination.StatusRevoked
	default:
		_, err := s.After(vaccination.Act(act))
		return err == nil
	}
}

// acts are the ways on from a certificate.
func (h *handler) acts(a *asked, r *issuance.Record) []link {
	var out []link
	for _, c := range changes() {
		if a.by.Owns(c.may, r.Source) && allowed(r.Status, c.act) {
			out = append(out, link{a.v.T("admin.act." + c.act), Path + "/certificates/" + r.ID.String() + "/" + c.act})
		}
	}
	return out
}

func (h *handler) versionsTable(a *asked, versions []*issuance.Record) *table {
	t := &table{Caption: a.v.T("admin.versions"), Head: []string{a.v.T("admin.version"), a.v.T("admin.certificate"), a.v.T("admin.status"), a.v.T("admin.issued"), a.v.T("admin.reason")}}
	for _, v := range versions {
		t.Rows = append(t.Rows, []cell{number(int64(v.Version)), certificate(v.ID), a.tag("status.", string(v.Status)), text(a.when(v.IssuedAt)), text(v.Reason)})
	}
	return t
}

// timelineRows bounds what is shown of what happened to a certificate.
const timelineRows = 200

// timeline is what the audit has of a certificate: who issued, saw, changed,
// printed and sent it.
func (h *handler) timeline(a *asked, r *issuance.Record) (*table, error) {
	entries, err := h.Service.Timeline(a.Context(), a.by, r, timelineRows)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.timeline"), Head: []string{a.v.T("admin.when"), a.v.T("admin.what"), a.v.T("admin.who"), a.v.T("admin.detail")}, Empty: a.v.T("admin.timeline.empty")}
	for _, e := range entries {
		what := e.Act
		if key := "admin.did." + e.Act; a.v.Has(key) {
			what = a.v.T(key)
		}
		t.Rows = append(t.Rows, []cell{text(a.v.Time(e.At)), text(what), text(e.Actor), text(e.Detail)})
	}
	return t, nil
}
