package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/seal"
)

// wrapped is a person's key as stored, and something sealed with it.
type wrapped struct{ key, aad, data []byte }

func person(t *testing.T, b *seal.Box, id int64) wrapped {
	t.Helper()
	aad := seal.AAD(1, id, "key")
	key, k, err := b.NewPersonKey(aad)
	if err != nil {
		t.Fatal(err)
	}
	data, err := k.Seal([]byte("a name"), aad)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped{key, aad, data}
}

func opens(b *seal.Box, w wrapped) bool {
	k, err := b.PersonKey(w.key, w.aad)
	if err != nil {
		return false
	}
	got, err := k.Unseal(w.data, w.aad)
	return err == nil && string(got) == "a name"
}

func TestRotationOfPersonKeys(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	b := open(t, key, dir, true)
	running := open(t, key, dir, false) // another process
	before := person(t, b, 1)
	index := b.Index(seal.Mobile, "+18765550100")

	if err := b.BeginRotation(t.Context()); err != nil {
		t.Fatal(err)
	}
	newest, old, err := b.PersonKeys()
	if err != nil || len(old) != 1 || !bytes.HasPrefix(before.key, old[0]) || len(newest) != seal.KeyPrefixSize {
		t.Fatalf("newest %x, old %x, %v; the key before is %x", newest, old, err, before.key[:5])
	}
	if err := b.BeginRotation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _, _ := b.PersonKeys(); !bytes.Equal(again, newest) {
		t.Fatal("a rotation begun twice makes two keys")
	}
	fresh := person(t, running, 2)
	if !bytes.HasPrefix(fresh.key, newest) {
		t.Fatal("a running process goes on wrapping with the old key")
	}
	rewrapped := before
	if rewrapped.key, err = b.Rewrap(before.key, before.aad); err != nil || !bytes.HasPrefix(rewrapped.key, newest) {
		t.Fatalf("rewrapped %x, %v", rewrapped.key[:5], err)
	}
	if same, err := b.Rewrap(rewrapped.key, before.aad); err != nil || !bytes.Equal(same, rewrapped.key) {
		t.Errorf("wrapped anew twice: %v", err)
	}
	if _, err := b.Rewrap(before.key, seal.AAD(1, 9, "key")); err == nil {
		t.Error("another person's key was wrapped anew")
	}
	for name, w := range map[string]wrapped{"the old": before, "the new": fresh, "the rewrapped": rewrapped} {
		if !opens(b, w) || !opens(running, w) {
			t.Errorf("%s does not open during the rotation", name)
		}
	}
	if err := b.EndRotation(t.Context(), append(old, newest)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as when it was killed after the file was written
		if err := b.EndRotation(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	if opens(b, before) || !opens(b, fresh) || !opens(b, rewrapped) {
		t.Error("after the rotation the wrong keys open")
	}
	again := open(t, key, dir, false)
	if !opens(again, fresh) || !opens(again, rewrapped) || opens(again, before) {
		t.Error("after a restart the wrong keys open")
	}
	if !bytes.Equal(again.Index(seal.Mobile, "+18765550100"), index) {
		t.Error("a blind index changed")
	}
}

// A process that has not looked since opens what a newer key wraps.
func TestARunningProcessMeetsANewKey(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	b := open(t, key, dir, true)
	running := open(t, key, dir, false)
	if err := b.BeginRotation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := person(t, b, 1); !opens(running, w) {
		t.Error("it does not open")
	}
}

func TestAKeysetThatCannotBeReadIsNotTakenOver(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	b := open(t, key, dir, true)
	before := person(t, b, 1)
	path := filepath.Join(dir, seal.KeysetFile)
	for name, data := range map[string][]byte{"empty": nil, "damaged": []byte("{}")} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := b.BeginRotation(t.Context()); err == nil {
				t.Error("a rotation replaced it")
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
				t.Error("the file was changed")
			}
			if !opens(b, before) || !opens(b, person(t, b, 2)) {
				t.Error("what was loaded does not work on")
			}
		})
	}
}

func TestRotationsAtOnceMakeOneKey(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	open(t, key, dir, true)
	var wg sync.WaitGroup
	for range 8 {
		b := open(t, key, dir, false)
		wg.Go(func() {
			if err := b.BeginRotation(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, old, err := open(t, key, dir, false).PersonKeys(); err != nil || len(old) != 1 {
		t.Errorf("%d old keys, %v", len(old), err)
	}
}

func TestWhoReadsTheKeysetHoldsUpAChange(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	b := open(t, key, dir, true)
	var unlocks []func()
	for range 2 { // two that read do not hold up each other
		unlock, err := seal.LockKeyset(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		unlocks = append(unlocks, unlock)
	}
	done := make(chan error, 1)
	go func() { done <- b.BeginRotation(t.Context()) }()
	select {
	case <-done:
		t.Fatal("the keyset was changed under somebody who read it")
	case <-time.After(100 * time.Millisecond):
	}
	for _, unlock := range unlocks {
		unlock()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
