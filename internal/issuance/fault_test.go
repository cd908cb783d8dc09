package issuance_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// act is one kind of request that writes, with the writes it is made of.
type act struct {
	before func(*world) // what is there already
	do     func(*issuance.Service, *world) (issuance.Result, error)
	writes []string // "INSERT ON table", in the order of the transaction
	again  issuance.Outcome
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
	moved := with(event("A-1", 1), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550199"} })
	return map[string]act{
		"certify": {
			before: func(*world) {},
			do:     issue(issuance.Certify, event("A-1", 1)),
			writes: []string{"INSERT ON person", "INSERT ON person_index", "INSERT ON certificate", "INSERT ON audit", "UPDATE OF audit_seq ON bucket_group"},
			again:  issuance.Unchanged,
		},
		"certify a second dose": {
			before: certified,
			do:     issue(issuance.Certify, event("A-1", 2)),
			writes: []string{"UPDATE ON person", "DELETE ON person_index", "INSERT ON certificate", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"correct": {
			before: certified,
			do:     issue(issuance.Correct, with(event("A-1", 1), lot("PF2"))),
			writes: []string{"UPDATE ON person", "UPDATE ON certificate", "INSERT ON certificate", "INSERT ON audit"},
			again:  issuance.Unchanged,
		},
		"new contacts": {
			before: certified,
			do:     issue(issuance.Correct, moved),
			writes: []string{"UPDATE ON person", "INSERT ON person_index", "UPDATE ON certificate", "INSERT ON audit"},
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
			writes: []string{"UPDATE ON certificate", "INSERT ON audit"},
		},
	}
}

// state is everything that an act may change, as text.
func (w *world) state() string {
	w.t.Helper()
	var b strings.Builder
	for _, q := range []string{
		"SELECT t::text FROM person t ORDER BY 1", "SELECT t::text FROM person_index t ORDER BY 1",
		"SELECT t::text FROM certificate t ORDER BY 1", "SELECT t::text FROM audit t ORDER BY 1",
		"SELECT (id, audit_seq, audit_head)::text FROM bucket_group ORDER BY id",
	} {
		rows, err := w.store.Pool().Query(w.ctx, q)
		if err != nil {
			w.t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			w.t.Fatal(err)
		}
		b.WriteString(q + "\n" + strings.Join(lines, "\n") + "\n")
	}
	return b.String()
}

func (w *world) exec(statement string) {
	w.t.Helper()
	if _, err := w.store.Pool().Exec(w.ctx, statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// failing makes one kind of write fail until heal is called.
func (w *world) failing(write string) (heal func()) {
	_, table, _ := strings.Cut(write, " ON ")
	w.exec("CREATE OR REPLACE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$")
	w.exec("CREATE TRIGGER inject BEFORE " + write + " FOR EACH ROW EXECUTE FUNCTION inject()")
	return func() { w.exec("DROP TRIGGER inject ON " + table) }
}

// TestFailedAndNotPersisted lets each single write of each act fail: nothing of
// the act remains, and the same request succeeds afterwards.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			a.before(w)
			before := w.state()
			for _, write := range a.writes {
				heal := w.failing(write)
				if _, err := a.do(w.Service, w); err == nil {
					t.Errorf("it succeeds although %s fails", write)
				}
				heal()
				if diff := cmp.Diff(before, w.state()); diff != "" {
					t.Errorf("what is left after %s failed (-before +after):\n%s", write, diff)
				}
				w.checked()
			}
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
		for _, cut := range []string{"before", "after"} {
			t.Run(name+", cut "+cut, func(t *testing.T) {
				w := newWorld(t, "jamaica")
				a.before(w)
				before := w.state()
				p := proxyFor(t, w.store.Pool().Config().ConnString())
				store, err := registry.Open(w.ctx, p.url)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				o := w.Options
				o.Store = store
				behind := issuance.New(o)

				p.cut.Store(cut)
				r, err := a.do(behind, w)
				if err == nil {
					t.Fatalf("it answers %+v although the connection broke", r)
				}
				if vaccination.ErrorCode(err) != vaccination.Internal || !registry.IsDown(err) {
					t.Errorf("error = %v, want one that says the database is not there", err)
				}
				persisted := w.state()
				if cut == "before" && persisted != before {
					t.Errorf("persisted (-before +after):\n%s", cmp.Diff(before, persisted))
				}
				if cut == "after" && persisted == before {
					t.Error("nothing is persisted although PostgreSQL answered the commit")
				}

				p.cut.Store("")
				again, err := a.do(behind, w)
				if err != nil {
					t.Fatalf("the same request again: %v", err)
				}
				if cut == "after" {
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
	p := proxyFor(t, w.store.Pool().Config().ConnString())
	store, err := registry.Open(w.ctx, p.url)
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
		p.cut.Store("reserved")
		_, err := behind.Issue(w.ctx, w.by, issuance.Certify, e)
		p.cut.Store("")
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

// proxy stands between the service and PostgreSQL and cuts a connection where
// cut says: "before" a commit is passed on, "after" PostgreSQL answered one, or
// when it answered that positions are "reserved".
type proxy struct {
	url string
	cut atomic.Value // string
}

func proxyFor(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	server := filepath.Join(q.Get("host"), ".s.PGSQL.5432")
	dir, err := os.MkdirTemp("", "cut") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = listener.Close(); _ = os.RemoveAll(dir) })
	q.Set("host", dir)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	p := &proxy{url: u.String()}
	p.cut.Store("")
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			backend, err := net.Dial("unix", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			end := func() { _ = client.Close(); _ = backend.Close() }
			context.AfterFunc(ctx, end)
			go func() { defer end(); p.pass(client, backend, true) }()
			go func() { defer end(); p.pass(backend, client, false) }()
		}
	}()
	return p
}

// pass copies messages until one is met where the connection is to be cut.
func (p *proxy) pass(from io.Reader, to io.Writer, client bool) {
	startup := client // the client's first message has no type
	for {
		head := make([]byte, 5)
		if startup {
			head = head[:4]
		}
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		cut := p.cut.Load()
		is := func(kind byte, text string) bool {
			return !startup && head[0] == kind && strings.EqualFold(strings.TrimRight(string(body), "\x00"), text)
		}
		switch {
		case client && cut == "before" && is('Q', "commit"):
			return
		case !client && cut == "after" && is('C', "COMMIT"):
			return
		case !client && cut == "reserved" && is('C', "UPDATE 1"): // RETURNING: the new end
			return
		}
		startup = false
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
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
