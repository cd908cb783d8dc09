package desk

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
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

// handing is what was typed to issue on demand.
type handing struct {
	Kind, Number, Document, Reason string
	BirthDate                      dateInput
}

func (h *handler) askOnDemand(w http.ResponseWriter, r *http.Request, _ access.Caller) {
	h.writeOnDemand(w, r, http.StatusOK, handing{}, nil)
}

func (h *handler) writeOnDemand(w http.ResponseWriter, r *http.Request, status int, in handing, faults []page.Fault) {
	l := h.Frame.Locale(r)
	documents := h.identities(l)
	kinds := append(slices.Clone(documents), [2]string{ondemand.SystemID, l.T("get.kind.system")})
	h.write(w, r, status, "desk.ondemand.title", faults, func(v page.View) templ.Component {
		return onDemandPage(v, in, kinds, documents, faults)
	})
}

func (h *handler) onDemand(w http.ResponseWriter, r *http.Request, by access.Caller) {
	l, f := h.Frame.Locale(r), r.PostForm
	in := handing{f.Get("kind"), strings.TrimSpace(f.Get("number")), f.Get("document"), f.Get("reason"), dateOf(f, "birthDate")}
	var faults []page.Fault
	fault := func(field, key string) {
		faults = append(faults, page.Fault{Field: field, Message: l.T(key)})
	}
	birth, ok := in.BirthDate.date()
	if in.Number == "" {
		fault("number", "desk.fault.empty")
	}
	if !ok || birth.Precision() != vaccination.PrecisionDay {
		fault("birthDate", "desk.fault.birth-date")
	}
	if in.Document == "" {
		fault("document", "desk.fault.document")
	}
	if in.Reason == "" {
		fault("reason", "desk.fault.reason")
	}
	if len(faults) > 0 {
		h.writeOnDemand(w, r, http.StatusUnprocessableEntity, in, faults)
		return
	}
	answer, given, record, err := h.Desk.IssueOnDemand(r.Context(), by, ondemand.Ask{Kind: in.Kind, Number: in.Number, Language: l.Tag}, ondemand.Seen{Document: in.Document, BirthDate: birth, Reason: in.Reason})
	switch code := vaccination.ErrorCode(err); {
	case err == nil && record != "":
		see(w, r, "/record/"+record)
	case err == nil:
		h.write(w, r, http.StatusOK, "desk.ondemand.title", nil, func(v page.View) templ.Component { return outcomePage(v, answer, given) })
	case code == vaccination.Invalid:
		h.writeOnDemand(w, r, http.StatusUnprocessableEntity, in, []page.Fault{{Field: "number", Message: l.T("get.fault.number")}})
	case code == vaccination.Forbidden:
		h.writeOnDemand(w, r, http.StatusUnprocessableEntity, in, []page.Fault{{Field: "birthDate", Message: l.T("desk.fault.fact")}})
	default:
		h.fail(w, r, err)
	}
}

// The bounds of a request for a correction.
const (
	maxPhotos     = 4
	maxCorrection = maxPhotos*casework.MaxPhoto + 1<<20
)

// correction is what was typed to ask for one.
type correction struct {
	Certificate, Field, Value, Message string
	Act                                string
}

func (h *handler) askCorrection(w http.ResponseWriter, r *http.Request, by access.Caller) {
	if h.Casework == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	act, err := h.Desk.NewName()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeCorrection(w, r, by, http.StatusOK, correction{Act: act}, nil)
}

func (h *handler) writeCorrection(w http.ResponseWriter, r *http.Request, by access.Caller, status int, in correction, faults []page.Fault) {
	l := h.Frame.Locale(r)
	_, holder, err := h.Desk.Record(r.Context(), by, r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var doses [][2]string
	for _, x := range holder.Records {
		name := x.Certificate.Vaccination.Brand.Display
		if p, ok := h.Profile.Catalogue.Product(x.Certificate.Vaccination.Product); ok {
			name = p.Name(l.Tag)
		}
		text := l.T("desk.dosetext", "product", name, "dose", number(x.Dose))
		if x.Certificate.IsTest() {
			text = l.Term(x.Certificate.Test.Type)
		}
		doses = append(doses, [2]string{x.ID.String(), text + ", " + l.Date(x.Certificate.Day(h.Profile.TimeZone))})
	}
	h.write(w, r, status, "desk.correction.title", faults, func(v page.View) templ.Component {
		return correctionPage(v, r.PathValue("name"), in, doses, casework.Fields(), faults)
	})
}

func (h *handler) correct(w http.ResponseWriter, r *http.Request, by access.Caller) {
	if h.Casework == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxCorrection)
	l := h.Frame.Locale(r)
	fields, photos, err := parts(r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		h.Frame.Error(w, r, http.StatusBadRequest)
		return
	}
	in := correction{fields["certificate"], fields["field"], strings.TrimSpace(fields["value"]), strings.TrimSpace(fields["message"]), fields["act"]}
	refuse := func(faults ...page.Fault) {
		h.writeCorrection(w, r, by, http.StatusUnprocessableEntity, in, faults)
	}
	_, holder, err := h.Desk.Record(r.Context(), by, r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var request casework.Request
	for _, x := range holder.Records { // one of the opened record, and no other
		if x.ID.String() == in.Certificate {
			request = casework.Request{Kind: casework.Correction, Certificate: x.ID, Message: in.Message, Language: l.Tag, Facility: by.Facility, Once: in.Act,
				Changes: []casework.Change{{Field: in.Field, Value: in.Value}}}
		}
	}
	switch {
	case request.Certificate.IsZero():
		refuse(page.Fault{Field: "certificate", Message: l.T("desk.fault.certificate")})
		return
	case in.Value == "" && in.Message == "":
		refuse(page.Fault{Field: "value", Message: l.T("desk.fault.value")})
		return
	case len(photos) > maxPhotos:
		refuse(page.Fault{Field: "photo", Message: l.T("desk.fault.photos")})
		return
	}
	ticket, err := h.Casework.Open(r.Context(), by, request)
	if faults := faultsOf(l, err, func(string) (string, string) { return "value", "desk.correction.value" }); faults != nil {
		refuse(faults...)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	bad := 0
	for _, p := range photos {
		if _, err := h.Casework.AddEvidence(r.Context(), by, ticket, p); err != nil {
			bad++ // the case stands; what could not be read is told
		}
	}
	h.write(w, r, http.StatusOK, "desk.correction.done", nil, func(v page.View) templ.Component {
		return ticketPage(v, r.PathValue("name"), ticket.String(), bad)
	})
}

// parts reads a form with files: nothing sent may reach the disk.
func parts(r *http.Request) (fields map[string]string, files [][]byte, err error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, nil, err
	}
	fields = map[string]string{}
	for {
		p, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, files, nil
		}
		if err != nil {
			return nil, nil, err
		}
		limit := int64(4096)
		if p.FormName() == "photo" {
			limit = casework.MaxPhoto + 1
		}
		data, err := io.ReadAll(io.LimitReader(p, limit))
		if err != nil {
			return nil, nil, err
		}
		if p.FormName() != "photo" {
			fields[p.FormName()] = string(data)
		} else if len(data) > 0 && len(files) <= maxPhotos {
			files = append(files, data)
		}
	}
}

// slip is the page for when there is no network: it is opened while there is one
// and holds nothing of anybody.
func (h *handler) slip(w http.ResponseWriter, r *http.Request, _ access.Caller) {
	h.write(w, r, http.StatusOK, "desk.slip.title", nil, slipPage)
}

func (h *handler) later(w http.ResponseWriter, r *http.Request, by access.Caller) {
	f := r.PostForm
	var list []desk.Later
	for i, ref := range f["reference"] {
		if i < len(f["text"]) && i < len(f["at"]) {
			ms, err := strconv.ParseInt(f["at"][i], 10, 64)
			if err != nil {
				ms = 0
			}
			list = append(list, laterOf(ref, f["text"][i], ms))
		}
	}
	if err := h.Desk.AddLater(r.Context(), by, list); err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "")
}

func (h *handler) laterDone(w http.ResponseWriter, r *http.Request, by access.Caller) {
	if err := h.Desk.DropLater(r.Context(), by, r.PathValue("reference")); err != nil {
		h.fail(w, r, err)
		return
	}
	see(w, r, "")
}
