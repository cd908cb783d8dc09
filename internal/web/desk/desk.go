// Package desk is the facility desk at /desk: staff find a person, see what would
// be printed, print it as a numbered copy, ask for a correction, issue on demand,
// and write down a dose. It works without scripts, by keyboard and with a scanner
// that types; nothing of a person stands in an address.
package desk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/locale"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is where the desk is; everything else lies below it.
const Path = "/desk"

// maxForm bounds a form's body, bytes; a form with photographs has its own.
const maxForm = 64 << 10

// Casework opens cases: [casework.Service].
type Casework interface {
	Open(ctx context.Context, by access.Caller, r casework.Request) (casework.Ticket, error)
	AddEvidence(ctx context.Context, by access.Caller, t casework.Ticket, data []byte) (int, error)
}

// Speech is in which language people are written to: [issuance.Service].
type Speech interface {
	LanguageAt(ctx context.Context, by access.Caller, id vaccination.CertificateID) (string, error)
	ChooseLanguage(ctx context.Context, by access.Caller, id vaccination.CertificateID, language string) error
}

// Options are what the desk needs; all are required except Casework, Reopen and
// Speech.
type Options struct {
	Frame   *page.Frame
	Desk    *desk.Service
	Profile *profile.Profile
	Log     *slog.Logger
	// Casework takes requests for corrections; nil takes none.
	Casework Casework
	// Reopen lets whom a certificate is about open their record as a citizen again,
	// by who saw an identity document of a kind; nil offers it to nobody.
	Reopen func(ctx context.Context, by access.Caller, id vaccination.CertificateID, seen string) error
	// Speech is in which language people are written to; nil where nobody asks.
	Speech Speech
	// Caller says who is signed in, [vaccination.Unauthorized] where nobody is;
	// SignIn sends the browser to sign in and back.
	Caller func(*http.Request) (access.Caller, error)
	SignIn func(http.ResponseWriter, *http.Request)
	// Protect refuses forms that another site sent.
	Protect func(http.Handler) http.Handler
}

type handler struct{ Options }

// staff is a handler that knows who asks.
type staff func(w http.ResponseWriter, r *http.Request, by access.Caller)

// Register adds the desk to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	get := func(path string, may access.Permission, f staff) {
		mux.Handle("GET "+Path+path, h.known(may, f))
	}
	post := func(path string, may access.Permission, f staff) {
		mux.Handle("POST "+Path+path, o.Protect(h.form(may, f)))
	}
	get("", access.SearchPeople, h.start)
	post("/search", access.SearchPeople, h.search)
	get("/found/{name}", access.SearchPeople, h.found)
	post("/found/{name}/open", access.Print, h.open)
	get("/record/{name}", access.Print, h.record)
	get("/record/{name}/preview", access.Print, h.preview)
	get("/record/{name}/icvp", access.Print, h.icvp)
	post("/record/{name}/print", access.Print, h.print)
	post("/record/{name}/close", access.Print, h.close)
	post("/record/{name}/reopen", access.Print, h.reopen)
	post("/record/{name}/language", access.Print, h.language)
	get("/record/{name}/correction", access.OpenCase, h.askCorrection)
	mux.Handle("POST "+Path+"/record/{name}/correction", o.Protect(h.known(access.OpenCase, h.correct)))
	get("/print/{act}", access.Print, h.printed)
	get("/print/{act}/file", access.Print, h.file)
	get("/prints", access.Print, h.prints)
	post("/prints/{serial}/again", access.Print, h.again)
	get("/dose", access.RegisterDose, h.newDose)
	get("/dose/{name}", access.RegisterDose, h.askDose)
	post("/dose/{name}", access.RegisterDose, h.dose)
	get("/on-demand", access.Print, h.askOnDemand)
	post("/on-demand", access.Print, h.onDemand)
	get("/slip", access.SearchPeople, h.slip)
	post("/later", access.SearchPeople, h.later)
	post("/later/{reference}/done", access.SearchPeople, h.laterDone)
}

// known lets those in who are signed in and may do what is asked.
func (h *handler) known(may access.Permission, next staff) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, err := h.Caller(r)
		if vaccination.ErrorCode(err) == vaccination.Unauthorized {
			h.SignIn(w, r)
			return
		}
		if err == nil {
			err = by.Can(may)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		next(w, r, by)
	})
}

// form is known for a form, read and bounded.
func (h *handler) form(may access.Permission, next staff) http.Handler {
	return h.known(may, func(w http.ResponseWriter, r *http.Request, by access.Caller) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
			return
		}
		next(w, r, by)
	})
}

// write answers with a page of the desk.
func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, title string, faults []page.Fault, body func(v page.View) templ.Component) {
	l := h.Frame.Locale(r)
	h.Frame.Write(w, r, page.Page{Status: status, Title: l.T(title), Faulty: len(faults) > 0, Personal: true, Script: "desk.js", Body: body})
}

// see redirects after a form, so that a reload sends nothing again.
func see(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, Path+path, http.StatusSeeOther)
}

// fail answers with a page that says what is wrong and what to do.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, key := h.told(r, err)
	if status == http.StatusForbidden {
		h.Frame.Error(w, r, status)
		return
	}
	h.write(w, r, status, key+".title", nil, func(v page.View) templ.Component { return messagePage(v, key) })
}

// told is how an error is told: a status, and the key of a page.
func (h *handler) told(r *http.Request, err error) (status int, key string) {
	switch vaccination.ErrorCode(err) {
	case vaccination.NotFound:
		return http.StatusNotFound, "desk.ended"
	case vaccination.Conflict, vaccination.Revoked:
		return http.StatusConflict, "desk.replaced"
	case vaccination.TooMany:
		return http.StatusTooManyRequests, "desk.toomany"
	case vaccination.Forbidden:
		return http.StatusForbidden, ""
	case vaccination.Invalid:
		return http.StatusUnprocessableEntity, "desk.invalid"
	case vaccination.Unavailable:
		return http.StatusServiceUnavailable, "desk.unavailable"
	}
	if r.Context().Err() == nil {
		h.Log.Error("desk: a page was not made", slog.String("error", err.Error()))
	}
	return http.StatusInternalServerError, "desk.unavailable"
}

// faultsOf turns what is wrong with a form into faults of its fields, in the
// page's language where there is a text for it. Other errors are none.
func faultsOf(l *locale.Locale, err error, field func(path string) (id, label string)) []page.Fault {
	var e *vaccination.Error
	if !errors.As(err, &e) || e.Code != vaccination.Invalid {
		return nil
	}
	var out []page.Fault
	for _, f := range e.Faults {
		id, label := field(f.Path)
		message := f.Message
		switch {
		case l.Has("desk.fault." + f.Code):
			message = l.T("desk.fault." + f.Code)
		case label != "" && l.Has("fault."+f.Code):
			message = l.T("fault."+f.Code, "field", l.T(label))
		}
		if page.Message(out, id) == "" {
			out = append(out, page.Fault{Field: id, Message: message})
		}
	}
	if len(out) == 0 {
		out = []page.Fault{{Message: e.Message}}
	}
	return out
}

// dateInput is a date in three fields, as typed.
type dateInput struct{ Day, Month, Year string }

func dateOf(f url.Values, id string) dateInput {
	get := func(part string) string { return strings.TrimSpace(f.Get(id + "-" + part)) }
	return dateInput{get("day"), get("month"), get("year")}
}

func (d dateInput) empty() bool { return d == dateInput{} }

// date reads what was typed; ok is false for what is no date. Year and month, or
// the year alone, are dates too.
func (d dateInput) date() (v vaccination.Date, ok bool) {
	if d.empty() {
		return vaccination.Date{}, true
	}
	if d.Year == "" || d.Month == "" && d.Day != "" {
		return vaccination.Date{}, false
	}
	text := d.Year
	for _, part := range []string{d.Month, d.Day} {
		if part == "" {
			break
		}
		text += "-" + strings.Repeat("0", max(0, 2-len(part))) + part
	}
	v, err := vaccination.ParseDate(text)
	return v, err == nil && !v.Estimated
}

// describe ties a field to its hint and its error for screen readers.
func describe(faults []page.Fault, id, hint string) templ.Attributes {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if page.Message(faults, id) != "" {
		ids = append(ids, id+"-error")
	}
	if len(ids) == 0 {
		return nil
	}
	return templ.Attributes{"aria-describedby": strings.Join(ids, " ")}
}

func number(n int) string { return strconv.Itoa(n) }

func serial(n int64) string { return strconv.FormatInt(n, 10) }

// laterOf reads an entry of the list that the browser kept; ms is Unix time.
func laterOf(reference, text string, ms int64) desk.Later {
	l := desk.Later{Reference: reference, Text: strings.TrimSpace(text)}
	if ms > 0 {
		l.At = time.UnixMilli(ms).UTC()
	}
	return l
}
