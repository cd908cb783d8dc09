package issuance_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// TestARecordStaysTheSameWhenTheProfileChanges lets the country change its
// schedule and sends old records again.
func TestARecordStaysTheSameWhenTheProfileChanges(t *testing.T) {
	w := newWorld(t, "jamaica")
	said := with(event("A-1", 1), func(e *vaccination.Event) { e.Vaccination.Total = 0 })
	foreign := with(event("A-2", 1), func(e *vaccination.Event) {
		e.Vaccination.Product, e.Vaccination.Manufacturer.Display = "SII", "Serum Institute of India"
	})
	first := w.must(issuance.Certify, said)
	w.must(issuance.Certify, foreign)

	o := w.Options
	var err error
	if o.Profile, err = profile.Open("jamaica"); err != nil {
		t.Fatal(err)
	}
	programme, _ := o.Profile.Programme("covid-19", "")
	programme.Doses, programme.ValidFromDays = programme.Doses+1, 14
	later := issuance.New(o)
	for _, e := range []vaccination.Event{said, foreign} {
		r, err := later.Issue(w.ctx, w.by, issuance.Certify, []vaccination.Event{e})
		if err != nil || r[0].Outcome != issuance.Unchanged {
			t.Errorf("the same again: %+v, %v", r, err)
		}
	}
	// What is issued anew follows the profile of its day.
	r, err := later.Issue(w.ctx, w.by, issuance.Correct, []vaccination.Event{with(said, lot("PF2"))})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[vaccination.CertificateID]int{first.ID: programme.Doses - 1, r[0].ID: programme.Doses} {
		record, err := w.ByID(w.ctx, w.by, id, "test")
		if err != nil {
			t.Fatal(err)
		}
		if got := record.Certificate.Vaccination.Total; got != want {
			t.Errorf("%s says %d doses, want %d", id, got, want)
		}
	}
	w.checked()
}
