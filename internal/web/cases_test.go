package web

import (
	"bytes"
	"crypto/rand"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/seal"
)

// cases are what people ask for, of the world.
func (w *world) cases(box *seal.Box) *casework.Service {
	return casework.New(casework.Options{
		Store: w.service.Store, Box: box, Issuance: w.service, Profile: w.service.Profile, Now: w.service.Now, Random: rand.Reader, Log: w.service.Log,
	})
}

// TestACaseByTheAPI goes through a correction as somebody with a client does: two
// administrators, a photograph, a preview, an approval.
func TestACaseByTheAPI(t *testing.T) {
	w := newWorld(t, "jamaica")
	before := w.report("/api/v1/events", event("A"))[0]
	one, other := w.own("ann"), w.own("bea")
	open := m{"kind": "correction", "certificate": before.Certificate, "changes": []m{{"field": "person.name", "value": "Marcia Brown"}}, "key": "k"}
	type opened struct{ Ticket string }
	ticket := into[opened](t, w.askAs(one, http.MethodPost, "/api/v1/cases", open).is(t, 200)).Ticket
	if again := into[opened](t, w.askAs(one, http.MethodPost, "/api/v1/cases", open).is(t, 200)).Ticket; again != ticket {
		t.Errorf("the same again is another case: %s, %s", ticket, again)
	}
	open["message"] = "other"
	w.askAs(one, http.MethodPost, "/api/v1/cases", open).is(t, 409)
	w.askAs(one, http.MethodPost, "/api/v1/cases", m{"kind": "correction", "certificate": before.Certificate}).is(t, 422)
	w.askAs(one, http.MethodPost, "/api/v1/cases", m{"kind": "correction", "certificate": before.Certificate, "changes": []m{{"field": "vaccination.dose", "value": "2"}}}).is(t, 422)

	at := "/api/v1/cases/" + ticket
	w.sendPhoto(one, at, []byte("<svg onload=alert(1)>"), 422)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
		t.Fatal(err)
	}
	w.sendPhoto(one, at, picture.Bytes(), 200)
	photo := w.askAs(other, http.MethodGet, at+"/evidence/1", nil).is(t, 200)
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "Content-Disposition": `attachment; filename="evidence-` + ticket + `-1.jpg"`, "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'", "Cache-Control": "no-store",
	} {
		if got := photo.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.askAs(other, http.MethodGet, at+"/evidence/2", nil).is(t, 404)

	preview := into[struct {
		Version string
		Differs []string
	}](t, w.askAs(other, http.MethodPost, at+"/preview", m{}).is(t, 200))
	if preview.Version != before.Certificate || strings.Join(preview.Differs, " ") != "person.name" {
		t.Errorf("preview %+v", preview)
	}
	w.askAs(one, http.MethodPost, at+"/decisions", m{"action": "approve"}).is(t, 403)  // who opened it
	w.askAs(other, http.MethodPost, at+"/decisions", m{"action": "refuse"}).is(t, 422) // without a word
	done := into[struct{ State string }](t, w.askAs(other, http.MethodPost, at+"/decisions", m{"action": "approve", "version": preview.Version}).is(t, 200))
	w.askAs(other, http.MethodPost, at+"/decisions", m{"action": "approve"}).is(t, 409)
	shown := into[struct {
		State, Result string
		Timeline      []struct{ Act string }
	}](t, w.askAs(other, http.MethodGet, at, nil).is(t, 200))
	if done.State != "approved" || shown.State != "approved" || shown.Result == "" || shown.Result == before.Certificate || len(shown.Timeline) != 3 {
		t.Errorf("%+v, %+v", done, shown)
	}
	w.askAs(one, http.MethodGet, "/api/v1/cases/"+strings.ToLower(strings.ReplaceAll(ticket, "-", "")), nil).is(t, 200)
	w.askAs(one, http.MethodGet, "/api/v1/cases/0000-0000-0001", nil).is(t, 404)
	if list := into[struct{ Cases []struct{ Ticket string } }](t, w.askAs(one, http.MethodGet, "/api/v1/certificates/"+before.Certificate+"/cases", nil).is(t, 200)).Cases; len(list) != 1 || list[0].Ticket != ticket {
		t.Errorf("cases of the certificate: %+v", list)
	}
}

func (w *world) sendPhoto(token, at string, data []byte, want int) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.url+at+"/evidence", bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/octet-stream")
	got, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != want {
		w.t.Errorf("a photograph: %d, want %d", got.StatusCode, want)
	}
}

// TestTheLinkThatStopsANewNumber needs no sign-in, asks before it does, and is for
// changes of number alone.
func TestTheLinkThatStopsANewNumber(t *testing.T) {
	w := newWorld(t, "jamaica")
	before := w.report("/api/v1/events", event("A"))[0]
	one, other := w.own("ann"), w.own("bea")
	opened := func(body m) string {
		return into[struct{ Ticket string }](t, w.askAs(one, http.MethodPost, "/api/v1/cases", body).is(t, 200)).Ticket
	}
	ticket := opened(m{"kind": "contact", "certificate": before.Certificate, "contact": "876 555 0177"})
	w.askAs("", http.MethodGet, "/my/stop/"+ticket, nil).is(t, 404) // nobody approved it yet
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
		t.Fatal(err)
	}
	w.sendPhoto(one, "/api/v1/cases/"+ticket, picture.Bytes(), 200)
	w.askAs(other, http.MethodPost, "/api/v1/cases/"+ticket+"/decisions", m{"action": "approve"}).is(t, 200)
	asked := w.askAs("", http.MethodGet, "/my/stop/"+ticket, nil).is(t, 200)
	if !strings.Contains(asked.body, "Stop the change") || strings.Contains(asked.body, "0177") {
		t.Errorf("the page that asks:\n%s", asked.body)
	}
	if got := w.askAs("", http.MethodPost, "/my/stop/"+ticket, nil, "Sec-Fetch-Site", "cross-site"); got.status != 403 {
		t.Errorf("a form of another site: %d", got.status)
	}
	w.askAs("", http.MethodPost, "/my/stop/"+ticket, nil)
	if said := w.askAs("", http.MethodGet, "/my/stop/"+ticket, nil).is(t, 200); !strings.Contains(said.body, "The change is stopped") {
		t.Errorf("the page afterwards:\n%s", said.body)
	}
	c := into[struct{ Effect string }](t, w.askAs(one, http.MethodGet, "/api/v1/cases/"+ticket, nil).is(t, 200))
	if c.Effect != "stopped" {
		t.Errorf("its effect: %q", c.Effect)
	}
	correction := opened(m{"kind": "correction", "certificate": before.Certificate, "message": "wrong"})
	w.askAs("", http.MethodGet, "/my/stop/"+correction, nil).is(t, 404)
}
