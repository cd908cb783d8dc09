package admin

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// asking finds the certificate and the act of a page, and whether both are for who
// asks.
func (h *handler) changing(a *asked) (r *issuance.Record, act string, err error) {
	id, err := a.of()
	if err != nil {
		return nil, "", err
	}
	act = a.PathValue("act")
	for _, c := range changes() {
		if c.act != act {
			continue
		}
		if err := a.by.Can(c.may); err != nil {
			return nil, "", err
		}
		r, err = h.Service.ByID(a.Context(), a.by, id, "admin "+act)
		return r, act, err
	}
	return nil, "", vaccination.Errorf(vaccination.NotFound, "there is no such page")
}

// askChange shows the form of an act.
func (h *handler) askChange(a *asked) (*body, error) {
	r, act, err := h.changing(a)
	if err != nil {
		return nil, err
	}
	if act == "correct" {
		now, err := h.said(a, r)
		if err != nil {
			return nil, err
		}
		return h.correctPage(a, r, correctionOf(now), nil), nil
	}
	return h.changePage(a, r, act, nil), nil
}

func (h *handler) changePage(a *asked, r *issuance.Record, act string, faults []page.Fault) *body {
	b := h.aboutOne(a, r, act, faults)
	if !allowed(r.Status, act) {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.act.not", "status", a.v.T("status."+string(r.Status))), Inset: true})
		return b
	}
	fields := []field{a.textField("reason", "reason", a.PostForm.Get("reason"))}
	if act == "suspend" {
		f := a.textField("until", "until", "")
		f.Kind, f.Date = "date", page.DateOf(a.PostForm, "until")
		fields = append(fields, f)
	}
	b.Blocks = append(b.Blocks,
		block{Text: a.v.T("admin.act." + act + ".text"), Inset: act == "revoke"},
		block{Form: &formBlock{Action: a.URL.Path, Submit: a.v.T("admin.act." + act), Danger: act == "revoke", Fields: fields}})
	return b
}

// aboutOne is a page about one certificate that names whom and what.
func (h *handler) aboutOne(a *asked, r *issuance.Record, act string, faults []page.Fault) *body {
	b := &body{
		Title: a.v.T("admin.act." + act), Caption: r.ID.String(), Faults: faults, Back: &link{r.Certificate.Name, Path + "/certificates/" + r.ID.String()},
		Blocks: []block{{Lines: []line{{a.v.T("admin.name"), text(r.Certificate.Name)}, {a.v.T("admin.dose"), number(int64(r.Dose))}, {a.v.T("admin.status"), a.tag("status.", string(r.Status))}}}},
	}
	if len(faults) > 0 {
		b.Status = 422
	}
	return b
}

// change does what the form of an act says. Each act has a reason.
func (h *handler) change(a *asked) (*body, error) {
	r, act, err := h.changing(a)
	if err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(a.PostForm.Get("reason"))
	if reason == "" && act != "correct" {
		return h.changePage(a, r, act, []page.Fault{{Field: "reason", Message: a.v.T("admin.reason.missing")}}), nil
	}
	to := r.ID
	switch act {
	case "correct":
		return h.correct(a, r, reason)
	case "suspend":
		err = h.suspend(a, r.ID, reason)
	case "reissue":
		var result issuance.Result
		result, err = h.Service.ReissueByID(a.detached(), a.by, r.ID, reason)
		to = result.ID
	default:
		_, err = h.Service.Change(a.detached(), a.by, r.ID, vaccination.Act(act), reason)
	}
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.changePage(a, r, act, faults), nil
	}
	return a.see("/certificates/"+to.String(), "done", act)
}

// suspend suspends to the end of a day, or without an end.
func (h *handler) suspend(a *asked, id vaccination.CertificateID, reason string) error {
	until := page.DateOf(a.PostForm, "until")
	if until == (page.DateParts{}) {
		_, err := h.Service.Change(a.detached(), a.by, id, vaccination.ActSuspend, reason)
		return err
	}
	day, err := time.ParseInLocation(time.DateOnly, until.String(), h.Statistics.Zone)
	if err != nil {
		e := vaccination.Errorf(vaccination.Invalid, "")
		e.Faults = []vaccination.Fault{{Path: "until", Message: a.v.T("admin.date.wrong")}}
		return e
	}
	return h.Service.Suspend(a.detached(), a.by, id, day.AddDate(0, 0, 1), reason)
}

// said is what was said for the version of a record that stands.
func (h *handler) said(a *asked, r *issuance.Record) (vaccination.Event, error) {
	now, err := h.Service.Subject(a.Context(), a.by, access.Correct, r.ID, "admin correct")
	if err != nil {
		return vaccination.Event{}, err
	}
	return now.Event, nil
}

// correction is what a form says of a record, as it was typed.
type correction map[string]string

// corrected are the fields of the form, in its order.
func corrected() []struct{ id, key string } {
	return []struct{ id, key string }{
		{"name", "name"}, {"born", "born"}, {"sex", "sex"}, {"nationality", "nationality"}, {"identifier", "identity"},
		{"product", "product"}, {"lot", "lot"}, {"date", "vaccinated"}, {"dose", "dose"}, {"total", "total"}, {"centre", "facility"}, {"country", "country"},
	}
}

// ofDoses are the fields that a record of a test does not have: what a test found
// is its source's to correct.
func ofDoses() []string { return []string{"product", "lot", "date", "total", "centre", "country"} }

func correctionOf(e vaccination.Event) correction {
	v := e.Vaccination
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	product := v.Product
	if product == "" {
		product = v.Brand.Display
	}
	return correction{
		"name": e.Person.Name, "born": e.Person.BirthDate.String(), "sex": string(e.Person.Sex), "nationality": e.Person.Nationality, "identifier": e.Person.Identifier.Value,
		"product": product, "lot": v.Lot, "date": v.Date.String(), "dose": number(v.Number), "total": number(v.Total), "centre": v.Centre, "country": v.Country.Code,
	}
}

func correctionFrom(form map[string][]string) correction {
	c := correction{}
	for _, f := range corrected() {
		if v := form[f.id]; len(v) > 0 {
			c[f.id] = strings.TrimSpace(v[0])
		}
	}
	return c
}

// onto is an event with what the form changes; what the form leaves as it is
// stays as it was said.
func (c correction) onto(e vaccination.Event, v texts) (vaccination.Event, []page.Fault) {
	was := correctionOf(e)
	var faults []page.Fault
	set := func(id string, put func(string) error) {
		if now, ok := c[id]; ok && now != was[id] {
			if err := put(now); err != nil {
				faults = append(faults, page.Fault{Field: id, Message: v.T("admin.value.wrong")})
			}
		}
	}
	date := func(to *vaccination.Date) func(string) error {
		return func(s string) (err error) {
			if s == "" {
				*to = vaccination.Date{}
				return nil
			}
			*to, err = vaccination.ParseDate(s)
			return err
		}
	}
	str := func(to *string) func(string) error { return func(s string) error { *to = s; return nil } }
	whole := func(to *int) func(string) error {
		return func(s string) (err error) {
			if s == "" {
				*to = 0
				return nil
			}
			*to, err = strconv.Atoi(s)
			return err
		}
	}
	d := &e.Vaccination
	set("name", str(&e.Person.Name))
	set("born", date(&e.Person.BirthDate))
	set("sex", func(s string) error { e.Person.Sex = vaccination.Sex(s); return nil })
	set("nationality", str(&e.Person.Nationality))
	set("identifier", str(&e.Person.Identifier.Value))
	set("product", func(s string) error { // another product has another maker
		d.Product, d.Brand, d.Vaccine, d.Manufacturer, d.MAHolder = s, vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}
		return nil
	})
	set("lot", str(&d.Lot))
	set("date", date(&d.Date))
	set("dose", func(s string) error {
		if s != was["dose"] { // another dose is another record
			return errors.New("the number of a dose is not corrected")
		}
		return nil
	})
	set("total", whole(&d.Total))
	set("centre", str(&d.Centre))
	set("country", str(&d.Country.Code))
	return e, faults
}

// correctPage is the form of a correction.
func (h *handler) correctPage(a *asked, r *issuance.Record, c correction, faults []page.Fault) *body {
	b := h.aboutOne(a, r, "correct", faults)
	if !allowed(r.Status, "correct") {
		b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.act.not", "status", a.v.T("status."+string(r.Status))), Inset: true})
		return b
	}
	f := &formBlock{Action: a.URL.Path, Submit: a.v.T("admin.preview"), Hidden: [][2]string{{"step", "preview"}}}
	for _, x := range corrected() {
		if x.id == "dose" || r.Certificate.IsTest() && slices.Contains(ofDoses(), x.id) {
			continue
		}
		in := a.textField(x.id, x.key, c[x.id])
		if x.id == "born" || x.id == "date" {
			in.Hint = a.v.T("admin.date.hint")
		}
		if x.id == "product" {
			in.Kind, in.Options = "select", h.products(a, r.Programme, c["product"])
		}
		if x.id == "sex" {
			in.Kind = "select"
			in.Options = []option{{Text: a.v.T("admin.none")}}
			for _, s := range []string{"female", "male", "other"} {
				in.Options = append(in.Options, option{Value: s, Text: a.v.T("sex." + s)})
			}
		}
		f.Fields = append(f.Fields, in)
	}
	b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.act.correct.text")}, block{Form: f})
	return b
}

// products are what the programme of a record may be corrected to, and what it
// says now.
func (h *handler) products(a *asked, programme, now string) []option {
	out := []option{{Value: now, Text: now}}
	p := h.Service.Profile
	lang := h.Frame.Locale(a.Request).Tag
	for _, product := range p.Catalogue.Products("") {
		if pr, ok := p.Programmes[programme]; !ok || !pr.Accepts(product) {
			continue
		}
		if product.Key == now {
			out[0].Text = product.Name(lang)
			continue
		}
		out = append(out, option{Value: product.Key, Text: product.Name(lang)})
	}
	return out
}

// correct shows what a correction would do, and does it when that was seen.
func (h *handler) correct(a *asked, r *issuance.Record, reason string) (*body, error) {
	c := correctionFrom(a.PostForm)
	before, err := h.said(a, r)
	if err != nil {
		return nil, err
	}
	after, faults := c.onto(before, a.v)
	if len(faults) > 0 {
		return h.correctPage(a, r, c, faults), nil
	}
	if a.PostForm.Get("step") == "preview" || a.PostForm.Get("version") != r.ID.String() {
		return h.previewPage(a, r, c, before, after, nil), nil
	}
	if reason == "" {
		return h.previewPage(a, r, c, before, after, []page.Fault{{Field: "reason", Message: a.v.T("admin.reason.missing")}}), nil
	}
	result, err := h.Service.CorrectByHand(a.detached(), a.by, r.ID, after, reason)
	if err != nil {
		faults, err := h.faults(err)
		if err != nil {
			return nil, err
		}
		return h.previewPage(a, r, c, before, after, faults), nil
	}
	return a.see("/certificates/"+result.ID.String(), "done", "correct")
}

// previewPage says field by field what changes. What is wrong with it is told
// before anybody can send it.
func (h *handler) previewPage(a *asked, r *issuance.Record, c correction, before, after vaccination.Event, faults []page.Fault) *body {
	was, now := correctionOf(before), correctionOf(after)
	t := &table{Caption: a.v.T("admin.differs"), Head: []string{a.v.T("admin.field"), a.v.T("admin.before"), a.v.T("admin.after")}, Empty: a.v.T("admin.differs.none")}
	for _, f := range corrected() {
		if was[f.id] != now[f.id] {
			t.Rows = append(t.Rows, []cell{text(a.v.T("admin." + f.key)), text(was[f.id]), text(now[f.id])})
		}
	}
	if faults == nil && len(t.Rows) > 0 {
		if err := h.Service.Faults(a.Context(), a.by, after, nil); err != nil {
			faults, _ = h.faults(err)
		}
	}
	b := h.aboutOne(a, r, "correct", faults)
	b.Blocks = append(b.Blocks, block{Table: t})
	if len(t.Rows) == 0 || len(faults) > 0 && a.PostForm.Get("step") == "preview" {
		return b
	}
	f := &formBlock{Action: a.URL.Path, Submit: a.v.T("admin.correct.now"), Hidden: [][2]string{{"version", r.ID.String()}}, Fields: []field{a.textField("reason", "reason", a.PostForm.Get("reason"))}}
	for _, x := range corrected() {
		if v, ok := c[x.id]; ok {
			f.Hidden = append(f.Hidden, [2]string{x.id, v})
		}
	}
	b.Blocks = append(b.Blocks, block{Text: a.v.T("admin.correct.text")}, block{Form: f})
	return b
}
