package door

import (
	"net/http"
	"testing"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	l := &Limiter{Every: time.Second, Burst: 3, Now: func() time.Time { return now }}
	take := func(address string, want vaccination.Code) {
		t.Helper()
		if err := l.Take(&http.Request{RemoteAddr: address}); vaccination.ErrorCode(err) != want {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	for range 3 {
		take("192.0.2.1:1000", "")
	}
	take("192.0.2.1:2000", vaccination.TooMany)
	take("[::ffff:192.0.2.1]:2000", vaccination.TooMany)
	take("192.0.2.2:1000", "")
	for range 3 {
		take("[2001:db8::1]:1", "")
	}
	take("[2001:db8:0:ff::2]:1", vaccination.TooMany) // the same household
	take("[2001:db8:0:100::2]:1", "")
	now = now.Add(time.Second)
	take("192.0.2.1:1000", "")
	take("192.0.2.1:1000", vaccination.TooMany)
	take("@", "")
}
