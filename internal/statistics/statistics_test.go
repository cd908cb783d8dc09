package statistics_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

func event(code, centre, lot string) vaccination.Event {
	return vaccination.Event{
		EnrolmentCode: code, Person: vaccination.Person{Name: "Marcia Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Nationality: "JAM", Identifier: vaccination.Identifier{Value: code}},
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: lot, Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Total: 2, Centre: centre},
	}
}

func report(t testing.TB, s *statistics.Service, by access.Caller, a statistics.Asked) *statistics.Report {
	t.Helper()
	r, err := s.Report(t.Context(), by, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatHappensIsCountedOnceBeforeAndAfterFolding(t *testing.T) {
	h := issuancetest.New(t, "sri-lanka") // whose hours begin at half past
	source := access.Caller{Actor: "token:1 a", Role: access.SourceRole, Source: "a"}
	var first vaccination.CertificateID
	for i, centre := range []string{"Galle", "Galle", "Kandy"} {
		r, err := h.Service.Issue(t.Context(), source, issuance.Certify, []vaccination.Event{event(fmt.Sprint("E", i), centre, "1")})
		if err != nil {
			t.Fatal(err)
		}
		first = r[0].ID
		h.Pass(20 * time.Minute) // 12:00, 12:20, 12:40 UTC: 17:30, 17:50, 18:10
	}
	for _, again := range []string{"1", "2"} { // the same again does not count, a correction does
		action := issuance.Certify
		if again == "2" {
			action = issuance.Correct
		}
		if _, err := h.Service.Issue(t.Context(), source, action, []vaccination.Event{event("E0", "Galle", again)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Service.Change(t.Context(), h.Admin, first, vaccination.ActRevoke, "x"); err != nil {
		t.Fatal(err)
	}
	s := &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}
	s.Count(registry.CountVerified, 7)
	since, until := s.Today(h.Now())
	for _, when := range []string{"before", "after", "again"} {
		if when != "before" {
			if err := s.Fold(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Pass(11 * time.Second) // what is known is told for ten
		r := report(t, s, h.Admin, statistics.Asked{Since: since, Until: until})
		for kind, want := range map[string]int64{"issued": 3, "corrected": 1, "revoked": 1, "verified": 7, "held": 0} {
			if r.Totals[kind] != want {
				t.Errorf("%s folding: %d %s, want %d", when, r.Totals[kind], kind, want)
			}
		}
		hours := map[string]int64{}
		for _, x := range r.Hours {
			hours[x.Start.Format("15:04")] = x.N["issued"]
		}
		if hours["17:00"] != 2 || hours["18:00"] != 1 {
			t.Errorf("%s folding: %v", when, hours)
		}
		if len(r.Facilities) == 0 || r.Facilities[0].Name != "Galle" || r.Facilities[0].N["issued"] != 2 || len(r.Products) == 0 || r.Products[0].N["issued"] != 3 || r.Sources[0].Name != "a" {
			t.Errorf("%s folding: %+v %+v %+v", when, r.Facilities, r.Products, r.Sources)
		}
	}
	var left int
	if err := h.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM count_event").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	if r := report(t, s, h.Admin, statistics.Asked{Since: since, Until: until, Programme: "none"}); len(r.Totals) != 0 {
		t.Errorf("of no programme: %v", r.Totals)
	}
	if r := report(t, s, h.Admin, statistics.Asked{Since: since.AddDate(0, 0, -1), Until: since}); len(r.Totals) != 0 {
		t.Errorf("yesterday: %v", r.Totals)
	}
}

func TestWhoSeesWhichCounts(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	err := registry.Count(t.Context(), h.Store.Read(), h.Now(), registry.Counted{Kind: "issued", Facility: "Falmouth Health Centre", N: 2}, registry.Counted{Kind: "issued", Facility: "FAL", N: 1}, registry.Counted{Kind: "issued", Facility: "Kingston", N: 5})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Store.Read().PutPlaces(t.Context(), query.PutPlacesParams{Codes: []string{"FAL"}, Names: []string{"Falmouth Health Centre"}, Addresses: []string{""}, Districts: []string{""}, Regions: []string{""}, Actives: []bool{true}, At: h.Now(), By: "x"})
	if err != nil {
		t.Fatal(err)
	}
	s := &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}
	since, until := s.Today(h.Now())
	a := statistics.Asked{Since: since, Until: until}
	for role, want := range map[access.Role]int64{access.SystemAdmin: 8, access.ProgrammeAdmin: 8, access.Auditor: 8, access.FacilityAdmin: 3} {
		if r := report(t, s, access.Caller{Role: role, Facility: "FAL"}, a); r.Totals["issued"] != want {
			t.Errorf("%s sees %d", role, r.Totals["issued"])
		}
	}
	if _, err := s.Report(t.Context(), access.Caller{Role: access.FacilityAdmin}, a); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("of no facility: %v", err)
	}
	for _, role := range []access.Role{access.FacilityStaff, access.SourceRole, access.Citizen, ""} {
		if _, err := s.Report(t.Context(), access.Caller{Role: role, Facility: "FAL"}, a); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%q: %v", role, err)
		}
	}
	a.Since = a.Until.AddDate(0, 0, -93)
	if _, err := s.Report(t.Context(), h.Admin, a); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("too long: %v", err)
	}
}

func TestFoldingAtOnceLosesNothing(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	s := &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				if err := registry.Count(t.Context(), h.Store.Read(), h.Now(), registry.Counted{Kind: "issued", Facility: fmt.Sprint(i), N: 1}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				if err := s.Fold(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	since, until := s.Today(h.Now())
	if r := report(t, s, h.Admin, statistics.Asked{Since: since, Until: until}); r.Totals["issued"] != 200 {
		t.Errorf("%d of 200", r.Totals["issued"])
	}
}

// BenchmarkCount is what counting adds to a transaction of a thousand
// certificates: of one place, and of fifty places with three products each.
func BenchmarkCount(b *testing.B) {
	h := issuancetest.New(b, "jamaica")
	for _, places := range []int{1, 50} {
		var counts []registry.Counted
		for i := range 1000 {
			counts = append(counts, registry.Counted{Kind: "issued", Programme: "covid-19", Product: fmt.Sprint("p", i%3%places), Facility: fmt.Sprint("Facility number ", i%places), Source: "s", N: 1})
		}
		b.Run(fmt.Sprint(places), func(b *testing.B) {
			for range b.N {
				err := h.Store.Tx(b.Context(), func(q *query.Queries) error {
					return registry.Count(b.Context(), q, h.Now(), counts...)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
