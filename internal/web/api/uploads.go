package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// wire is the request itself, for operations that stream.
type wire struct {
	w http.ResponseWriter
	r *http.Request
}

type wireKey struct{}

func wired(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	next(huma.WithValue(ctx, wireKey{}, wire{w, r}))
}

type uploadInput struct {
	Filename   string `query:"filename" doc:"what to call it in lists"`
	DateFormat string `query:"dateFormat" doc:"order of dates that are all numbers: DMY, MDY or YMD"`
	Encoding   string `query:"encoding" doc:"of a CSV: utf-8, utf-16le, utf-16be or windows-1252; found out when left out"`
	DryRun     bool   `query:"dryRun" doc:"check everything as issuing would, answer what it would give, and keep nothing"`
	Type       string `header:"Content-Type" hidden:"true"`
}

// file is what is uploaded; the charset of the content type declares the
// encoding too.
func (in *uploadInput) file(body io.Reader) (upload.File, error) {
	f := upload.File{Name: in.Filename, Body: body}
	kind, params, err := mime.ParseMediaType(in.Type)
	if err != nil {
		kind = ""
	}
	switch kind {
	case "text/csv":
		f.Format = upload.CSV
	case "application/json", "application/x-ndjson", "application/jsonl":
		f.Format = upload.JSON
	default:
		return f, vaccination.Errorf(vaccination.Invalid, "say what is sent: Content-Type: text/csv, application/json or application/x-ndjson")
	}
	if f.Dates, err = dates.ParseOrder(in.DateFormat); err != nil {
		return f, err
	}
	if in.Encoding == "" {
		in.Encoding = params["charset"]
	}
	f.Encoding, err = csv.ParseEncoding(in.Encoding)
	return f, err
}

type uploadOutput struct{ Body upload.Info }

type uploadID struct {
	ID int64 `path:"id" doc:"number of the upload"`
}

type uploadsInput struct {
	Before int64 `query:"before" doc:"only those with a smaller number"`
}

type uploadsOutput struct {
	Body struct {
		Uploads []upload.Info `json:"uploads"`
	}
}

type rowsInput struct {
	ID    int64  `path:"id" doc:"number of the upload"`
	After int64  `query:"after" doc:"only rows behind this one"`
	State string `query:"state" enum:"wrong" doc:"only rows of this state"`
}

type rowsOutput struct {
	Body struct {
		Rows []upload.Row `json:"rows"`
	}
}

// uploads adds the operations on files of records.
func (h *handler) uploads(api huma.API) {
	op := h.operation("upload", http.MethodPost, "/uploads", "Upload a file of records of any size: CSV or JSON, of DIVOC's columns or those of your source's mapping", 400, 413, 422, 500)
	op.Description = "When it answers, the file is stored and will be processed: each row is issued, found unchanged, or wrong with reasons. One wrong row does not hold up the others. The same file again issues nothing twice. With dryRun nothing is issued or kept, and the answer comes when every row was looked at: the counts that issuing would give, and the first 100 wrong rows with reasons."
	op.Middlewares = append(op.Middlewares, wired)
	huma.Register(api, op, func(ctx context.Context, in *uploadInput) (*uploadOutput, error) {
		on, _ := ctx.Value(wireKey{}).(wire)
		f, err := in.file(door.LongBody(on.w, on.r))
		if err != nil {
			return nil, h.problem(err)
		}
		if in.DryRun {
			u, err := h.Uploads.Try(ctx, caller(ctx), f, func(upload.Info) { door.Working(on.w) })
			return &uploadOutput{u}, h.problem(err)
		}
		u, err := h.Uploads.Receive(ctx, caller(ctx), f)
		return &uploadOutput{u}, h.problem(err)
	})
	// Said after registering: huma would read the body to check it.
	api.OpenAPI().Paths[op.Path].Post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"text/csv":             {Schema: &huma.Schema{Type: huma.TypeString}},
		"application/json":     {Schema: &huma.Schema{Type: huma.TypeArray, Items: api.OpenAPI().Components.Schemas.Schema(eventType, true, "")}, Example: json.RawMessage(exampleUpload)},
		"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	huma.Register(api, h.operation("listUploads", http.MethodGet, "/uploads", "List your uploads, the newest first", 422, 500),
		func(ctx context.Context, in *uploadsInput) (*uploadsOutput, error) {
			list, err := h.Uploads.List(ctx, caller(ctx), in.Before)
			out := &uploadsOutput{}
			out.Body.Uploads = list
			return out, h.problem(err)
		})
	huma.Register(api, h.operation("getUpload", http.MethodGet, "/uploads/{id}", "Show how far an upload is", 404, 422, 500),
		func(ctx context.Context, in *uploadID) (*uploadOutput, error) {
			u, err := h.Uploads.Get(ctx, caller(ctx), in.ID)
			return &uploadOutput{u}, h.problem(err)
		})
	huma.Register(api, h.operation("getUploadRows", http.MethodGet, "/uploads/{id}/rows", "List the states of rows, at most 1000 at once", 404, 422, 500),
		func(ctx context.Context, in *rowsInput) (*rowsOutput, error) {
			rows, err := h.Uploads.Rows(ctx, caller(ctx), in.ID, in.After, in.State != "")
			out := &rowsOutput{}
			out.Body.Rows = rows
			return out, h.problem(err)
		})
	op = h.operation("getUploadErrors", http.MethodGet, "/uploads/{id}/errors.csv", "The wrong rows with their reasons, to correct and upload again", 404, 422, 500)
	op.Description = "Of a CSV, a CSV with a column \"errors\"; of JSON, lines of JSON."
	op.Responses = streamed("text/csv", "application/x-ndjson")
	huma.Register(api, op, h.errorFile)
	op = h.operation("followUpload", http.MethodGet, "/uploads/{id}/progress", "Follow an upload as server-sent events, until its end", 404, 422, 500)
	op.Responses = streamed("text/event-stream")
	huma.Register(api, op, h.progress)
}

func streamed(types ...string) map[string]*huma.Response {
	r := &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{}}
	for _, t := range types {
		r.Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Response{"200": r}
}

func (h *handler) errorFile(ctx context.Context, in *uploadID) (*huma.StreamResponse, error) {
	by := caller(ctx)
	u, err := h.Uploads.Get(ctx, by, in.ID)
	if err != nil {
		return nil, h.problem(err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		kind, name := "text/csv; charset=utf-8", "errors.csv"
		if u.Format == upload.JSON {
			kind, name = "application/x-ndjson", "errors.jsonl"
		}
		out := bufio.NewWriterSize(door.LongAnswer(headed{w, kind, name}), 32<<10)
		err := h.Uploads.WriteErrors(ctx, by, u, out)
		if err == nil {
			err = out.Flush()
		}
		h.ended(w, err)
	}}, nil
}

// headed sets an answer's header when something is written: until then it can
// still become an error.
type headed struct {
	http.ResponseWriter
	kind, name string
}

// Write sends p behind the header.
func (w headed) Write(p []byte) (int, error) {
	w.Header().Set("Content-Type", w.kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+w.name+`"`)
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w headed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ended answers with an error where nothing was written yet, and breaks the
// answer off where something was, so that half a file is not taken for a whole.
func (h *handler) ended(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
	case w.Header().Get("Content-Type") == "":
		door.WriteProblem(w, h.Log, err)
	default:
		_, _ = door.Public(h.Log, err) // for the log
		panic(http.ErrAbortHandler)
	}
}

// How often progress is looked at, and how often something is said at least.
const (
	progressEvery  = 500 * time.Millisecond
	progressAtMost = 15 * time.Second
)

// progress sends what is known of an upload whenever it changed, and ends with
// it.
func (h *handler) progress(ctx context.Context, in *uploadID) (*huma.StreamResponse, error) {
	by := caller(ctx)
	u, err := h.Uploads.Get(ctx, by, in.ID)
	if err != nil {
		return nil, h.problem(err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy in front must not hold it back
		out := door.LongAnswer(w)
		every := time.NewTicker(progressEvery)
		defer every.Stop()
		var sent upload.Info
		said := time.Duration(0)
		for {
			switch {
			case u.Rows != sent.Rows || u.State != sent.State:
				b, err := json.Marshal(u)
				if err != nil {
					return
				}
				if _, err := fmt.Fprintf(out, "event: %s\ndata: %s\n\n", u.State, b); err != nil {
					return
				}
				sent, said = u, 0
			case said >= progressAtMost:
				if _, err := io.WriteString(out, ": still here\n\n"); err != nil {
					return
				}
				said = 0
			}
			if u.State != upload.Processing {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				said += progressEvery
			}
			if u, err = h.Uploads.Get(ctx, by, in.ID); err != nil {
				_, _ = door.Public(h.Log, err) // for the log; the client asks again
				return
			}
		}
	}}, nil
}

// eventType is the type whose schema describes an event.
var eventType = reflect.TypeFor[vaccination.Event]()

const exampleUpload = `[{
  "enrolmentCode": "EXAMPLE-2", "person": {"name": "Marcia Campbell", "birthDate": "1987-04-21"},
  "vaccination": {"product": "Comirnaty", "lot": "PF1", "date": "2021-11-30", "dose": 1, "totalDoses": 2}
}]`
