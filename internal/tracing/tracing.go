// Package tracing tells an OpenTelemetry collector what the server spends its
// time on: requests by their route, jobs by their kind, the steps of issuing,
// database queries by their name. Spans hold names from the program's text and
// counts, never a value of a request or a row.
//
// The parent of a span is the one in its context; below nothing that is traced
// nothing is, so that without a collector tracing costs a look at the context.
// Only requests and jobs begin a trace.
package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/opendivoc/divoc/vaccination"
)

// scope names this program's spans among those of its libraries.
const scope = "github.com/opendivoc/divoc"

// Tracing begins traces. Nil begins none.
type Tracing struct {
	tracer trace.Tracer
	stop   func(context.Context) error
}

// Stop sends what is left, until ctx ends, and ends tracing.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.stop(ctx)
}

// On reports whether anything is traced.
func (t *Tracing) On() bool { return t != nil }

// Request begins the trace of a request. Who asks is not believed: an outside
// trace id could be anything, and would tie requests of one person together.
func (t *Tracing) Request(ctx context.Context, method string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, method, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("http.request.method", method)))
	return ctx, Span{s}
}

// Job begins the trace of a job of a kind.
func (t *Tracing) Job(ctx context.Context, kind string, attempt int) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, "job "+kind, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attribute.Int("job.attempt", attempt)))
	return ctx, Span{s}
}

// Step begins a span below the one in ctx; name is one from the program's text,
// items how many events or rows it is about.
func Step(ctx context.Context, name string, items int) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, s := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithAttributes(attribute.Int("divoc.items", items)))
	return ctx, Span{s}
}

// Below is ctx below the span of request, for work that is done for a request
// but does not end with it.
func Below(ctx, request context.Context) context.Context {
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(request))
}

// Span is a span that was begun. The zero Span is none.
type Span struct{ s trace.Span }

// Answered names a request's span by its route's pattern and ends it with the
// status of the answer.
func (s Span) Answered(route string, status int) {
	if s.s == nil {
		return
	}
	s.s.SetName(route)
	s.s.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
	if status >= 500 {
		s.s.SetStatus(codes.Error, "")
	}
	s.s.End()
}

// End ends the span; of err it tells the code and nothing else, as an error's
// text may hold anything.
func (s Span) End(err error) {
	if s.s == nil {
		return
	}
	if err != nil {
		s.s.SetAttributes(attribute.String("error.type", kind(err)))
		s.s.SetStatus(codes.Error, "")
	}
	s.s.End()
}

// kind is the code of an error of ours, or what can be said of another.
func kind(err error) string {
	var own *vaccination.Error
	switch {
	case errors.As(err, &own):
		return string(own.Code)
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "internal"
}
