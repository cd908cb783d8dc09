// Package pgtest gives each test a PostgreSQL database of its own, on one
// private cluster per test process. A package uses it so:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }
//
//	func TestSomething(t *testing.T) { pool, err := pgxpool.New(ctx, pgtest.URL(t)) … }
package pgtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/pgserver"
)

// cluster is the one of this process. A test's only way to it is a package
// variable, as TestMain hands nothing to the tests.
var cluster struct {
	migrate func(ctx context.Context, url string) error

	once   sync.Once
	dir    string
	server *pgserver.Server
	err    error

	mu   sync.Mutex // PostgreSQL copies a template for one at a time
	made int
}

const template = "divoc" // the database that pgserver makes

// Run runs the tests of a package and returns the exit code for os.Exit. The
// cluster is started when the first test asks for a database, and removed at
// the end. migrate, if not nil, prepares the one database that all others are
// copied from; it must close its connections.
//
// The cluster leaves out fsync unless benchmarks are run.
func Run(m *testing.M, migrate func(ctx context.Context, url string) error) int {
	cluster.migrate = migrate
	defer stop()
	return m.Run()
}

// URL makes a database for the test alone, a copy of the migrated one, and
// returns its connection URL. It is removed when the test ends; connections
// still open are cut then.
func URL(t testing.TB) string {
	t.Helper()
	cluster.once.Do(start)
	if cluster.err != nil {
		t.Fatal(cluster.err)
	}
	cluster.mu.Lock()
	cluster.made++
	name := "test" + strconv.Itoa(cluster.made)
	err := asSuper("CREATE DATABASE " + name + " OWNER divoc TEMPLATE " + template + copying())
	cluster.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := asSuper("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return strings.Replace(cluster.server.URL(), "///divoc?", "///"+name+"?", 1)
}

func start() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	removeLeftovers(ctx)
	if cluster.dir, cluster.err = os.MkdirTemp("", prefix); cluster.err != nil {
		return
	}
	cluster.server, cluster.err = pgserver.Start(ctx, pgserver.Options{Dir: cluster.dir, NoSync: !benchmarking()})
	if cluster.err == nil && cluster.migrate != nil {
		if err := cluster.migrate(ctx, cluster.server.URL()); err != nil {
			cluster.err = fmt.Errorf("migrating the template: %w", err)
		}
	}
}

func stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if cluster.server != nil {
		if err := cluster.server.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
		}
	}
	if cluster.dir != "" {
		_ = os.RemoveAll(cluster.dir)
	}
}

const prefix = "divoc-pgtest-"

// removeLeftovers removes the clusters of test processes that were killed.
func removeLeftovers(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*")) // fails for a bad pattern only
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < 10*time.Minute {
			continue // perhaps one that is being made
		}
		if _, err := pgserver.Attach(ctx, dir); errors.Is(err, pgserver.ErrNotRunning) {
			_ = os.RemoveAll(dir)
		}
	}
}

func benchmarking() bool {
	f := flag.Lookup("test.bench")
	return f != nil && f.Value.String() != ""
}

// copying chooses how a database is copied: by files where nothing is synced,
// which is the quickest.
func copying() string {
	if benchmarking() {
		return ""
	}
	return " STRATEGY file_copy"
}

// asSuper runs one statement as the role that may make databases.
func asSuper(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, strings.NewReplacer("///divoc?", "///postgres?", "user=divoc", "user=postgres").Replace(cluster.server.URL()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
