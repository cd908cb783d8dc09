package ondemand_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/test/dhis2/house"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a house that sends codes.
type world struct {
	*ondemand.Service
	*house.House
	sent sender
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

func newWorld(t testing.TB, o replay.Options) *world {
	t.Helper()
	w := &world{House: house.New(t, o)}
	w.Service = w.OnDemand
	w.Sender = &w.sent
	return w
}

// start asks by national id.
func (w *world) start(number string) ondemand.Answer {
	w.T.Helper()
	a, err := w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: number, Language: "si"})
	if err != nil {
		w.T.Fatal(err)
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
