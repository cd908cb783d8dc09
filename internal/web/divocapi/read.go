package divocapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// reads adds the paths that show what was certified.
func (h *handler) reads(mux door.Mux) {
	mux.HandleFunc("GET /divoc/api/v1/certificates", h.caller(h.list))
	mux.HandleFunc("GET /divoc/api/v1/certificates/{preEnrollmentCode}", h.caller(h.certificates))
	pdf, qr := h.page("pdf", "application/pdf", h.pdf), h.page("qr", "image/png", h.png)
	mux.HandleFunc("GET /certificate/api/certificatePDF/{preEnrollmentCode}", h.caller(pdf.byCode))
	mux.HandleFunc("GET /certificate/api/test/certificatePDF/{preEnrollmentCode}", h.caller(pdf.testPage))
	mux.HandleFunc("GET /certificate/api/certificatePDF", h.caller(pdf.byQuery))
	mux.HandleFunc("GET /certificate/api/certificate/{certificateId}", h.caller(pdf.byPath))
	mux.HandleFunc("GET /certificate/api/certificateQRCode/{preEnrollmentCode}", h.caller(qr.byCode))
	mux.HandleFunc("GET /certificate/api/certificate/QRCode/{certificateId}", h.caller(qr.byPath))
}

// row is a row as DIVOC's registry shows it, with our credential in place of
// DIVOC's.
type row struct {
	CertificateID     vaccination.CertificateID `json:"certificateId"`
	PreEnrollmentCode string                    `json:"preEnrollmentCode"`
	ProgramID         string                    `json:"programId"`
	Name              string                    `json:"name"`
	Dose              int                       `json:"dose"`
	Version           int                       `json:"version"`
	Status            vaccination.Status        `json:"status"`
	Certificate       json.RawMessage           `json:"certificate"`
}

func rowOf(r *issuance.Record) row {
	return row{r.ID, r.Enrolment, r.Programme, r.Certificate.Name, r.Dose, r.Version, r.Status, r.Document}
}

func rowsOf(records []*issuance.Record) []row {
	out := make([]row, len(records))
	for i, r := range records {
		out[i] = rowOf(r)
	}
	return out
}

// Bounds of a list.
const (
	defaultRows = 100
	maxRows     = 1000
)

// list answers with the caller's own: what their source delivered, a part at a
// time, or, for a person, what is reached by their mobile number.
func (h *handler) list(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if by.Role == access.Recipient {
		records, err := h.Service.Mine(r.Context(), by, "certificates")
		if err == nil {
			door.WriteJSON(w, http.StatusOK, "application/json", rowsOf(records))
		}
		return err
	}
	q := r.URL.Query()
	limit, after := defaultRows, vaccination.CertificateID{}
	var err error
	if q.Has("limit") {
		if limit, err = strconv.Atoi(q.Get("limit")); err != nil || limit < 1 || limit > maxRows {
			return vaccination.Errorf(vaccination.Invalid, "limit is a whole number from 1 to %d", maxRows)
		}
	}
	if q.Has("after") {
		if after, err = vaccination.ParseCertificateID(q.Get("after")); err != nil {
			return vaccination.Errorf(vaccination.Invalid, "after is the certificateId of the last row there was")
		}
	}
	records, more, err := h.Service.Delivered(r.Context(), by, after, limit, "certificates")
	if err != nil {
		return err
	}
	if more {
		next := url.Values{"limit": {strconv.Itoa(limit)}, "after": {records[len(records)-1].ID.String()}}
		w.Header().Set("Link", "<"+r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
	}
	door.WriteJSON(w, http.StatusOK, "application/json", rowsOf(records))
	return nil
}

// certificates answers with every version of an enrolment code, or with the one
// certificate whose id stands in its place. An id of ours wins: no other system
// makes codes of 24 letters and digits that are one.
func (h *handler) certificates(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	code := r.PathValue("preEnrollmentCode")
	if id, err := vaccination.ParseCertificateID(code); err == nil {
		one, err := h.Service.ByID(r.Context(), by, id, "certificates")
		if err == nil {
			door.WriteJSON(w, http.StatusOK, "application/json", rowOf(one))
		}
		if vaccination.ErrorCode(err) != vaccination.NotFound {
			return err
		}
	}
	records, err := h.Service.ByCode(r.Context(), by, r.URL.Query().Get("programId"), code, "certificates")
	if err == nil {
		door.WriteJSON(w, http.StatusOK, "application/json", rowsOf(records))
	}
	return err
}

// page is one form of a person's page: make makes it of the current doses, with
// the code of the one at index.
type page struct {
	*handler
	purpose, contentType string
	make                 func(r *http.Request, by access.Caller, doses []*issuance.Record, index int) ([]byte, error)
}

func (h *handler) page(purpose, contentType string, make func(*http.Request, access.Caller, []*issuance.Record, int) ([]byte, error)) page {
	return page{h, purpose, contentType, make}
}

// byCode answers with the page of an enrolment code.
func (p page) byCode(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	doses, latest, err := p.Service.PageByCode(r.Context(), by, r.URL.Query().Get("programId"), r.PathValue("preEnrollmentCode"), p.purpose)
	if err != nil {
		return err
	}
	return p.write(w, r, by, doses, latest)
}

func (p page) byPath(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	return p.byID(w, r, by, r.PathValue("certificateId"))
}

func (p page) byQuery(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	return p.byID(w, r, by, r.URL.Query().Get("certificateId"))
}

// byID answers with the page of one certificate: a source's, or a person's own.
func (p page) byID(w http.ResponseWriter, r *http.Request, by access.Caller, text string) error {
	find := p.Service.Page
	if by.Role == access.Recipient {
		find = p.Service.MyPage
	}
	id, err := vaccination.ParseCertificateID(text)
	if err != nil {
		return vaccination.Errorf(vaccination.NotFound, "this is no certificateId: it has 24 letters and digits")
	}
	doses, index, err := find(r.Context(), by, id, p.purpose)
	if err != nil {
		return err
	}
	return p.write(w, r, by, doses, index)
}

func (p page) write(w http.ResponseWriter, r *http.Request, by access.Caller, doses []*issuance.Record, index int) error {
	var data []byte
	if r.Method != http.MethodHead { // it asks whether there is one; none is made
		var err error
		if data, err = p.make(r, by, doses, index); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", p.contentType)
	if p.contentType == "application/pdf" {
		w.Header().Set("Content-Disposition", `inline; filename="certificate.pdf"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(data) // the client went away
	return nil
}

func (h *handler) pdf(r *http.Request, _ access.Caller, doses []*issuance.Record, index int) ([]byte, error) {
	return h.Printer.PDF(doses, index, r.URL.Query()["lang"])
}

func (h *handler) png(r *http.Request, by access.Caller, doses []*issuance.Record, index int) ([]byte, error) {
	return h.code(r.Context(), by, doses[index])
}
