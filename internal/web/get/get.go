// Package get is the page /get: a person types a number, is sent a code, and
// gets the certificates of their record. It works without scripts; nothing of
// the person stands in an address.
package get

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/profile"
	my "github.com/opendivoc/divoc/internal/web/citizen"
	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is where the page is; what follows lies below it.
const Path = "/get"

// maxForm bounds a form's body, bytes.
const maxForm = 16 << 10

// Options are what the page needs.
type Options struct {
	Frame    *page.Frame
	OnDemand *ondemand.Service
	Profile  *profile.Profile
	// Limit counts a request of a network; the error is [vaccination.TooMany].
	Limit func(r *http.Request) error
	// Enter signs somebody in who proved whose records these are, and goes to the
	// list of their certificates.
	Enter func(w http.ResponseWriter, r *http.Request, people []citizen.Person) error
}

// Handler answers [Path] and below. Forms rely on the caller's
// [http.CrossOriginProtection] against forged requests.
func Handler(o Options) http.Handler {
	h := &handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, r *http.Request) { h.ask(w, r, http.StatusOK, asked{}, "") })
	mux.HandleFunc("POST "+Path, h.form(h.start))
	mux.HandleFunc("POST "+Path+"/code", h.form(h.prove))
	mux.HandleFunc("GET "+Path+"/", func(w http.ResponseWriter, r *http.Request) {
		// Another language was chosen, or the address typed: the form is gone.
		next := Path
		if lang := r.URL.Query().Get("lang"); lang != "" {
			next += "?" + url.Values{"lang": {lang}}.Encode()
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.Frame.Error(w, r, http.StatusMethodNotAllowed) })
	return mux
}

type handler struct{ Options }

// form reads a form that came not too often.
func (h *handler) form(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.Limit(r); err != nil {
			h.ask(w, r, http.StatusTooManyRequests, asked{}, "get.fault.toomany")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
			return
		}
		next(w, r)
	}
}

// asked is what was typed on the first page.
type asked struct{ Kind, Number string }

// kinds are the numbers that can be typed: the profile's first kind of document
// that follows a rule or, where none does, its first, and the record's own.
func (h *handler) kinds(l *locale.Locale) [][2]string {
	var out [][2]string
	for _, k := range h.Profile.Identities {
		if k.Rule != "" || len(out) == 0 {
			out = [][2]string{{k.Key, h.Profile.IdentityName(k.Key, l.Tag)}}
		}
		if k.Rule != "" {
			break
		}
	}
	return append(out, [2]string{ondemand.SystemID, l.T("get.kind.system")})
}

// ask writes the first page; fault is the key of what is wrong, "" for nothing.
func (h *handler) ask(w http.ResponseWriter, r *http.Request, status int, in asked, fault string) {
	l := h.Frame.Locale(r)
	can, err := h.OnDemand.CanSend(r.Context())
	if err != nil || !can {
		h.Frame.Write(w, r, page.Page{Status: http.StatusServiceUnavailable, Title: l.T("my.closed.title"), Personal: true,
			Body: func(v page.View) templ.Component { return my.Closed(v, false) }})
		return
	}
	var faults []page.Fault
	if fault != "" {
		faults = []page.Fault{{Field: "number", Message: l.T(fault)}}
	}
	kinds := h.kinds(l)
	if in.Kind == "" {
		in.Kind = kinds[0][0]
	}
	h.Frame.Write(w, r, page.Page{Status: status, Title: l.T("get.title"), Faulty: fault != "", Personal: true,
		Body: func(v page.View) templ.Component { return askPage(v, in, kinds, faults) }})
}

func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	in := asked{r.PostForm.Get("kind"), r.PostForm.Get("number")}
	l := h.Frame.Locale(r)
	a, err := h.OnDemand.Start(r.Context(), ondemand.Ask{Kind: in.Kind, Number: in.Number, Language: l.Tag})
	if err != nil {
		status, key := told(err)
		h.ask(w, r, status, in, key)
		return
	}
	if a.Outcome != ondemand.CodeSent {
		h.Frame.Write(w, r, page.Page{Title: l.T("get." + string(a.Outcome) + ".title"), Personal: true,
			Body: func(v page.View) templ.Component { return outcomePage(v, a, in) }})
		return
	}
	h.code(w, r, http.StatusOK, sent{Challenge: a.Challenge, Phone: a.Phone, Factor: a.Factor, Specimen: a.Specimen, CopyOf: when(l, a.CopyOf)}, "")
}

// sent is what the second page shows and carries along.
type sent struct {
	Challenge, Phone, Factor, Specimen, CopyOf string
	Day, Month, Year                           string // of the factor, as typed
	Lot                                        string
}

func (h *handler) code(w http.ResponseWriter, r *http.Request, status int, s sent, fault string) {
	l := h.Frame.Locale(r)
	var faults []page.Fault
	if fault != "" {
		faults = []page.Fault{{Field: "code", Message: l.T(fault)}}
	}
	h.Frame.Write(w, r, page.Page{Status: status, Title: l.T("get.code.title"), Faulty: fault != "", Personal: true,
		Body: func(v page.View) templ.Component { return codePage(v, s, faults) }})
}

func (h *handler) prove(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	s := sent{
		Challenge: f.Get("challenge"), Phone: digits(f.Get("phone")), Factor: f.Get("factor"),
		Day: f.Get("day"), Month: f.Get("month"), Year: f.Get("year"), Lot: f.Get("lot"),
	}
	if s.Factor != profile.FactorBirthDate && s.Factor != profile.FactorLot && s.Factor != profile.FactorNone {
		s.Factor = profile.FactorDoseDate
	}
	given, err := h.OnDemand.Prove(r.Context(), s.Challenge, f.Get("code"), s.value())
	if err != nil {
		status, key := told(err)
		if status == http.StatusNotFound {
			h.ask(w, r, status, asked{}, key)
			return
		}
		h.code(w, r, status, s, key)
		return
	}
	h.done(w, r, given)
}

// value is the factor as [ondemand.Service.Prove] takes it.
func (s sent) value() string {
	if s.Factor == profile.FactorLot {
		return s.Lot
	}
	pad := func(text string) string { return strings.Repeat("0", max(0, 2-len(text))) + text }
	return strings.TrimSpace(s.Year) + "-" + pad(strings.TrimSpace(s.Month)) + "-" + pad(strings.TrimSpace(s.Day))
}

// digits keeps the end of a telephone number, which came back with the form.
func digits(text string) string {
	if runes := []rune(text); len(runes) <= 8 {
		return text
	}
	return ""
}

// done goes on to the certificates, where there are any.
func (h *handler) done(w http.ResponseWriter, r *http.Request, given ondemand.Given) {
	l := h.Frame.Locale(r)
	var people []citizen.Person
	for _, id := range given.Certificates {
		p, err := h.OnDemand.Issuance.PersonOf(r.Context(), id)
		if err != nil {
			h.ask(w, r, http.StatusServiceUnavailable, asked{}, "get.fault.unavailable")
			return
		}
		if !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	if len(people) > 0 {
		if err := h.Enter(w, r, people); err != nil {
			h.ask(w, r, http.StatusServiceUnavailable, asked{}, "get.fault.unavailable")
		}
		return
	}
	h.Frame.Write(w, r, page.Page{Title: l.T("get.incomplete.title"), Personal: true,
		Body: func(v page.View) templ.Component { return waitingPage(v, given.Reference) }})
}

// told is how an error is told: a status and the key of a sentence.
func told(err error) (status int, key string) {
	switch vaccination.ErrorCode(err) {
	case vaccination.Invalid:
		return http.StatusUnprocessableEntity, "get.fault.number"
	case vaccination.TooMany:
		return http.StatusTooManyRequests, "get.fault.toomany"
	case vaccination.Forbidden:
		return http.StatusUnprocessableEntity, "get.fault.wrong"
	case vaccination.NotFound:
		return http.StatusNotFound, "get.fault.ended"
	case vaccination.Unavailable:
		return http.StatusServiceUnavailable, "get.fault.unavailable"
	}
	return http.StatusInternalServerError, "get.fault.unavailable"
}

// when is an instant as the page writes it, "" for none.
func when(l *locale.Locale, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return l.Time(t)
}

// complete is what a browser may fill in: a code that came as a message.
func complete(id string) string {
	if id == "code" {
		return "one-time-code"
	}
	return "off"
}
