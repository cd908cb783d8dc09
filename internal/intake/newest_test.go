package intake

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/intake/mapping"
)

func at(n int) time.Time { return time.Date(2021, 6, 1, 0, 0, n, 0, time.UTC) }

func TestNewest(t *testing.T) {
	state := func(n int, fields mapping.Fields) Fragment {
		return Fragment{Kind: DoseFragment, ID: "c", Person: "p", Stage: "vaccination", Status: "open", Version: at(n), Fields: fields}
	}
	part := func(n int, fields mapping.Fields) Fragment {
		return Fragment{Kind: DoseFragment, ID: "c", Version: at(n), Partial: true, Fields: fields}
	}
	gone := part(3, nil)
	gone.Deleted = true
	tests := map[string]struct {
		in      []Fragment
		fields  mapping.Fields
		deleted bool
		changed bool // by the last
	}{
		"the first":                           {[]Fragment{state(1, mapping.Fields{"a": "1"})}, mapping.Fields{"a": "1"}, false, true},
		"a newer one":                         {[]Fragment{state(1, mapping.Fields{"a": "1"}), state(2, mapping.Fields{"b": "2"})}, mapping.Fields{"b": "2"}, false, true},
		"an older one":                        {[]Fragment{state(2, mapping.Fields{"b": "2"}), state(1, mapping.Fields{"a": "1"})}, mapping.Fields{"b": "2"}, false, false},
		"the same later":                      {[]Fragment{state(1, mapping.Fields{"a": "1"}), state(2, mapping.Fields{"a": "1"})}, mapping.Fields{"a": "1"}, false, false},
		"without a time":                      {[]Fragment{state(1, mapping.Fields{"a": "1"}), {Kind: DoseFragment, ID: "c", Person: "p", Fields: mapping.Fields{"a": "2"}}}, mapping.Fields{"a": "2"}, false, true},
		"a form changes one field":            {[]Fragment{state(1, mapping.Fields{"a": "1", "b": "1"}), part(2, mapping.Fields{"a": "2"})}, mapping.Fields{"a": "2", "b": "1"}, false, true},
		"a form that is older":                {[]Fragment{state(2, mapping.Fields{"a": "2", "b": "1"}), part(1, mapping.Fields{"a": "1"})}, mapping.Fields{"a": "2", "b": "1"}, false, false},
		"a case that is older than a form":    {[]Fragment{part(2, mapping.Fields{"a": "2"}), state(1, mapping.Fields{"a": "1", "b": "1"})}, mapping.Fields{"a": "2", "b": "1"}, false, true},
		"a case that is newer than a form":    {[]Fragment{part(1, mapping.Fields{"a": "1"}), state(2, mapping.Fields{"b": "1"})}, mapping.Fields{"b": "1"}, false, true},
		"forms in the wrong order":            {[]Fragment{part(3, mapping.Fields{"a": "3"}), part(2, mapping.Fields{"a": "2", "b": "2"})}, mapping.Fields{"a": "3", "b": "2"}, false, true},
		"a form that empties a field":         {[]Fragment{state(1, mapping.Fields{"a": "1"}), part(2, mapping.Fields{"a": ""})}, mapping.Fields{}, false, true},
		"emptied, then the old value arrives": {[]Fragment{part(2, mapping.Fields{"a": ""}), state(1, mapping.Fields{"a": "1"})}, mapping.Fields{}, false, true},
		"deleted by a form":                   {[]Fragment{state(1, mapping.Fields{"a": "1"}), gone}, mapping.Fields{"a": "1"}, true, true},
		"deleted, and changed after it":       {[]Fragment{gone, part(4, mapping.Fields{"a": "1"})}, mapping.Fields{"a": "1"}, false, true},
		"deleted, and changed before it":      {[]Fragment{gone, part(2, mapping.Fields{"a": "1"})}, mapping.Fields{"a": "1"}, true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var known *Fragment
			var changed bool
			for _, f := range tt.in {
				var now Fragment
				now, changed = newest(known, f)
				known = &now
			}
			if diff := cmp.Diff(tt.fields, known.Fields); diff != "" || known.Deleted != tt.deleted || changed != tt.changed {
				t.Errorf("deleted %v, changed %v, fields %s", known.Deleted, changed, diff)
			}
		})
	}
}

// However the states of a thing arrive, and how often, what is known at the end
// is the same.
func TestNewestInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var states []Fragment
		for i := range rapid.IntRange(1, 6).Draw(t, "states") {
			f := Fragment{Kind: PersonFragment, ID: "x", Version: at(i + 1), Fields: mapping.Fields{}}
			f.Partial = rapid.Bool().Draw(t, "partial")
			f.Deleted = rapid.IntRange(0, 4).Draw(t, "deleted") == 0
			f.Status = rapid.SampledFrom([]string{"", "open", "closed"}).Draw(t, "status")
			for _, name := range []string{"a", "b", "c"} {
				if v := rapid.SampledFrom([]string{"-", "", "1", "2"}).Draw(t, name); v != "-" && (f.Partial || v != "") {
					f.Fields[name] = v
				}
			}
			states = append(states, f)
		}
		settle := func(order []int) Fragment {
			var known *Fragment
			for _, i := range order {
				now, _ := newest(known, states[i])
				known = &now
			}
			return *known
		}
		var inOrder []int
		for i := range states {
			inOrder = append(inOrder, i)
		}
		shuffled := append(rapid.Permutation(inOrder).Draw(t, "order"), rapid.SliceOfN(rapid.IntRange(0, len(states)-1), 0, 4).Draw(t, "again")...)
		want, got := settle(inOrder), settle(shuffled)
		if !want.same(got) {
			t.Fatal(fmt.Sprintf("%v:\n", shuffled), cmp.Diff(want, got))
		}
	})
}
