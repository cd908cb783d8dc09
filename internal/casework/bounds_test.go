package casework_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/vaccination"
)

// TestNoSessionReachesWhoItReachedBefore ends what citizens have open when whom a
// record is reached by changes.
func TestNoSessionReachesWhoItReachedBefore(t *testing.T) {
	child := event("CHILD", 1)
	child.Person.BirthDate = vaccination.Date{Year: 2015}
	for name, tt := range map[string]struct {
		request casework.Request
		about   vaccination.Event
		after   func(w *world, t casework.Ticket) // the approval
	}{
		"a death":          {casework.Request{Kind: casework.Death}, event("A", 1), nil},
		"a number of none": {casework.Request{Kind: casework.NotMine, Contact: oldNumber}, event("A", 1), nil},
		"a new number": {casework.Request{Kind: casework.ContactChange, Contact: newNumber}, event("A", 1), func(w *world, _ casework.Ticket) {
			if w.sessions() != 1 {
				t.Error("the old number reaches nobody before the change is due")
			}
			w.Pass(2 * day)
			if err := w.Due(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		"an ended guardian": {casework.Request{Kind: casework.Guardian, Contact: newNumber, Name: "Ann Grant"}, child, func(w *world, ticket casework.Ticket) {
			if err := w.EndGuardian(t.Context(), w.desk, ticket); err != nil {
				t.Fatal(err)
			}
		}},
		"a guardian of age": {casework.Request{Kind: casework.Guardian, Contact: newNumber, Name: "Ann Grant"}, child, func(w *world, _ casework.Ticket) {
			w.Pass(20 * 365 * day)
			if err := w.Due(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tt.request.Certificate = w.certify(tt.about).ID
			ticket := w.open(tt.request)
			w.evidence(ticket)
			w.session(ticket)
			w.approve(ticket)
			if tt.after != nil {
				tt.after(w, ticket)
			}
			if n := w.sessions(); n != 0 {
				t.Errorf("%d sessions have the record open", n)
			}
			w.checked()
		})
	}
}

// TestAsManyCasesAsCanBeRead bounds what is asked about one person, by citizens
// and by staff apart, also when it is asked at one moment.
func TestAsManyCasesAsCanBeRead(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	w.opened[first.ID] = true
	ask := func(n int) (casework.Ticket, error) {
		return w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.Correction, Certificate: first.ID, Message: "wrong", Once: fmt.Sprint(n)})
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []casework.Ticket
	for i := range 16 {
		all.Go(func() {
			ticket, err := ask(i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				open = append(open, ticket)
			} else if vaccination.ErrorCode(err) != vaccination.TooMany {
				t.Errorf("case %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if len(open) != 10 || w.number("SELECT count(*) FROM case_file") != 10 {
		t.Fatalf("%d of 16 at once were opened", len(open))
	}
	_, err := ask(100)
	refused(t, "the eleventh", err, vaccination.TooMany)
	// The same again is the same, also at the bound; another's is not held up.
	again := 0
	for i := range 16 {
		if _, err := ask(i); err == nil {
			again++
		}
	}
	if again != 10 {
		t.Errorf("%d of those that were opened are answered again", again)
	}
	w.correction(first.ID, "person.name", "M")
	other := w.certify(event("B", 1))
	w.opened[other.ID] = true
	if _, err := w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.Correction, Certificate: other.ID, Message: "wrong"}); err != nil {
		t.Errorf("about somebody else: %v", err)
	}
	// To open and take back goes on until twenty a day.
	for i := range 10 {
		if err := w.Withdraw(t.Context(), w.citizen, open[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(200 + i); err != nil {
			t.Errorf("in the place of one taken back: %v", err)
		}
	}
	mine, err := w.OfCertificate(t.Context(), w.citizen, first.ID)
	if err != nil || len(mine) != 21 {
		t.Fatalf("%d cases are listed, %v", len(mine), err)
	}
	for _, c := range mine {
		if c.State == casework.Open && c.OpenedAs == w.citizen.Role {
			if err := w.Withdraw(t.Context(), w.citizen, c.Ticket); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = ask(300)
	refused(t, "the 21st of a day", err, vaccination.TooMany)
	w.Pass(day)
	if _, err := ask(301); err != nil {
		t.Errorf("the day after: %v", err)
	}
	w.checked()
}

// TestEverythingThatIsHeldIsHandedOver exports more cases than are shown at once.
func TestEverythingThatIsHeldIsHandedOver(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	for range 6 {
		for range 20 {
			if err := w.Withdraw(t.Context(), w.desk, w.correction(first.ID, "person.name", "M")); err != nil {
				t.Fatal(err)
			}
		}
		w.Pass(day)
	}
	p := w.person(first.ID)
	held, err := w.Held(t.Context(), p.Bucket, p.ID)
	if err != nil || len(held.Cases) != 120 {
		t.Errorf("%d of 120 cases, %v", len(held.Cases), err)
	}
	if list, err := w.OfCertificate(t.Context(), w.one, first.ID); err != nil || len(list) != 100 {
		t.Errorf("%d are listed, %v", len(list), err)
	}
}

// TestHalvesAtOneMoment approves the name in a case of one dose and the birth date
// in a case of another, both at once, by one person: one of them waits for another.
func TestHalvesAtOneMoment(t *testing.T) {
	w := newWorld(t)
	for round := range 6 {
		code := fmt.Sprint("R", round)
		one, two := w.certify(event(code, 1)), w.certify(event(code, 2))
		tickets := []casework.Ticket{w.correction(one.ID, "person.name", "Ann Grant"), w.correction(two.ID, "person.birthDate", "1990-01-02")}
		states := make([]casework.State, 2)
		var all sync.WaitGroup
		for i, ticket := range tickets {
			all.Go(func() {
				var err error
				states[i], err = w.Approve(t.Context(), w.one, ticket, casework.Approval{})
				if code := vaccination.ErrorCode(err); code != "" && code != vaccination.Conflict && code != vaccination.Unavailable {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if states[0] == casework.Approved && states[1] == casework.Approved {
			t.Errorf("round %d: one person corrected name and birth date", round)
		}
		// What was late is asked again, and waits for the other person.
		for _, ticket := range tickets {
			f, err := w.Follow(t.Context(), ticket)
			if err != nil || f.State != casework.Open {
				continue
			}
			if state, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{}); err != nil || state != casework.SecondApproval {
				t.Errorf("round %d, again: %s, %v", round, state, err)
			}
		}
	}
	w.checked()
}
