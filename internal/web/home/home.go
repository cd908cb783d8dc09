// Package home is the start page: the ways that exist from here, and in a
// demonstration the invented people and a form that issues a certificate.
package home

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Sample is one certificate of the demonstration, as the list shows it.
type Sample struct {
	ID      string // of the certificate
	Name    string // the person's
	Product string // in the page's language
	Dose    int
	Total   int // 0 = the schedule is not fixed
	Date    vaccination.Date
	Status  vaccination.Status
	PDF     string // URLs; empty = no link
	Print   string
	Code    string
}

// Choice is one product of a programme in the form.
type Choice struct{ Key, Name string }

// Programme is one programme in the form.
type Programme struct {
	Key, Name string
	Products  []Choice
}

// Demo is what a demonstration lets a visitor do. lang is a BCP 47 tag of the
// page's languages.
type Demo interface {
	// Samples returns the newest certificates, at most some tens, newest first.
	Samples(ctx context.Context, lang string) ([]Sample, error)
	// Programmes returns what the form offers.
	Programmes(lang string) []Programme
	// Code returns a new enrolment code.
	Code() string
	// Check returns every fault that Issue would find, as a
	// *vaccination.Error with fault paths in the terms of Event's JSON, or nil.
	Check(ctx context.Context, e vaccination.Event) error
	// Issue signs and stores, durably on return, and returns the certificate's
	// id. The same event again returns the same id. A fault of the input, a
	// conflict or a revoked record is a *vaccination.Error.
	Issue(ctx context.Context, e vaccination.Event) (id string, err error)
}

// Options are what the start page needs.
type Options struct {
	Frame *page.Frame
	Demo  Demo // nil outside a demonstration
}

// IssuePath is where the demonstration's form is.
const IssuePath = "/demo/issue"

// maxForm bounds the form's body, bytes.
const maxForm = 64 << 10

// Handler answers "/" and, in a demonstration, [IssuePath]. Other paths below
// "/" are answered with a page that says so. The form relies on the caller's
// [http.CrossOriginProtection] against forged requests.
func Handler(o Options) http.Handler {
	h := &handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.start)
	if o.Demo != nil {
		mux.HandleFunc("GET "+IssuePath, h.form)
		mux.HandleFunc("POST "+IssuePath, h.issue)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.Frame.Error(w, r, http.StatusNotFound) })
	return mux
}

type handler struct{ Options }

func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	l := h.Frame.Locale(r)
	s := start{Demo: h.Demo != nil}
	if s.Demo {
		samples, err := h.Demo.Samples(r.Context(), l.Tag)
		if err != nil {
			h.Frame.Error(w, r, statusOf(err))
			return
		}
		s.Samples = samples
		for i := range samples {
			if samples[i].ID == r.URL.Query().Get("issued") {
				s.Issued = &samples[i]
			}
		}
	}
	h.Frame.Write(w, r, page.Page{Title: l.T("home.title"), Personal: s.Demo, Body: func(v page.View) templ.Component { return startPage(v, s) }})
}

func (h *handler) form(w http.ResponseWriter, r *http.Request) {
	h.write(w, r, http.StatusOK, input{EnrolmentCode: h.Demo.Code(), Dose: "1"}, nil)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, in input, faults []page.Fault) {
	l := h.Frame.Locale(r)
	programmes := h.Demo.Programmes(l.Tag)
	h.Frame.Write(w, r, page.Page{Status: status, Title: l.T("issue.title"), Faulty: len(faults) > 0, Personal: true,
		Body: func(v page.View) templ.Component { return issuePage(v, in, programmes, faults) }})
}

// issue reads the form, issues and redirects, so that a reload issues nothing.
func (h *handler) issue(w http.ResponseWriter, r *http.Request) {
	l := h.Frame.Locale(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
		return
	}
	in := read(r.PostForm)
	event, faults := in.event(l)
	if len(faults) > 0 {
		// What could not be read is known already; Check adds the rest.
		faults = merge(faults, faultsOf(l, h.Demo.Check(r.Context(), event)))
		h.write(w, r, http.StatusUnprocessableEntity, in, faults)
		return
	}
	id, err := h.Demo.Issue(r.Context(), event)
	if faults := merge(nil, faultsOf(l, err)); len(faults) > 0 {
		h.write(w, r, http.StatusUnprocessableEntity, in, faults)
		return
	}
	http.Redirect(w, r, "/?"+url.Values{"issued": {id}}.Encode(), http.StatusSeeOther)
}

func statusOf(err error) int {
	if vaccination.ErrorCode(err) == vaccination.Unavailable {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// faultsOf turns an error into faults of the form's fields. An error that is
// not about the input becomes one sentence without a field.
func faultsOf(l texts, err error) []page.Fault {
	if err == nil {
		return nil
	}
	var e *vaccination.Error
	if !errors.As(err, &e) || e.Code == vaccination.Internal || e.Code == vaccination.Unavailable {
		return []page.Fault{{Message: l.T("issue.failed")}}
	}
	var out []page.Fault
	for _, f := range e.Faults {
		field, label := fieldOf(f.Path)
		message := f.Message
		switch {
		case label != "" && l.Has("fault."+f.Code): // in the page's language
			message = l.T("fault."+f.Code, "field", l.T(label))
		case label != "":
			message = l.T("issue.fault", "field", l.T(label), "message", f.Message)
		}
		out = append(out, page.Fault{Field: field, Message: message})
	}
	if len(out) == 0 {
		out = append(out, page.Fault{Message: e.Message})
	}
	return out
}

// merge keeps the first fault of each field, in the order of the form.
func merge(first, more []page.Fault) []page.Fault {
	for _, m := range more {
		if m.Field == "" || page.Message(first, m.Field) == "" {
			first = append(first, m)
		}
	}
	place := func(x page.Fault) int {
		return slices.IndexFunc(fields(), func(f field) bool { return f.id == x.Field })
	}
	slices.SortStableFunc(first, func(a, b page.Fault) int { return place(a) - place(b) })
	return first
}

type texts interface {
	T(key string, args ...string) string
	Has(key string) bool
}

// fieldOf names the form's field for the path of a fault: its id and the key
// of its label.
func fieldOf(path string) (id, label string) {
	for _, f := range fields() {
		if path == f.path || strings.HasPrefix(path, f.path+".") {
			return f.id, f.label
		}
	}
	return "", ""
}
