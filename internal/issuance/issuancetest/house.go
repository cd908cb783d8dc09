// Package issuancetest sets up what a test of anything above issuance needs: a
// database of its own, keys, a profile, and a clock that can be set.
package issuancetest

import (
	"crypto/rand"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
)

// PublicURL is the address that certificates of a House point to.
const PublicURL = "https://certificates.example.org"

// House is an issuer in a test. The package's TestMain runs
// pgtest.Run(m, registry.Migrate).
type House struct {
	issuance.Options
	Service *issuance.Service
	Admin   access.Caller
	clock   atomic.Pointer[time.Time]
}

// New returns a house of a shipped country, on a database of its own. Its clock
// stands at noon of 22 November 2026.
func New(t testing.TB, country string) *House {
	t.Helper()
	return NewAt(t, country, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
}

// NewAt is [New] with the clock at another time, when the keys are made too.
func NewAt(t testing.TB, country string, at time.Time) *House {
	t.Helper()
	h := &House{Admin: access.System("test")}
	h.Set(at)
	store, err := registry.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	p, err := profile.Open(country)
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	box, err := seal.Open(key, dir, seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	did, err := trust.DIDWeb(PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(t.Context(), keyring.Options{
		Dir: dir, Box: box, Create: true, Now: h.clockNow, Random: rand.Reader,
		Identity: keyring.Identity{DID: did, Country: p.Country.Alpha2, Name: p.IssuerName("en")},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Options = issuance.Options{
		Store: store, Box: box, Keys: ring, Profile: p, PublicURL: PublicURL, Now: h.clockNow, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	h.Service = issuance.New(h.Options)
	return h
}

func (h *House) clockNow() time.Time { return *h.clock.Load() }

// Set sets the clock.
func (h *House) Set(now time.Time) { h.clock.Store(&now) }

// Pass lets time go by.
func (h *House) Pass(d time.Duration) { h.Set(h.clockNow().Add(d)) }

// Tokens are the API tokens of the house.
func (h *House) Tokens() access.Tokens {
	return access.Tokens{Store: h.Store, Now: h.clockNow, Random: rand.Reader}
}

// Token makes a token of a source, good for a day.
func (h *House) Token(t testing.TB, source string) string {
	t.Helper()
	secret, err := h.Tokens().Create(t.Context(), h.Admin, access.NewToken{Role: access.SourceRole, Source: source, For: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}
