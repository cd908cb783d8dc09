package divocqr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// value is a JSON value with the order of its members.
type value struct {
	kind    kind
	flag    bool
	text    string // of a text, or of a number as written
	items   []value
	members []member
}

type member struct {
	name  string
	value value
}

// get returns the member of this name; nil where v has none or it is null.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for i := range v.members {
		if v.members[i].name == name && v.members[i].value.kind != null {
			return &v.members[i].value
		}
	}
	return nil
}

// maxDepth is what a certificate needs and two more.
const maxDepth = 8

// parse reads one JSON object. Two members of one name are an error: readers
// differ in which of them they see.
func parse(data []byte) (value, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return value{}, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := read(dec, 0)
	if err != nil {
		return value{}, err
	}
	if v.kind != object {
		return value{}, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	return v, nil
}

func read(dec *json.Decoder, depth int) (v value, err error) {
	if depth > maxDepth {
		return v, fmt.Errorf("%w: JSON nested deeper than %d", ErrTooLarge, maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return v, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	switch tok := tok.(type) {
	case bool:
		return value{kind: boolean, flag: tok}, nil
	case json.Number:
		return value{kind: number, text: tok.String()}, nil
	case string:
		return value{kind: text, text: tok}, nil
	case json.Delim:
		v.kind = list
		if tok == '{' {
			v.kind = object
		}
	default:
		return v, nil
	}
	for dec.More() {
		if v.kind == list {
			item, err := read(dec, depth+1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
			continue
		}
		name, err := dec.Token()
		if err != nil {
			return v, fmt.Errorf("%w: not JSON", ErrMalformed)
		}
		for i := range v.members {
			if v.members[i].name == name.(string) {
				return v, fmt.Errorf("%w: a member appears twice in one object", ErrMalformed)
			}
		}
		if len(v.members) == maxMembers {
			return v, fmt.Errorf("%w: more than %d members in one object", ErrTooLarge, maxMembers)
		}
		item, err := read(dec, depth+1)
		if err != nil {
			return v, err
		}
		v.members = append(v.members, member{name.(string), item})
	}
	if _, err := dec.Token(); err != nil {
		return v, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	return v, nil
}

// maxMembers is more than twice what any object of a certificate has.
const maxMembers = 40
