package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// openScanned opens the record of a certificate as if it was scanned.
func (w *world) openScanned(n int, id vaccination.CertificateID) (string, error) {
	by := clerk(n, "KGN01")
	name, found := w.search(by, desk.Question{Text: id.UVCI("JM"), Reason: "training"})
	if len(found.Matches) != 1 {
		w.t.Fatalf("found %+v", found)
	}
	return w.Open(w.t.Context(), by, name, found.Matches[0].ID, "", "", "training")
}

// TestTheDeskNamesActsAsTheAuditCountsThem fails where one of them is renamed.
func TestTheDeskNamesActsAsTheAuditCountsThem(t *testing.T) {
	if desk.ActOpen != audit.ActOpen || desk.ActPrint != audit.ActPrint || desk.ActSearch != audit.ActSearch {
		t.Error("alarms count acts that no desk does")
	}
	for _, act := range []string{desk.ActSearch, desk.ActOpen, desk.ActRefused, desk.ActPrint, desk.ActFetch} {
		if !slices.Contains(audit.SeenActs(), act) {
			t.Errorf("%s is never removed", act)
		}
	}
}

// TestThe31stRecordWithoutAPrint is refused, somebody else has to look, and who
// printed goes on.
func TestThe31stRecordWithoutAPrint(t *testing.T) {
	w := newWorld(t)
	var events []vaccination.Event
	for i := range 31 {
		events = append(events, event(fmt.Sprintf("JM-%06d", i), "Shanice Brown", "1987-04-21", ""))
	}
	// The first has two certificates, and opening both is one record.
	second := event("JM-000000", "Shanice Brown", "1987-04-21", "")
	second.Vaccination.Number, second.Vaccination.Date = 2, date("2021-06-09")
	ids := w.issue(append(events, second)...)[:31]
	for i, id := range ids[:30] {
		w.house.Pass(time.Second)
		record, err := w.openScanned(1, id)
		if err != nil {
			t.Fatalf("record %d: %v", i+1, err)
		}
		if _, _, err := w.Record(t.Context(), clerk(1, "KGN01"), record); err != nil { // looking again is no other
			t.Fatal(err)
		}
	}
	w.house.Pass(time.Second)
	if _, err := w.openScanned(1, ids[0]); vaccination.ErrorCode(err) != vaccination.TooMany { // also one that was open
		t.Errorf("the 31st: %v", err)
	}
	before := w.count(desk.ActOpen)
	_, err := w.openScanned(1, ids[30])
	is(t, err, vaccination.TooMany)
	if n := w.count(desk.ActOpen); n != before {
		t.Error("what was refused is recorded as opened")
	}
	row, err := w.house.Store.Read().OpenAlarm(t.Context(), query.OpenAlarmParams{Kind: string(audit.KindBrowsing), Actor: "staff:1"})
	if err != nil || row.N != 30 {
		t.Errorf("alarm = %+v, %v", row, err)
	}
	if n := w.count("alarm.browsing"); n != 1 {
		t.Errorf("%d entries of the alarm", n)
	}
	if _, err := w.openScanned(2, ids[30]); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

func TestWhoPrintsOpensMoreThan30(t *testing.T) {
	w := newWorld(t)
	var events []vaccination.Event
	for i := range 8 {
		events = append(events, event(fmt.Sprintf("JM-%06d", i), "Shanice Brown", "1987-04-21", ""))
	}
	// A second certificate of the same person: one of both is opened, the other printed.
	second := event("JM-000000", "Shanice Brown", "1987-04-21", "")
	second.Vaccination.Number, second.Vaccination.Date = 2, date("2021-06-09")
	ids := w.issue(append(events, second)...)
	w.Allow = audit.New(audit.Options{Store: w.house.Store, Keys: w.house.Keys, Now: w.house.Now, Log: w.house.Log, Rules: audit.Rules{Opened: 3}}).Allow
	for i, id := range ids[:8] {
		w.house.Pass(time.Second)
		record, err := w.openScanned(1, id)
		if err != nil {
			t.Fatalf("record %d: %v", i+1, err)
		}
		print := id
		if i == 0 {
			print = ids[8]
		}
		if _, err := w.Print(t.Context(), clerk(1, "KGN01"), record, order(w.act(), print)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAPrintDeskOpensNoMoreEither asks as DIVOC's print desk does.
func TestAPrintDeskOpensNoMoreEither(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.issue(event(fmt.Sprintf("JM-%06d", i), "Shanice Brown", fmt.Sprintf("1987-04-%02d", 10+i), "8765550142"))
	}
	w.Allow = audit.New(audit.Options{Store: w.house.Store, Keys: w.house.Keys, Now: w.house.Now, Log: w.house.Log, Rules: audit.Rules{Opened: 3}}).Allow
	for i := range 4 {
		w.house.Pass(time.Second)
		out, err := w.Beneficiaries(t.Context(), clerk(1, "KGN01"), "8765550142", date(fmt.Sprintf("1987-04-%02d", 10+i)), "training")
		if i < 3 && (err != nil || len(out) != 1) {
			t.Fatalf("%d: %+v, %v", i, out, err)
		}
		if i == 3 && (vaccination.ErrorCode(err) != vaccination.TooMany || out != nil) {
			t.Errorf("the fourth: %+v, %v", out, err)
		}
	}
}

// TestManyCopiesOfOnePrintAreOne: what takes back an opened record is another
// person who was printed for, not another copy.
func TestManyCopiesOfOnePrintAreOne(t *testing.T) {
	w := newWorld(t)
	var events []vaccination.Event
	for i := range 17 {
		events = append(events, event(fmt.Sprintf("JM-%06d", i), "Shanice Brown", "1987-04-21", ""))
	}
	second := event("JM-000000", "Shanice Brown", "1987-04-21", "")
	second.Vaccination.Number, second.Vaccination.Date = 2, date("2021-06-09")
	ids := w.issue(append(events, second)...)
	by := clerk(1, "KGN01")
	record := w.opened(by, ids[0])
	for range 5 {
		if _, err := w.Print(t.Context(), by, record, order(w.act(), ids[0])); err != nil {
			t.Fatal(err)
		}
	}
	prints, err := w.Print(t.Context(), by, record, order(w.act(), ids[17])) // their other dose
	if err == nil {
		_, err = w.Again(t.Context(), by, prints[0].Serial, w.act())
	}
	if err != nil {
		t.Fatal(err)
	}
	printed := func() (n int) {
		t.Helper()
		if err := w.house.Store.Pool().QueryRow(t.Context(), "SELECT printed FROM desk_day WHERE actor = 'staff:1' ORDER BY day DESC LIMIT 1").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := printed(); n != 1 {
		t.Errorf("seven prints for one person count as %d", n)
	}
	// Sixteen more opened than printed for: a reason is due.
	for _, id := range ids[1:16] {
		w.house.Pass(time.Second)
		if _, err := w.openScanned(1, id); err != nil {
			t.Fatal(err)
		}
	}
	name, found := w.search(by, desk.Question{Text: ids[16].UVCI("JM"), Reason: "training"})
	if _, err := w.Open(t.Context(), by, name, found.Matches[0].ID, "", "", ""); !errors.Is(err, desk.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	w.house.Pass(24 * time.Hour)
	if _, err := w.Print(t.Context(), by, w.opened(by, ids[0]), order(w.act(), ids[0])); err != nil {
		t.Fatal(err)
	}
	if n := printed(); n != 1 {
		t.Errorf("the next day it counts as %d", n)
	}
}
