package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// old is a world with a year of entries, of which those of the first month may be
// removed.
func old(t *testing.T) (*world, time.Time) {
	w := newWorld(t, audit.Rules{})
	w.issue("A", "B")
	for _, id := range w.ids {
		w.read("staff:7", id)
	}
	w.entry("staff:7", registry.Entry{Chain: registry.AdminChain, Act: audit.ActSearch})
	if _, err := w.Service.Change(t.Context(), w.Admin, w.ids[0], vaccination.ActRevoke, "a test"); err != nil {
		t.Fatal(err)
	}
	w.Pass(30 * 24 * time.Hour)
	before := w.Now()
	w.Pass(time.Hour)
	w.issue("C")
	w.read("staff:8", w.ids[0])
	return w, before
}

func TestTrimmedChainsHold(t *testing.T) {
	w, before := old(t)
	early := w.publish().Text
	n, err := w.audit.Trim(t.Context(), before)
	if err != nil || n != 3 {
		t.Fatalf("removed %d, %v", n, err)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE actor = 'staff:7'"); n != 0 {
		t.Errorf("%d entries are there after their time", n)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act IN ('issued', 'revoke') OR actor = 'staff:8'"); n != 5 {
		t.Errorf("%d entries of why records are as they are, and of who saw one lately", n)
	}
	if p := w.problems(); len(p) > 0 {
		t.Errorf("fsck: %q", p)
	}
	if n, err := w.audit.Trim(t.Context(), before); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if c := w.compare(early); len(c.Problems) > 0 || c.Held == 0 {
		t.Errorf("a statement of before: %+v", c)
	}
	// And on from there, twice.
	for range 2 {
		w.Pass(30 * 24 * time.Hour)
		w.read("staff:9", w.ids[1])
		w.issue("D" + w.Now().Format("0102"))
		if _, err := w.audit.Trim(t.Context(), w.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if p := w.problems(); len(p) > 0 {
			t.Errorf("fsck: %q", p)
		}
	}
}

func TestATrimmedChainThatWasTouched(t *testing.T) {
	cut := "WHERE seq = (SELECT max(seq) FROM audit_cut) AND chain = (SELECT chain FROM audit_cut ORDER BY seq DESC LIMIT 1)"
	tests := map[string]struct{ sql, says string }{
		"an entry that was left is taken out":  {"DELETE FROM audit WHERE act = 'revoke'", "changed or removed"},
		"an entry that was left is changed":    {"UPDATE audit SET actor = 'staff:1' WHERE act = 'revoke'", "changed or removed"},
		"an entry is put before the cut":       {"INSERT INTO audit SELECT chain, 2, at, 'x', 'x', '', '', hash FROM audit WHERE act = 'revoke' ON CONFLICT DO NOTHING", "changed or removed"},
		"more is said to be removed":           {"UPDATE audit_cut SET seq = seq + 1 " + cut, "not signed"},
		"another hash to go on from":           {"UPDATE audit_cut SET hash = sha256('x') " + cut, "not signed"},
		"another digest of what was left":      {"UPDATE audit_cut SET digest = sha256('x') " + cut, "not signed"},
		"signed by nobody":                     {"UPDATE audit_cut SET signed = '\\x00'", "not signed"},
		"nothing is said to have been removed": {"DELETE FROM audit_cut", "is missing"},
		"more is removed than was said":        {"DELETE FROM audit WHERE actor = 'staff:8'", "does not end where its head says"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, before := old(t)
			if _, err := w.audit.Trim(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			w.exec(test.sql)
			if p := strings.Join(w.problems(), "\n"); !strings.Contains(p, test.says) {
				t.Errorf("fsck says %q, not that something %s", p, test.says)
			}
		})
	}
}

func TestABrokenChainIsNotTrimmed(t *testing.T) {
	w, before := old(t)
	w.exec("UPDATE audit SET actor = 'staff:1' WHERE act = 'revoke'")
	if _, err := w.audit.Trim(t.Context(), before); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("what was forged was removed: %v", err)
	}
}

func TestATrimThatIsNotPersisted(t *testing.T) {
	for _, step := range []string{"DELETE ON audit", "INSERT ON audit_cut", "INSERT ON audit"} {
		t.Run(step, func(t *testing.T) {
			w, before := old(t)
			heal := pgtest.Fail(t, w.Store.Pool(), step)
			if _, err := w.audit.Trim(t.Context(), before); err == nil {
				t.Fatal("it did not fail")
			}
			heal()
			if p := w.problems(); len(p) > 0 {
				t.Errorf("fsck: %q", p)
			}
			if _, err := w.audit.Trim(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			if p := w.problems(); len(p) > 0 {
				t.Errorf("fsck after it was done: %q", p)
			}
			if n := w.count("SELECT count(*) FROM audit WHERE actor = 'staff:7'"); n != 0 {
				t.Errorf("%d entries are there after their time", n)
			}
		})
	}
}
