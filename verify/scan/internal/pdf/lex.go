package pdf

import (
	"bytes"
	"strconv"
)

// The kinds of object (ISO 32000-1, 7.3). Numbers are float64, strings are
// []byte, null is nil.
type (
	name    string
	keyword string // an operator, or a word such as "obj"
	array   []any
	dict    map[name]any
	ref     struct{ num, gen int }
	stream  struct {
		dict dict
		raw  []byte
	}
)

// end is the object read where the input is used up.
const end keyword = ""

// lexer reads objects from data. It never fails: what cannot be read is skipped.
type lexer struct {
	data []byte
	pos  int
	// refs: "1 0 R" is a reference. Content streams have none.
	refs bool
}

func space(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func delimiter(c byte) bool {
	return c == '(' || c == ')' || c == '<' || c == '>' || c == '[' || c == ']' || c == '{' || c == '}' || c == '/' || c == '%'
}

func (l *lexer) skip() {
	for l.pos < len(l.data) {
		switch c := l.data[l.pos]; {
		case space(c):
			l.pos++
		case c == '%':
			for l.pos < len(l.data) && l.data[l.pos] != '\n' && l.data[l.pos] != '\r' {
				l.pos++
			}
		default:
			return
		}
	}
}

// word takes the regular characters that follow.
func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.data) && !space(l.data[l.pos]) && !delimiter(l.data[l.pos]) {
		l.pos++
	}
	return string(l.data[start:l.pos])
}

// next reads one object or operator.
func (l *lexer) next(depth int) any {
	l.skip()
	if l.pos >= len(l.data) {
		return end
	}
	switch c := l.data[l.pos]; {
	case c == '/':
		l.pos++
		return name(unhash(l.word()))
	case c == '(':
		return l.literal()
	case c == '<' && l.pos+1 < len(l.data) && l.data[l.pos+1] == '<':
		l.pos += 2
		return l.dict(depth)
	case c == '<':
		return l.hex()
	case c == '[':
		l.pos++
		return l.array(depth)
	case delimiter(c): // a stray one
		l.pos++
		return keyword(c)
	default:
		return l.atom()
	}
}

// atom reads a number, a reference, a constant or an operator.
func (l *lexer) atom() any {
	w := l.word()
	if n, ok := number(w); ok {
		if l.refs && n >= 0 && n == float64(int(n)) {
			if r, ok := l.reference(int(n)); ok {
				return r
			}
		}
		return n
	}
	switch w {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	return keyword(w)
}

func (l *lexer) reference(num int) (ref, bool) {
	was := l.pos
	l.skip()
	if gen, err := strconv.Atoi(l.word()); err == nil && gen >= 0 {
		l.skip()
		if l.word() == "R" {
			return ref{num, gen}, true
		}
	}
	l.pos = was
	return ref{}, false
}

// number reads what PDF calls a number: no exponent, but a sign, a point.
func number(w string) (float64, bool) {
	if w == "" || len(w) > 40 {
		return 0, false
	}
	for i := range len(w) {
		if c := w[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(w, 64)
	return n, err == nil
}

func (l *lexer) array(depth int) array {
	var out array
	for depth < maxDepth {
		switch v := l.next(depth + 1); v {
		case end, keyword("]"):
			return out
		default:
			if _, op := v.(keyword); !op && len(out) < maxObjects {
				out = append(out, v)
			}
		}
	}
	return out
}

func (l *lexer) dict(depth int) dict {
	out := dict{}
	for depth < maxDepth {
		l.skip()
		if bytes.HasPrefix(l.data[l.pos:], []byte(">>")) {
			l.pos += 2
			return out
		}
		k, ok := l.next(depth + 1).(name)
		if !ok {
			if l.pos >= len(l.data) {
				return out
			}
			continue
		}
		if l.skip(); bytes.HasPrefix(l.data[l.pos:], []byte(">>")) {
			continue
		}
		if v := l.next(depth + 1); len(out) < maxObjects {
			out[k] = v
		}
	}
	return out
}

// literal reads a string in parentheses (7.3.4.2).
func (l *lexer) literal() []byte {
	var out []byte
	depth := 0
	for ; l.pos < len(l.data); l.pos++ {
		c := l.data[l.pos]
		switch c {
		case '\\':
			out = l.escape(out)
			continue
		case '(':
			if depth++; depth == 1 {
				continue
			}
		case ')':
			if depth--; depth == 0 {
				l.pos++
				return out
			}
		}
		out = append(out, c)
	}
	return nil
}

// escape appends what the backslash at l.pos and what follows it stand for, and
// leaves l.pos at the last byte of it.
func (l *lexer) escape(out []byte) []byte {
	if l.pos++; l.pos >= len(l.data) {
		return out
	}
	c := l.data[l.pos]
	if i := bytes.IndexByte([]byte("nrtbf"), c); i >= 0 {
		return append(out, "\n\r\t\b\f"[i])
	}
	switch {
	case c == '\r' && l.pos+1 < len(l.data) && l.data[l.pos+1] == '\n':
		l.pos++
		return out
	case c == '\r' || c == '\n':
		return out
	case c < '0' || c > '7':
		return append(out, c)
	}
	v := 0
	for i := 0; i < 3 && l.pos < len(l.data) && l.data[l.pos] >= '0' && l.data[l.pos] <= '7'; i++ {
		v = v<<3 | int(l.data[l.pos]-'0')
		l.pos++
	}
	l.pos--
	return append(out, byte(v))
}

func (l *lexer) hex() []byte {
	l.pos++
	i := bytes.IndexByte(l.data[l.pos:], '>')
	if i < 0 {
		l.pos = len(l.data)
		return nil
	}
	out := unhex(l.data[l.pos : l.pos+i])
	l.pos += i + 1
	return out
}

func unhex(in []byte) []byte {
	out, half, has := make([]byte, 0, len(in)/2), byte(0), false
	for _, c := range in {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			continue
		}
		if has {
			out = append(out, half<<4|c)
		}
		half, has = c, !has
	}
	if has {
		out = append(out, half<<4)
	}
	return out
}

// unhash resolves #xx in names (7.3.5).
func unhash(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(v))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
