package audit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
)

// BenchmarkTable_AuditSearch searches five million entries, of which nine in ten
// say that something was issued: by each field, by two, and far from the newest.
// One op is a page of each kind of search.
func BenchmarkTable_AuditSearch(b *testing.B) {
	const entries, rows = 5_000_000, 100
	w := newWorld(b, audit.Rules{})
	object := issuancetest.FillAudit(b, w.Store.Pool(), entries)
	middle := time.Date(2026, 5, 22, 0, 0, 0, 0, time.UTC)
	deep := audit.Cursor{At: middle, Chain: 8, Seq: 1 << 40}
	searches := []struct {
		name   string
		filter audit.Filter
		from   audit.Cursor
	}{
		{name: "all"},
		{name: "all-deep", from: deep},
		{name: "time", filter: audit.Filter{From: middle, Until: middle.Add(24 * time.Hour)}},
		{name: "system", filter: audit.Filter{Actor: "intake:source-1"}},
		{name: "system-deep", filter: audit.Filter{Actor: "intake:source-1"}, from: deep},
		{name: "person", filter: audit.Filter{Actor: "staff:7"}},
		{name: "person-deep", filter: audit.Filter{Actor: "staff:7"}, from: deep},
		{name: "nobody", filter: audit.Filter{Actor: "staff:none"}},
		{name: "act", filter: audit.Filter{Act: "read"}},
		{name: "rare-act", filter: audit.Filter{Act: "revoke"}, from: deep},
		{name: "issued", filter: audit.Filter{Act: "issued"}, from: deep},
		{name: "no-act", filter: audit.Filter{Act: "none"}},
		{name: "object", filter: audit.Filter{Object: object}},
		{name: "no-object", filter: audit.Filter{Object: "item 7"}},
		{name: "actor-act", filter: audit.Filter{Actor: "staff:7", Act: "read"}},
		{name: "system-act", filter: audit.Filter{Actor: "intake:source-1", Act: "revoke"}},
		{name: "person-issued", filter: audit.Filter{Actor: "staff:7", Act: "issued"}},
	}
	search := func(b *testing.B, i int) time.Duration {
		start := time.Now()
		if _, _, err := w.audit.Search(b.Context(), auditor(), searches[i].filter, searches[i].from, rows); err != nil {
			b.Errorf("%s: %v", searches[i].name, err)
		}
		return time.Since(start)
	}
	for i, s := range searches { // what it reads first is read from disk
		b.Logf("%-14s first %v", s.name, search(b, i).Round(100*time.Microsecond))
	}
	b.Run("Page", func(b *testing.B) {
		took := make([][]time.Duration, len(searches))
		for range b.N {
			for i := range searches {
				took[i] = append(took[i], search(b, i))
			}
		}
		worst := 0.0
		for i, s := range searches {
			slices.Sort(took[i])
			ms := float64(took[i][min(len(took[i])-1, len(took[i])*95/100)].Microseconds()) / 1000
			b.Logf("%-14s p50 %.1f ms, p95 %.1f ms", s.name, float64(took[i][len(took[i])/2].Microseconds())/1000, ms)
			worst = max(worst, ms)
		}
		b.ReportMetric(worst, "p95-ms")
	})
}
