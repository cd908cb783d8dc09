package issuance_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// carrier counts what is handed over.
type carrier struct {
	mu   sync.Mutex
	sent int
}

// Again implements transport.Transport.
func (c *carrier) Again() bool { return false }

// Send implements transport.Transport.
func (c *carrier) Send(context.Context, transport.Message) (transport.Sent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	return transport.Sent{}, nil
}

// outbox is the messages of w, and who carries them.
func (w *world) outbox() (*deliver.Service, *carrier) {
	c := &carrier{}
	return deliver.New(deliver.Options{
		Store: w.store, Box: w.Box, Profile: w.Profile, PublicURL: w.PublicURL, Now: w.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), Contacts: w.ContactsOf,
		Sleep:      func(_ context.Context, d time.Duration) { w.now = w.now.Add(d) },
		Transports: func(deliver.Settings) (transport.Transport, error) { return c, nil },
	}), c
}

// TestMessagesThatWaitedAtTheBackup are not sent a second time after a restore:
// somebody sees them and decides.
func TestMessagesThatWaitedAtTheBackup(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.now = time.Date(w.now.Year(), w.now.Month(), w.now.Day(), 15, 0, 0, 0, time.UTC) // ten in the morning
	w.id("A-1")
	out, carried := w.outbox()
	_, err := out.SetGateway(w.ctx, access.System("test"), "sms", "kind: http\nperSecond: 1000\nrequest: {method: POST, url: \"https://sms.example/send\", form: {to: \"{to}\", text: \"{text}\"}}\nsuccess: {status: [200]}\n")
	if err != nil {
		t.Fatal(err)
	}
	const number = "+18765550142"
	queue := func(m deliver.Message) {
		t.Helper()
		if err := w.store.Tx(w.ctx, func(q *query.Queries) error { return out.Queue(w.ctx, q, m) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, once := range []string{"K1", "K2"} {
		queue(deliver.Message{Template: "case-received", Class: deliver.Notice, To: number, Once: once, Values: map[string]string{"reference": once}})
	}
	queue(deliver.Message{Template: "code", Class: deliver.Code, To: number, Once: "c", Values: map[string]string{"code": "123456", "minutes": "5"}, Expires: w.now.Add(12 * time.Hour)})
	if _, err := w.store.Pool().Exec(w.ctx, "INSERT INTO campaign (name, template, filter, state, made_by, made_at) VALUES ('all', 'ready', '{}', 'running', 'staff:1', now())"); err != nil {
		t.Fatal(err)
	}
	b := w.backedUp()
	for _, class := range []deliver.Class{deliver.Notice, deliver.Code} {
		if _, err := out.Send(w.ctx, class); err != nil {
			t.Fatal(err)
		}
	}
	if carried.sent != 3 {
		t.Fatalf("%d messages were sent before the machine was lost", carried.sent)
	}

	r := w.restored(b)
	after, again := r.outbox()
	send := func(when string, want int) {
		t.Helper()
		for range 6 {
			for _, class := range []deliver.Class{deliver.Notice, deliver.Code} {
				if _, err := after.Send(r.ctx, class); err != nil {
					t.Fatal(err)
				}
			}
			r.now = r.now.Add(20 * time.Minute)
		}
		if again.sent != want {
			t.Errorf("%s: %d messages were sent again", when, again.sent)
		}
	}
	send("on hold", 0)
	if _, err := r.reconcile(r.NewPublished(), "a drill"); err != nil {
		t.Fatal(err)
	}
	send("reconciled", 0)
	list, err := after.List(r.ctx, access.System("test"), deliver.Query{States: deliver.Dead(), Max: 10})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	var notice int64
	for _, m := range list {
		states = append(states, m.Class+" "+m.State+" "+m.Code)
		if m.Class == string(deliver.Notice) {
			notice = m.ID
		}
	}
	if slices.Sort(states); !slices.Equal(states, []string{"code expired restored", "notice unknown restored", "notice unknown restored"}) {
		t.Errorf("shown are %q", states)
	}
	if c, err := after.Campaigns(r.ctx, access.System("test")); err != nil || len(c) != 1 || c[0].State != "stopped" {
		t.Errorf("the campaign that ran: %+v, %v", c, err)
	}
	if err := after.Resend(r.ctx, access.System("test"), notice); err != nil {
		t.Fatal(err)
	}
	send("sent again by hand", 1)
	var detail string
	if err := r.store.Pool().QueryRow(r.ctx, "SELECT detail FROM audit WHERE act = 'restore.messages'").Scan(&detail); err != nil || detail != "2 notices may have been sent, 1 codes expired, 1 campaigns stopped" {
		t.Errorf("the audit says %q, %v", detail, err)
	}
}
