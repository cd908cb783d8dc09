package citizen

import (
	"crypto/rand"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	who "github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// maxPicture bounds a report with its picture, bytes.
const maxPicture = 10<<20 + 64<<10

// otherField is what is wrong where it is none of the fields.
const otherField = "other"

// wrong are the fields that can be reported, as casework names them, and the keys
// of their words.
func wrong() [][2]string {
	return [][2]string{
		{"person.name", "name"}, {"person.birthDate", "birthDate"}, {"person.sex", "sex"}, {"person.identifier.value", "identifier"},
		{"vaccination.product", "product"}, {"vaccination.lot", "lot"}, {"vaccination.date", "date"}, {"vaccination.centre", "centre"},
		{otherField, "not-me"},
	}
}

// mistake is a report as it was typed.
type mistake struct {
	ID    string // of the certificate
	Once  string // so that sending it twice is one report
	Field string
	Value string
}

func (h *handler) howToReport(w http.ResponseWriter, r *http.Request) {
	h.write(w, r, http.StatusOK, h.text(r, "my.report.title"), howToReportPage)
}

func (h *handler) report(w http.ResponseWriter, r *http.Request, s *who.Session) {
	p, c, err := h.found(r, s, "my-report")
	if err != nil || h.Cases == nil {
		h.fail(w, r, orMissing(err))
		return
	}
	if !s.HasOpened(p.Ref) {
		h.question(w, r, http.StatusOK, p, c, answer{})
		return
	}
	h.reportForm(w, r, http.StatusOK, mistake{ID: c.ID.String(), Once: rand.Text()})
}

// orMissing is err, or that there is no such page.
func orMissing(err error) error {
	if err == nil {
		return vaccination.Errorf(vaccination.NotFound, "nothing can be reported here")
	}
	return err
}

func (h *handler) reportForm(w http.ResponseWriter, r *http.Request, status int, m mistake, faults ...page.Fault) {
	h.write(w, r, status, h.text(r, "my.report.title"), func(v page.View) templ.Component { return reportPage(v, m, faults) }, faults...)
}

func (h *handler) reported(w http.ResponseWriter, r *http.Request, s *who.Session) {
	id, err := vaccination.ParseCertificateID(r.PathValue("id"))
	if err != nil || h.Cases == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPicture)
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		h.Frame.Error(w, r, http.StatusRequestEntityTooLarge)
		return
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	m := mistake{ID: id.String(), Once: r.PostForm.Get("once"), Field: r.PostForm.Get("field"), Value: strings.TrimSpace(r.PostForm.Get("value"))}
	request := casework.Request{Kind: casework.Correction, Certificate: id, Language: h.Frame.Locale(r).Tag, Once: m.Once}
	switch {
	case !slices.ContainsFunc(wrong(), func(f [2]string) bool { return f[0] == m.Field }):
		h.reportForm(w, r, http.StatusUnprocessableEntity, m, page.Fault{Field: "field", Message: h.text(r, "my.report.one")})
		return
	case m.Field == otherField:
		if request.Message = m.Value; request.Message == "" {
			request.Message = h.text(r, "my.report.field.not-me")
		}
	case m.Value == "":
		h.reportForm(w, r, http.StatusUnprocessableEntity, m, page.Fault{Field: "value", Message: h.text(r, "my.report.empty")})
		return
	default:
		request.Changes = []casework.Change{{Field: m.Field, Value: m.Value}}
	}
	picture, err := pictureOf(r.MultipartForm)
	if err != nil {
		h.reportForm(w, r, http.StatusUnprocessableEntity, m, page.Fault{Field: "evidence", Message: h.text(r, "my.report.picture")})
		return
	}
	ticket, err := h.Cases.Open(r.Context(), s.Caller, request)
	switch vaccination.ErrorCode(err) {
	case "":
	case vaccination.Invalid:
		h.reportForm(w, r, http.StatusUnprocessableEntity, m, page.Fault{Field: "value", Message: h.text(r, "my.report.format")})
		return
	case vaccination.TooMany:
		h.reportForm(w, r, http.StatusTooManyRequests, m, page.Fault{Field: "value", Message: h.text(r, "my.report.many")})
		return
	default:
		h.fail(w, r, err)
		return
	}
	if picture != nil {
		if _, err := h.Cases.AddEvidence(r.Context(), s.Caller, ticket, picture); err != nil && vaccination.ErrorCode(err) != vaccination.Conflict {
			m.Once = request.Once // the report stands: sent again, it is the same with its picture
			if c := vaccination.ErrorCode(err); c != vaccination.Invalid && c != vaccination.TooLarge {
				h.fail(w, r, err)
				return
			}
			h.reportForm(w, r, http.StatusUnprocessableEntity, m, page.Fault{Field: "evidence", Message: h.text(r, "my.report.picture")})
			return
		}
	}
	http.Redirect(w, r, reportsPath+"?sent", http.StatusSeeOther)
}

// pictureOf is the picture of a form, nil where there is none.
func pictureOf(f *multipart.Form) ([]byte, error) {
	files := f.File["evidence"]
	if len(files) == 0 || files[0].Size == 0 {
		return nil, nil
	}
	in, err := files[0].Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(in)
	return data, errors.Join(err, in.Close())
}

// reports lists what was reported about the records that the session opened.
func (h *handler) reports(w http.ResponseWriter, r *http.Request, s *who.Session) {
	if h.Cases == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	people, err := h.Issuance.Reach(r.Context(), s, "my-reports")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var out []casework.Summary
	for _, p := range people {
		if !s.HasOpened(p.Ref) {
			continue
		}
		cases, err := h.Cases.OfCertificate(r.Context(), s.Caller, p.Records[0].ID)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		out = append(out, cases...)
	}
	slices.SortStableFunc(out, func(a, b casework.Summary) int { return b.Opened.Compare(a.Opened) })
	sent := ""
	if r.URL.Query().Has("sent") && len(out) > 0 {
		sent = out[0].Ticket.String()
	}
	h.write(w, r, http.StatusOK, h.text(r, "my.requests.title"), func(v page.View) templ.Component { return reportsPage(v, out, sent) })
}

func (h *handler) withdraw(w http.ResponseWriter, r *http.Request, s *who.Session) {
	t, err := casework.ParseTicket(r.PathValue("ticket"))
	if err != nil || h.Cases == nil {
		h.Frame.Error(w, r, http.StatusNotFound)
		return
	}
	if err := h.Cases.Withdraw(r.Context(), s.Caller, t); err != nil && vaccination.ErrorCode(err) != vaccination.Conflict {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, reportsPath, http.StatusSeeOther)
}

// mail sends a link to this portal to an address on record.
func (h *handler) mail(w http.ResponseWriter, r *http.Request, s *who.Session) {
	p, c, err := h.found(r, s, "my-mail")
	if err != nil || h.Mail == nil || !s.HasOpened(p.Ref) {
		h.fail(w, r, orMissing(err))
		return
	}
	for _, contact := range p.Contacts() {
		if address, ok := strings.CutPrefix(contact, "mailto:"); ok {
			if err := h.Mail(r.Context(), address, h.Frame.Locale(r).Tag); err != nil {
				h.fail(w, r, err)
				return
			}
			break
		}
	}
	http.Redirect(w, r, listPath+"/"+c.ID.String()+"?sent", http.StatusSeeOther)
}
