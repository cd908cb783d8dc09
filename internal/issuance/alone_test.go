package issuance_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

func named(name string) func(*vaccination.Event) {
	return func(e *vaccination.Event) { e.Person.Name = name }
}

func born(e *vaccination.Event) {
	e.Person.BirthDate = vaccination.Date{Year: 1990, Month: 1, Day: 2}
}

// another is both.
func another(e *vaccination.Event) { named("Ann Grant")(e); born(e) }

// TestWhoCorrectsAlone: name and birth date are two people's, on whichever doses
// and in however many requests; only a source is believed about its own record.
func TestWhoCorrectsAlone(t *testing.T) {
	w := newWorld(t, "jamaica")
	admin := access.Caller{Actor: "staff:1", Role: access.SystemAdmin, Source: access.AdminDoor}
	correct := func(by access.Caller, e ...vaccination.Event) error {
		_, err := w.Issue(w.ctx, by, issuance.Correct, e)
		return err
	}
	is := func(what string, err error, want vaccination.Code) {
		t.Helper()
		if got := vaccination.ErrorCode(err); got != want {
			t.Errorf("%s: %q (%v), want %q", what, got, err, want)
		}
	}
	if _, err := w.Issue(w.ctx, admin, issuance.Certify, []vaccination.Event{event("OWN", 1)}); err != nil {
		t.Fatal(err)
	}
	is("both, on a record of their own", correct(admin, with(event("OWN", 1), another)), vaccination.Forbidden)
	is("by a token of administrators", correct(access.Caller{Actor: "token:1 admin", Role: access.SystemAdmin, Source: access.AdminDoor}, with(event("OWN", 1), another)), vaccination.Forbidden)
	w.must(issuance.Certify, event("A-1", 1))
	w.must(issuance.Certify, event("A-1", 2))
	is("the name on one dose", correct(admin, with(event("A-1", 1), named("Ann Grant"))), "")
	is("the birth date on another", correct(admin, with(event("A-1", 2), born)), vaccination.Forbidden)
	is("the same name on it", correct(admin, with(event("A-1", 2), named("Ann Grant"))), "")
	w.must(issuance.Certify, event("B-1", 1))
	w.must(issuance.Certify, event("B-1", 2))
	is("the halves in one request", correct(admin, with(event("B-1", 1), named("Ann Grant")), with(event("B-1", 2), born)), vaccination.Forbidden)
	is("both by the source of the record", correct(w.by, with(event("B-1", 1), another)), "")
	w.checked()
}

// TestHalvesThatAreWrittenTogether prepares the name on one dose, writes the birth
// date on another, and then commits the name: what was decided counts no more.
func TestHalvesThatAreWrittenTogether(t *testing.T) {
	w := newWorld(t, "jamaica")
	admin := access.Caller{Actor: "staff:1", Role: access.SystemAdmin, Source: access.AdminDoor}
	w.must(issuance.Certify, event("A-1", 1))
	// The other dose is another source's: it does not write who the person is.
	if _, err := w.Issue(w.ctx, w.source("other"), issuance.Certify, []vaccination.Event{event("A-1", 2)}); err != nil {
		t.Fatal(err)
	}
	drafts, err := w.Prepare(w.ctx, admin, issuance.Correct, []vaccination.Event{with(event("A-1", 1), named("Ann Grant"))})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := w.Sign(w.ctx, drafts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Issue(w.ctx, admin, issuance.Correct, []vaccination.Event{with(event("A-1", 2), born)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(w.ctx, admin, signed); !registry.IsRace(err) {
		t.Errorf("the other half: %v", err)
	}
	if _, err := w.Prepare(w.ctx, admin, issuance.Correct, []vaccination.Event{with(event("A-1", 1), named("Ann Grant"))}); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("prepared again: %v", err)
	}
	w.checked()
}

// TestANumberThatChangedMeanwhile: what was prepared before a change of the number
// does not bring the old one back.
func TestANumberThatChangedMeanwhile(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	found := func(number string) []query.Person {
		t.Helper()
		people, err := w.store.Read().PeopleByIndex(w.ctx, query.PeopleByIndexParams{Value: w.Box.Index(seal.Mobile, number), MaxRows: 10})
		if err != nil {
			t.Fatal(err)
		}
		return people
	}
	drafts, err := w.Prepare(w.ctx, w.by, issuance.Certify, []vaccination.Event{event("A-1", 2)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := w.Sign(w.ctx, drafts)
	if err != nil {
		t.Fatal(err)
	}
	p := found("+18765550142")[0]
	err = w.ChangeContacts(w.ctx, access.System("test"), p.Bucket, p.ID, func([]string) []string { return []string{"tel:+18765550177"} }, func(*query.Queries) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(w.ctx, w.by, signed); !registry.IsRace(err) {
		t.Errorf("what was prepared before: %v", err)
	}
	w.must(issuance.Certify, event("A-1", 2))
	if len(found("+18765550177")) != 1 || len(found("+18765550142")) != 0 {
		t.Error("the old number is back")
	}
	w.checked()
}

// TestANumberThatChangesBesideDoses changes the number while doses are certified:
// however they meet, the new one counts, and every dose is certified.
func TestANumberThatChangesBesideDoses(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	rows, err := w.store.Read().PeopleByIndex(w.ctx, query.PeopleByIndexParams{Value: w.Box.Index(seal.Mobile, "+18765550142"), MaxRows: 1})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	done := make(chan error, 4)
	for dose := 2; dose < 5; dose++ {
		go func() {
			_, err := w.Issue(w.ctx, w.by, issuance.Certify, []vaccination.Event{event("A-1", dose)})
			done <- err
		}()
	}
	go func() {
		done <- w.ChangeContacts(w.ctx, access.System("test"), rows[0].Bucket, rows[0].ID, func([]string) []string { return []string{"tel:+18765550177"} }, func(*query.Queries) error { return nil })
	}()
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	contacts, err := w.Contacts(w.ctx, rows[0].Bucket, rows[0].ID)
	if err != nil || len(contacts) != 1 || contacts[0] != "tel:+18765550177" {
		t.Errorf("they are reached by %d numbers, not the new one alone: %v", len(contacts), err)
	}
	w.checked()
}
