package desk

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// typed is what was typed into a form, by field.
type typed map[string]string

// typedOf are the values of a form's fields, bounded.
func typedOf(f url.Values, fields []string) typed {
	out := typed{}
	for _, name := range fields {
		if v := strings.TrimSpace(f.Get(name)); v != "" && len(v) <= 1000 {
			out[name] = v
		}
	}
	return out
}

func (t typed) date(id string) dateInput {
	return dateInput{t[id+"-day"], t[id+"-month"], t[id+"-year"]}
}

// doseFields are the fields of the form of a dose.
func doseFields() []string {
	return []string{"name", "birthDate-day", "birthDate-month", "birthDate-year", "sex", "idKind", "idNumber", "phone", "product", "dose", "date-day", "date-month", "date-year", "lot", "practitioner", "enrolmentCode"}
}

// doseField names the form's field for the path of a fault.
func doseField(path string) (id, label string) {
	for prefix, field := range map[string]string{
		"person.name": "name", "person.birthDate": "birthDate", "person.sex": "sex", "person.identifier": "idNumber", "contacts": "phone",
		"vaccination.product": "product", "vaccination.vaccine": "product", "vaccination.brand": "product", "programme": "product",
		"vaccination.dose": "dose", "vaccination.date": "date", "vaccination.lot": "lot", "vaccination.practitioner": "practitioner", "enrolmentCode": "enrolmentCode",
	} {
		if path == prefix || strings.HasPrefix(path, prefix+".") || strings.HasPrefix(path, prefix+"[") {
			return field, "desk.dose." + field
		}
	}
	return "", ""
}

// programme is one programme in the form.
type programme struct {
	Key, Name string
	Products  [][2]string
}

func (h *handler) programmes(l *locale.Locale) (out []programme) {
	for _, key := range h.Profile.ProgrammeKeys() {
		pr := programme{Key: key, Name: h.Profile.ProgrammeName(key, l.Tag)}
		for _, p := range h.Profile.Catalogue.Products(h.Profile.Programmes[key].Disease) {
			if h.Profile.Programmes[key].Accepts(p) {
				pr.Products = append(pr.Products, [2]string{key + "/" + p.Key, p.Name(l.Tag)})
			}
		}
		out = append(out, pr)
	}
	return out
}

// identities are the kinds of documents, with their names.
func (h *handler) identities(l *locale.Locale) (out [][2]string) {
	for _, k := range h.Profile.Identities {
		out = append(out, [2]string{k.Key, h.Profile.IdentityName(k.Key, l.Tag)})
	}
	return out
}

// newDose begins a form; its name is in the address, so that a reload finds it.
func (h *handler) newDose(w http.ResponseWriter, r *http.Request, by access.Caller) {
	name, err := h.Desk.NewName()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "/dose/"+name)
}

func (h *handler) askDose(w http.ResponseWriter, r *http.Request, by access.Caller) {
	form, err := h.Desk.Form(r.Context(), by, r.PathValue("name"))
	if err != nil && vaccination.ErrorCode(err) != vaccination.NotFound {
		h.fail(w, r, err)
		return
	}
	if form == nil {
		form = typed{"dose": "1"}
	}
	h.writeDose(w, r, http.StatusOK, form, nil, nil)
}

func (h *handler) writeDose(w http.ResponseWriter, r *http.Request, status int, form typed, like []desk.Like, faults []page.Fault) {
	l := h.Frame.Locale(r)
	h.write(w, r, status, "desk.dose.title", faults, func(v page.View) templ.Component {
		return dosePage(v, doseForm{r.PathValue("name"), form, h.programmes(l), h.identities(l), like}, faults)
	})
}

type doseForm struct {
	Name       string
	Typed      typed
	Programmes []programme
	Identities [][2]string
	Like       []desk.Like
}

// event is what was typed as an event, with the faults of what cannot be read.
func (h *handler) event(l *locale.Locale, in typed, facility string) (vaccination.Event, []page.Fault) {
	var faults []page.Fault
	date := func(id string) vaccination.Date {
		d, ok := in.date(id).date()
		if !ok {
			faults = append(faults, page.Fault{Field: id, Message: l.T("desk.fault.birth-date")})
		}
		return d
	}
	programme, product, _ := strings.Cut(in["product"], "/")
	e := vaccination.Event{
		Programme: programme, EnrolmentCode: in["enrolmentCode"],
		Person:      vaccination.Person{Name: in["name"], Sex: vaccination.Sex(in["sex"]), BirthDate: date("birthDate")},
		Vaccination: vaccination.Dose{Product: product, Lot: in["lot"], Practitioner: in["practitioner"], Date: date("date"), Centre: h.Desk.FacilityName(facility)},
	}
	if in["idNumber"] != "" {
		e.Person.Identifier = vaccination.Identifier{Kind: in["idKind"], Value: in["idNumber"]}
	}
	if in["phone"] != "" {
		number, err := h.Profile.Phone(in["phone"])
		if err != nil {
			faults = append(faults, page.Fault{Field: "phone", Message: l.T("desk.fault.phone")})
		}
		e.Contacts = []string{"tel:" + number}
	}
	n, err := strconv.Atoi(in["dose"])
	if err != nil {
		faults = append(faults, page.Fault{Field: "dose", Message: l.T("desk.fault.dose")})
	}
	e.Vaccination.Number = n
	return e, faults
}

func (h *handler) dose(w http.ResponseWriter, r *http.Request, by access.Caller) {
	l, name := h.Frame.Locale(r), r.PathValue("name")
	in := typedOf(r.PostForm, doseFields())
	before, err := h.Desk.Form(r.Context(), by, name)
	if err != nil && vaccination.ErrorCode(err) != vaccination.NotFound {
		h.fail(w, r, err)
		return
	}
	// Whom the person may be is remembered here, not in the browser.
	for i := 0; before["like-"+number(i)] != ""; i++ {
		in["like-"+number(i)] = before["like-"+number(i)]
	}
	if err := h.Desk.KeepForm(r.Context(), by, name, in); err != nil {
		h.fail(w, r, err)
		return
	}
	if r.PostForm.Get("action") == "save" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e, faults := h.event(l, in, by.Facility)
	if len(faults) > 0 {
		h.writeDose(w, r, http.StatusUnprocessableEntity, in, nil, faults)
		return
	}
	d := desk.Dose{Event: e, Act: name, New: r.PostForm.Get("as") == "new"}
	if i, err := strconv.Atoi(r.PostForm.Get("as")); err == nil {
		d.As = in["like-"+number(i)]
	}
	done, err := h.Desk.Register(r.Context(), by, d)
	if faults := faultsOf(l, err, doseField); faults != nil {
		h.writeDose(w, r, http.StatusUnprocessableEntity, in, nil, faults)
		return
	}
	if vaccination.ErrorCode(err) == vaccination.Conflict {
		h.writeDose(w, r, http.StatusConflict, in, nil, []page.Fault{{Field: "dose", Message: l.T("desk.fault.conflict")}})
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if len(done.Like) > 0 {
		for i, k := range done.Like {
			in["like-"+number(i)] = k.Code
		}
		if err := h.Desk.KeepForm(r.Context(), by, name, in); err != nil {
			h.fail(w, r, err)
			return
		}
		h.writeDose(w, r, http.StatusOK, in, done.Like, nil)
		return
	}
	if err := h.Desk.DropForm(r.Context(), by, name); err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "/record/"+done.Record)
}
