package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// uploads adds the pages of files of records.
func (h *handler) uploads(mux door.Mux) {
	may := access.Certify
	h.page(mux, "GET /uploads", may, func(a *asked) (*body, error) { return h.listUploads(a, nil) })
	h.page(mux, "POST /uploads", may, h.upload)
	h.page(mux, "GET /uploads/{id}", may, h.showUpload)
	h.page(mux, "GET /uploads/{id}/errors.csv", may, h.uploadErrors)
	h.page(mux, "GET /uploads/{id}/progress", may, h.uploadProgress)
}

func (h *handler) listUploads(a *asked, faults []page.Fault) (*body, error) {
	before, _ := strconv.ParseInt(a.URL.Query().Get("before"), 10, 64)
	list, err := h.Uploads.List(a.Context(), a.by, before)
	if err != nil {
		return nil, err
	}
	t := &table{Caption: a.v.T("admin.menu.uploads"), Empty: a.v.T("admin.uploads.none"), CSV: a.fileURL(), Numbers: 4,
		Head: []string{a.v.T("admin.number"), a.v.T("admin.file"), a.v.T("admin.source"), a.v.T("admin.state"), a.v.T("admin.when"), a.v.T("admin.rows"), a.v.T("admin.count.issued"), a.v.T("admin.count.unchanged"), a.v.T("admin.wrong")}}
	for _, u := range list {
		id := strconv.FormatInt(u.ID, 10)
		t.Rows = append(t.Rows, []cell{to(id, Path+"/uploads/"+id), text(u.Filename), text(u.Source), a.tag("admin.upload.", string(u.State)), text(a.when(u.Created)), number(u.Rows), number(u.Issued), number(u.Unchanged), number(u.Wrong)})
	}
	if len(list) == 200 {
		t.Next = Path + "/uploads?before=" + strconv.FormatInt(list[199].ID, 10)
	}
	if a.wantsFile() {
		return a.file("uploads", t)
	}
	file := a.textField("file", "file", "")
	file.Kind = "file"
	orders := []option{{Text: a.v.T("admin.dates.none")}}
	for _, o := range []string{"DMY", "MDY", "YMD"} {
		orders = append(orders, option{Value: o, Text: a.v.T("admin.dates." + o)})
	}
	b := &body{Title: a.v.T("admin.menu.uploads"), Faults: faults, Blocks: []block{{Table: t}, {Heading: a.v.T("admin.upload.new"), Text: a.v.T("admin.upload.text"), Form: &formBlock{
		Action: Path + "/uploads", File: true, Submit: a.v.T("admin.upload.send"), Fields: []field{a.selectField("dates", "dates", "", orders), file},
	}}}}
	if len(faults) > 0 {
		b.Status = http.StatusUnprocessableEntity
	}
	return b, nil
}

// upload stores a file as it comes: it is never held whole.
func (h *handler) upload(a *asked) (*body, error) {
	fault := func(key string) (*body, error) {
		return h.listUploads(a, []page.Fault{{Field: "file", Message: a.v.T(key)}})
	}
	parts, err := a.MultipartReader()
	if err != nil {
		return fault("admin.file.missing")
	}
	f := upload.File{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fault("admin.file.missing")
		}
		if err != nil {
			return nil, vaccination.Errorf(vaccination.Invalid, "this form broke off: send it again")
		}
		if part.FormName() == "dates" {
			value, err := io.ReadAll(io.LimitReader(part, 100))
			if err != nil {
				return nil, err
			}
			if f.Dates, err = dates.ParseOrder(string(value)); err != nil {
				return nil, err
			}
			continue
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		f.Name, f.Format = part.FileName(), upload.CSV
		if ext := strings.ToLower(path.Ext(f.Name)); ext == ".json" || ext == ".jsonl" || ext == ".ndjson" {
			f.Format = upload.JSON
		}
		if f.Encoding, err = csv.ParseEncoding(""); err != nil {
			return nil, err
		}
		c := http.NewResponseController(a.w)
		f.Body = longPart{c, part}
		by := a.by
		if by.Source == "" {
			by.Source = "admin"
		}
		u, err := h.Uploads.Receive(a.detached(), by, f)
		if err != nil {
			faults, err := h.faults(err)
			if err != nil {
				return nil, err
			}
			return h.listUploads(a, faults)
		}
		return a.see("/uploads/" + strconv.FormatInt(u.ID, 10))
	}
}

// longPart is a file in a form that takes as long as it takes, while something
// arrives every minute.
type longPart struct {
	c *http.ResponseController
	r io.Reader
}

// Read waits for more.
func (p longPart) Read(b []byte) (int, error) {
	until := time.Now().Add(time.Minute)
	_ = p.c.SetReadDeadline(until) // where there is none, none passes
	_ = p.c.SetWriteDeadline(until.Add(time.Minute))
	return p.r.Read(b)
}

func (h *handler) uploadOf(a *asked) (upload.Info, error) {
	id, err := strconv.ParseInt(a.PathValue("id"), 10, 64)
	if err != nil {
		return upload.Info{}, vaccination.Errorf(vaccination.NotFound, "there is no such upload of yours")
	}
	return h.Uploads.Get(a.Context(), a.by, id)
}

func (h *handler) showUpload(a *asked) (*body, error) {
	u, err := h.uploadOf(a)
	if err != nil {
		return nil, err
	}
	here := Path + "/uploads/" + strconv.FormatInt(u.ID, 10)
	b := &body{Title: u.Filename, Caption: a.v.T("admin.upload", "n", strconv.FormatInt(u.ID, 10)), Back: &link{a.v.T("admin.menu.uploads"), Path + "/uploads"}}
	if u.State == upload.Processing {
		b.Script = "live.js"
		b.Blocks = append(b.Blocks, block{Live: &live{URL: here + "/progress", Done: u.BytesRead, Size: u.Bytes, Text: a.v.T("admin.upload.progress", "rows", strconv.FormatInt(u.Rows, 10))}}, block{Links: []link{{a.v.T("admin.again"), here}}})
	}
	lines := []line{
		{a.v.T("admin.state"), a.tag("admin.upload.", string(u.State))}, {a.v.T("admin.source"), text(u.Source)}, {a.v.T("admin.who"), text(u.Actor)}, {a.v.T("admin.when"), text(a.when(u.Created))},
		{a.v.T("admin.rows"), number(u.Rows)}, {a.v.T("admin.count.issued"), number(u.Issued)}, {a.v.T("admin.count.unchanged"), number(u.Unchanged)}, {a.v.T("admin.wrong"), number(u.Wrong)},
	}
	if u.Problem != "" {
		lines = append(lines, line{a.v.T("admin.problem"), text(u.Problem)})
	}
	b.Blocks = append(b.Blocks, block{Lines: lines})
	if u.Wrong == 0 {
		return b, nil
	}
	after, _ := strconv.ParseInt(a.URL.Query().Get("after"), 10, 64)
	rows, err := h.Uploads.Rows(a.Context(), a.by, u.ID, after, true)
	if err != nil {
		return nil, err
	}
	const shown = 100
	t := &table{Caption: a.v.T("admin.wrong"), Head: []string{a.v.T("admin.row"), a.v.T("admin.helps")}}
	for i, r := range rows {
		if i == shown {
			last := rows[shown-1]
			t.Next = here + "?after=" + strconv.FormatInt(max(last.After, last.Row), 10)
			break
		}
		t.Rows = append(t.Rows, []cell{text(strconv.FormatInt(r.Row, 10)), text(csv.Sentence(r.Reasons))})
	}
	b.Blocks = append(b.Blocks, block{Links: []link{{a.v.T("admin.upload.errors"), here + "/errors.csv"}}}, block{Table: t})
	return b, nil
}

// uploadErrors hands back the wrong rows with their reasons, to be mended.
func (h *handler) uploadErrors(a *asked) (*body, error) {
	u, err := h.uploadOf(a)
	if err != nil {
		return nil, err
	}
	head, name, kind := a.w.Header(), "errors.csv", "text/csv; charset=utf-8"
	if u.Format == upload.JSON {
		name, kind = "errors.jsonl", "application/x-ndjson"
	}
	head.Set("Content-Type", kind)
	head.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	head.Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(door.LongAnswer(a.w), 32<<10)
	if err := h.Uploads.WriteErrors(a.Context(), a.by, u, out); err != nil {
		_, _ = door.Public(h.Log, err) // for the log
		panic(http.ErrAbortHandler)    // half a file is not taken for a whole
	}
	if err := out.Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

// How often progress is looked at, and how long it is told in one answer.
const (
	progressEvery = 500 * time.Millisecond
	progressTime  = 10 * time.Minute
)

// uploadProgress tells how far an upload is, whenever that changed, until its end.
func (h *handler) uploadProgress(a *asked) (*body, error) {
	u, err := h.uploadOf(a)
	if err != nil {
		return nil, err
	}
	a.w.Header().Set("Content-Type", "text/event-stream")
	a.w.Header().Set("Cache-Control", "no-store")
	a.w.Header().Set("X-Accel-Buffering", "no") // a proxy in front must not hold it back
	out := door.LongAnswer(a.w)
	every, end := time.NewTicker(progressEvery), time.NewTimer(progressTime)
	defer every.Stop()
	defer end.Stop()
	for sent := int64(-1); ; {
		if u.BytesRead != sent || u.State != upload.Processing {
			b, err := json.Marshal(map[string]any{"done": u.BytesRead, "size": u.Bytes, "over": u.State != upload.Processing, "text": a.v.T("admin.upload.progress", "rows", strconv.FormatInt(u.Rows, 10))})
			if err != nil {
				return nil, nil
			}
			if _, err := fmt.Fprintf(out, "data: %s\n\n", b); err != nil {
				return nil, nil
			}
			sent = u.BytesRead
		}
		if u.State != upload.Processing {
			return nil, nil
		}
		select {
		case <-a.Context().Done():
			return nil, nil
		case <-end.C:
			return nil, nil // the browser asks again
		case <-every.C:
		}
		if u, err = h.uploadOf(a); err != nil {
			return nil, nil
		}
	}
}
