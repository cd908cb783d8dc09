package issuance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// TestABundleIsGoodForASecond revokes again and again: a bundle is made once a
// second at most, and none is older than that.
func TestABundleIsGoodForASecond(t *testing.T) {
	w := newWorld(t, "jamaica")
	var events []vaccination.Event
	for dose := 1; dose <= 6; dose++ {
		events = append(events, event("A-1", dose))
	}
	results, err := w.issue(issuance.Certify, events...)
	if err != nil {
		t.Fatal(err)
	}
	w.bundle()
	for i, r := range results {
		w.now = w.now.Add(400 * time.Millisecond)
		if _, err := w.Change(w.ctx, w.by, r.ID, vaccination.ActRevoke, ""); err != nil {
			t.Fatal(err)
		}
		made := w.bundle()
		if want := (i + 1) / 3 * 3; made.Status[0].Revoked.Len() != want { // at 0, 1.2 and 2.4 s
			t.Errorf("after %v the bundle names %d revoked, want %d", time.Duration(i+1)*400*time.Millisecond, made.Status[0].Revoked.Len(), want)
		}
	}
	// With the clock gone back, a bundle is not kept for longer.
	w.now = w.now.Add(-10 * time.Second)
	if made := w.bundle(); made.Status[0].Revoked.Len() != len(results) {
		t.Errorf("with the clock gone back it names %d revoked", made.Status[0].Revoked.Len())
	}
}

// TestTheSameBundleWhileNothingChanges asks for a large one again and again: it
// is a new one when something changed, wherever that was, or after an hour.
func TestTheSameBundleWhileNothingChanges(t *testing.T) {
	w := newWorld(t, "jamaica")
	small := w.bundle()
	if w.now = w.now.Add(time.Minute); w.bundle().Version == small.Version {
		t.Error("a small one is not made anew")
	}
	w.withdrawn(90_000)
	other := issuance.New(w.Options) // a second process
	id, soon := w.must(issuance.Certify, event("A-1", 1)).ID, w.must(issuance.Certify, event("A-2", 1)).ID
	if err := w.Suspend(w.ctx, w.by, soon, w.now.Add(30*time.Minute), ""); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	last := w.bundle().Version
	for _, step := range []struct {
		why   string
		after time.Duration
		do    func() error
		want  bool // a new one
	}{
		{"nothing happened", time.Minute, nil, false},
		{"nothing happened for longer", 20 * time.Minute, nil, false},
		{"something was done and undone", time.Minute, func() error {
			_, err := w.Change(w.ctx, w.by, id, vaccination.ActSuspend, "")
			if err == nil {
				_, err = w.Change(w.ctx, w.by, id, vaccination.ActLift, "")
			}
			return err
		}, false},
		{"a suspension ended", 8 * time.Minute, nil, true},
		{"another process revoked", time.Minute, func() error {
			_, err := other.Change(w.ctx, w.by, id, vaccination.ActRevoke, "")
			return err
		}, true},
		{"half an hour went by", 30 * time.Minute, nil, false},
		{"an hour went by", 30 * time.Minute, nil, true},
		{"the clock went back", -10 * time.Minute, nil, true},
	} {
		w.now = w.now.Add(step.after)
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
		}
		b := w.bundle()
		if fresh := b.Version != last; fresh != step.want {
			t.Errorf("%s: a new bundle: %t", step.why, fresh)
		}
		if fresh := b.Issued.Equal(w.now); fresh != step.want {
			t.Errorf("%s: it is of %v, now is %v", step.why, b.Issued, w.now)
		}
		last = b.Version
	}
}

// TestABundleIsMadeForAll goes away while it is made.
func TestABundleIsMadeForAll(t *testing.T) {
	w := newWorld(t, "jamaica")
	gone, stop := context.WithCancel(w.ctx)
	stop()
	if _, err := w.TrustBundle(gone); err != nil {
		t.Error(err)
	}
}

// TestBundlesNameTheRules publishes one file of acceptance rules and then others: the
// same has the same number and date also after another process made a bundle, another a
// higher one, and one that comes back does so as the newest.
func TestBundlesNameTheRules(t *testing.T) {
	w := newWorld(t, "jamaica")
	if w.bundle().Rules != nil {
		t.Error("rules are named, and there are none")
	}
	said := map[string]*trust.RulesNote{}
	last := int64(0)
	for _, file := range []string{"one", "one", "two", "one"} {
		w.now = w.now.Add(time.Minute)
		before := said[file]
		other := issuance.New(w.Options)
		other.Rules = []byte(file)
		for _, s := range []*issuance.Service{other, issuance.New(other.Options)} {
			data, err := s.TrustBundle(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			b, err := trust.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			said[file] = b.Rules
		}
		note := said[file]
		sum := sha256.Sum256([]byte(file))
		if note == nil || !bytes.Equal(note.SHA256, sum[:]) {
			t.Fatalf("%s: %+v", file, note)
		}
		same := before != nil && before.Version == last
		if same && (note.Version != last || !note.Changed.Equal(before.Changed)) || !same && (note.Version <= last || !note.Changed.Equal(w.now.Truncate(time.Second))) {
			t.Errorf("%s: %+v after number %d", file, note, last)
		}
		last = note.Version
	}
}
