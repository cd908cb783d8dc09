package divocapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// files adds DIVOC's paths for files of records.
func (h *handler) files(mux door.Mux) {
	for at, of := range map[string]csv.Template{"": csv.Doses, "/test": csv.Tests} {
		b := bulk{h, of}
		mux.HandleFunc("POST /divoc/api/v1"+at+"/bulkCertify", h.caller(b.certify))
		mux.HandleFunc("GET /divoc/api/v1"+at+"/certify/uploads", h.caller(b.uploads))
		mux.HandleFunc("GET /divoc/api/v1"+at+"/certify/uploads/{uploadId}/errors", h.caller(b.errors))
	}
}

// bulk are the paths of files of doses, or of tests. Neither shows the other's.
type bulk struct {
	*handler
	of csv.Template
}

// certify stores the part "file" of a form. When it answers, the file is
// durable and is being processed.
func (h bulk) certify(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if err := by.CanWhole(access.Certify); err != nil {
		return err
	}
	body := r.Body
	r.Body = io.NopCloser(door.LongBody(w, r))
	defer body.Close()
	noFile := vaccination.Errorf(vaccination.Invalid, "send a form (multipart/form-data) with the CSV in its part \"file\"")
	form, err := r.MultipartReader()
	if err != nil {
		return noFile
	}
	q := r.URL.Query()
	order, err := dates.ParseOrder(q.Get("dateFormat"))
	if err != nil {
		return err
	}
	encoding, err := csv.ParseEncoding(q.Get("encoding"))
	if err != nil {
		return err
	}
	for range 20 { // parts that are not the file
		part, err := form.NextPart()
		if err != nil {
			return noFile
		}
		if part.FormName() != "file" {
			continue
		}
		u, err := h.Uploads.Receive(r.Context(), by, upload.File{Name: part.FileName(), Format: upload.CSV, Encoding: encoding, Dates: order, Template: h.of, Body: part})
		var header *csv.HeaderError
		if errors.As(err, &header) {
			h.invalidTemplate(w, header)
			return nil
		}
		if err != nil {
			return err
		}
		door.WriteJSON(w, http.StatusOK, "application/json", map[string]int64{"uploadId": u.ID})
		return nil
	}
	return noFile
}

// invalidTemplate answers as DIVOC does to a header that is not the template's.
func (h *handler) invalidTemplate(w http.ResponseWriter, e *csv.HeaderError) {
	f := failure{Code: "INVALID_TEMPLATE", Message: e.Err.Message}
	for _, fault := range e.Err.Faults {
		f.Errors = append(f.Errors, faultyField{fault.Path, fault.Code, fault.Message})
	}
	door.WriteJSON(w, http.StatusBadRequest, "application/json", f)
}

// uploaded is an upload as DIVOC lists it.
type uploaded struct {
	ID              int64
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DeletedAt       *time.Time
	Filename        string
	TotalRecords    int64
	UserID          string
	Status          string
	TotalErrorRows  int64
	TotalIssuedRows int64
}

// uploads lists the caller's uploads. Of one that is being processed,
// TotalRecords counts the rows so far.
func (h bulk) uploads(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	list, err := h.Uploads.List(r.Context(), by, 0)
	if err != nil {
		return err
	}
	out := []uploaded{}
	for _, u := range list {
		if csv.TemplateOf(u.Columns()) != h.of {
			continue
		}
		status := "Success"
		switch {
		case u.State == upload.Processing:
			status = "Processing"
		case u.State == upload.Failed || u.Wrong > 0:
			status = "Failed"
		}
		out = append(out, uploaded{u.ID, u.Created, u.Touched, nil, u.Filename, u.Rows, u.Actor, status, u.Wrong, u.Issued})
	}
	door.WriteJSON(w, http.StatusOK, "application/json", out)
	return nil
}

// errors streams the rows of an upload that were refused: there may be
// many.
func (h bulk) errors(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	id, err := strconv.ParseInt(r.PathValue("uploadId"), 10, 64)
	if err != nil {
		if err := by.CanWhole(access.Certify); err != nil {
			return err
		}
		return vaccination.Errorf(vaccination.NotFound, "there is no such upload of yours")
	}
	u, err := h.Uploads.Get(r.Context(), by, id)
	if err == nil && csv.TemplateOf(u.Columns()) != h.of {
		err = vaccination.Errorf(vaccination.NotFound, "there is no such upload of yours")
	}
	if err != nil {
		return err
	}
	columns := append(append([]string{}, u.Columns()...), "errors")
	names, err := json.Marshal(columns)
	if err != nil {
		return err
	}
	var b strings.Builder // flushed in pieces
	begun := false
	out := door.LongAnswer(w)
	flush := func(atLeast int) error {
		if b.Len() < atLeast {
			return nil
		}
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
		}
		_, err := io.WriteString(out, b.String())
		b.Reset()
		return err
	}
	b.WriteString(`{"columns":` + string(names) + `,"errorRows":[`)
	first := true
	err = h.Uploads.EachWrong(r.Context(), by, id, func(row upload.WrongRow) error {
		item := map[string]any{"row": row.Row.Row, "errors": csv.Sentence(row.Reasons), "status": "Failed"}
		for i, c := range row.Cells {
			if i < len(u.Columns()) {
				item[columns[i]] = c
			}
		}
		one, err := json.Marshal(item)
		if err != nil {
			return err
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(one)
		return flush(32 << 10)
	})
	if err == nil {
		b.WriteString("]}\n")
		err = flush(0)
	}
	if err != nil && begun {
		_, _ = door.Public(h.Log, err) // for the log
		panic(http.ErrAbortHandler)    // half an answer is not taken for a whole
	}
	return err
}
