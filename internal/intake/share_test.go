package intake_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
)

// TestMuchOfOneSourceKeepsNoOtherWaiting: six sources have more to settle than
// the workers can in a while, and what a seventh pushes is issued before most of
// them are done.
func TestMuchOfOneSourceKeepsNoOtherWaiting(t *testing.T) {
	w := newWorld(t)
	s := intake.New(w.o)
	stop := w.running(s)
	defer stop()
	const much = 2000
	for i := range 6 {
		name := fmt.Sprint("much-", i)
		w.source(name)
		var list []intake.Arrival
		for n := range much {
			id := fmt.Sprint(n)
			list = append(list, delivery(person("p"+id), dose("d"+id, "p"+id, 1)))
		}
		if _, err := s.Deliver(w.ctx, name, intake.Delivery{Arrivals: list}); err != nil {
			t.Fatal(err)
		}
	}
	w.source("clinic")
	began := time.Now()
	ref, err := s.Receive(w.ctx, "clinic", delivery(person("p1"), dose("d1", "p1", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		items, err := s.Outcomes(w.ctx, "clinic", ref)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) > 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("not issued within a minute")
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("issued after %v", time.Since(began).Round(time.Millisecond))
	counts, err := s.Counts(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The first may be done: it is settled while the others still arrive. Were
	// sources settled whole, four at once, the seventh would come after three.
	done := 0
	for i := range 6 {
		if counts[fmt.Sprint("much-", i)].Waiting == 0 {
			done++
		}
	}
	if done > 2 {
		t.Errorf("it waited until all of %d sources was settled: %+v", done, counts)
	}
}
