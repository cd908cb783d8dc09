package audit_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func (w *world) alarms() []audit.Alarm {
	w.t.Helper()
	list, err := w.audit.Alarms(w.t.Context(), w.Admin, true, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestWhoOpensWithoutPrintingIsStopped(t *testing.T) {
	w := newWorld(t, audit.Rules{Opened: 3})
	w.issue("A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L")
	next := 0
	open := func(actor string, want vaccination.Code) {
		t.Helper()
		w.Pass(time.Second)
		next++
		if err := w.open(actor, w.ids[next%len(w.ids)]); vaccination.ErrorCode(err) != want {
			t.Errorf("%s opens: %v, want %q", actor, err, want)
		}
	}
	for range 3 {
		open("staff:1", "")
	}
	open("staff:1", vaccination.TooMany)
	open("staff:2", "")
	w.Pass(2 * time.Hour)
	open("staff:1", vaccination.TooMany) // until somebody looked
	list := w.alarms()
	if len(list) != 1 || list[0].Kind != audit.KindBrowsing || list[0].Actor != "staff:1" || list[0].Count != 3 {
		t.Fatalf("alarms = %+v", list)
	}
	admin := func(actor string, role access.Role) access.Caller { return access.Caller{Actor: actor, Role: role} }
	refused := map[string]struct {
		by     access.Caller
		reason string
		want   vaccination.Code
	}{
		"their own":        {admin("staff:1", access.SystemAdmin), "it was me", vaccination.Forbidden},
		"an auditor":       {admin("staff:3", access.Auditor), "why not", vaccination.Forbidden},
		"of one facility":  {access.Caller{Actor: "staff:4", Role: access.FacilityAdmin, Facility: "x"}, "ours", vaccination.Forbidden},
		"without a reason": {admin("staff:5", access.SystemAdmin), "", vaccination.Invalid},
		"two lines":        {admin("staff:5", access.SystemAdmin), "a\nb", vaccination.Invalid},
	}
	for name, r := range refused {
		if err := w.audit.CloseAlarm(t.Context(), r.by, list[0].ID, r.reason); vaccination.ErrorCode(err) != r.want {
			t.Errorf("closed by %s: %v", name, err)
		}
	}
	if err := w.audit.CloseAlarm(t.Context(), admin("staff:5", access.SystemAdmin), list[0].ID, "a vaccination day, seen with the facility"); err != nil {
		t.Fatal(err)
	}
	if err := w.audit.CloseAlarm(t.Context(), admin("staff:5", access.SystemAdmin), list[0].ID, "again"); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("closed twice: %v", err)
	}
	if err := w.audit.CloseAlarm(t.Context(), admin("staff:5", access.SystemAdmin), 99, "which"); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("closed what is not there: %v", err)
	}
	for range 3 { // counted from then on
		open("staff:1", "")
	}
	open("staff:1", vaccination.TooMany)
	if n := w.count("SELECT count(*) FROM audit WHERE act IN ('alarm.browsing', 'alarm.close')"); n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestWhoPrintsIsNotStopped(t *testing.T) {
	w := newWorld(t, audit.Rules{Opened: 3})
	w.issue("A", "B", "C", "D", "E", "F")
	for _, id := range w.ids {
		w.Pass(time.Second)
		if err := w.open("staff:1", id); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Second)
		w.entry("staff:1", registry.Entry{Chain: registry.GroupOf(int16(id.Bucket())), Act: audit.ActPrint, Object: id.String()})
	}
	// What is an hour ago is past.
	for range 5 {
		w.Pass(31 * time.Minute)
		if err := w.open("staff:1", w.ids[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoTwoPassAtOnce(t *testing.T) {
	w := newWorld(t, audit.Rules{Opened: 5})
	for i := range 20 {
		w.issue(fmt.Sprint("CODE-", i))
	}
	var passed atomic.Int32
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			if w.openAt("staff:1", w.ids[i], w.Now().Add(time.Duration(i)*time.Millisecond)) == nil {
				passed.Add(1)
			}
		})
	}
	work.Wait()
	if n := passed.Load(); n != 5 {
		t.Errorf("%d of 20 requests passed", n)
	}
}

func TestTheJobSeesWhatNobodyAsked(t *testing.T) {
	w := newWorld(t, audit.Rules{Opened: 3, Bulk: 4, NightFrom: 20, NightUntil: 6, Zone: time.FixedZone("here", -5*3600)})
	w.issue("A", "B", "C", "D")
	look := func(want int) {
		t.Helper()
		if err := w.audit.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list := w.alarms(); len(list) != want {
			t.Errorf("%d alarms, want %d: %+v", len(list), want, list)
		}
	}
	for _, actor := range []string{"staff:1", "token:1"} {
		for _, id := range w.ids[:3] {
			w.Pass(time.Second)
			w.read(actor, id)
		}
	}
	for range 9 { // one record, again and again
		w.Pass(time.Second)
		w.read("staff:8", w.ids[0])
	}
	look(1) // a system reads as it has to
	for _, id := range w.ids {
		if _, err := w.Service.Change(t.Context(), access.Caller{Actor: "staff:2", Role: access.SystemAdmin}, id, vaccination.ActRevoke, "a test"); err != nil {
			t.Fatal(err)
		}
	}
	look(2)
	look(2) // each once
	issued := registry.Entry{Chain: 3, Act: "issued", Object: "none"}
	w.entry("staff:3", issued) // 7 in the morning
	look(2)
	w.Pass(14 * time.Hour) // 9 at night
	w.entry("intake:hospital", issued)
	w.entry("token:4", issued)
	look(2)
	w.entry("staff:3", issued)
	w.Pass(time.Minute)
	look(3)
	counts, err := w.audit.OpenAlarms(t.Context())
	if err != nil || counts[audit.KindNight] != 1 || counts[audit.KindBulk] != 1 || counts[audit.KindBrowsing] != 1 {
		t.Errorf("counts = %v, %v", counts, err)
	}
}

func TestNights(t *testing.T) {
	day := func(hour int) time.Time { return time.Date(2026, 11, 22, hour, 30, 0, 0, time.UTC) }
	tests := map[string]struct {
		from, until, hour int
		began             int // hours from midnight; 99 for none
	}{
		"over midnight, late":  {21, 5, 23, 21},
		"over midnight, early": {21, 5, 4, -3},
		"over midnight, day":   {21, 5, 5, 99},
		"within a day":         {1, 4, 2, 1},
		"before it":            {1, 4, 0, 99},
		"none":                 {5, 5, 5, 99},
	}
	for name, test := range tests {
		began, night := audit.Rules{NightFrom: test.from, NightUntil: test.until, Zone: time.UTC}.Night(day(test.hour))
		want := time.Date(2026, 11, 22, test.began, 0, 0, 0, time.UTC)
		if night != (test.began != 99) || night && !began.Equal(want) {
			t.Errorf("%s: %v, %v", name, began, night)
		}
	}
}
