package citizen

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

func (h *handler) follow(w http.ResponseWriter, r *http.Request) {
	h.followForm(w, r, http.StatusOK, "", "")
}

func (h *handler) followForm(w http.ResponseWriter, r *http.Request, status int, ticket, year string, faults ...page.Fault) {
	h.write(w, r, status, h.text(r, "my.follow.title"), func(v page.View) templ.Component { return followPage(v, ticket, year, faults) }, faults...)
}

// followed shows where a request stands: one that waits for a source, or a report.
// Nothing is kept of the form, and reading it again does no harm.
func (h *handler) followed(w http.ResponseWriter, r *http.Request) {
	ticket, year := strings.TrimSpace(r.PostForm.Get("ticket")), strings.TrimSpace(r.PostForm.Get("year"))
	f, err := h.OnDemand.Follow(r.Context(), ticket, year)
	if err == nil {
		h.write(w, r, http.StatusOK, h.text(r, "my.follow."+string(f.State)+".title"), func(v page.View) templ.Component { return followedPage(v, f) })
		return
	}
	if vaccination.ErrorCode(err) != vaccination.NotFound {
		h.fail(w, r, err)
		return
	}
	if t, parse := casework.ParseTicket(ticket); parse == nil && h.Cases != nil {
		c, err := h.Cases.Follow(r.Context(), t)
		switch vaccination.ErrorCode(err) {
		case "":
			h.write(w, r, http.StatusOK, h.text(r, "my.requests.title"), func(v page.View) templ.Component { return casePage(v, c) })
			return
		case vaccination.NotFound:
		default:
			h.fail(w, r, err)
			return
		}
	}
	h.followForm(w, r, http.StatusUnprocessableEntity, ticket, year, page.Fault{Field: "ticket", Message: h.text(r, "my.follow.wrong")})
}

// later takes a question that could not be answered at once, and gives a ticket.
func (h *handler) later(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	in := Question{Kind: f.Get("kind"), Number: f.Get("number")}
	ticket, err := h.OnDemand.Later(r.Context(), ondemand.Ask{Kind: in.Kind, Number: in.Number, Language: h.Frame.Locale(r).Tag}, strings.TrimSpace(f.Get("year")))
	switch vaccination.ErrorCode(err) {
	case "":
		h.write(w, r, http.StatusOK, h.text(r, "my.later.done.title"), func(v page.View) templ.Component { return ticketPage(v, ticket) })
	case vaccination.Invalid:
		faults := []page.Fault{{Field: "year", Message: h.text(r, "my.fault.year")}}
		h.write(w, r, http.StatusUnprocessableEntity, h.text(r, "my.later.title"), func(v page.View) templ.Component { return laterPage(v, in, faults) }, faults...)
	default:
		h.fail(w, r, err)
	}
}

// Question is a question for a certificate by the number of a document.
type Question struct{ Kind, Number string }
