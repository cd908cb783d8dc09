package tracing

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Database is a [pgx.QueryTracer] that makes a span of every query within a
// trace, named as the query is in its SQL. It tells neither text nor values.
type Database struct{}

var (
	_ pgx.QueryTracer    = Database{}
	_ pgx.CopyFromTracer = Database{}
)

// TraceQueryStart begins the span of a query.
func (Database) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return begin(ctx, func() string { return queryName(data.SQL) })
}

// TraceQueryEnd ends it.
func (Database) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	end(ctx, data.Err)
}

// TraceCopyFromStart begins the span of a copy into a table.
func (Database) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	return begin(ctx, func() string { return "copy " + strings.Join(data.TableName, ".") })
}

// TraceCopyFromEnd ends it.
func (Database) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	end(ctx, data.Err)
}

func begin(ctx context.Context, name func() string) context.Context {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx
	}
	ctx, _ = parent.TracerProvider().Tracer(scope).Start(ctx, name(), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", "postgresql")))
	return ctx
}

func end(ctx context.Context, err error) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		span.SetStatus(codes.Error, "")
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			span.SetAttributes(attribute.String("db.response.status_code", pg.Code)) // never the message: it may quote a row
		}
	}
	span.End()
}

var named = regexp.MustCompile(`^\s*-- name: ([A-Za-z0-9]+)`)

// queryName is the name a query has in its SQL, or its first word where that is
// one that says what is done.
func queryName(sql string) string {
	if m := named.FindStringSubmatch(sql); m != nil {
		return m[1]
	}
	word, _, _ := strings.Cut(strings.TrimLeft(sql, " \t\n"), " ")
	switch word = strings.ToLower(strings.TrimRight(word, ";")); word {
	case "begin", "commit", "rollback", "savepoint", "release", "select", "insert", "update", "delete", "with", "set":
		return word
	}
	return "query"
}
