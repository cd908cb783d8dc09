package statistics_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/statistics"
)

// TestReportsOfDaysReadSumsAlone has the hours of facilities locked away: a report
// of whole days is there all the same, and one of hours is not.
func TestReportsOfDaysReadSumsAlone(t *testing.T) {
	h := issuancetest.New(t, "jamaica")
	ctx := t.Context()
	s := &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}
	since, until := s.Today(h.Now())
	if err := registry.Count(ctx, h.Store.Read(), since.Add(9*time.Hour), registry.Counted{Kind: registry.CountIssued, N: 3, Programme: "covid-19", Facility: "Clinic 1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Store.Pool().Exec(ctx, "DELETE FROM count_sum"); err != nil { // as a version before left it
		t.Fatal(err)
	}
	if err := s.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	by := access.Caller{Actor: "staff:1", Role: access.SystemAdmin}
	hours, err := s.Report(ctx, by, statistics.Asked{Since: since.Add(time.Hour), Until: until})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := h.Store.Pool().Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "LOCK TABLE count_hour IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	days, err := s.Report(short, by, statistics.Asked{Since: since, Until: until})
	if err != nil {
		t.Fatalf("a report of a day reads more than the sums: %v", err)
	}
	days.Asked, days.At, hours.Asked, hours.At = statistics.Asked{}, time.Time{}, statistics.Asked{}, time.Time{}
	if diff := cmp.Diff(hours, days); diff != "" {
		t.Errorf("hours and sums tell otherwise:\n%s", diff)
	}
	h.Pass(time.Minute)
	if _, err := s.Report(short, by, statistics.Asked{Since: since.Add(time.Hour), Until: until}); err == nil {
		t.Error("the lock holds up nobody: this test shows nothing")
	}
}

// BenchmarkTable_Today reads reports from a million rows: a quarter of a year of 130
// facilities, and what was not folded yet.
func BenchmarkTable_Today(b *testing.B) {
	h := issuancetest.New(b, "jamaica")
	ctx := b.Context()
	s := &statistics.Service{Store: h.Store, Zone: h.Profile.TimeZone, Now: h.Now}
	today, until := s.Today(h.Now())
	const folded = `INSERT INTO count_hour (hour, kind, programme, product, facility, source, n)
			SELECT @today::timestamptz - d * interval '1 day' + (8 + hour) * interval '1 hour', kind, 'covid-19', product, 'Clinic ' || f, 'source-' || f % 3, 1 + f % 7
			FROM generate_series(0, 91) AS d, generate_series(0, 9) AS hour, generate_series(1, 130) AS f, unnest(ARRAY['comirnaty', 'vaxzevria']) AS product, unnest(ARRAY['issued', 'corrected', 'delivered', 'failed']) AS kind`
	const unfolded = `INSERT INTO count_event (at, n, kind, programme, product, facility, source)
			SELECT @today::timestamptz + i * interval '1 second', 1, 'issued', 'covid-19', 'comirnaty', 'Clinic ' || 1 + i % 130, 'source-1' FROM generate_series(1, 2000) AS i`
	if _, err := h.Store.Pool().Exec(ctx, strings.ReplaceAll(folded, "@today", "$1"), today); err != nil {
		b.Fatal(err)
	}
	if err := s.Fold(ctx); err != nil { // fills the sums, and leaves nothing to fold
		b.Fatal(err)
	}
	if _, err := h.Store.Pool().Exec(ctx, strings.ReplaceAll(unfolded, "@today", "$1"), today); err != nil {
		b.Fatal(err)
	}
	if _, err := h.Store.Pool().Exec(ctx, "VACUUM ANALYZE count_sum, count_event"); err != nil {
		b.Fatal(err)
	}
	by := access.Caller{Actor: "staff:1", Role: access.SystemAdmin}
	for _, x := range []struct {
		name  string
		asked statistics.Asked
	}{
		{"day", statistics.Asked{Since: today, Until: until}},
		{"week", statistics.Asked{Since: today.AddDate(0, 0, -6), Until: until}},
		{"quarter", statistics.Asked{Since: today.AddDate(0, 0, -91), Until: until}},
	} {
		b.Run(x.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				h.Pass(time.Minute) // what was counted is told again for some seconds
				began := time.Now()
				if r := report(b, s, by, x.asked); r.Totals["issued"] == 0 || len(r.Facilities) != 130 {
					b.Fatalf("%v, %d facilities", r.Totals, len(r.Facilities))
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
