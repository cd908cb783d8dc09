package jcs

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse reads one JSON text strictly. It fails with [ErrSyntax],
// [ErrDuplicate] or [ErrTooLarge].
func Parse(data []byte) (Value, error) { return ParseUpTo(data, MaxSize) }

// ParseUpTo is [Parse] of a text of at most size bytes.
func ParseUpTo(data []byte, size int) (Value, error) {
	if len(data) > size {
		return Value{}, ErrTooLarge
	}
	p := parser{text: string(data)}
	v, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.space(); p.at < len(p.text) {
		return Value{}, ErrSyntax
	}
	return v, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next skips white space and takes c, if it comes next.
func (p *parser) next(c byte) bool {
	if p.space(); p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) word(w string, k Kind) (Value, error) {
	if len(p.text)-p.at < len(w) || p.text[p.at:p.at+len(w)] != w {
		return Value{}, ErrSyntax
	}
	p.at += len(w)
	return Value{Kind: k}, nil
}

func (p *parser) value(depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, ErrTooLarge
	}
	if p.space(); p.at == len(p.text) {
		return Value{}, ErrSyntax
	}
	switch p.text[p.at] {
	case 'n':
		return p.word("null", Null)
	case 'f':
		return p.word("false", False)
	case 't':
		return p.word("true", True)
	case '"':
		s, err := p.str()
		return Value{Kind: String, Text: s}, err
	case '[':
		return p.array(depth)
	case '{':
		return p.object(depth)
	default:
		return p.number()
	}
}

func (p *parser) array(depth int) (Value, error) {
	p.at++
	v := Value{Kind: Array}
	if p.next(']') {
		return v, nil
	}
	for {
		item, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Items = append(v.Items, item)
		if p.next(']') {
			return v, nil
		}
		if !p.next(',') {
			return Value{}, ErrSyntax
		}
	}
}

func (p *parser) object(depth int) (Value, error) {
	p.at++
	v := Value{Kind: Object}
	if p.next('}') {
		return v, nil
	}
	v.Members = make([]Member, 0, 4)
	for {
		if p.space(); p.at == len(p.text) || p.text[p.at] != '"' {
			return Value{}, ErrSyntax
		}
		name, err := p.str()
		if err != nil {
			return Value{}, err
		}
		if !p.next(':') {
			return Value{}, ErrSyntax
		}
		member, err := p.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Members = append(v.Members, Member{name, member})
		if p.next('}') {
			break
		}
		if !p.next(',') {
			return Value{}, ErrSyntax
		}
	}
	order := func(a, b Member) int { return compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(v.Members, order) {
		slices.SortFunc(v.Members, order)
	}
	for i := 1; i < len(v.Members); i++ {
		if v.Members[i].Name == v.Members[i-1].Name {
			return Value{}, ErrDuplicate
		}
	}
	return v, nil
}

// str reads a string whose opening quote comes next.
func (p *parser) str() (string, error) {
	p.at++
	start := p.at
	var out []byte // nil while nothing was escaped
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			p.at++
			if out != nil {
				s = string(append(out, s...))
			}
			if !utf8.ValidString(s) {
				return "", ErrSyntax
			}
			return s, nil
		case c < 0x20:
			return "", ErrSyntax
		case c == '\\':
			r, n := unescape(p.text[p.at:])
			if n == 0 {
				return "", ErrSyntax
			}
			out = utf8.AppendRune(append(out, p.text[start:p.at]...), r)
			p.at += n
			start = p.at
		default:
			p.at++
		}
	}
	return "", ErrSyntax
}

// unescape reads the escape at the start of s and returns its length, 0 when it
// is none.
func unescape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r := codeUnit(s)
	switch {
	case r < 0:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	if r = utf16.DecodeRune(r, codeUnit(s[6:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// codeUnit reads the \uXXXX at the start of s, or returns -1.
func codeUnit(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func (p *parser) number() (Value, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.text[p.at-whole] == '0' {
		return Value{}, ErrSyntax
	}
	if p.peek() == '.' {
		if p.at++; p.digits() == 0 {
			return Value{}, ErrSyntax
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if p.digits() == 0 {
			return Value{}, ErrSyntax
		}
	}
	f, err := strconv.ParseFloat(p.text[start:p.at], 64)
	if err != nil || math.IsInf(f, 0) {
		return Value{}, ErrSyntax
	}
	return Value{Kind: Number, Number: f}, nil
}

func (p *parser) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}
