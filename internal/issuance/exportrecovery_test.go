package issuance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// positive is a positive amplification test.
func positive(code string, at time.Time) vaccination.Event {
	return with(tested(code), func(e *vaccination.Event) {
		e.Test.Type.Display, e.Test.Manufacturer, e.Test.Result.Display = "RT-PCR", vaccination.Coding{}, "Positive"
		e.Test.Date, e.Test.ResultDate = at, time.Time{}
	})
}

// laboratory is a house that certifies tests.
func laboratory(t *testing.T) *issuancetest.House {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	certifyTests(h.Service.Profile)
	return h
}

func certified(t *testing.T, h *issuancetest.House, e vaccination.Event) issuance.Result {
	t.Helper()
	each, err := h.Service.Issue(t.Context(), h.Admin, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	return each[0]
}

func offered(t *testing.T, h *issuancetest.House, r issuance.Result, f issuance.Format) issuance.Offer {
	t.Helper()
	offers, err := h.Service.Exports(t.Context(), h.Admin, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return offerOf(t, offers, f)
}

// A recovery can be had from the eleventh day to the end of the 180th, in the days of
// the country, whatever became of the test's own time.
func TestARecoveryHasItsDays(t *testing.T) {
	h := laboratory(t)
	zone := h.Service.Profile.TimeZone
	// An hour before midnight in Jamaica is the next day in UTC.
	local := h.Now().In(zone)
	at := time.Date(local.Year(), local.Month(), local.Day()-1, 23, 0, 0, 0, zone)
	r := certified(t, h, positive("R-1", at))
	midnight := func(days int) time.Time { return time.Date(at.Year(), at.Month(), at.Day()+days, 0, 0, 0, 0, zone) }
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{midnight(11).Add(-time.Second), issuance.TooEarly}, {midnight(11), ""}, {midnight(181).Add(-time.Second), ""}, {midnight(181), issuance.IsOver},
	} {
		h.Set(c.at)
		o := offered(t, h, r, issuance.FormatRecovery)
		if o.Refused != c.want || len(o.Missing) > 0 || o.Possible() != (c.want == "") || !o.Code || !o.Pilot {
			t.Errorf("at %v: %+v, want %q", c.at.In(zone), o, c.want)
		}
		_, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatRecovery)
		if (err == nil) != (c.want == "") || err != nil && vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("at %v: %v", c.at.In(zone), err)
		}
	}
	h.Set(midnight(11))
	if o := offered(t, h, r, issuance.FormatEU); o.Refused != issuance.IsOver {
		t.Errorf("the test itself, long over: %+v", o)
	}
}

// What is written verifies, says when it counts, and ends with its certificate in
// every list.
func TestARecoveryInItsForms(t *testing.T) {
	h := laboratory(t)
	at := h.Now().Add(-20 * time.Hour).Truncate(time.Second)
	first := vaccination.DateOf(at.In(h.Service.Profile.TimeZone))
	r := certified(t, h, positive("R-1", at))
	h.Set(h.Now().AddDate(0, 0, 30))
	x, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatRecovery)
	if err != nil {
		t.Fatal(err)
	}
	statement := func(at time.Time, status vaccination.Status) verify.Statement {
		return verify.Text(t.Context(), x.Code, verify.Options{
			Trust: trust.New(&trust.Bundle{Issuers: []trust.Issuer{h.Keys.Issuer()}, Status: []trust.Snapshot{snapshot(h, r.HCID, status)}}), At: at, MaxStatusAge: -1,
		})
	}
	s := statement(h.Now(), vaccination.StatusValid)
	day, _ := first.Earliest()
	want := vaccination.Recovery{
		Disease: vaccination.Coding{Code: "840539006", System: vaccination.SystemSNOMED}, FirstPositive: first, Country: vaccination.Coding{Code: "JM", System: vaccination.SystemISO3166},
		ValidFrom: vaccination.DateOf(day.AddDate(0, 0, 11)), ValidUntil: vaccination.DateOf(day.AddDate(0, 0, 180)),
	}
	if s.Verdict != verify.Valid || s.Format != verify.FormatEUDCC || s.Content.Info.HCID != r.HCID {
		t.Fatal(s.Text("en"))
	}
	got := s.Content.Recovery
	got.Disease.Display, got.Country.Display = "", ""
	if got != want || s.Content.IsTest() {
		t.Errorf("%+v, want %+v", got, want)
	}
	last := time.Date(first.Year, first.Month, first.Day+181, 0, 0, 0, 0, h.Service.Profile.TimeZone).Add(-time.Second)
	if !s.ValidUntil.Equal(last) || !s.ValidFrom.Equal(h.Now().Truncate(time.Second)) {
		t.Errorf("it counts from %v to %v", s.ValidFrom, s.ValidUntil)
	}
	if s := statement(last.Add(time.Second), vaccination.StatusValid); !s.Has(verify.Expired) {
		t.Error(s.Text("en"))
	}
	for _, lang := range verify.Languages() {
		if page := s.Text(lang); !strings.Contains(page, first.String()) || !strings.Contains(page, want.ValidUntil.String()) {
			t.Errorf("%s:\n%s", lang, page)
		}
	}
	h.Pass(time.Hour)
	again, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatRecovery)
	if err != nil || again.Code != x.Code {
		t.Errorf("it is another when asked for again: %v", err)
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, r.ID, vaccination.ActRevoke, "test"); err != nil {
		t.Fatal(err)
	}
	if s := statement(h.Now(), vaccination.StatusRevoked); !s.Has(verify.Revoked) {
		t.Error(s.Text("en"))
	}
	index, err := h.Service.HashIndex(t.Context())
	if err != nil || strings.Count(string(index.Body), `"hashType"`) != 3 {
		t.Errorf("the EU's lists name it by signature, UCI and country with UCI: %v %s", err, index.Body)
	}
	if _, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatRecovery); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("a revoked test: %v", err)
	}
	if report, err := h.Service.Check(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("%v %v", report, err)
	}
}

func TestWhatProvesNoRecovery(t *testing.T) {
	h := laboratory(t)
	at := h.Now().Add(-50 * time.Hour).Truncate(time.Second)
	antigen := with(positive("R-2", at), func(e *vaccination.Event) {
		e.Test.Type.Display, e.Test.Manufacturer.Display = "RAT", "1232"
	})
	for name, c := range map[string]struct {
		event vaccination.Event
		want  string
	}{
		"a negative result":   {with(positive("R-1", at), func(e *vaccination.Event) { e.Test.Result.Display = "Negative" }), issuance.NotPositive},
		"no result":           {with(positive("R-3", at), func(e *vaccination.Event) { e.Test.Result.Display = "Void" }), issuance.NotPositive},
		"an antigen test":     {antigen, issuance.OtherTest},
		"a vaccination":       {event("R-4", 1), issuance.OtherKind},
		"a name not in Latin": {with(positive("R-5", at), func(e *vaccination.Event) { e.Person.Name = "අනුලා" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := certified(t, h, c.event)
			then := h.Now()
			defer h.Set(then)
			h.Set(then.AddDate(0, 0, 15))
			o := offered(t, h, r, issuance.FormatRecovery)
			if o.Possible() || o.Refused != c.want || c.want == "" && !slices.Equal(o.Missing, []string{"name (in Latin letters)"}) {
				t.Errorf("%+v", o)
			}
			if _, err := h.Service.Export(t.Context(), h.Admin, r.ID, issuance.FormatRecovery); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("%v", err)
			}
		})
	}
	h.Service.Profile.Programmes["covid-19-test"].RecoveryFromAntigen = true
	r := certified(t, h, antigen)
	h.Set(h.Now().AddDate(0, 0, 15))
	if o := offered(t, h, r, issuance.FormatRecovery); !o.Possible() {
		t.Errorf("the profile lets antigen tests count: %+v", o)
	}
}

// The days count from the first positive test of an infection, not from a later one
// that would make them last longer.
func TestARecoveryIsOfTheFirstPositiveTest(t *testing.T) {
	h := laboratory(t)
	h.Service.Profile.Programmes["covid-19-test"].ValidHours = 24 * 365
	now := h.Now()
	day := func(n int) time.Time { return now.AddDate(0, 0, n-100).Truncate(time.Second) }
	first := certified(t, h, positive("R-1", day(0)))
	certified(t, h, with(positive("R-1", day(5)), func(e *vaccination.Event) { e.Test.Result.Display = "Negative" }))
	second := certified(t, h, positive("R-1", day(10)))
	other := certified(t, h, positive("R-2", day(10)))
	reinfected := certified(t, h, positive("R-1", day(75)))
	for name, c := range map[string]struct {
		r    issuance.Result
		want string
	}{"the first": {first, ""}, "ten days later": {second, issuance.NotFirst}, "of somebody else": {other, ""}, "two months later": {reinfected, ""}} {
		if o := offered(t, h, c.r, issuance.FormatRecovery); o.Refused != c.want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if _, err := h.Service.Export(t.Context(), h.Admin, second.ID, issuance.FormatRecovery); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("of a later test: %v", err)
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, first.ID, vaccination.ActRevoke, "of somebody else"); err != nil {
		t.Fatal(err)
	}
	if o := offered(t, h, second, issuance.FormatRecovery); !o.Possible() {
		t.Errorf("the earlier one was withdrawn: %+v", o)
	}
}
