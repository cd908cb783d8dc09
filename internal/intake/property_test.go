package intake_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/intake"
)

// history is everything that a source ever said, in the order of its versions.
type history struct {
	people, doses int
	states        []intake.Fragment
}

// drawHistory makes a history of a few people. The newest state of each thing is
// good where good is true; states before may be anything.
func drawHistory(t *rapid.T) history {
	h := history{people: rapid.IntRange(1, 3).Draw(t, "people"), doses: rapid.IntRange(1, 3).Draw(t, "doses")}
	version := 0
	next := func() string { version++; return fmt.Sprint("@=", version) }
	names := []string{"name=Ann Lee", "name=Marcia Brown", "name=7", "name="}
	faults := []string{"vaccine=XX", "date=", "status=planned", "deleted", "lot=A", "lot=B", "lot=C"}
	for range rapid.IntRange(0, 12).Draw(t, "states") {
		p := rapid.IntRange(0, h.people-1).Draw(t, "person")
		if d := rapid.IntRange(0, h.doses).Draw(t, "dose"); d > 0 {
			h.states = append(h.states, dose(doseID(p, d), personID(p), d, next(), rapid.SampledFrom(faults).Draw(t, "change")))
		} else {
			h.states = append(h.states, person(personID(p), next(), rapid.SampledFrom(names).Draw(t, "name")))
		}
	}
	for p := range h.people {
		if rapid.IntRange(0, 9).Draw(t, "last person") > 0 {
			h.states = append(h.states, person(personID(p), next(), rapid.SampledFrom(names[:2]).Draw(t, "name")))
		}
		for d := 1; d <= h.doses; d++ {
			if rapid.IntRange(0, 9).Draw(t, "last dose") > 0 {
				h.states = append(h.states, dose(doseID(p, d), personID(p), d, next(), rapid.SampledFrom(faults[4:]).Draw(t, "lot")))
			}
		}
	}
	return h
}

func personID(p int) string  { return fmt.Sprint("p", p) }
func doseID(p, d int) string { return fmt.Sprintf("p%dd%d", p, d) }
func good(f intake.Fragment) bool {
	return !f.Deleted && (f.Kind == intake.PersonFragment && len(f.Fields["name"]) > 1 ||
		f.Kind == intake.DoseFragment && f.Fields["vaccine"] == "PF" && f.Fields["date"] != "" && f.Status == "done")
}

// newest is the last state of each thing.
func (h history) newest() map[string]intake.Fragment {
	out := map[string]intake.Fragment{}
	for _, f := range h.states {
		out[f.ID] = f
	}
	return out
}

// TestTheOrderOfArrivalDoesNotMatter sends random histories in random orders and
// groups, some of it again, with settling, retries and a second process in
// between. Whatever the source says in the end is certified, as if it had come
// in order; nothing that came is missing from the ledger.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	w := newWorld(t)
	second := intake.New(w.o)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		source := fmt.Sprint("s", n)
		w.source(source)
		h := drawHistory(t)
		order := rapid.Permutation(h.states).Draw(t, "order")
		type sent struct {
			a     intake.Arrival
			doses int
		}
		var all []sent
		waiting := map[string]int{} // items owed by what waits, by reference
		refs := map[string]int{}    // items owed by what was looked at
		process := func(s *intake.Service) {
			if err := s.Process(w.ctx, source); err != nil {
				t.Fatal(err)
			}
			for ref, owed := range waiting {
				refs[ref] += owed
			}
			clear(waiting)
		}
		send := func(d sent) {
			w.now = w.now.Add(time.Millisecond)
			ref, err := w.Receive(w.ctx, source, d.a)
			if err != nil {
				t.Fatal(err)
			}
			if _, waits := waiting[ref]; waits {
				refs[ref]++ // counted at once
			} else {
				waiting[ref] = max(1, d.doses)
			}
		}
		for len(order) > 0 {
			group := order[:rapid.IntRange(1, min(3, len(order))).Draw(t, "group")]
			order = order[len(group):]
			d := sent{a: delivery(group...)}
			ids := map[string]bool{}
			for _, f := range group {
				if f.Kind == intake.DoseFragment {
					ids[f.ID] = true
				}
			}
			d.doses = len(ids)
			all = append(all, d)
			send(d)
			switch rapid.IntRange(0, 5).Draw(t, "then") {
			case 0:
				process(w.Service)
			case 1:
				process(second)
			case 2:
				send(rapid.SampledFrom(all).Draw(t, "again"))
			case 3:
				if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: source, Class: intake.UnmappedCode}, intake.Decision{Action: intake.Retry}); err != nil {
					t.Fatal(err)
				}
			}
		}
		process(w.Service)
		check(t, w, source, h)
		// Every delivery has the items it is owed. Beside them there are those of
		// doses that changed because their person did, which take the place of the
		// one item of a delivery without a dose.
		for ref, owed := range refs {
			items, err := w.Outcomes(w.ctx, source, ref)
			if err != nil || len(items) < owed {
				t.Errorf("%d items, %d are owed, %v", len(items), owed, err)
			}
		}
		w.counts(source)
	})
	w.whole()
}

// check compares the certificates with what the source says in the end.
func check(t *rapid.T, w *world, source string, h history) {
	newest := h.newest()
	open, err := w.Holds(w.ctx, w.admin, intake.HoldFilter{Source: source, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for p := range h.people {
		got := w.certificates(source + ":" + personID(p))
		who, known := newest[personID(p)]
		for d := 1; d <= h.doses; d++ {
			f, ok := newest[doseID(p, d)]
			want := fmt.Sprintf("%d %s %s", d, f.Fields["lot"], who.Fields["name"])
			certified := slices.ContainsFunc(got, func(c string) bool { return c[0] == byte('0'+d) })
			switch {
			case !ok:
				if certified {
					t.Errorf("dose %d was never reported and is certified", d)
				}
			case good(f) && known && good(who):
				if !slices.Contains(got, want) {
					t.Errorf("certificates %q, want %q", got, want)
				}
			case f.Status == "planned" && !f.Deleted && !certified, f.Deleted && !certified:
				// Nothing comes of it.
			default:
				held++
			}
		}
	}
	if held != len(open) {
		t.Errorf("%d doses are held, want %d: %+v", len(open), held, open)
	}
}
