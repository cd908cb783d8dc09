package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// client sends spans by OTLP over HTTP. OpenTelemetry's own brings gRPC along,
// which would add five megabytes to the program for nothing.
type client struct {
	url     string
	headers http.Header
	gzip    bool
	http    *http.Client
	log     *slog.Logger
	failing atomic.Bool
}

var _ otlptrace.Client = (*client)(nil)

// Start does nothing: the first spans open the connection.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans once. What a collector does not take is lost, and
// the log says so once until it takes something again: traces are no reason to
// hold anything up.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	err := c.send(ctx, spans)
	switch {
	case err != nil && !c.failing.Swap(true):
		c.log.Warn("the collector takes no traces", slog.String("error", err.Error()))
	case err == nil && c.failing.Swap(false):
		c.log.Info("the collector takes traces again")
	}
	return nil
}

func (c *client) send(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire TracesData is what a collector calls a request.
	data, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if c.gzip {
		z := gzip.NewWriter(&body)
		if _, err := z.Write(data); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
	} else {
		body.Write(data)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, &body)
	if err != nil {
		return err
	}
	for name := range c.headers {
		r.Header.Set(name, c.headers.Get(name))
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var at *url.Error // names the address, which may hold a password
		if errors.As(err, &at) {
			err = at.Err
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %d", answer.StatusCode)
	}
	return nil
}
