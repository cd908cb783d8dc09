package desk

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

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
