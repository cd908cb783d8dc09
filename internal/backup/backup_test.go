package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

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
