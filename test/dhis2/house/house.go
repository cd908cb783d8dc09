// Package house puts a whole house together for tests: registry, issuance,
// intake and a source of kind dhis2, whose server is a replay of DHIS2's
// documented behaviour. Time stands still until a test moves it.
package house

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/dhis2/replay"
)

// Source is the name of the source.
const Source = "dhis2"

// Kind is the kind of the source.
const Kind = intake.DHIS2

// House is a whole house on a database of its own.
type House struct {
	T        testing.TB
	Ctx      context.Context
	Replay   *replay.Server
	Intake   *intake.Service
	DHIS2    *dhis2.Service
	Issuance *issuance.Service
	Store    *registry.Store
	OnDemand *ondemand.Service
	Admin    access.Caller

	base *issuancetest.House
}

// Now is the time in the house and at its source.
func (h *House) Now() time.Time { return h.base.Now() }

// Pass lets time pass.
func (h *House) Pass(d time.Duration) { h.base.Pass(d) }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// New returns a house whose source is a replay.
func New(t testing.TB, o replay.Options) *House {
	t.Helper()
	base := issuancetest.NewAt(t, "sri-lanka", time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	h := &House{T: t, Ctx: context.Background(), Admin: base.Admin, Issuance: base.Service, Store: base.Store, base: base}
	o.Now, o.Token = h.Now, "d2pat_test"
	h.Replay = must(replay.New(o))(t)
	server := httptest.NewServer(h.Replay)
	t.Cleanup(server.Close)
	h.DHIS2 = dhis2.New(dhis2.Options{Now: h.Now, Log: base.Log})
	h.Intake = intake.New(intake.Options{
		Store: h.Store, Box: base.Box, Issuance: h.Issuance, Profile: base.Profile, Now: h.Now, Log: base.Log,
		Kinds: map[intake.SourceKind]intake.Kind{Kind: h.DHIS2.Kind()},
	})
	h.DHIS2.Intake = h.Intake
	config := must(json.Marshal(dhis2.Config{URL: server.URL, Token: "d2pat_test", Program: replay.Program, SystemID: []string{replay.SystemID}}))(t)
	text := must(profiles.FS.ReadFile("sri-lanka/sources/dhis2-covac.yaml"))(t)
	if err := h.Intake.Create(h.Ctx, h.Admin, intake.NewSource{Name: Source, Kind: Kind, Config: config, Mapping: string(text)}); err != nil {
		t.Fatal(err)
	}
	h.OnDemand = ondemand.New(ondemand.Options{
		Store: h.Store, Box: base.Box, Issuance: h.Issuance, Intake: h.Intake, Kind: Kind, Finder: h.DHIS2, Reader: dhis2.Reader{},
		Now: h.Now, Random: rand.Reader, Log: base.Log,
	})
	return h
}

// Configure changes settings of the source.
func (h *House) Configure(change func(*dhis2.Config)) {
	h.T.Helper()
	src := must(h.Intake.Source(h.Ctx, Source))(h.T)
	c := must(dhis2.ReadConfig(src.Config))(h.T)
	change(c)
	if err := h.Intake.Set(h.Ctx, h.Admin, Source, intake.Settings{Config: must(json.Marshal(c))(h.T)}); err != nil {
		h.T.Fatal(err)
	}
}

// Poll polls the source once and settles what came.
func (h *House) Poll() error {
	src, err := h.Intake.Source(h.Ctx, Source)
	if err == nil {
		err = h.DHIS2.Poll(h.Ctx, src)
	}
	if err == nil {
		err = h.Intake.Process(h.Ctx, Source)
	}
	return err
}

// Counts is the ledger of the source; it fails the test where the sum is wrong.
func (h *House) Counts() intake.Counts {
	h.T.Helper()
	all, err := h.Intake.Counts(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	c := all[Source]
	if c.In != c.Waiting+c.Issued+c.Unchanged+c.Held+c.Rejected {
		h.T.Errorf("the ledger does not add up: %+v", c)
	}
	return c
}
