package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Options say how to trace.
type Options struct {
	// Getenv answers for OpenTelemetry's variables; os.Getenv outside of tests.
	// The sampler (OTEL_TRACES_SAMPLER), the batches (OTEL_BSP_…) and
	// OTEL_RESOURCE_ATTRIBUTES are read by OpenTelemetry itself.
	Getenv  func(string) string
	Version string // of the program
	Log     *slog.Logger
}

// Start begins tracing where OTEL_EXPORTER_OTLP_ENDPOINT or its form for traces
// says where to; else it returns nil. The caller stops it.
func Start(ctx context.Context, o Options) (*Tracing, error) {
	c, err := newClient(o)
	if c == nil || err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, c)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "divoc"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracing{tracer: provider.Tracer(scope), stop: provider.Shutdown}, nil
}

// newClient reads the variables of the exporter. Nil is none.
func newClient(o Options) (*client, error) {
	get := func(name string) string {
		if v := o.Getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
			return v
		}
		return o.Getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	to := o.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := o.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); to == "" && base != "" {
		to = strings.TrimRight(base, "/") + "/v1/traces"
	}
	if to == "" || strings.EqualFold(o.Getenv("OTEL_SDK_DISABLED"), "true") || o.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	if u, err := url.Parse(to); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is no address of a collector, which looks like http://127.0.0.1:4318")
	}
	if e := o.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return nil, errors.New("OTEL_TRACES_EXPORTER is otlp or none; no other exporter is built in")
	}
	if p := get("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf, which collectors take on port 4318; no other is built in")
	}
	if c := get("COMPRESSION"); c != "" && c != "none" && c != "gzip" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_COMPRESSION is gzip or none")
	}
	timeout := 10 * time.Second
	if ms := get("TIMEOUT"); ms != "" {
		n, err := strconv.Atoi(ms)
		if err != nil || n <= 0 {
			return nil, errors.New("OTEL_EXPORTER_OTLP_TIMEOUT is a number of milliseconds")
		}
		timeout = time.Duration(n) * time.Millisecond
	}
	headers, err := readHeaders(get("HEADERS"))
	if err != nil {
		return nil, err
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("no HTTP transport")
	}
	transport = transport.Clone()
	if file := get("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE names a file without a certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &client{
		url: to, headers: headers, gzip: get("COMPRESSION") == "gzip", log: o.Log,
		http: &http.Client{Timeout: timeout, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// readHeaders reads "name=value,name=value" with values as in URLs. It repeats
// none in an error: they are secrets.
func readHeaders(text string) (http.Header, error) {
	headers := http.Header{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || strings.TrimSpace(name) == "" || strings.ContainsAny(value, "\r\n") {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS is a list name=value,name=value with values written as in URLs")
		}
		headers.Set(strings.TrimSpace(name), value)
	}
	return headers, nil
}
