package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// begin opens a connection and sends the head of a request and no body.
func (w *world) begin(method, path string, length int) *net.TCPConn {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", method, path, w.token, length)
	return c.(*net.TCPConn)
}

func TestABodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	w := newWorld(t, "jamaica")
	for _, path := range []string{"/divoc/api/v1/certify", "/divoc/api/v1/certificate/revoked", "/api/v1/events"} {
		c := w.begin(http.MethodPost, path, 1000)
		fmt.Fprint(c, `[{"preEnrollmentCode":`)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if strings.Contains(w.log.String(), "level=ERROR") || strings.Contains(w.log.String(), "level=WARN") {
		t.Errorf("the log complains of it: %s", w.log)
	}
}

// TestSlowFilesDoNotFillTheMemory holds as many large bodies open as there is
// room for. Another is told to wait; a code as text gets through.
func TestSlowFilesDoNotFillTheMemory(t *testing.T) {
	w := newWorld(t, "jamaica")
	var slow []net.Conn
	for range 4 {
		slow = append(slow, w.begin(http.MethodPost, "/api/v1/verify", 16<<20))
	}
	file := strings.Repeat("x", 1<<20)
	ask := func(want int) bool {
		t.Helper()
		var r reply
		for range 100 {
			if r = w.askAs("", http.MethodPost, "/api/v1/verify", file, "Content-Type", "image/png"); r.status == want {
				return true
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%d %.200s, want %d", r.status, r.body, want)
		return false
	}
	if ask(http.StatusTooManyRequests) {
		r := w.askAs("", http.MethodPost, "/api/v1/verify", file, "Content-Type", "image/png")
		if r.fails(t, 429, "too-many"); r.header.Get("Retry-After") == "" {
			t.Error("when to ask again is not said")
		}
		w.askAs("", http.MethodPost, "/api/v1/verify", m{"data": "HC1:"}).is(t, 200)
	}
	for _, c := range slow {
		c.Close()
	}
	ask(http.StatusOK)
}
