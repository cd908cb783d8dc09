package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/backup"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

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
