package issuance_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// TestAnotherSourceDoesNotTurnTheTelephone certifies a second dose under the same
// enrolment code from another source, with another number.
func TestAnotherSourceDoesNotTurnTheTelephone(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	found := func(number string) int {
		t.Helper()
		people, err := w.store.Read().PeopleByIndex(w.ctx, query.PeopleByIndexParams{Value: w.Box.Index(seal.Mobile, number), MaxRows: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(people)
	}
	second := with(event("A-1", 2), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550199"} })
	if _, err := w.Issue(w.ctx, w.source("other"), issuance.Certify, []vaccination.Event{second}); err != nil {
		t.Fatal(err)
	}
	if found("+18765550142") != 1 || found("+16585550199") != 0 {
		t.Error("another source changed how the person is reached")
	}
	third := with(event("A-1", 3), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550188"} })
	w.must(issuance.Certify, third)
	if found("+18765550142") != 0 || found("+16585550188") != 1 {
		t.Error("the person's own source could not change how they are reached")
	}
	w.checked()
}

// TestOneNumberInTwoSpellings certifies a person whose source wrote their number
// twice, first for a new person, then for one who is known.
func TestOneNumberInTwoSpellings(t *testing.T) {
	w := newWorld(t, "jamaica")
	for dose := range 2 {
		w.must(issuance.Certify, with(event("A-1", dose+1), func(e *vaccination.Event) {
			e.Contacts = []string{"tel:8765550142", "tel:+1 876 555 0142"}
		}))
	}
	w.checked()
}
