package desk

import (
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// asked is what was typed into the search.
type asked struct {
	Text, Name, Centre, Reason string
	BirthDate                  dateInput
	NeedsReason                bool
}

func (h *handler) start(w http.ResponseWriter, r *http.Request, by access.Caller) {
	h.ask(w, r, by, http.StatusOK, asked{}, nil)
}

// ask writes the page that a desk begins with.
func (h *handler) ask(w http.ResponseWriter, r *http.Request, by access.Caller, status int, in asked, faults []page.Fault) {
	later, err := h.Desk.Later(r.Context(), by)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	ways := ways{OnDemand: h.Desk.OnDemand != nil, Dose: by.At(access.RegisterDose, by.Facility), Later: later}
	h.Frame.Write(w, r, page.Page{
		Status: status, Title: h.Frame.Locale(r).T("desk.title"), Faulty: len(faults) > 0, Personal: true, Script: "desk.js", Camera: true,
		Body: func(v page.View) templ.Component { return searchPage(v, in, ways, cameraOf(v), faults) },
	})
}

// camera is what the script needs to read a code with the camera: where its parts
// are, and its texts. Formats are those of certificates (QR, Code 128) and those
// that enrolment codes are printed in.
type camera struct {
	Scan       string            `json:"scan"`
	Reader     string            `json:"reader"`
	ReaderWasm string            `json:"readerWasm"`
	Formats    []string          `json:"formats"`
	Texts      map[string]string `json:"texts"`
}

func cameraOf(v page.View) camera {
	c := camera{
		Scan: v.Asset("scan.js"), Reader: v.Asset("reader.js"), ReaderWasm: v.Asset("reader.wasm"),
		Formats: []string{"QRCode", "Code128", "Code39", "ITF", "EAN13", "DataMatrix"}, Texts: map[string]string{},
	}
	for _, key := range []string{
		"desk.camera.looking", "desk.camera.found", "desk.camera.denied", "desk.camera.none", "desk.camera.strange", "desk.camera.tips",
		"verify.camera.starting", "verify.camera.busy", "verify.camera.light.on", "verify.camera.light.off", "verify.camera.lens.n",
	} {
		c.Texts[key] = v.T(key)
	}
	return c
}

// ways are what can be done beside searching.
type ways struct {
	OnDemand, Dose bool
	Later          []desk.Later
}

func (h *handler) search(w http.ResponseWriter, r *http.Request, by access.Caller) {
	l, f := h.Frame.Locale(r), r.PostForm
	in := asked{Text: f.Get("text"), Name: strings.TrimSpace(f.Get("name")), Centre: strings.TrimSpace(f.Get("centre")), BirthDate: dateOf(f, "birthDate"), Reason: f.Get("reason")}
	birth, ok := in.BirthDate.date()
	if !ok {
		h.ask(w, r, by, http.StatusUnprocessableEntity, in, []page.Fault{{Field: "birthDate", Message: l.T("desk.fault.birth-date")}})
		return
	}
	name, found, err := h.Desk.Search(r.Context(), by, desk.Question{Text: in.Text, BirthDate: birth, Name: in.Name, Centre: in.Centre, Reason: in.Reason})
	if errors.Is(err, desk.ErrReason) {
		in.NeedsReason = true
		h.ask(w, r, by, http.StatusUnprocessableEntity, in, []page.Fault{{Field: "reason", Message: l.T("desk.fault.reason")}})
		return
	}
	if faults := faultsOf(l, err, func(path string) (string, string) { return path, "" }); faults != nil {
		in.NeedsReason = in.Reason != ""
		h.ask(w, r, by, http.StatusUnprocessableEntity, in, faults)
		return
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// Who showed the certificate itself needs no list to choose from.
	if found.How.Shown() && len(found.Matches) == 1 {
		record, err := h.Desk.Open(r.Context(), by, name, found.Matches[0].ID, "", "", in.Reason)
		if err == nil {
			see(w, r, "/record/"+record)
			return
		}
		if !errors.Is(err, desk.ErrReason) {
			h.fail(w, r, err)
			return
		}
	}
	see(w, r, "/found/"+name)
}

func (h *handler) found(w http.ResponseWriter, r *http.Request, by access.Caller) {
	found, err := h.Desk.Found(r.Context(), by, r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.write(w, r, http.StatusOK, "desk.found.title", nil, func(v page.View) templ.Component {
		return foundPage(v, r.PathValue("name"), found, opening{}, nil)
	})
}

// opening is what was typed to open a match.
type opening struct {
	ID, Fact, Value string
	BirthDate       dateInput
	NeedsReason     bool
}

func (h *handler) open(w http.ResponseWriter, r *http.Request, by access.Caller) {
	l, f := h.Frame.Locale(r), r.PostForm
	in := opening{ID: f.Get("id"), Fact: f.Get("fact"), Value: strings.TrimSpace(f.Get("value")), NeedsReason: f.Has("reason")}
	id, err := vaccination.ParseCertificateID(in.ID)
	if err != nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	value := in.Value
	if in.Fact == desk.FactBirthDate {
		// A date may be typed as the country writes it, day first.
		if d, ok := typedDate(value); ok {
			value = d.String()
		}
	}
	search := r.PathValue("name")
	record, err := h.Desk.Open(r.Context(), by, search, id, in.Fact, value, f.Get("reason"))
	if err == nil {
		see(w, r, "/record/"+record)
		return
	}
	again := func(fault page.Fault) {
		found, err := h.Desk.Found(r.Context(), by, search)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		faults := []page.Fault{fault}
		h.write(w, r, http.StatusUnprocessableEntity, "desk.found.title", faults, func(v page.View) templ.Component {
			return foundPage(v, search, found, in, faults)
		})
	}
	switch {
	case errors.Is(err, desk.ErrReason):
		in.NeedsReason = true
		again(page.Fault{Field: "reason-" + in.ID, Message: l.T("desk.fault.reason")})
	case vaccination.ErrorCode(err) == vaccination.Forbidden:
		again(page.Fault{Field: "value-" + in.ID, Message: l.T("desk.fault.fact")})
	default:
		h.fail(w, r, err)
	}
}

// typedDate reads a date as people type one: 4/7/1987, 04.07.1987, 1987-07-04.
func typedDate(text string) (vaccination.Date, bool) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/.- ", r) })
	switch len(parts) {
	case 3:
		if len(parts[0]) == 4 {
			return dateInput{parts[2], parts[1], parts[0]}.date()
		}
		return dateInput{parts[0], parts[1], parts[2]}.date()
	case 1:
		if len(parts[0]) == 8 { // 04071987
			return dateInput{text[:2], text[2:4], text[4:]}.date()
		}
		return dateInput{Year: parts[0]}.date()
	}
	return vaccination.Date{}, false
}
