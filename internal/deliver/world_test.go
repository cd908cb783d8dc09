package deliver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

const number = "+18765550142"

// carrier is a gateway in a test.
type carrier struct {
	mu    sync.Mutex
	got   []transport.Message
	again bool
	// answer is what it says; nil takes everything.
	answer func(n int, m transport.Message) (transport.Sent, error)
}

func (c *carrier) Again() bool { return c.again }

func (c *carrier) Send(_ context.Context, m transport.Message) (transport.Sent, error) {
	c.mu.Lock()
	c.got = append(c.got, m)
	n := len(c.got)
	c.mu.Unlock()
	if c.answer != nil {
		return c.answer(n, m)
	}
	return transport.Sent{ProviderID: "p-" + m.Ref}, nil
}

func (c *carrier) texts() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		out = append(out, m.To+" "+m.Text)
	}
	return out
}

type world struct {
	*deliver.Service
	House   *issuancetest.House
	Admin   access.Caller
	Store   *registry.Store
	t       *testing.T
	carrier *carrier
	log     *bytes.Buffer
	options deliver.Options
	prefix  string // of enrolment codes
}

// gatewayFile is a gateway whose receipts come as JSON.
const gatewayFile = `
kind: http
perSecond: 1000
from: MOHW
request: {method: POST, url: "https://sms.example/send", form: {to: "{to}", text: "{text}"}}
success: {status: [200]}
receipts: {format: json, list: results, id: id, state: state, code: code, states: {sent: accepted, ok: delivered, no: failed, late: expired, what: unknown}}
`

// newWorld is an issuer that tells people, and a gateway that is answered by the
// test. It sends when the test says so.
func newWorld(t *testing.T, country string) *world {
	t.Helper()
	h := issuancetest.New(t, country)
	w := &world{House: h, Admin: h.Admin, Store: h.Store, t: t, carrier: &carrier{}, log: &bytes.Buffer{}}
	w.options = deliver.Options{
		Store: h.Store, Box: h.Box, Profile: h.Profile, PublicURL: h.PublicURL, Now: h.Now, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Transports: func(deliver.Settings) (transport.Transport, error) { return w.carrier, nil },
		Sleep:      func(_ context.Context, d time.Duration) { h.Pass(d) },
		Contacts:   func(p query.Person) ([]string, *sealKey, error) { return w.House.Service.ContactsOf(p) },
	}
	w.Service = deliver.New(w.options)
	h.Tell = w.Tell
	h.Service = issuance.New(h.Options)
	h.Set(noon())
	return w
}

func (w *world) gateway(file string) string {
	w.t.Helper()
	url, err := w.SetGateway(w.t.Context(), w.Admin, "sms", file)
	if err != nil {
		w.t.Fatal(err)
	}
	return filepath.Base(url)
}

func (w *world) event(code string, dose int, change ...func(*vaccination.Event)) vaccination.Event {
	e := vaccination.Event{
		EnrolmentCode: w.prefix + code, Programme: "covid-19", Contacts: []string{"tel:876 555 0142"},
		Person:      vaccination.Person{Name: "Marcia Campbell", BirthDate: date("1987-04-21"), Sex: "female"},
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: date("2026-11-20"), Number: dose, Country: vaccination.Coding{Code: "JAM"}, Centre: "Falmouth Health Centre"},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func given(day string) func(*vaccination.Event) {
	return func(e *vaccination.Event) { e.Vaccination.Date = date(day) }
}

func contacts(c ...string) func(*vaccination.Event) {
	return func(e *vaccination.Event) { e.Contacts = c }
}

func source() access.Caller {
	return access.Caller{Actor: "token:1 commcare", Role: access.SourceRole, Source: "commcare"}
}

func (w *world) issue(by access.Caller, action issuance.Action, e ...vaccination.Event) issuance.Result {
	w.t.Helper()
	r, err := w.House.Service.Issue(w.t.Context(), by, action, e)
	if err != nil {
		w.t.Fatal(err)
	}
	return r[0]
}

func (w *world) queue(m deliver.Message) error {
	return w.Store.Tx(w.t.Context(), func(q *query.Queries) error { return w.Queue(w.t.Context(), q, m) })
}

// code queues a code.
func (w *world) code(once, code string, life time.Duration) {
	w.t.Helper()
	err := w.queue(deliver.Message{
		Template: "code", Class: deliver.Code, To: number, Once: once, Values: map[string]string{"code": code, "minutes": "5"}, Expires: w.now().Add(life),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) notice(once string) {
	w.t.Helper()
	if err := w.queue(deliver.Message{Template: "case-received", Class: deliver.Notice, To: number, Once: once, Values: map[string]string{"reference": once}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) send(class deliver.Class) (next time.Time) {
	w.t.Helper()
	next, err := w.Send(w.t.Context(), class)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// states are the states of all messages, the oldest first.
func (w *world) states() (out []string) {
	w.t.Helper()
	list, err := w.List(w.t.Context(), w.Admin, deliver.Query{Max: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range list {
		s := m.Template + " " + m.State
		if m.Code != "" {
			s += " " + m.Code
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}

func (w *world) want(states ...string) {
	w.t.Helper()
	if got := w.states(); !slices.Equal(got, states) {
		w.t.Errorf("messages are\n%q, want\n%q", got, states)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.Store.Pool().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) scan(sql string, into any) {
	w.t.Helper()
	if err := w.Store.Pool().QueryRow(w.t.Context(), sql).Scan(into); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) only() deliver.Stored {
	w.t.Helper()
	list, err := w.List(w.t.Context(), w.Admin, deliver.Query{Max: 2})
	if err != nil || len(list) != 1 {
		w.t.Fatalf("%d messages, %v", len(list), err)
	}
	return list[0]
}

func refusal(class transport.Class, code string) func(int, transport.Message) (transport.Sent, error) {
	return func(int, transport.Message) (transport.Sent, error) {
		return transport.Sent{}, &transport.Error{Class: class, Code: code}
	}
}

// noon is ten in the morning in Kingston.
func noon() time.Time { return time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC) }

func (w *world) now() time.Time { return w.House.Now() }

func (w *world) Pass(d time.Duration) { w.House.Pass(d) }

func date(text string) vaccination.Date {
	d, err := vaccination.ParseDate(text)
	if err != nil {
		panic(err)
	}
	return d
}

func issuancetestAdmin() access.Caller { return access.System("test") }

func lot(l string) func(*vaccination.Event) {
	return func(e *vaccination.Event) { e.Vaccination.Lot = l }
}

func (w *world) change(id vaccination.CertificateID, act vaccination.Act) {
	w.t.Helper()
	if _, err := w.House.Service.Change(w.t.Context(), w.Admin, id, act, ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) quietly(id vaccination.CertificateID, act vaccination.Act) {
	w.t.Helper()
	if _, err := w.House.Service.Change(issuance.Quietly(w.t.Context()), w.Admin, id, act, ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reissue(id vaccination.CertificateID) {
	w.t.Helper()
	if _, err := w.House.Service.ReissueByID(w.t.Context(), w.Admin, id, ""); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) suppress(x deliver.Suppression) {
	w.t.Helper()
	if err := w.Store.Tx(w.t.Context(), func(q *query.Queries) error { return w.Suppress(w.t.Context(), q, w.Admin, x) }); err != nil {
		w.t.Fatal(err)
	}
}
