package issuance_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestCheckFindsWhatWasTamperedWith changes the database behind the program's
// back.
func TestCheckFindsWhatWasTamperedWith(t *testing.T) {
	tests := map[string]struct{ change, says string }{
		"a revocation undone":                {"UPDATE certificate SET status = 0 WHERE status = 3", "it is valid, and by the audit revoked"},
		"a valid one made revoked":           {"UPDATE certificate SET status = 3 WHERE status = 0 AND dose = 1", "it is revoked, and by the audit valid"},
		"a superseded one made valid":        {"DROP INDEX certificate_one_current; UPDATE certificate SET status = 0 WHERE status = 2", "it stands, and a later version does too"},
		"a current version removed":          {"DELETE FROM certificate WHERE status = 0", "and it is missing"},
		"an earlier version removed":         {"DELETE FROM certificate WHERE status = 2", "an earlier version is missing"},
		"another's content":                  {"UPDATE certificate c SET sealed = o.sealed FROM certificate o WHERE c.id <> o.id", "opening certificate"},
		"damaged content":                    {"UPDATE certificate SET sealed = sealed || '\\x00'", "opening certificate"},
		"another dose number":                {"UPDATE certificate SET dose = 7 WHERE status = 3", "another dose"},
		"another status position":            {"UPDATE certificate SET status_index = (status_index + 1) % 131072 WHERE status = 3", "another status position"},
		"a position twice":                   {"UPDATE certificate SET status_list = 0, status_index = 5", "more than one certificate"},
		"an audit entry changed":             {"UPDATE audit SET actor = 'nobody' WHERE chain < 16 AND act = 'revoke'", "was changed"},
		"an audit entry removed":             {"DELETE FROM audit WHERE chain < 16 AND act = 'corrected'", "is missing"},
		"the last audit entry removed":       {"DELETE FROM audit a WHERE chain < 16 AND seq = (SELECT max(seq) FROM audit b WHERE b.chain = a.chain)", "does not end where its head says"},
		"the last entry removed with a head": {"DELETE FROM audit WHERE act = 'revoke'; UPDATE bucket_group g SET audit_seq = (SELECT max(seq) FROM audit WHERE chain = id), audit_head = (SELECT hash FROM audit WHERE chain = g.id ORDER BY seq DESC LIMIT 1) WHERE EXISTS (SELECT 1 FROM audit WHERE chain = g.id)", "it is revoked, and by the audit valid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			w.must(issuance.Certify, event("A-1", 1))
			w.must(issuance.Correct, with(event("A-1", 1), lot("PF2")))
			second := w.must(issuance.Certify, event("A-1", 2))
			if _, err := w.Change(w.ctx, w.by, second.ID, vaccination.ActRevoke, ""); err != nil {
				t.Fatal(err)
			}
			w.checked()
			w.exec(test.change)
			report, err := w.Check(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(report.Problems, "\n"); !strings.Contains(all, test.says) {
				t.Errorf("problems:\n%s\nwant one that says %q", all, test.says)
			}
		})
	}
}

// TestCheckBesideARunningServer checks while certificates are issued and
// corrected: what is half seen is no problem of what is stored.
func TestCheckBesideARunningServer(t *testing.T) {
	w := newWorld(t, "jamaica")
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range 2 {
		working.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				code := fmt.Sprintf("B-%d-%d", i, n)
				if _, err := w.issue(issuance.Certify, event(code, 1)); err != nil {
					t.Error(err)
				}
				if _, err := w.issue(issuance.Correct, with(event(code, 1), lot("PF2"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 30 {
		w.checked()
	}
	close(stop)
	working.Wait()
	w.checked()
}
