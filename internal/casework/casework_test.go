package casework_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

func TestACorrection(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	w.opened[first.ID] = true
	r := casework.Request{
		Kind: casework.Correction, Certificate: first.ID, Once: "form 1", Message: "My name is written wrong.",
		Changes: []casework.Change{{Field: "person.name", Value: "Marcia Campbell-Brown"}},
	}
	ticket, err := w.Open(t.Context(), w.citizen, r)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Open(t.Context(), w.citizen, r); err != nil || again != ticket {
		t.Errorf("sent again: %s, %v; want %s", again, err, ticket)
	}
	r.Message = "another"
	_, err = w.Open(t.Context(), w.citizen, r)
	refused(t, "other content under the same key", err, vaccination.Conflict)

	f := w.is(ticket, casework.Open)
	if want := w.House.Now().Add(72 * time.Hour); !f.Deadline.Equal(want) {
		t.Errorf("promised for %s, want %s", f.Deadline, want)
	}
	p, err := w.Preview(t.Context(), w.one, ticket, nil)
	if err != nil || p.Version != first.ID || p.TwoNeed || !cmp.Equal(p.Differs, []string{"person.name"}) {
		t.Fatalf("preview: %+v, %v", p, err)
	}
	if err := w.Take(t.Context(), w.one, ticket); err != nil {
		t.Fatal(err)
	}
	state, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{Version: p.Version, Note: "as in your passport"})
	if err != nil || state != casework.Approved {
		t.Fatal(state, err)
	}
	now := w.current(first.ID)
	if now.Version != 2 || now.Replaces != first.ID || now.Certificate.Name != "Marcia Campbell-Brown" || now.Source != "commcare" {
		t.Errorf("the new version: %+v", now)
	}
	c, err := w.Get(t.Context(), w.citizen, ticket)
	if err != nil {
		t.Fatal(err)
	}
	var acts []string
	for _, e := range c.Timeline {
		acts = append(acts, strings.TrimSpace(string(e.Act)+" "+e.By+" "+e.Note))
	}
	if diff := cmp.Diff([]string{"opened", "taken", "approved  as in your passport"}, acts); diff != "" {
		t.Errorf("what the citizen sees (-want +got):\n%s", diff)
	}
	if c.Result != now.ID || c.TakenBy != "" {
		t.Errorf("the case: %+v", c.Summary)
	}
	_, err = w.Approve(t.Context(), w.two, ticket, casework.Approval{})
	refused(t, "approved again", err, vaccination.Conflict)
	// There is no limit of one: the next correction is another case.
	w.approve(w.correction(first.ID, "vaccination.lot", "PF2"))
	if now := w.current(first.ID); now.Version != 3 || now.Certificate.Vaccination.Lot != "PF2" || now.Certificate.Name != "Marcia Campbell-Brown" {
		t.Errorf("the third version: %+v", now.Certificate)
	}
	w.checked()
}

// TestASourceThatSendsTheOldAgain does not undo what was corrected here.
func TestASourceThatSendsTheOldAgain(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	w.approve(w.correction(first.ID, "person.name", "Marcia Brown"))
	for range 2 {
		if r := w.certify(event("A", 1)); r.Outcome != issuance.Unchanged || r.Version != 2 {
			t.Errorf("the old again: %+v", r)
		}
	}
	if _, err := w.House.Store.Pool().Exec(t.Context(), "INSERT INTO source (name, created_at) VALUES ('ehr', now())"); err != nil {
		t.Fatal(err)
	}
	if now := w.current(first.ID); now.Certificate.Name != "Marcia Brown" {
		t.Errorf("it says %q", now.Certificate.Name)
	}
	w.checked()
}

func TestTwoPeopleForNameAndBirthDate(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	both := []string{"person.name", "Ann Grant", "person.birthDate", "1990-01-02"}
	ticket := w.correction(first.ID, both...)
	state, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{})
	if err != nil || state != casework.SecondApproval {
		t.Fatal(state, err)
	}
	if w.current(first.ID).Version != 1 {
		t.Error("it is corrected after one approval")
	}
	_, err = w.Approve(t.Context(), w.one, ticket, casework.Approval{})
	refused(t, "the same person again", err, vaccination.Forbidden)
	_, err = w.Approve(t.Context(), w.two, ticket, casework.Approval{Changes: []casework.Change{{Field: "person.name", Value: "Eve"}}})
	refused(t, "other changes by the second", err, vaccination.Conflict)
	// What comes after the first approval was not seen by them.
	w.evidence(ticket)
	w.is(ticket, casework.Open)
	if state, err := w.Approve(t.Context(), w.two, ticket, casework.Approval{}); err != nil || state != casework.SecondApproval {
		t.Fatal(state, err)
	}
	if state, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{}); err != nil || state != casework.Approved {
		t.Fatal(state, err)
	}
	if now := w.current(first.ID); now.Certificate.Name != "Ann Grant" || now.Certificate.BirthDate.String() != "1990-01-02" {
		t.Errorf("it says %+v", now.Certificate.Person)
	}
	// Half today and half tomorrow is no way around it.
	b := w.certify(event("B", 1))
	w.approve(w.correction(b.ID, "person.name", "Ann Grant"))
	w.Pass(day)
	half := w.correction(b.ID, "person.birthDate", "1990-01-02")
	if state, err := w.Approve(t.Context(), w.one, half, casework.Approval{}); err != nil || state != casework.SecondApproval {
		t.Errorf("the other half: %s, %v", state, err)
	}
	// Nor is the API.
	e := event("B", 1)
	e.Person.Name, e.Person.BirthDate = "Eve", vaccination.Date{Year: 1991}
	_, err = w.House.Service.Issue(t.Context(), w.one, issuance.Correct, []vaccination.Event{e})
	refused(t, "both by hand", err, vaccination.Forbidden)
	if _, err = w.House.Service.Issue(t.Context(), w.source, issuance.Correct, []vaccination.Event{e}); err != nil {
		t.Errorf("both by its source: %v", err)
	}
	w.checked()
}

// TestHalvesByDifferentDoors corrects the name at one door and the birth date at
// another within a month.
func TestHalvesByDifferentDoors(t *testing.T) {
	w := newWorld(t)
	renamed := func(code string) vaccination.Event {
		e := event(code, 1)
		e.Person.Name = "Ann Grant"
		return e
	}
	a := w.certify(event("A", 1))
	by, err := w.House.Service.CorrectByHand(t.Context(), w.one, a.ID, renamed("A"), "as on the passport")
	if err != nil {
		t.Fatal(err)
	}
	half := w.correction(by.ID, "person.birthDate", "1990-01-02")
	if state, err := w.Approve(t.Context(), w.one, half, casework.Approval{}); err != nil || state != casework.SecondApproval {
		t.Errorf("by hand, then by a case: %s, %v", state, err)
	}
	if state, err := w.Approve(t.Context(), w.two, half, casework.Approval{}); err != nil || state != casework.Approved {
		t.Errorf("the second person: %s, %v", state, err)
	}
	// What is neither of the two needs no second person, whatever they were before.
	if state, err := w.Approve(t.Context(), w.one, w.correction(by.ID, "vaccination.lot", "X9"), casework.Approval{}); err != nil || state != casework.Approved {
		t.Errorf("a batch number after it: %s, %v", state, err)
	}
	b := w.certify(event("B", 1))
	if _, err := w.House.Service.Issue(t.Context(), w.one, issuance.Correct, []vaccination.Event{renamed("B")}); err != nil {
		t.Fatal(err)
	}
	both := renamed("B")
	both.Person.BirthDate = vaccination.Date{Year: 1990, Month: 1, Day: 2}
	_, err = w.House.Service.Issue(t.Context(), w.one, issuance.Correct, []vaccination.Event{both})
	refused(t, "both halves by the API", err, vaccination.Forbidden)
	w.Pass(31 * day)
	if state, err := w.Approve(t.Context(), w.one, w.correction(b.ID, "person.birthDate", "1990-01-02"), casework.Approval{}); err != nil || state != casework.Approved {
		t.Errorf("after a month: %s, %v", state, err)
	}
	w.checked()
}

// TestWhatTheFirstOfTwoApprovedIsKept says of a case that began anew what is
// issued, not what was asked before.
func TestWhatTheFirstOfTwoApprovedIsKept(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	ticket := w.correction(first.ID, "person.name", "Ann Grant", "person.birthDate", "1990-01-02")
	better := []casework.Change{{Field: "person.name", Value: "Anne Grant"}, {Field: "person.birthDate", Value: "1990-01-02"}}
	if _, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{Changes: better}); err != nil {
		t.Fatal(err)
	}
	w.evidence(ticket) // it begins anew
	seen, err := w.Preview(t.Context(), w.one, ticket, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []access.Caller{w.one, w.two} {
		if _, err := w.Approve(t.Context(), by, ticket, casework.Approval{Version: seen.Version}); err != nil {
			t.Fatal(err)
		}
	}
	if now := w.current(first.ID); now.Certificate.Name != seen.After.Person.Name {
		t.Errorf("issued for %q, and %q was seen", now.Certificate.Name, seen.After.Person.Name)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	first, other := w.certify(event("A", 1)), w.certify(event("B", 1))
	w.opened[first.ID] = true
	ask := casework.Request{Kind: casework.Correction, Certificate: first.ID, Message: "wrong"}
	_, err := w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.Correction, Certificate: other.ID, Message: "wrong"})
	refused(t, "a citizen about a record they did not open", err, vaccination.NotFound)
	_, err = w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.Death, Certificate: first.ID})
	refused(t, "a citizen about a death", err, vaccination.Forbidden)
	for _, by := range []access.Caller{w.source, {Role: access.Auditor, Actor: "a"}, {Role: access.Recipient, Actor: "r", Mobile: "+18765550142"}, {}} {
		_, err := w.Open(t.Context(), by, ask)
		refused(t, "opening by "+string(by.Role), err, vaccination.Forbidden)
	}
	mine, theirs := w.correction(first.ID, "person.name", "M"), w.correction(other.ID, "person.name", "N")
	elsewhere := w.desk
	elsewhere.Actor, elsewhere.Facility = "staff:9", "KGN"
	none := func(what string, err error) { t.Helper(); refused(t, what, err, vaccination.NotFound) }
	_, err = w.Get(t.Context(), elsewhere, mine)
	none("staff of another facility", err)
	_, err = w.Get(t.Context(), w.citizen, theirs)
	none("a citizen's look at another's", err)
	_, err = w.AddEvidence(t.Context(), w.citizen, theirs, picture(8, 8))
	none("evidence for another's", err)
	none("withdrawing another's", w.Withdraw(t.Context(), w.citizen, theirs))
	none("ending another's", w.EndGuardian(t.Context(), elsewhere, mine))
	_, err = w.Get(t.Context(), w.one, casework.Ticket(mine+1))
	none("a ticket beside one", err)
	refused(t, "withdrawing the citizen's as a decider", w.Withdraw(t.Context(), w.one, mine), vaccination.Forbidden)
	// Who opened it does not decide it.
	own := w.one
	opened, err := w.Open(t.Context(), own, ask)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Approve(t.Context(), own, opened, casework.Approval{Changes: []casework.Change{{Field: "person.name", Value: "M"}}})
	refused(t, "approving one's own", err, vaccination.Forbidden)
	refused(t, "refusing one's own", w.Refuse(t.Context(), own, opened, "no"), vaccination.Forbidden)
	for _, by := range []access.Caller{w.desk, w.citizen, w.source} {
		_, err := w.Approve(t.Context(), by, mine, casework.Approval{})
		refused(t, "approving by "+string(by.Role), err, vaccination.Forbidden)
		_, err = w.Photo(t.Context(), by, mine, 1)
		refused(t, "a photograph for "+string(by.Role), err, vaccination.Forbidden)
		_, err = w.Preview(t.Context(), by, mine, nil)
		refused(t, "a preview for "+string(by.Role), err, vaccination.Forbidden)
	}
	list, err := w.List(t.Context(), elsewhere, casework.Filter{Facility: "FAL"})
	if err != nil || len(list) != 0 {
		t.Errorf("another facility's list: %d, %v", len(list), err)
	}
	if list, err := w.List(t.Context(), w.desk, casework.Filter{}); err != nil || len(list) != 2 {
		t.Errorf("the facility's list: %d, %v", len(list), err)
	}
	_, err = w.List(t.Context(), w.citizen, casework.Filter{})
	refused(t, "a list for a citizen", err, vaccination.Forbidden)
	// Refused with a word, which the citizen is shown; withdrawn by the facility.
	refused(t, "refusing without a word", w.Refuse(t.Context(), w.one, mine, " "), vaccination.Invalid)
	if err := w.Refuse(t.Context(), w.one, mine, "The register says the same."); err != nil {
		t.Fatal(err)
	}
	c, err := w.Get(t.Context(), w.citizen, mine)
	if err != nil || c.Timeline[len(c.Timeline)-1].Note != "The register says the same." {
		t.Errorf("shown: %+v, %v", c, err)
	}
	if err := w.Withdraw(t.Context(), w.desk, theirs); err != nil {
		t.Error(err)
	}
	w.is(theirs, casework.Withdrawn)
	w.checked()
}

// TestOneOfManyDecidesIt: of decisions that come at once, one counts.
func TestOneOfManyDecidesIt(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	for round := range 3 {
		ticket := w.correction(first.ID, "vaccination.lot", "PF"+strings.Repeat("1", round+2))
		var all sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 6 {
			all.Go(func() {
				by := w.one
				by.Actor = "staff:" + strings.Repeat("5", i+1)
				var err error
				if i%2 == 0 {
					_, err = w.Approve(t.Context(), by, ticket, casework.Approval{})
				} else {
					err = w.Refuse(t.Context(), by, ticket, "no")
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if code := vaccination.ErrorCode(err); code != vaccination.Conflict && code != vaccination.Unavailable {
					t.Errorf("one who was late hears %v", err)
				}
			})
		}
		all.Wait()
		if won != 1 {
			t.Errorf("%d of six decided it", won)
		}
	}
	w.checked()
}

// TestTheCertificateOfThePreview: what was corrected since somebody looked is not
// what they approve.
func TestTheCertificateOfThePreview(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	ticket := w.correction(first.ID, "person.name", "Marcia Brown")
	p, err := w.Preview(t.Context(), w.one, ticket, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.approve(w.correction(first.ID, "vaccination.lot", "PF9"))
	_, err = w.Approve(t.Context(), w.one, ticket, casework.Approval{Version: p.Version})
	refused(t, "on a version that is gone", err, vaccination.Conflict)
	if p, err = w.Preview(t.Context(), w.one, ticket, nil); err != nil || p.After.Vaccination.Lot != "PF9" {
		t.Errorf("the preview now: %+v, %v", p, err)
	}
	nothing := w.correction(first.ID, "vaccination.lot", "PF9")
	_, err = w.Approve(t.Context(), w.one, nothing, casework.Approval{})
	refused(t, "a correction that changes nothing", err, vaccination.Conflict)
	wrong := w.correction(first.ID, "vaccination.date", "2031-01-01")
	_, err = w.Approve(t.Context(), w.one, wrong, casework.Approval{})
	refused(t, "a dose in the future", err, vaccination.Invalid)
}
