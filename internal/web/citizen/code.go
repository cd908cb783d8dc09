package citizen

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// typed is what was typed on the first page.
type typed struct {
	Number, Email string
	ByEmail       bool
	Example       string
	Text, Mail    bool   // codes can be sent as text messages, by e-mail
	Document      bool   // certificates can be asked for by a document's number
	Identity      string // what the country's identity provider is called; "" for none
	WentBack      bool   // they were sent there, and came back without signing in
}

func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	if _, err := h.Citizens.Session(r.Context(), h.session(r)); err == nil {
		http.Redirect(w, r, withLanguage(r, listPath), http.StatusSeeOther)
		return
	}
	h.ask(w, r, http.StatusOK, typed{ByEmail: r.URL.Query().Get("by") == "email"})
}

func (h *handler) ask(w http.ResponseWriter, r *http.Request, status int, in typed, faults ...page.Fault) {
	var err error
	if in.Text, in.Mail, err = h.Citizens.Ways(r.Context()); err != nil {
		h.fail(w, r, err)
		return
	}
	if in.Document, err = h.OnDemand.CanSend(r.Context()); err != nil {
		h.fail(w, r, err)
		return
	}
	in.Identity = h.Citizens.IdentityName(h.Frame.Locale(r).Tag)
	if !in.Text && !in.Mail && in.Identity != "" {
		h.write(w, r, status, h.text(r, "my.title"), func(v page.View) templ.Component { return identityPage(v, in, faults) }, faults...)
		return
	}
	if !in.Text && !in.Mail {
		h.write(w, r, http.StatusServiceUnavailable, h.text(r, "my.closed.title"), func(v page.View) templ.Component { return Closed(v, in.Document) })
		return
	}
	// A link to the way that is not there may be old.
	in.ByEmail = in.Mail && (in.ByEmail || !in.Text)
	in.Example = h.Profile.PhoneRules.Example
	h.write(w, r, status, h.text(r, "my.title"), func(v page.View) templ.Component { return numberPage(v, in, faults) }, faults...)
}

func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	in := typed{Number: r.PostForm.Get("number"), Email: r.PostForm.Get("email"), ByEmail: r.PostForm.Get("by") == "email"}
	if in.ByEmail && strings.TrimSpace(in.Email) == "" {
		h.ask(w, r, http.StatusUnprocessableEntity, in, page.Fault{Field: "email", Message: h.text(r, "my.fault.email")})
		return
	}
	h.sendTo(w, r, in)
}

// sendTo asks for a code and goes on to the page where it is typed.
func (h *handler) sendTo(w http.ResponseWriter, r *http.Request, in typed) {
	if !in.ByEmail {
		in.Email = ""
	}
	secret, err := h.Citizens.Start(r.Context(), who.Ask{Number: in.Number, Email: in.Email, Language: h.Frame.Locale(r).Tag, Network: network(r)}, h.challenge(r))
	if err != nil {
		status, fault := h.told(r, err, in)
		h.ask(w, r, status, in, fault)
		return
	}
	h.set(w, challengeCookie, secret)
	http.Redirect(w, r, codePath, http.StatusSeeOther)
}

// network is where a request comes from; the zero value where that is not known.
func network(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a unix socket
	}
	return at.Addr()
}

// told is how an error of asking for a code is told.
func (h *handler) told(r *http.Request, err error, in typed) (int, page.Fault) {
	var often *budget.Often
	switch {
	case errors.As(err, &often):
		return http.StatusTooManyRequests, page.Fault{Field: "number", Message: h.text(r, "my.fault.often", "minutes", strconv.Itoa(int(math.Ceil(often.Wait.Minutes()))))}
	case vaccination.ErrorCode(err) == vaccination.TooMany:
		return http.StatusTooManyRequests, page.Fault{Field: "number", Message: h.text(r, "my.fault.toomany")}
	case vaccination.ErrorCode(err) == vaccination.Invalid:
		if _, phone := h.Profile.Phone(in.Number); phone == nil && in.ByEmail {
			return http.StatusUnprocessableEntity, page.Fault{Field: "email", Message: h.text(r, "my.fault.email")}
		}
		return http.StatusUnprocessableEntity, page.Fault{Field: "number", Message: h.text(r, "my.fault.number", "example", h.Profile.PhoneRules.Example)}
	case vaccination.ErrorCode(err) != vaccination.Unavailable:
		h.Log.Error("a code was not sent", slog.String("error", err.Error()))
	}
	return http.StatusServiceUnavailable, page.Fault{Message: h.text(r, "my.fault.unavailable")}
}

// pending is what the page for the code shows.
type pending struct {
	End, Specimen string
	Email         bool
}

func (h *handler) code(w http.ResponseWriter, r *http.Request) { h.codeForm(w, r, http.StatusOK) }

func (h *handler) codeForm(w http.ResponseWriter, r *http.Request, status int, faults ...page.Fault) {
	p, err := h.Citizens.Asked(r.Context(), h.challenge(r))
	if err != nil {
		h.again0(w, r, err)
		return
	}
	in := pending{End: p.Number[len(p.Number)-4:], Specimen: p.Specimen, Email: p.Email != ""}
	h.write(w, r, status, h.text(r, "my.code.title"), func(v page.View) templ.Component { return codePage(v, in, faults) }, faults...)
}

// again0 shows the first page to who has no code any more.
func (h *handler) again0(w http.ResponseWriter, r *http.Request, err error) {
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		h.ask(w, r, http.StatusUnprocessableEntity, typed{}, page.Fault{Field: "number", Message: h.text(r, "my.fault.ended")})
		return
	}
	h.fail(w, r, err)
}

func (h *handler) prove(w http.ResponseWriter, r *http.Request) {
	secret := h.challenge(r)
	session, err := h.Citizens.Prove(r.Context(), secret, r.PostForm.Get("code"), h.session(r))
	switch vaccination.ErrorCode(err) {
	case "":
	case vaccination.Forbidden:
		p, err := h.Citizens.Asked(r.Context(), secret)
		if err != nil {
			h.again0(w, r, err)
			return
		}
		message := h.text(r, "my.fault.code", "left", strconv.Itoa(p.Left))
		if p.Left == 1 {
			message = h.text(r, "my.fault.last")
		}
		h.codeForm(w, r, http.StatusUnprocessableEntity, page.Fault{Field: "code", Message: message})
		return
	default:
		h.again0(w, r, err)
		return
	}
	h.clear(w, challengeCookie)
	h.set(w, sessionCookie, session)
	http.Redirect(w, r, listPath, http.StatusSeeOther)
}

// again sends another code to where the last one went.
func (h *handler) again(w http.ResponseWriter, r *http.Request) {
	p, err := h.Citizens.Asked(r.Context(), h.challenge(r))
	if err != nil {
		h.again0(w, r, err)
		return
	}
	in := typed{Number: p.Number, Email: p.Email, ByEmail: p.Email != ""}
	secret, err := h.Citizens.Start(r.Context(), who.Ask{Number: in.Number, Email: in.Email, Language: h.Frame.Locale(r).Tag, Network: network(r)}, h.challenge(r))
	if err != nil { // the code before still counts
		status, fault := h.told(r, err, in)
		fault.Field = "code"
		h.codeForm(w, r, status, fault)
		return
	}
	h.set(w, challengeCookie, secret)
	http.Redirect(w, r, codePath, http.StatusSeeOther)
}
