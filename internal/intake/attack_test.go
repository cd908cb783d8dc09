package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// TestAClockAhead: a state of a time that is yet to come does not keep later ones
// out. It counts as of when it came.
func TestAClockAhead(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	year := fmt.Sprintf("@=%d", w.now.AddDate(1, 0, 0).Unix()-1_600_000_000)
	w.sent("issued", person("p1", year), dose("d1", "p1", 1, year))
	w.now = w.now.Add(time.Minute)
	now := fmt.Sprintf("@=%d", w.now.Unix()-1_600_000_000)
	w.sent("issued", person("p1", now, "name=Ann Lee"))
	w.sent("issued", dose("d1", "p1", 1, now, "lot=PF2"))
	w.certified("clinic:p1", "1 PF2 Ann Lee")
	// What was true before it came stays older.
	w.sent("unchanged:older", dose("d1", "p1", 1, "@=1", "lot=PF0"))
	w.certified("clinic:p1", "1 PF2 Ann Lee")
	// A clock that is an hour off keeps its order.
	w.now = w.now.Add(time.Minute)
	hour := w.now.Unix() - 1_600_000_000 + 3600
	w.sent("issued", dose("d1", "p1", 1, fmt.Sprintf("@=%d", hour), "lot=PF4"))
	w.sent("unchanged:older", dose("d1", "p1", 1, fmt.Sprintf("@=%d", hour-1), "lot=PF3"))
}

// TestNamesThatNoTextHolds: what a database cannot keep as text stops nothing
// but the delivery it came with.
func TestNamesThatNoTextHolds(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for name, f := range map[string]intake.Facility{
		"a name": {ID: "a", Name: "x\x00y"}, "a code": {ID: "a", Code: "\x00"}, "a path": {ID: "a", Path: "/\x00"}, "an id": {ID: "\x00"}, "no id": {Name: "x"},
		"a long name": {ID: "a", Name: strings.Repeat("x", 100_000)},
	} {
		body, err := json.Marshal(intake.Reading{Facilities: []intake.Facility{f}})
		if err != nil {
			t.Fatal(err)
		}
		ref, err := w.Receive(w.ctx, "clinic", intake.Arrival{Channel: intake.Push, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Process(w.ctx, "clinic"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := w.told("clinic", ref); got != "held:unreadable" {
			t.Errorf("%s: became %s", name, got)
		}
	}
	w.sent("issued", person("p1"), dose("d1", "p1", 1))
	// In a field of a person or a dose too.
	w.sent("held:invalid-value", person("p2", "name=A\x00B"), dose("d2", "p2", 1))
	w.sent("held:unmapped-code", person("p3"), dose("d3", "p3", 1, "vaccine=\x00"))
}

// TestPersonBack: a person who was deleted, and about whose certificate somebody
// decided, comes back.
func TestPersonBack(t *testing.T) {
	back := func(action intake.Action) *world {
		w := newWorld(t)
		w.source("clinic")
		w.sent("issued", person("p1", "@=1"), dose("d1", "p1", 1))
		w.sent("held:deleted", person("p1", "@=2", "deleted"))
		done, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"}, intake.Decision{Action: action, Reason: "as the clinic says"})
		if err != nil || done.Items != 1 || done.Held != 0 {
			t.Fatalf("%s: %+v, %v", action, done, err)
		}
		w.sent("unchanged:no-dose", person("p1", "@=3", "deleted")) // nothing new
		return w
	}
	w := back(intake.Keep)
	w.sent("issued", person("p1", "@=4", "name=Ann Lee"))
	w.certified("clinic:p1", "1 PF1 Ann Lee")
	w = back(intake.Revoke)
	w.certified("clinic:p1")
	w.sent("held:revoked", person("p1", "@=4"))
	w.certified("clinic:p1")
}

// TestReleaseGivesOneThingFree: who releases a record for one reason has not said
// anything about another.
func TestReleaseGivesOneThingFree(t *testing.T) {
	w := newWorld(t)
	w.source("clinic", func(n *intake.NewSource) { n.Scope = []string{"a"} })
	release := func(want string) {
		t.Helper()
		if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"}, intake.Decision{Action: intake.Release}); err != nil {
			t.Error(err)
		}
		list, err := w.Holds(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"})
		if got := told(list); err != nil || got != want {
			t.Errorf("after the release: %q, %v; want %q", got, err, want)
		}
	}
	w.sent("issued", person("p1"), dose("d1", "p1", 1, "facility=a"))
	w.sent("held:out-of-scope", dose("d2", "p1", 1, "facility=b", "lot=PF2"))
	release("held:same-dose")
	w.certified("clinic:p1", "1 PF1 Marcia Campbell")
	release("")
	w.certified("clinic:p1", "1 PF2 Marcia Campbell")
	// A record that moved to somebody who has this dose already.
	w.sent("issued", person("p2", "name=Ann Lee"), dose("d3", "p2", 1, "facility=a", "@=1", "lot=PF3"))
	w.sent("held:moved", dose("d3", "p1", 1, "facility=a", "@=2", "lot=PF3"))
	release("held:same-dose")
	w.certified("clinic:p1", "1 PF2 Marcia Campbell")
	w.certified("clinic:p2")
}

// TestEditsReachOnePerson: what makes an event another person's or another
// programme's is no field to correct.
func TestEditsReachOnePerson(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1))
	w.sent("held:missing-field", person("p2", "name=Ann Lee"), dose("d2", "p2", 2, "date="))
	list, err := w.Holds(w.ctx, w.admin, intake.HoldFilter{Source: "clinic"})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for path, value := range map[string]string{
		"enrolmentCode": `"clinic:p1"`, "programme": `"yellow-fever"`, "person": `{"name":"Somebody Else"}`, "vaccination": `{}`,
		"": `1`, "person.": `1`, ".": `1`, "person.name.": `"x"`, "person.name.first": `"x"`, "Person.Name": `"x"`, "ENROLMENTCODE": `"clinic:p1"`, "person.nobody": `1`,
		"person.name": `{"a":1}`, "contacts": `"876"`, "vaccination.dose": `"1"`, "vaccination.date": `"Marcia Campbell"`, strings.Repeat("a.", 40) + "a": `1`,
	} {
		_, err := w.Edit(w.ctx, w.admin, list[0].ID, path, json.RawMessage(value), "")
		if !isCode(err, vaccination.Invalid) {
			t.Errorf("%s = %s: %v", path, value, err)
		}
		if err != nil && strings.Contains(err.Error(), "Marcia") {
			t.Errorf("%s: the error repeats the value: %v", path, err)
		}
	}
	if _, err := w.Edit(w.ctx, w.admin, list[0].ID, "vaccination.date", json.RawMessage(`"2021-12-30"`), ""); err != nil {
		t.Error(err)
	}
	w.certified("clinic:p2", "2 PF1 Ann Lee")
}

// TestPausingClosesNoBreaker: a breaker that opened is closed by who resumes the
// source, not by who pauses it again.
func TestPausingClosesNoBreaker(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for i := range 21 {
		w.send("clinic", person(fmt.Sprint("p", i)), dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "@=1"))
	}
	w.process("clinic")
	for i := range 21 {
		w.send("clinic", dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "@=2", "deleted"))
	}
	w.process("clinic")
	if err := w.Pause(w.ctx, w.admin, "clinic", "looking at it"); err != nil {
		t.Fatal(err)
	}
	deleted := intake.HoldFilter{Source: "clinic", Class: intake.Deleted}
	if done, err := w.Decide(w.ctx, w.admin, deleted, intake.Decision{Action: intake.Revoke, Reason: "as the clinic says"}); !isCode(err, vaccination.Conflict) {
		t.Errorf("many revoked: %+v, %v", done, err)
	}
	if err := w.Resume(w.ctx, w.admin, "clinic"); err != nil {
		t.Fatal(err)
	}
	if i, err := w.Get(w.ctx, w.admin, "clinic"); err != nil || i.Breaker {
		t.Errorf("%+v, %v", i, err)
	}
}
