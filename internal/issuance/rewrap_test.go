package issuance_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// beside is another process on the installation of w, with a keyset it read when
// it was started.
func (w *world) beside() *world {
	w.t.Helper()
	box, err := seal.Open(w.key, w.keys, seal.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	o := w.Options
	o.Box = box
	other := *w
	other.Service = issuance.New(o)
	return &other
}

// wrappedBy counts the people whose key a prefix wraps.
func (w *world) wrappedBy(prefix []byte) int {
	return w.count(fmt.Sprintf("SELECT count(*) FROM person WHERE substring(key FROM 1 FOR 5) = '\\x%x'", prefix))
}

// A rotation beside a server that issues: nobody's key is lost, the old key
// wraps nobody at the end, and no request fails.
func TestPersonKeysRotateBesideARunningServer(t *testing.T) {
	w := newWorld(t, "jamaica")
	server := w.beside()
	old, _, err := w.Box.PersonKeys()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	var issued atomic.Int64
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e := event(fmt.Sprintf("client %d %d", c, i), 1)
				if _, err := server.Issue(w.ctx, w.by, issuance.Certify, []vaccination.Event{e}); err != nil {
					t.Errorf("issuing during a rotation: %v", err)
					return
				}
				issued.Add(1)
			}
		})
	}
	await := func(n int64) {
		for issued.Load() < n && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	await(100)
	r, err := w.RotatePersonKeys(w.ctx, access.System("cli"), nil)
	if err != nil {
		t.Fatal(err)
	}
	await(issued.Load() + 50)
	stop()
	clients.Wait()
	t.Logf("%d rewrapped, %d issued", r.Rewrapped, issued.Load())
	if n := w.wrappedBy(old); n != 0 {
		t.Errorf("the old key wraps %d people", n)
	}
	if _, left, err := w.Box.PersonKeys(); err != nil || len(left) != 0 {
		t.Errorf("%d old keys are left, %v", len(left), err)
	}
	w.checked()
	server.checked()
	w.beside().checked()
}

// Killed between batches, it goes on with the key that was made.
func TestARotationThatWasKilledGoesOn(t *testing.T) {
	w := newWorld(t, "jamaica")
	for i := range 5 {
		w.id(fmt.Sprint(i))
	}
	// Many people more, whose keys alone matter here.
	w.exec("ALTER TABLE person DROP CONSTRAINT person_bucket_code_index_key")
	old, _, _ := w.Box.PersonKeys()
	var p query.InsertPeopleParams
	for i := range int64(4500) {
		key, _, err := w.Box.NewPersonKey(seal.AAD(7, i, "key"))
		if err != nil {
			t.Fatal(err)
		}
		p.Buckets, p.Ids, p.Codes = append(p.Buckets, 7), append(p.Ids, i), append(p.Codes, []byte("c"))
		p.Keys, p.Sealeds, p.Sources = append(p.Keys, key), append(p.Sealeds, []byte("s")), append(p.Sources, "check")
	}
	p.UpdatedAt = w.now
	if _, err := w.store.Read().InsertPeople(w.ctx, p); err != nil {
		t.Fatal(err)
	}
	kills, before := 0, 4505
	for {
		ctx, kill := context.WithCancel(w.ctx)
		_, err := w.beside().RotatePersonKeys(ctx, access.System("cli"), func(r issuance.Rotation) {
			if r.Rewrapped > 0 {
				kill()
			}
		})
		kill()
		if err == nil {
			break
		}
		kills++
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if left := w.wrappedBy(old); left >= before {
			t.Fatalf("%d are left after %d kills, %d before", left, kills, before)
		} else {
			before = left
		}
		if _, olds, _ := w.Box.PersonKeys(); len(olds) != 1 {
			t.Fatalf("%d old keys during a rotation", len(olds))
		}
	}
	if kills < 3 || w.wrappedBy(old) != 0 {
		t.Errorf("%d kills, %d people left", kills, w.wrappedBy(old))
	}
	for i := range int64(4500) {
		row, err := w.store.Read().PersonByID(w.ctx, query.PersonByIDParams{Bucket: 7, ID: i})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Box.PersonKey(row.Key, seal.AAD(7, i, "key")); err != nil {
			t.Fatalf("person %d: %v", i, err)
		}
	}
}

// Nobody is stored under a key that is being retired, and the old key is kept
// while anybody's key does not open.
func TestTheOldPersonKeyIsDestroyedOnlyWhenNothingNeedsIt(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.id("a")
	key, _, err := w.Box.NewPersonKey(seal.AAD(7, 1, "key"))
	if err != nil {
		t.Fatal(err)
	}
	insert := func(id int64, key []byte) int64 {
		n, err := w.store.Read().InsertPeople(w.ctx, query.InsertPeopleParams{
			Buckets: []int16{7}, Ids: []int64{id}, Codes: [][]byte{{byte(id)}}, Keys: [][]byte{key}, Sealeds: [][]byte{{1}}, Sources: []string{"check"}, UpdatedAt: w.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	insert(9, key) // a key of another place: it does not open here
	if _, err := w.RotatePersonKeys(w.ctx, access.System("cli"), nil); err == nil {
		t.Error("the rotation ended")
	}
	if _, olds, _ := w.Box.PersonKeys(); len(olds) != 1 {
		t.Errorf("%d old keys", len(olds))
	}
	if n := insert(1, key); n != 0 {
		t.Error("somebody is stored under the old key")
	}
	w.exec("DELETE FROM person WHERE id = 9 AND bucket = 7")
	if _, err := w.RotatePersonKeys(w.ctx, access.System("cli"), nil); err != nil {
		t.Error(err)
	}
	if _, olds, _ := w.Box.PersonKeys(); len(olds) != 0 {
		t.Errorf("%d old keys", len(olds))
	}
	w.checked()
	if n := w.count("SELECT count(*) FROM audit WHERE object = 'personal'"); n != 3 {
		t.Errorf("%d audit entries, want two beginnings and an end", n)
	}
}

// BenchmarkRotatePersonKeys measures people a second.
func BenchmarkRotatePersonKeys(b *testing.B) {
	const people = 100_000
	w := newWorld(b, "jamaica")
	w.exec("ALTER TABLE person DROP CONSTRAINT person_bucket_code_index_key")
	p := query.InsertPeopleParams{UpdatedAt: w.now}
	sealed := make([]byte, 400)
	for i := range int64(people) {
		bucket := int16(i % 1024)
		key, _, err := w.Box.NewPersonKey(seal.AAD(vaccination.Bucket(bucket), i, "key"))
		if err != nil {
			b.Fatal(err)
		}
		p.Buckets, p.Ids, p.Codes = append(p.Buckets, bucket), append(p.Ids, i), append(p.Codes, []byte("c"))
		p.Keys, p.Sealeds, p.Sources = append(p.Keys, key), append(p.Sealeds, sealed), append(p.Sources, "check")
	}
	if _, err := w.store.Read().InsertPeople(w.ctx, p); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r, err := w.RotatePersonKeys(w.ctx, access.System("bench"), nil); err != nil || r.Rewrapped != people {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds(), "people/s")
}
