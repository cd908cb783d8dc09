package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/opendivoc/divoc/vaccination"
)

func options(env map[string]string, log io.Writer) Options {
	return Options{Getenv: func(name string) string { return env[name] }, Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))}
}

func TestWhatTheVariablesSay(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := map[string]struct {
		env  map[string]string
		url  string // "" for no tracing
		says string // the error
	}{
		"nothing":            {nil, "", ""},
		"an address":         {map[string]string{at: "http://c:4318/"}, "http://c:4318/v1/traces", ""},
		"one for traces":     {map[string]string{at: "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/x"}, "https://t/x", ""},
		"disabled":           {map[string]string{at: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, "", ""},
		"no exporter":        {map[string]string{at: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		"no address":         {map[string]string{at: "c:4318"}, "", "no address"},
		"gRPC":               {map[string]string{at: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "PROTOCOL"},
		"another exporter":   {map[string]string{at: "http://c", "OTEL_TRACES_EXPORTER": "zipkin"}, "", "EXPORTER"},
		"no time":            {map[string]string{at: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "1s"}, "", "TIMEOUT"},
		"unknown packing":    {map[string]string{at: "http://c", "OTEL_EXPORTER_OTLP_COMPRESSION": "br"}, "", "COMPRESSION"},
		"a header in pieces": {map[string]string{at: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "SECRET"}, "", "HEADERS"},
		"two lines":          {map[string]string{at: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "a=SECRET%0d%0ab"}, "", "HEADERS"},
		"no such file":       {map[string]string{at: "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere"}, "", "CERTIFICATE"},
		"no certificate":     {map[string]string{at: "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": os.DevNull}, "", "CERTIFICATE"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := newClient(options(test.env, io.Discard))
			if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "SECRET")) {
				t.Fatalf("error %v, want one about %q", err, test.says)
			}
			if (c == nil) != (test.url == "") || c != nil && c.url != test.url {
				t.Errorf("client %+v, want %q", c, test.url)
			}
		})
	}
}

func TestNothingTracedCostsNothing(t *testing.T) {
	var off *Tracing
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := off.Request(ctx, http.MethodGet)
		ctx, step := Step(ctx, "Prepare", 1)
		ctx = Database{}.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "SELECT 1"})
		Database{}.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
		step.End(nil)
		span.Answered("GET /", 200)
	}); n != 0 {
		t.Errorf("%v allocations without tracing", n)
	}
	if err := off.Stop(ctx); err != nil || off.On() {
		t.Error("nothing is on")
	}
}

// TestErrorsAndPanicsSayNothing ends spans in every way there is with marked
// values, and reads what a collector was sent, with headers and compression.
func TestErrorsAndPanicsSayNothing(t *testing.T) {
	var sent []byte
	var header http.Header
	answer := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		data, _ := io.ReadAll(z)
		sent, header = append(sent, data...), r.Header
		w.WriteHeader(answer)
	}))
	defer server.Close()
	var log bytes.Buffer
	traces, err := Start(context.Background(), options(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b, other=c",
	}, &log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, request := traces.Request(context.Background(), http.MethodGet)
	for _, err := range []error{
		errors.New("MARKED"), vaccination.Errorf(vaccination.Conflict, "MARKED"), &pgconn.PgError{Code: "23505", Message: "MARKED", Detail: "MARKED"}, context.Canceled,
	} {
		_, step := Step(ctx, "Prepare", 3)
		step.End(err)
		below := Database{}.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "-- name: PutSetting :exec\nSELECT 'MARKED'", Args: []any{"MARKED"}})
		Database{}.TraceQueryEnd(below, nil, pgx.TraceQueryEndData{Err: err})
	}
	copying := Database{}.TraceCopyFromStart(ctx, nil, pgx.TraceCopyFromStartData{TableName: pgx.Identifier{"certificate"}, ColumnNames: []string{"MARKED"}})
	Database{}.TraceCopyFromEnd(copying, nil, pgx.TraceCopyFromEndData{})
	func() {
		defer func() { _ = recover() }()
		_, step := Step(ctx, "Sign", 1)
		defer func() { step.End(nil) }()
		panic("MARKED")
	}()
	_, job := traces.Job(ctx, "publish", 2)
	job.End(errors.New("MARKED"))
	request.Answered("GET /certificates/{id}", 500)
	if err := traces.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got tracepb.TracesData
	if err := proto.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	text := got.String()
	if strings.Contains(text, "MARKED") || log.Len() > 0 {
		t.Errorf("sent %s, logged %s", text, &log)
	}
	for _, want := range []string{"GET /certificates/{id}", "Prepare", "Sign", "PutSetting", "copy certificate", "job publish", "conflict", "internal", "23505", "canceled", "divoc", "test"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if header.Get("X-Key") != "a b" || header.Get("Other") != "c" {
		t.Errorf("headers %v", header)
	}
}

// TestADeadCollectorIsToldOnce sends to one that refuses, takes and refuses.
func TestADeadCollectorIsToldOnce(t *testing.T) {
	answer := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	defer server.Close()
	var log bytes.Buffer
	c, err := newClient(options(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": strings.Replace(server.URL, "//", "//user:SECRET@", 1)}, &log))
	if err != nil {
		t.Fatal(err)
	}
	for _, answer = range []int{503, 503, 200, 200, 302} {
		if err := c.UploadTraces(context.Background(), nil); err != nil {
			t.Error(err)
		}
	}
	server.Close()
	_ = c.UploadTraces(context.Background(), nil)
	if warned := strings.Count(log.String(), "takes no traces"); warned != 2 || strings.Count(log.String(), "again") != 1 || strings.Contains(log.String(), "SECRET") {
		t.Errorf("the log says %s", &log)
	}
}

func TestQueryNames(t *testing.T) {
	for sql, want := range map[string]string{
		"-- name: PutSetting :exec\nINSERT": "PutSetting", "\n-- name: JobGet :one": "JobGet", "begin isolation level serializable": "begin", "commit": "commit",
		" select 'MARKED'": "select", "LISTEN MARKED": "query", "": "query", "MARKED": "query",
	} {
		if got := queryName(sql); got != want {
			t.Errorf("%q is called %q, want %q", sql, got, want)
		}
	}
}
