package intake_test

import (
	"testing"
)

// TestFromPushToCertificate follows one delivery from its arrival to the
// certificates and the counts.
func TestFromPushToCertificate(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	ref := w.send("clinic", person("p1"), dose("d1", "p1", 1), dose("d2", "p1", 2, "lot=PF2"))
	w.counted("clinic", "1 in = 1 waiting + 0 issued + 0 unchanged + 0 held + 0 rejected")
	if items, err := w.Outcomes(w.ctx, "clinic", ref); err != nil || len(items) != 0 {
		t.Errorf("before it was looked at: %v, %v", items, err)
	}
	w.process("clinic")
	if got := w.told("clinic", ref); got != "issued issued" {
		t.Errorf("became %s", got)
	}
	w.certified("clinic:p1", "1 PF1 Marcia Campbell", "2 PF2 Marcia Campbell")
	w.counted("clinic", "2 in = 0 waiting + 2 issued + 0 unchanged + 0 held + 0 rejected")

	if again := w.send("clinic", person("p1"), dose("d1", "p1", 1), dose("d2", "p1", 2, "lot=PF2")); again != ref {
		t.Errorf("the same delivery is %s and then %s", ref, again)
	}
	w.process("clinic")
	w.counted("clinic", "4 in = 0 waiting + 2 issued + 2 unchanged + 0 held + 0 rejected")
}
