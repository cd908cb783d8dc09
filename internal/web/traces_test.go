package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/tracing"
)

// collector is a stand-in for an OpenTelemetry collector.
type collector struct {
	t      *testing.T
	traces *tracing.Tracing
	mu     sync.Mutex
	got    collected
}

// collected is what a collector was sent.
type collected struct {
	bytes []byte
	spans []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var sent tracepb.TracesData
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(data, &sent) != nil {
			t.Errorf("the collector was sent nonsense to %s", r.URL.Path)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got.bytes = append(c.got.bytes, data...)
		for _, r := range sent.ResourceSpans {
			for _, s := range r.ScopeSpans {
				c.got.spans = append(c.got.spans, s.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}
	traces, err := tracing.Start(context.Background(), tracing.Options{Getenv: func(name string) string { return env[name] }, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil || !traces.On() {
		t.Fatalf("no tracing: %v", err)
	}
	c.traces = traces
	return c
}

// stop ends tracing and returns everything that was sent.
func (c *collector) stop() collected {
	c.t.Helper()
	if err := c.traces.Stop(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// work runs the jobs of the world until the test ends.
func (w *world) work() {
	w.t.Helper()
	queue, err := issuance.NewQueue(w.service.Store, w.service, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := queue.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = queue.Stop(context.Background()) })
}

// below are the names of the spans below one, each with those below it.
func (c collected) below(parent *tracepb.Span) (names []string) {
	for _, s := range c.spans {
		if string(s.ParentSpanId) == string(parent.SpanId) && string(s.TraceId) == string(parent.TraceId) {
			names = append(append(names, s.Name), c.below(s)...)
		}
	}
	return names
}

func (c collected) named(t *testing.T, name string) *tracepb.Span {
	t.Helper()
	i := slices.IndexFunc(c.spans, func(s *tracepb.Span) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no span %q", name)
	}
	return c.spans[i]
}

func TestTracesShowTheWayOfARecord(t *testing.T) {
	c := newCollector(t)
	w := newTracedWorld(t, "jamaica", c.traces)
	w.work()
	issued := w.report("/api/v1/events", event("A"))[0]
	credential := into[struct {
		CredentialStatus []struct{ StatusListCredential string }
	}](t, w.ask(http.MethodGet, "/api/v1/certificates/"+issued.Certificate+"/credential", nil))
	w.askAs("", http.MethodGet, strings.TrimPrefix(credential.CredentialStatus[0].StatusListCredential, publicURL), nil).is(t, 200) // so that there is a list to renew
	w.ask(http.MethodPost, "/api/v1/certificates/"+issued.Certificate+"/revocation", m{}).is(t, 200)
	w.askAs("", http.MethodGet, "/api/v1/certificates/x", nil, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is(t, 401)
	for range 100 { // until the job ran
		var done bool
		if err := w.service.Store.Pool().QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM river_job WHERE state = 'completed' AND kind = 'publish-status-list')").Scan(&done); err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	got := c.stop()
	request := got.named(t, "POST /api/v1/events")
	if request.Kind != tracepb.Span_SPAN_KIND_SERVER || len(request.ParentSpanId) != 0 {
		t.Errorf("the request's span is %v", request)
	}
	below := got.below(request)
	for _, name := range []string{"Prepare", "Sign", "Commit", "begin", "commit", "AppendAudit", "ReserveStatusPositions"} {
		if !slices.Contains(below, name) {
			t.Errorf("no %s below the request: %v", name, below)
		}
	}
	if names := got.below(got.named(t, "job publish-status-list")); len(names) == 0 {
		t.Error("a job shows none of its queries")
	}
	if s := got.named(t, "GET /api/v1/certificates/{id}"); len(s.ParentSpanId) != 0 || strings.HasPrefix(string(s.TraceId), "\x0a\xf7\x65") {
		t.Error("a stranger's trace id is taken over")
	}
	for _, s := range got.spans {
		if strings.ContainsAny(s.Name, "$(") || len(s.Name) > 100 {
			t.Errorf("a span is called %q", s.Name)
		}
	}
}
