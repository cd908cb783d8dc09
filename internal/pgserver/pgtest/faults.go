package pgtest

import (
	"context"
	"encoding/binary"
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
)

// Fail makes one kind of write fail until heal is called. It is said as a
// trigger says it: "INSERT ON audit", "UPDATE OF audit_seq ON bucket_group".
func Fail(t testing.TB, pool *pgxpool.Pool, write string) (heal func()) {
	t.Helper()
	exec := func(statement string) {
		t.Helper()
		if _, err := pool.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	_, table, _ := strings.Cut(write, " ON ")
	exec("CREATE OR REPLACE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$")
	exec("CREATE TRIGGER inject BEFORE " + write + " FOR EACH ROW EXECUTE FUNCTION inject()")
	return func() { t.Helper(); exec("DROP TRIGGER inject ON " + table) }
}

// FailEach lets each write of an act fail in turn. The act has to fail too, and to
// leave state as it was; check looks further, each time.
func FailEach(t testing.TB, pool *pgxpool.Pool, writes []string, do func() error, state func() string, check func()) {
	t.Helper()
	before := state()
	for _, write := range writes {
		heal := Fail(t, pool, write)
		if err := do(); err == nil {
			t.Errorf("it succeeds although %s fails", write)
		}
		heal()
		if diff := cmp.Diff(before, state()); diff != "" {
			t.Errorf("what is left after %s failed (-before +after):\n%s", write, diff)
		}
		check()
	}
}

// State is all that stands in tables, as text, in an order of its own. A table may be
// a query in brackets.
func State(t testing.TB, pool *pgxpool.Pool, tables ...string) string {
	t.Helper()
	var b strings.Builder
	for _, table := range tables {
		rows, err := pool.Query(context.Background(), "SELECT t::text FROM "+table+" t ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(table + "\n" + strings.Join(lines, "\n") + "\n")
	}
	return b.String()
}

// Cut says where a [Proxy] cuts a connection.
type Cut string

// The places.
const (
	Never        Cut = ""
	BeforeCommit Cut = "before" // a commit is not passed on: nothing is persisted
	AfterCommit  Cut = "after"  // PostgreSQL's answer to a commit is not: all is
	AfterUpdate  Cut = "update" // its answer to an update of one row is not
)

// Proxy stands between a program and the PostgreSQL of [URL] and cuts
// connections.
type Proxy struct {
	URL string
	cut atomic.Value // Cut
}

// Cut sets where connections are cut from now on.
func (p *Proxy) Cut(at Cut) { p.cut.Store(at) }

// NewProxy starts a proxy before the PostgreSQL at url, until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
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
	p := &Proxy{URL: u.String()}
	p.Cut(Never)
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
func (p *Proxy) pass(from io.Reader, to io.Writer, client bool) {
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
		case client && cut == BeforeCommit && is('Q', "commit"):
			return
		case !client && cut == AfterCommit && is('C', "COMMIT"):
			return
		case !client && cut == AfterUpdate && is('C', "UPDATE 1"):
			return
		}
		startup = false
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// FaultTable reads the rows of docs/faults.md that are about a room, as
// "act | step | persisted or not", each with the name of its test.
func FaultTable(t testing.TB, room string) map[string]string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	mine := false
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			mine = strings.Contains(title, "`"+room+"`")
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !mine || len(cells) != 5 || strings.HasPrefix(strings.TrimSpace(cells[0]), "-") || strings.TrimSpace(cells[0]) == "act" {
			continue
		}
		for i, c := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(c), "`")
		}
		key := strings.Join(cells[:3], " | ")
		if rows[key] != "" {
			t.Errorf("docs/faults.md has the row %q twice", key)
		}
		rows[key] = cells[4]
	}
	return rows
}

// CheckFaultTable compares the rows of docs/faults.md that are about a room with
// what its tests do: the name of the test by "act | step | persisted or not".
func CheckFaultTable(t testing.TB, room string, tested map[string]string) {
	t.Helper()
	if diff := cmp.Diff(tested, FaultTable(t, room)); diff != "" {
		t.Errorf("rows of docs/faults.md about %s (-tested +written):\n%s", room, diff)
	}
}

// CheckActs is [CheckFaultTable] for a room whose acts, by name, have each of their
// writes fail in TestFailedAndNotPersisted, and their commit cut before and after it in
// TestTheConnectionBreaksAtTheCommit.
func CheckActs(t testing.TB, room string, writes map[string][]string) {
	t.Helper()
	tested := map[string]string{}
	for act, all := range writes {
		for _, write := range all {
			tested[act+" | "+write+" | not persisted"] = "TestFailedAndNotPersisted"
		}
		tested[act+" | commit | not persisted"] = "TestTheConnectionBreaksAtTheCommit"
		tested[act+" | commit | persisted"] = "TestTheConnectionBreaksAtTheCommit"
	}
	CheckFaultTable(t, room, tested)
}
