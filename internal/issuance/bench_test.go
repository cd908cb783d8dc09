package issuance_test

import (
	"fmt"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// BenchmarkTable_IssueBulk issues in transactions of a thousand: prepared,
// signed twice each, durable. One op is one certificate.
func BenchmarkTable_IssueBulk(b *testing.B) {
	w := newWorld(b, "jamaica")
	const batch = 1000
	events := make([]vaccination.Event, 0, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		events = events[:0]
		for j := range min(batch, b.N-i) {
			events = append(events, event(fmt.Sprintf("BULK-%09d", i+j), 1))
		}
		if _, err := w.issue(issuance.Certify, events...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}
