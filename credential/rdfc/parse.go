package rdfc

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrSyntax is what [Parse] returns for text that is not N-Quads.
var ErrSyntax = errors.New("not N-Quads")

// Parse reads a dataset in N-Quads ("RDF 1.1 N-Quads", section 6). Repeated
// statements are kept. The error names the line, never its text.
func Parse(text string) ([]Quad, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrSyntax)
	}
	var quads []Quad
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		p := parser{rest: strings.TrimLeft(line, " \t")}
		if p.rest == "" || p.rest[0] == '#' {
			continue
		}
		q, ok := p.quad()
		if !ok {
			return nil, fmt.Errorf("%w: statement %d", ErrSyntax, i+1)
		}
		quads = append(quads, q)
	}
	return quads, nil
}

// parser reads one line from the front of rest.
type parser struct{ rest string }

func (p *parser) quad() (q Quad, ok bool) {
	if q.Subject, ok = p.term(); !ok || q.Subject.Kind == Literal {
		return q, false
	}
	if q.Predicate, ok = p.term(); !ok || q.Predicate.Kind != IRI {
		return q, false
	}
	if q.Object, ok = p.term(); !ok {
		return q, false
	}
	if !strings.HasPrefix(p.rest, ".") {
		if q.Graph, ok = p.term(); !ok || q.Graph.Kind == Literal {
			return q, false
		}
	}
	if !strings.HasPrefix(p.rest, ".") {
		return q, false
	}
	tail := strings.TrimLeft(p.rest[1:], " \t")
	return q, tail == "" || tail[0] == '#'
}

// term reads one term and the white space after it.
func (p *parser) term() (t Term, ok bool) {
	switch {
	case strings.HasPrefix(p.rest, "<"):
		t.Kind = IRI
		t.Value, ok = p.iri()
	case strings.HasPrefix(p.rest, "_:"):
		t.Kind = Blank
		t.Value, ok = p.label()
	case strings.HasPrefix(p.rest, `"`):
		t.Kind = Literal
		ok = p.literal(&t)
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	return t, ok
}

func (p *parser) iri() (string, bool) {
	end := strings.IndexByte(p.rest, '>')
	if end < 0 {
		return "", false
	}
	raw := p.rest[1:end]
	p.rest = p.rest[end+1:]
	for i := 0; i < len(raw); i++ {
		if raw[i] <= ' ' || strings.IndexByte("<\"{}|^`", raw[i]) >= 0 {
			return "", false
		}
	}
	s, ok := unescape(raw, false)
	// What an escape spells must be allowed as well: otherwise an IRI could
	// close its own bracket when it is written again.
	return s, ok && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("<>\"{}|^`\\", r) })
}

func (p *parser) label() (string, bool) {
	s := p.rest[2:]
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !labelRune(r, n == 0) {
			break
		}
		n += size
	}
	for n > 0 && s[n-1] == '.' { // a label does not end in a dot: that one ends the statement
		n--
	}
	p.rest = s[n:]
	return s[:n], n > 0
}

// labelRune is PN_CHARS_U | [0-9] for the first character of a blank node's
// label and PN_CHARS | '.' for the others.
func labelRune(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == ':':
		return true
	case r == '-', r == '.', r == 0xB7, r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !first
	}
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 || r >= 0x370 && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

func (p *parser) literal(t *Term) (ok bool) {
	end := 1
	for end < len(p.rest) && p.rest[end] != '"' {
		if p.rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.rest) {
		return false
	}
	if t.Value, ok = unescape(p.rest[1:end], true); !ok {
		return false
	}
	p.rest = p.rest[end+1:]
	switch {
	case strings.HasPrefix(p.rest, "^^<"):
		p.rest = p.rest[2:]
		if t.Datatype, ok = p.iri(); t.Datatype == XSDString {
			t.Datatype = ""
		}
		return ok
	case strings.HasPrefix(p.rest, "@"):
		n := 1
		for n < len(p.rest) && (isAlnum(p.rest[n]) || p.rest[n] == '-') {
			n++
		}
		t.Language = p.rest[1:n]
		p.rest = p.rest[n:]
		return validTag(t.Language)
	}
	return true
}

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || c|32 >= 'a' && c|32 <= 'z' }

// validTag is LANGTAG: [a-zA-Z]+ ('-' [a-zA-Z0-9]+)*.
func validTag(tag string) bool {
	for i, part := range strings.Split(tag, "-") {
		if part == "" || i == 0 && strings.ContainsAny(part, "0123456789") {
			return false
		}
	}
	return true
}

// unescape resolves UCHAR, and ECHAR where a literal allows it.
func unescape(s string, echar bool) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i++; i >= len(s) {
			return "", false
		}
		digits := 0
		switch s[i] {
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			k := strings.IndexByte(`tbnrf"'\`, s[i])
			if k < 0 || !echar {
				return "", false
			}
			b = append(b, "\t\b\n\r\f\"'\\"[k])
			continue
		}
		if i+digits >= len(s) {
			return "", false
		}
		var r rune
		for _, c := range []byte(s[i+1 : i+1+digits]) {
			v := strings.IndexByte("0123456789abcdefABCDEF", c)
			if v < 0 || r > utf8.MaxRune {
				return "", false
			}
			if v > 15 {
				v -= 6
			}
			r = r<<4 | rune(v)
		}
		if !utf8.ValidRune(r) {
			return "", false
		}
		b = utf8.AppendRune(b, r)
		i += digits
	}
	return string(b), true
}
