package dhis2

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/dhis2/replay"
)

func TestAFullWalkFindsWhatAPollMissed(t *testing.T) {
	w := newWorld(t, replay.Options{People: 20})
	w.polled()
	p := w.replay.People()[7]
	delete(w.store.fragments, "dose"+p.Events[0]) // lost, for whichever reason
	w.clock.pass(time.Hour)
	w.polled()
	arrivals := w.store.arrivals
	w.clock.pass(24 * time.Hour)
	w.polled()
	w.complete()
	if n := w.store.arrivals - arrivals; n != 1 {
		t.Errorf("the walk fetched %d people, of whom one differs", n)
	}
}

// TestAFullWalkFindsWhoIsGone: of whom the server says nothing any more, the walk
// tells a deletion; of whom our user may not see, nothing.
func TestAFullWalkFindsWhoIsGone(t *testing.T) {
	for _, version := range []string{"2.35.1", "2.38.2", "2.40.1", "2.41.0"} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, replay.Options{People: 20, Version: version})
			w.polled()
			people := w.replay.People()
			w.replay.Purge(people[3].ID)
			w.replay.Protect(people[5].ID, true)
			w.clock.pass(time.Hour)
			w.polled()
			if w.store.fragments["person"+people[3].ID].Deleted {
				t.Fatal("a poll that asks for what changed cannot know")
			}
			w.clock.pass(24 * time.Hour)
			_ = w.poll() // it tells that somebody may not be seen
			for i, p := range people {
				if got := w.store.fragments["person"+p.ID].Deleted; got != (i == 3) {
					t.Errorf("person %d is deleted: %t", i, got)
				}
			}
		})
	}
}
