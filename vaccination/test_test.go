package vaccination_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/vaccination"
)

func tested() vaccination.Event {
	e := good()
	e.Vaccination = vaccination.Dose{}
	e.Test = vaccination.Test{
		Type: vaccination.Coding{Code: "naat"}, Result: vaccination.Coding{Display: "Negative"},
		Date: time.Date(2026, 11, 21, 9, 5, 0, 0, time.UTC), ResultDate: time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC),
		Centre: "Falmouth Health Centre",
	}
	return e
}

func TestValidateOfATest(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, c := range map[string]struct {
		change func(*vaccination.Event)
		want   []string
	}{
		"a good record": {func(e *vaccination.Event) {}, nil},
		"nothing of the test but its number": {func(e *vaccination.Event) { e.Test = vaccination.Test{Number: 1} },
			[]string{"test.date required", "test.result required", "test.type required"}},
		"a dose beside it":           {func(e *vaccination.Event) { e.Vaccination.Lot = "PF1" }, []string{"vaccination format"}},
		"a negative number":          {func(e *vaccination.Event) { e.Test.Number = -1 }, []string{"test.number out-of-range"}},
		"the thousandth":             {func(e *vaccination.Event) { e.Test.Number = 1000 }, nil},
		"one more":                   {func(e *vaccination.Event) { e.Test.Number = 1001 }, []string{"test.number out-of-range"}},
		"taken tomorrow somewhere":   {func(e *vaccination.Event) { e.Test.Date, e.Test.ResultDate = at("2026-11-23T23:59:59Z"), time.Time{} }, nil},
		"taken the day after":        {func(e *vaccination.Event) { e.Test.Date, e.Test.ResultDate = at("2026-11-24T00:00:00Z"), time.Time{} }, []string{"test.date in-future"}},
		"a result next week":         {func(e *vaccination.Event) { e.Test.ResultDate = at("2026-11-29T00:00:00Z") }, []string{"test.resultDate in-future"}},
		"a result before the sample": {func(e *vaccination.Event) { e.Test.ResultDate = e.Test.Date.Add(-time.Second) }, []string{"test.resultDate out-of-order"}},
		"a result at once":           {func(e *vaccination.Event) { e.Test.ResultDate = e.Test.Date }, nil},
		"no time of the result":      {func(e *vaccination.Event) { e.Test.ResultDate = time.Time{} }, nil},
		"taken on the day of birth, east of Greenwich": {func(e *vaccination.Event) {
			e.Person.BirthDate, e.Test.Date = date("2026-11-21"), at("2026-11-21T01:00:00+05:30")
		}, nil},
		"taken before birth": {func(e *vaccination.Event) {
			e.Person.BirthDate = date("2026-11-22")
			e.Test.Date = at("2026-11-20T12:00:00Z")
		}, []string{"test.date before-birth"}},
		"a centre with a control character": {func(e *vaccination.Event) { e.Test.Centre = "A\x00" }, []string{"test.centre character"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := tested()
			c.change(&e)
			var got []string
			for _, f := range e.Validate(today) {
				got = append(got, f.Path+" "+f.Code)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
		})
	}
}

func TestWhatATestIsKnownBy(t *testing.T) {
	e := tested()
	e.Test.Number, e.Test.Lot = 3, "T1"
	lanka := time.FixedZone("", 5*3600+1800)
	e.Test.Date = time.Date(2026, 11, 20, 20, 0, 0, 400, lanka).Add(5 * time.Hour)
	n := e.Normalise()
	if n.Test.Date.Nanosecond() != 0 || n.Test.Date.Location() != time.UTC {
		t.Errorf("the time is not in one spelling: %v", n.Test.Date)
	}
	if !n.IsTest() || n.Number() != 3 || n.Lot() != "T1" || n.Centre() != "Falmouth Health Centre" || n.Day(lanka) != date("2026-11-21") || n.Day(time.UTC) != date("2026-11-20") {
		t.Errorf("number %d, lot %q, day %v", n.Number(), n.Lot(), n.Day(lanka))
	}
	o := n
	o.Test.Date = o.Test.Date.Add(time.Second)
	if !n.Test.Same(n.Test) || n.Test.Same(o.Test) {
		t.Error("samples are not told apart by their time")
	}
	o = n
	o.Test.Type.Code = "rat"
	if n.Test.Same(o.Test) {
		t.Error("tests of one sample are not told apart by their kind")
	}
	o.Test.Number, o.Test.ResultDate = 4, time.Time{}
	if d := cmp.Diff([]string{"test.number", "test.resultDate", "test.type.code"}, vaccination.Diff(n, o)); d != "" {
		t.Error(d)
	}
	dose := good()
	if dose.IsTest() || dose.Number() != 1 || dose.Lot() != "PF1" || dose.Day(lanka) != dose.Vaccination.Date || (vaccination.Certificate{}).Day(lanka) != (vaccination.Date{}) {
		t.Error("a dose is taken for a test")
	}
}
