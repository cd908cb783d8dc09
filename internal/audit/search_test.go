package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// auditor is who searches.
func auditor() access.Caller { return access.Caller{Actor: "staff:99", Role: access.Auditor} }

func TestSearchFindsWhatALookAtAllFinds(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	w.issue("A", "B")
	objects := []string{w.ids[0].String(), w.ids[1].String(), "item 7", ""}
	actors, acts := []string{"staff:1", "staff:2", "token:1 x"}, []string{"read", "revoke", "print"}
	for i := range 200 {
		if i%7 > 0 {
			w.Pass(time.Duration(i%5) * time.Minute)
		}
		w.entry(actors[i%3], registry.Entry{Chain: int16(i % 17), Act: acts[i%2+i%4/3], Object: objects[i%4], Detail: "x"})
	}
	w.Pass(time.Minute)
	end := w.Now()
	var every []audit.Entry
	if err := w.audit.Export(t.Context(), auditor(), audit.Filter{Until: end}, func(e []audit.Entry) error { every = append(every, e...); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(every) < 200 || !slices.IsSortedFunc(every, func(a, b audit.Entry) int { return b.At.Compare(a.At) }) {
		t.Fatalf("%d entries", len(every))
	}
	begin := every[len(every)-1].At
	rapid.Check(t, func(rt *rapid.T) {
		f := audit.Filter{
			Actor:  rapid.SampledFrom(append(actors, "")).Draw(rt, "actor"),
			Act:    rapid.SampledFrom(append(acts, "", "issued")).Draw(rt, "act"),
			Object: rapid.SampledFrom(objects).Draw(rt, "object"),
		}
		if rapid.Bool().Draw(rt, "from?") {
			f.From = begin.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "from")) * time.Minute)
		}
		f.Until = end
		if rapid.Bool().Draw(rt, "until?") {
			f.Until = begin.Add(time.Duration(rapid.IntRange(401, 800).Draw(rt, "until")) * time.Minute)
		}
		var want []audit.Entry
		for _, e := range every {
			if (f.Actor == "" || e.Actor == f.Actor) && (f.Act == "" || e.Act == f.Act) && (f.Object == "" || e.Object == f.Object) && !e.At.Before(f.From) && e.At.Before(f.Until) {
				want = append(want, e)
			}
		}
		var got []audit.Entry
		size := rapid.IntRange(9, 60).Draw(rt, "page")
		for from, more := (audit.Cursor{}), true; more; {
			entries, next, err := w.audit.Search(t.Context(), auditor(), f, from, size)
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, entries...)
			again, err := audit.ParseCursor(next.String())
			if err != nil {
				rt.Fatal(err)
			}
			from, more = again, next != audit.Cursor{}
		}
		// Searches write entries themselves, after "end" by this clock or not.
		got = slices.DeleteFunc(got, func(e audit.Entry) bool { return e.Actor == "staff:99" })
		want = slices.DeleteFunc(want, func(e audit.Entry) bool { return e.Actor == "staff:99" })
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("%v (-all +found):\n%s", f, diff)
		}
	})
}

func TestACertificateIsFoundInAnySpelling(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	w.issue("A")
	for _, text := range []string{w.ids[0].String(), w.ids[0].UVCI("JM"), " " + w.ids[0].String() + " "} {
		entries, _, err := w.audit.Search(t.Context(), auditor(), audit.Filter{Object: text}, audit.Cursor{}, 10)
		if err != nil || len(entries) != 1 || entries[0].Act != "issued" {
			t.Errorf("%q: %+v, %v", text, entries, err)
		}
	}
}

func TestWhoMaySearch(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	for _, role := range []access.Role{access.SourceRole, access.FacilityStaff, access.FacilityAdmin, access.ProgrammeAdmin, access.Citizen, access.Recipient, ""} {
		by := access.Caller{Actor: "x", Role: role}
		if _, _, err := w.audit.Search(t.Context(), by, audit.Filter{}, audit.Cursor{}, 1); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s searches: %v", role, err)
		}
		if err := w.audit.Export(t.Context(), by, audit.Filter{}, nil); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s exports: %v", role, err)
		}
		if _, err := w.audit.Chains(t.Context(), by); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s sees the chains: %v", role, err)
		}
		if _, err := w.audit.Alarms(t.Context(), by, false, 1); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s sees the alarms: %v", role, err)
		}
	}
	if n := w.count("SELECT count(*) FROM audit"); n != 0 {
		t.Errorf("%d entries of searches that were refused", n)
	}
	if _, _, err := w.audit.Search(t.Context(), auditor(), audit.Filter{Actor: "staff:1"}, audit.Cursor{}, 1); err != nil {
		t.Fatal(err)
	}
	if n := w.count("SELECT count(*) FROM audit WHERE act = 'audit.search' AND detail = 'actor staff:1' AND actor = 'staff:99'"); n != 1 {
		t.Errorf("%d entries of a search", n)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(audit.Cursor{At: time.Unix(1, 0), Chain: 3, Seq: 9}.String())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := audit.ParseCursor(text)
		if err == nil && c.String() != text {
			t.Errorf("%q is read as %q", text, c)
		}
	})
}

func TestASearchThatTakesTooLongIsEndedAndSaysSo(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	w.issue("A")
	o := w.audit.Options
	o.SearchTime = 50 * time.Millisecond
	impatient := audit.New(o)
	if _, _, err := impatient.Search(t.Context(), auditor(), audit.Filter{}, audit.Cursor{}, 10); err != nil {
		t.Fatal(err)
	}
	// Somebody has the table, as a slow search would have the processor.
	tx, err := w.Store.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE certificate IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, _, err = impatient.Search(t.Context(), auditor(), audit.Filter{Object: w.ids[0].String()}, audit.Cursor{}, 10)
	if vaccination.ErrorCode(err) != vaccination.Unavailable || !strings.Contains(err.Error(), "shorter time") {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
