package door

import (
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Metrics are the counts of the server. Labels are routes and status codes,
// never a value of a request.
type Metrics struct {
	requests *prometheus.HistogramVec
}

// NewMetrics registers the server's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "divoc_http_request_seconds",
		Help:    "Time to answer a request, by route and status.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"route", "status"})}
	r.MustRegister(m.requests)
	return m
}

// Observe logs and measures every request by its route's pattern, so that what
// stands in a path never reaches log or metrics, and turns a panic into an
// answer. Every answer begins with the headers that are safe for all; pages set
// their own.
func Observe(log *slog.Logger, m *Metrics, traces *tracing.Tracing, now func() time.Time, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := now()
		rec := &recorder{ResponseWriter: w}
		ctx, span := traces.Request(r.Context(), method(r))
		if traces.On() {
			r = r.WithContext(ctx)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the documented sentinel of net/http
					panic(p)
				}
				// Not the panic's value: it may hold a value of the request.
				log.Error("a handler panicked", slog.String("stack", string(debug.Stack())))
				if rec.status == 0 {
					WriteProblem(rec, log, http.ErrHandlerTimeout)
				}
			}
			route := r.Pattern
			if route == "" {
				route = "unmatched"
			}
			span.Answered(route, rec.code())
			took := now().Sub(start)
			m.requests.WithLabelValues(route, strconv.Itoa(rec.code())).Observe(took.Seconds())
			level := slog.LevelInfo
			if strings.HasSuffix(route, "z") || strings.HasPrefix(route, "GET /assets") {
				level = slog.LevelDebug
			}
			log.LogAttrs(r.Context(), level, "request", slog.String("route", route), slog.String("method", method(r)),
				slog.Int("status", rec.code()), slog.Float64("ms", float64(took.Microseconds())/1000))
		}()
		if !legible(r.URL) {
			WriteProblem(rec, log, vaccination.Errorf(vaccination.Invalid, "the address holds what is no text: it is written in UTF-8, without NUL"))
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// legible reports whether what stands in an address is text. Nothing else can be
// stored or looked for, and the database's refusal would look like a fault of ours.
func legible(u *url.URL) bool {
	is := func(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
	if !is(u.Path) {
		return false
	}
	for name, values := range u.Query() {
		if !is(name) || !is(strings.Join(values, "")) {
			return false
		}
	}
	return true
}

// method is the method of r, if it is one: anything can stand there.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
