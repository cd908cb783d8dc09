package hq

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// The table of statuses, as documented.
func TestForwarderTriesAgain(t *testing.T) {
	for status, want := range map[int]string{
		200: "delivered", 202: "delivered", 204: "delivered",
		500: "again", 502: "again", 503: "again", 400: "again", 404: "again", 408: "again", 409: "again", 429: "again",
		401: "cancelled", 403: "cancelled", 405: "cancelled", 413: "cancelled", 415: "cancelled", 422: "cancelled",
	} {
		now := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
		s := New(Options{Domain: "demo", Now: func() time.Time { return now }})
		person, _ := Invent(1)
		s.Put(person)
		var got atomic.Int64
		peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got.Add(1); w.WriteHeader(status) }))
		f := &Forwarder{Server: s, URL: peer.URL, Client: peer.Client(), Random: rand.New(rand.NewPCG(1, 1))}
		sent := f.Step()
		if is := map[string]int{"delivered": sent.Delivered, "again": sent.Again, "cancelled": sent.Cancelled}; is[want] != 1 {
			t.Errorf("%d: %+v, want %s", status, sent, want)
		}
		// What is tried again is tried six times in all, at growing distances.
		var waits []time.Duration
		for {
			n, next := f.Waiting()
			if n == 0 {
				break
			}
			waits = append(waits, next.Sub(now))
			now = next
			f.Step()
		}
		if want == "again" && (got.Load() != maxAttempts || waits[0] != time.Hour || waits[1] != 3*time.Hour || waits[4] != 81*time.Hour) {
			t.Errorf("%d: sent %d times, after %v", status, got.Load(), waits)
		}
		peer.Close()
	}
}

func TestForwarderSendsWhatIsTrueThen(t *testing.T) {
	now := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	s := New(Options{Domain: "demo", Now: func() time.Time { return now }})
	s.Put(Case{ID: "a", Type: "patient", Properties: map[string]string{"dob": "1980"}})
	s.Put(Case{ID: "a", Properties: map[string]string{"dob": "1981"}})
	var bodies []string
	peer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, string(b))
	}))
	defer peer.Close()
	f := &Forwarder{Server: s, URL: peer.URL, Client: peer.Client(), Random: rand.New(rand.NewPCG(1, 1))}
	if f.Step(); len(bodies) != 2 || bodies[0] != bodies[1] {
		t.Errorf("an intermediate state was sent: %q", bodies)
	}
}
