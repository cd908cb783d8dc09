package ondemand_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a whole house on a database of its own, whose source is a replay.
type world struct {
	*ondemand.Service
	t       testing.TB
	ctx     context.Context
	replay  *replay.Server
	server  *httptest.Server
	intake  *intake.Service
	dhis2   *dhis2.Service
	issuing *issuance.Service
	store   *registry.Store
	sent    sender

	mu  sync.Mutex
	now time.Time
}

// sender keeps what would have been sent.
type sender struct {
	mu           sync.Mutex
	number, code string
	times        int
	fail         error
}

func (s *sender) SendCode(_ context.Context, number, _, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.code = number, code
	s.times++
	return s.fail
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t testing.TB, o replay.Options) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	o.Now, o.Token = w.clock, "d2pat_test"
	w.replay = must(replay.New(o))(t)
	w.server = httptest.NewServer(w.replay)
	t.Cleanup(w.server.Close)
	w.store = must(registry.Open(w.ctx, pgtest.URL(t)))(t)
	t.Cleanup(w.store.Close)
	p := must(profile.Open("sri-lanka"))(t)
	dir := t.TempDir()
	box := must(seal.Open(must(seal.GenerateKey(rand.Reader))(t), dir, seal.Options{Create: true}))(t)
	const publicURL = "https://certificates.example.org"
	ring := must(keyring.Open(w.ctx, keyring.Options{Dir: dir, Box: box, Create: true, Now: w.clock, Random: rand.Reader,
		Identity: keyring.Identity{DID: must(trust.DIDWeb(publicURL))(t), Country: p.Country.Alpha2, Name: p.IssuerName("en")}}))(t)
	log := slog.New(slog.DiscardHandler)
	w.issuing = issuance.New(issuance.Options{Store: w.store, Box: box, Keys: ring, Profile: p, PublicURL: publicURL, Now: w.clock, Random: rand.Reader, Log: log})
	w.dhis2 = dhis2.New(dhis2.Options{Now: w.clock, Log: log})
	w.intake = intake.New(intake.Options{Store: w.store, Box: box, Issuance: w.issuing, Profile: p, Now: w.clock, Log: log,
		Kinds: map[intake.SourceKind]intake.Kind{intake.DHIS2: w.dhis2.Kind()}})
	w.dhis2.Intake = w.intake
	config := must(json.Marshal(dhis2.Config{URL: w.server.URL, Token: "d2pat_test", Program: replay.Program, SystemID: []string{replay.SystemID}}))(t)
	text := must(profiles.FS.ReadFile("sri-lanka/sources/dhis2-covac.yaml"))(t)
	if err := w.intake.Create(w.ctx, access.System("test"), intake.NewSource{Name: "dhis2", Kind: intake.DHIS2, Config: config, Mapping: string(text)}); err != nil {
		t.Fatal(err)
	}
	w.Service = ondemand.New(ondemand.Options{
		Store: w.store, Box: box, Issuance: w.issuing, Intake: w.intake, Kind: intake.DHIS2, Finder: w.dhis2, Reader: dhis2.Reader{},
		Sender: &w.sent, Now: w.clock, Random: rand.Reader, Log: log,
	})
	return w
}

// start asks by national id.
func (w *world) start(number string) ondemand.Answer {
	w.t.Helper()
	a, err := w.Start(w.ctx, ondemand.Ask{Kind: "national-id", Number: number, Language: "si"})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// refused fails the test when err is not of a kind.
func refused(t testing.TB, what string, err error, want vaccination.Code) {
	t.Helper()
	if vaccination.ErrorCode(err) != want {
		t.Errorf("%s: error %v, want %q", what, err, want)
	}
}
