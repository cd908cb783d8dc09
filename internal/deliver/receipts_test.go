package deliver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/vaccination"
)

// receive posts receipts, each "id state".
func (w *world) receive(secret string, receipts ...string) error {
	var list []string
	for _, r := range receipts {
		id, state, _ := strings.Cut(r, " ")
		list = append(list, fmt.Sprintf(`{"id":%q,"state":%q,"code":"c-%s"}`, id, state, state))
	}
	body := `{"results":[` + strings.Join(list, ",") + `]}`
	r := httptest.NewRequest(http.MethodPost, "/api/v1/receipts/sms/"+secret, nil)
	return w.Receive(w.t.Context(), "sms", secret, r, []byte(body))
}

func TestReceipts(t *testing.T) {
	w := newWorld(t, "jamaica")
	secret := w.gateway(gatewayFile)
	w.notice("K1")
	w.send(deliver.Notice)
	id := "p-" + w.carrier.got[0].Ref
	for _, wrong := range []string{"", "x", secret + "x", secret[1:], strings.ToUpper(secret)} {
		if err := w.receive(wrong, id+" ok"); vaccination.ErrorCode(err) != vaccination.NotFound {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if err := w.Receive(t.Context(), "other", secret, r, []byte("{}")); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("another gateway: %v", err)
	}
	if err := w.receive(secret, strings.Split(strings.Repeat(id+" ok,", 1001), ",")...); vaccination.ErrorCode(err) != vaccination.TooLarge {
		t.Errorf("too many: %v", err)
	}
	w.send(deliver.Notice)
	w.want("case-received accepted")
	if err := w.receive(secret, "p-of-nobody ok", id+" ok", id+" ok", id+" sent"); err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	w.want("case-received delivered c-ok")
	var left int
	w.scan("SELECT count(*) FROM message_receipt", &left)
	if left != 1 {
		t.Errorf("%d receipts wait", left)
	}
	w.Pass(time.Hour)
	w.send(deliver.Notice)
	w.scan("SELECT count(*) FROM message_receipt", &left)
	if left != 0 {
		t.Errorf("%d receipts of nobody are kept", left)
	}
}

// TestStatesOnlyGoForward sends messages and receipts in any order, also before
// the answer, and again: the state never goes back, and ends at the highest heard.
func TestStatesOnlyGoForward(t *testing.T) {
	w := newWorld(t, "jamaica")
	secret := w.gateway(gatewayFile)
	rank := map[string]transport.State{"sent": transport.Accepted, "what": transport.Uncertain, "late": transport.Expired, "no": transport.Failed, "ok": transport.Delivered}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		w.exec("DELETE FROM message")
		w.exec("DELETE FROM message_receipt")
		w.notice(fmt.Sprint("K", n))
		highest, last := transport.Accepted, transport.Queued
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"sent", "what", "late", "no", "ok"}), 0, 6).Draw(t, "receipts")
		before := rapid.IntRange(0, len(steps)).Draw(t, "before the answer")
		var id string
		w.carrier.answer = func(_ int, m transport.Message) (transport.Sent, error) {
			id = "p-" + m.Ref
			for _, s := range steps[:before] {
				if err := w.receive(secret, id+" "+s); err != nil {
					t.Fatal(err)
				}
			}
			return transport.Sent{ProviderID: id}, nil
		}
		look := func() {
			w.send(deliver.Notice)
			state, _ := transport.ParseState(w.only().State)
			if state < last {
				t.Fatalf("it went back from %s to %s", last, state)
			}
			last = state
		}
		look()
		for _, s := range steps[before:] {
			if err := w.receive(secret, id+" "+s); err != nil {
				t.Fatal(err)
			}
			look()
		}
		for _, s := range steps {
			highest = max(highest, rank[s])
		}
		look()
		if last != highest {
			t.Fatalf("it ends %s after %v, of which %d before the answer", last, steps, before)
		}
	})
}

// TestNoReceiptEver has a gateway that says nothing after it took a message.
func TestNoReceiptEver(t *testing.T) {
	w := newWorld(t, "jamaica")
	secret := w.gateway(gatewayFile)
	w.notice("K1")
	w.send(deliver.Notice)
	w.Pass(73 * time.Hour)
	w.send(deliver.Notice)
	w.want("case-received unknown no-receipt")
	w.Pass(time.Hour)
	w.send(deliver.Notice)
	if n := len(w.carrier.got); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
	if err := w.receive(secret, "p-"+w.carrier.got[0].Ref+" ok"); err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	w.want("case-received delivered c-ok")
}
