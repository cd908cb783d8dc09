package deliver_test

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

func TestWhoWantsNoneGetsNone(t *testing.T) {
	for name, tt := range map[string]struct {
		reason deliver.Reason
		want   []string
	}{
		"opted out":      {deliver.OptedOut, []string{"case-received failed opted-out", "code accepted"}},
		"a wrong number": {deliver.WrongNumber, []string{"case-received failed wrong-number", "code failed wrong-number"}},
		"no such number": {deliver.Unreachable, []string{"case-received failed unreachable", "code failed unreachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			w.gateway(gatewayFile)
			if err := w.SuppressNumber(t.Context(), w.Admin, "876 555 0142", tt.reason, false); err != nil {
				t.Fatal(err)
			}
			w.notice("K1")
			w.code("c1", "123456", 5*time.Minute)
			w.send(deliver.Notice)
			w.send(deliver.Code)
			w.want(tt.want...)
			if err := w.SuppressNumber(t.Context(), w.Admin, "876 555 0142", tt.reason, true); err != nil {
				t.Fatal(err)
			}
			w.notice("K2")
			w.send(deliver.Notice)
			if got := w.states(); got[2] != "case-received accepted" {
				t.Errorf("afterwards: %q", got)
			}
		})
	}
}

// TestSomebodyWhoDied shares a telephone with somebody who did not.
func TestSomebodyWhoDied(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.issue(source(), issuance.Certify, w.event("A", 1))
	w.issue(source(), issuance.Certify, w.event("B", 1, func(e *vaccination.Event) { e.Person.Name = "Devon Campbell" }))
	var p deliver.Person
	if err := w.Store.Pool().QueryRow(t.Context(), "SELECT bucket, person_id FROM message ORDER BY id LIMIT 1").Scan(&p.Bucket, &p.ID); err != nil {
		t.Fatal(err)
	}
	w.suppress(deliver.Suppression{Person: p, Reason: deliver.Died})
	w.send(deliver.Notice)
	w.want("ready failed died", "ready accepted")
}

func TestAnOptOutThatTheGatewayKnows(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.carrier.answer = first(func(int, transport.Message) (transport.Sent, error) {
		return transport.Sent{}, &transport.Error{Class: transport.Permanent, Code: "21610", Suppress: "opted-out"}
	})
	w.notice("K1")
	w.notice("K2")
	w.send(deliver.Notice)
	w.want("case-received failed 21610", "case-received failed opted-out")
}

// TestAPersonWhoWasErased gets nothing: what their messages say cannot be opened.
func TestAPersonWhoWasErased(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.issue(source(), issuance.Certify, w.event("A", 1))
	w.exec("UPDATE person SET key = ''")
	w.send(deliver.Notice)
	w.want("ready failed erased")
}
