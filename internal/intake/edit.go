package intake

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// edit is a field of the event that a person corrected. It holds for as long as
// the source says the same of it.
type edit struct {
	Value  json.RawMessage `json:"value"`
	Was    json.RawMessage `json:"was"` // what the source says, as it was mapped
	By     string          `json:"by"`
	Reason string          `json:"reason,omitempty"`
	At     time.Time       `json:"at"`
}

// editable are the fields of an event that can be corrected, and whether each is
// the person's, so that a correction of it counts for all their doses. Whose
// event it is and of which programme is not corrected but decided: the person is
// merged, or the source's mapping changed.
func editable(path string) (ofPerson, ok bool) {
	head, name, _ := strings.Cut(path, ".")
	fields := map[string][]string{
		"contacts": {""},
		"person":   {"name", "birthDate", "sex", "nationality", "identifier"},
		"address":  {"line1", "line2", "district", "region", "postCode", "country"},
		"vaccination": {
			"product", "vaccine", "brand", "manufacturer", "maholder", "disease", "lot", "date", "validFrom", "validUntil", "dose", "totalDoses",
			"country", "centre", "centreAddress", "practitioner", "nextDose",
		},
	}
	return head != "vaccination", slices.Contains(fields[head], name)
}

// edited is what was mapped with what people corrected in it, and the problems
// that are left.
func (b *batch) edited(v *verdict, out mapping.Outcome) (vaccination.Event, []mapping.Problem, error) {
	edits := maps.Clone(v.dose.state.Edits)
	if len(v.person.state.Edits) > 0 {
		if edits == nil {
			edits = map[string]edit{}
		}
		maps.Copy(edits, v.person.state.Edits)
	}
	if len(edits) == 0 {
		return out.Event, out.Problems, nil
	}
	event := whole(out)
	tree, err := treeOf(event)
	if err != nil {
		return event, nil, err
	}
	problems := out.Problems
	for _, path := range slices.Sorted(maps.Keys(edits)) {
		e := edits[path]
		var was any
		if err := json.Unmarshal(e.Was, &was); err != nil {
			return event, nil, err
		}
		if !reflect.DeepEqual(at(tree, path), was) {
			continue // the source says something new
		}
		var value any
		if err := json.Unmarshal(e.Value, &value); err != nil {
			return event, nil, err
		}
		put(tree, path, value)
		problems = slices.DeleteFunc(slices.Clone(problems), func(p mapping.Problem) bool { return p.Field == path })
	}
	event, err = eventOf(tree)
	return event, problems, err
}

// whole is what could be mapped of a dose.
func whole(out mapping.Outcome) vaccination.Event {
	if len(out.Problems) > 0 {
		return out.Partial
	}
	return out.Event
}

// treeOf is an event as JSON has it.
func treeOf(e vaccination.Event) (map[string]any, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	return tree, json.Unmarshal(b, &tree)
}

// eventOf is the inverse of treeOf. What is no event is [vaccination.Invalid].
func eventOf(tree map[string]any) (e vaccination.Event, err error) {
	b, err := json.Marshal(tree)
	if err != nil {
		return e, err
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return e, vaccination.Errorf(vaccination.Invalid, "this field, or a value of this form, is not in an event")
	}
	return e, nil
}

// at is the value of a path ("person.name"), nil where there is none.
func at(tree map[string]any, path string) any {
	head, rest, more := strings.Cut(path, ".")
	if !more {
		return tree[head]
	}
	inner, _ := tree[head].(map[string]any)
	return at(inner, rest)
}

// put sets the value of a path.
func put(tree map[string]any, path string, value any) {
	head, rest, more := strings.Cut(path, ".")
	if !more {
		tree[head] = value
		return
	}
	inner, ok := tree[head].(map[string]any)
	if !ok {
		inner = map[string]any{}
		tree[head] = inner
	}
	put(inner, rest, value)
}
