package issuance_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// BenchmarkTable_IssueBulk issues in transactions of a thousand, two at a time,
// so that one is signed while the other is written: prepared, signed twice each,
// durable. One op is one certificate. The processor time of each says more than
// the rate where others use the machine too.
func BenchmarkTable_IssueBulk(b *testing.B) {
	w := newWorld(b, "jamaica")
	const batch, writers = 1000, 2
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	mine, postgres := processTime(b), w.postgresTime(b)
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
	mine, postgres = processTime(b)-mine, w.postgresTime(b)-postgres
	b.ReportMetric(float64(mine.Microseconds())/float64(b.N), "µs-divoc")
	b.ReportMetric(float64(postgres.Microseconds())/float64(b.N), "µs-PostgreSQL")
	var size int64
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT pg_total_relation_size('certificate') + pg_total_relation_size('person') + pg_total_relation_size('person_index') + pg_total_relation_size('audit')").Scan(&size); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(size)/float64(b.N), "disk-B/certificate")
}

// processTime is the processor time this process used.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// postgresTime is the processor time that the database's processes used.
func (w *world) postgresTime(b *testing.B) time.Duration {
	rows, err := w.store.Pool().Query(w.ctx, "SELECT pid FROM pg_stat_activity")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		b.Fatal(err)
	}
	var ticks int64 // of 10 ms
	for _, pid := range pids {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
		if _, rest, ok := strings.Cut(string(stat), ") "); ok {
			for _, field := range strings.Fields(rest)[11:13] { // user, system
				n, err := strconv.ParseInt(field, 10, 64)
				if err != nil {
					b.Fatal(err)
				}
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkTable_Fsck checks a database of 20,000 certificates: all that fsck does
// but the tables of rooms beside. One op is the whole check.
func BenchmarkTable_Fsck(b *testing.B) {
	const certificates, batch = 20_000, 1000
	w := newWorld(b, "jamaica")
	for first := 0; first < certificates; first += batch {
		var events []vaccination.Event
		for i := range batch {
			events = append(events, event(fmt.Sprintf("FSCK-%09d", first+i), 1))
		}
		if _, err := w.issue(issuance.Certify, events...); err != nil {
			b.Fatal(err)
		}
	}
	w.exec("VACUUM ANALYZE")
	b.ResetTimer()
	mine, postgres := processTime(b), w.postgresTime(b)
	for range b.N {
		report, err := w.Check(w.ctx)
		if err != nil || len(report.Problems) > 0 || report.Certificates != certificates {
			b.Fatalf("%v, %v", report, err)
		}
	}
	b.StopTimer()
	mine, postgres = processTime(b)-mine, w.postgresTime(b)-postgres
	n := float64(b.N * certificates)
	b.ReportMetric(float64(mine.Microseconds())/n, "µs-divoc")
	b.ReportMetric(float64(postgres.Microseconds())/n, "µs-PostgreSQL")
	b.ReportMetric(n/b.Elapsed().Seconds(), "checked/s")
}
