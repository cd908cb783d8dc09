package admin_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/web/admin"
)

// told queues a message and returns where it is.
func (w *world) told(once, template string, class deliver.Class, values map[string]string) (id int64, path string) {
	w.t.Helper()
	m := deliver.Message{Template: template, Class: class, To: "+18765550142", Language: "en", Values: values, Once: once}
	if err := w.messages.Queue(w.t.Context(), w.house.Store.Read(), m); err != nil {
		w.t.Fatal(err)
	}
	id = int64(w.count("SELECT max(id) FROM message"))
	return id, fmt.Sprintf("%s/messages/%d", admin.Path, id)
}

func TestMessagesAreSeenAndSentAgain(t *testing.T) {
	w := newWorld(t)
	id, at := w.told("one", "campaign", deliver.Notice, map[string]string{})
	code, codeAt := w.told("two", "code", deliver.Code, map[string]string{"code": "482913", "minutes": "5"})
	list := w.ask("ben", admin.Path+"/messages", nil).is(t, 200, "Campaign", "Code to sign in", "Waiting", "No gateway is connected", "Notice, SMS")
	if strings.Contains(list.text, "5550142") {
		t.Error("a number is in the list")
	}
	if got := w.ask("ben", admin.Path+"/messages?template=code", nil).is(t, 200); strings.Contains(got.text, at+`"`) || !strings.Contains(got.text, codeAt+`"`) {
		t.Error("the filter shows everything")
	}
	w.ask("ben", admin.Path+"/messages?state=failed", nil).is(t, 200, "There are no messages")
	w.ask("ben", admin.Path+"/messages?state=burnt", nil).is(t, 422)
	if file := w.ask("ben", admin.Path+"/messages?format=csv", nil).is(t, 200, "Waiting"); !strings.Contains(file.text, ","+w.house.Now().UTC().Format(time.RFC3339)+",") {
		t.Errorf("moments of the file are not as programs read them:\n%s", file.text)
	}

	one := w.ask("ben", at, nil).is(t, 200, "•••42", "certificate")
	if strings.Contains(one.text, "5550142") || strings.Contains(one.text, "Send again") {
		t.Error("it shows the number, or a way to send what waits")
	}
	if got := w.ask("ben", codeAt, nil).is(t, 200, "••••••"); strings.Contains(got.text, "482913") {
		t.Error("a code is shown")
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'message.read' AND actor = 'staff:2'"); n != 2 {
		t.Errorf("%d looks are recorded", n)
	}
	w.ask("ben", at, form()).is(t, 422, "not sent again")
	if _, err := w.house.Store.Pool().Exec(t.Context(), "UPDATE message SET state = 4, code = 'wrong' WHERE id IN ($1, $2)", id, code); err != nil {
		t.Fatal(err)
	}
	w.ask("ben", at, nil).is(t, 200, "Failed", "Send again")
	w.ask("ben", codeAt, form()).is(t, 422, "asks for another")
	w.ask("ben", at, form()).is(t, 200, "The message is sent again", "Waiting")
	w.ask("ben", admin.Path+"/messages/99999", nil).is(t, 404)
	w.ask("ben", admin.Path+"/messages/x", nil).is(t, 404)
	w.ask("ben", admin.Path+"/messages/templates", nil).is(t, 200, "Certificate is ready", "GSM-7")
}

func TestMessagesToANumberAreStoppedAndAllowed(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/messages/stopped"
	w.ask("ben", at, form("act", "stop", "reason", "opted-out")).is(t, 422, "Give a number")
	w.ask("ben", at, form("to", "12", "act", "stop", "reason", "opted-out")).is(t, 422)
	w.ask("ben", at, form("to", "876 555 0142", "act", "stop", "reason", "because")).is(t, 422)
	w.ask("ben", at, form("to", "876 555 0142", "act", "lift", "reason", "opted-out")).is(t, 422, "are not stopped")
	w.ask("ben", at, form("to", "876 555 0142", "act", "stop", "reason", "wrong-number")).is(t, 200, "are stopped")
	if n := w.count("SELECT count(*) FROM suppression WHERE reason = 'wrong-number' AND made_by = 'staff:2'"); n != 1 {
		t.Errorf("%d are stopped", n)
	}
	w.ask("ben", at, form("to", "+1 876 555 0142", "act", "lift", "reason", "opted-out")).is(t, 200, "allowed again")
	if n := w.count("SELECT count(*) FROM suppression"); n != 0 {
		t.Errorf("%d are stopped yet", n)
	}
	if strings.Contains(w.log.String(), "5550142") {
		t.Error("a number is in the log")
	}
}

const gateway = `
kind: http
perSecond: 10
from: MOHW
request: {method: POST, url: "https://sms.example/send", form: {to: "{to}", text: "{text}"}}
success: {status: [200]}
`

// TestACampaignNeedsTwo is counted first, approved by somebody else, and stopped.
func TestACampaignNeedsTwo(t *testing.T) {
	w := newWorld(t)
	w.issue("A", "Marcia Campbell", "PF1")
	if _, err := w.messages.SetGateway(t.Context(), access.System("test"), "sms", gateway); err != nil {
		t.Fatal(err)
	}
	path := admin.Path + "/messages/campaigns"
	w.ask("anna", path+"/new", form("name", "", "template", "ready")).is(t, 422, "a name")
	w.ask("anna", path+"/new", form("name", "Autumn", "template", "ready", "from-day", "31", "from-month", "2", "from-year", "2026")).is(t, 422, "no date")
	w.ask("anna", path+"/new", form("name", "Autumn", "template", "campaign", "text-en", "{name}")).is(t, 422)
	got := w.ask("anna", path+"/new", form("name", "Autumn", "template", "campaign", "text-en", "Come and see: {link}", "text-si", "")).is(t, 200, "The campaign is written down", "Being counted", "People 0", "is being counted", "Come and see")
	at := regexp.MustCompile(path + `/\d+`).FindString(got.path)
	if seen := w.ask("ben", at, nil).is(t, 200, "is being counted"); strings.Contains(seen.text, "Approve and send") {
		t.Error("it may be approved before it is counted")
	}
	w.ask("ben", at, form("act", "approve")).is(t, 422, "is being counted")
	if err := w.messages.CountCampaigns(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got = w.ask("anna", at, nil).is(t, 200, "Waits for approval", "People 1", "Parts 1", "By language Language People Of these by e-mail Parts of one SMS Parts Cost en 1 0 1 1", "Somebody else has to approve"); strings.Contains(got.text, "Approve and send") {
		t.Error("who made it may approve it")
	}
	w.ask("anna", at, form("act", "approve")).is(t, 422, "somebody else")
	w.ask("ben", at, form("act", "burn")).is(t, 422)
	w.ask("ben", at, nil).is(t, 200, "Approve and send")
	w.ask("ben", at, form("act", "approve")).is(t, 200, "approved and being sent", "Being sent", "staff:1", "staff:2")
	w.ask("anna", path, nil).is(t, 200, "Autumn", "Being sent")
	w.ask("anna", at, form("act", "stop")).is(t, 200, "The campaign is stopped")
	w.ask("ben", at, form("act", "approve")).is(t, 422, "already")
	w.ask("ben", path+"/99999", nil).is(t, 404)
}
