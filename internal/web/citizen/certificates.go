package citizen

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/a-h/templ"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// signed answers who is signed in, and asks everybody else for a number.
func (h *handler) signed(next func(http.ResponseWriter, *http.Request, *who.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		s, err := h.Citizens.Session(r.Context(), h.session(r))
		switch vaccination.ErrorCode(err) {
		case "":
			next(w, r, s)
		case vaccination.Unauthorized:
			if h.session(r) == "" {
				http.Redirect(w, r, withLanguage(r, Path), http.StatusSeeOther)
				return
			}
			h.clear(w, sessionCookie)
			h.ask(w, r, http.StatusUnauthorized, typed{}, page.Fault{Field: "number", Message: h.text(r, "my.fault.session")})
		default:
			h.fail(w, r, err)
		}
	}
}

// one is somebody in the list.
type one struct {
	Name   string // initials until the record was opened
	Opened bool
	Doses  []dose
}

// dose is one certificate in the list: no more than number and year until it was
// opened.
type dose struct {
	ID, Text string
	Status   vaccination.Status
}

func (h *handler) list(w http.ResponseWriter, r *http.Request, s *who.Session) {
	people, err := h.Issuance.Reach(r.Context(), s, "my-list")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	l := h.Frame.Locale(r)
	var own, children []one
	for _, p := range people {
		o := one{Name: initials(p.Person().Name), Opened: s.HasOpened(p.Ref)}
		if o.Opened {
			o.Name = p.Person().Name
		}
		for _, c := range p.Records {
			day := c.Certificate.Day(h.Profile.TimeZone)
			d := dose{ID: c.ID.String(), Text: l.T("my.list.dose", "dose", itoa(c.Dose), "year", year(day))}
			if o.Opened {
				d.Text = h.product(c, l.Tag) + ", " + l.T("my.list.dose", "dose", itoa(c.Dose), "year", l.Date(day))
				d.Status = c.Status
			}
			if t := c.Certificate.Test; o.Opened && !t.IsZero() { // what it found stands on its page alone
				d.Text = l.Term(t.Type) + ", " + l.Date(day)
			} else if !t.IsZero() {
				d.Text = l.T("my.list.test", "year", year(day))
			}
			o.Doses = append(o.Doses, d)
		}
		if p.Child {
			children = append(children, o)
		} else {
			own = append(own, o)
		}
	}
	languages, err := h.languages(r, s)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.write(w, r, http.StatusOK, l.T("my.list.title"), func(v page.View) templ.Component {
		return listPage(v, own, children, h.Cases != nil && len(s.Opened) > 0, languages)
	})
}

// initials are all that is shown of a name before the record is opened.
func initials(name string) string {
	var out []string
	for _, word := range strings.Fields(name) {
		for _, c := range word {
			if unicode.IsLetter(c) {
				out = append(out, string(unicode.ToUpper(c))+".")
				break
			}
		}
	}
	return strings.Join(out[:min(len(out), 4)], " ")
}

// product is the product of a certificate in a language.
func (h *handler) product(r *issuance.Record, lang string) string {
	if p, ok := h.Profile.Catalogue.Product(r.Certificate.Vaccination.Product); ok {
		return p.Name(lang)
	}
	return r.Certificate.Vaccination.Brand.Display
}

// found is a certificate that the session reaches, with its person. One that it
// does not reach looks like one that does not exist.
func (h *handler) found(r *http.Request, s *who.Session, purpose string) (*issuance.Reached, *issuance.Record, error) {
	none := vaccination.Errorf(vaccination.NotFound, "there is no such certificate among yours")
	id, err := vaccination.ParseCertificateID(r.PathValue("id"))
	if err != nil {
		return nil, nil, none
	}
	people, err := h.Issuance.Reach(r.Context(), s, purpose)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range people {
		if i := slices.IndexFunc(p.Records, func(c *issuance.Record) bool { return c.ID == id }); i >= 0 {
			return p, p.Records[i], nil
		}
	}
	return nil, nil, none
}

// shown is a certificate that was opened.
type shown struct {
	*issuance.Record
	ID        string
	Product   string
	Programme string
	Languages []language
	Current   bool // it has a page, a code and files
	Exports   []export
	Reports   bool   // mistakes can be reported
	Mail      string // whether a link can be sent: "no", "ask" or "sent"
}

type language struct{ Tag, Name string }

func (h *handler) certificate(w http.ResponseWriter, r *http.Request, s *who.Session) {
	p, c, err := h.found(r, s, "my-certificate")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if !s.HasOpened(p.Ref) {
		h.question(w, r, http.StatusOK, p, c, answer{})
		return
	}
	l := h.Frame.Locale(r)
	mail := "no"
	if h.Mail != nil && slices.ContainsFunc(p.Contacts(), func(c string) bool { return strings.HasPrefix(c, "mailto:") }) {
		mail = "ask"
	}
	if r.URL.Query().Has("sent") {
		mail = "sent"
	}
	x := shown{Record: c, ID: c.ID.String(), Product: h.product(c, l.Tag), Programme: h.Profile.ProgrammeName(c.Programme, l.Tag), Current: !c.Status.Final(), Reports: h.Cases != nil, Mail: mail}
	for _, tag := range h.Profile.Languages {
		x.Languages = append(x.Languages, language{tag, h.Frame.LanguageName(tag)})
	}
	if x.Current {
		if x.Exports, err = h.exports(r, c); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.write(w, r, http.StatusOK, l.T("my.view.title"), func(v page.View) templ.Component { return certificatePage(v, x) })
}

// answer is what was answered to the question that opens a record.
type answer struct {
	Date page.DateParts
	Lot  string
}

// question asks what opens a record.
func (h *handler) question(w http.ResponseWriter, r *http.Request, status int, p *issuance.Reached, c *issuance.Record, a answer, faults ...page.Fault) {
	l := h.Frame.Locale(r)
	if p.Closed {
		h.write(w, r, status, l.T("my.closed-record.title"), func(v page.View) templ.Component {
			return closedRecordPage(v, v.T("my.closed-record.unknown"))
		})
		return
	}
	left, err := h.Citizens.TriesLeft(r.Context(), p.Ref)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if left == 0 { // before they answer in vain
		h.noMoreTries(w, r)
		return
	}
	name, id := initials(p.Person().Name), c.ID.String()
	h.write(w, r, status, l.T("my.open.title"), func(v page.View) templ.Component {
		return openPage(v, id, name, p.Factor, left, a, faults)
	}, faults...)
}

func (h *handler) open(w http.ResponseWriter, r *http.Request, s *who.Session) {
	p, c, err := h.found(r, s, "my-open")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	a := answer{Date: page.DateOf(r.PostForm, "answer"), Lot: r.PostForm.Get("answer")}
	given := a.Date.String()
	if p.Factor == profile.FactorLot {
		given = a.Lot
	}
	right := !p.Closed && h.Issuance.Right(p, given)
	err = h.Citizens.OpenRecord(r.Context(), s, p.Ref, right)
	switch vaccination.ErrorCode(err) {
	case "":
		http.Redirect(w, r, listPath+"/"+c.ID.String(), http.StatusSeeOther)
	case vaccination.Forbidden:
		h.question(w, r, http.StatusUnprocessableEntity, p, c, a, page.Fault{Field: "answer", Message: h.text(r, "my.fault.wrong")})
	case vaccination.TooMany:
		h.noMoreTries(w, r)
	default:
		h.fail(w, r, err)
	}
}

// noMoreTries says that a record is closed to telephones, and what to do.
func (h *handler) noMoreTries(w http.ResponseWriter, r *http.Request) {
	h.write(w, r, http.StatusTooManyRequests, h.text(r, "my.closed-record.title"), func(v page.View) templ.Component {
		return closedRecordPage(v, v.T("my.closed-record.tries"))
	})
}

// opened loads the page of a certificate whose record was opened; a session that
// did not open it is sent to the question.
func (h *handler) opened(w http.ResponseWriter, r *http.Request, s *who.Session, purpose string) (doses []*issuance.Record, index int, ok bool) {
	id, err := vaccination.ParseCertificateID(r.PathValue("id"))
	if err == nil {
		doses, index, err = h.Issuance.OpenedPage(r.Context(), s, id, purpose)
	} else {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such certificate among yours")
	}
	if err != nil {
		h.fail(w, r, err)
		return nil, 0, false
	}
	return doses, index, true
}

func (h *handler) pdf(w http.ResponseWriter, r *http.Request, s *who.Session) {
	doses, index, ok := h.opened(w, r, s, "my-pdf")
	if !ok {
		return
	}
	data, err := h.Printer.PDF(doses, index, r.URL.Query()["language"])
	h.file(w, r, "application/pdf", "certificate.pdf", data, err)
}

func (h *handler) print(w http.ResponseWriter, r *http.Request, s *who.Session) {
	doses, index, ok := h.opened(w, r, s, "my-print")
	if !ok {
		return
	}
	var b bytes.Buffer
	err := h.Printer.HTML(&b, doses, index, r.URL.Query()["language"], render.HTMLOptions{Stylesheet: h.Print})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'")
	_, _ = w.Write(b.Bytes()) // the client went away
}

func (h *handler) qr(w http.ResponseWriter, r *http.Request, s *who.Session) {
	doses, index, ok := h.opened(w, r, s, "my-qr")
	if !ok {
		return
	}
	data, err := h.Printer.PNG(doses[index])
	h.file(w, r, "image/png", "", data, err)
}

// file answers with a file; without a name it is shown.
func (h *handler) file(w http.ResponseWriter, r *http.Request, contentType, name string, data []byte, err error) {
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if name != "" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_, _ = w.Write(data) // the client went away
}

func itoa(n int) string { return strconv.Itoa(n) }
