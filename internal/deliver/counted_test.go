package deliver_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
)

// TestWhatArrivedIsCounted counts a receipt once, however often it comes, and
// what the gateway refuses for good.
func TestWhatArrivedIsCounted(t *testing.T) {
	w := newWorld(t, "jamaica")
	secret := w.gateway(gatewayFile)
	w.notice("K1")
	w.send(deliver.Notice)
	for range 2 {
		if err := w.receive(secret, "p-"+w.carrier.got[0].Ref+" ok"); err != nil {
			t.Fatal(err)
		}
		w.send(deliver.Notice)
	}
	w.notice("K2")
	w.carrier.answer = func(int, transport.Message) (transport.Sent, error) {
		return transport.Sent{}, &transport.Error{Class: transport.Permanent, Code: "21211"}
	}
	w.send(deliver.Notice)
	for kind, want := range map[string]int{"delivered": 1, "failed": 1} {
		var n int
		w.scan("SELECT coalesce(sum(n), 0) FROM count_event WHERE kind = '"+kind+"'", &n)
		if n != want {
			t.Errorf("%s is counted %d times, want %d", kind, n, want)
		}
	}
}
