// Package admin is the administrators' portal: /admin and what is below it. Each
// page asks the law of package access for its permission, reads through the same
// services as the API, and works without scripts. What names a person never
// stands in an address: such searches are posted.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/layouts"
	"github.com/opendivoc/divoc/internal/places"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is where the portal is.
const Path = "/admin"

// maxForm bounds a form's body, bytes; files have their own bounds.
const maxForm = 4 << 20

// Options are what the portal opens to. Services that are nil have no pages.
type Options struct {
	Frame *page.Frame
	// Caller says who of the staff is signed in, [vaccination.Unauthorized] where
	// nobody is; SignIn then sends the browser to sign in and back.
	Caller func(*http.Request) (access.Caller, error)
	SignIn http.HandlerFunc
	// Fresh says whether they proved minutes ago who they are; Again has them do so
	// and come back.
	Fresh func(*http.Request) bool
	Again http.HandlerFunc
	// Protect refuses forms that another site sent.
	Protect func(http.Handler) http.Handler

	Service    *issuance.Service
	Statistics *statistics.Service
	Bulk       *bulk.Service
	Trust      *trustlist.Service
	Intake     *intake.Service
	Uploads    *upload.Service
	Cases      *casework.Service
	Places     places.Service
	Layouts    *layouts.Service
	Staff      *staff.Service
	Messages   *deliver.Service
	Print      string // where the style of pages to print is
	Now        func() time.Time
	Log        *slog.Logger
}

type handler struct {
	Options
}

// asked is one request of somebody who may make it.
type asked struct {
	*http.Request
	w  http.ResponseWriter
	by access.Caller
	v  texts
}

// texts are the texts of the page's language.
type texts interface {
	T(key string, args ...string) string
	Has(key string) bool
	Time(time.Time) string
	Date(vaccination.Date) string
}

// answer is a page; nil where the request is answered already.
type answer func(*asked) (*body, error)

// section is a part of the portal as the menu shows it: the first permission that
// somebody has opens it.
type section struct {
	key, path string
	may       access.Permission
}

func sections() []section {
	return []section{
		{"today", "", access.ReadStatistics},
		{"certificates", "/certificates", access.Read},
		{"cases", "/cases", access.DecideCases},
		{"withdrawals", "/withdrawals", access.WithdrawMany},
		{"sources", "/sources", access.ManageSources},
		{"holds", "/holds", access.DecideHolds},
		{"uploads", "/uploads", access.Certify},
		{"places", "/places", access.ManageProgrammes},
		{"programmes", "/programmes", access.ManageProgrammes},
		{"layouts", "/layouts", access.ManageProgrammes},
		{"messages", "/messages", access.ManageMessages},
		{"staff", "/staff", access.ManageStaff},
		{"keys", "/keys", access.ManageKeys},
		{"settings", "/settings", access.ManageSettings},
	}
}

// Register adds the portal to mux.
func Register(mux door.Mux, o Options) {
	h := &handler{Options: o}
	h.today(mux)
	h.certificates(mux)
	h.withdrawals(mux)
	h.cases(mux)
	h.sources(mux)
	h.holds(mux)
	h.likenesses(mux)
	h.uploads(mux)
	h.places(mux)
	h.programmes(mux)
	h.layouts(mux)
	h.messages(mux)
	h.staff(mux)
	h.keys(mux)
	h.trust(mux)
	h.settings(mux)
}

// page adds a page that needs a permission.
func (h *handler) page(mux door.Mux, pattern string, may access.Permission, do answer) {
	method, path, _ := strings.Cut(pattern, " ")
	mux.Handle(method+" "+Path+path, h.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, err := h.Caller(r)
		if vaccination.ErrorCode(err) == vaccination.Unauthorized {
			h.SignIn(w, r)
			return
		}
		a := &asked{Request: r, w: w, by: by, v: h.Frame.Locale(r)}
		if err == nil && by.Can(may) != nil {
			h.write(a, &body{Status: http.StatusForbidden, Title: a.v.T("admin.forbidden.title"), Blocks: []block{{Text: a.v.T("admin.forbidden.text")}}}, nil)
			return
		}
		var b *body
		if err == nil && method == http.MethodPost {
			err = form(a)
		}
		if err == nil {
			b, err = do(a)
		}
		h.write(a, b, err)
	})))
}

// form reads a posted form, unless it is a file's.
func form(a *asked) error {
	if strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/") {
		return nil
	}
	a.Body = http.MaxBytesReader(a.w, a.Body, maxForm)
	if err := a.ParseForm(); err != nil {
		return vaccination.Errorf(vaccination.TooLarge, "this is more than a form may hold")
	}
	return nil
}

// fresh lets a handler run only for somebody who proved minutes ago who they are;
// others are sent to do so and come back to the page of the form.
func (h *handler) fresh(do answer) answer {
	return func(a *asked) (*body, error) {
		if !h.Fresh(a.Request) {
			h.Again(a.w, a.Request)
			return nil, nil
		}
		return do(a)
	}
}

// write answers with a page, or with what is wrong.
func (h *handler) write(a *asked, b *body, err error) {
	if err != nil {
		h.fail(a, err)
		return
	}
	if b == nil {
		return
	}
	var menu []item
	for _, s := range sections() {
		if a.by.Can(s.may) == nil {
			menu = append(menu, item{a.v.T("admin.menu." + s.key), Path + s.path, here(a.URL.Path, Path+s.path)})
		}
	}
	h.Frame.Write(a.w, a.Request, page.Page{
		Status: b.Status, Title: b.Title, Faulty: len(b.Faults) > 0, Personal: true, Script: b.Script,
		Body: func(v page.View) templ.Component { return framed(v, menu, b) },
	})
}

// here reports whether a page is in a section.
func here(path, section string) bool {
	return path == section || section != Path && strings.HasPrefix(path, section+"/")
}

// fail answers with an error: a page of the frame's own where it has one.
func (h *handler) fail(a *asked, err error) {
	e, _ := door.Public(h.Log, err)
	status := door.Status(e.Code)
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusInternalServerError, http.StatusServiceUnavailable:
		if e.Code != vaccination.Forbidden || a.by.Actor == "" {
			h.Frame.Error(a.w, a.Request, status)
			return
		}
	}
	h.write(a, &body{Status: status, Title: a.v.T("admin.failed"), Blocks: []block{{Text: e.Message}}}, nil)
}

// faults turns an error that a form can be mended after into faults of it; others
// are handed back.
func (h *handler) faults(err error) ([]page.Fault, error) {
	var e *vaccination.Error
	if !errors.As(err, &e) || !slices.Contains([]vaccination.Code{vaccination.Invalid, vaccination.Conflict, vaccination.TooLarge, vaccination.Revoked, vaccination.Forbidden, vaccination.TooMany}, e.Code) {
		return nil, err
	}
	var out []page.Fault
	for _, f := range e.Faults {
		out = append(out, page.Fault{Field: f.Path, Message: f.Message})
	}
	if len(out) == 0 {
		out = append(out, page.Fault{Message: e.Message})
	}
	return out, nil
}

// see sends the browser to a page, so that a reload posts nothing again.
func (a *asked) see(path string, query ...string) (*body, error) {
	to := Path + path
	if len(query) > 0 {
		q := url.Values{}
		for i := 0; i+1 < len(query); i += 2 {
			q.Set(query[i], query[i+1])
		}
		to += "?" + q.Encode()
	}
	a.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(a.w, a.Request, to, http.StatusSeeOther)
	return nil, nil
}

// done is the sentence that a page says after an act, named in its address.
func (a *asked) done() string {
	if key := "admin.done." + a.URL.Query().Get("done"); a.v.Has(key) {
		return a.v.T(key)
	}
	return ""
}

// detached lets work that was begun end when the browser goes away.
func (a *asked) detached() context.Context { return context.WithoutCancel(a.Context()) }

// pathOf is a value as a part of a path.
func pathOf(value string) string { return url.PathEscape(value) }
