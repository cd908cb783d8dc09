package issuance_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestEverythingAtOnceOnOnePerson lets every act meet every other on the doses
// of one person. Each call ends with an answer of the rules, never with a fault,
// and what is stored agrees with itself and with what was answered.
func TestEverythingAtOnceOnOnePerson(t *testing.T) {
	w := newWorld(t, "jamaica")
	admin := access.System("test")
	var mu sync.Mutex
	issued := map[vaccination.CertificateID]bool{}
	var last vaccination.CertificateID
	note := func(r issuance.Result) {
		mu.Lock()
		defer mu.Unlock()
		last = r.ID
		if r.Outcome == issuance.Issued || r.Outcome == issuance.Corrected {
			if issued[r.ID] {
				t.Errorf("%s was issued twice", r.ID)
			}
			issued[r.ID] = true
		}
	}
	allowed := func(what string, err error) {
		switch vaccination.ErrorCode(err) {
		case "", vaccination.Conflict, vaccination.NotFound, vaccination.Revoked, vaccination.Invalid:
		case vaccination.Unavailable: // lost every race it ran; rare
			t.Logf("%s: %v", what, err)
		default:
			t.Errorf("%s: %v", what, err)
		}
	}
	const workers, rounds = 8, 25
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			for range rounds {
				dose, content := 1+rnd.IntN(3), lot(fmt.Sprint("L", rnd.IntN(60)))
				e := with(event("A-1", dose), content)
				switch what := rnd.IntN(6); what {
				case 0, 1:
					both := []vaccination.Event{e, with(event("A-1", 1+dose%3), content)}
					r, err := w.issue(issuance.Certify, both...)
					allowed("certify", err)
					for _, r := range r {
						note(r)
					}
				case 2, 3:
					both := []vaccination.Event{with(event("A-1", 1+dose%3), content), e}
					r, err := w.issue(issuance.Correct, both...)
					allowed("correct", err)
					for _, r := range r {
						note(r)
					}
				case 4:
					_, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", nil, "test")
					allowed("revoke", err)
				case 5:
					mu.Lock()
					id := last
					mu.Unlock()
					r, err := w.ReissueByID(w.ctx, admin, id, "")
					allowed("reissue", err)
					if err == nil {
						note(r)
					}
				}
			}
		})
	}
	wg.Wait()
	records, err := w.ByCode(w.ctx, w.by, "", "A-1", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if !issued[r.ID] {
			t.Errorf("%s is stored, and nobody heard of it", r.ID)
		}
		delete(issued, r.ID)
	}
	for id := range issued {
		t.Errorf("%s was acknowledged and is lost", id)
	}
	t.Logf("%d certificates", len(records))
	w.checked()
}

// TestBatchesInOppositeOrder issues batches that share people, in opposite
// orders, all at once: nobody waits for a deadlock to be found.
func TestBatchesInOppositeOrder(t *testing.T) {
	w := newWorld(t, "jamaica")
	const people, callers = 400, 6
	for round, action := range []issuance.Action{issuance.Certify, issuance.Correct} {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				var batch []vaccination.Event
				for p := range people {
					batch = append(batch, with(event(fmt.Sprint("P-", p), 1), lot(fmt.Sprint("R", round))))
				}
				if i%2 == 1 {
					slices.Reverse(batch)
				}
				if _, err := w.issue(action, batch...); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		t.Logf("round %d: %v", round, time.Since(start))
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != 2*people {
		t.Errorf("%d certificates, want %d", n, 2*people)
	}
	if n := w.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	w.checked()
}

// TestManyCorrectionsAtOnce runs more corrections of one record than a caller
// has tries.
func TestManyCorrectionsAtOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A", 1))
	const callers = 24
	failures := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			_, failures[i] = w.issue(issuance.Correct, with(event("A", 1), lot(fmt.Sprint("C", i))))
		})
	}
	wg.Wait()
	done := 0
	for i, err := range failures {
		var shown *vaccination.Error
		switch {
		case err == nil:
			done++
		case !errors.As(err, &shown) || shown.Code != vaccination.Unavailable:
			t.Errorf("correction %d: %v", i, err)
		}
	}
	if n := w.count("SELECT count(*) FROM certificate"); n != done+1 || done < callers/2 {
		t.Errorf("%d versions after %d corrections of %d", n, done, callers)
	}
	w.checked()
}

// TestTwoProcessesShareNoPosition issues by two services on one database, over
// the end of a status list.
func TestTwoProcessesShareNoPosition(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.exec("UPDATE bucket_group SET status_next = 131072 - 100")
	var wg sync.WaitGroup
	for i, s := range []*issuance.Service{w.Service, issuance.New(w.Options)} {
		wg.Go(func() {
			for batch := range 3 {
				var events []vaccination.Event
				for dose := 1; dose <= 40; dose++ {
					events = append(events, event(fmt.Sprintf("P-%d", batch), 40*i+dose))
				}
				if _, err := s.Issue(w.ctx, w.by, issuance.Certify, events); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := w.count("SELECT count(DISTINCT (status_list, status_index)) FROM certificate"); n != 240 {
		t.Errorf("%d positions for 240 certificates", n)
	}
	w.checked()
}
