package issuance_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

func TestADoseNamedTwiceIsRevokedOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A-1", 1))
	w.must(issuance.Certify, event("A-1", 2))
	doses := []int{2, 2}
	ids, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", doses, "")
	if err != nil || len(ids) != 1 {
		t.Errorf("revoked %v, %v; want one", ids, err)
	}
	if doses[1] != 2 {
		t.Error("the caller's slice was changed")
	}
	w.checked()
}

// TestReasonsThatCannotBeKept offers reasons that the database or the audit
// would refuse.
func TestReasonsThatCannotBeKept(t *testing.T) {
	w := newWorld(t, "jamaica")
	id := w.must(issuance.Certify, event("A-1", 1)).ID
	for name, reason := range map[string]string{
		"unit separator": "a\x1fb", "zero byte": "a\x00b", "newline": "a\nb", "not UTF-8": "a\xff", "too long": strings.Repeat("ä", 201),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, reason); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("Change: %v, want invalid", err)
			}
			if _, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", nil, reason); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("RevokeDoses: %v, want invalid", err)
			}
		})
	}
	if _, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, strings.Repeat("ä", 200)); err != nil {
		t.Errorf("200 characters: %v", err)
	}
	w.checked()
}

// TestACodeIsFoundInEverySpelling looks for an enrolment code as another
// keyboard composes it.
func TestACodeIsFoundInEverySpelling(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event(norm.NFC.String("Négril-1"), 1))
	if r := w.must(issuance.Certify, event(norm.NFD.String("Négril-1"), 1)); r.Outcome != issuance.Unchanged {
		t.Errorf("certified again: %+v", r)
	}
	for name, code := range map[string]string{"composed": norm.NFC.String("Négril-1"), "decomposed": norm.NFD.String("Négril-1"), "spaced": "  Négril-1 "} {
		if _, err := w.ByCode(w.ctx, w.by, "", code, "test"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnOldNumberComesBack corrects a telephone number, then takes it back.
func TestAnOldNumberComesBack(t *testing.T) {
	w := newWorld(t, "jamaica")
	number := func(n string) vaccination.Event {
		return with(event("A-1", 1), func(e *vaccination.Event) { e.Contacts = []string{"tel:" + n} })
	}
	w.must(issuance.Certify, number("8765550142"))
	first := w.state()
	for _, n := range []string{"6585550199", "8765550142"} {
		if r := w.must(issuance.Correct, number(n)); r.Outcome != issuance.Updated {
			t.Errorf("%s: %s, want updated", n, r.Outcome)
		}
	}
	if r := w.must(issuance.Correct, number("8765550142")); r.Outcome != issuance.Unchanged {
		t.Errorf("the same again: %s", r.Outcome)
	}
	index := func(state string) string {
		_, rest, _ := strings.Cut(state, "FROM person_index t ORDER BY 1\n")
		rest, _, _ = strings.Cut(rest, "SELECT")
		return rest
	}
	if got := index(w.state()); got != index(first) {
		t.Errorf("the indexes are of another number:\n%s\nwant\n%s", got, index(first))
	}
	w.checked()
}

// TestARecordStaysItsSources corrects and renews a source's record as an
// administrator: the source must still see, correct and revoke it.
func TestARecordStaysItsSources(t *testing.T) {
	w := newWorld(t, "jamaica")
	admin := access.System("admin")
	w.must(issuance.Certify, event("A-1", 1))
	r, err := w.Issue(w.ctx, admin, issuance.Correct, []vaccination.Event{with(event("A-1", 1), lot("PF2"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByID(w.ctx, w.by, r[0].ID, "test"); err != nil {
		t.Errorf("the source reads the corrected version: %v", err)
	}
	third := w.must(issuance.Correct, with(event("A-1", 1), lot("PF3")))
	if _, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", nil, ""); err != nil {
		t.Errorf("the source revokes: %v", err)
	}
	r, err = w.Issue(w.ctx, admin, issuance.Certify, []vaccination.Event{with(event("A-1", 1), lot("PF4"))})
	if err != nil || r[0].Replaces != third.ID {
		t.Fatalf("issued after the revocation: %+v, %v", r, err)
	}
	if _, err := w.ByID(w.ctx, w.by, r[0].ID, "test"); err != nil {
		t.Errorf("the source reads what follows its revoked certificate: %v", err)
	}
	w.checked()
}
