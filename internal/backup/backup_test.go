package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
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

func TestWhatIsRestoredIsWhatWasThere(t *testing.T) {
	h := newHouse(t)
	before := rows(t, h.url)
	b := open(t, h.write())
	if err := errors.Join(b.Check(), b.Authenticate(h.key)); err != nil {
		t.Fatal(err)
	}
	m := b.Manifest
	if !m.Made.Equal(made) || m.TrustBundle != 77 || m.Rows("person") != 200 || m.Rows("certificate") != 200 || m.Groups[3].StatusNext != 640 || m.Groups[3].Audit != 50 || m.Schema.Schema == 0 || m.Schema.Jobs == 0 {
		t.Errorf("manifest = %+v", m)
	}
	url := emptyDatabase(t)
	for range 2 { // again, it changes nothing
		if err := b.Load(t.Context(), url, "system:test", made.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	after := rows(t, url)
	if len(after["audit"]) != len(before["audit"])+1 || !strings.Contains(strings.Join(after["audit"], "\n"), "restore") {
		t.Errorf("the restore is in the audit %d times", len(after["audit"])-len(before["audit"]))
	}
	for _, table := range []string{"audit", "bucket_group", "setting"} { // where the restore itself stands
		delete(before, table)
		delete(after, table)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	store, err := registry.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	hold, err := registry.ReadHold(t.Context(), store.Read())
	if err != nil || hold == nil || !hold.Made.Equal(made) || hold.Backup != m.ID() {
		t.Errorf("hold = %+v, %v", hold, err)
	}
	odd, err := store.Read().GetSetting(t.Context(), "odd")
	if err != nil || odd != "tab\t newline\n backslash \\N \\. € end" {
		t.Errorf("odd = %q, %v", odd, err)
	}
	id, err := store.Read().InsertToken(t.Context(), query.InsertTokenParams{Name: "new", Role: "auditor", Hash: []byte("x"), CreatedAt: made, ExpiresAt: made})
	if err != nil || id <= 5+100 {
		t.Errorf("the next token is %d, %v: its number may have been used after the backup", id, err)
	}
}

func TestTheSealKeyAndHalfFilesAreNotInIt(t *testing.T) {
	h := newHouse(t)
	if err := os.WriteFile(filepath.Join(h.keys, "seal.key"), h.key, 0o600); err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	if err := open(t, h.write()).WriteKeys(into); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, _ := os.ReadDir(into)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"keyring.sealed", seal.KeysetFile}, names); diff != "" {
		t.Error(diff)
	}
}

// Writers go on while a backup is made; it is of one moment.
func TestABackupIsOfOneMoment(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for ctx.Err() == nil {
				_, err := h.store.Pool().Exec(ctx, "SELECT audit_append(ARRAY[1, 2]::smallint[], now(), 'x', ARRAY['a', 'b'], ARRAY['', ''], ARRAY['', ''])")
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		b := open(t, h.write())
		if b.Manifest.Groups[1].Audit != b.Manifest.Groups[2].Audit {
			t.Errorf("chains of %d and %d entries, written together", b.Manifest.Groups[1].Audit, b.Manifest.Groups[2].Audit)
		}
		if err := b.Load(t.Context(), emptyDatabase(t), "system:test", made); err != nil {
			t.Error(err)
		}
	}
	stop()
	writers.Wait()
}

func TestACutOrChangedBackupIsRefused(t *testing.T) {
	h, other := newHouse(t), newHouse(t)
	good, foreign := h.write(), other.write()
	edit := func(name string, f func([]byte) []byte) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	replace := func(old, with string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Errorf("no %q to replace", old)
			}
			return bytes.Replace(b, []byte(old), []byte(with), 1)
		}
	}
	from := func(name string) func(string) {
		return edit(name, func([]byte) []byte {
			data, err := os.ReadFile(filepath.Join(foreign, name))
			if err != nil {
				t.Fatal(err)
			}
			return data
		})
	}
	remove := func(name string) func(string) {
		return func(dir string) { _ = os.Remove(filepath.Join(dir, name)) }
	}
	for name, spoil := range map[string]func(string){
		"a bit of the dump":                 edit(backup.DatabaseFile, flip(-100)),
		"the dump cut off":                  edit(backup.DatabaseFile, cut(10)),
		"the dump empty":                    edit(backup.DatabaseFile, func([]byte) []byte { return nil }),
		"the dump of another":               from(backup.DatabaseFile),
		"no dump":                           remove(backup.DatabaseFile),
		"a bit of the keys":                 edit(backup.KeysFile, flip(600)),
		"the keys cut off":                  edit(backup.KeysFile, cut(1024)),
		"the keys of another":               from(backup.KeysFile),
		"no keys":                           remove(backup.KeysFile),
		"the manifest of another":           from(backup.ManifestFile),
		"a row fewer in the manifest":       edit(backup.ManifestFile, replace(`"rows": 200`, `"rows": 199`)),
		"a time changed in the manifest":    edit(backup.ManifestFile, replace("2026-11-22T12", "2026-11-22T13")),
		"a counter changed in the manifest": edit(backup.ManifestFile, replace(`"statusNext": 640`, `"statusNext": 641`)),
		"something after the manifest":      edit(backup.ManifestFile, func(b []byte) []byte { return append(b, "{}"...) }),
		"the manifest cut off":              edit(backup.ManifestFile, cut(4)),
		"no manifest":                       remove(backup.ManifestFile),
		"no seal":                           remove(backup.SealFile),
		"a bit of the seal":                 edit(backup.SealFile, replace("0", "1")),
		"the seal of another":               from(backup.SealFile),
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			spoil(dir)
			b, err := backup.Open(dir, "")
			if err == nil {
				err = errors.Join(b.Check(), b.Authenticate(h.key))
			}
			if err == nil {
				t.Error("it is taken for good")
			}
		})
	}
	t.Run("another seal key", func(t *testing.T) {
		if err := open(t, good).Authenticate(other.key); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("left as it was", func(t *testing.T) {
		if b := open(t, good); errors.Join(b.Check(), b.Authenticate(h.key)) != nil {
			t.Error("the good one is refused")
		}
	})
}

func TestKeysKeptElsewhere(t *testing.T) {
	h := newHouse(t)
	dir := h.write()
	elsewhere := filepath.Join(t.TempDir(), "keys")
	if err := os.Rename(filepath.Join(dir, backup.KeysFile), elsewhere); err != nil {
		t.Fatal(err)
	}
	if b := open(t, dir); b.HasKeys() || b.Check() != nil || b.Authenticate(h.key) == nil {
		t.Error("without its keys it should be whole, and of nobody")
	}
	b, err := backup.Open(dir, elsewhere)
	if err != nil || !b.HasKeys() || errors.Join(b.Check(), b.Authenticate(h.key)) != nil {
		t.Errorf("with its keys: %v", err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	h := newHouse(t)
	t.Run("a folder", func(t *testing.T) {
		dir := h.write()
		if _, err := backup.Write(t.Context(), h.source(), dir); err == nil || !strings.Contains(err.Error(), "never overwritten") {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("a database that is used", func(t *testing.T) {
		other := newHouse(t)
		before := rows(t, other.url)
		if err := open(t, h.write()).Load(t.Context(), other.url, "system:test", made); vaccination.ErrorCode(err) != vaccination.Conflict {
			t.Errorf("error = %v", err)
		}
		if diff := cmp.Diff(before, rows(t, other.url)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("empty or not", func(t *testing.T) {
		if empty, err := backup.Empty(t.Context(), h.url); err != nil || empty {
			t.Errorf("a used database is empty: %v, %v", empty, err)
		}
		if empty, err := backup.Empty(t.Context(), emptyDatabase(t)); err != nil || !empty {
			t.Errorf("an empty database is empty: %v, %v", empty, err)
		}
	})
}

// A backup that was cut short leaves nothing that looks like one; a killed one
// leaves a folder that the next one takes over, unless it is being written.
func TestABackupThatWasCutShort(t *testing.T) {
	h := newHouse(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "backup")
	ctx, stop := context.WithCancel(t.Context())
	s := h.source()
	s.Now = func() time.Time { stop(); return made } // the first thing it does
	if _, err := backup.Write(ctx, s, dir); err == nil {
		t.Fatal("it went on")
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	half := dir + ".unfinished"
	if err := os.MkdirAll(filepath.Join(half, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, backup.DatabaseFile), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Open(half, ""); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("a half one: %v", err)
	}
	inner := h.source()
	inner.Now = func() time.Time { // while it is being written
		if _, err := backup.Write(t.Context(), h.source(), dir); err == nil || !strings.Contains(err.Error(), "being written") {
			t.Errorf("a second one at once: %v", err)
		}
		return made
	}
	if _, err := backup.Write(t.Context(), inner, dir); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the half one is left")
	}
}

// A Load that was cut short at any moment has written no row, and goes on when
// it is run again.
func TestALoadThatWasCutShort(t *testing.T) {
	h := newHouse(t)
	h.people(3000)
	b := open(t, h.write())
	url := emptyDatabase(t)
	if err := registry.MigrateTo(t.Context(), url, b.Manifest.Schema); err != nil {
		t.Fatal(err)
	}
	empty := rows(t, url)
	cut := 0
	for after := 5 * time.Millisecond; ; after += after / 2 {
		ctx, stop := context.WithTimeout(t.Context(), after)
		err := b.Load(ctx, url, "system:test", made)
		stop()
		if err == nil {
			break
		}
		cut++
		if now := rows(t, url); len(now["setting"]) == 0 {
			if diff := cmp.Diff(empty, now); diff != "" {
				t.Fatalf("cut after %v:\n%s", after, diff)
			}
		}
	}
	t.Logf("cut %d times", cut)
	if cut == 0 {
		t.Error("it was never cut short")
	}
	if got := len(rows(t, url)["certificate"]); got != 3200 {
		t.Errorf("%d certificates", got)
	}
}

func TestTheKeysAreThoseOfTheSnapshot(t *testing.T) {
	h := newHouse(t)
	box, err := seal.Open(h.key, h.keys, seal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var rotating sync.WaitGroup
	rotating.Go(func() { // what each rotation wraps, and the key it is wrapped with
		for i := int64(1); ctx.Err() == nil; i++ {
			aad := seal.AAD(0, i, "key")
			wrapped, _, err := box.NewPersonKey(aad)
			if err == nil {
				_, err = h.store.Pool().Exec(t.Context(), "INSERT INTO setting VALUES ('wrapped', encode($1, 'hex')) ON CONFLICT (name) DO UPDATE SET value = excluded.value", append([]byte{byte(i)}, wrapped...))
			}
			if err == nil {
				err = box.BeginRotation(t.Context())
			}
			if err == nil {
				var old [][]byte
				wrapped, err = box.Rewrap(wrapped, aad)
				if err == nil {
					_, err = h.store.Pool().Exec(t.Context(), "UPDATE setting SET value = encode($1, 'hex') WHERE name = 'wrapped'", append([]byte{byte(i)}, wrapped...))
				}
				if _, old, _ = box.PersonKeys(); err == nil {
					err = box.EndRotation(t.Context(), old)
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 5 {
		b := open(t, h.write())
		url, keys := emptyDatabase(t), t.TempDir()
		if err := errors.Join(b.Load(t.Context(), url, "system:test", made), b.WriteKeys(keys)); err != nil {
			t.Fatal(err)
		}
		restored, err := seal.Open(h.key, keys, seal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		store, err := registry.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		text, err := store.Read().GetSetting(t.Context(), "wrapped")
		store.Close()
		if registry.IsNone(err) {
			continue
		}
		var stored []byte
		if _, err := fmt.Sscanf(text, "%x", &stored); err != nil {
			t.Fatal(err)
		}
		found := false
		for i := int64(stored[0]); i < 1<<14 && !found; i += 256 {
			_, err := restored.PersonKey(stored[1:], seal.AAD(0, i, "key"))
			found = err == nil
		}
		if !found {
			t.Error("the keys of a backup do not open what is in it")
		}
	}
	stop()
	rotating.Wait()
}

// TestMemoryIsFlat backs up and restores more than either may hold at once.
func TestMemoryIsFlat(t *testing.T) {
	h := newHouse(t)
	h.people(15000) // 70 MB as text
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			time.Sleep(10 * time.Millisecond)
		}
	})
	b := open(t, h.write())
	if err := errors.Join(b.Check(), b.Load(t.Context(), emptyDatabase(t), "system:test", made)); err != nil {
		t.Fatal(err)
	}
	stop()
	watching.Wait()
	t.Logf("heap %d MB at most, %d MB before", most>>20, before.HeapInuse>>20)
	if most > before.HeapInuse+40<<20 {
		t.Errorf("the heap grew from %d to %d MB", before.HeapInuse>>20, most>>20)
	}
}

// BenchmarkBackup measures certificates a second, each with a person of its own
// and about as large as real ones.
func BenchmarkBackup(b *testing.B) {
	const people = 20000
	h := newHouse(b)
	h.people(people)
	dir := h.write()
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if _, err := backup.Write(b.Context(), h.source(), filepath.Join(b.TempDir(), "backup")); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(people*float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if err := open(b, dir).Check(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(people*float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if err := open(b, dir).Load(b.Context(), emptyDatabase(b), "system:test", made); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(people*float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
	})
}
