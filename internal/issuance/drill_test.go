package issuance_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// backedUp backs w up.
func (w *world) backedUp() *backup.Backup {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "backup")
	_, err := backup.Write(w.ctx, backup.Source{Store: w.store, Box: w.Box, Keys: w.keys, PublicURL: w.PublicURL, Now: w.Now}, dir)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := backup.Open(dir, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// restored brings b back beside w, on a database and with keys of its own.
func (w *world) restored(b *backup.Backup) *world {
	t := w.t
	t.Helper()
	r := &world{t: t, ctx: w.ctx, now: w.now.Add(time.Hour), by: w.by, key: w.key, keys: t.TempDir()}
	url := pgtest.URL(t)
	store, err := registry.Open(w.ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := errors.Join(b.Check(), b.Authenticate(w.key), b.WriteKeys(r.keys), b.Load(w.ctx, url, "system:cli", r.now)); err != nil {
		t.Fatal(err)
	}
	box, err := seal.Open(w.key, r.keys, seal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return r.now }
	did, err := trust.DIDWeb(w.PublicURL)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(w.ctx, keyring.Options{
		Dir: r.keys, Box: box, Now: clock, Random: rand.Reader,
		Identity: keyring.Identity{DID: did, Country: w.Profile.Country.Alpha2, Name: w.Profile.IssuerName("en")},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.store = store
	r.Service = issuance.New(issuance.Options{
		Store: store, Box: box, Keys: ring, Profile: w.Profile, PublicURL: w.PublicURL,
		Now: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

func (w *world) id(code string) vaccination.CertificateID {
	w.t.Helper()
	return w.must(issuance.Certify, event(code, 1)).ID
}

func (w *world) do(act vaccination.Act, id vaccination.CertificateID) {
	w.t.Helper()
	if _, err := w.Change(w.ctx, access.System("test"), id, act, ""); err != nil {
		w.t.Fatal(err)
	}
}

// outside is what w publishes just now: paths and what stands there.
func (w *world) outside() map[string][]byte {
	w.t.Helper()
	out := map[string][]byte{}
	bundle, err := w.TrustBundle(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	out["/trust/bundle.json"] = bundle
	for group := range int32(16) {
		for _, purpose := range []string{"revocation", "suspension"} {
			data, _, err := w.StatusList(w.ctx, purpose, group<<16)
			if vaccination.ErrorCode(err) == vaccination.NotFound {
				continue
			}
			if err != nil {
				w.t.Fatal(err)
			}
			out[strings.TrimPrefix(w.ListURL(purpose, group<<16), w.PublicURL)] = data
		}
	}
	return out
}

// fetched is what w finds of what was published.
func (w *world) fetched(outside map[string][]byte) *issuance.Published {
	w.t.Helper()
	p := w.NewPublished()
	err := p.Fetch(w.ctx, "https://mirror.example.org/divoc/", func(_ context.Context, url string) ([]byte, int, error) {
		data := outside[strings.TrimPrefix(url, "https://mirror.example.org/divoc")]
		if data == nil {
			return nil, http.StatusNotFound, nil
		}
		return data, http.StatusOK, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) reconcile(p *issuance.Published, acceptLoss string) (*issuance.Reconciled, error) {
	return w.Reconcile(w.ctx, access.System("cli"), p, acceptLoss)
}

// states are the states of certificates as the service says them.
func (w *world) states(ids map[string]vaccination.CertificateID) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for name, id := range ids {
		status, known, err := w.Status(w.ctx, id)
		switch {
		case err != nil:
			out[name] = string(vaccination.ErrorCode(err))
		case !known:
			out[name] = "not known"
		default:
			out[name] = string(status)
		}
	}
	return out
}

// places are the status positions that certificates of w have.
func (w *world) places() map[string]bool {
	w.t.Helper()
	rows, err := w.store.Pool().Query(w.ctx, "SELECT status_list || '/' || status_index FROM certificate")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var place string
		if err := rows.Scan(&place); err != nil {
			w.t.Fatal(err)
		}
		out[place] = true
	}
	return out
}

// drill is an installation with a backup, what happened after it, and the
// backup restored.
type drill struct {
	w, r      *world
	ids       map[string]vaccination.CertificateID
	early     map[string][]byte // published before the backup
	late      map[string][]byte // and last
	corrected vaccination.Event
}

func newDrill(t *testing.T) *drill {
	w := newWorld(t, "jamaica")
	d := &drill{w: w, ids: map[string]vaccination.CertificateID{}, corrected: with(event("corrected later", 1), lot("L2"))}
	for _, name := range []string{"stands", "revoked before", "suspended before", "lifted later", "revoked later", "corrected later", "suspended later", "suspended before, corrected later"} {
		d.ids[name] = w.id(name)
	}
	w.do(vaccination.ActRevoke, d.ids["revoked before"])
	for _, name := range []string{"suspended before", "lifted later", "suspended before, corrected later"} {
		w.do(vaccination.ActSuspend, d.ids[name])
	}
	d.early = w.outside()
	b := w.backedUp()
	w.now = w.now.Add(10 * time.Minute)
	w.do(vaccination.ActRevoke, d.ids["revoked later"])
	w.must(issuance.Correct, d.corrected)
	w.do(vaccination.ActSuspend, d.ids["suspended later"])
	w.do(vaccination.ActLift, d.ids["lifted later"])
	w.do(vaccination.ActLift, d.ids["suspended before, corrected later"])
	w.must(issuance.Correct, with(event("suspended before, corrected later", 1), lot("L2")))
	for i := range 20 {
		d.ids[fmt.Sprintf("lost %d", i)] = w.id(fmt.Sprintf("lost %d", i))
	}
	w.do(vaccination.ActRevoke, d.ids["lost 0"])
	w.do(vaccination.ActSuspend, d.ids["lost 1"])
	w.must(issuance.Correct, with(event("lost 2", 1), lot("L2")))
	w.now = w.now.Add(10 * time.Minute)
	d.late = w.outside()
	d.r = w.restored(b)
	return d
}
