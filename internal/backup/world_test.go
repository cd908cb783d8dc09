package backup_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// house is an installation that can be backed up.
type house struct {
	t     testing.TB
	url   string
	store *registry.Store
	key   []byte // the seal key
	keys  string
}

var made = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, url: pgtest.URL(t), keys: t.TempDir()}
	var err error
	if h.store, err = registry.Open(t.Context(), h.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.store.Close)
	if h.key, err = seal.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(h.key, h.keys, seal.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"keyring.sealed": "sealed signing keys", "keyring.lock": "", ".keyring.sealed.123": "half"} {
		if err := os.WriteFile(filepath.Join(h.keys, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.exec("INSERT INTO setting VALUES ('trust_bundle_version', '77'), ('odd', E'tab\\t newline\\n backslash \\\\N \\\\. € end')")
	h.exec("INSERT INTO source (name, created_at) VALUES ('a', now()), ('b', '2021-02-03 04:05:06.789012+05:30')")
	h.exec("INSERT INTO token (name, role, source, hash, created_at, expires_at) SELECT 't', 'source', 'a', sha256(i::text::bytea), now(), 'infinity' FROM generate_series(1, 5) i")
	h.people(200)
	h.exec("SELECT audit_append(array_fill(3::smallint, ARRAY[50]), now(), 'x', array_fill('act'::text, ARRAY[50]), array_fill(''::text, ARRAY[50]), array_fill(''::text, ARRAY[50]))")
	h.exec("UPDATE bucket_group SET status_next = 640 WHERE id = 3")
	return h
}

func (h *house) exec(sql string) {
	h.t.Helper()
	if _, err := h.store.Pool().Exec(h.t.Context(), sql); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

// people adds rows of random bytes, as sealed ones look.
func (h *house) people(n int) {
	h.t.Helper()
	bytes := "decode(" + strings.TrimSuffix(strings.Repeat("md5(random()::text) || ", 32), " || ") + ", 'hex')"
	h.exec(fmt.Sprintf("WITH n AS (SELECT coalesce(max(id), 0) AS n FROM person) INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source) SELECT i %% 1024, n.n + i, sha256((n.n + i)::text::bytea), '\\x00', %s, now(), 'a' FROM n, generate_series(1, %d) i", bytes, n))
	h.exec(fmt.Sprintf("INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, content, programme, source, sealed) SELECT bucket, 1, 1, 0, 0, id %% 131072, id, now(), now(), substring(sha256(id::text::bytea) FROM 1 FOR 15), '', 'p', 'a', %s || %s FROM person p WHERE NOT EXISTS (SELECT FROM certificate c WHERE c.bucket = p.bucket AND c.person_id = p.id)", bytes, bytes))
}

func (h *house) source() backup.Source {
	box, err := seal.Open(h.key, h.keys, seal.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return backup.Source{Store: h.store, Box: box, Keys: h.keys, Program: "test", PublicURL: "https://certificates.example.org", Country: "JAM", Now: func() time.Time { return made }}
}

func (h *house) write() string {
	h.t.Helper()
	dir := filepath.Join(h.t.TempDir(), "backup")
	if _, err := backup.Write(h.t.Context(), h.source(), dir); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// emptyDatabase is one in which nothing was ever made.
func emptyDatabase(t testing.TB) string {
	t.Helper()
	url := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_, err = conn.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	}
	if err == nil {
		err = conn.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func open(t testing.TB, dir string) *backup.Backup {
	t.Helper()
	b, err := backup.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rows are all rows of every table, as text.
func rows(t testing.TB, url string) map[string][]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	names, err := conn.Query(t.Context(), "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(names, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, table := range tables {
		r, err := conn.Query(t.Context(), "SELECT t::text FROM "+table+" t ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		if out[table], err = pgx.CollectRows(r, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
	}
	delete(out, "goose_db_version") // holds when it was migrated
	delete(out, "river_migration")
	return out
}
