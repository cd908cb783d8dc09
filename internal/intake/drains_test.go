package intake

import (
	"errors"
	"testing"
)

// TestWhoIsAtWorkLooksAgain: what asks while a source is worked on is answered by
// who works on it, however late in that work it asks.
func TestWhoIsAtWorkLooksAgain(t *testing.T) {
	d := drains{running: map[string]bool{}}
	rounds := 0
	err := d.run("clinic", func() error {
		if rounds++; rounds > 2 {
			return nil
		}
		// As late as can be: all the work of this round is done.
		if err := d.run("clinic", func() error { t.Error("two work on one source"); return nil }); err != nil {
			t.Error(err)
		}
		return d.run("other", func() error { return nil })
	})
	if err != nil || rounds != 3 || len(d.running) != 0 {
		t.Errorf("%d rounds, %v, left %v", rounds, err, d.running)
	}
	// What fails is left to the keeper, and to whoever comes next.
	failed := errors.New("failed")
	if err := d.run("clinic", func() error { return errors.Join(failed, d.run("clinic", nil)) }); !errors.Is(err, failed) || len(d.running) != 0 {
		t.Errorf("%v, left %v", err, d.running)
	}
}
