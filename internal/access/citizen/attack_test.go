package citizen_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/vaccination"
)

// TestUnknownNumbersGetTheSame: no answer, no row and no time says who is on
// record, only what is sent.
func TestUnknownNumbersGetTheSame(t *testing.T) {
	w := newWorld(t)
	var waits []time.Duration
	w.Wait = func(_ context.Context, until time.Time) { waits = append(waits, until.Sub(w.h.Now())) }
	story := func(number string) string {
		var log []string
		for range 5 {
			secret, err := w.Start(w.ctx, citizen.Ask{Number: number, Language: "en"}, "")
			log = append(log, fmt.Sprint(len(secret), err))
			if err != nil {
				w.h.Pass(20 * time.Second)
				continue
			}
			p, err := w.Asked(w.ctx, secret)
			log = append(log, fmt.Sprint(len(p.Number), p.Specimen, p.Left, err))
			_, err = w.Prove(w.ctx, secret, "00000x", "")
			log = append(log, fmt.Sprint(err))
			w.h.Pass(20 * time.Second)
		}
		return strings.Join(log, "\n")
	}
	base := w.counts()
	known := story("8765550142")
	sent, middle := w.sent.times(), w.counts()
	unknown := story("8765550999")
	if known != unknown {
		t.Errorf("a number on record:\n%s\n\none that is not:\n%s", known, unknown)
	}
	if sent != 2 || w.sent.times() != sent {
		t.Errorf("%d codes were sent to the known number, %d to the unknown", sent, w.sent.times()-sent)
	}
	// As many rows each.
	if added(base, middle) != added(middle, w.counts()) {
		t.Errorf("rows before %s, then %s, then %s", base, middle, w.counts())
	}
	for _, wait := range waits {
		if wait != citizen.Answer {
			t.Errorf("an answer after %v", waits)
			break
		}
	}
	if len(waits) != 10 {
		t.Errorf("%d of 10 answers waited", len(waits))
	}
}

// added are the differences of numbers in two texts of the same form.
func added(before, after string) (out string) {
	a := strings.Fields(after)
	for i, b := range strings.Fields(before) {
		var x, y int
		_, _ = fmt.Sscan(b, &x)
		_, _ = fmt.Sscan(a[i], &y)
		out += fmt.Sprint(y-x, " ")
	}
	return out
}

func TestTriesAreCounted(t *testing.T) {
	w := newWorld(t)
	secret := w.ask("8765550142")
	for i := range citizen.CodeTries {
		_, err := w.Prove(w.ctx, secret, w.wrong(), "")
		refused(t, fmt.Sprint("wrong code ", i+1), err, vaccination.Forbidden)
	}
	_, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
	refused(t, "the right code after five wrong ones", err, vaccination.NotFound)
	_, err = w.Asked(w.ctx, secret)
	refused(t, "what is asked of it", err, vaccination.NotFound)
}

// TestGuessingInParallel: five tries are five, however many come at once.
func TestGuessingInParallel(t *testing.T) {
	w := newWorld(t)
	secret := w.ask("8765550142")
	got := atOnce(40, func(i int) error {
		_, err := w.Prove(w.ctx, secret, fmt.Sprintf("%06dx", i)[1:], "")
		return err
	})
	if got[vaccination.Forbidden] != citizen.CodeTries || got[vaccination.NotFound] != 40-citizen.CodeTries {
		t.Errorf("40 guesses at once: %v", got)
	}
	// Asking at once sends one code.
	got = atOnce(12, func(int) error {
		_, err := w.Start(w.ctx, citizen.Ask{Number: "8765550199"}, "")
		return err
	})
	if got[""] != 1 || got[vaccination.TooMany] != 11 {
		t.Errorf("12 questions at once: %v", got)
	}
}

// TestACodeCountsOnce, also when it is given back many times at once.
func TestACodeCountsOnce(t *testing.T) {
	w := newWorld(t)
	secret := w.ask("8765550142")
	got := atOnce(8, func(int) error {
		_, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
		return err
	})
	if got[""] != 1 || got[vaccination.NotFound] != 7 {
		t.Errorf("8 at once: %v", got)
	}
	_, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
	refused(t, "a second time", err, vaccination.NotFound)
}

func TestACodeEndsInFiveMinutes(t *testing.T) {
	w := newWorld(t)
	secret := w.ask("8765550142")
	w.h.Pass(citizen.CodeLife)
	_, err := w.Prove(w.ctx, secret, w.sent.last().code, "")
	refused(t, "late", err, vaccination.NotFound)
}

// TestANewCodeEndsTheOneBefore: of its number, by whichever browser, and of its
// browser, for whichever number.
func TestANewCodeEndsTheOneBefore(t *testing.T) {
	w := newWorld(t)
	first := w.ask("8765550142")
	code := w.sent.last().code
	w.h.Pass(time.Minute)
	second := w.ask("8765550142")
	_, err := w.Prove(w.ctx, first, code, "")
	refused(t, "the code before", err, vaccination.NotFound)
	_, err = w.Prove(w.ctx, second, code, "")
	if code != w.sent.last().code {
		refused(t, "the code before with the new cookie", err, vaccination.Forbidden)
	}
	third, err := w.Start(w.ctx, citizen.Ask{Number: "8765550199"}, second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Asked(w.ctx, second)
	refused(t, "the browser's code for another number", err, vaccination.NotFound)
	if _, err := w.Prove(w.ctx, third, w.sent.last().code, ""); err != nil {
		t.Error(err)
	}
}

// TestACodeIsOfItsBrowser: who reads a code over somebody's shoulder has no use
// of it, and a code for one's own number opens nobody else's.
func TestACodeIsOfItsBrowser(t *testing.T) {
	w := newWorld(t)
	victim := w.ask("8765550142")
	code := w.sent.last().code
	mine := w.ask("8765550199")
	own := w.sent.last().code
	if code == own {
		t.Skip("two equal codes: one in a million")
	}
	_, err := w.Prove(w.ctx, mine, code, "")
	refused(t, "somebody's code in my browser", err, vaccination.Forbidden)
	_, err = w.Prove(w.ctx, victim, own, "")
	refused(t, "my code with somebody's cookie", err, vaccination.Forbidden)
	for _, secret := range []string{"", "x", victim + "A", strings.ToUpper(victim), victim[1:]} {
		_, err := w.Prove(w.ctx, secret, code, "")
		refused(t, "another cookie", err, vaccination.NotFound)
	}
	session, err := w.Prove(w.ctx, mine, own, "")
	if err != nil {
		t.Fatal(err)
	}
	if people := w.reach(w.session(session)); len(people) != 1 || people[0].EnrolmentCode() != "OTHER" {
		t.Errorf("reached %d people", len(people))
	}
	// The cookie of a code is no session, nor the other way round.
	_, err = w.Session(w.ctx, victim)
	refused(t, "the cookie of a code as a session", err, vaccination.Unauthorized)
	_, err = w.Prove(w.ctx, session, own, "")
	refused(t, "a session as the cookie of a code", err, vaccination.NotFound)
}

// TestASessionIsNew: a secret that somebody planted in the browser becomes no
// session, and the browser's own one before ends.
func TestASessionIsNew(t *testing.T) {
	w := newWorld(t)
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAA"
	first, err := w.Prove(w.ctx, w.ask("8765550142"), w.sent.last().code, planted)
	if err != nil || first == planted {
		t.Fatalf("session %q, %v", first, err)
	}
	_, err = w.Session(w.ctx, planted)
	refused(t, "what was planted", err, vaccination.Unauthorized)
	second, err := w.Prove(w.ctx, w.ask("8765550199"), w.sent.last().code, first)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Session(w.ctx, first)
	refused(t, "the session before", err, vaccination.Unauthorized)
	if people := w.reach(w.session(second)); len(people) != 1 {
		t.Errorf("the new session reaches %d people", len(people))
	}
}

// TestForeignRecords: a session opens and shows none but whom it reaches.
func TestForeignRecords(t *testing.T) {
	w := newWorld(t)
	mine, theirs := w.enter("8765550199"), w.enter("8765550142")
	victim := w.reach(theirs)[0]
	id := victim.Records[0].ID
	_, _, err := w.h.Service.OpenedPage(w.ctx, mine, id, "test")
	refused(t, "somebody else's certificate", err, vaccination.NotFound)
	_, _, err = w.h.Service.OpenedPage(w.ctx, theirs, id, "test")
	refused(t, "one that was not opened", err, vaccination.NotFound)
	// Even opened by the layer below, it is not reached.
	if err := w.OpenRecord(w.ctx, mine, victim.Ref, true); err != nil {
		t.Fatal(err)
	}
	mine.Opened = append(mine.Opened, victim.Ref)
	_, _, err = w.h.Service.OpenedPage(w.ctx, mine, id, "test")
	refused(t, "opened, and not reached", err, vaccination.NotFound)
	for _, p := range w.reach(mine) {
		if p.Ref == victim.Ref {
			t.Error("somebody else's record is in the list")
		}
	}
}

// TestThreeTriesForARecord count over all sessions, at once too, and then nothing
// opens it for a month.
func TestThreeTriesForARecord(t *testing.T) {
	w := newWorld(t)
	a, b := w.enter("8765550142"), w.enter("8765550142")
	ref := w.reach(a)[0].Ref
	refused(t, "a wrong answer", w.OpenRecord(w.ctx, a, ref, false), vaccination.Forbidden)
	got := atOnce(10, func(i int) error { return w.OpenRecord(w.ctx, []*citizen.Session{a, b}[i%2], ref, false) })
	if got[vaccination.Forbidden] != citizen.OpenTries-1 || got[vaccination.TooMany] != 10-(citizen.OpenTries-1) {
		t.Errorf("10 answers at once: %v", got)
	}
	refused(t, "the right answer", w.OpenRecord(w.ctx, b, ref, true), vaccination.TooMany)
	if err := w.OpenRecord(w.ctx, b, w.reach(a)[1].Ref, true); err != nil {
		t.Errorf("somebody else under the number: %v", err)
	}
	w.h.Pass(citizen.ClosedTime - time.Minute)
	refused(t, "almost a month later", w.OpenRecord(w.ctx, a, ref, true), vaccination.TooMany)
	w.h.Pass(time.Minute)
	if err := w.OpenRecord(w.ctx, w.enter("8765550142"), ref, true); err != nil {
		t.Errorf("a month later: %v", err)
	}
	// A right answer clears the count; staff do too.
	c := w.enter("8765550142")
	for range 2 {
		refused(t, "wrong", w.OpenRecord(w.ctx, c, ref, false), vaccination.Forbidden)
	}
	if err := w.OpenRecord(w.ctx, c, ref, true); err != nil {
		t.Error(err)
	}
	for range 3 {
		refused(t, "wrong", w.OpenRecord(w.ctx, c, ref, false), vaccination.Forbidden)
	}
	refused(t, "by a citizen", w.Reopen(w.ctx, c.Caller, ref, "passport"), vaccination.Forbidden)
	refused(t, "without a document", w.Reopen(w.ctx, w.h.Admin, ref, "a smile"), vaccination.Invalid)
	if err := w.Reopen(w.ctx, w.h.Admin, ref, "passport"); err != nil {
		t.Fatal(err)
	}
	if err := w.OpenRecord(w.ctx, c, ref, true); err != nil {
		t.Errorf("after staff opened it again: %v", err)
	}
}

// TestAClinicsNumberOpensNobody: a number of very many people says nothing of who
// is asking.
func TestAClinicsNumberOpensNobody(t *testing.T) {
	w := newWorld(t)
	for i := range 21 {
		w.issue(fmt.Sprint("CLINIC", i), "Patient Number", fmt.Sprintf("19%02d-01-01", 60+i), "tel:8765550777")
	}
	w.ask("8765550777")
	if w.sent.times() != 0 {
		t.Error("a code was sent to a clinic's number")
	}
}

// TestWhatIsStored reads the tables as text.
func TestWhatIsStored(t *testing.T) {
	w := newWorld(t)
	secret, err := w.Start(w.ctx, citizen.Ask{Number: "8765550142", Email: address}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := w.enter("8765550199")
	if err := w.OpenRecord(w.ctx, s, w.reach(s)[0].Ref, true); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"citizen_challenge", "citizen_session", "citizen_opened", "citizen_person", "audit"} {
		rows, err := w.h.Store.Pool().Query(w.ctx, "SELECT x::text FROM "+table+" x")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			for _, marked := range []string{secret, "5550142", "5550199", "marcia", w.sent.last().code} {
				if strings.Contains(text, marked) || strings.Contains(text, fmt.Sprintf("%x", marked)) && len(marked) > 6 {
					t.Errorf("%s holds %q", table, marked)
				}
			}
		}
		rows.Close()
	}
}

// atOnce runs f so many times at once and counts how it ended.
func atOnce(n int, f func(i int) error) map[vaccination.Code]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[vaccination.Code]int{}
	for i := range n {
		all.Go(func() {
			err := f(i)
			mu.Lock()
			defer mu.Unlock()
			got[vaccination.ErrorCode(err)]++
		})
	}
	all.Wait()
	return got
}
