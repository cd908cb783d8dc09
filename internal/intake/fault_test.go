package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
)

// act is something that is written in one transaction, with its writes.
type act struct {
	before func(*world)
	do     func(*intake.Service, *world) error
	writes []string
	after  string // the counts once it succeeded, also after it was done again
}

func acts() map[string]act {
	receive := func(s *intake.Service, w *world) error {
		_, err := s.Receive(w.ctx, "clinic", delivery(person("p1"), dose("d1", "p1", 1)))
		return err
	}
	process := func(s *intake.Service, w *world) error { return s.Process(w.ctx, "clinic") }
	waits := func(w *world) { w.source("clinic"); w.send("clinic", person("p1"), dose("d1", "p1", 1)) }
	decide := func(a intake.Action) func(*intake.Service, *world) error {
		return func(s *intake.Service, w *world) error {
			_, err := s.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"}, intake.Decision{Action: a, Reason: "x"})
			return err
		}
	}
	return map[string]act{
		"receive": {
			before: func(w *world) { w.source("clinic") }, do: receive,
			writes: []string{"INSERT ON arrival"},
			after:  "1 in = 1 waiting + 0 issued + 0 unchanged + 0 held + 0 rejected",
		},
		"receive again": {
			before: func(w *world) { waits(w) }, do: receive,
			writes: []string{"INSERT ON item", "INSERT ON tally", "UPDATE ON arrival"},
			after:  "2 in = 1 waiting + 0 issued + 1 unchanged + 0 held + 0 rejected",
		},
		"settle": {
			before: waits, do: process,
			writes: []string{"UPDATE ON source", "INSERT ON fragment", "INSERT ON item", "INSERT ON tally", "UPDATE ON arrival", "INSERT ON certificate", "INSERT ON audit"},
			after:  "1 in = 0 waiting + 1 issued + 0 unchanged + 0 held + 0 rejected",
		},
		"settle a correction": {
			before: func(w *world) {
				waits(w)
				w.process("clinic")
				w.send("clinic", dose("d1", "p1", 1, "lot=PF2"))
			},
			do: process, writes: []string{"UPDATE ON fragment", "UPDATE ON certificate", "INSERT ON item"},
			after: "2 in = 0 waiting + 2 issued + 0 unchanged + 0 held + 0 rejected",
		},
		"the person arrives": {
			before: func(w *world) {
				w.source("clinic")
				w.sent("held:waiting-for-person", dose("d1", "p1", 1))
				w.send("clinic", person("p1"))
			},
			do: process, writes: []string{"UPDATE ON item", "INSERT ON certificate"},
			after: "2 in = 0 waiting + 1 issued + 1 unchanged + 0 held + 0 rejected",
		},
		"release": {
			before: func(w *world) {
				w.source("clinic", func(n *intake.NewSource) { n.Scope = []string{"/a"} })
				w.sent("held:out-of-scope", person("p1"), dose("d1", "p1", 1))
			},
			do: decide(intake.Release), writes: []string{"UPDATE ON item", "UPDATE ON fragment", "INSERT ON certificate", "INSERT ON audit"},
			after: "1 in = 0 waiting + 1 issued + 0 unchanged + 0 held + 0 rejected",
		},
		"reject": {
			before: func(w *world) {
				w.source("clinic")
				w.sent("held:unmapped-code", person("p1"), dose("d1", "p1", 1, "vaccine=X"))
			},
			do: decide(intake.Reject), writes: []string{"UPDATE ON item", "UPDATE ON fragment", "INSERT ON audit"},
			after: "1 in = 0 waiting + 0 issued + 0 unchanged + 0 held + 1 rejected",
		},
		"revoke what was deleted": {
			before: func(w *world) {
				waits(w)
				w.process("clinic")
				w.sent("held:deleted", dose("d1", "p1", 1, "deleted"))
			},
			do: decide(intake.Revoke), writes: []string{"UPDATE ON certificate", "UPDATE ON item"},
			after: "2 in = 0 waiting + 2 issued + 0 unchanged + 0 held + 0 rejected",
		},
	}
}

// state is everything that intake writes, as text.
func (w *world) state() string {
	w.t.Helper()
	return pgtest.State(w.t, w.store.Pool(), "arrival", "fragment", "item", "tally", "facility", "source", "source_mapping")
}

// whole checks what was issued, and that each certificate has its item.
func (w *world) whole() {
	w.t.Helper()
	report, err := w.issuance.Check(w.ctx)
	if err != nil || len(report.Problems) > 0 {
		w.t.Errorf("the check finds: %+v, %v", report, err)
	}
	var stray int
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT count(*) FROM certificate c WHERE NOT EXISTS (SELECT 1 FROM item i JOIN arrival a ON a.id = i.arrival WHERE i.certificate = c.id AND octet_length(a.sealed) > 0)").Scan(&stray); err != nil || stray != 0 {
		w.t.Errorf("%d certificates of no arrival, %v", stray, err)
	}
}

// TestFailedAndNotPersisted lets each single write fail: nothing of the act
// remains, and the same again succeeds.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a.before(w)
			pgtest.FailEach(t, w.store.Pool(), a.writes, func() error { return a.do(w.Service, w) }, w.state, func() {})
			if err := a.do(w.Service, w); err != nil {
				t.Errorf("the same after it: %v", err)
			}
			w.counted("clinic", a.after)
			w.whole()
		})
	}
}

// TestTheConnectionBreaksAtTheCommit cuts it just before the commit reaches
// PostgreSQL and just after it was answered. The caller hears an error each
// time; the same again ends as if nothing had happened.
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
				issue, o := w.issue, w.o
				issue.Store, o.Store = store, store
				o.Issuance = issuance.New(issue)
				behind := intake.New(o)

				p.Cut(cut)
				if err := a.do(behind, w); err == nil {
					t.Fatal("it answers although the connection broke")
				}
				if after := w.state(); cut == pgtest.BeforeCommit && after != before {
					t.Errorf("persisted (-before +after):\n%s", cmp.Diff(before, after))
				} else if cut == pgtest.AfterCommit && after == before && name != "revoke what was deleted" {
					t.Error("nothing is persisted although PostgreSQL answered the commit")
				}
				p.Cut(pgtest.Never)
				if err := a.do(behind, w); err != nil {
					t.Fatalf("the same again: %v", err)
				}
				want := a.after
				if cut == pgtest.AfterCommit && strings.HasPrefix(name, "receive") { // it arrived once more
					want = map[string]string{
						"receive":       "2 in = 1 waiting + 0 issued + 1 unchanged + 0 held + 0 rejected",
						"receive again": "3 in = 1 waiting + 0 issued + 2 unchanged + 0 held + 0 rejected",
					}[name]
				}
				w.counted("clinic", want)
				w.whole()
			})
		}
	}
}

// running starts the queue on a service, as a server does.
func (w *world) running(s *intake.Service) (stop func()) {
	w.t.Helper()
	queue, err := issuance.NewQueue(w.store, w.issuance, slog.New(slog.DiscardHandler), s.Work())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := queue.Start(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	s.Start(w.ctx, queue)
	return func() {
		s.Stop()
		if err := queue.Stop(w.ctx); err != nil {
			w.t.Error(err)
		}
	}
}

// settled waits until nothing waits.
func (w *world) settled(source string, within time.Duration) {
	w.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		all, err := w.Counts(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		if all[source].Waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %s there waits: %+v", within, all[source])
		}
	}
}

// TestNothingIsLeftWaiting receives from several goroutines and two processes
// while jobs run: each arrival is settled by the jobs alone, however close to
// the end of another it commits.
func TestNothingIsLeftWaiting(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	one, two := intake.New(w.o), intake.New(w.o)
	defer w.running(one)()
	defer w.running(two)()
	const senders, each = 4, 25
	var all sync.WaitGroup
	for s := range senders {
		to := []*intake.Service{one, two}[s%2]
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", s, i)
				if _, err := to.Receive(w.ctx, "clinic", delivery(person("p"+id), dose("d"+id, "p"+id, 1))); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					w.settled("clinic", 20*time.Second) // the workers end, and begin again
				}
			}
		})
	}
	all.Wait()
	w.settled("clinic", 20*time.Second)
	w.counted("clinic", fmt.Sprintf("%d in = 0 waiting + %[1]d issued + 0 unchanged + 0 held + 0 rejected", senders*each))
	w.whole()
}

// TestALostWakeUp: an arrival whose job ran while another goroutine settled the
// source is seen by that one before it ends, without the keeper.
func TestALostWakeUp(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	slow := make(chan struct{})
	begun := make(chan struct{}, 100)
	w.o.Kinds[plain] = intake.Kind{Reader: slowReader{begun: begun, wait: slow}}
	s := intake.New(w.o)
	defer w.running(s)()
	receive := func(id string) {
		if _, err := s.Receive(w.ctx, "clinic", delivery(person(id), dose("d"+id, id, 1))); err != nil {
			t.Fatal(err)
		}
	}
	receive("p1")
	<-begun // its job reads the batch; what follows is not in it
	receive("p2")
	time.Sleep(300 * time.Millisecond) // the second job finds the first at work, and ends
	close(slow)
	w.settled("clinic", 3*time.Second) // before the keeper looks again
}

type slowReader struct {
	begun chan<- struct{}
	wait  <-chan struct{}
}

func (r slowReader) Read(a intake.Arrival, m *mappingOf) (intake.Reading, error) {
	r.begun <- struct{}{}
	<-r.wait
	return plainReader{}.Read(a, m)
}

// TestAKillInTheMiddle ends a program while it settles; the next one takes it up
// by itself.
func TestAKillInTheMiddle(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	const n = 1200
	for i := range n {
		id := fmt.Sprint(i)
		w.send("clinic", person("p"+id), dose("d"+id, "p"+id, 1))
	}
	ctx, kill := context.WithCancel(w.ctx)
	reads := 0
	w.o.Kinds[plain] = intake.Kind{Reader: hookedReader(func() {
		if reads++; reads == 700 {
			kill()
		}
	})}
	if err := w.Process(ctx, "clinic"); !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	w.counted("clinic", "1200 in = 700 waiting + 500 issued + 0 unchanged + 0 held + 0 rejected")
	w.whole()
	w.o.Kinds[plain] = intake.Kind{Reader: plainReader{}}
	next := intake.New(w.o)
	defer w.running(next)()
	w.settled("clinic", time.Minute)
	w.counted("clinic", "1200 in = 0 waiting + 1200 issued + 0 unchanged + 0 held + 0 rejected")
	w.whole()
}

// TestWhoLostTheTurnWritesNothing: somebody else settled the source between
// reading and writing, as may be when a lock is lost. What was read is read
// again.
func TestWhoLostTheTurnWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.send("clinic", person("p1"), dose("d1", "p1", 1))
	reads := 0
	w.o.Kinds[plain] = intake.Kind{Reader: hookedReader(func() {
		if reads++; reads > 1 {
			return
		}
		if _, err := w.store.Pool().Exec(w.ctx, "UPDATE source SET turn = turn + 1 WHERE name = 'clinic'"); err != nil {
			t.Error(err)
		}
	})}
	w.process("clinic")
	if reads != 2 {
		t.Errorf("read %d times", reads)
	}
	w.counted("clinic", "1 in = 0 waiting + 1 issued + 0 unchanged + 0 held + 0 rejected")
}

type hookedReader func()

func (r hookedReader) Read(a intake.Arrival, m *mappingOf) (intake.Reading, error) {
	r()
	return plainReader{}.Read(a, m)
}
