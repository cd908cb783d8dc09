package deliver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

type sealKey = seal.PersonKey

// TestWhatIsTold certifies, corrects, revokes and so on, and looks at the outbox.
func TestWhatIsTold(t *testing.T) {
	admin := issuancetestAdmin()
	tests := map[string]struct {
		do   func(w *world)
		want []string
	}{
		"a new certificate": {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1)) }, []string{"ready queued"}},
		"the same again": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1))
			w.issue(source(), issuance.Certify, w.event("A", 1))
		}, []string{"ready queued"}},
		"two doses":                            {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1), w.event("A", 2)) }, []string{"ready queued", "ready queued"}},
		"a dose of long ago":                   {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1, given("2026-10-20"))) }, nil},
		"a dose of the last day that counts":   {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1, given("2026-10-23"))) }, []string{"ready queued"}},
		"no number":                            {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1, contacts())) }, nil},
		"a number of another country under +1": {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1, contacts("tel:+12125550142"))) }, nil},
		"a premium number":                     {func(w *world) { w.issue(source(), issuance.Certify, w.event("A", 1, contacts("tel:8769005555"))) }, nil},
		"the second of two numbers is ours": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1, contacts("tel:+12125550142", "tel:6585550142")))
		}, []string{"ready queued"}},
		"only an address, and no mail server": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1, contacts("mailto:marcia@example.org")))
		}, nil},
		"a number that comes later": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1, contacts()))
			w.issue(source(), issuance.Correct, w.event("A", 1))
		}, []string{"ready queued"}},
		"another number after it was told": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1))
			w.issue(source(), issuance.Correct, w.event("A", 1, contacts("tel:6585550142")))
		}, []string{"ready queued"}},
		"a correction by its source": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1))
			w.issue(source(), issuance.Correct, w.event("A", 1, lot("PF2")))
		}, []string{"ready queued", "corrected queued"}},
		"two corrections": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1))
			w.issue(source(), issuance.Correct, w.event("A", 1, lot("PF2")))
			w.issue(source(), issuance.Correct, w.event("A", 1, lot("PF3")))
		}, []string{"ready queued", "corrected queued", "corrected queued"}},
		"a source corrects a dose of long ago": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1, given("2021-10-20")))
			w.issue(source(), issuance.Correct, w.event("A", 1, given("2021-10-20"), lot("PF2")))
		}, nil},
		"somebody corrects a dose of long ago": {func(w *world) {
			w.issue(source(), issuance.Certify, w.event("A", 1, given("2021-10-20")))
			w.issue(admin, issuance.Correct, w.event("A", 1, given("2021-10-20"), lot("PF2")))
		}, []string{"corrected queued"}},
		"revoked": {func(w *world) {
			w.change(w.issue(source(), issuance.Certify, w.event("A", 1)).ID, vaccination.ActRevoke)
		}, []string{"ready queued", "revoked queued"}},
		"suspended and lifted": {func(w *world) {
			id := w.issue(source(), issuance.Certify, w.event("A", 1)).ID
			w.change(id, vaccination.ActSuspend)
			w.change(id, vaccination.ActLift)
			w.change(id, vaccination.ActSuspend)
		}, []string{"ready queued", "suspended queued", "restored queued"}},
		"issued again": {func(w *world) {
			id := w.issue(source(), issuance.Certify, w.event("A", 1)).ID
			w.change(id, vaccination.ActRevoke)
			w.reissue(id)
		}, []string{"ready queued", "revoked queued"}},
		"many at once, quietly": {func(w *world) {
			id := w.issue(source(), issuance.Certify, w.event("A", 1)).ID
			w.quietly(id, vaccination.ActRevoke)
		}, []string{"ready queued"}},
		"a suspension that is over by the clock": {func(w *world) {
			id := w.issue(source(), issuance.Certify, w.event("A", 1)).ID
			if err := w.House.Service.Suspend(w.t.Context(), admin, id, w.now().Add(time.Hour), ""); err != nil {
				w.t.Fatal(err)
			}
			w.Pass(2 * time.Hour)
			if _, err := w.House.Service.LiftEnded(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}, []string{"ready queued", "suspended queued", "restored queued"}},
	}
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w.exec("DELETE FROM message")
			w.prefix = name
			tt.do(w)
			w.want(tt.want...)
		})
	}
}

func TestWithoutAGatewayNothingIsQueuedByItself(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.issue(source(), issuance.Certify, w.event("A", 1))
	w.want()
}

// TestHandedOver sends what is queued: the text is the profile's, with a link on
// the country's own domain and nothing of the person.
func TestHandedOver(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.issue(source(), issuance.Certify, w.event("A", 1))
	w.send(deliver.Notice)
	w.want("ready accepted")
	want := number + " Your certificate is ready. View or download it here: https://certificates.example.org/my"
	if got := w.carrier.texts(); len(got) != 1 || got[0] != want {
		t.Errorf("sent %q", got)
	}
	w.send(deliver.Notice)
	if n := len(w.carrier.got); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
	for _, personal := range []string{"Marcia", "0142", "COVID", "PF1"} {
		if strings.Contains(w.log.String(), personal) || personal != "0142" && strings.Contains(w.carrier.got[0].Text, personal) {
			t.Errorf("%q is in the log or the text:\n%s", personal, w.log)
		}
	}
	if m := w.only(); m.Parts != 1 || m.Attempts != 1 || m.Gateway != "sms" {
		t.Errorf("%+v", m)
	}
}

func TestQueueRefuses(t *testing.T) {
	w := newWorld(t, "jamaica")
	good := deliver.Message{Template: "case-received", Class: deliver.Notice, To: number, Once: "1", Values: map[string]string{"reference": "K7M2"}}
	for name, change := range map[string]func(*deliver.Message){
		"a number elsewhere":            func(m *deliver.Message) { m.To = "+447700900123" },
		"a number under a shared code":  func(m *deliver.Message) { m.To = "+12125550142" },
		"a premium number":              func(m *deliver.Message) { m.To = "+18769765555" },
		"no number":                     func(m *deliver.Message) { m.To = "" },
		"an address with another":       func(m *deliver.Message) { m.To = "a@example.org, b@example.org" },
		"an address with a header":      func(m *deliver.Message) { m.To = "a@example.org\r\nBcc: b@example.org" },
		"an address with a name":        func(m *deliver.Message) { m.To = "A <a@example.org>" },
		"no template of that name":      func(m *deliver.Message) { m.Template = "hello" },
		"a place that the text has not": func(m *deliver.Message) { m.Values = map[string]string{"reference": "1", "name": "Marcia"} },
		"a value that is missing":       func(m *deliver.Message) { m.Values = nil },
		"a value of two lines":          func(m *deliver.Message) { m.Values = map[string]string{"reference": "1\n2"} },
		"a value that turns the text":   func(m *deliver.Message) { m.Values = map[string]string{"reference": "1\u202e2"} },
		"a value with a place":          func(m *deliver.Message) { m.Values = map[string]string{"reference": "{link}"} },
		"a long value":                  func(m *deliver.Message) { m.Values = map[string]string{"reference": strings.Repeat("x", 201)} },
		"a link elsewhere": func(m *deliver.Message) {
			m.Values = map[string]string{"reference": "1", "link": "https://evil.example/my"}
		},
		"a link to a domain that begins so": func(m *deliver.Message) {
			m.Values = map[string]string{"reference": "1", "link": "https://certificates.example.org.evil.example/"}
		},
		"a link that signs in": func(m *deliver.Message) {
			m.Values = map[string]string{"reference": "1", "link": "https://certificates.example.org/my?token=1"}
		},
		"nothing that it is sent once for": func(m *deliver.Message) { m.Once = "" },
		"no class":                         func(m *deliver.Message) { m.Class = "" },
		"a person whom nobody knows":       func(m *deliver.Message) { m.Person = deliver.Person{Bucket: 3, ID: 7} },
	} {
		m := good
		m.Values = map[string]string{"reference": "K7M2"}
		change(&m)
		err := w.queue(m)
		if err == nil {
			t.Errorf("%s: queued", name)
		} else if strings.Contains(err.Error(), "447700900123") || strings.Contains(err.Error(), "example.org, b") {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
	if err := w.queue(good); err != nil {
		t.Error(err)
	}
	if err := w.queue(good); err != nil {
		t.Error(err)
	}
	w.want("case-received queued")
}

// TestClasses lets a gateway answer each class of error, and time pass.
func TestClasses(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	for name, tt := range map[string]struct {
		answer func(int, transport.Message) (transport.Sent, error)
		again  bool
		first  string
		later  string // an hour later
		sent   int
	}{
		"permanent":                 {refusal(transport.Permanent, "21211"), false, "case-received failed 21211", "case-received failed 21211", 1},
		"temporary, then not":       {first(refusal(transport.Temporary, "500")), false, "case-received queued 500", "case-received accepted", 2},
		"temporary again and again": {refusal(transport.Temporary, "500"), false, "case-received queued 500", "case-received queued 500", 2},
		"throttled, then not":       {first(refusal(transport.Throttled, "429")), false, "case-received queued 429", "case-received accepted", 2},
		"down, then not":            {first(refusal(transport.Down, "no-connection")), false, "case-received queued no-connection", "case-received accepted", 2},
		"unknown, then not":         {first(refusal(transport.Unknown, "no-answer")), false, "case-received unknown no-answer", "case-received accepted", 2},
		"unknown twice":             {refusal(transport.Unknown, "no-answer"), false, "case-received unknown no-answer", "case-received unknown no-answer", 2},
		"unknown, by name":          {first(refusal(transport.Unknown, "no-answer")), true, "case-received queued no-answer", "case-received accepted", 2},
		"a strange error": {first(func(int, transport.Message) (transport.Sent, error) {
			return transport.Sent{}, fmt.Errorf("to %s", number)
		}), false, "case-received unknown error", "case-received accepted", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w.exec("DELETE FROM message")
			w.exec("UPDATE gateway SET next_at = 'epoch', down_until = 'epoch', failures = 0")
			w.carrier.got, w.carrier.answer, w.carrier.again = nil, tt.answer, tt.again
			w.House.Set(noon())
			w.notice("K1")
			w.send(deliver.Notice)
			w.want(tt.first)
			w.Pass(time.Hour)
			w.send(deliver.Notice)
			w.send(deliver.Notice)
			w.want(tt.later)
			if n := len(w.carrier.got); n != tt.sent {
				t.Errorf("handed over %d times", n)
			}
			if strings.Contains(w.log.String(), "0142") {
				t.Errorf("the log has the number:\n%s", w.log)
			}
		})
	}
}

// TestACodeIsNotKept looks for a code after it was handed over.
func TestACodeIsNotKept(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.code("c1", "482913", 5*time.Minute)
	w.send(deliver.Code)
	var kept bool
	w.scan("SELECT bool_or(sealed IS NOT NULL) FROM message", &kept)
	if kept {
		t.Error("it is kept")
	}
	if got := w.carrier.texts(); len(got) != 1 || !strings.Contains(got[0], "482913 is your code") {
		t.Errorf("sent %q", got)
	}
	m := w.only()
	if err := w.Resend(t.Context(), w.Admin, m.ID); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("sent again: %v", err)
	}
}

func TestAPausedGateway(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	if err := w.PauseGateway(t.Context(), w.Admin, "sms", true); err != nil {
		t.Fatal(err)
	}
	w.issue(source(), issuance.Certify, w.event("A", 1)) // issuing does not care
	w.send(deliver.Notice)
	w.want("ready queued")
	if err := w.PauseGateway(t.Context(), w.Admin, "sms", false); err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	w.want("ready accepted")
}

func TestResend(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.carrier.answer = first(refusal(transport.Permanent, "no"))
	w.notice("K1")
	w.send(deliver.Notice)
	w.want("case-received failed no")
	if err := w.Resend(t.Context(), w.Admin, w.only().ID); err != nil {
		t.Fatal(err)
	}
	w.send(deliver.Notice)
	w.want("case-received accepted")
	if err := w.Resend(t.Context(), w.Admin, w.only().ID); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("what is on its way was sent again: %v", err)
	}
}

// TestShow opens a message: the look is recorded, and the number is not shown.
func TestShow(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.code("c1", "482913", time.Hour)
	shown, err := w.Show(t.Context(), w.Admin, w.only().ID)
	if err != nil || shown.To != "•••42" || !strings.HasPrefix(shown.Text, "•••••• is your code") {
		t.Errorf("%+v, %v", shown, err)
	}
	var n int
	w.scan("SELECT count(*) FROM audit WHERE act = 'message.read'", &n)
	if n != 1 {
		t.Errorf("%d looks are recorded", n)
	}
}
