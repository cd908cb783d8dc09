package vaccination_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/vaccination"
	"pgregory.net/rapid"
)

func TestNormalise(t *testing.T) {
	e := good()
	want := e
	e.Person.Name = "  Specimen\tAnna \u00a0 Testwell\n"
	e.Person.Sex = "Female"
	e.Person.Nationality = "jam"
	e.Address.Country = "Saint  Lucia"
	want.Address.Country = "Saint Lucia"
	e.Vaccination.Lot = " PF1 "
	e.Vaccination.Country.Code = "jm"
	want.Vaccination.Country.Code = "JM"
	e.Contacts = []string{"", " tel:+18765550142", "tel:+18765550142", "mailto:anna@example.org", "  "}
	if d := cmp.Diff(want, e.Normalise()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if e.Contacts[1] != " tel:+18765550142" {
		t.Error("the event given was changed")
	}
}

func anyEvent(t *rapid.T) vaccination.Event {
	var e vaccination.Event
	texts := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[ \t]{0,2}[a-zA-Z]{2,3}[  ]{0,2}`))
	setTexts(reflect.ValueOf(&e).Elem(), func() string { return texts.Draw(t, "text") })
	e.Contacts = rapid.SliceOfN(texts, 0, 5).Draw(t, "contacts")
	e.Vaccination.Number = rapid.IntRange(-1, 101).Draw(t, "dose")
	e.Vaccination.Date.Year = rapid.IntRange(0, 2030).Draw(t, "year")
	return e
}

func TestNormaliseTwiceChangesNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := anyEvent(t).Normalise()
		if d := cmp.Diff(once, once.Normalise()); d != "" {
			t.Error(d)
		}
		for _, f := range once.Validate(today) { // and whatever comes in, it ends and names a path
			if f.Path == "" || f.Message == "" {
				t.Errorf("fault %+v", f)
			}
		}
	})
}

func TestDiffNamesEachFieldThatDiffers(t *testing.T) {
	var a vaccination.Event
	n := 0
	mark := func() string { n++; return fmt.Sprint(n) }
	setTexts(reflect.ValueOf(&a).Elem(), mark)
	if d := vaccination.Diff(a, a); d != nil {
		t.Errorf("an event differs from itself in %v", d)
	}
	texts := n
	b := a
	setTexts(reflect.ValueOf(&b).Elem(), mark)
	if got := vaccination.Diff(a, b); len(got) != texts {
		t.Errorf("%d of %d texts were compared", len(got), texts)
	}
	b = a
	b.Vaccination.Lot += "x"
	b.Vaccination.Number++
	b.Vaccination.Total++
	b.Person.BirthDate = date("1999")
	b.Contacts = []string{"tel:1"}
	want := []string{"contacts", "person.birthDate", "vaccination.dose", "vaccination.lot", "vaccination.totalDoses"}
	if d := cmp.Diff(want, vaccination.Diff(a, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i, set := range []func(*vaccination.Dose, vaccination.Date){
		func(v *vaccination.Dose, d vaccination.Date) { v.Date = d },
		func(v *vaccination.Dose, d vaccination.Date) { v.ValidFrom = d },
		func(v *vaccination.Dose, d vaccination.Date) { v.ValidUntil = d },
		func(v *vaccination.Dose, d vaccination.Date) { v.NextDose = d },
	} {
		b = a
		set(&b.Vaccination, date("2020-01-01"))
		if got := vaccination.Diff(a, b); len(got) != 1 {
			t.Errorf("date %d: %v", i, got)
		}
	}
}

func TestMapTextLeavesTheEventAsItIs(t *testing.T) {
	e := good()
	want := good()
	got := e.MapText(strings.ToUpper)
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
	if got.Person.Name != "SPECIMEN ANNA TESTWELL" || got.Contacts[0] != "TEL:+18765550142" {
		t.Error("not every text was mapped")
	}
}
