package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// scripted answers with one handler after the other, the last for ever.
func scripted(t *testing.T, handlers ...http.HandlerFunc) (address string, asked *int) {
	asked = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := handlers[min(*asked, len(handlers)-1)]
		*asked++
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, `{"name":"Marcia"}`)
	}
}

func broken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	fmt.Fprint(w, "{")
	panic(http.ErrAbortHandler)
}

func TestJSON(t *testing.T) {
	big := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"name":"%s"}`, strings.Repeat("x", maxAnswer))
	}
	tests := map[string]struct {
		answers []http.HandlerFunc
		want    vaccination.Code
		asked   int
	}{
		"an answer":                        {[]http.HandlerFunc{status(200)}, "", 1},
		"busy, then there":                 {[]http.HandlerFunc{status(503), status(429), status(200)}, "", 3},
		"never there":                      {[]http.HandlerFunc{status(502)}, vaccination.Unavailable, 3},
		"broken off, then there":           {[]http.HandlerFunc{broken, status(200)}, "", 2},
		"busy for an hour":                 {[]http.HandlerFunc{status(429, "Retry-After", "3600.5")}, vaccination.Unavailable, 1},
		"refused":                          {[]http.HandlerFunc{status(401)}, vaccination.Unauthorized, 1},
		"not allowed":                      {[]http.HandlerFunc{status(403)}, vaccination.Unauthorized, 1},
		"no such thing":                    {[]http.HandlerFunc{status(404)}, vaccination.NotFound, 1},
		"a redirect is not followed":       {[]http.HandlerFunc{status(302, "Location", "/elsewhere"), status(200)}, vaccination.Conflict, 1},
		"a page of a proxy":                {[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }}, vaccination.Conflict, 1},
		"an answer without an end":         {[]http.HandlerFunc{big}, vaccination.Conflict, 1},
		"a request it does not understand": {[]http.HandlerFunc{status(400)}, vaccination.Conflict, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			address, asked := scripted(t, tt.answers...)
			c := New("the peer", http.Header{"Authorization": {"Basic eA=="}}, nil, time.Millisecond, time.Millisecond)
			var into struct{ Name string }
			err := c.JSON(t.Context(), http.MethodGet, address+"/people?id=19880101", nil, &into)
			if vaccination.ErrorCode(err) != tt.want || *asked != tt.asked {
				t.Errorf("error %v after %d questions", err, *asked)
			}
			if err != nil && (strings.Contains(err.Error(), "1988") || strings.Contains(err.Error(), "Marcia") || !strings.Contains(err.Error(), "the peer")) {
				t.Errorf("the error says too much or too little: %v", err)
			}
			if err == nil && into.Name != "Marcia" {
				t.Errorf("read %q", into.Name)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	address, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) { got = r; fmt.Fprint(w, "{}") })
	c := New("the peer", http.Header{"Authorization": {"ApiKey a:b"}}, nil)
	if err := c.JSON(t.Context(), http.MethodPost, address, []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "ApiKey a:b" || got.Header.Get("Content-Type") != "application/json" || got.Method != http.MethodPost {
		t.Errorf("%s %v", got.Method, got.Header)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.JSON(ctx, http.MethodGet, address, nil, nil); vaccination.ErrorCode(err) != vaccination.Unavailable {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRefused(t *testing.T) {
	address, _ := scripted(t, status(403), status(409), status(404))
	c := New("the peer", nil, nil)
	c.Refused = func(status int, body []byte) (bool, error) {
		if status == http.StatusForbidden && strings.Contains(string(body), "Marcia") {
			return false, vaccination.Errorf(vaccination.Forbidden, "not this one")
		}
		return status == http.StatusConflict, nil
	}
	for _, want := range []vaccination.Code{vaccination.Forbidden, "", vaccination.NotFound} {
		if err := c.JSON(t.Context(), http.MethodGet, address, nil, nil); vaccination.ErrorCode(err) != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestNext(t *testing.T) {
	c := New("the peer", nil, nil)
	const page = "https://hq.example/a/demo/api/case/v2/?limit=2"
	for next, want := range map[string]string{
		"https://hq.example/a/demo/api/case/v2/?cursor=abc": "https://hq.example/a/demo/api/case/v2/?cursor=abc",
		"?cursor=abc": "https://hq.example/a/demo/api/case/v2/?cursor=abc",
		"/other":      "https://hq.example/other",
		"https://evil.example/a/demo/api/case/v2/": "",
		"http://hq.example/a/demo/":                "",
		"//evil.example/":                          "",
		"https://u:p@hq.example/":                  "",
		"http://[::1":                              "",
	} {
		got, err := c.Next(page, next)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", next, got, err)
		}
	}
}
