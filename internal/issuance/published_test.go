package issuance_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// flagged reports whether the published list has the bit of a certificate set.
func (w *world) flagged(id vaccination.CertificateID, purpose string) bool {
	w.t.Helper()
	var list int32
	var index uint32
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT status_list, status_index FROM certificate WHERE id = $1", id[:]).Scan(&list, &index); err != nil {
		w.t.Fatal(err)
	}
	data, _, err := w.StatusList(w.ctx, purpose, list)
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := vc.ParseStatusList(data)
	if err != nil {
		w.t.Fatal(err)
	}
	on, err := parsed.Lookup(vc.StatusEntry{Purpose: purpose, List: w.ListURL(purpose, list), Index: index})
	if err != nil {
		w.t.Fatal(err)
	}
	return on
}

func (w *world) bundle() *trust.Bundle {
	w.t.Helper()
	data, err := w.TrustBundle(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := trust.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// TestARevocationIsPublished revokes while the queue runs and waits for the
// public list to say so.
func TestARevocationIsPublished(t *testing.T) {
	w := newWorld(t, "jamaica")
	queue, err := issuance.NewQueue(w.store, w.Service, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := queue.Stop(w.ctx); err != nil {
			t.Error(err)
		}
	}()
	id := w.must(issuance.Certify, event("A-1", 1)).ID
	if w.flagged(id, "revocation") {
		t.Fatal("flagged before it was revoked")
	}
	for _, step := range []struct {
		act     vaccination.Act
		purpose string
		want    bool
	}{{vaccination.ActSuspend, "suspension", true}, {vaccination.ActLift, "suspension", false}, {vaccination.ActRevoke, "revocation", true}} {
		start := time.Now()
		if _, err := w.Change(w.ctx, w.by, id, step.act, ""); err != nil {
			t.Fatal(err)
		}
		for w.flagged(id, step.purpose) != step.want {
			if time.Since(start) > 5*time.Second {
				t.Fatalf("%s is not published", step.act)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("%s: published after %v", step.act, time.Since(start))
	}
}

// TestAChangeOfAnotherProcessIsPublished revokes by a service without a queue,
// as the command line is one, beside the one that publishes.
func TestAChangeOfAnotherProcessIsPublished(t *testing.T) {
	w := newWorld(t, "jamaica")
	other := issuance.New(w.Options)
	id := w.must(issuance.Certify, event("A-1", 1)).ID
	if w.flagged(id, "revocation") {
		t.Fatal("flagged before it was revoked")
	}
	before := w.bundle()
	if _, err := other.Change(w.ctx, w.by, id, vaccination.ActRevoke, ""); err != nil {
		t.Fatal(err)
	}
	if !w.flagged(id, "revocation") {
		t.Error("the published list does not say it")
	}
	w.now = w.now.Add(time.Minute)
	after := w.bundle()
	if err := after.Replaces(before); err != nil {
		t.Error(err)
	}
	if after.Status[0].Revoked.Len() != 1 {
		t.Error("the trust bundle does not say it a minute later")
	}
}

// TestBundlesHaveAnOrder makes bundles with different content within a second,
// by two processes, and with a clock that goes back: each has its own version,
// and the later content the higher one.
func TestBundlesHaveAnOrder(t *testing.T) {
	w := newWorld(t, "jamaica")
	other := &world{Service: issuance.New(w.Options), t: t, ctx: w.ctx}
	ids := make([]vaccination.CertificateID, 6)
	for i := range ids {
		ids[i] = w.must(issuance.Certify, event(fmt.Sprint("A-", i), 1)).ID
	}
	last := w.bundle()
	for i, id := range ids {
		w.now = w.now.Add(time.Second) // a bundle is good that long
		from := []*world{w, other}[i%2]
		if _, err := from.Change(w.ctx, w.by, id, vaccination.ActRevoke, ""); err != nil {
			t.Fatal(err)
		}
		next := from.bundle()
		if err := next.Replaces(last); err != nil {
			t.Errorf("bundle %d: %v", i, err)
		}
		if next.Status[0].Revoked.Len() != i+1 {
			t.Errorf("bundle %d says %d revoked", i, next.Status[0].Revoked.Len())
		}
		last = next
	}
	w.now = w.now.Add(-time.Hour)
	next := w.bundle()
	if next.Version <= last.Version || !next.Issued.Equal(w.now) {
		t.Errorf("after the clock went back: version %d of %v, before it %d", next.Version, next.Issued, last.Version)
	}
}

// TestAListFromTheFuture publishes while the clock is a year ahead.
func TestAListFromTheFuture(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	list := int32(w.count("SELECT status_list FROM certificate"))
	publishedAt := func() time.Time {
		t.Helper()
		_, at, err := w.StatusList(w.ctx, "revocation", list)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	right := w.now
	w.now = right.AddDate(1, 0, 0)
	publishedAt()
	w.now = right
	if at := publishedAt(); !at.Equal(right) {
		t.Errorf("published as of %v, the clock says %v", at, right)
	}
	w.now = right.Add(25 * time.Hour)
	if at := publishedAt(); !at.Equal(w.now) {
		t.Errorf("a day later: published as of %v", at)
	}
}

// TestAStaleListIsSignedOnce asks for a stale list by many at once.
func TestAStaleListIsSignedOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	list := int32(w.count("SELECT status_list FROM certificate"))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := w.StatusList(w.ctx, "revocation", list); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.count("SELECT max(version) FROM status_list"); n != 1 {
		t.Errorf("signed %d times", n)
	}
}

// TestPublishersOfOneListWait publishes a list from many sides while its
// certificates are revoked: no revocation may be lost.
func TestPublishersOfOneListWait(t *testing.T) {
	w := newWorld(t, "jamaica")
	const n = 12
	ids := make([]vaccination.CertificateID, n)
	for i := range ids {
		ids[i] = w.must(issuance.Certify, event("A-1", i+1)).ID // one person, one list
	}
	list := int32(w.count("SELECT min(status_list) FROM certificate"))
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if _, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, ""); err != nil {
				t.Error(err)
			}
			if err := w.PublishList(w.ctx, list); err != nil {
				t.Error(err)
			}
			if !w.flagged(id, "revocation") {
				t.Error("a revocation is not in the list published after it")
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if !w.flagged(id, "revocation") {
			t.Error("a revocation was lost")
		}
	}
}

// TestAFullListIsFollowedByTheNext certifies across the end of a list.
func TestAFullListIsFollowedByTheNext(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.exec("UPDATE bucket_group SET status_next = 131072 - 5")
	var events []vaccination.Event
	for dose := 1; dose <= 12; dose++ {
		events = append(events, event("A-1", dose))
	}
	if _, err := w.issue(issuance.Certify, events...); err != nil {
		t.Fatal(err)
	}
	if first, second := w.count("SELECT count(*) FROM certificate WHERE status_list & 65535 = 0"), w.count("SELECT count(*) FROM certificate WHERE status_list & 65535 = 1"); first != 5 || second != 7 {
		t.Errorf("%d in the first list, %d in the second; want 5 and 7", first, second)
	}
	w.checked()
}

// TestOneJobWaitsForAList changes certificates of one list many times before the
// queue runs.
func TestOneJobWaitsForAList(t *testing.T) {
	w := newWorld(t, "jamaica")
	if _, err := issuance.NewQueue(w.store, w.Service, slog.New(slog.DiscardHandler)); err != nil { // it is not started
		t.Fatal(err)
	}
	var ids []vaccination.CertificateID
	for dose := 1; dose <= 5; dose++ {
		ids = append(ids, w.must(issuance.Certify, event("A-1", dose)).ID)
	}
	const jobs = "SELECT count(*) FROM river_job WHERE kind = 'publish-status-list'"
	revoke := func(id vaccination.CertificateID) {
		t.Helper()
		if _, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, ""); err != nil {
			t.Fatal(err)
		}
	}
	revoke(ids[0])
	if n := w.count(jobs); n != 0 {
		t.Errorf("%d jobs for a list that nobody has asked for", n)
	}
	w.flagged(ids[0], "revocation")
	for _, id := range ids[1:4] {
		revoke(id)
	}
	if n := w.count(jobs); n != 1 {
		t.Errorf("%d jobs wait, want 1", n)
	}
	w.flagged(ids[0], "revocation") // publishes
	revoke(ids[4])
	if n := w.count(jobs); n != 2 {
		t.Errorf("%d jobs wait after the list was published and changed again, want 2", n)
	}
}

// TestNoChangeIsLostToAPublisher changes certificates of one list while
// publishers read it, each change by a service of its own so that nothing but
// the database holds them together. When the last job has run, everything is
// published, without anybody asking.
func TestNoChangeIsLostToAPublisher(t *testing.T) {
	w := newWorld(t, "jamaica")
	queue, err := issuance.NewQueue(w.store, w.Service, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := queue.Stop(w.ctx); err != nil {
			t.Error(err)
		}
	}()
	const workers, each = 6, 12
	var events []vaccination.Event
	for dose := range workers * each {
		events = append(events, event("A-1", dose+1))
	}
	results, err := w.issue(issuance.Certify, events...)
	if err != nil {
		t.Fatal(err)
	}
	w.flagged(results[0].ID, "revocation")
	var wg sync.WaitGroup
	for i := range workers {
		s := issuance.New(w.Options) // with the queue's Later
		wg.Go(func() {
			for _, r := range results[i*each : (i+1)*each] {
				if _, err := s.Change(w.ctx, w.by, r.ID, vaccination.ActRevoke, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	const waiting = "SELECT count(*) FROM river_job WHERE kind = 'publish-status-list' AND state <> 'completed'"
	for start := time.Now(); w.count(waiting) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("jobs are left over")
		}
	}
	var data []byte
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT credential FROM status_list WHERE purpose = 'revocation' AND issued_at > 'epoch'").Scan(&data); err != nil {
		t.Fatal("the published list is stale: ", err)
	}
	list, err := vc.ParseStatusList(data)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := w.store.Pool().Query(w.ctx, "SELECT status_index FROM certificate")
	if err != nil {
		t.Fatal(err)
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes {
		if on, err := list.Lookup(vc.StatusEntry{Purpose: "revocation", List: list.URL, Index: uint32(index)}); err != nil || !on {
			t.Errorf("a revocation is not published: %v", err)
		}
	}
	t.Logf("%d revocations, %d jobs", len(indexes), w.count("SELECT count(*) FROM river_job WHERE kind = 'publish-status-list'"))
}
