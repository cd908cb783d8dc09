// Package auditor is what auditors see at /admin/audit: the entries of the audit
// to search and take away, the alarms, how the chains stand and what was
// published of them, and what is kept for how long. It shows no person's record.
package auditor

import (
	"encoding/csv"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is where the pages begin.
const Path = "/admin/audit"

// Options are what the pages need.
type Options struct {
	Frame *page.Frame
	Audit *audit.Service
	// Kept says what is kept for how long, and what was removed last; nil shows
	// nothing of it.
	Kept func(r *http.Request) ([]Kept, error)
	// Caller says who is signed in, [vaccination.Unauthorized] where nobody is.
	Caller func(*http.Request) (access.Caller, error)
	// SignIn sends the browser to sign in and back to this page.
	SignIn func(http.ResponseWriter, *http.Request)
	Zone   *time.Location // of the times that are typed and shown
	Log    *slog.Logger
}

// Kept is one class of data, as the page of retention shows it.
type Kept struct {
	Class   string // the key of its name
	Keep    time.Duration
	Last    time.Time // when the job ran last, zero for never
	Removed int64     // then
	Due     int64     // what waits to be removed
}

// maxForm bounds a form's body, bytes.
const maxForm = 16 << 10

// perPage is how many entries a page shows.
const perPage = 50

// Register adds the pages. Forms rely on [http.CrossOriginProtection], which it
// puts before them.
func Register(mux door.Mux, o Options) {
	h := &handler{o}
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.Frame.Error(w, r, http.StatusForbidden) }))
	mux.HandleFunc("GET "+Path, h.signedIn(h.entries))
	mux.HandleFunc("GET "+Path+"/entries.csv", h.signedIn(h.file))
	mux.HandleFunc("GET "+Path+"/alarms", h.signedIn(h.alarms))
	mux.Handle("POST "+Path+"/alarms", foreign.Handler(h.signedIn(h.closeAlarm)))
	mux.HandleFunc("GET "+Path+"/chains", h.signedIn(h.chains))
	mux.HandleFunc("GET "+Path+"/kept", h.signedIn(h.kept))
}

type handler struct{ Options }

// signedIn lets through who is signed in.
func (h *handler) signedIn(do func(http.ResponseWriter, *http.Request, access.Caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := h.Caller(r)
		switch {
		case vaccination.ErrorCode(err) == vaccination.Unauthorized:
			h.SignIn(w, r)
		case err != nil:
			h.failed(w, r, err)
		default:
			do(w, r, by)
		}
	}
}

// failed answers with a page that says what went wrong.
func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	status := door.Status(vaccination.ErrorCode(err))
	if status == http.StatusInternalServerError {
		h.Log.Error("request failed", slog.String("error", err.Error()))
	}
	h.Frame.Error(w, r, status)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, title string, faulty bool, body func(page.View) templ.Component) {
	h.Frame.Write(w, r, page.Page{Status: status, Title: h.Frame.Locale(r).T(title), Faulty: faulty, Body: body, Personal: true})
}

// search is what was typed to search by.
type search struct {
	From, Until, Actor, Act, Object string
}

func read(q url.Values) search {
	return search{q.Get("from"), q.Get("until"), q.Get("actor"), q.Get("act"), q.Get("object")}
}

// values writes a search for an address.
func (s search) values() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"from": s.From, "until": s.Until, "actor": s.Actor, "act": s.Act, "object": s.Object} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// filter reads what was typed; the faults are of fields of the form.
func (h *handler) filter(s search) (f audit.Filter, fields []string) {
	f = audit.Filter{Actor: s.Actor, Act: s.Act, Object: s.Object}
	day := func(field, text string, to *time.Time, add int) {
		if text == "" {
			return
		}
		t, err := time.ParseInLocation("2006-01-02", text, h.Zone)
		if err != nil {
			fields = append(fields, field)
			return
		}
		*to = t.AddDate(0, 0, add)
	}
	day("from", s.From, &f.From, 0)
	day("until", s.Until, &f.Until, 1) // to the end of that day
	if fields == nil && !f.From.IsZero() && !f.Until.IsZero() && !f.From.Before(f.Until) {
		fields = append(fields, "until")
	}
	return f, fields
}

// entriesView is what the page of entries shows.
type entriesView struct {
	Search  search
	Entries []audit.Entry
	Next    string // address of the next page, "" on the last
	File    string // address of all as a file
	Alarms  int    // open ones
	Zone    *time.Location
}

func (h *handler) entries(w http.ResponseWriter, r *http.Request, by access.Caller) {
	s := read(r.URL.Query())
	f, fields := h.filter(s)
	l := h.Frame.Locale(r)
	show := func(status int, e entriesView, faults []page.Fault) {
		h.write(w, r, status, "audit.title", len(faults) > 0, func(v page.View) templ.Component { return entriesPage(v, e, faults) })
	}
	e := entriesView{Search: s, File: Path + "/entries.csv?" + s.values().Encode(), Zone: h.Zone}
	if err := by.Can(access.ReadAudit); err != nil {
		h.failed(w, r, err)
		return
	}
	if fields != nil {
		var faults []page.Fault
		for _, field := range fields {
			faults = append(faults, page.Fault{Field: field, Message: l.T("audit.fault." + field)})
		}
		show(http.StatusUnprocessableEntity, e, faults)
		return
	}
	from, err := audit.ParseCursor(r.URL.Query().Get("after"))
	if err != nil {
		h.failed(w, r, err)
		return
	}
	var next audit.Cursor
	e.Entries, next, err = h.Audit.Search(r.Context(), by, f, from, perPage)
	if vaccination.ErrorCode(err) == vaccination.Invalid {
		show(http.StatusUnprocessableEntity, e, []page.Fault{{Field: "object", Message: l.T("audit.fault.text")}})
		return
	}
	if vaccination.ErrorCode(err) == vaccination.Unavailable && r.Context().Err() == nil { // it was ended: too much to look through
		show(http.StatusServiceUnavailable, e, []page.Fault{{Field: "from", Message: l.T("audit.fault.long")}})
		return
	}
	if err != nil {
		h.failed(w, r, err)
		return
	}
	if (next != audit.Cursor{}) {
		q := s.values()
		q.Set("after", next.String())
		e.Next = Path + "?" + q.Encode()
	}
	if open, err := h.Audit.OpenAlarms(r.Context()); err == nil {
		for _, n := range open {
			e.Alarms += n
		}
	}
	show(http.StatusOK, e, nil)
}

// file answers with all entries of a search as CSV, written as they are read. A
// failure in the middle breaks the answer off, so that it is not taken for whole.
func (h *handler) file(w http.ResponseWriter, r *http.Request, by access.Caller) {
	f, fields := h.filter(read(r.URL.Query()))
	if fields != nil {
		h.Frame.Error(w, r, http.StatusUnprocessableEntity)
		return
	}
	if err := by.Can(access.ReadAudit); err != nil {
		h.failed(w, r, err)
		return
	}
	// It may take longer than a request may: each page of entries gets its time.
	control := http.NewResponseController(w)
	c := csv.NewWriter(w)
	begun := false
	head := func() {
		if begun {
			return
		}
		begun = true
		header := w.Header()
		header.Set("Content-Type", "text/csv; charset=utf-8")
		header.Set("Content-Disposition", `attachment; filename="audit.csv"`)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte("\xef\xbb\xbf"))
		_ = c.Write([]string{"at", "actor", "act", "object", "detail", "chain", "entry"})
	}
	err := h.Audit.Export(r.Context(), by, f, func(entries []audit.Entry) error {
		head()
		_ = control.SetWriteDeadline(time.Now().Add(time.Minute)) // where there is one
		for _, e := range entries {
			if err := c.Write([]string{e.At.Format(time.RFC3339Nano), door.Cell(e.Actor), door.Cell(e.Act), door.Cell(e.Object), door.Cell(e.Detail), strconv.Itoa(int(e.Chain)), strconv.FormatInt(e.Seq, 10)}); err != nil {
				return err
			}
		}
		c.Flush()
		return c.Error()
	})
	switch {
	case err != nil && begun:
		panic(http.ErrAbortHandler)
	case err != nil:
		h.failed(w, r, err)
	default:
		head()
		c.Flush()
	}
}

// alarmsView is what the page of alarms shows.
type alarmsView struct {
	List     []audit.Alarm
	MayClose bool
	Of       int64 // the alarm whose form came back
	Reason   string
	Zone     *time.Location
}

func (h *handler) alarms(w http.ResponseWriter, r *http.Request, by access.Caller) {
	h.showAlarms(w, r, by, http.StatusOK, alarmsView{}, nil)
}

// maxAlarms bounds the alarms of a page.
const maxAlarms = 200

func (h *handler) showAlarms(w http.ResponseWriter, r *http.Request, by access.Caller, status int, a alarmsView, faults []page.Fault) {
	var err error
	if a.List, err = h.Audit.Alarms(r.Context(), by, false, maxAlarms); err != nil {
		h.failed(w, r, err)
		return
	}
	a.MayClose, a.Zone = by.At(access.ManageStaff, ""), h.Zone
	h.write(w, r, status, "audit.alarms.title", len(faults) > 0, func(v page.View) templ.Component { return alarmsPage(v, a, faults) })
}

func (h *handler) closeAlarm(w http.ResponseWriter, r *http.Request, by access.Caller) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
		return
	}
	id, err := strconv.ParseInt(r.PostForm.Get("alarm"), 10, 64)
	if err != nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	reason := strings.TrimSpace(r.PostForm.Get("reason"))
	err = h.Audit.CloseAlarm(r.Context(), by, id, reason)
	var said *vaccination.Error
	switch {
	case err == nil:
		http.Redirect(w, r, Path+"/alarms", http.StatusSeeOther)
	case vaccination.ErrorCode(err) == vaccination.Forbidden && !by.At(access.ManageStaff, ""):
		h.failed(w, r, err)
	case errors.As(err, &said) && slices.Contains([]vaccination.Code{vaccination.Invalid, vaccination.Forbidden, vaccination.Conflict}, said.Code):
		key := map[vaccination.Code]string{vaccination.Invalid: "audit.fault.reason", vaccination.Forbidden: "audit.fault.own", vaccination.Conflict: "audit.fault.closed"}[said.Code]
		field := "reason-" + strconv.FormatInt(id, 10)
		h.showAlarms(w, r, by, http.StatusUnprocessableEntity, alarmsView{Of: id, Reason: reason}, []page.Fault{{Field: field, Message: h.Frame.Locale(r).T(key)}})
	default:
		h.failed(w, r, err)
	}
}

// chainsView is what the page of chains shows.
type chainsView struct {
	Chains     []audit.State
	Statements []audit.Published
	Zone       *time.Location
}

func (h *handler) chains(w http.ResponseWriter, r *http.Request, by access.Caller) {
	c := chainsView{Zone: h.Zone}
	var err error
	if c.Chains, err = h.Audit.Chains(r.Context(), by); err == nil {
		c.Statements, err = h.Audit.Statements(r.Context(), 0, 30)
	}
	if err != nil {
		h.failed(w, r, err)
		return
	}
	h.write(w, r, http.StatusOK, "audit.chains.title", false, func(v page.View) templ.Component { return chainsPage(v, c) })
}

func (h *handler) kept(w http.ResponseWriter, r *http.Request, by access.Caller) {
	if err := by.Can(access.ReadAudit); err != nil {
		h.failed(w, r, err)
		return
	}
	var list []Kept
	if h.Kept != nil {
		var err error
		if list, err = h.Kept(r); err != nil {
			h.failed(w, r, err)
			return
		}
	}
	h.write(w, r, http.StatusOK, "audit.kept.title", false, func(v page.View) templ.Component { return keptPage(v, list, h.Zone) })
}

// moment writes a time in the country's zone.
func moment(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}
