package door_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/web/door"
)

// TestLongBodiesAndAnswersTakeTheirTime goes over a server's own limits in both
// directions.
func TestLongBodiesAndAnswersTakeTheirTime(t *testing.T) {
	const limit = 200 * time.Millisecond
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(door.LongBody(w, r))
		if err != nil {
			t.Errorf("reading: %v", err)
		}
		out := door.LongAnswer(w)
		for _, c := range b {
			time.Sleep(limit)
			fmt.Fprintf(out, "%c", c)
		}
	}))
	s.Config.ReadTimeout, s.Config.WriteTimeout = limit, limit
	s.Start()
	defer s.Close()
	body, send := io.Pipe()
	go func() {
		for range 3 {
			time.Sleep(limit)
			fmt.Fprint(send, "x")
		}
		send.Close()
	}()
	r, err := s.Client().Post(s.URL, "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != "xxx" {
		t.Errorf("answer %q, %v", got, err)
	}
}
