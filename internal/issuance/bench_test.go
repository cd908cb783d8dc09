package issuance_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// BenchmarkTable_IssueBulk issues in transactions of a thousand, two at a time,
// so that one is signed while the other is written: prepared, signed twice each,
// durable. One op is one certificate.
func BenchmarkTable_IssueBulk(b *testing.B) {
	w := newWorld(b, "jamaica")
	const batch, writers = 1000, 2
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				first := int(next.Add(batch)) - batch
				if first >= b.N {
					return
				}
				var events []vaccination.Event
				for i := range min(batch, b.N-first) {
					events = append(events, event(fmt.Sprintf("BULK-%09d", first+i), 1))
				}
				if _, err := w.issue(issuance.Certify, events...); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	var size int64
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT pg_total_relation_size('certificate') + pg_total_relation_size('person') + pg_total_relation_size('person_index') + pg_total_relation_size('audit')").Scan(&size); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(size)/float64(b.N), "disk-B/certificate")
}
