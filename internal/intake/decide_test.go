package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// held returns the items of the clinic that are held.
func (w *world) held(f intake.HoldFilter) []intake.Item {
	w.t.Helper()
	list, err := w.Holds(w.ctx, w.admin, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// decided decides and checks what became of it.
func (w *world) decided(want intake.Decided, f intake.HoldFilter, action intake.Action) {
	w.t.Helper()
	if f.Source == "" && len(f.IDs) == 0 {
		f.Source = "clinic"
	}
	got, err := w.Decide(w.ctx, w.admin, f, intake.Decision{Action: action, Reason: "as the clinic says"})
	if err != nil || got != want {
		w.t.Errorf("%s: %+v, want %+v, %v", action, got, want, err)
	}
}

// audited counts entries of the audit.
func (w *world) audited(act string, want int) {
	w.t.Helper()
	var n int
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT count(*) FROM audit WHERE act = $1", act).Scan(&n); err != nil || n != want {
		w.t.Errorf("%d entries %q in the audit, want %d (%v)", n, act, want, err)
	}
}

func TestMendingTheMapping(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for i := range 3 {
		w.send("clinic", person(fmt.Sprint("p", i)), dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "vaccine=MOD"))
	}
	w.sent("held:unmapped-code", person("p8"), dose("d8", "p8", 1, "vaccine=JAN"))
	list := w.held(intake.HoldFilter{Class: intake.UnmappedCode})
	if len(list) != 4 || list[0].Field != "vaccination.product" || len(list[0].Problems) != 1 {
		t.Fatalf("%+v", list)
	}
	shown, err := w.Show(w.ctx, w.admin, list[0].ID)
	if err != nil || len(shown.Codes) != 1 || shown.Codes[0].Code != "MOD" || shown.Dose["lot"] != "PF1" || shown.Person["name"] != "Marcia Campbell" || shown.Event.Vaccination.Lot != "PF1" {
		t.Errorf("%+v, %v", shown, err)
	}
	w.audited("hold.read", 1)
	if _, err := w.Map(w.ctx, w.admin, list[0].ID, "Elixir"); !isCode(err, vaccination.Invalid) {
		t.Errorf("mapped to what is no product: %v", err)
	}
	done, err := w.Map(w.ctx, w.admin, list[0].ID, "Spikevax")
	if err != nil || done != (intake.Decided{Items: 3, Issued: 3}) {
		t.Errorf("%+v, %v", done, err)
	}
	w.counted("clinic", "4 in = 0 waiting + 3 issued + 0 unchanged + 1 held + 0 rejected")
	i, err := w.Get(w.ctx, w.admin, "clinic")
	if err != nil || i.MappingVersion != 2 {
		t.Errorf("%+v, %v", i, err)
	}
	w.audited("hold.retry", 3)
	w.audited("source.mapping", 1)
	text, err := w.MappingText(w.ctx, w.admin, "clinic")
	if err != nil || !strings.Contains(text, "MOD") {
		t.Errorf("%q, %v", text, err)
	}
	// By a whole new mapping.
	if _, err := w.SetMapping(w.ctx, w.admin, "clinic", strings.Replace(text, "MOD:", "JAN: Jcovden, MOD:", 1)); err != nil {
		t.Fatal(err)
	}
	w.decided(intake.Decided{Items: 1, Issued: 1}, intake.HoldFilter{}, intake.Retry)
	w.certified("clinic:p8", "1 PF1 Marcia Campbell")
}

func TestRetryWithoutAChange(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("held:unmapped-code held:unmapped-code", person("p1"), dose("d1", "p1", 1, "vaccine=X"), dose("d2", "p1", 2, "vaccine=Y"))
	w.decided(intake.Decided{Items: 2, Held: 2}, intake.HoldFilter{}, intake.Retry)
	w.counted("clinic", "2 in = 0 waiting + 0 issued + 0 unchanged + 2 held + 0 rejected")
}

// TestEdit: what a person corrects stays corrected until the source says
// something else.
func TestEdit(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	edit := func(path, value string) (intake.Decided, error) {
		t.Helper()
		list := w.held(intake.HoldFilter{})
		return w.Edit(w.ctx, w.admin, list[0].ID, path, json.RawMessage(value), "as on the card")
	}
	w.sent("held:unmapped-code", person("p1", "@=1"), dose("d1", "p1", 1, "vaccine=XX", "@=1"))
	for why, e := range map[string][2]string{
		"no field of an event": {"vaccination.colour", `"red"`}, "another form": {"vaccination.product", `7`}, "no JSON": {"vaccination.product", `PF`}, "a path through a text": {"person.name.first", `"x"`},
	} {
		if _, err := edit(e[0], e[1]); !isCode(err, vaccination.Invalid) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if done, err := edit("vaccination.product", `"Comirnaty"`); err != nil || done.Issued != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.certified("clinic:p1", "1 PF1 Marcia Campbell")
	w.audited("hold.edit", 1)
	w.sent("issued", dose("d1", "p1", 1, "vaccine=XX", "lot=PF2", "@=2")) // the product is known still
	w.certified("clinic:p1", "1 PF2 Marcia Campbell")
	w.sent("issued", dose("d1", "p1", 1, "vaccine=AZ", "lot=PF2", "@=3")) // the source knows better now
	r, err := w.issuance.ByCode(w.ctx, w.admin, "covid-19", "clinic:p1", "test")
	if err != nil || r[len(r)-1].Certificate.Vaccination.Product != "vaxzevria" {
		t.Errorf("product %q, %v", r[len(r)-1].Certificate.Vaccination.Product, err)
	}
	// Of the person: all doses.
	w.sent("held:invalid-value held:invalid-value", person("p2", "name=777"), dose("d2", "p2", 1), dose("d3", "p2", 2))
	if _, err := edit("person.name", `"Ann Lee"`); err != nil {
		t.Fatal(err)
	}
	w.certified("clinic:p2", "1 PF1 Ann Lee", "2 PF1 Ann Lee")
	w.sent("issued", dose("d4", "p2", 3))
	w.certified("clinic:p2", "1 PF1 Ann Lee", "2 PF1 Ann Lee", "3 PF1 Ann Lee")
	w.sent("issued issued issued", person("p2", "name=Ann Lee-Brown"))
	w.counted("clinic", "9 in = 0 waiting + 9 issued + 0 unchanged + 0 held + 0 rejected")
	if _, err := w.Edit(w.ctx, w.admin, 1024, "person.name", json.RawMessage(`"x"`), ""); !isCode(err, vaccination.NotFound) {
		t.Errorf("an item that is not held: %v", err)
	}
}

func TestReject(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("held:unmapped-code", person("p1"), dose("d1", "p1", 1, "vaccine=XX", "@=1"))
	if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"}, intake.Decision{Action: intake.Reject}); !isCode(err, vaccination.Invalid) {
		t.Errorf("rejected without a reason: %v", err)
	}
	w.decided(intake.Decided{Items: 1, Closed: 1}, intake.HoldFilter{}, intake.Reject)
	w.counted("clinic", "1 in = 0 waiting + 0 issued + 0 unchanged + 0 held + 1 rejected")
	w.audited("hold.reject", 1)
	w.sent("unchanged:same", dose("d1", "p1", 1, "vaccine=XX", "@=2"))
	w.sent("unchanged:no-dose", person("p1", "name=Ann Lee")) // it stays rejected
	w.sent("issued", dose("d1", "p1", 1, "@=3"))              // the source says something else
	w.certified("clinic:p1", "1 PF1 Ann Lee")
	// What cannot be read can be rejected too.
	ref, err := w.Receive(w.ctx, "clinic", intake.Arrival{Channel: intake.Push, Body: []byte("{")})
	if err != nil {
		t.Fatal(err)
	}
	w.process("clinic")
	w.decided(intake.Decided{Items: 1, Closed: 1}, intake.HoldFilter{Class: intake.Unreadable}, intake.Reject)
	if got := w.told("clinic", ref); got != "rejected:unreadable" {
		t.Errorf("became %s", got)
	}
}

// TestReadAgain: what could not be read is read again after the program learnt
// to.
func TestReadAgain(t *testing.T) {
	w := newWorld(t)
	w.o.Kinds[plain] = intake.Kind{}
	w.source("clinic")
	w.sent("held:unreadable", person("p1"), dose("d1", "p1", 1), dose("d2", "p1", 2))
	if shown, err := w.Show(w.ctx, w.admin, w.held(intake.HoldFilter{})[0].ID); err != nil || !strings.Contains(shown.Raw, "Marcia") {
		t.Errorf("%+v, %v", shown, err)
	}
	w.o.Kinds[plain] = intake.Kind{Reader: plainReader{}}
	w.decided(intake.Decided{Items: 1, Waiting: 1}, intake.HoldFilter{}, intake.Retry)
	w.counted("clinic", "1 in = 1 waiting + 0 issued + 0 unchanged + 0 held + 0 rejected")
	w.process("clinic")
	w.counted("clinic", "2 in = 0 waiting + 2 issued + 0 unchanged + 0 held + 0 rejected")
}

func TestDeletionsAreDecided(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued issued issued", person("p1"), dose("d1", "p1", 1, "@=1"), dose("d2", "p1", 2, "@=1"), dose("d3", "p1", 3, "@=1"))
	w.sent("held:deleted held:deleted held:deleted", dose("d1", "p1", 1, "@=2", "deleted"), dose("d2", "p1", 2, "@=2", "deleted"), dose("d3", "p1", 3, "@=2", "deleted"))
	list := w.held(intake.HoldFilter{Class: intake.Deleted})
	for _, a := range []intake.Action{intake.Retry, intake.Release, intake.Reject} {
		if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"}, intake.Decision{Action: a, Reason: "x"}); !isCode(err, vaccination.Invalid) {
			t.Errorf("%s of what was deleted: %v", a, err)
		}
	}
	w.decided(intake.Decided{Items: 1, Issued: 1}, intake.HoldFilter{IDs: []int64{list[0].ID}}, intake.Revoke)
	w.decided(intake.Decided{Items: 1, Closed: 1}, intake.HoldFilter{IDs: []int64{list[1].ID}}, intake.Keep)
	w.certified("clinic:p1", "2 PF1 Marcia Campbell", "3 PF1 Marcia Campbell")
	w.sent("unchanged:no-dose", person("p1", "x=1"))
	w.sent("unchanged:no-dose", person("p1", "name=Ann Lee")) // of the deleted ones nothing comes
	w.sent("held:revoked", dose("d1", "p1", 1, "@=3", "lot=PF1"))
	w.certified("clinic:p1", "2 PF1 Marcia Campbell", "3 PF1 Marcia Campbell")
	w.decided(intake.Decided{Items: 1, Issued: 1}, intake.HoldFilter{Class: intake.WasRevoked}, intake.Release) // it says another name now
	w.certified("clinic:p1", "1 PF1 Ann Lee", "2 PF1 Marcia Campbell", "3 PF1 Marcia Campbell")
	w.audited("hold.revoke", 1)
	w.audited("hold.keep", 1)
	w.audited("revoke", 1)
}

func TestAMovedRecordIsReleased(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1, "@=1"))
	w.sent("held:moved", dose("d1", "p1", 2, "@=2"))
	w.decided(intake.Decided{Items: 1, Issued: 1}, intake.HoldFilter{}, intake.Release)
	w.certified("clinic:p1", "2 PF1 Marcia Campbell")
	w.sent("issued", dose("d1", "p1", 2, "@=3", "lot=PF2"))
	w.certified("clinic:p1", "2 PF2 Marcia Campbell")
}

func TestTheOtherRecordIsTheDose(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1, "@=1"))
	w.sent("held:same-dose", dose("d9", "p1", 1, "@=1", "lot=PF9"))
	w.decided(intake.Decided{Items: 1, Issued: 1}, intake.HoldFilter{}, intake.Release)
	w.certified("clinic:p1", "1 PF9 Marcia Campbell")
	w.sent("issued", person("p1", "name=Ann Lee")) // the former record is out of it
	w.certified("clinic:p1", "1 PF9 Ann Lee")
}

func TestWhoMayDecide(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("held:unmapped-code", person("p1"), dose("d1", "p1", 1, "vaccine=XX"))
	id := w.held(intake.HoldFilter{})[0].ID
	for _, by := range []access.Caller{{}, {Actor: "a", Role: access.Auditor}, {Actor: "s", Role: access.SourceRole, Source: "clinic"}} {
		for act, err := range map[string]error{
			"list":    second(w.Holds(w.ctx, by, intake.HoldFilter{})),
			"show":    second(w.Show(w.ctx, by, id)),
			"decide":  second(w.Decide(w.ctx, by, intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Reject, Reason: "x"})),
			"map":     second(w.Map(w.ctx, by, id, "Comirnaty")),
			"edit":    second(w.Edit(w.ctx, by, id, "vaccination.product", json.RawMessage(`"Comirnaty"`), "x")),
			"report":  second(w.Report(w.ctx, by, "")),
			"trace":   second(w.Trace(w.ctx, by, vaccination.CertificateID{1})),
			"create":  w.Create(w.ctx, by, intake.NewSource{Name: "x", Kind: plain, Mapping: mappingText}),
			"test":    second(w.Test(w.ctx, by, "clinic")),
			"pause":   w.Pause(w.ctx, by, "clinic", "x"),
			"resume":  w.Resume(w.ctx, by, "clinic"),
			"set":     w.Set(w.ctx, by, "clinic", intake.Settings{}),
			"mapping": second(w.SetMapping(w.ctx, by, "clinic", mappingText)),
			"text":    second(w.MappingText(w.ctx, by, "clinic")),
			"sources": second(w.List(w.ctx, by)),
			"source":  second(w.Get(w.ctx, by, "clinic")),
		} {
			if !isCode(err, vaccination.Forbidden) {
				t.Errorf("%q may %s: %v", by.Role, act, err)
			}
		}
	}
	w.audited("hold.read", 0)
}

func second[T any](_ T, err error) error { return err }

func TestWhatIsNotDecided(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("held:unmapped-code", person("p1"), dose("d1", "p1", 1, "vaccine=XX"))
	id := w.held(intake.HoldFilter{})[0].ID
	good := intake.Decision{Action: intake.Reject, Reason: "x"}
	for name, tt := range map[string]struct {
		f    intake.HoldFilter
		d    intake.Decision
		code vaccination.Code
	}{
		"everything at once":         {intake.HoldFilter{}, good, vaccination.Invalid},
		"of one class of all":        {intake.HoldFilter{Class: intake.UnmappedCode}, good, vaccination.Invalid},
		"an item that is not there":  {intake.HoldFilter{IDs: []int64{id + 1024}}, good, vaccination.NotFound},
		"a reason of two lines":      {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Reject, Reason: "a\nb"}, vaccination.Invalid},
		"a reason that is long":      {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Reject, Reason: strings.Repeat("a", 201)}, vaccination.Invalid},
		"no action":                  {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Reason: "x"}, vaccination.Invalid},
		"an unknown action":          {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: "burn", Reason: "x"}, vaccination.Invalid},
		"a release of a fault":       {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Release}, vaccination.Invalid},
		"a revocation of nothing":    {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Revoke, Reason: "x"}, vaccination.Invalid},
		"what was not deleted, kept": {intake.HoldFilter{IDs: []int64{id}}, intake.Decision{Action: intake.Keep, Reason: "x"}, vaccination.Invalid},
	} {
		if got, err := w.Decide(w.ctx, w.admin, tt.f, tt.d); !isCode(err, tt.code) || got.Items != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	w.counted("clinic", "1 in = 0 waiting + 0 issued + 0 unchanged + 1 held + 0 rejected")
}

func TestTheAgeingReport(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	if err := w.PutFacilities(w.ctx, "clinic", []intake.Facility{{ID: "a", Name: "Falmouth"}}); err != nil {
		t.Fatal(err)
	}
	for i, days := range []int{0, 1, 2, 10, 27} {
		w.now = w.now.Add(time.Duration(days) * 24 * time.Hour)
		w.sent("held:unmapped-code", person(fmt.Sprint("p", i)), dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "vaccine=XX", "facility=a"))
	}
	w.sent("held:waiting-for-person", dose("d9", "p9", 1))
	got, err := w.Report(w.ctx, w.admin, "clinic")
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	a := got[0]
	if a.Class != intake.UnmappedCode || a.Name != "Falmouth" || a.Items != 5 || a.Day1 != 4 || a.Day3 != 4 || a.Day7 != 4 || a.Day30 != 3 {
		t.Errorf("%+v", a)
	}
	if none, err := w.Report(w.ctx, w.admin, "other"); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	if old := w.held(intake.HoldFilter{Older: 3 * 24 * time.Hour, Facility: "a"}); len(old) != 4 {
		t.Errorf("%d are older than three days", len(old))
	}
	if page := w.held(intake.HoldFilter{Max: 2}); len(page) != 2 || len(w.held(intake.HoldFilter{After: page[1].ID})) != 4 {
		t.Errorf("pages: %+v", page)
	}
}
