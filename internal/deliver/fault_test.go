package deliver_test

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/vaccination"
)

// fault is a step that fails, and what is so then and afterwards.
type fault struct {
	write string
	do    func(w *world, secret string) error
	then  []string // states while it fails
	sent  int      // messages handed over by then
	after []string // three hours after it was mended
	again int      // handed over by then
}

func faults() map[string]fault {
	send := func(w *world, _ string) error {
		_, err := w.Send(w.t.Context(), deliver.Notice)
		return err
	}
	queued, done := []string{"ready queued"}, []string{"ready accepted"}
	return map[string]fault{
		"issue": {"INSERT ON message", func(w *world, _ string) error {
			_, err := w.House.Service.Issue(w.t.Context(), source(), issuance.Certify, []vaccination.Event{w.event("B", 1)})
			return err
		}, queued, 0, done, 1},
		"claim":         {"UPDATE OF gateway ON message", send, queued, 0, done, 1},
		"keep the rate": {"UPDATE OF next_at ON gateway", send, queued, 0, done, 1},
		"record":        {"UPDATE OF parts ON message", send, queued, 1, []string{"ready accepted"}, 2},
		"receive":       {"INSERT ON message_receipt", func(w *world, secret string) error { return w.receive(secret, "x ok") }, queued, 0, done, 1},
		"settle receipt": {"DELETE ON message_receipt", func(w *world, secret string) error {
			w.send(deliver.Notice)
			if err := w.receive(secret, "p-"+w.carrier.got[0].Ref+" ok"); err != nil {
				w.t.Fatal(err)
			}
			return send(w, secret)
		}, done, 1, []string{"ready delivered c-ok"}, 1},
	}
}

// TestAStepThatFails lets each write fail once. Only what was handed over and not
// written down goes twice, to a gateway that does not know a message again.
func TestAStepThatFails(t *testing.T) {
	for name, f := range faults() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			secret := w.gateway(gatewayFile)
			w.issue(source(), issuance.Certify, w.event("A", 1))
			heal := pgtest.Fail(t, w.Store.Pool(), f.write)
			if err := f.do(w, secret); err == nil {
				t.Error("it succeeds")
			}
			w.want(f.then...)
			if n := len(w.carrier.got); n != f.sent {
				t.Errorf("%d messages were handed over", n)
			}
			heal()
			var certificates int
			w.scan("SELECT count(*) FROM certificate", &certificates)
			if certificates != 1 {
				t.Errorf("%d certificates", certificates)
			}
			for range 9 {
				w.send(deliver.Notice)
				w.Pass(20 * time.Minute)
			}
			w.want(f.after...)
			if n := len(w.carrier.got); n != f.again {
				t.Errorf("handed over %d times", n)
			}
		})
	}
}

// TestKilledBeforeItWasWrittenDown ends the program between handing over and
// writing down, for each class and gateway.
func TestKilledBeforeItWasWrittenDown(t *testing.T) {
	for name, tt := range map[string]struct {
		again bool
		class deliver.Class
		want  string
		sent  int
	}{
		"a notice":                             {false, deliver.Notice, "case-received accepted", 2},
		"a notice, known again by the gateway": {true, deliver.Notice, "case-received accepted", 2},
		"a code":                               {false, deliver.Code, "code unknown interrupted", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			w.gateway(gatewayFile)
			w.carrier.again = tt.again
			if tt.class == deliver.Code {
				w.code("c", "123456", 12*time.Hour)
			} else {
				w.notice("K1")
			}
			heal := pgtest.Fail(t, w.Store.Pool(), "UPDATE OF parts ON message")
			if _, err := w.Send(t.Context(), tt.class); err == nil {
				t.Error("it succeeds")
			}
			heal()
			next := deliver.New(w.options) // another program
			for range 9 {
				for _, class := range []deliver.Class{deliver.Notice, deliver.Code} {
					if _, err := next.Send(t.Context(), class); err != nil {
						t.Fatal(err)
					}
				}
				w.Pass(time.Minute * 10)
			}
			w.want(tt.want)
			if len(w.carrier.got) != tt.sent || tt.sent == 2 && w.carrier.got[0].Ref != w.carrier.got[1].Ref {
				t.Errorf("handed over %d times", len(w.carrier.got))
			}
		})
	}
}

// TestTheTableOfFaults compares docs/faults.md with what the tests do.
func TestTheTableOfFaults(t *testing.T) {
	tested := map[string]string{}
	for name, f := range faults() {
		tested[name+" | "+f.write+" | not persisted"] = "TestAStepThatFails"
	}
	for _, write := range countWrites() {
		tested["count a campaign | "+write+" | not persisted"] = "TestACountThatFailsGoesOn"
	}
	pgtest.CheckFaultTable(t, "internal/deliver", tested)
}
