package divocqr

import (
	"encoding/json"
	"fmt"
	"strings"
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

// Bounds of the JSON that is read: what a certificate needs, and more.
const (
	maxDepth   = 8
	maxMembers = 40 // in one object
)

// parse reads one JSON object. Two members of one name are an error: readers
// differ in which of them they see.
func parse(data []byte) (value, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return value{}, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	r := reader{rest: string(data)}
	v, err := r.value(0)
	if err == nil && v.kind != object {
		err = fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	return v, err
}

// reader takes values from the front of text that is known to be valid JSON.
type reader struct{ rest string }

// next skips white space and the signs between values, and returns the
// character that the next value, or the end of a list or object, begins with.
func (r *reader) next() byte {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n,:")
	return r.rest[0]
}

func (r *reader) value(depth int) (v value, err error) {
	if depth > maxDepth {
		return v, fmt.Errorf("%w: JSON nested deeper than %d", ErrTooLarge, maxDepth)
	}
	switch r.next() {
	case '{':
		return r.object(depth)
	case '[':
		v.kind = list
		r.rest = r.rest[1:]
		for r.next() != ']' {
			item, err := r.value(depth + 1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
		r.rest = r.rest[1:]
		return v, nil
	case '"':
		v.kind = text
		v.text, err = r.text()
		return v, err
	case 'n':
		r.rest = r.rest[len("null"):]
		return v, nil
	case 't':
		r.rest = r.rest[len("true"):]
		return value{kind: boolean, flag: true}, nil
	case 'f':
		r.rest = r.rest[len("false"):]
		return value{kind: boolean}, nil
	}
	end := strings.IndexFunc(r.rest, func(c rune) bool { return !strings.ContainsRune("0123456789+-.eE", c) })
	if end < 0 {
		end = len(r.rest)
	}
	v = value{kind: number, text: r.rest[:end]}
	r.rest = r.rest[end:]
	return v, nil
}

func (r *reader) object(depth int) (v value, err error) {
	v.kind = object
	r.rest = r.rest[1:]
	for r.next() != '}' {
		var m member
		if m.name, err = r.text(); err != nil {
			return v, err
		}
		for i := range v.members {
			if v.members[i].name == m.name {
				return v, fmt.Errorf("%w: a member appears twice in one object", ErrMalformed)
			}
		}
		if len(v.members) == maxMembers {
			return v, fmt.Errorf("%w: more than %d members in one object", ErrTooLarge, maxMembers)
		}
		if m.value, err = r.value(depth + 1); err != nil {
			return v, err
		}
		if v.members == nil {
			v.members = make([]member, 0, 8)
		}
		v.members = append(v.members, m)
	}
	r.rest = r.rest[1:]
	return v, nil
}

func (r *reader) text() (s string, err error) {
	end, escaped := 1, false
	for r.rest[end] != '"' {
		if r.rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	quoted := r.rest[:end+1]
	r.rest = r.rest[end+1:]
	if !escaped {
		return quoted[1:end], nil
	}
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		return "", fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	return s, nil
}
