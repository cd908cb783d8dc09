package casework_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// contactChange opens and approves a change of number.
func (w *world) contactChange(id vaccination.CertificateID) casework.Ticket {
	w.t.Helper()
	ticket := w.open(casework.Request{Kind: casework.ContactChange, Certificate: id, Contact: "876 555 0177"})
	_, err := w.Approve(w.t.Context(), w.one, ticket, casework.Approval{})
	refused(w.t, "without evidence", err, vaccination.Conflict)
	w.evidence(ticket)
	w.approve(ticket)
	return ticket
}

func (w *world) due() {
	w.t.Helper()
	if err := w.Due(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestANewNumber: both numbers are told, a day passes, and what the source says of
// the old one afterwards changes nothing.
func TestANewNumber(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	ticket := w.contactChange(first.ID)
	var told []string
	for _, n := range w.told {
		told = append(told, n.Template+" "+n.To)
	}
	if got := strings.Join(told, ", "); got != "contact-changed "+newNumber+", contact-changed "+oldNumber {
		t.Errorf("told: %s", got)
	}
	w.Pass(23 * time.Hour)
	w.due()
	if got := w.contacts(first.ID); got != oldNumber {
		t.Errorf("after 23 hours reached by %s", got)
	}
	w.Pass(time.Hour)
	w.due()
	w.due()
	if got := w.contacts(first.ID); got != newNumber {
		t.Errorf("after a day reached by %s", got)
	}
	if f := w.is(ticket, casework.Approved); f.Effect != casework.Done {
		t.Errorf("its effect: %s", f.Effect)
	}
	refused(t, "stopping what happened", w.Stop(t.Context(), access.Caller{}, ticket), vaccination.Conflict)
	// The same, another dose and a correction of the source with the old number.
	w.certify(event("A", 1))
	w.certify(event("A", 2))
	corrected := event("A", 1)
	corrected.Vaccination.Lot = "PF7"
	if _, err := w.House.Service.Issue(t.Context(), w.source, issuance.Correct, []vaccination.Event{corrected}); err != nil {
		t.Fatal(err)
	}
	w.approve(w.correction(first.ID, "person.name", "Marcia Brown"))
	if got := w.contacts(first.ID); got != newNumber {
		t.Errorf("after the source said the old again, reached by %s", got)
	}
	w.checked()
	// What the source says anew counts.
	third := event("A", 3)
	third.Contacts = []string{"tel:+18765550199"}
	w.certify(third)
	if got := w.contacts(first.ID); got != "tel:+18765550199" {
		t.Errorf("after the source said another, reached by %s", got)
	}
	w.checked()
}

func TestANewNumberIsStopped(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	ticket := w.contactChange(first.ID)
	if err := w.Stop(t.Context(), access.Caller{}, ticket); err != nil {
		t.Fatal(err)
	}
	w.Pass(2 * day)
	w.due()
	if got := w.contacts(first.ID); got != oldNumber {
		t.Errorf("reached by %s", got)
	}
	if f := w.is(ticket, casework.Approved); f.Effect != casework.Stopped {
		t.Errorf("its effect: %s", f.Effect)
	}
	refused(t, "stopping it again", w.Stop(t.Context(), access.Caller{}, ticket), vaccination.Conflict)
	w.checked()
}

func TestANumberThatIsSomebodyElses(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	w.opened[first.ID] = true
	_, err := w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.NotMine, Certificate: first.ID, Contact: newNumber})
	refused(t, "a number that the person does not have", err, vaccination.Conflict)
	ticket, err := w.Open(t.Context(), w.citizen, casework.Request{Kind: casework.NotMine, Certificate: first.ID, Contact: oldNumber, Message: "I do not know her."})
	if err != nil {
		t.Fatal(err)
	}
	w.approve(ticket)
	w.certify(event("A", 1))
	w.certify(event("A", 2))
	if got := w.contacts(first.ID); got != "" {
		t.Errorf("still reached by %s", got)
	}
	w.checked()
}

func TestAGuardian(t *testing.T) {
	w := newWorld(t)
	child := event("CHILD", 1)
	child.Person.BirthDate = vaccination.Date{Year: 2009, Month: 3, Day: 1}
	child.Contacts = nil
	first, grown := w.certify(child), w.certify(event("A", 1))
	guardian := casework.Request{Kind: casework.Guardian, Certificate: grown.ID, Contact: newNumber, Name: "Ann Grant"}
	_, err := w.Open(t.Context(), w.desk, guardian)
	refused(t, "of somebody of age", err, vaccination.Conflict)
	guardian.Certificate = first.ID
	ticket := w.open(guardian)
	w.evidence(ticket)
	if wards, err := w.Wards(t.Context(), "+18765550177"); err != nil || len(wards) != 0 {
		t.Errorf("before it is approved: %v, %v", wards, err)
	}
	w.approve(ticket)
	reaches := func(want int) {
		t.Helper()
		wards, err := w.Wards(t.Context(), "+18765550177")
		if err != nil || len(wards) != want || want == 1 && wards[0] != w.person(first.ID) {
			t.Errorf("the number reaches %v, %v; want %d", wards, err, want)
		}
	}
	reaches(1)
	w.Set(time.Date(2027, 3, 1, 4, 59, 0, 0, time.UTC)) // Jamaica is five hours behind
	reaches(1)
	w.Set(time.Date(2027, 3, 1, 5, 1, 0, 0, time.UTC))
	reaches(0) // before any job
	w.due()
	if n := w.number("SELECT count(*) FROM guardian WHERE ended_at IS NULL"); n != 0 {
		t.Errorf("%d links stand", n)
	}
	refused(t, "ending it again", w.EndGuardian(t.Context(), w.desk, ticket), vaccination.Conflict)
	w.checked()
}

func TestStaffEndAGuardian(t *testing.T) {
	w := newWorld(t)
	child := event("CHILD", 1)
	child.Person.BirthDate = vaccination.Date{Year: 2015}
	first := w.certify(child)
	ticket := w.open(casework.Request{Kind: casework.Guardian, Certificate: first.ID, Contact: newNumber, Name: "Ann Grant"})
	w.evidence(ticket)
	w.approve(ticket)
	if err := w.EndGuardian(t.Context(), w.desk, ticket); err != nil {
		t.Fatal(err)
	}
	if wards, err := w.Wards(t.Context(), "+18765550177"); err != nil || len(wards) != 0 {
		t.Errorf("it still reaches %v, %v", wards, err)
	}
	w.checked()
}

func TestADeath(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	p := w.person(first.ID)
	ticket := w.open(casework.Request{Kind: casework.Death, Certificate: first.ID})
	w.evidence(ticket)
	may := func(want bool) {
		t.Helper()
		reach, err := w.MayReach(t.Context(), p.Bucket, p.ID)
		if err != nil || reach != want {
			t.Errorf("may be reached: %t, %v", reach, err)
		}
	}
	queue := func(once string) {
		t.Helper()
		at := w.House.Now()
		key := []byte((once + strings.Repeat(" ", 16))[:16])
		if _, err := w.House.Store.Read().InsertMessages(t.Context(), query.InsertMessagesParams{
			At: at, Buckets: []int16{p.Bucket}, People: []int64{p.ID}, Certificates: [][]byte{{}}, Onces: [][]byte{key}, Recipients: [][]byte{key}, Channels: []string{"sms"},
			Classes: []string{"notice"}, Templates: []string{"ready"}, Languages: []string{"en"}, Sealeds: [][]byte{{}}, Dues: []time.Time{at}, Expires: []time.Time{at.Add(day)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	may(true)
	queue("before")
	w.approve(ticket)
	may(false)
	queue("after")
	if n := w.number("SELECT count(*) FROM message WHERE state = 0"); n != 0 || w.number("SELECT count(*) FROM message") != 1 {
		t.Errorf("%d messages wait to be sent", n)
	}
	if now := w.current(first.ID); now.Status != vaccination.StatusValid {
		t.Errorf("the certificate is %s", now.Status)
	}
	w.checked()
}

func TestADoseAbroad(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	w.opened[first.ID] = true
	abroad := vaccination.Event{Programme: "covid-19", Vaccination: vaccination.Dose{
		Product: "comirnaty", Lot: "X1", Date: vaccination.Date{Year: 2022, Month: 2, Day: 3}, Number: 2, Country: vaccination.Coding{Code: "JAM"}, Centre: "Clinic",
	}}
	r := casework.Request{Kind: casework.DoseAbroad, Certificate: first.ID, Event: &abroad}
	_, err := w.Open(t.Context(), w.citizen, r)
	refused(t, "abroad in this country", err, vaccination.Invalid)
	abroad.Vaccination.Country.Code = "CAN"
	ticket, err := w.Open(t.Context(), w.citizen, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddEvidence(t.Context(), w.citizen, ticket, picture(40, 30)); err != nil {
		t.Fatal(err)
	}
	w.approve(ticket)
	c, err := w.Get(t.Context(), w.one, ticket)
	if err != nil {
		t.Fatal(err)
	}
	made := w.current(c.Result)
	if v := made.Certificate.Vaccination; !v.FromEvidence || v.Country.Code != "CAN" || made.Source != access.Abroad || made.Enrolment != "A" || made.Certificate.Name != "Marcia Campbell" {
		t.Errorf("issued: %+v by %s", made.Certificate, made.Source)
	}
	// Nobody else may say so, nor take the mark away.
	e := event("B", 1)
	e.Vaccination.FromEvidence = true
	_, err = w.House.Service.Issue(t.Context(), w.source, issuance.Certify, []vaccination.Event{e})
	refused(t, "a source that says so", err, vaccination.Invalid)
	plain := event("A", 2)
	plain.Vaccination.Lot = "X2"
	_, err = w.House.Service.Issue(t.Context(), w.Admin, issuance.Correct, []vaccination.Event{plain})
	refused(t, "a correction without the mark", err, vaccination.Conflict)
	if err := access.CheckSource(access.Abroad); err == nil {
		t.Error("a system may have the source's name")
	}
	w.approve(w.correction(c.Result, "vaccination.lot", "X2"))
	if now := w.current(c.Result); !now.Certificate.Vaccination.FromEvidence || now.Certificate.Vaccination.Lot != "X2" || now.Version != 2 {
		t.Errorf("corrected: %+v", now.Certificate.Vaccination)
	}
	// Of somebody who has no certificate.
	whole := event("", 1)
	whole.Vaccination.Country.Code, whole.Contacts = "USA", []string{newNumber}
	r = casework.Request{Kind: casework.DoseAbroad, Event: &whole, Once: "x"}
	alone := w.open(r)
	if again := w.open(r); again != alone {
		t.Errorf("the same again is %s, not %s", again, alone)
	}
	w.evidence(alone)
	w.approve(alone)
	c, err = w.Get(t.Context(), w.one, alone)
	if err != nil || c.Result.IsZero() || !w.current(c.Result).Certificate.Vaccination.FromEvidence {
		t.Errorf("of somebody new: %+v, %v", c, err)
	}
	w.checked()
}

func TestALeavingMemberOfStaff(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	a, b, c := w.correction(first.ID, "person.name", "A"), w.correction(first.ID, "vaccination.lot", "B"), w.correction(first.ID, "vaccination.lot", "C")
	for _, t1 := range []casework.Ticket{a, b} {
		if err := w.Take(t.Context(), w.one, t1); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Take(t.Context(), w.two, c); err != nil {
		t.Fatal(err)
	}
	w.approve(b)
	n := 0
	err := w.House.Store.Tx(t.Context(), func(q *query.Queries) (err error) {
		n, err = casework.HandOver(t.Context(), q, w.Admin, w.House.Now(), w.one.Actor, w.two.Actor)
		return err
	})
	if err != nil || n != 1 {
		t.Errorf("%d cases, %v; want the open one", n, err)
	}
	if list, err := w.List(t.Context(), w.one, casework.Filter{TakenBy: w.two.Actor}); err != nil || len(list) != 2 {
		t.Errorf("the other has %d cases, %v", len(list), err)
	}
	w.checked()
}

func TestWhatIsHeldAndErased(t *testing.T) {
	w := newWorld(t)
	first := w.certify(event("A", 1))
	ticket := w.correction(first.ID, "person.name", "Secret Name")
	w.evidence(ticket)
	if err := w.Refuse(t.Context(), w.one, ticket, "secret reason"); err != nil {
		t.Fatal(err)
	}
	p := w.person(first.ID)
	held, err := w.Held(t.Context(), p.Bucket, p.ID)
	if err != nil || len(held.Cases) != 1 || held.Cases[0].Asked.Changes[0].Value != "Secret Name" || held.Cases[0].Timeline[2].Note != "secret reason" {
		t.Errorf("held: %+v, %v", held, err)
	}
	if n := w.number("SELECT count(*) FROM case_file WHERE encode(sealed, 'escape') LIKE '%Secret%'"); n != 0 {
		t.Error("a name is readable in the database")
	}
	// Evidence goes by age.
	if n, err := w.ForgetEvidence(t.Context(), w.Admin, w.House.Now()); err != nil || n != 0 {
		t.Errorf("too young: %d, %v", n, err)
	}
	w.Pass(31 * day)
	if n, err := w.ForgetEvidence(t.Context(), w.Admin, w.House.Now().Add(-30*day)); err != nil || n != 1 {
		t.Errorf("old: %d, %v", n, err)
	}
	_, err = w.Photo(t.Context(), w.one, ticket, 1)
	refused(t, "a photograph that went", err, vaccination.NotFound)
	w.checked()
	err = w.House.Store.Tx(t.Context(), func(q *query.Queries) error {
		return casework.Erase(t.Context(), q, w.Admin, w.House.Now(), p.Bucket, p.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Get(t.Context(), w.one, ticket)
	if err != nil || !c.Erased || len(c.Asked.Changes) > 0 || c.Timeline[2].Note != "" {
		t.Errorf("erased: %+v, %v", c, err)
	}
	w.is(ticket, casework.Refused)
	w.checked()
}

// TestADoseAbroadOfSomebodyNewIsErased is of a case that was opened before its
// person had a key of their own.
func TestADoseAbroadOfSomebodyNewIsErased(t *testing.T) {
	w := newWorld(t)
	whole := event("", 1)
	whole.Vaccination.Country.Code = "USA"
	ticket := w.open(casework.Request{Kind: casework.DoseAbroad, Event: &whole})
	w.evidence(ticket)
	if _, err := w.Approve(t.Context(), w.one, ticket, casework.Approval{Note: "a note to them"}); err != nil {
		t.Fatal(err)
	}
	c, err := w.Get(t.Context(), w.one, ticket)
	if err != nil {
		t.Fatal(err)
	}
	p := w.person(c.Result)
	if held, err := w.Held(t.Context(), p.Bucket, p.ID); err != nil || len(held.Cases) != 1 {
		t.Errorf("held on them: %+v, %v", held, err)
	}
	err = w.House.Store.Tx(t.Context(), func(q *query.Queries) error {
		return casework.Erase(t.Context(), q, w.Admin, w.House.Now(), p.Bucket, p.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := w.Get(t.Context(), w.one, ticket); err != nil || !c.Erased || c.Asked.Event != nil || !c.Files[0].Gone {
		t.Errorf("erased, and still there: %+v, %v", c, err)
	}
	if _, err := w.Photo(t.Context(), w.one, ticket, 1); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("their papers: %v", err)
	}
	if n := w.number("SELECT count(*) FROM case_event WHERE note IS NOT NULL"); n != 0 {
		t.Errorf("%d notes are left", n)
	}
	w.checked()
}
