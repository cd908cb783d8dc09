package door

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

func TestProblemSaysWhatMayBeSaid(t *testing.T) {
	tests := map[string]struct {
		err    error
		status int
		says   string
		item   int
	}{
		"an error of ours":          {vaccination.Errorf(vaccination.Conflict, "it differs"), 409, "it differs", -1},
		"of one item":               {&issuance.ItemError{Item: 2, Err: vaccination.Errorf(vaccination.Invalid, "wrong")}, 422, "wrong", 2},
		"too large":                 {vaccination.Errorf(vaccination.TooLarge, "too large"), 413, "too large", -1},
		"asked wrongly":             {vaccination.Errorf(vaccination.NotAllowed, "use GET"), 405, "use GET", -1},
		"the client went away":      {fmt.Errorf("MARKED: %w", context.Canceled), 503, "given up", -1},
		"too many":                  {vaccination.Errorf(vaccination.TooMany, "wait"), 429, "wait", -1},
		"no token":                  {vaccination.Errorf(vaccination.Unauthorized, "a token"), 401, "a token", -1},
		"a fault of ours":           {errors.New("MARKED"), 500, "our side", -1},
		"the database ends":         {fmt.Errorf("x: %w", &pgconn.PgError{Code: "57P01", Message: "MARKED"}), 503, "again", -1},
		"the database recovers":     {&pgconn.PgError{Code: "57P03", Message: "MARKED"}, 503, "again", -1},
		"the connection broke":      {fmt.Errorf("MARKED: %w", io.ErrUnexpectedEOF), 503, "again", -1},
		"the database says a fault": {&pgconn.PgError{Code: "23514", Message: "MARKED"}, 500, "our side", -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteProblem(w, slog.New(slog.DiscardHandler), test.err)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) || strings.Contains(w.Body.String(), "MARKED") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if got := strings.Contains(w.Body.String(), `"item":2`); got != (test.item == 2) {
				t.Errorf("item in %s", w.Body)
			}
			if (w.Header().Get("Retry-After") != "") != (test.status == 503 || test.status == 429) {
				t.Errorf("Retry-After = %q", w.Header().Get("Retry-After"))
			}
			if (w.Header().Get("WWW-Authenticate") != "") != (test.status == 401) {
				t.Errorf("WWW-Authenticate = %q", w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

// TestObserveSaysNothingOfARequest lets handlers answer and panic with marked
// values in path, query, method and panic.
func TestObserveSaysNothingOfARequest(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /certificates/{code}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("code") == "MARKEDPANIC" {
			panic("this panics with MARKED")
		}
	})
	h := Observe(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), NewMetrics(registry), nil, time.Now, mux)
	for _, request := range []string{"GET /certificates/MARKED?q=MARKED", "GET /certificates/MARKEDPANIC", "GET /MARKED", "POST /certificates/MARKED", "MARKED /certificates/MARKED"} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader("MARKED")))
		if strings.Contains(w.Body.String(), "MARKED") {
			t.Errorf("%s is answered %s", request, w.Body)
		}
		if strings.Contains(request, "PANIC") && w.Code != 500 {
			t.Errorf("a panic is answered %d", w.Code)
		}
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for what, text := range map[string]string{"log": log.String(), "metrics": w.Body.String()} {
		if strings.Contains(text, "MARKED") {
			t.Errorf("the %s says:\n%s", what, text)
		}
		if !strings.Contains(text, "/certificates/{code}") {
			t.Errorf("the %s names no route:\n%s", what, text)
		}
	}
}

// Attack class A, what is no text: it reaches nobody, and is no fault of ours in the log.
func TestAnAddressIsText(t *testing.T) {
	var log bytes.Buffer
	reached := 0
	h := Observe(slog.New(slog.NewTextHandler(&log, nil)), NewMetrics(prometheus.NewRegistry()), nil, time.Now, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	for path, want := range map[string]int{
		"/a/%00": 422, "/a/%ff": 422, "/a?b=%00": 422, "/a?b=%ff": 422, "/a?%00=b": 422, "/a?x=%zz&b=%00": 422,
		"/a/%E0%B6%9A": 200, "/a?b=%E0%B6%9A": 200, "/a?b=%zz": 200, "/a%2Fb?c=d%0A": 200,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if reached != 4 || strings.Contains(log.String(), "ERROR") {
		t.Errorf("%d reached somebody; %s", reached, log.String())
	}
}

func TestOnlyATrustedProxyIsBelieved(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	tests := map[string]struct {
		from, forwarded, proto string
		address, scheme        string
	}{
		"a proxy":              {"10.1.2.3:99", "203.0.113.7", "https", "203.0.113.7:0", "https"},
		"a proxy on v4 in v6":  {"[::ffff:10.1.2.3]:99", "203.0.113.7", "https", "203.0.113.7:0", "https"},
		"earlier hops":         {"10.1.2.3:99", "198.51.100.1, 203.0.113.7", "https", "203.0.113.7:0", "https"},
		"a line of its own":    {"10.1.2.3:99", "198.51.100.1\n203.0.113.7", "https", "203.0.113.7:0", "https"},
		"plain http behind it": {"10.1.2.3:99", "203.0.113.7", "http", "203.0.113.7:0", ""},
		"nonsense":             {"10.1.2.3:99", "x", "gopher", "10.1.2.3:99", ""},
		"somebody else":        {"203.0.113.9:99", "198.51.100.1", "https", "203.0.113.9:99", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.from
			for line := range strings.Lines(test.forwarded) {
				r.Header.Add("X-Forwarded-For", strings.TrimSpace(line))
			}
			r.Header.Set("X-Forwarded-Proto", test.proto)
			w := httptest.NewRecorder()
			TrustProxy(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.RemoteAddr != test.address || r.URL.Scheme != test.scheme {
					t.Errorf("address %s, scheme %q; want %s, %q", r.RemoteAddr, r.URL.Scheme, test.address, test.scheme)
				}
				if test.from[0] == '2' && r.Header.Get("X-Forwarded-For") != "" {
					t.Error("a stranger's header is passed on")
				}
			})).ServeHTTP(w, r)
			if (w.Header().Get("Strict-Transport-Security") != "") != (test.scheme == "https") {
				t.Errorf("Strict-Transport-Security = %q", w.Header().Get("Strict-Transport-Security"))
			}
		})
	}
}
