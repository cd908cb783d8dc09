package deliver_test

import (
	"testing"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/registry"
)

// TestARestoredDatabaseTellsNobody waits for the reconciliation: what it holds as
// queued was sent before it was restored, or is about what was published after
// its backup. A code that somebody waits for goes.
func TestARestoredDatabaseTellsNobody(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.gateway(gatewayFile)
	w.notice("A-1")
	w.exec("INSERT INTO setting (name, value) VALUES ($1, '{}')", registry.SettingHold)
	w.send(deliver.Notice)
	if got := w.carrier.texts(); len(got) != 0 {
		t.Errorf("while it is on hold: %q", got)
	}
	w.code("one", "123456", 300e9)
	w.send(deliver.Code)
	if got := w.carrier.texts(); len(got) != 1 {
		t.Errorf("a code: %q", got)
	}
	w.exec("DELETE FROM setting WHERE name = $1", registry.SettingHold)
	w.send(deliver.Notice)
	if got := w.carrier.texts(); len(got) != 2 {
		t.Errorf("after it: %q", got)
	}
}
