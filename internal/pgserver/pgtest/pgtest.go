// Package pgtest gives each test a PostgreSQL database of its own, on one
// private cluster per test process. A package uses it so:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }
//
//	func TestSomething(t *testing.T) { pool, err := pgxpool.New(ctx, pgtest.URL(t)) … }
package pgtest

import (
	"context"
	"testing"
)

// Run runs the tests of a package and returns the exit code for os.Exit. The
// cluster is started when the first test asks for a database, and removed at
// the end. migrate, if not nil, prepares the one database that all others are
// copied from.
func Run(m *testing.M, migrate func(ctx context.Context, url string) error) int {
	return m.Run()
}

// URL makes a database for the test alone, a copy of the migrated one, and
// returns its connection URL. It is removed when the test ends: close
// connections in a t.Cleanup registered after the call.
func URL(t testing.TB) string {
	t.Helper()
	t.Fatal("pgtest: not there yet")
	return ""
}
