package desk

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/web/page"
)

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
