package ondemand_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

// The replay's named people: see test/dhis2/replay.
const (
	nimal    = "871120015V" // +94700000001, two doses, the first on 16 June 2021
	kumari   = "199280800020"
	sunil    = "590090065V" // no number on record
	rohan    = "900750085V" // two records
	dilani   = "836820105V" // a vaccine that the mapping does not know
	estimate = "EPI_100007" // no card; an estimated birth date
)

func TestFromNumberToCertificate(t *testing.T) {
	for _, number := range []string{nimal, "198711200015", "87112 0015 v"} {
		t.Run(number, func(t *testing.T) {
			w := newWorld(t, replay.Options{})
			a := w.start(number)
			if a.Outcome != ondemand.CodeSent || a.Factor != profile.FactorDoseDate || a.Phone != "•••01" || a.Specimen != "" {
				t.Fatalf("answer %+v", a)
			}
			if w.sent.number != "+94700000001" || len(w.sent.code) != 6 {
				t.Fatalf("%q was sent to %q", w.sent.code, w.sent.number)
			}
			got, err := w.Prove(w.Ctx, a.Challenge, w.sent.code, "2021-09-15")
			if err != nil || len(got.Certificates) != 2 || got.Waiting != 0 {
				t.Fatalf("given %+v, %v", got, err)
			}
			records, err := w.Records(w.Ctx, a.Challenge, "list")
			if err != nil || len(records) != 2 || records[0].Certificate.Name != "නිමල් පෙරේරා" || records[0].Certificate.Vaccination.Product != "vaxzevria" {
				t.Errorf("records %v, %v", records, err)
			}
			doses, _, err := w.Page(w.Ctx, a.Challenge, got.Certificates[1], "pdf")
			if err != nil || len(doses) != 2 {
				t.Errorf("a page of %d doses, %v", len(doses), err)
			}
			// The next time it is the same certificates.
			again := w.start(number)
			second, err := w.Prove(w.Ctx, again.Challenge, w.sent.code, "2021-06-16")
			if err != nil || !same(second.Certificates, got.Certificates) {
				t.Errorf("again %v, %v", second, err)
			}
			counts, err := w.Intake.Counts(w.Ctx)
			if c := counts["dhis2"]; err != nil || c.In != c.Waiting+c.Issued+c.Unchanged+c.Held+c.Rejected || c.Issued != 2 {
				t.Errorf("the ledger: %+v, %v", c, err)
			}
		})
	}
}

// same reports whether two lists hold the same certificates.
func same(a, b []vaccination.CertificateID) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(id vaccination.CertificateID) bool { return !slices.Contains(b, id) })
}

func TestAnswersAreDistinct(t *testing.T) {
	w := newWorld(t, replay.Options{})
	for number, want := range map[string]ondemand.Outcome{
		"198012300000": ondemand.NobodyFound,
		sunil:          ondemand.NoNumber,
		rohan:          ondemand.Ambiguous,
		dilani:         ondemand.Incomplete,
		kumari:         ondemand.CodeSent,
	} {
		if a := w.start(number); a.Outcome != want || (a.Reference != "") != (want == ondemand.Ambiguous || want == ondemand.Incomplete) || (a.Challenge != "") != (want == ondemand.CodeSent) {
			t.Errorf("%s: %+v, want %s", number, a, want)
		}
	}
	if w.sent.times != 1 {
		t.Errorf("%d codes were sent", w.sent.times)
	}
	_, err := w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: "12"})
	refused(t, "no number", err, vaccination.Invalid)
	// What a person must look at is held.
	if err := w.Intake.Process(w.Ctx, "dhis2"); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Intake.Counts(w.Ctx); err != nil || c["dhis2"].Held == 0 {
		t.Errorf("held: %+v, %v", c["dhis2"], err)
	}
}

func TestWhatProvesAPerson(t *testing.T) {
	w := newWorld(t, replay.Options{})
	person := w.Replay.Add("Chamari Silva", "1990-02-03", "", "0711111111")
	system := ""
	for _, p := range w.Replay.People() {
		if p.ID == person {
			system = p.SystemID
		}
	}
	ask := func(number string) ondemand.Answer {
		a, err := w.Start(w.Ctx, ondemand.Ask{Kind: ondemand.SystemID, Number: number})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	// The birth date, where the number typed does not tell it.
	a := ask(system)
	if a.Factor != profile.FactorBirthDate {
		t.Fatalf("a known birth date: asked for %s", a.Factor)
	}
	_, err := w.Prove(w.Ctx, a.Challenge, w.sent.code, "1990-03-02")
	refused(t, "another birth date", err, vaccination.Forbidden)
	if _, err := w.Prove(w.Ctx, a.Challenge, w.sent.code, "1990-02-03"); err != nil {
		t.Errorf("the birth date: %v", err)
	}
	// An estimated one proves nothing.
	if a := ask(estimate); a.Factor != profile.FactorDoseDate {
		t.Errorf("an estimated birth date: asked for %s", a.Factor)
	}
	for _, partial := range []string{"1990", "1990-02", ""} {
		w.Replay.SetAttribute(person, replay.BirthDate, partial)
		if a := ask(system); a.Factor != profile.FactorDoseDate {
			t.Errorf("birth date %q: asked for %s", partial, a.Factor)
		}
	}
	// The card's number tells its birth date.
	if a := w.start(nimal); a.Factor != profile.FactorDoseDate {
		t.Errorf("a number that tells the birth date: asked for %s", a.Factor)
	}
	if _, err := w.Prove(w.Ctx, w.start(nimal).Challenge, w.sent.code, "1987-04-21"); err == nil {
		t.Error("the birth date that the number tells was taken")
	}
}

func TestTriesAreCounted(t *testing.T) {
	w := newWorld(t, replay.Options{})
	a := w.start(nimal)
	first := w.sent.code
	for i := range 5 {
		_, err := w.Prove(w.Ctx, a.Challenge, "000000", "2021-06-16")
		refused(t, fmt.Sprint("wrong code ", i+1), err, vaccination.Forbidden)
		if !strings.Contains(err.Error(), fmt.Sprintf("%d more", 4-i)) {
			t.Errorf("told: %v", err)
		}
	}
	_, err := w.Prove(w.Ctx, a.Challenge, first, "2021-06-16")
	refused(t, "the right code after five wrong ones", err, vaccination.NotFound)
	// Asking anew, by the other form of the number, gives no more than ten.
	b := w.start("198711200015")
	for range 5 {
		_, err = w.Prove(w.Ctx, b.Challenge, "000000", "2021-06-16")
		refused(t, "wrong again", err, vaccination.Forbidden)
	}
	_, err = w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal})
	refused(t, "a new code after ten wrong ones", err, vaccination.TooMany)
	w.Pass(25 * time.Hour)
	if a := w.start(nimal); a.Outcome != ondemand.CodeSent {
		t.Errorf("a day later: %+v", a)
	}
}

func TestACodeEnds(t *testing.T) {
	w := newWorld(t, replay.Options{})
	old := w.start(nimal)
	oldCode := w.sent.code
	a := w.start(nimal)
	_, err := w.Prove(w.Ctx, old.Challenge, oldCode, "2021-06-16")
	refused(t, "a code before the newest", err, vaccination.NotFound)
	w.Pass(5*time.Minute + time.Second)
	_, err = w.Prove(w.Ctx, a.Challenge, w.sent.code, "2021-06-16")
	refused(t, "a code after five minutes", err, vaccination.NotFound)
	b := w.start(kumari)
	if _, err := w.Prove(w.Ctx, b.Challenge, w.sent.code, "2021-07-29"); err != nil {
		t.Fatal(err)
	}
	_, err = w.Prove(w.Ctx, b.Challenge, w.sent.code, "2021-07-29")
	refused(t, "a code twice", err, vaccination.NotFound)
	w.Pass(16 * time.Minute)
	_, err = w.Records(w.Ctx, b.Challenge, "list")
	refused(t, "certificates after a quarter of an hour", err, vaccination.NotFound)
	for _, name := range []string{"", "x", old.Challenge + "A", strings.Repeat("A", 30), old.Challenge[:29] + "B"} {
		_, err = w.Prove(w.Ctx, name, "000000", "")
		refused(t, "challenge "+name, err, vaccination.NotFound)
	}
}

func TestACodeIsConsumedOnce(t *testing.T) {
	w := newWorld(t, replay.Options{})
	a := w.start(nimal)
	code := w.sent.code
	var mu sync.Mutex
	var right int
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := w.Prove(w.Ctx, a.Challenge, code, "2021-06-16"); err == nil {
				mu.Lock()
				right++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if right != 1 {
		t.Errorf("one code was taken %d times", right)
	}
}

func TestSendsAreCounted(t *testing.T) {
	w := newWorld(t, replay.Options{})
	for range 3 {
		w.start(nimal)
	}
	_, err := w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal})
	refused(t, "a fourth code within a quarter of an hour", err, vaccination.TooMany)
	if w.sent.times != 3 {
		t.Errorf("%d codes were sent", w.sent.times)
	}
	w.sent.fail = errors.New("no route to the provider")
	_, err = w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: kumari})
	refused(t, "a provider that fails", err, vaccination.Unavailable)
}

func TestTheSourceCannotBeAsked(t *testing.T) {
	w := newWorld(t, replay.Options{})
	a := w.start(nimal)
	got, err := w.Prove(w.Ctx, a.Challenge, w.sent.code, "2021-06-16")
	if err != nil {
		t.Fatal(err)
	}
	when := w.Now()
	w.Pass(time.Hour)
	w.Replay.SetFaults(replay.Faults{Status: 503, Times: -1})
	if a := w.start(kumari); a.Outcome != ondemand.Unreachable {
		t.Errorf("nobody we know: %+v", a)
	}
	for _, number := range []string{nimal, "198711200015"} {
		a = w.start(number)
		if a.Outcome != ondemand.CodeSent || !a.CopyOf.Equal(when) {
			t.Fatalf("our copy: %+v, want one of %s", a, when)
		}
		copied, err := w.Prove(w.Ctx, a.Challenge, w.sent.code, "2021-06-16")
		if err != nil || !same(copied.Certificates, got.Certificates) || !copied.CopyOf.Equal(when) {
			t.Errorf("our copy: %+v, %v", copied, err)
		}
	}
	w.Replay.SetFaults(replay.Faults{})
	w.Replay.SetToken("another")
	if a := w.start(kumari); a.Outcome != ondemand.Unreachable {
		t.Errorf("refused credentials: %+v", a)
	}
	// A revoked certificate is no copy to give.
	for _, id := range got.Certificates {
		if _, err := w.Issuance.Change(w.Ctx, access.System("test"), id, vaccination.ActRevoke, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if a := w.start(nimal); a.Outcome != ondemand.Unreachable {
		t.Errorf("revoked: %+v", a)
	}
}

func TestACodeIsNotInTheDatabase(t *testing.T) {
	w := newWorld(t, replay.Options{})
	a := w.start(nimal)
	rows, err := w.House.Store.Pool().Query(w.Ctx, "SELECT c::text || encode(c.sealed, 'escape') FROM on_demand_challenge c")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		n++
		for _, secret := range []string{w.sent.code, a.Challenge, nimal, "700000001", "2021-06-16"} {
			if strings.Contains(text, secret) {
				t.Errorf("the table shows %q", secret)
			}
		}
	}
	if err := rows.Err(); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestOnlyADemonstrationShowsTheCode(t *testing.T) {
	w := newWorld(t, replay.Options{})
	w.Sender = nil
	_, err := w.Start(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal})
	refused(t, "no way to send", err, vaccination.Unavailable)
	w.Demo = true
	a := w.start(nimal)
	if len(a.Specimen) != 6 {
		t.Fatalf("answer %+v", a)
	}
	if _, err := w.Prove(w.Ctx, a.Challenge, a.Specimen, "2021-06-16"); err != nil {
		t.Error(err)
	}
}
