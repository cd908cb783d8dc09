package upload_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
)

// act is one step of an upload's way, with the writes it is made of.
type act struct {
	before func(*world)
	do     func(*world, *upload.Service) error
	writes []string
}

func twoRows() string {
	wrong := row(2)
	wrong["recipientName"] = ""
	return header() + line(row(1)) + line(wrong)
}

func acts() map[string]act {
	receive := func(w *world, s *upload.Service) error {
		_, err := s.Receive(w.ctx, w.by, upload.File{Name: "people.csv", Format: upload.CSV, Body: strings.NewReader(twoRows())})
		return err
	}
	process := func(w *world, s *upload.Service) error {
		return s.Process(w.ctx, int64(w.number("SELECT min(id) FROM upload")), nil)
	}
	received := func(w *world) { w.csv(twoRows()) }
	return map[string]act{
		"receive a file": {
			before: func(*world) {},
			do:     receive,
			writes: []string{"INSERT ON upload", "INSERT ON upload_chunk", "UPDATE ON upload", "INSERT ON audit"},
		},
		"issue a batch of rows": {
			before: received,
			do:     process,
			writes: []string{"UPDATE ON upload", "INSERT ON upload_row", "INSERT ON certificate", "INSERT ON audit"},
		},
		"end an upload": {
			before: func(w *world) {
				received(w)
				heal := pgtest.Fail(w.t, w.store.Pool(), "DELETE ON upload_chunk")
				if err := process(w, w.Service); err == nil {
					w.t.Fatal("ended although it could not")
				}
				heal()
			},
			do:     process,
			writes: []string{"UPDATE ON upload", "DELETE ON upload_chunk", "INSERT ON audit"},
		},
		"remove wrong rows": {
			before: func(w *world) {
				w.done(w.csv(twoRows()))
				w.now = w.now.Add(upload.DefaultKeep + time.Second)
			},
			do:     func(w *world, s *upload.Service) error { return s.Clear(w.ctx) },
			writes: []string{"UPDATE ON upload", "UPDATE ON upload_row", "INSERT ON audit"},
		},
	}
}

func (w *world) state() string {
	w.t.Helper()
	return pgtest.State(w.t, w.store.Pool(), "upload", "upload_row", "upload_chunk", "certificate", "person", "audit")
}

// ended sees every upload to its end and checks what came of them.
func (w *world) ended() {
	w.t.Helper()
	list, err := w.List(w.ctx, w.by, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	for i, u := range list {
		want := "done: 2 rows, 1 issued, 0 unchanged, 1 wrong"
		if i > 0 { // sent again, as its sender heard nothing
			want = "done: 2 rows, 0 issued, 1 unchanged, 1 wrong"
		}
		w.totals(w.process(u.ID), want)
	}
	if n := w.count("upload_chunk"); n != 0 {
		w.t.Errorf("%d pieces of files are left", n)
	}
	w.checked(1)
}

// TestFailedAndNotPersisted lets each single write of each step fail: nothing of
// the step remains, and the same again goes to its end.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a.before(w)
			pgtest.FailEach(t, w.store.Pool(), a.writes, func() error { return a.do(w, w.Service) }, w.state, w.agrees)
			if err := a.do(w, w.Service); err != nil {
				t.Errorf("the same again: %v", err)
			}
			w.ended()
		})
	}
}

// TestTheConnectionBreaksAtTheCommit cuts the connection before and after the
// commit of each step.
func TestTheConnectionBreaksAtTheCommit(t *testing.T) {
	for name, a := range acts() {
		for _, cut := range []pgtest.Cut{pgtest.BeforeCommit, pgtest.AfterCommit} {
			t.Run(name+", cut "+string(cut), func(t *testing.T) {
				w := newWorld(t)
				a.before(w)
				before := w.state()
				p := pgtest.NewProxy(t, w.store.Pool().Config().ConnString())
				store, err := registry.Open(w.ctx, p.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				o, i := w.o, w.issuance.Options
				i.Store = store
				o.Store, o.Issuance = store, issuance.New(i)
				behind := upload.New(o)
				p.Cut(cut)
				err = a.do(w, behind)
				p.Cut(pgtest.Never)
				if err == nil || !registry.IsDown(err) && !errors.Is(err, registry.ErrChanged) {
					t.Errorf("the connection broke: %v", err)
				}
				if persisted := w.state() != before; persisted != (cut == pgtest.AfterCommit) {
					t.Errorf("persisted: %t\n%s", persisted, cmp.Diff(before, w.state()))
				}
				w.agrees()
				if err := a.do(w, behind); err != nil {
					t.Errorf("the same again: %v", err)
				}
				w.ended()
			})
		}
	}
}

// TestTheTableOfFaults compares docs/faults.md with what the tests above do.
func TestTheTableOfFaults(t *testing.T) {
	writes := map[string][]string{}
	for name, a := range acts() {
		writes[name] = a.writes
	}
	pgtest.CheckActs(t, "internal/intake/upload", writes)
}
