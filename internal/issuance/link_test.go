package issuance_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestCheckSeesLinks changes each column of the links, and what the audit says
// of them, and takes rows away.
func TestCheckSeesLinks(t *testing.T) {
	w := newWorld(t, "jamaica")
	admin := access.System("test")
	id := map[string]vaccination.CertificateID{}
	for _, code := range []string{"A", "B", "C"} {
		id[code] = w.must(issuance.Certify, event(code, 1)).ID
	}
	for _, pair := range []string{"AB", "BC"} {
		if err := w.Merge(w.ctx, admin, id[pair[:1]], id[pair[1:]], "a test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Unmerge(w.ctx, admin, id["B"], id["C"], "another"); err != nil {
		t.Fatal(err)
	}
	w.checked()
	w.exec("CREATE TABLE kept AS TABLE person_link")
	w.exec("ALTER TABLE person_link DROP CONSTRAINT person_link_bucket_person_id_fkey")
	const one = " WHERE ctid = (SELECT min(ctid) FROM person_link WHERE ended_at IS NULL)"
	const ended = " WHERE ctid = (SELECT min(ctid) FROM person_link WHERE ended_at IS NOT NULL)"
	for name, statement := range map[string]string{
		"a bucket":            "UPDATE person_link SET bucket = (bucket + 1) % 1024" + one,
		"a person":            "UPDATE person_link SET person_id = person_id + 1" + one,
		"the other's bucket":  "UPDATE person_link SET other_bucket = (other_bucket + 1) % 1024" + one,
		"the other":           "UPDATE person_link SET other_id = other_id + 1" + one,
		"when":                "UPDATE person_link SET made_at = made_at + interval '1 second'" + one,
		"by whom":             "UPDATE person_link SET made_by = 'x'" + one,
		"why":                 "UPDATE person_link SET made_why = 'x'" + one,
		"ended by nobody":     "UPDATE person_link SET ended_at = now()" + one,
		"ended, stands again": "UPDATE person_link SET ended_at = NULL, ended_by = '', ended_why = ''" + ended,
		"when it ended":       "UPDATE person_link SET ended_at = ended_at + interval '1 second'" + ended,
		"who ended it":        "UPDATE person_link SET ended_by = 'x'" + ended,
		"why it ended":        "UPDATE person_link SET ended_why = 'x'" + ended,
		"one side":            "DELETE FROM person_link" + one,
		"all":                 "DELETE FROM person_link",
		"one nobody made":     "INSERT INTO person_link SELECT bucket, person_id, other_bucket, other_id, now(), 'x', 'x' FROM person_link WHERE ended_at IS NOT NULL",
	} {
		t.Run(name, func(t *testing.T) {
			w.exec("TRUNCATE person_link")
			w.exec("INSERT INTO person_link SELECT * FROM kept")
			w.exec(statement)
			report, err := w.Check(w.ctx)
			if err != nil || len(report.Problems) == 0 {
				t.Errorf("the check finds nothing: %v", err)
			}
			for _, p := range report.Problems {
				if strings.Contains(p, "Campbell") {
					t.Errorf("a name in %q", p)
				}
			}
		})
	}
}

// TestCheckOfNamesThatAreNotIndexed: who was written before names were indexed is
// no problem, and
// who lacks another index is one.
func TestCheckOfNamesThatAreNotIndexed(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.must(issuance.Certify, event("A", 1))
	looks, err := w.Look(w.ctx, "check", []issuance.Ask{{Event: event("B", 1)}})
	if err != nil || len(looks[0].Like) != 1 {
		t.Fatalf("%+v, %v", looks, err)
	}
	for i, v := range looks[0].Seen.Values {
		w.exec("CREATE TABLE kept AS TABLE person_index")
		w.exec("DELETE FROM person_index WHERE value = '\\x" + hex.EncodeToString(v) + "'")
		report, err := w.Check(w.ctx)
		if err != nil || (len(report.Problems) > 0) == (i == 0) { // the first is the name's
			t.Errorf("value %d: %q, %v", i, report.Problems, err)
		}
		w.exec("TRUNCATE person_index")
		w.exec("INSERT INTO person_index SELECT * FROM kept")
		w.exec("DROP TABLE kept")
	}
	w.checked()
}
