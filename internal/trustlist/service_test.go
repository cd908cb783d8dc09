package trustlist

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is trust on a database of its own, and what its addresses answer.
type world struct {
	*Service
	t       testing.TB
	now     time.Time
	by      access.Caller
	answer  []byte
	fault   error
	changed int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store := must(registry.Open(t.Context(), pgtest.URL(t)))(t)
	t.Cleanup(store.Close)
	w := &world{t: t, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), by: access.Caller{Actor: "staff:1", Role: access.SystemAdmin, Source: "admin"}}
	w.Service = New(Options{
		Store: store, Own: func() trust.Issuer { return trust.Issuer{ID: "did:web:own.example"} }, Changed: func() { w.changed++ },
		Fetch: func(context.Context, string) ([]byte, error) { return w.answer, w.fault },
		Now:   func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
	return w
}

func (w *world) put(set Settings) {
	w.t.Helper()
	if set.MaxLoss == 0 {
		set.MaxLoss = DefaultMaxLoss
	}
	if err := w.Put(w.t.Context(), w.by, set); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) propose(name string, data []byte) *Proposal {
	w.t.Helper()
	return must(w.Propose(w.t.Context(), w.by, name, data))(w.t)
}

func (w *world) apply(name string, data []byte) int64 {
	w.t.Helper()
	id := w.propose(name, data).Version
	if err := w.Apply(w.t.Context(), w.by, id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// keys is how many keys count.
func (w *world) keys() int {
	w.t.Helper()
	w.now = w.now.Add(2 * time.Second)
	c := must(w.Current(w.t.Context()))(w.t)
	return trust.New(c.Bundle).Len()
}

func (w *world) source(name string) Source {
	w.t.Helper()
	return must(w.Source(w.t.Context(), w.by, name))(w.t)
}

func code(err error) vaccination.Code { return vaccination.ErrorCode(err) }

func signers(t testing.TB, a authority, n int) []*x509.Certificate {
	var out []*x509.Certificate
	for range n {
		out = append(out, a.signer(t))
	}
	return out
}

// A list counts when somebody applies it and not before; going back and ending a
// source are acts like any other, and all of them are in the audit.
func TestImportedAppliedRevertedRemoved(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	de := newAuthority(t, "Health DE", "DE")
	all := signers(t, de, 11)
	w.put(Settings{Name: "eu", Kind: Certificates})
	p := w.propose("eu", pems(all[:10]...))
	if len(p.Changes) != 10 || w.keys() != 0 || w.source("eu").Waiting != p.Version {
		t.Fatalf("%d changes, %d keys count", len(p.Changes), w.keys())
	}
	if err := w.Apply(ctx, w.by, p.Version); err != nil {
		t.Fatal(err)
	}
	if w.keys() != 10 || w.changed != 1 {
		t.Errorf("%d keys count, told %d times", w.keys(), w.changed)
	}
	if again := w.propose("eu", pems(all[:10]...)); !again.Unchanged || again.Version != 0 {
		t.Error("the same list is another")
	}
	second := w.apply("eu", pems(all[1:]...))
	if v, d, err := w.Difference(ctx, w.by, second); err != nil || v.Added != 1 || v.Removed != 1 || len(d) != 2 || v.By != "staff:1" {
		t.Errorf("%+v %v %v", v, d, err)
	}
	if err := w.Apply(ctx, w.by, second); code(err) != vaccination.Conflict {
		t.Errorf("applied twice: %v", err)
	}
	if _, err := w.Propose(ctx, w.by, "eu", pems(all[:3]...)); code(err) != vaccination.Conflict {
		t.Errorf("a list that lost most keys: %v", err)
	}
	if w.keys() != 10 {
		t.Error("a refused list changed what counts")
	}
	if err := w.Revert(ctx, w.by, p.Version); err != nil {
		t.Fatal(err)
	}
	if s := w.source("eu"); s.Version != p.Version || w.keys() != 10 {
		t.Errorf("%+v", s)
	}
	waiting := w.propose("eu", pems(all...)).Version
	if err := w.Revert(ctx, w.by, waiting); code(err) != vaccination.Conflict {
		t.Errorf("went back to what never counted: %v", err)
	}
	if err := w.Revert(ctx, w.by, second); err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(ctx, w.by, waiting); err == nil {
		t.Error("applied against another list than its difference showed")
	}
	if out, err := w.Export(ctx, w.by, "eu"); err != nil || must(trust.ParseNamed(out))(t).Issuers == nil {
		t.Errorf("%v", err)
	}
	if err := w.Remove(ctx, w.by, "eu"); err != nil {
		t.Fatal(err)
	}
	if w.keys() != 0 {
		t.Error("a removed source counts")
	}
	var acts []string
	rows := must(w.Store.Read().LatestActs(ctx, query.LatestActsParams{Acts: []string{registry.ActTrustSource, registry.ActTrustApply, registry.ActTrustRevert, registry.ActTrustRemove}, MaxRows: 100}))(t)
	for _, r := range rows {
		acts = append([]string{strings.TrimPrefix(r.Act, "trust.")}, acts...)
	}
	if got := strings.Join(acts, " "); got != "source apply apply revert revert remove" {
		t.Errorf("the audit says %s", got)
	}
}

// Class C, an act without an entry: refusing is one too, of the list that was
// looked at and of no other.
func TestRefusedIsWhatWasLookedAt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	all := signers(t, newAuthority(t, "Health DE", "DE"), 3)
	w.put(Settings{Name: "eu", Kind: Certificates})
	first := w.propose("eu", pems(all[:1]...)).Version
	second := w.propose("eu", pems(all...)).Version // came while somebody looked at the first
	if err := w.Refuse(ctx, w.by, first); code(err) != vaccination.Conflict || w.source("eu").Waiting != second {
		t.Errorf("a list that nobody looked at was refused: %v", err)
	}
	if err := w.Refuse(ctx, w.by, second); err != nil || w.source("eu").Waiting != 0 {
		t.Errorf("%v", err)
	}
	third := w.apply("eu", pems(all...))
	if err := w.Refuse(ctx, w.by, third); code(err) != vaccination.Conflict || w.keys() != 3 {
		t.Errorf("what counts was refused: %v", err)
	}
	rows := must(w.Store.Read().LatestActs(ctx, query.LatestActsParams{Acts: []string{registry.ActTrustRefuse}, MaxRows: 100}))(t)
	if len(rows) != 1 || rows[0].Actor != "staff:1" {
		t.Errorf("%d entries of one refusal", len(rows))
	}
}

// Only who may manage keys does any of it.
func TestWhoMayTrust(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, by := range []access.Caller{{}, {Actor: "staff:2", Role: access.ProgrammeAdmin}, {Actor: "staff:3", Role: access.Auditor}, {Actor: "token:1", Role: access.SourceRole, Source: "x"}} {
		for name, err := range map[string]error{
			"put": w.Put(ctx, by, Settings{Name: "x", Kind: Keys}), "apply": w.Apply(ctx, by, 1), "revert": w.Revert(ctx, by, 1), "remove": w.Remove(ctx, by, "x"), "refuse": w.Refuse(ctx, by, 1),
			"propose":  func() error { _, err := w.Propose(ctx, by, "x", nil); return err }(),
			"sources":  func() error { _, err := w.Sources(ctx, by); return err }(),
			"source":   func() error { _, err := w.Source(ctx, by, "x"); return err }(),
			"versions": func() error { _, err := w.Versions(ctx, by, "x"); return err }(),
			"diff":     func() error { _, _, err := w.Difference(ctx, by, 1); return err }(),
			"export":   func() error { _, err := w.Export(ctx, by, "x"); return err }(),
		} {
			if code(err) != vaccination.Forbidden {
				t.Errorf("%s by %q: %v", name, by.Role, err)
			}
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	w := newWorld(t)
	for name, set := range map[string]Settings{
		"a name with a slash":       {Name: "../x", Kind: DID},
		"no kind":                   {Name: "x"},
		"http":                      {Name: "x", Kind: DID, URL: "http://a.example/list"},
		"a password in the address": {Name: "x", Kind: DID, URL: "https://u:p@a.example/"},
		"a file's address":          {Name: "x", Kind: DID, URL: "file:///etc/passwd"},
		"a schedule of nothing":     {Name: "x", Kind: DID, EveryHours: 24},
		"a loss of more than all":   {Name: "x", Kind: DID, MaxLoss: 101},
		"anchors that are none":     {Name: "x", Kind: DID, Anchors: "hello"},
		"a hostile name":            {Name: "x", Kind: DID, IssuerName: "a\u202eb"},
		"an issuer in two lines":    {Name: "x", Kind: DID, Issuer: "a\nb"},
	} {
		if err := w.Put(t.Context(), w.by, set); code(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.put(Settings{Name: "x", Kind: DID})
	if err := w.Put(t.Context(), w.by, Settings{Name: "x", Kind: Keys}); code(err) != vaccination.Conflict {
		t.Errorf("another kind: %v", err)
	}
}

// One issuer has one source: who publishes another list cannot sign for it.
func TestIssuersAreNotTakenOver(t *testing.T) {
	w := newWorld(t)
	xa := newAuthority(t, "Health", "XA")
	const id = "did:web:health.example"
	w.put(Settings{Name: "one", Kind: DID})
	w.put(Settings{Name: "two", Kind: DID})
	w.apply("one", testDocument(t, id, method(id, xa.signer(t), xa.cert)))
	if _, err := w.Propose(t.Context(), w.by, "two", testDocument(t, id, method(id, xa.signer(t), xa.cert))); code(err) != vaccination.Conflict {
		t.Errorf("another source adds a key to an issuer: %v", err)
	}
}

// The trust bundle of another divoc follows by its own signature, on a schedule;
// everything else waits for a person, and whatever is wrong leaves the last good
// list.
func TestSchedule(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const id = "did:web:other.example"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bundle := func(version int64, key ed25519.PrivateKey, extra ...trust.Key) []byte {
		method := id + "#" + trust.Multikey(key.Public())
		keys := append([]trust.Key{{ID: method, Public: key.Public(), NotBefore: from}}, extra...)
		at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(version) * time.Minute)
		b := &trust.Bundle{Version: version, Issued: at, Issuers: []trust.Issuer{{ID: id, Name: "Other", Country: "XA", Keys: keys}, {ID: "did:web:friend.example", Name: "Whom it trusts", Keys: keys[:1]}},
			Status: []trust.Snapshot{{Issuer: id, AsOf: at, NextUpdate: at.Add(time.Hour)}}}
		return must(b.Sign(bundleKey{method, key}))(t)
	}
	w.put(Settings{Name: "other", Kind: DIVOC, URL: "https://other.example/trust/bundle.json", EveryHours: 1})
	step := func(data []byte, fault error) Source {
		t.Helper()
		w.now, w.answer, w.fault = w.now.Add(61*time.Minute), data, fault
		if err := w.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		return w.source("other")
	}
	if s := step(bundle(5, private), nil); s.Version != 0 || s.Waiting == 0 {
		t.Fatalf("the first list was applied by nobody: %+v", s)
	}
	first := w.source("other").Waiting
	if err := w.Apply(ctx, w.by, first); err != nil {
		t.Fatal(err)
	}
	if w.keys() != 1 {
		t.Errorf("%d keys: whom the other trusts came along", w.keys())
	}
	second, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := step(bundle(6, private, trust.Key{ID: id + "#2", Public: second, NotBefore: from}), nil)
	if s.Version == first || s.Fault != "" || w.keys() != 2 {
		t.Errorf("its own signature did not do: %+v", s)
	}
	good, seen := s.Version, s.Seen
	for name, c := range map[string]struct {
		data  []byte
		fault error
		want  string
	}{
		"rollback":           {bundle(5, private), nil, "older"},
		"wrong signer":       {bundle(9, stranger), nil, "lacks"},
		"empty answer":       {nil, nil, "no trust file"},
		"empty list":         {must((&trust.Bundle{Version: 9, Issued: w.now}).Sign())(t), nil, "names no key"},
		"no answer":          {nil, errors.New("timed out"), "timed out"},
		"a page for signing": {[]byte("<html>"), nil, "no trust file"},
	} {
		if s := step(c.data, c.fault); s.Version != good || !strings.Contains(s.Fault, c.want) || !s.Seen.Equal(seen) || s.Age(w.now) <= 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	// With all keys of before, and signed by a stranger it lists first: for a person.
	s = step(bundle(9, stranger, trust.Key{ID: id + "#" + trust.Multikey(public), Public: public, NotBefore: from}, trust.Key{ID: id + "#2", Public: second, NotBefore: from}), nil)
	if s.Version != good || s.Waiting == 0 {
		t.Errorf("a list that a stranger signed was applied: %+v", s)
	}
	w.now = w.now.Add(time.Minute)
	w.answer = []byte("not asked before it is due")
	if err := w.Refresh(ctx); err != nil || w.source("other").Fault != "" {
		t.Error("asked before it was due")
	}
	if m := must(w.Measure(ctx))(t); len(m) != 1 || m[0].Age < time.Hour || !m[0].Waiting || m[0].Keys != 2 {
		t.Errorf("%+v", m)
	}
}

type bundleKey struct {
	id  string
	key ed25519.PrivateKey
}

func (k bundleKey) ID() string                          { return k.id }
func (k bundleKey) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.key, message), nil }

// Published test keys never count, except in a demonstration, and there in no
// bundle.
func TestPublishedKeys(t *testing.T) {
	const demo = "-----BEGIN PUBLIC KEY-----"
	data, err := os.ReadFile(os.Getenv("DIVOC_VECTORS") + "/divoc/demo-rsa-public.pem")
	if err != nil {
		data, err = os.ReadFile("../../../shared/vectors/divoc/demo-rsa-public.pem")
	}
	if err != nil || !strings.Contains(string(data), demo) {
		t.Skip("the published test keys are not there: set DIVOC_VECTORS")
	}
	w := newWorld(t)
	w.put(Settings{Name: "india", Kind: Keys, Issuer: "did:india"})
	if _, err := w.Propose(t.Context(), w.by, "india", data); code(err) != vaccination.Forbidden {
		t.Errorf("a published test key: %v", err)
	}
	w.Demo = true
	w.apply("india", data)
	c := must(w.Current(t.Context()))(t)
	if trust.New(c.Bundle).Len() != 1 || trust.New(c.Public).Len() != 0 {
		t.Errorf("%d here, %d in bundles", trust.New(c.Bundle).Len(), trust.New(c.Public).Len())
	}
}

// Where the database cannot be asked, what counted last goes on to count.
func TestTheLastListStays(t *testing.T) {
	w := newWorld(t)
	w.put(Settings{Name: "eu", Kind: Certificates})
	w.apply("eu", pems(newAuthority(t, "x", "DE").signer(t)))
	if w.keys() != 1 {
		t.Fatal("it does not count")
	}
	err := w.Store.TxRaw(t.Context(), func(tx pgx.Tx, _ *query.Queries) error {
		_, err := tx.Exec(t.Context(), "ALTER TABLE trust_source RENAME TO gone")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.keys() != 1 {
		t.Error("a fault of the database took the list away")
	}
	fresh := New(w.Options)
	if _, err := fresh.Current(t.Context()); err == nil {
		t.Error("a fault of the database is taken for an empty list")
	}
}

func TestFetcher(t *testing.T) {
	big := make([]byte, MaxSize+1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(rw, r, "/list", http.StatusFound)
		case "/big":
			_, _ = rw.Write(big)
		case "/gone":
			rw.WriteHeader(http.StatusGone)
		default:
			_, _ = rw.Write([]byte("list"))
		}
	}))
	defer server.Close()
	fetch := Fetcher(server.Client().Transport)
	if data, err := fetch(t.Context(), server.URL+"/list"); err != nil || string(data) != "list" {
		t.Errorf("%q %v", data, err)
	}
	for path, want := range map[string]vaccination.Code{"/redirect": vaccination.Unavailable, "/big": vaccination.TooLarge, "/gone": vaccination.Unavailable} {
		if _, err := fetch(t.Context(), server.URL+path); code(err) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := fetch(t.Context(), strings.Replace(server.URL, "https", "http", 1)); code(err) != vaccination.Invalid {
		t.Errorf("http: %v", err)
	}
	// As it is used: nothing within a private network, whatever leads there.
	for _, address := range []string{server.URL + "/list", "https://localhost/", "https://[::1]/", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/"} {
		if _, err := Fetcher(nil)(t.Context(), address); code(err) != vaccination.Forbidden {
			t.Errorf("%s: %v", address, err)
		}
	}
	for text, want := range map[string]bool{"8.8.8.8": true, "2606:4700::1": true, "192.168.1.1": false, "100.64.0.1": false, "fd00::1": false, "224.0.0.1": false, "0.0.0.0": false, "64:ff9b::7f00:1": false} {
		if got := publicAddress(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
}
