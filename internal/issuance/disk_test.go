package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// A full disk is imitated: PostgreSQL is started with a limit on the size of its
// files (RLIMIT_FSIZE), beyond which writing fails with EFBIG where on a full
// disk it fails with ENOSPC. PostgreSQL treats both alike; what no limit can
// imitate is a disk that is full for everybody else too. Where its log cannot be
// written PostgreSQL ends itself, as when it is killed: test/faults does that.

// diskWorld is a world on a PostgreSQL of its own, which can be started anew.
type diskWorld struct {
	*world
	server *pgserver.Server
	dir    string
}

// start starts PostgreSQL with files of at most so many bytes, 0 for any number.
func (w *diskWorld) start(t *testing.T, limit uint64) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if limit > 0 { // what it starts inherits the limit
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: before.Max}); err != nil {
			t.Skipf("the limit cannot be set here: %v", err)
		}
	}
	server, err := pgserver.Start(t.Context(), pgserver.Options{Dir: w.dir, NoSync: true})
	if err := errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)); err != nil {
		t.Fatal(err)
	}
	w.server = server
	if w.world == nil {
		return
	}
	if w.store, err = registry.Open(w.ctx, server.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.store.Close)
	o := w.Options
	o.Store = w.store
	w.Service = issuance.New(o)
}

func (w *diskWorld) stop(t *testing.T) {
	t.Helper()
	if w.world != nil {
		w.store.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := w.server.Stop(ctx); err != nil {
		t.Errorf("stopping PostgreSQL: %v", err)
	}
}

func newDiskWorld(t *testing.T) *diskWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "divoc-disk-")
	if err != nil {
		t.Fatal(err)
	}
	w := &diskWorld{dir: dir}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.start(t, 0)
	t.Cleanup(func() { w.stop(t) })
	if err := registry.Migrate(t.Context(), w.server.URL()); err != nil {
		t.Fatal(err)
	}
	w.world = newWorldOn(t, "jamaica", w.server.URL())
	return w
}

// people are first doses of as many people, from a number on.
func people(from, n int) []vaccination.Event {
	out := make([]vaccination.Event, n)
	for i := range out {
		out[i] = event(fmt.Sprint("D-", from+i), 1)
	}
	return out
}

// TestNoRoomForATable lets a table not grow: the batch fails whole, and is issued
// when there is room again.
func TestNoRoomForATable(t *testing.T) {
	w := newDiskWorld(t)
	if _, err := w.issue(issuance.Certify, people(0, 20)...); err != nil {
		t.Fatal(err)
	}
	// A file of PostgreSQL's log has 16 MB: a larger table meets the limit alone.
	w.exec("ALTER TABLE audit SET (autovacuum_enabled = off)")
	w.exec("INSERT INTO audit SELECT 99, i, now(), repeat(md5(i::text), 30), '', '', '', '' FROM generate_series(1, 20000) i")
	w.exec("DELETE FROM audit WHERE chain = 99")
	before := w.count("SELECT count(*) FROM audit")
	w.stop(t)
	w.start(t, 17<<20)
	_, err := w.issue(issuance.Certify, people(1000, 400)...)
	if err == nil || !strings.Contains(err.Error(), "could not extend file") {
		t.Errorf("there is no room, and: %v", err)
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != 20 || w.count("SELECT count(*) FROM audit") != before {
		t.Errorf("%d certificates are there, and %d audit entries; before it 20 and %d", n, w.count("SELECT count(*) FROM audit"), before)
	}
	w.checked()
	w.stop(t)
	w.start(t, 0)
	w.sameTwice(people(1000, 400))
}

// sameTwice issues events twice and checks that they are certified once.
func (w *diskWorld) sameTwice(events []vaccination.Event) {
	w.t.Helper()
	first, err := w.issue(issuance.Certify, events...)
	if err != nil {
		w.t.Fatal(err)
	}
	again, err := w.issue(issuance.Certify, events...)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range again {
		if r.ID != first[i].ID || r.Outcome != issuance.Unchanged {
			w.t.Errorf("event %d again: %+v, first %s", i, r, first[i].ID)
		}
	}
	w.checked()
}
