package issuance_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestOutsideTheSignersTime issues with a clock that is wrong by years: nothing
// is signed that would not verify, the caller hears to come again, and renewing
// the keys is enough.
func TestOutsideTheSignersTime(t *testing.T) {
	for name, years := range map[string]int{"expired": 3, "not yet begun": -1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			first := w.must(issuance.Certify, event("A-1", 1))
			w.now = w.now.AddDate(years, 0, 0)
			e := with(event("A-2", 1), func(e *vaccination.Event) { e.Vaccination.Date = vaccination.Date{Year: 2021, Month: 11, Day: 30} })
			w.fails(vaccination.Unavailable, issuance.Certify, e)
			if _, err := w.issue(issuance.Certify, e, with(e, func(e *vaccination.Event) { e.Vaccination.Number = 2 })); vaccination.ErrorCode(err) != vaccination.Unavailable {
				t.Errorf("a batch: %v, want unavailable", err)
			}
			if err := w.Keys.Rotate(w.ctx, "signing"); err != nil {
				t.Fatal(err)
			}
			w.must(issuance.Certify, e)
			if again := w.must(issuance.Certify, event("A-1", 1)); again.ID != first.ID {
				t.Errorf("the first record again: %+v", again)
			}
			w.checked()
		})
	}
}

// TestTheClockGoesBackAnHour certifies, corrects and revokes across it.
func TestTheClockGoesBackAnHour(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	w.now = w.now.Add(-59 * 60e9)
	second := w.must(issuance.Correct, with(event("A-1", 1), lot("PF2")))
	if second.Version != 2 {
		t.Errorf("corrected: %+v", second)
	}
	if _, err := w.Change(w.ctx, w.by, second.ID, vaccination.ActRevoke, ""); err != nil {
		t.Error(err)
	}
	w.checked()
}

// TestADamagedRecordHoldsUpNobodyElse sends one record that cannot be opened
// together with many that are well.
func TestADamagedRecordHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("DAMAGED", 1))
	w.exec("UPDATE person SET key = set_byte(key, 40, get_byte(key, 40) # 1)")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if i%10 == 0 {
				if _, err := w.issue(issuance.Certify, event("DAMAGED", 2+i)); vaccination.ErrorCode(err) != vaccination.Internal {
					t.Errorf("the damaged record: %v", err)
				}
			} else if _, err := w.issue(issuance.Certify, event(fmt.Sprint("GOOD-", i), 1)); err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
