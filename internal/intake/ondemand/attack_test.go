package ondemand_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

// ask asks by national id for somebody who may be refused.
func (w *world) ask(number string) (ondemand.Answer, error) {
	return w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: number})
}

// TestAStrangerLocksNobodyOut: wrong tries for somebody's record keep them out
// for a quarter of an hour, and what they prove clears the counts.
func TestAStrangerLocksNobodyOut(t *testing.T) {
	w := newWorld(t, replay.Options{})
	for range 2 {
		a := w.start(nimal)
		for range 5 {
			_, err := w.Prove(w.Ctx, a.Challenge, "000000", "2021-06-16")
			refused(t, "a stranger's try", err, vaccination.Forbidden)
		}
	}
	_, err := w.ask(nimal)
	refused(t, "at once", err, vaccination.TooMany)
	if err == nil || !strings.Contains(err.Error(), "in 15 minutes") {
		t.Errorf("told: %v", err)
	}
	if a, err := w.ask(kumari); err != nil || a.Outcome != ondemand.CodeSent {
		t.Errorf("somebody else: %+v, %v", a, err)
	}
	w.Pass(15*time.Minute + time.Second)
	if _, err := w.Prove(w.Ctx, w.start(nimal).Challenge, w.sent.code, "2021-06-16"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // as if nothing had been
		w.start(nimal)
	}
}

// TestWhoKeepsGuessing gets some tries and codes a day, whatever they do.
func TestWhoKeepsGuessing(t *testing.T) {
	w := newWorld(t, replay.Options{})
	var tries, longest int
	const minutes = 2 * 24 * 60
	for minute, since := 0, 0; minute < minutes; minute++ {
		w.Pass(time.Minute)
		a, err := w.ask(nimal)
		if err != nil {
			longest = max(longest, minute-since)
			continue
		}
		since = minute
		for err == nil || vaccination.ErrorCode(err) == vaccination.Forbidden {
			if _, err = w.Prove(w.Ctx, a.Challenge, "00000x", "2021-06-16"); vaccination.ErrorCode(err) == vaccination.Forbidden {
				tries++
			}
		}
	}
	t.Logf("in two days: %d tries, %d codes, at most %d minutes of waiting", tries, w.sent.times, longest)
	if tries > 110 || w.sent.times > 25 || longest > 4*60+1 {
		t.Errorf("in two days: %d tries, %d codes, %d minutes of waiting", tries, w.sent.times, longest)
	}
}

// TestGuessingInParallel: a challenge has five tries, however many come at once.
func TestGuessingInParallel(t *testing.T) {
	w := newWorld(t, replay.Options{})
	a := w.start(nimal)
	var mu sync.Mutex
	got := map[vaccination.Code]int{}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := w.Prove(w.Ctx, a.Challenge, fmt.Sprintf("x%05d", i), "2021-06-16")
			mu.Lock()
			defer mu.Unlock()
			got[vaccination.ErrorCode(err)]++
		})
	}
	all.Wait()
	if got[vaccination.Forbidden] != 5 || got[vaccination.NotFound] != 15 {
		t.Errorf("20 guesses at once: %v", got)
	}
	// Asking in parallel sends no more either, and leaves one code that counts.
	got = map[vaccination.Code]int{}
	var challenges []string
	for range 12 {
		all.Go(func() {
			a, err := w.ask(kumari)
			mu.Lock()
			defer mu.Unlock()
			got[vaccination.ErrorCode(err)]++
			if err == nil {
				challenges = append(challenges, a.Challenge)
			}
		})
	}
	all.Wait()
	if got[""] != 3 || got[vaccination.TooMany] != 9 {
		t.Errorf("12 questions at once: %v", got)
	}
	live := 0
	for _, c := range challenges {
		if _, err := w.Prove(w.Ctx, c, "x", "x"); vaccination.ErrorCode(err) == vaccination.Forbidden {
			live++
		}
	}
	if live != 1 {
		t.Errorf("%d codes of one record count", live)
	}
}

// TestACodeIsOfItsChallenge: a code and an answer are good for the record they
// are about alone.
func TestACodeIsOfItsChallenge(t *testing.T) {
	w := newWorld(t, replay.Options{})
	mine := w.start(kumari)
	code := w.sent.code
	other := w.start(nimal)
	_, err := w.Prove(w.Ctx, other.Challenge, code, "2021-06-16")
	refused(t, "the code of another challenge", err, vaccination.Forbidden)
	_, err = w.Prove(w.Ctx, mine.Challenge, code, "2021-06-16")
	refused(t, "the answer of another record", err, vaccination.Forbidden)
	wrong := err
	_, err = w.Prove(w.Ctx, other.Challenge, "000000", "2021-06-16")
	if strings.Split(wrong.Error(), ":")[0] != strings.Split(err.Error(), ":")[0] {
		t.Errorf("a wrong answer and a wrong code are told apart: %v, %v", wrong, err)
	}
	got, err := w.Prove(w.Ctx, mine.Challenge, code, "2021-07-29")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Page(w.Ctx, other.Challenge, got.Certificates[0], "pdf")
	refused(t, "a certificate by a challenge that is not proven", err, vaccination.NotFound)
	second := w.start(nimal)
	if _, err := w.Prove(w.Ctx, second.Challenge, w.sent.code, "2021-06-16"); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Page(w.Ctx, second.Challenge, got.Certificates[0], "pdf")
	refused(t, "somebody else's certificate", err, vaccination.NotFound)
}

// TestWhatAStrangerIsToldIsRecorded, as each answer about one record says that
// there is one.
func TestWhatAStrangerIsToldIsRecorded(t *testing.T) {
	w := newWorld(t, replay.Options{})
	for _, number := range []string{"198012300000", sunil, rohan, dilani, nimal} {
		w.start(number)
	}
	rows, err := w.House.Store.Pool().Query(w.Ctx, "SELECT act || ' ' || detail FROM audit WHERE act LIKE 'on-demand.%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var act string
		if err := rows.Scan(&act); err != nil {
			t.Fatal(err)
		}
		got = append(got, act)
	}
	slices.Sort(got)
	want := []string{
		"on-demand.asked dhis2 ambiguous", "on-demand.asked dhis2 ambiguous", "on-demand.asked dhis2 incomplete", "on-demand.asked dhis2 no-number", "on-demand.code dhis2",
	}
	if rows.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("recorded %q, %v; want %q", got, rows.Err(), want)
	}
}

// TestNothingToAsk: where the record knows nothing that could be asked beside the
// code, nobody is told that somebody will look at it.
func TestNothingToAsk(t *testing.T) {
	w := newWorld(t, replay.Options{})
	p := *w.OnDemand.Issuance.Profile
	p.OtherFactor = "nothing that is known"
	w.OnDemand.Issuance.Profile = &p
	if a := w.start(nimal); a.Outcome != ondemand.NoFactor || a.Challenge != "" || w.sent.times != 0 {
		t.Errorf("answer %+v", a)
	}
	if c, err := w.Intake.Counts(w.Ctx); err != nil || c["dhis2"].In != 0 {
		t.Errorf("the ledger: %+v, %v", c["dhis2"], err)
	}
}
