package web

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake/csv"
)

// csvRow is a row of DIVOC's table.
func csvRow(code, dob string) string {
	cells := map[string]string{
		"preEnrollmentCode": code, "recipientName": "=MARKED", "recipientDOB": dob, "recipientMobileNumber": "8765550142",
		"vaccinationDate": "2021-11-30", "vaccinationDose": "1", "vaccinationName": "Comirnaty",
	}
	if dob == "1987-04-21" {
		cells["recipientName"] = "Marcia Campbell"
	}
	var row []string
	for _, c := range csv.Columns() {
		row = append(row, cells[c])
	}
	return strings.Join(row, ",") + "\n"
}

func csvFile(rows ...string) string {
	return strings.Join(csv.Columns(), ",") + "\n" + strings.Join(rows, "")
}

// form is a multipart body as DIVOC's portal sends it.
func form(field, file string) (body, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("note", "not the file") // to memory
	part, _ := w.CreateFormFile(field, `C:\people.csv`)
	_, _ = part.Write([]byte(file))
	_ = w.Close()
	return b.String(), w.FormDataContentType()
}

type uploadInfo struct {
	ID                             int64
	State                          string
	Rows, Issued, Unchanged, Wrong int64
}

// uploaded is the number of an upload of "check" that is done.
func (w *world) uploaded() string {
	w.t.Helper()
	u := into[uploadInfo](w.t, w.askAs(w.token, http.MethodPost, "/api/v1/uploads?filename=people.csv", csvFile(csvRow("UP-1", "1987-04-21"), csvRow("UP-2", "3/4/1987")), "Content-Type", "text/csv; charset=utf-8").is(w.t, 200))
	w.process(u.ID)
	return fmt.Sprint(u.ID)
}

func (w *world) process(id int64) {
	w.t.Helper()
	if err := w.uploads.Process(context.Background(), id, nil); err != nil {
		w.t.Fatal(err)
	}
}

func TestUploads(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.uploaded()
	got := into[uploadInfo](t, w.ask(http.MethodGet, "/api/v1/uploads/"+id, nil).is(t, 200))
	want := uploadInfo{ID: got.ID, State: "done", Rows: 2, Issued: 1, Wrong: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upload (-want +got):\n%s", diff)
	}
	rows := w.ask(http.MethodGet, "/api/v1/uploads/"+id+"/rows?state=wrong", nil).is(t, 200).body
	if !strings.Contains(rows, `"path":"recipientDOB","code":"ambiguous"`) || strings.Contains(rows, "MARKED") || strings.Contains(rows, `"row":1,`) {
		t.Errorf("rows %s", rows)
	}
	file := w.ask(http.MethodGet, "/api/v1/uploads/"+id+"/errors.csv", nil).is(t, 200)
	if !strings.Contains(file.body, ",'=MARKED,") || !strings.HasPrefix(file.header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(file.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("error file %v %s", file.header, file.body)
	}
	progress := w.ask(http.MethodGet, "/api/v1/uploads/"+id+"/progress", nil).is(t, 200)
	if !strings.HasPrefix(progress.body, "event: done\ndata: {") || progress.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("progress %v %s", progress.header, progress.body)
	}
	for name, headers := range map[string][]string{
		"no type": {"Content-Type", ""}, "another type": {"Content-Type", "application/pdf"},
		"an unknown charset": {"Content-Type", "text/csv; charset=koi8-r"},
	} {
		if r := w.askAs(w.token, http.MethodPost, "/api/v1/uploads", csvFile(), headers...); r.status != 422 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := w.askAs(w.token, http.MethodPost, "/api/v1/uploads?dateFormat=DDMM", csvFile(), "Content-Type", "text/csv"); r.status != 422 {
		t.Errorf("an unknown date format: %d %s", r.status, r.body)
	}
	if r := w.askAs(w.token, http.MethodPost, "/api/v1/uploads", "MARKED,header\n", "Content-Type", "text/csv"); r.status != 422 || !strings.Contains(r.body, "Missing Headers") || strings.Contains(r.body, "MARKED") {
		t.Errorf("no header: %d %s", r.status, r.body)
	}
}

// TestProgressIsFollowed reads events while rows are issued.
func TestProgressIsFollowed(t *testing.T) {
	w := newWorld(t, "jamaica")
	var rows []string
	for i := range 1200 {
		rows = append(rows, csvRow(fmt.Sprintf("F-%d", i), "1987-04-21"))
	}
	u := into[uploadInfo](t, w.askAs(w.token, http.MethodPost, "/api/v1/uploads", csvFile(rows...), "Content-Type", "text/csv").is(t, 200))
	done := make(chan error, 1)
	go func() { done <- w.uploads.Process(context.Background(), u.ID, nil) }()
	body := w.ask(http.MethodGet, fmt.Sprintf("/api/v1/uploads/%d/progress", u.ID), nil).is(t, 200).body
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(body, "event: processing\n") || !strings.Contains(body, "event: done\n") || !strings.Contains(body, `"issued":1200`) {
		t.Errorf("events:\n%s", body)
	}
}

func TestDIVOCBulk(t *testing.T) {
	w := newWorld(t, "jamaica")
	body, kind := form("file", csvFile(csvRow("B-1", "1987-04-21"), csvRow("B-2", "3/4/1987"), "too,few\n"))
	id := into[struct{ UploadID int64 }](t, w.askAs(w.token, http.MethodPost, "/divoc/api/v1/bulkCertify", body, "Content-Type", kind).is(t, 200)).UploadID
	type listed struct {
		ID, TotalRecords, TotalErrorRows int64
		Filename, Status                 string
	}
	list := func() listed {
		return into[[]listed](t, w.ask(http.MethodGet, "/divoc/api/v1/certify/uploads", nil).is(t, 200))[0]
	}
	if got := list(); got != (listed{ID: id, Filename: "people.csv", Status: "Processing"}) {
		t.Errorf("stored: %+v", got)
	}
	w.process(id)
	if got := list(); got != (listed{ID: id, Filename: "people.csv", Status: "Failed", TotalRecords: 3, TotalErrorRows: 2}) {
		t.Errorf("done: %+v", got)
	}
	w.ask(http.MethodGet, "/divoc/api/v1/certificates/B-1", nil).is(t, 200)
	errs := into[struct {
		Columns   []string
		ErrorRows []map[string]any
	}](t, w.ask(http.MethodGet, fmt.Sprintf("/divoc/api/v1/certify/uploads/%d/errors", id), nil).is(t, 200))
	if diff := cmp.Diff(append(csv.Columns(), "errors"), errs.Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if len(errs.ErrorRows) != 2 || errs.ErrorRows[0]["preEnrollmentCode"] != "B-2" || !strings.Contains(fmt.Sprint(errs.ErrorRows[0]["errors"]), "recipientDOB: ") || errs.ErrorRows[0]["status"] != "Failed" {
		t.Errorf("rows %v", errs.ErrorRows)
	}
	w.ask(http.MethodGet, "/divoc/api/v1/certify/uploads/x/errors", nil).is(t, 404)

	refused := map[string]struct {
		body, kind string
		code, says string
	}{
		"no form":           {csvFile(), "text/csv", "INVALID", "multipart"},
		"no file":           {"", "", "INVALID", `part \"file\"`},
		"a missing header":  {"", "", "INVALID_TEMPLATE", "Missing Headers: preEnrollmentCode"},
		"an unknown header": {"", "", "INVALID_TEMPLATE", "did you mean recipientAge?"},
	}
	for name, tt := range refused {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "no file":
				tt.body, tt.kind = form("files", csvFile())
			case "a missing header":
				tt.body, tt.kind = form("file", strings.Replace(csvFile(), "preEnrollmentCode,", "", 1))
			case "an unknown header":
				tt.body, tt.kind = form("file", strings.Replace(csvFile(), "recipientAge", "recipientAges", 1))
			}
			r := w.askAs(w.token, http.MethodPost, "/divoc/api/v1/bulkCertify", tt.body, "Content-Type", tt.kind).is(t, 400)
			if f := into[failed](t, r); f.Code != tt.code || !strings.Contains(r.body, tt.says) {
				t.Errorf("answer %s", r.body)
			}
		})
	}
}

func TestADryRunByTheAPI(t *testing.T) {
	w := newWorld(t, "jamaica")
	file := csvFile(csvRow("DRY-1", "1987-04-21"), csvRow("DRY-2", "3/4/1987"))
	type dry struct {
		uploadInfo
		DryRun    bool
		WrongRows []struct {
			Row     int64
			Reasons []struct{ Path, Code string }
		}
	}
	for range 2 { // nothing of the first is left that the second could find
		answer := w.askAs(w.token, http.MethodPost, "/api/v1/uploads?dryRun=true", file, "Content-Type", "text/csv").is(t, 200)
		got := into[dry](t, answer)
		if got.uploadInfo != (uploadInfo{State: "done", Rows: 2, Issued: 1, Wrong: 1}) || !got.DryRun || strings.Contains(answer.body, "MARKED") ||
			len(got.WrongRows) != 1 || got.WrongRows[0].Row != 2 || got.WrongRows[0].Reasons[1].Path != "recipientDOB" {
			t.Errorf("dry run: %s", answer.body)
		}
	}
	if list := w.ask(http.MethodGet, "/api/v1/uploads", nil).is(t, 200).body; !strings.Contains(list, `"uploads":[]`) {
		t.Errorf("uploads after dry runs: %s", list)
	}
	if r := w.askAs(w.token, http.MethodPost, "/api/v1/uploads?dryRun=true", "MARKED\n", "Content-Type", "text/csv"); r.status != 422 || strings.Contains(r.body, "MARKED") {
		t.Errorf("no header: %d %s", r.status, r.body)
	}
}
