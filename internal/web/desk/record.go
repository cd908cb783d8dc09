package desk

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// opened is what the page of a record shows.
type opened struct {
	Name      string // of the draft
	Holder    issuance.Holder
	Doses     []dose
	Act       string // names the form to print with
	Languages []string
	Sizes     []render.Size
	Chosen    choice
	Cases     bool
	// Seen are the identity documents that somebody may have shown to have their
	// record opened again, key and name; none where that is offered to nobody.
	Seen     [][2]string
	Reopened bool
	// Spoken are the languages that the person can be written to in, tag and name,
	// none where there is but one; Speaks is what they chose.
	Spoken  [][2]string
	Speaks  string
	Changed bool
}

// choice is how to print.
type choice struct {
	Certificates []string
	Size         render.Size
	Languages    []string
}

// dose is one certificate of a record.
type dose struct {
	ID, Product, Programme string
	Text                   string // what was given, or what kind of test it was
	Number                 int
	Date                   vaccination.Date
	Centre, Lot            string
	Status                 vaccination.Status
	Prints                 int
	ICVP                   bool // it can be printed in the international form
}

func (h *handler) record(w http.ResponseWriter, r *http.Request, by access.Caller) {
	h.writeRecord(w, r, by, http.StatusOK, choice{Size: render.A4, Languages: h.Profile.Languages}, nil)
}

func (h *handler) writeRecord(w http.ResponseWriter, r *http.Request, by access.Caller, status int, c choice, faults []page.Fault) {
	l, name := h.Frame.Locale(r), r.PathValue("name")
	_, holder, err := h.Desk.Record(r.Context(), by, name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	act, err := h.Desk.NewName()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	o := opened{Name: name, Holder: holder, Act: act, Languages: h.Profile.Languages, Sizes: render.Sizes(), Chosen: c, Cases: h.Casework != nil}
	if h.Reopen != nil {
		for _, k := range h.Profile.Identities {
			o.Seen = append(o.Seen, [2]string{k.Key, h.Profile.IdentityName(k.Key, l.Tag)})
		}
		o.Reopened = r.URL.Query().Has("reopened")
	}
	if h.Speech != nil && len(h.Profile.Languages) > 1 && len(holder.Records) > 0 {
		if o.Speaks, err = h.Speech.LanguageAt(r.Context(), by, holder.Records[0].ID); err != nil {
			h.fail(w, r, err)
			return
		}
		for _, tag := range h.Profile.Languages {
			o.Spoken = append(o.Spoken, [2]string{tag, h.Frame.LanguageName(tag)})
		}
		o.Changed = r.URL.Query().Has("language")
	}
	var ids []vaccination.CertificateID
	for _, x := range holder.Records {
		ids = append(ids, x.ID)
		v := x.Certificate.Vaccination
		d := dose{ID: x.ID.String(), Product: v.Brand.Display, Programme: h.Profile.ProgrammeName(x.Programme, l.Tag), Number: x.Dose, Date: v.Date, Centre: v.Centre, Lot: v.Lot, Status: x.Status}
		if p, ok := h.Profile.Catalogue.Product(v.Product); ok {
			d.Product = p.Name(l.Tag)
		}
		d.Text = l.T("desk.dosetext", "product", d.Product, "dose", number(d.Number))
		if t := x.Certificate.Test; !t.IsZero() { // what it found stands on its page alone
			d.Text, d.Date, d.Centre, d.Lot = l.Term(t.Type), x.Certificate.Day(h.Profile.TimeZone), t.Centre, t.Lot
		}
		o.Doses = append(o.Doses, d)
	}
	international, err := h.Desk.ICVPs(r.Context(), holder.Records)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for i, can := range international {
		o.Doses[i].ICVP = can
	}
	prints, err := h.Desk.PrintsOf(r.Context(), ids)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, p := range prints {
		if i := slices.Index(ids, p.Certificate); i >= 0 {
			o.Doses[i].Prints = max(o.Doses[i].Prints, p.Copy)
		}
	}
	if len(o.Chosen.Certificates) == 0 && len(o.Doses) > 0 {
		o.Chosen.Certificates = []string{o.Doses[len(o.Doses)-1].ID} // the latest lists them all
	}
	h.write(w, r, status, "desk.record.title", faults, func(v page.View) templ.Component { return recordPage(v, o, faults) })
}

// preview shows a page as it would be printed, without its code.
func (h *handler) preview(w http.ResponseWriter, r *http.Request, by access.Caller) {
	id, size, ok := h.paper(w, r, by)
	if !ok {
		return
	}
	data, err := h.Desk.PreviewFile(r.Context(), by, r.PathValue("name"), id, size, r.URL.Query()["language"])
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writePDF(w, data, `inline; filename="preview.pdf"`)
}

// paper is what an address asks to see of an opened record: a certificate, told by its
// place in the record, and a size. Where there is none such, that is answered.
func (h *handler) paper(w http.ResponseWriter, r *http.Request, by access.Caller) (id vaccination.CertificateID, size render.Size, ok bool) {
	q := r.URL.Query()
	_, holder, err := h.Desk.Record(r.Context(), by, r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return id, "", false
	}
	n, err := strconv.Atoi(q.Get("n"))
	size = render.Size(q.Get("size"))
	if err != nil || n < 0 || n >= len(holder.Records) || !size.Valid() {
		h.Frame.Error(w, r, http.StatusNotFound)
		return id, "", false
	}
	return holder.Records[n].ID, size, true
}

func writePDF(w http.ResponseWriter, data []byte, disposition string) {
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", disposition)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(data) // the client went away
}

func (h *handler) print(w http.ResponseWriter, r *http.Request, by access.Caller) {
	l, f := h.Frame.Locale(r), r.PostForm
	c := choice{Certificates: f["certificate"], Size: render.Size(f.Get("size")), Languages: f["language"]}
	order := desk.Order{Act: f.Get("act"), Size: c.Size, Languages: c.Languages}
	for _, text := range c.Certificates {
		id, err := vaccination.ParseCertificateID(text)
		if err != nil {
			h.Frame.Error(w, r, http.StatusNotFound)
			return
		}
		order.Certificates = append(order.Certificates, id)
	}
	switch {
	case len(order.Certificates) == 0:
		h.writeRecord(w, r, by, http.StatusUnprocessableEntity, c, []page.Fault{{Field: "certificate", Message: l.T("desk.fault.certificate")}})
		return
	case len(c.Languages) == 0:
		h.writeRecord(w, r, by, http.StatusUnprocessableEntity, c, []page.Fault{{Field: "language", Message: l.T("desk.fault.language")}})
		return
	}
	if _, err := h.Desk.Print(r.Context(), by, r.PathValue("name"), order); err != nil {
		if vaccination.ErrorCode(err) == vaccination.Invalid {
			h.writeRecord(w, r, by, http.StatusUnprocessableEntity, c, []page.Fault{{Field: "size", Message: l.T("desk.fault.paper")}})
			return
		}
		h.fail(w, r, err)
		return
	}
	see(w, r, "/print/"+order.Act)
}

// reopen lets the person of an opened record open it as a citizen again.
func (h *handler) reopen(w http.ResponseWriter, r *http.Request, by access.Caller) {
	name := r.PathValue("name")
	if h.Reopen == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	o, _, err := h.Desk.Record(r.Context(), by, name)
	if err == nil {
		err = h.Reopen(r.Context(), by, o.ID, r.PostForm.Get("seen"))
	}
	if vaccination.ErrorCode(err) == vaccination.Invalid {
		h.writeRecord(w, r, by, http.StatusUnprocessableEntity, choice{Size: render.A4, Languages: h.Profile.Languages}, []page.Fault{{Field: "seen", Message: h.Frame.Locale(r).T("desk.fault.seen")}})
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "/record/"+name+"?reopened#done")
}

// close forgets an opened record, for the next person.
func (h *handler) close(w http.ResponseWriter, r *http.Request, by access.Caller) {
	if err := h.Desk.DropForm(r.Context(), by, r.PathValue("name")); err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "")
}

func (h *handler) printed(w http.ResponseWriter, r *http.Request, by access.Caller) {
	prints, err := h.Desk.Printed(r.Context(), by, r.PathValue("act"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.write(w, r, http.StatusOK, "desk.printed.title", nil, func(v page.View) templ.Component { return printedPage(v, r.PathValue("act"), prints) })
}

func (h *handler) file(w http.ResponseWriter, r *http.Request, by access.Caller) {
	data, err := h.Desk.File(r.Context(), by, r.PathValue("act"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	how := "inline"
	if r.URL.Query().Has("download") {
		how = "attachment"
	}
	writePDF(w, data, how+`; filename="certificate.pdf"`)
}

func (h *handler) prints(w http.ResponseWriter, r *http.Request, by access.Caller) {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil {
		before = 0
	}
	list, more, err := h.Desk.Queue(r.Context(), by, before)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	lines := make([]queued, len(list))
	for i, p := range list {
		act, err := h.Desk.NewName()
		if err != nil {
			h.fail(w, r, err)
			return
		}
		lines[i] = queued{p, act}
	}
	h.write(w, r, http.StatusOK, "desk.prints.title", nil, func(v page.View) templ.Component { return printsPage(v, lines, more, h.Profile.TimeZone) })
}

// queued is a print with the name of the form that prints it again.
type queued struct {
	desk.Queued
	Act string
}

func (h *handler) again(w http.ResponseWriter, r *http.Request, by access.Caller) {
	n, err := strconv.ParseInt(r.PathValue("serial"), 10, 64)
	if err != nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	act := r.PostForm.Get("act")
	if _, err := h.Desk.Again(r.Context(), by, n, act); err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "/print/"+act)
}

// language says in which language the person of an opened record is written to.
func (h *handler) language(w http.ResponseWriter, r *http.Request, by access.Caller) {
	name := r.PathValue("name")
	_, holder, err := h.Desk.Record(r.Context(), by, name)
	if err == nil && (h.Speech == nil || len(holder.Records) == 0) {
		err = vaccination.Errorf(vaccination.NotFound, "there is nobody to write to")
	}
	if err == nil {
		err = h.Speech.ChooseLanguage(r.Context(), by, holder.Records[0].ID, r.PostForm.Get("language"))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "/record/"+name+"?language#done")
}
