package trustlist

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// act is an act on trust, with the writes it is made of. again is what the same act is
// answered with when it was done, "" where it is done or found done.
type act struct {
	do     func(w *world, s *Service) error
	writes []string
	again  vaccination.Code
}

// acts are done in a world where version 2 of "eu" counts, 1 did and 3 waits.
func acts() map[string]act {
	set := func(name string, loss int) func(*world, *Service) error {
		return func(w *world, s *Service) error {
			return s.Put(w.t.Context(), w.by, Settings{Name: name, Kind: Certificates, MaxLoss: loss})
		}
	}
	return map[string]act{
		"name a trust source":     {set("other", DefaultMaxLoss), []string{"INSERT ON trust_source", "INSERT ON audit"}, ""},
		"change a trust source":   {set("eu", 5), []string{"UPDATE ON trust_source", "DELETE ON trust_version", "INSERT ON audit"}, ""},
		"import a trust list":     {func(w *world, s *Service) error { _, err := s.Propose(w.t.Context(), w.by, "eu", w.answer); return err }, []string{"DELETE ON trust_version", "INSERT ON trust_version", "INSERT ON audit"}, ""},
		"apply a trust list":      {func(w *world, s *Service) error { return s.Apply(w.t.Context(), w.by, 3) }, []string{"UPDATE ON trust_version", "UPDATE ON trust_source", "INSERT ON audit"}, vaccination.Conflict},
		"go back to a trust list": {func(w *world, s *Service) error { return s.Revert(w.t.Context(), w.by, 1) }, []string{"DELETE ON trust_version", "UPDATE ON trust_source", "INSERT ON audit"}, vaccination.Conflict},
		"end a trust source":      {func(w *world, s *Service) error { return s.Remove(w.t.Context(), w.by, "eu") }, []string{"DELETE ON trust_version", "DELETE ON trust_source", "INSERT ON audit"}, vaccination.NotFound},
	}
}

func listed(t *testing.T) *world {
	w := newWorld(t)
	var all []*x509.Certificate
	for range 4 {
		all = append(all, newAuthority(t, "Health DE", "DE").signer(t))
	}
	w.put(Settings{Name: "eu", Kind: Certificates})
	w.apply("eu", pems(all[:1]...))
	w.apply("eu", pems(all[:2]...))
	w.propose("eu", pems(all[:3]...))
	w.answer = pems(all...)
	return w
}

// state is all that is stored of trust.
func (w *world) state() string {
	w.t.Helper()
	return pgtest.State(w.t, w.Store.Pool(), "trust_source", "trust_version")
}

// asListed: the same keys count.
func (w *world) asListed() {
	w.t.Helper()
	if n := w.keys(); n != 2 {
		w.t.Errorf("%d keys count", n)
	}
	w.sound()
}

func (w *world) sound() {
	w.t.Helper()
	if got := w.checked(); got != nil {
		w.t.Errorf("fsck: %v", got)
	}
}

// TestFailedAndNotPersisted lets each single write of each act fail: nothing of it
// remains, the last good list counts, and the same again is done.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := listed(t)
			w.t = t
			told := w.changed
			pgtest.FailEach(t, w.Store.Pool(), a.writes, func() error { return a.do(w, w.Service) }, w.state, w.asListed)
			if w.changed != told {
				t.Error("what failed was told")
			}
			if err := a.do(w, w.Service); err != nil {
				t.Errorf("the same again: %v", err)
			}
			if got := code(a.do(w, w.Service)); got != a.again {
				t.Errorf("once more: %q, want %q", got, a.again)
			}
			w.sound()
		})
	}
}

// TestTheConnectionBreaksAtTheCommit cuts the connection before the commit of each
// act, and then after it.
func TestTheConnectionBreaksAtTheCommit(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := listed(t)
			before := w.state()
			p := pgtest.NewProxy(t, w.Store.Pool().Config().ConnString())
			o := w.Options
			var err error
			if o.Store, err = registry.Open(t.Context(), p.URL); err != nil {
				t.Fatal(err)
			}
			defer o.Store.Close()
			behind := New(o)
			for _, cut := range []pgtest.Cut{pgtest.BeforeCommit, pgtest.AfterCommit} {
				p.Cut(cut)
				err := a.do(w, behind)
				p.Cut(pgtest.Never)
				if err == nil || !registry.IsDown(err) {
					t.Errorf("the connection broke %s the commit: %v", cut, err)
				}
				if cut == pgtest.BeforeCommit {
					if diff := cmp.Diff(before, w.state()); diff != "" {
						t.Errorf("the commit was not passed on (-before +after):\n%s", diff)
					}
					w.asListed()
				} else if w.state() == before {
					t.Error("what was persisted is not there")
				}
				w.sound()
			}
			if got := code(a.do(w, behind)); got != a.again {
				t.Errorf("the same again: %q, want %q", got, a.again)
			}
			w.sound()
			// A verifier asks this process, whichever did it.
			w.now = w.now.Add(2 * time.Second)
			if mine, theirs := must(w.Current(t.Context()))(t), must(behind.Current(t.Context()))(t); mine.Stamp != theirs.Stamp {
				t.Error("two processes let other lists count")
			}
		})
	}
}

// TestTheScheduleFails lets a list be imported and not applied, by a source that its
// own signature is enough for: it waits, the last good list counts, and it is applied
// when the source is asked next.
func TestTheScheduleFails(t *testing.T) {
	w := newWorld(t)
	key := newKey(t)
	pin, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(n int) []byte {
		list := batches(t, batch("DE", "", trust.HashUCI, 0, n, until))
		sum := sha256.Sum256(list)
		signature := must(ecdsa.SignASN1(rand.Reader, key, sum[:]))(t)
		return append([]byte(base64.StdEncoding.EncodeToString(signature)+"\n"), list...)
	}
	w.put(Settings{Name: "de", Kind: Hashes, URL: "https://de.example/revoked", EveryHours: 1, Anchors: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pin}))})
	first := w.apply("de", signed(1))
	w.answer = signed(2)
	ask := func() Source {
		t.Helper()
		w.now = w.now.Add(61 * time.Minute)
		if err := w.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sound()
		return w.source("de")
	}
	heal := pgtest.Fail(t, w.Store.Pool(), "UPDATE ON trust_version")
	if s := ask(); s.Version != first || s.Waiting == 0 || s.Fault == "" {
		t.Errorf("it was not applied: %+v", s)
	}
	heal()
	if s := ask(); s.Version <= first || s.Waiting != 0 || s.Fault != "" || s.Keys != 2 {
		t.Errorf("when it is asked next: %+v", s)
	}
}

// TestTheTableOfFaults compares docs/faults.md with what the tests above do.
func TestTheTableOfFaults(t *testing.T) {
	writes := map[string][]string{}
	for name, a := range acts() {
		writes[name] = a.writes
	}
	pgtest.CheckActs(t, "internal/trustlist", writes)
}
