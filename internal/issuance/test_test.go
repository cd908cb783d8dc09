package issuance_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// certifyTests adds a programme that certifies tests to a profile.
func certifyTests(p *profile.Profile) {
	p.Programmes["covid-19-test"] = &profile.Programme{
		Key: "covid-19-test", Tests: true, Names: map[string]string{"en": "COVID-19"}, Disease: "covid-19",
		Payloads: []string{profile.PayloadDDCC}, Incomplete: "refuse", ValidHours: 72, Layout: "standard",
	}
}

// tested is a test without fault: its sample was taken a day before now.
func tested(code string) vaccination.Event {
	e := event(code, 1)
	e.Vaccination = vaccination.Dose{}
	e.Test = vaccination.Test{
		Type: vaccination.Coding{Display: "RAT"}, Result: vaccination.Coding{Display: "Negative"}, Pathogen: vaccination.Coding{Display: "COVID-19"},
		Brand: vaccination.Coding{Display: "Panbio"}, Manufacturer: vaccination.Coding{Display: "1232"}, Origin: vaccination.Coding{Display: "Nasal swab"},
		Date: time.Date(2026, 11, 21, 9, 30, 0, 0, time.FixedZone("", -5*3600)), ResultDate: time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC),
		Centre: "Falmouth Health Centre", Practitioner: "N. Brown",
	}
	return e
}

func newTests(t *testing.T) *world {
	w := newWorld(t, "jamaica")
	certifyTests(w.Profile)
	return w
}

func TestATestIsCertifiedOnce(t *testing.T) {
	w := newTests(t)
	first := w.must(issuance.Certify, tested("T-1"))
	if first.Outcome != issuance.Issued || first.Programme != "covid-19-test" || first.Dose != 1 || first.Version != 1 {
		t.Errorf("first = %+v", first)
	}
	want := first
	want.Outcome = issuance.Unchanged
	if diff := cmp.Diff(want, w.must(issuance.Certify, tested("T-1"))); diff != "" {
		t.Errorf("the same again (-want +got):\n%s", diff)
	}
	e := w.fails(vaccination.Conflict, issuance.Certify, with(tested("T-1"), func(e *vaccination.Event) { e.Test.Result.Display = "Positive" }))
	if diff := cmp.Diff([]string{"test.result.code"}, paths(e)); diff != "" {
		t.Error(diff)
	}
	// Another sample, or another kind of test of the same one, is another record;
	// a dose of the same person has nothing to do with either.
	later := with(tested("T-1"), func(e *vaccination.Event) {
		e.Test.Date, e.Test.ResultDate = e.Test.Date.Add(time.Hour), time.Time{}
	})
	if r := w.must(issuance.Certify, later); r.Outcome != issuance.Issued || r.Dose != 2 {
		t.Errorf("another sample = %+v", r)
	}
	pcr := with(tested("T-1"), func(e *vaccination.Event) { e.Test.Type.Display = "RT-PCR" })
	if r := w.must(issuance.Certify, pcr); r.Outcome != issuance.Issued || r.Dose != 3 {
		t.Errorf("another kind = %+v", r)
	}
	if r := w.must(issuance.Certify, event("T-1", 1)); r.Outcome != issuance.Issued || r.Programme != "covid-19" || r.Dose != 1 {
		t.Errorf("a dose = %+v", r)
	}
	// The same as after: whatever came between.
	if r := w.must(issuance.Certify, tested("T-1")); r.Outcome != issuance.Unchanged || r.Dose != 1 {
		t.Errorf("the first again = %+v", r)
	}
	w.checked()
}

func TestATestIsCorrectedSuspendedAndRevoked(t *testing.T) {
	w := newTests(t)
	first := w.must(issuance.Certify, tested("T-1"))
	fixed := with(tested("T-1"), func(e *vaccination.Event) { e.Test.Result.Display = "Positive" })
	second := w.must(issuance.Correct, fixed)
	if second.Outcome != issuance.Corrected || second.Replaces != first.ID || second.Dose != 1 {
		t.Fatalf("second = %+v", second)
	}
	if r := w.must(issuance.Certify, tested("T-1")); r.Outcome != issuance.Unchanged || r.ID != second.ID {
		t.Errorf("the old one again = %+v", r)
	}
	// By its number, also the time of the sample is corrected; whoever sends the
	// old time again means the same test.
	moved := with(fixed, func(e *vaccination.Event) {
		e.Test.Number, e.Test.Date, e.Test.ResultDate = 1, e.Test.Date.Add(-time.Hour), time.Time{}
	})
	third := w.must(issuance.Correct, moved)
	if third.Outcome != issuance.Corrected || third.Version != 3 {
		t.Fatalf("third = %+v", third)
	}
	if r := w.must(issuance.Certify, tested("T-1")); r.Outcome != issuance.Unchanged || r.ID != third.ID {
		t.Errorf("the first time again = %+v", r)
	}
	w.fails(vaccination.NotFound, issuance.Correct, with(tested("T-1"), func(e *vaccination.Event) { e.Test.Number = 7 }))
	admin := access.System("administrator")
	for _, act := range []vaccination.Act{vaccination.ActSuspend, vaccination.ActLift, vaccination.ActRevoke} {
		if _, err := w.Change(w.ctx, admin, third.ID, act, "looked into"); err != nil {
			t.Fatalf("%s: %v", act, err)
		}
	}
	w.fails(vaccination.Revoked, issuance.Certify, moved)
	records, err := w.ByCode(w.ctx, w.by, "covid-19-test", "T-1", "test")
	if err != nil || len(records) != 3 || records[2].Status != vaccination.StatusRevoked || !records[2].Certificate.IsTest() {
		t.Fatalf("%d records, %v", len(records), err)
	}
	w.checked()
}

func TestTestsOfOnePersonInOneCall(t *testing.T) {
	w := newTests(t)
	other := with(tested("T-1"), func(e *vaccination.Event) {
		e.Test.Date, e.Test.ResultDate = e.Test.Date.Add(time.Hour), time.Time{}
	})
	r, err := w.issue(issuance.Certify, tested("T-1"), other, tested("T-1"), tested("T-2"))
	if err != nil {
		t.Fatal(err)
	}
	if r[0].Dose != 1 || r[1].Dose != 2 || r[2].ID != r[0].ID || r[2].Outcome != issuance.Unchanged || r[3].Dose != 1 {
		t.Errorf("%+v", r)
	}
	w.checked()
}

// Two sources certify at the same moment: nobody's number is taken twice.
func TestNumbersOfTestsAreGivenOnce(t *testing.T) {
	w := newTests(t)
	const n = 12
	numbers := make([]int, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			e := with(tested("T-1"), func(e *vaccination.Event) {
				e.Test.Date, e.Test.ResultDate = e.Test.Date.Add(time.Duration(i)*time.Minute), time.Time{}
			})
			by := w.by
			by.Actor = fmt.Sprint("token:", i)
			r, err := w.Issue(w.ctx, by, issuance.Certify, []vaccination.Event{e})
			if err != nil {
				t.Error(err)
				return
			}
			numbers[i] = r[0].Dose
		})
	}
	all.Wait()
	slices.Sort(numbers)
	for i, got := range numbers {
		if got != i+1 {
			t.Fatalf("numbers %v", numbers)
		}
	}
	w.checked()
}

func TestWhatIsNoTest(t *testing.T) {
	w := newTests(t)
	for name, c := range map[string]struct {
		change func(*vaccination.Event)
		want   string
	}{
		"a kind that nobody knows":    {func(e *vaccination.Event) { e.Test.Type.Display = "horoscope" }, "test.type unknown"},
		"no kind":                     {func(e *vaccination.Event) { e.Test.Type = vaccination.Coding{} }, "test.type required"},
		"a result that is none":       {func(e *vaccination.Event) { e.Test.Result.Display = "maybe" }, "test.result unknown"},
		"no result":                   {func(e *vaccination.Event) { e.Test.Result = vaccination.Coding{} }, "test.result required"},
		"another disease":             {func(e *vaccination.Event) { e.Test.Pathogen.Display = "Influenza" }, "test.pathogen not-in-programme"},
		"no time of the sample":       {func(e *vaccination.Event) { e.Test.Date = time.Time{} }, "test.date required"},
		"taken in an hour":            {func(e *vaccination.Event) { e.Test.Date, e.Test.ResultDate = w.now.Add(time.Hour), time.Time{} }, "test.date in-future"},
		"a result before the sample":  {func(e *vaccination.Event) { e.Test.ResultDate = e.Test.Date.Add(-time.Hour) }, "test.resultDate out-of-order"},
		"over already":                {func(e *vaccination.Event) { e.Test.Date = w.now.Add(-72 * time.Hour) }, "test.date too-old"},
		"a country that is none":      {func(e *vaccination.Event) { e.Test.Country.Code = "Atlantis" }, "test.country unknown"},
		"a dose beside it":            {func(e *vaccination.Event) { e.Vaccination.Lot = "PF1" }, "vaccination format"},
		"in a programme of doses":     {func(e *vaccination.Event) { e.Programme = "covid-19" }, "test wrong-kind"},
		"a dose in its programme":     {func(e *vaccination.Event) { *e = event("T-1", 1); e.Programme = "covid-19-test" }, "test wrong-kind"},
		"nothing in its programme":    {func(e *vaccination.Event) { e.Programme, e.Test = "covid-19-test", vaccination.Test{} }, "test wrong-kind"},
		"a programme that nobody has": {func(e *vaccination.Event) { e.Programme = "measles-test" }, "programme unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			e := w.fails(vaccination.Invalid, issuance.Certify, with(tested("T-1"), c.change))
			var got []string
			for _, f := range e.Faults {
				got = append(got, f.Path+" "+f.Code)
				for _, secret := range []string{"horoscope", "maybe", "Influenza", "Atlantis"} {
					if strings.Contains(f.Message, secret) {
						t.Errorf("the reason repeats what was sent: %s", f.Message)
					}
				}
			}
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("faults %v, want %s", got, c.want)
			}
		})
	}
	// What is certified stays so when its time is over: the same again, and its
	// revocation.
	r := w.must(issuance.Certify, tested("T-1"))
	w.now = w.now.Add(100 * time.Hour)
	if again := w.must(issuance.Certify, tested("T-1")); again.ID != r.ID || again.Outcome != issuance.Unchanged {
		t.Errorf("after its time: %+v", again)
	}
	w.fails(vaccination.Invalid, issuance.Correct, with(tested("T-1"), func(e *vaccination.Event) { e.Test.Result.Display = "Void" }))
}

func TestAProgrammeOfTestsIsNamedWhereThereAreSeveral(t *testing.T) {
	w := newTests(t)
	other := *w.Profile.Programmes["covid-19-test"]
	other.Key, other.ValidHours = "port-test", 24
	w.Profile.Programmes[other.Key] = &other
	if e := w.fails(vaccination.Invalid, issuance.Certify, tested("T-1")); !slices.Equal(paths(e), []string{"programme"}) {
		t.Errorf("%v", e.Faults)
	}
	if r := w.must(issuance.Certify, with(tested("T-1"), func(e *vaccination.Event) { e.Programme = "port-test" })); r.Programme != "port-test" {
		t.Errorf("%+v", r)
	}
	w.Profile.SourceProgrammes = map[string]string{"check": "covid-19-test"}
	if r := w.must(issuance.Certify, tested("T-1")); r.Programme != "covid-19-test" {
		t.Errorf("of a source that delivers tests: %+v", r)
	}
}

// Every form verifies with our published keys, says the result and when it counts.
func TestATestInItsForms(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	certifyTests(h.Service.Profile)
	e := tested("T-1")
	e.Test.Date, e.Test.ResultDate = h.Now().Add(-26*time.Hour).Truncate(time.Second), time.Time{}
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	offers, err := h.Service.Exports(t.Context(), h.Admin, each[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[issuance.Format]string{
		issuance.FormatICVP: issuance.OtherKind, issuance.FormatFHIR: issuance.OtherKind, issuance.FormatDIVOC: issuance.NotOffered,
		issuance.FormatVDS: issuance.NoSigner, issuance.FormatRecovery: issuance.NotPositive,
	} {
		if o := offerOf(t, offers, format); o.Refused != want {
			t.Errorf("%s: %+v", format, o)
		}
	}
	for format, want := range map[issuance.Format]string{issuance.FormatCode: verify.FormatDDCCTest, issuance.FormatVC: verify.FormatVC, issuance.FormatEU: verify.FormatEUDCC, issuance.FormatSHC: verify.FormatSHC} {
		x, err := h.Service.Export(t.Context(), h.Admin, each[0].ID, format)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		text := x.Code
		if text == "" {
			text = string(x.Body)
		}
		s := verify.Text(t.Context(), text, verify.Options{
			Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{h.Keys.Issuer()}, Status: []trust.Snapshot{snapshot(h, each[0].HCID, vaccination.StatusValid)}}),
			At:    h.Now(),
		})
		if s.Verdict != verify.Valid || s.Format != want || s.Content == nil || s.Content.Test.Result.Display != "Not detected" || s.Content.Test.Type.Display == "" || s.Has(verify.TestPositive) || s.Has(verify.TestNoResult) {
			t.Errorf("%s: %s %v %+v", format, s.Verdict, s.Reasons, s.Content)
			continue
		}
		if !s.ValidUntil.Equal(e.Test.Date.Add(72*time.Hour)) || !s.Content.Test.Date.Equal(e.Test.Date) {
			t.Errorf("%s counts until %v", format, s.ValidUntil)
		}
		if page := s.Text("en"); !strings.Contains(page, "Result: Not detected") || !strings.Contains(page, s.ValidUntil.Format("2006-01-02 15:04 UTC")) {
			t.Errorf("%s:\n%s", format, page)
		}
	}
}
