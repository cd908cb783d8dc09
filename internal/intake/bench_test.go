package intake_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
)

// BenchmarkTable_IntakeReceive stores deliveries of one person with one dose
// from eight connections, durable before the answer. One op is one delivery.
func BenchmarkTable_IntakeReceive(b *testing.B) {
	w := newWorld(b)
	w.source("clinic")
	var n atomic.Int64
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id := fmt.Sprint(n.Add(1))
			if _, err := w.Receive(w.ctx, "clinic", delivery(person("p"+id), dose("d"+id, "p"+id, 1))); err != nil {
				b.Error(err)
			}
		}
	})
}

// waiting stores n deliveries of one person with one dose each, as a poll does.
func (w *world) waiting(n int) {
	w.t.Helper()
	var list []intake.Arrival
	for i := range n {
		id := fmt.Sprint(i)
		a := delivery(person("p"+id), dose("d"+id, "p"+id, 1))
		a.Channel = intake.Poll
		if list = append(list, a); len(list) == 500 || i == n-1 {
			if _, err := w.Deliver(w.ctx, "clinic", intake.Delivery{Arrivals: list}); err != nil {
				w.t.Fatal(err)
			}
			list = nil
		}
	}
}

// BenchmarkTable_IntakeSettle settles what waits: read, joined, mapped, issued,
// and durable with its ledger. One op is one certificate.
func BenchmarkTable_IntakeSettle(b *testing.B) {
	w := newWorld(b)
	w.source("clinic")
	w.waiting(b.N)
	b.ResetTimer()
	w.process("clinic")
	b.StopTimer()
	w.counted("clinic", fmt.Sprintf("%d in = 0 waiting + %[1]d issued + 0 unchanged + 0 held + 0 rejected", b.N))
}

// BenchmarkTable_IntakeAgain settles what changes nothing: a walk over
// everything a source has. One op is one delivery.
func BenchmarkTable_IntakeAgain(b *testing.B) {
	w := newWorld(b)
	w.source("clinic")
	w.waiting(b.N)
	w.process("clinic")
	w.waiting(b.N)
	b.ResetTimer()
	w.process("clinic")
}

// BenchmarkTable_IntakePushToIssued is how long one delivery takes from its
// arrival to its certificate, with the jobs of a server and nothing else to do.
func BenchmarkTable_IntakePushToIssued(b *testing.B) {
	w := newWorld(b)
	w.source("clinic")
	s := intake.New(w.o)
	defer w.running(s)()
	b.ResetTimer()
	for i := range b.N {
		id := fmt.Sprint(i)
		ref, err := s.Receive(w.ctx, "clinic", delivery(person("p"+id), dose("d"+id, "p"+id, 1)))
		if err != nil {
			b.Fatal(err)
		}
		for {
			items, err := s.Outcomes(w.ctx, "clinic", ref)
			if err != nil {
				b.Fatal(err)
			}
			if len(items) > 0 {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}
