package citizen_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// The people of the world: a family of three under one number, and a stranger.
const (
	family   = "+18765550142"
	stranger = "+18765550999" // on nobody's record
	other    = "+18765550199"
	address  = "marcia@example.org"
)

// world is a house of citizens.
type world struct {
	*citizen.Service
	h    *issuancetest.House
	t    testing.TB
	ctx  context.Context
	sent sent
}

// sent keeps what would have been sent.
type sent struct {
	mu    sync.Mutex
	codes []message
	fail  error
}

type message struct{ number, email, language, code string }

func (s *sent) SendCode(_ context.Context, _ *query.Queries, number, email, language, code string, _, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.codes = append(s.codes, message{number, email, language, code})
	return nil
}

func (s *sent) Wake() {}

func (s *sent) last() message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.codes) == 0 {
		return message{}
	}
	return s.codes[len(s.codes)-1]
}

func (s *sent) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.codes)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{h: issuancetest.New(t, "jamaica"), t: t, ctx: context.Background()}
	codes := budget.New(budget.Options{
		Hash: func(v string) []byte { return w.h.Box.Index(seal.Content, v) }, Store: w.h.Store, Now: w.h.Now, Log: w.h.Log, Alarm: 100_000, Stop: 100_000,
	})
	w.Service = citizen.New(citizen.Options{
		Store: w.h.Store, Box: w.h.Box, Profile: w.h.Profile, OnRecord: w.h.Service.OnRecord, Sender: &w.sent,
		Budget: func(ctx context.Context, number string, network netip.Addr) (time.Duration, error) {
			return codes.Take(ctx, budget.Ask{To: number, Network: network})
		},
		Wait: func(context.Context, time.Time) {}, Now: w.h.Now, Random: rand.Reader, Log: w.h.Log,
	})
	w.issue("MARCIA", "Marcia Ann-Louise Campbell", "1987-04-21", "tel:8765550142", "mailto:Marcia@example.org")
	w.issue("DEVON", "Devon Campbell", "2015-09-02", "tel:8765550142")
	w.issue("INEZ", "Inez Campbell", "1951", "tel:8765550142") // her birth date is known to the year alone
	w.issue("OTHER", "Delroy Other", "1990-01-02", "tel:8765550199")
	return w
}

// issue certifies a dose of 16 June 2021, and returns its certificate.
func (w *world) issue(code, name, birth string, contacts ...string) vaccination.CertificateID {
	w.t.Helper()
	born, err := vaccination.ParseDate(birth)
	if err != nil {
		w.t.Fatal(err)
	}
	results, err := w.h.Service.Issue(w.ctx, w.h.Admin, issuance.Certify, []vaccination.Event{{
		Programme: "covid-19", EnrolmentCode: code, Person: vaccination.Person{Name: name, BirthDate: born, Sex: "female"}, Contacts: contacts,
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 6, Day: 16}, Number: 1, Total: 2, Centre: "Falmouth Health Centre"},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return results[0].ID
}

// ask asks for a code.
func (w *world) ask(number string) string {
	w.t.Helper()
	secret, err := w.Start(w.ctx, citizen.Ask{Number: number, Language: "en"}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// enter signs in by a number.
func (w *world) enter(number string) *citizen.Session {
	w.t.Helper()
	w.h.Pass(16 * time.Minute)
	secret, err := w.Prove(w.ctx, w.ask(number), w.sent.last().code, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.session(secret)
}

func (w *world) session(secret string) *citizen.Session {
	w.t.Helper()
	s, err := w.Session(w.ctx, secret)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) reach(s *citizen.Session) []*issuance.Reached {
	w.t.Helper()
	people, err := w.h.Service.Reach(w.ctx, s, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return people
}

// refused fails the test when err is not of a kind.
func refused(t testing.TB, what string, err error, want vaccination.Code) {
	t.Helper()
	if vaccination.ErrorCode(err) != want {
		t.Errorf("%s: error %v, want %q", what, err, want)
	}
}

// wrong is a code that is not the one that was sent.
func (w *world) wrong() string {
	if w.sent.last().code == "000000" {
		return "000001"
	}
	return "000000"
}

// counts are the numbers of rows of the tables of this package and of the audit.
func (w *world) counts() string {
	w.t.Helper()
	var out string
	for _, table := range []string{"send_number", "citizen_challenge", "citizen_session", "audit"} {
		var n int
		if err := w.h.Store.Pool().QueryRow(w.ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		out += fmt.Sprintf("%s %d ", table, n)
	}
	return out
}
