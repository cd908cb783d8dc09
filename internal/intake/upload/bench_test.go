package upload_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake/upload"
)

// endless is a table of n rows that is made while it is read.
type endless struct {
	n, i int
	rest []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		switch {
		case e.i == 0:
			e.rest = []byte(header())
		case e.i > e.n:
			return 0, io.EOF
		default:
			e.rest = []byte(line(row(e.i)))
		}
		e.i++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// heap is the memory that objects take, after what is not needed was removed.
func heap() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// importRows stores and issues n rows and returns the rate and the most memory
// that was alive after a batch.
func importRows(w *world, n int) (perSecond float64, most uint64) {
	w.t.Helper()
	begin := time.Now()
	u, err := w.Receive(w.ctx, w.by, upload.File{Name: "people.csv", Format: upload.CSV, Body: &endless{n: n}})
	if err != nil {
		w.t.Fatal(err)
	}
	batches := 0
	err = w.Process(w.ctx, u.ID, func(upload.Info) {
		if batches++; batches%5 == 1 {
			most = max(most, heap())
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	took := time.Since(begin)
	w.totals(w.get(u.ID), fmt.Sprintf("done: %d rows, %d issued, 0 unchanged, 0 wrong", n, n))
	return float64(n) / took.Seconds(), most
}

// BenchmarkTable_ImportCSV imports a table: stored, read, checked, signed and
// durable with the state of every row. One op is one row.
func BenchmarkTable_ImportCSV(b *testing.B) {
	w := newWorld(b)
	b.ResetTimer()
	_, most := importRows(w, b.N)
	b.ReportMetric(float64(most)/1e6, "MB-heap")
}

// TestMemoryDoesNotGrowWithTheFile imports tables of 500 and 5,000 rows; with
// DIVOC_SOAK the larger has 100,000, or as many as DIVOC_ROWS says.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	small := 500
	if os.Getenv("DIVOC_SOAK") != "" {
		small = 10_000
		if v := os.Getenv("DIVOC_ROWS"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 10 {
				t.Fatalf("DIVOC_ROWS=%q is no number of rows", v)
			}
			small = n / 10
		}
	}
	_, least := importRows(newWorld(t), small)
	rate, most := importRows(newWorld(t), 10*small)
	t.Logf("%d rows: %.0f rows/s, %d kB alive; %d rows: %d kB", 10*small, rate, most>>10, small, least>>10)
	if most > least+8<<20 {
		t.Errorf("%d rows hold %d kB, %d rows %d kB", small, least>>10, 10*small, most>>10)
	}
}
