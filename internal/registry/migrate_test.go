package registry

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, nil)) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func has(t *testing.T, conn *pgx.Conn, table string) bool {
	t.Helper()
	var found bool
	if err := conn.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", table).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

func steps(texts ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i, text := range texts {
		out["000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return out
}

const first = "CREATE TABLE setting (name text PRIMARY KEY, value text NOT NULL);"

func TestAMigrationThatFailsChangesNothingAndIsNamed(t *testing.T) {
	url := pgtest.URL(t)
	if err := migrate(t.Context(), url, steps(first), Versions{}); err != nil {
		t.Fatal(err)
	}
	broken := steps(first, "CREATE TABLE good (n int);", "CREATE TABLE half (n int); ALTER TABLE half ADD COLUMN n int;")
	err := migrate(t.Context(), url, broken, Versions{})
	if err == nil || !strings.Contains(err.Error(), "0003_step.sql failed") || !strings.Contains(err.Error(), `column "n"`) {
		t.Fatalf("error = %v", err)
	}
	conn := connect(t, url)
	if has(t, conn, "half") || !has(t, conn, "good") {
		t.Error("the failed migration left something, or the one before is gone")
	}
	must(t, conn, "INSERT INTO setting VALUES ('a', 'b')") // the version before works on
	if err := migrate(t.Context(), url, steps(first), Versions{}); err != nil {
		t.Errorf("the version before does not start: %v", err)
	}
	mended := steps(first, "CREATE TABLE good (n int);", "CREATE TABLE half (n int);")
	if err := migrate(t.Context(), url, mended, Versions{}); err != nil || !has(t, conn, "half") {
		t.Errorf("the mended one: %v", err)
	}
}

func TestAMigrationDoesNotHoldUpWriters(t *testing.T) {
	url := pgtest.URL(t)
	if err := migrate(t.Context(), url, steps(first), Versions{}); err != nil {
		t.Fatal(err)
	}
	// A long transaction has the table, as an upload's or a report's would.
	busy := connect(t, url)
	must(t, busy, "BEGIN")
	must(t, busy, "INSERT INTO setting VALUES ('long', '')")
	done := make(chan error, 1)
	go func() {
		done <- migrate(context.Background(), url, steps(first, "ALTER TABLE setting ADD COLUMN more text NOT NULL DEFAULT '';"), Versions{})
	}()
	// Writers meanwhile wait for no longer than one try of it.
	other := connect(t, url)
	var longest time.Duration
	for began := time.Now(); time.Since(began) < 4*time.Second; {
		at := time.Now()
		must(t, other, "INSERT INTO setting VALUES ('"+at.String()+"', '')")
		longest = max(longest, time.Since(at))
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("longest write beside a migration that waits: %v", longest)
	if longest > migrationLockWait+time.Second {
		t.Errorf("a write took %v", longest)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	must(t, busy, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAnOlderProgramIsRefusedOnlyWhereTheSchemaSaysSo(t *testing.T) {
	url := pgtest.URL(t)
	newer := steps(first, "CREATE TABLE added (n int);")
	if err := migrate(t.Context(), url, newer, Versions{}); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), url, steps(first), Versions{}); err != nil {
		t.Errorf("an addition keeps the older one away: %v", err)
	}
	must(t, connect(t, url), "INSERT INTO setting VALUES ('schema_needs', '2')")
	if err := migrate(t.Context(), url, steps(first), Versions{}); err == nil || !strings.Contains(err.Error(), "a newer divoc changed this database") {
		t.Errorf("error = %v", err)
	}
	if err := migrate(t.Context(), url, newer, Versions{}); err != nil {
		t.Errorf("the newer one: %v", err)
	}
}

func TestMigratingToAVersionOfTheFutureIsRefused(t *testing.T) {
	url := pgtest.URL(t)
	for name, to := range map[string]Versions{"ours": {Schema: 9999, Jobs: 1}, "the job queue's": {Schema: 1, Jobs: 9999}} {
		t.Run(name, func(t *testing.T) {
			if err := MigrateTo(t.Context(), url, to); err == nil || !strings.Contains(err.Error(), "needs a newer divoc") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestMigratingAtOnce(t *testing.T) {
	url := pgtest.URL(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- Migrate(context.Background(), url) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
