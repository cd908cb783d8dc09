package issuance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// act is one kind of request that writes, with the writes it is made of.
type act struct {
	before func(*world) // what is there already
	do     func(*issuance.Service, *world) (issuance.Result, error)
	writes []string // "INSERT ON table", in the order of the transaction
	again  issuance.Outcome
	// What the same request again does after all was persisted: nothing, unless it
	// is refused with a code, or does its work once more.
	refused vaccination.Code
	repeats bool
}

func acts() map[string]act {
	certified := func(w *world) { w.must(issuance.Certify, event("A-1", 1)) }
	issue := func(action issuance.Action, e vaccination.Event) func(*issuance.Service, *world) (issuance.Result, error) {
		return func(s *issuance.Service, w *world) (issuance.Result, error) {
			r, err := s.Issue(w.ctx, w.by, action, []vaccination.Event{e})
			if err != nil {
				return issuance.Result{}, err
			}
			return r[0], nil
		}
	}
	done := func(do func(*issuance.Service, *world) error) func(*issuance.Service, *world) (issuance.Result, error) {
		return func(s *issuance.Service, w *world) (issuance.Result, error) { return issuance.Result{}, do(s, w) }
	}
	only := func(w *world) vaccination.CertificateID {
		return vaccination.CertificateID(w.bytes("SELECT id FROM certificate ORDER BY version LIMIT 1"))
	}
	moved := with(event("A-1", 1), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550199"} })
	flags := []string{"UPDATE ON certificate", "INSERT ON audit"}
	published := func(w *world) { certified(w); w.flagged(only(w), "revocation") }
	return map[string]act{
		"certify": {
			before: func(*world) {},
			do:     issue(issuance.Certify, event("A-1", 1)),
			writes: []string{"UPDATE OF status_next ON bucket_group", "INSERT ON person", "INSERT ON person_index", "INSERT ON certificate", "INSERT ON count_event", "INSERT ON audit", "UPDATE OF audit_seq ON bucket_group"},
			again:  issuance.Unchanged,
		},
		"certify a second dose": {
			before: certified,
			do:     issue(issuance.Certify, event("A-1", 2)),
			writes: []string{"UPDATE ON person", "DELETE ON person_index", "INSERT ON certificate", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"correct": {
			before: published,
			do:     issue(issuance.Correct, with(event("A-1", 1), lot("PF2"))),
			writes: []string{"UPDATE ON person", "UPDATE ON certificate", "INSERT ON certificate", "UPDATE ON status_list", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"new contacts": {
			before: certified,
			do:     issue(issuance.Correct, moved),
			writes: []string{"UPDATE ON person", "INSERT ON person_index", "UPDATE ON certificate", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"settle a newer state": {
			before: func(w *world) {
				if _, err := w.tell(w.authoritative("feed"), event("A-1", 1), at(1)); err != nil {
					w.t.Fatal(err)
				}
			},
			do: func(s *issuance.Service, w *world) (issuance.Result, error) {
				told := []issuance.Told{{Event: with(event("A-1", 1), lot("PF2")), AsOf: at(2)}}
				each, err := s.Settle(w.ctx, access.Caller{Actor: "feed", Role: access.SourceRole, Source: "feed"}, told, nil)
				if err != nil {
					return issuance.Result{}, err
				}
				return each[0].Result, each[0].Err
			},
			writes: []string{"UPDATE ON certificate", "INSERT ON certificate", "UPDATE ON told", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"revoke": {
			before: certified,
			do: func(s *issuance.Service, w *world) (issuance.Result, error) {
				ids, err := s.RevokeDoses(w.ctx, w.by, "", "A-1", nil, "")
				if err != nil {
					return issuance.Result{}, err
				}
				return issuance.Result{ID: ids[0]}, nil
			},
			writes: flags,
		},
		"suspend until": {
			before: certified,
			do: done(func(s *issuance.Service, w *world) error {
				return s.Suspend(w.ctx, w.by, only(w), w.now.Add(time.Hour), "")
			}),
			writes:  append([]string{"INSERT ON suspension"}, flags...),
			repeats: true, // another audit entry, and the same end
		},
		"lift by hand": {
			before: func(w *world) { w.suspended("A-1", time.Hour) },
			do: done(func(s *issuance.Service, w *world) error {
				_, err := s.Change(w.ctx, w.by, only(w), vaccination.ActLift, "")
				return err
			}),
			writes:  append([]string{"DELETE ON suspension"}, flags...),
			refused: vaccination.Conflict, // it is valid
		},
		"lift by the job": {
			before: func(w *world) { w.suspended("A-1", time.Hour); w.now = w.now.Add(time.Hour) },
			do:     done(func(s *issuance.Service, w *world) error { _, err := s.LiftEnded(w.ctx); return err }),
			writes: append([]string{"DELETE ON suspension"}, flags...),
		},
		"issue again": {
			before: func(w *world) {
				certified(w)
				if _, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", nil, ""); err != nil {
					w.t.Fatal(err)
				}
			},
			do: func(s *issuance.Service, w *world) (issuance.Result, error) {
				return s.ReissueByID(w.ctx, access.System("test"), only(w), "by mistake")
			},
			writes:  []string{"UPDATE ON person", "INSERT ON certificate", "INSERT ON audit"},
			refused: vaccination.Conflict, // its certificate stands
		},
		"publish a list": {
			before: certified,
			do: done(func(s *issuance.Service, w *world) error {
				return s.PublishList(w.ctx, int32(w.count("SELECT status_list FROM certificate")))
			}),
			writes:  []string{"INSERT ON status_list"},
			repeats: true, // signed once more
		},
		"publish a list again": {
			before: published,
			do: done(func(s *issuance.Service, w *world) error {
				return s.PublishList(w.ctx, int32(w.count("SELECT status_list FROM certificate")))
			}),
			writes:  []string{"UPDATE ON status_list"},
			repeats: true,
		},
		"make a trust bundle": {
			before:  certified,
			do:      done(func(s *issuance.Service, w *world) error { _, err := s.TrustBundle(w.ctx); return err }),
			writes:  []string{"INSERT ON setting"},
			repeats: true, // with the next version
		},
		"number the lists of exports": {
			before: certified,
			do:     done(func(s *issuance.Service, w *world) error { _, err := s.HashIndex(w.ctx); return err }),
			writes: []string{"INSERT ON published_list"},
		},
	}
}

// state is everything that an act may change, as text.
func (w *world) state() string {
	w.t.Helper()
	return pgtest.State(w.t, w.store.Pool(), "person", "person_index", "certificate", "audit", "suspension", "told", "status_list", "setting", "published_list",
		"(SELECT id, audit_seq, audit_head FROM bucket_group)")
}

func (w *world) exec(statement string) {
	w.t.Helper()
	if _, err := w.store.Pool().Exec(w.ctx, statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// failing makes one kind of write fail until heal is called.
func (w *world) failing(write string) (heal func()) {
	w.t.Helper()
	return pgtest.Fail(w.t, w.store.Pool(), write)
}

// TestFailedAndNotPersisted lets each single write of each act fail: nothing of
// the act remains, and the same request succeeds afterwards.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			a.before(w)
			before := w.state()
			pgtest.FailEach(t, w.store.Pool(), a.writes, func() error { _, err := a.do(w.Service, w); return err }, w.state, w.checked)
			if _, err := a.do(w.Service, w); err != nil {
				t.Errorf("the same request after it: %v", err)
			}
			if w.state() == before {
				t.Error("it changed nothing")
			}
			w.checked()
		})
	}
}

// TestAReadThatCannotBeRecordedShowsNothing lets the audit fail.
func TestAReadThatCannotBeRecordedShowsNothing(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.must(issuance.Certify, event("A-1", 1)).ID
	defer w.failing("INSERT ON audit")()
	if r, err := w.ByID(w.ctx, w.by, id, "test"); err == nil {
		t.Errorf("shown: %v", r.ID)
	}
	if r, err := w.ByCode(w.ctx, w.by, "", "A-1", "test"); err == nil {
		t.Errorf("shown by code: %v", r)
	}
	if r, _, err := w.Page(w.ctx, w.by, id, "test"); err == nil {
		t.Errorf("page shown: %v", r)
	}
}

// TestTheConnectionBreaksAtTheCommit cuts the connection just before the commit
// reaches PostgreSQL (nothing is persisted) and just after PostgreSQL answered
// it (everything is). Either way the caller hears an error, and the same request
// again ends with one certificate.
func TestTheConnectionBreaksAtTheCommit(t *testing.T) {
	for name, a := range acts() {
		for _, cut := range []pgtest.Cut{pgtest.BeforeCommit, pgtest.AfterCommit} {
			t.Run(name+", cut "+string(cut), func(t *testing.T) {
				w := newWorld(t, "jamaica")
				a.before(w)
				before := w.state()
				p := pgtest.NewProxy(t, w.store.Pool().Config().ConnString())
				store, err := registry.Open(w.ctx, p.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				o := w.Options
				o.Store = store
				behind := issuance.New(o)

				p.Cut(cut)
				r, err := a.do(behind, w)
				if err == nil {
					t.Fatalf("it answers %+v although the connection broke", r)
				}
				if vaccination.ErrorCode(err) != vaccination.Internal || !registry.IsDown(err) {
					t.Errorf("error = %v, want one that says the database is not there", err)
				}
				persisted := w.state()
				if cut == pgtest.BeforeCommit && persisted != before {
					t.Errorf("persisted (-before +after):\n%s", cmp.Diff(before, persisted))
				}
				if cut == pgtest.AfterCommit && persisted == before {
					t.Error("nothing is persisted although PostgreSQL answered the commit")
				}

				p.Cut(pgtest.Never)
				again, err := a.do(behind, w)
				if cut == pgtest.AfterCommit && a.refused != "" {
					if vaccination.ErrorCode(err) != a.refused {
						t.Errorf("the same request again: %v, want %s", err, a.refused)
					}
				} else if err != nil {
					t.Fatalf("the same request again: %v", err)
				}
				if cut == pgtest.AfterCommit && !a.repeats {
					if again.Outcome != a.again {
						t.Errorf("outcome of the same request again = %q, want %q", again.Outcome, a.again)
					}
					if diff := cmp.Diff(persisted, w.state()); diff != "" {
						t.Errorf("the same request again changed something:\n%s", diff)
					}
				}
				if n := w.count("SELECT count(*) FROM certificate WHERE status < 2 AND dose = 1"); n > 1 {
					t.Errorf("%d certificates stand for one record", n)
				}
				w.checked()
			})
		}
	}
}

// TestAPositionReservedWhileTheConnectionBreaksIsNeverUsedTwice cuts each
// reservation of status positions, whose outcome the service then cannot know.
func TestAPositionReservedWhileTheConnectionBreaksIsNeverUsedTwice(t *testing.T) {
	w := newWorld(t, "jamaica")
	p := pgtest.NewProxy(t, w.store.Pool().Config().ConnString())
	store, err := registry.Open(w.ctx, p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	o := w.Options
	o.Store = store
	behind := issuance.New(o)
	cuts := 0
	for i := range 40 {
		e := []vaccination.Event{event(fmt.Sprint("N-", i), 1)}
		p.Cut(pgtest.AfterUpdate)
		_, err := behind.Issue(w.ctx, w.by, issuance.Certify, e)
		p.Cut(pgtest.Never)
		if err == nil {
			continue // this bucket group had positions left
		}
		cuts++
		if _, err := behind.Issue(w.ctx, w.by, issuance.Certify, e); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != 40 || cuts == 0 {
		t.Errorf("%d certificates after %d cuts, want 40 after some", n, cuts)
	}
	w.checked()
}

func (w *world) count(q string) (n int) {
	w.t.Helper()
	if err := w.store.Pool().QueryRow(w.ctx, q).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestAStatusIsToldOverANewConnection breaks every connection that waits, as a
// restart of PostgreSQL does.
func TestAStatusIsToldOverANewConnection(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.must(issuance.Certify, event("A-1", 1)).ID
	pool := w.store.Pool()
	var held []*pgxpool.Conn
	for range 5 {
		c, err := pool.Acquire(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	for _, c := range held {
		c.Release()
	}
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
	for range 5 {
		if status, known, err := w.Status(w.ctx, id); err != nil || !known || status != vaccination.StatusValid {
			t.Errorf("status = %s, %t, %v", status, known, err)
		}
	}
}
