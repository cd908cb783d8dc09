package backup_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/trust"
)

// TestTrustIsRestored imports lists, backs them up and brings them back: the same keys
// count, the audit agrees, an older list is refused as before, and how old what counts
// is by then is shown.
func TestTrustIsRestored(t *testing.T) {
	h := newHouse(t)
	ctx, by := t.Context(), access.System("test")
	clock := made
	service := func(store *registry.Store) *trustlist.Service {
		return trustlist.New(trustlist.Options{
			Store: store, Own: func() trust.Issuer { return trust.Issuer{ID: "did:web:own.example"} },
			Now: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler),
		})
	}
	key := func(n byte) []byte {
		der, err := x509.MarshalPKIXPublicKey(ed25519.NewKeyFromSeed(append(make([]byte, 31), n)).Public())
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	before := service(h.store)
	for i, name := range []string{"first", "second"} {
		if err := before.Put(ctx, by, trustlist.Settings{Name: name, Kind: trustlist.Keys, Issuer: "did:" + name, MaxLoss: 20}); err != nil {
			t.Fatal(err)
		}
		p, err := before.Propose(ctx, by, name, key(byte(i+1)))
		if err == nil {
			err = before.Apply(ctx, by, p.Version)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := before.Propose(ctx, by, "second", append(key(2), key(3)...)); err != nil { // waits
		t.Fatal(err)
	}
	b := open(t, h.write())
	want := effective(t, before)

	// After the backup one source ends: the restore brings it back, and its age tells.
	if err := before.Remove(ctx, by, "first"); err != nil {
		t.Fatal(err)
	}
	url := emptyDatabase(t)
	clock = made.Add(30 * 24 * time.Hour)
	if err := b.Load(ctx, url, "system:test", clock); err != nil {
		t.Fatal(err)
	}
	store, err := registry.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	after := service(store)
	if diff := cmp.Diff(want, effective(t, after)); diff != "" {
		t.Errorf("other keys count than at the backup (-before +after):\n%s", diff)
	}
	sources, err := after.Sources(ctx, by)
	if err != nil || len(sources) != 2 || sources[1].Waiting == 0 {
		t.Fatalf("%+v %v", sources, err)
	}
	for _, s := range sources {
		if s.Age(clock) != 30*24*time.Hour {
			t.Errorf("%s says that it is %v old", s.Name, s.Age(clock))
		}
	}
	err = trustlist.Check{}.End(ctx, store.Read(), func(format string, args ...any) { t.Errorf(format, args...) })
	if err != nil {
		t.Error(err)
	}
	if err := after.Apply(ctx, by, sources[1].Waiting); err != nil {
		t.Errorf("what waited cannot be applied: %v", err)
	}
	if p, err := after.Propose(ctx, by, "first", key(9)); err == nil {
		t.Errorf("a list that lost every key is taken after a restore: %+v", p)
	}
	if p, err := after.Propose(ctx, by, "first", append(key(1), key(4)...)); err != nil || p.Version <= 3 {
		t.Errorf("the next version is %+v, %v: its number may have been used after the backup", p, err)
	}
}

// effective are the keys that count.
func effective(t *testing.T, s *trustlist.Service) []trustlist.Change {
	t.Helper()
	c, err := s.Current(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return trustlist.Difference(nil, &trustlist.Content{Issuers: c.Bundle.Issuers})
}
