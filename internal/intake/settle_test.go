package intake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// step is one delivery, what became of it, and the certificates after it.
type step struct {
	send  []intake.Fragment
	want  string
	after []string
}

func f(list ...intake.Fragment) []intake.Fragment { return list }

// TestWhatBecomesOfDeliveries sends one after the other.
func TestWhatBecomesOfDeliveries(t *testing.T) {
	w := newWorld(t)
	one := []string{"1 PF1 Marcia Campbell"}
	for name, steps := range map[string][]step{
		"a correction": {
			{f(person("p1", "@=1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(person("p1", "@=1"), dose("d1", "p1", 1, "@=2", "lot=PF9")), "issued", []string{"1 PF9 Marcia Campbell"}},
		},
		"there and back": {
			{f(person("p1", "@=1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(dose("d1", "p1", 1, "@=2", "lot=PF9")), "issued", []string{"1 PF9 Marcia Campbell"}},
			{f(dose("d1", "p1", 1, "@=3")), "issued", one},
		},
		"there and back without versions": {
			{f(person("p1"), dose("d1", "p1", 1)), "issued", one},
			{f(person("p1"), dose("d1", "p1", 1, "lot=PF9")), "issued", []string{"1 PF9 Marcia Campbell"}},
			{f(person("p1"), dose("d1", "p1", 1)), "issued issued", one}, // the delivery has two items now
		},
		"an older state is late": {
			{f(person("p1", "@=1"), dose("d1", "p1", 1, "@=5")), "issued", one},
			{f(dose("d1", "p1", 1, "@=4", "lot=OLD")), "unchanged:older", one},
		},
		"the same with a newer version": {
			{f(person("p1", "@=1"), dose("d1", "p1", 1, "@=5")), "issued", one},
			{f(dose("d1", "p1", 1, "@=6")), "unchanged:same", one},
			{f(dose("d1", "p1", 1, "@=5", "lot=OLD", "x=1")), "unchanged:older", one},
		},
		"a field that no rule reads": {
			{f(person("p1"), dose("d1", "p1", 1, "@=5")), "issued", one},
			{f(dose("d1", "p1", 1, "@=6", "weather=fine")), "unchanged:same", one},
		},
		"a dose before its person": {
			{f(dose("d1", "p1", 1)), "held:waiting-for-person", nil},
			{f(dose("d1", "p1", 1, "lot=PF2")), "held:waiting-for-person", nil},
			{f(person("p1")), "unchanged:no-dose", []string{"1 PF2 Marcia Campbell"}},
		},
		"a person who is corrected": {
			{f(person("p1"), dose("d1", "p1", 1), dose("d2", "p1", 2)), "issued issued", []string{"1 PF1 Marcia Campbell", "2 PF1 Marcia Campbell"}},
			{f(person("p1", "name=Marcia Brown")), "issued issued", []string{"1 PF1 Marcia Brown", "2 PF1 Marcia Brown"}},
			{f(person("p1", "name=Marcia Brown", "note=x")), "unchanged:no-dose", []string{"1 PF1 Marcia Brown", "2 PF1 Marcia Brown"}},
		},
		"a person alone": {{f(person("p1")), "unchanged:no-dose", nil}},
		"nothing at all": {{f(), "unchanged:no-dose", nil}},
		"two states in one delivery": {
			{f(person("p1"), dose("d1", "p1", 1, "@=2", "lot=NEW"), dose("d1", "p1", 1, "@=1")), "issued", []string{"1 NEW Marcia Campbell"}},
			{f(dose("d1", "p1", 1, "@=3", "lot=A"), dose("d1", "p1", 1, "@=4", "lot=B")), "issued", []string{"1 B Marcia Campbell"}},
		},
		"a dose that was not given": {{f(person("p1"), dose("d1", "p1", 1, "status=planned")), "unchanged:no-dose", nil}},
		"a dose that is given after it was planned": {
			{f(person("p1"), dose("d1", "p1", 1, "status=planned", "@=1")), "unchanged:no-dose", nil},
			{f(dose("d1", "p1", 1, "@=2")), "issued", one},
		},
		"an unknown code":      {{f(person("p1"), dose("d1", "p1", 1, "vaccine=XX")), "held:unmapped-code", nil}},
		"a missing field":      {{f(person("p1"), dose("d1", "p1", 1, "date=")), "held:missing-field", nil}},
		"a name that is none":  {{f(person("p1", "name=12345"), dose("d1", "p1", 1)), "held:invalid-value", nil}},
		"a date to come":       {{f(person("p1"), dose("d1", "p1", 1, "date=2036-01-01")), "held:invalid-value", nil}},
		"a dose of nobody":     {{f(dose("d1", "", 1)), "held:missing-field", nil}},
		"a person without one": {{f(person("p1", "name="), dose("d1", "p1", 1)), "held:missing-field", nil}},
		"what is mended at the source": {
			{f(person("p1"), dose("d1", "p1", 1, "vaccine=XX", "@=1")), "held:unmapped-code", nil},
			{f(dose("d1", "p1", 1, "@=2")), "issued", one},
			{f(person("p1"), dose("d1", "p1", 1, "vaccine=XX", "@=1")), "unchanged:older unchanged:replaced", one},
		},
		"what is mended at the person": {
			{f(person("p1", "name=1"), dose("d1", "p1", 1), dose("d2", "p1", 2)), "held:invalid-value held:invalid-value", nil},
			{f(person("p1")), "unchanged:no-dose", []string{"1 PF1 Marcia Campbell", "2 PF1 Marcia Campbell"}},
		},
		"what is spoiled at the person": {
			{f(person("p1"), dose("d1", "p1", 1)), "issued", one},
			{f(person("p1", "name=1")), "held:invalid-value", one},
			{f(person("p1", "name=Ann Lee")), "unchanged:no-dose", []string{"1 PF1 Ann Lee"}},
		},
		"a deletion": {
			{f(person("p1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(changed(intake.Fragment{Kind: intake.DoseFragment, ID: "d1"}, []string{"@=2", "deleted"})), "held:deleted", one},
			{f(changed(intake.Fragment{Kind: intake.DoseFragment, ID: "d1"}, []string{"@=2", "deleted"})), "held:deleted unchanged:same", one},
			{f(dose("d1", "p1", 1, "@=3")), "unchanged:same", one}, // it was a mistake
		},
		"a deletion before anything was certified": {
			{f(dose("d1", "p1", 1, "@=1")), "held:waiting-for-person", nil},
			{f(dose("d1", "p1", 1, "@=2", "deleted")), "unchanged:withdrawn", nil},
			{f(person("p1")), "unchanged:no-dose", nil},
		},
		"a deleted person": {
			{f(person("p1", "@=1"), dose("d1", "p1", 1)), "issued", one},
			{f(person("p1", "@=2", "deleted")), "held:deleted", one},
		},
		"a dose that no longer counts": {
			{f(person("p1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(dose("d1", "p1", 1, "@=2", "status=planned")), "held:deleted", one},
		},
		"deleted and entered again": {
			{f(person("p1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(dose("d1", "p1", 1, "@=2", "deleted")), "held:deleted", one},
			{f(dose("d9", "p1", 1, "@=3", "lot=PF9")), "issued", []string{"1 PF9 Marcia Campbell"}},
			{f(dose("d1", "p1", 1, "@=2", "deleted")), "unchanged:replaced unchanged:same", []string{"1 PF9 Marcia Campbell"}},
		},
		"entered again and deleted": {
			{f(person("p1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(dose("d9", "p1", 1, "@=3", "lot=PF9")), "held:same-dose", one},
			{f(dose("d1", "p1", 1, "@=4", "deleted")), "held:deleted", []string{"1 PF9 Marcia Campbell"}},
		},
		"another dose": {
			{f(person("p1"), dose("d1", "p1", 1, "@=1")), "issued", one},
			{f(dose("d1", "p1", 2, "@=2")), "held:moved", one},
			{f(dose("d1", "p1", 1, "@=3")), "unchanged:same", one},
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := strings.ReplaceAll(name[:min(len(name), 40)], " ", "-")
			w.source(source)
			for i, s := range steps {
				w.now = w.now.Add(time.Second)
				ref := w.send(source, s.send...)
				w.process(source)
				if got := w.told(source, ref); got != s.want {
					t.Errorf("step %d became %q, want %q", i+1, got, s.want)
				}
				if got := w.certificates(source + ":p1"); !slices.Equal(got, s.after) {
					t.Errorf("step %d: certificates %q, want %q", i+1, got, s.after)
				}
				w.counts(source)
			}
		})
	}
}

// TestTwoStatesInOneBatch: what is newest when a batch is settled is issued
// once.
func TestTwoStatesInOneBatch(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	first := w.send("clinic", person("p1"), dose("d1", "p1", 1, "@=1"))
	third := w.send("clinic", dose("d1", "p1", 1, "@=3", "lot=PF3"))
	second := w.send("clinic", dose("d1", "p1", 1, "@=2", "lot=PF2"))
	w.process("clinic")
	for ref, want := range map[string]string{first: "unchanged:replaced", second: "unchanged:older", third: "issued"} {
		if got := w.told("clinic", ref); got != want {
			t.Errorf("%s became %q, want %q", ref, got, want)
		}
	}
	w.certified("clinic:p1", "1 PF3 Marcia Campbell")
	w.counted("clinic", "3 in = 0 waiting + 1 issued + 2 unchanged + 0 held + 0 rejected")
}

// TestWhatCannotBeRead is held, and stands in the way of nothing.
func TestWhatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	refs := map[string]string{}
	for _, body := range []string{"", "{", "panic", `{"Fragments":[{"kind":"dose","id":""}]}`, `{"Fragments":[{"kind":"dose","id":"` + strings.Repeat("x", 501) + `"}]}`, `{"Fragments":[{"kind":"thing","id":"x"}]}`, `{"Fragments":[{"kind":"dose","id":"a\u0000b"}]}`} {
		ref, err := w.Receive(w.ctx, "clinic", intake.Arrival{Channel: intake.Push, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		refs[ref] = body
	}
	w.sent("issued", person("p1"), dose("d1", "p1", 1))
	for ref, body := range refs {
		if got := w.told("clinic", ref); got != "held:unreadable" {
			t.Errorf("%.20q became %s", body, got)
		}
	}
	w.counted("clinic", "8 in = 0 waiting + 1 issued + 0 unchanged + 7 held + 0 rejected")
	// Sent again it is counted, not held twice.
	if _, err := w.Receive(w.ctx, "clinic", intake.Arrival{Channel: intake.Push, Body: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	w.process("clinic")
	w.counted("clinic", "9 in = 0 waiting + 1 issued + 1 unchanged + 7 held + 0 rejected")
}

func TestWhatIsNotReceived(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for name, a := range map[string]intake.Arrival{
		"too large":          {Channel: intake.Push, Body: make([]byte, 32<<20+1)},
		"an unknown channel": {Channel: "pigeon", Body: []byte("{}")},
	} {
		if ref, err := w.Receive(w.ctx, "clinic", a); err == nil || ref != "" {
			t.Errorf("%s: received as %q", name, ref)
		}
	}
	if _, err := w.Receive(w.ctx, "nobody", delivery(person("p1"))); err == nil {
		t.Error("received from a source that does not exist")
	}
	w.counted("clinic", "0 in = 0 waiting + 0 issued + 0 unchanged + 0 held + 0 rejected")
}

// TestReferencesSayNothing: nothing of a delivery can be guessed from its
// reference, and nothing of a person is stored in clear.
func TestReferencesSayNothing(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	a.source("clinic")
	a.source("other")
	b.source("clinic")
	refs := map[string]bool{}
	for _, w := range []*world{a, b} {
		refs[w.send("clinic", person("p1"))] = true
	}
	refs[a.send("other", person("p1"))] = true
	refs[a.send("clinic", person("p1", "name=Ann Lee"))] = true
	if len(refs) != 4 {
		t.Errorf("%d references of 4 deliveries", len(refs))
	}
	a.process("clinic")
	a.sent("held:unmapped-code issued", person("p2"), dose("d2", "p2", 1), dose("d3", "p2", 2, "vaccine=Marcias secret"))
	for _, table := range []string{"arrival", "fragment", "item", "source", "facility", "audit", "river_job"} {
		var text string
		if err := a.store.Pool().QueryRow(a.ctx, "SELECT coalesce(string_agg(t::text, ' '), '') FROM "+table+" t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		for _, personal := range []string{"Marcia", "Campbell", "1987", "5550142", "555 0142", "p1\"", "secret"} {
			if strings.Contains(text, personal) {
				t.Errorf("%q stands in table %s", personal, table)
			}
		}
	}
}

// TestFacilities: a certificate names the place as it was called when it was
// issued; a source reports for its facilities only.
func TestFacilities(t *testing.T) {
	w := newWorld(t)
	w.source("clinic", func(n *intake.NewSource) { n.Scope = []string{"/country/north", "solo"} })
	places := []intake.Facility{
		{ID: "a", Name: "Falmouth", Path: "/country/north/a"}, {ID: "b", Name: "Kingston", Path: "/country/northern/b"}, {ID: "solo", Name: "Solo"},
	}
	if err := w.PutFacilities(w.ctx, "clinic", places); err != nil {
		t.Fatal(err)
	}
	w.sent("issued", person("p1"), dose("d1", "p1", 1, "facility=a", "@=1"))
	w.sent("issued", person("p2"), dose("d2", "p2", 1, "facility=solo"))
	w.sent("held:out-of-scope", person("p3"), dose("d3", "p3", 1, "facility=b"))
	w.sent("held:out-of-scope", person("p4"), dose("d4", "p4", 1))
	centre := func() string {
		r, err := w.issuance.ByCode(w.ctx, w.admin, "covid-19", "clinic:p1", "test")
		if err != nil {
			t.Fatal(err)
		}
		return r[len(r)-1].Certificate.Vaccination.Centre
	}
	if got := centre(); got != "Falmouth" {
		t.Errorf("given at %q", got)
	}
	places[0].Name = "Falmouth Health Centre"
	if err := w.PutFacilities(w.ctx, "clinic", places); err != nil {
		t.Fatal(err)
	}
	w.sent("unchanged:same", dose("d1", "p1", 1, "facility=a", "@=2", "x=1"))
	w.sent("issued", person("p1", "name=Ann Lee"))
	if got := centre(); got != "Falmouth" {
		t.Errorf("after the place has another name: given at %q", got)
	}
	w.sent("issued", dose("d1", "p1", 1, "facility=solo", "@=3"))
	if got := centre(); got != "Solo" {
		t.Errorf("after the source corrected the place: given at %q", got)
	}
}

// TestHourlyLimit holds what is more than a source is to issue.
func TestHourlyLimit(t *testing.T) {
	w := newWorld(t)
	w.source("clinic", func(n *intake.NewSource) { n.HourlyLimit = 3 })
	var ref string
	for i := range 5 {
		ref = w.send("clinic", person(fmt.Sprint("p", i)), dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1))
	}
	w.process("clinic")
	w.counted("clinic", "5 in = 0 waiting + 3 issued + 0 unchanged + 2 held + 0 rejected")
	if got := w.told("clinic", ref); got != "held:over-limit" {
		t.Errorf("the last became %s", got)
	}
	w.sent("held:over-limit", person("p8"), dose("d8", "p8", 1))
	w.now = w.now.Add(time.Hour)
	w.sent("issued", person("p9"), dose("d9", "p9", 1))
	if i, err := w.Get(w.ctx, w.admin, "clinic"); err != nil || i.Hour != 1 || i.HourlyLimit != 3 {
		t.Errorf("%+v, %v", i, err)
	}
	done, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic", Class: intake.OverLimit}, intake.Decision{Action: intake.Release})
	if err != nil || done.Items != 3 || done.Issued != 3 {
		t.Errorf("released: %+v, %v", done, err)
	}
	w.counted("clinic", "7 in = 0 waiting + 7 issued + 0 unchanged + 0 held + 0 rejected")
}

// TestBreaker: a storm of deletions pauses the source and revokes nothing.
func TestBreaker(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for i := range 30 {
		w.send("clinic", person(fmt.Sprint("p", i)), dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "@=1"))
	}
	w.process("clinic")
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			w.send("clinic", dose(fmt.Sprint("d", i), fmt.Sprint("p", i), 1, "@=2", "deleted"))
		}
		w.process("clinic")
	}
	state := func(want intake.State) {
		t.Helper()
		i, err := w.Get(w.ctx, w.admin, "clinic")
		if err != nil || i.State != want || i.Breaker != (want == intake.Paused) || (i.Problem != "") != (want == intake.Paused) {
			t.Errorf("%+v, %v", i, err)
		}
	}
	deleted := intake.HoldFilter{Source: "clinic", Class: intake.Deleted}
	revoke := intake.Decision{Action: intake.Revoke, Reason: "entered in error"}
	remove(0, 20)
	state(intake.Active)
	remove(20, 21)
	state(intake.Paused)
	w.send("clinic", person("p99"), dose("d99", "p99", 1))
	w.process("clinic")
	w.counted("clinic", "52 in = 1 waiting + 30 issued + 0 unchanged + 21 held + 0 rejected")
	if _, err := w.Decide(w.ctx, w.admin, deleted, revoke); !isCode(err, vaccination.Conflict) {
		t.Errorf("many revoked while the breaker is open: %v", err)
	}
	list, err := w.Holds(w.ctx, w.admin, deleted)
	if err != nil || len(list) != 21 {
		t.Fatalf("%d held, %v", len(list), err)
	}
	if done, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{IDs: []int64{list[0].ID}}, revoke); err != nil || done.Issued != 1 {
		t.Errorf("one: %+v, %v", done, err)
	}
	if err := w.Resume(w.ctx, w.admin, "clinic"); err != nil {
		t.Fatal(err)
	}
	state(intake.Active)
	w.process("clinic")
	w.certified("clinic:p99", "1 PF1 Marcia Campbell")
	if done, err := w.Decide(w.ctx, w.admin, deleted, revoke); err != nil || done.Issued != 20 {
		t.Errorf("many: %+v, %v", done, err)
	}
	w.certified("clinic:p5")
	remove(21, 23) // a new window: two more do not trip it
	state(intake.Active)
	w.counted("clinic", "54 in = 0 waiting + 52 issued + 0 unchanged + 2 held + 0 rejected")
}
