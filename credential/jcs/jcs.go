// Package jcs reads JSON strictly and writes it canonically, as RFC 8785 (JSON
// Canonicalization Scheme) says: what is signed is the text that [Value.Append]
// writes.
//
// Reading refuses what two readers could understand differently: a name twice in
// an object, invalid UTF-8, half a surrogate pair, a number that is none in
// IEEE 754 (the I-JSON rules of RFC 7493). Size and depth are bounded.
package jcs

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The bounds of [Parse].
const (
	MaxSize  = 2 << 20 // bytes of text
	MaxDepth = 32      // arrays and objects within each other
)

// Errors of [Parse]; none repeats the text.
var (
	ErrSyntax    = errors.New("not well-formed JSON")
	ErrDuplicate = errors.New("the JSON names a member twice")
	ErrTooLarge  = errors.New("the JSON is too large or nested too deep")
)

// Kind is the type of a [Value].
type Kind uint8

// The types of JSON.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// Value is a JSON value. Which fields count depends on Kind.
type Value struct {
	Kind    Kind
	Text    string   // of a String
	Number  float64  // of a Number
	Items   []Value  // of an Array
	Members []Member // of an Object, in canonical order, no name twice
}

// Member is a member of an object.
type Member struct {
	Name  string
	Value Value
}

// Canonical returns the canonical form of a JSON text.
func Canonical(data []byte) ([]byte, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	return v.Append(make([]byte, 0, len(data))), nil
}

// Get returns the member of an object with this name; ok is false when there is
// none or v is no object.
func (v Value) Get(name string) (member Value, ok bool) {
	i, ok := v.find(name)
	if !ok {
		return Value{}, false
	}
	return v.Members[i].Value, true
}

// With returns the object v with the member set, or added where it belongs. v
// itself does not change.
func (v Value) With(name string, value Value) Value {
	i, found := v.find(name)
	v.Members = slices.Clone(v.Members)
	if found {
		v.Members[i].Value = value
	} else {
		v.Members = slices.Insert(v.Members, i, Member{name, value})
	}
	return v
}

// Without returns the object v without the member. v itself does not change.
func (v Value) Without(name string) Value {
	if i, found := v.find(name); found {
		v.Members = slices.Delete(slices.Clone(v.Members), i, i+1)
	}
	return v
}

func (v Value) find(name string) (int, bool) {
	return slices.BinarySearchFunc(v.Members, name, func(m Member, name string) int { return compare(m.Name, name) })
}

// compare orders names by their UTF-16 code units (RFC 8785 section 3.2.3).
// That is the order of UTF-8 but for characters beyond U+FFFF, whose first unit
// is a surrogate and sorts before U+E000.
func compare(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := a[i], b[i]; x != y {
			if x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0) {
				return cmp.Compare(y, x)
			}
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// Append appends the canonical form of v to dst.
func (v Value) Append(dst []byte) []byte {
	switch v.Kind {
	case False:
		return append(dst, "false"...)
	case True:
		return append(dst, "true"...)
	case Number:
		return AppendNumber(dst, v.Number)
	case String:
		return AppendString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, m.Name), ':')
			dst = m.Value.Append(dst)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

// AppendNumber appends f as ECMAScript writes it (RFC 8785 section 3.2.2.3). f
// is finite.
func AppendNumber(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0') // also for -0
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1] // Go writes at least two digits
		dst = dst[:n-1]
	}
	return dst
}

// AppendString appends s quoted and escaped (RFC 8785 section 3.2.2.2). What is
// not UTF-8 in s becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
