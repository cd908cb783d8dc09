package issuance_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func TestOnHoldNothingIsIssuedChangedOrPublished(t *testing.T) {
	d := newDrill(t)
	r := d.r
	for name, f := range map[string]func() error{
		"certify":     func() error { _, err := r.issue(issuance.Certify, event("new", 1)); return err },
		"the same":    func() error { _, err := r.issue(issuance.Certify, event("stands", 1)); return err },
		"correct":     func() error { _, err := r.issue(issuance.Correct, d.corrected); return err },
		"revoke":      func() error { _, err := r.Change(r.ctx, r.by, d.ids["stands"], vaccination.ActRevoke, ""); return err },
		"lift":        func() error { _, err := r.LiftEnded(r.ctx); return err },
		"a bundle":    func() error { _, err := r.TrustBundle(r.ctx); return err },
		"a list":      func() error { _, _, err := r.StatusList(r.ctx, "revocation", 0); return err },
		"publish one": func() error { return r.PublishList(r.ctx, 0) },
		"an export": func() error {
			record, err := r.ByID(r.ctx, r.by, d.ids["stands"], "read")
			if err == nil {
				_, err = r.ExportDIVOC(r.ctx, r.by, record)
			}
			return err
		},
	} {
		if err := f(); vaccination.ErrorCode(err) != vaccination.Unavailable && name != "lift" || err != nil && !strings.Contains(err.Error(), "restore --reconcile") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ids := map[string]vaccination.CertificateID{}
	for _, name := range []string{"stands", "revoked before", "suspended before", "revoked later", "lost 0"} {
		ids[name] = d.ids[name]
	}
	want := map[string]string{"stands": "unavailable", "revoked before": "revoked", "suspended before": "unavailable", "revoked later": "unavailable", "lost 0": "unavailable"}
	if diff := cmp.Diff(want, r.states(ids)); diff != "" {
		t.Error(diff)
	}
	if _, err := r.ByID(r.ctx, r.by, d.ids["stands"], "read"); err != nil {
		t.Errorf("reading: %v", err)
	}
	// One whose suspension ended meanwhile is read too, as it was last known.
	r.exec("INSERT INTO suspension (bucket, id, status_list, since, until) SELECT bucket, id, status_list, status_at, status_at + interval '1 minute' FROM certificate WHERE status = 1")
	if one, err := r.ByID(r.ctx, r.by, d.ids["suspended before"], "read"); err != nil || one.Status != vaccination.StatusSuspended {
		t.Errorf("reading what is suspended no more: %v", err)
	}
	r.exec("DELETE FROM suspension")
	r.checked()
}

// TestADatabaseThatIsReplacedUnderAServer restores into the place of a database
// that a running server was connected to, as on a new machine of the same name.
func TestADatabaseThatIsReplacedUnderAServer(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	w.exec(`INSERT INTO setting (name, value) VALUES ('hold', '{"made": "2026-01-02T03:04:05Z"}')`)
	w.store.Reconnect() // every connection to the one before is broken
	if _, err := w.issue(issuance.Certify, event("A-2", 1)); vaccination.ErrorCode(err) != vaccination.Unavailable {
		t.Errorf("on hold it is issued: %v", err)
	}
	w.exec("DELETE FROM setting WHERE name = 'hold'")
	w.must(issuance.Certify, event("A-2", 1))
}

func TestReconcilingUndoesNoRevocationAndUsesNothingTwice(t *testing.T) {
	d := newDrill(t)
	w, r := d.w, d.r
	p := r.fetched(d.late)
	// Killed again and again before it has finished.
	var done *issuance.Reconciled
	for after := 2 * time.Millisecond; done == nil; after *= 2 {
		ctx, stop := context.WithTimeout(r.ctx, after)
		got, err := r.Reconcile(ctx, access.System("cli"), p, "")
		stop()
		if err == nil {
			done = got
		}
	}
	if done.LostPositions != 3 || done.LostCertificates != 3 || !slices.Contains(done.StillSuspended, d.ids["lifted later"]) || len(done.StillSuspended) != 1 {
		t.Errorf("done = %+v", done)
	}
	want := map[string]string{
		"stands": "valid", "revoked before": "revoked", "suspended before": "suspended", "lifted later": "suspended", // until somebody lifts it
		"revoked later": "revoked", "corrected later": "superseded", "suspended later": "suspended", "suspended before, corrected later": "superseded",
		"lost 0": "revoked", "lost 1": "suspended", "lost 2": "superseded",
	}
	for i := 3; i < 20; i++ {
		want[fmt.Sprintf("lost %d", i)] = "not known"
	}
	if diff := cmp.Diff(want, r.states(d.ids)); diff != "" {
		t.Error(diff)
	}
	// What was published goes on: bundles with higher versions, no bit off.
	before, err := trust.Parse(d.late["/trust/bundle.json"])
	if err != nil {
		t.Fatal(err)
	}
	if err := r.bundle().Replaces(before); err != nil {
		t.Errorf("a verifier does not follow: %v", err)
	}
	r.keepsBits(d.late, d.ids["lifted later"])
	// Nothing is used twice.
	used := w.places()
	for i := range 200 {
		r.must(issuance.Certify, event(fmt.Sprintf("new %d", i), 1))
	}
	for place := range r.places() {
		if used[place] {
			delete(used, place) // of a certificate that is in both
		}
	}
	both := 0
	for place := range w.places() {
		if !used[place] {
			both++
		}
	}
	if both != 8 {
		t.Errorf("%d status positions are in both, 8 certificates are", both)
	}
	// Sources send again what they sent.
	r.fails(vaccination.Revoked, issuance.Certify, event("revoked later", 1))
	r.fails(vaccination.Conflict, issuance.Certify, event("corrected later", 1))
	again := r.must(issuance.Correct, d.corrected)
	if again.Outcome != issuance.Issued || again.Version != 2 || again.Replaces != d.ids["corrected later"] {
		t.Errorf("the correction sent again = %+v", again)
	}
	if got := r.must(issuance.Certify, event("lost 0", 1)); got.Outcome != issuance.Issued || got.ID == d.ids["lost 0"] {
		t.Errorf("a lost record sent again = %+v", got)
	}
	r.checked()
	if _, err := r.reconcile(p, ""); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("again: %v", err)
	}
}

// keepsBits checks that every bit that was published is published on.
func (w *world) keepsBits(outside map[string][]byte, but ...vaccination.CertificateID) {
	w.t.Helper()
	n := 0
	for path, data := range outside {
		if !strings.HasPrefix(path, "/status/") {
			continue
		}
		before, err := vc.ParseStatusList(data)
		if err != nil {
			w.t.Fatal(err)
		}
		var list int32
		if _, err := fmt.Sscanf(path[strings.LastIndexByte(path, '/')+1:], "%d", &list); err != nil {
			w.t.Fatal(err)
		}
		text, _, err := w.StatusList(w.ctx, before.Purpose, list)
		if err != nil {
			w.t.Fatal(err)
		}
		now, err := vc.ParseStatusList(text)
		if err != nil {
			w.t.Fatal(err)
		}
		for index := range uint32(vc.ListSize) {
			e := vc.StatusEntry{Purpose: before.Purpose, List: before.URL, Index: index}
			was, _ := before.Lookup(e)
			is, _ := now.Lookup(e)
			if was {
				n++
			}
			if was && !is {
				w.t.Errorf("%s: the bit %d is off again", path, index)
			}
		}
	}
	if n < 6 {
		w.t.Errorf("only %d bits were published", n)
	}
}

func TestReconcilingWantsWhatWasPublishedLast(t *testing.T) {
	d := newDrill(t)
	r := d.r
	only := func(outside map[string][]byte, keep func(path string) bool) map[string][]byte {
		out := map[string][]byte{}
		for path, data := range outside {
			if keep(path) {
				out[path] = data
			}
		}
		return out
	}
	lost, _, err := d.w.Status(d.w.ctx, d.ids["lost 0"])
	if err != nil || lost != vaccination.StatusRevoked {
		t.Fatal(lost, err)
	}
	for name, test := range map[string]struct {
		outside map[string][]byte
		want    string
	}{
		"nothing":                           {nil, "no trust bundle"},
		"lists alone":                       {only(d.late, func(p string) bool { return strings.HasPrefix(p, "/status") }), "no trust bundle"},
		"a bundle alone":                    {only(d.late, func(p string) bool { return strings.HasPrefix(p, "/trust") }), "is not among what was given"},
		"what was published before it":      {d.early, "not newer than the backup"},
		"lists published before the backup": {mix(d.early, d.late["/trust/bundle.json"]), "add the missing lists"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.reconcile(r.fetched(test.outside), ""); vaccination.ErrorCode(err) != vaccination.Conflict || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q", err, test.want)
			}
		})
	}
	t.Run("accepting the loss", func(t *testing.T) {
		if _, err := r.reconcile(r.NewPublished(), "two\nlines"); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("a reason of two lines: %v", err)
		}
		if _, err := r.reconcile(r.NewPublished(), "the mirror burnt too"); err != nil {
			t.Fatal(err)
		}
		used := d.w.places()
		for i := range 100 {
			r.must(issuance.Certify, event(fmt.Sprintf("new %d", i), 1))
		}
		n := 0
		for place := range r.places() {
			if used[place] {
				n++
			}
		}
		if n != 8 {
			t.Errorf("%d status positions are used twice", n-8)
		}
		if said := r.count("SELECT count(*) FROM audit WHERE act = 'restore.accept-loss' AND detail = 'the mirror burnt too'"); said != 1 {
			t.Errorf("the audit says so %d times", said)
		}
		r.checked()
	})
}

func mix(outside map[string][]byte, bundle []byte) map[string][]byte {
	out := map[string][]byte{}
	for path, data := range outside {
		out[path] = data
	}
	out["/trust/bundle.json"] = bundle
	return out
}

func TestOnlyWhatIsOursIsBelieved(t *testing.T) {
	d := newDrill(t)
	foreign := newWorld(t, "jamaica")
	foreign.do(vaccination.ActRevoke, foreign.id("x"))
	for path, data := range foreign.outside() {
		if err := d.r.NewPublished().Add(data); err == nil {
			t.Errorf("%s of another installation is taken", path)
		}
	}
	for path, data := range d.late {
		p := d.r.NewPublished()
		if err := p.Add(data); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, change := range [][2]string{{"revocation", "suspension"}, {"2026-11", "2026-12"}, {"\"version\":1", "\"version\":2"}, {"/status/", "/statuz/"}} {
			if changed := strings.ReplaceAll(string(data), change[0], change[1]); changed != string(data) {
				if err := p.Add([]byte(changed)); err == nil {
					t.Errorf("%s with %q for %q is taken", path, change[1], change[0])
				}
			}
		}
	}
	if err := d.r.NewPublished().Add([]byte("{}")); err == nil {
		t.Error("something else is taken")
	}
}

// Keys made after the backup are gone, but what they signed verifies.
func TestKeysThatWereLost(t *testing.T) {
	w := newWorld(t, "jamaica")
	stands := w.id("stands")
	w.outside()
	b := w.backedUp()
	w.now = w.now.Add(time.Minute)
	if err := w.Keys.Rotate(w.ctx, "signing"); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(10 * time.Minute)
	w.do(vaccination.ActRevoke, w.id("lost"))
	w.do(vaccination.ActRevoke, stands)
	late := w.outside()
	r := w.restored(b)
	done, err := r.reconcile(r.fetched(late), "")
	if err != nil || done.LostKeys != 2 || done.Revoked != 1 || done.LostPositions != 1 {
		t.Fatalf("done = %+v, %v", done, err)
	}
	have := map[string]bool{}
	for _, k := range r.Keys.Issuer().Keys {
		have[trust.Fingerprint(k.Public)] = true
	}
	for _, k := range w.Keys.Issuer().Keys {
		if !have[trust.Fingerprint(k.Public)] {
			t.Errorf("key %s is not known", k.ID)
		}
	}
	r.fetched(late) // the lists that a lost key signed verify
	r.checked()
}

// Whom a restored installation trusts is compared with whom it published last.
func TestWhoElseWasPublished(t *testing.T) {
	w := newWorld(t, "jamaica")
	if others := w.NewPublished().Others(); others != nil {
		t.Errorf("without a bundle it is known: %v", others)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	friend := trust.Issuer{ID: "did:web:friend.example", Name: "Friend", Keys: []trust.Key{{ID: "did:web:friend.example#1", Public: public}}}
	lists := []trust.HashList{{Country: "DE", Type: trust.HashUCI, Expires: w.now.AddDate(1, 0, 0).UTC().Truncate(time.Second), Hashes: trust.NewHashes([]trust.Hash{trust.HashOf("x")})}}
	w.Trusted = func(context.Context) (*trust.Bundle, error) {
		return &trust.Bundle{Issuers: []trust.Issuer{friend}, HashLists: lists}, nil
	}
	p := w.NewPublished()
	bundle, err := w.TrustBundle(w.ctx)
	if err == nil {
		err = p.Add(bundle)
	}
	if err != nil {
		t.Fatal(err)
	}
	others := p.Others()
	if others == nil || len(others.Issuers) != 1 || others.Issuers[0].ID != friend.ID || !public.Equal(others.Issuers[0].Keys[0].Public) {
		t.Fatalf("%v", others)
	}
	if diff := cmp.Diff(lists, others.HashLists); diff != "" {
		t.Error(diff)
	}
}
