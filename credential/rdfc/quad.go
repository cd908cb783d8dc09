// Package rdfc canonicalises RDF datasets: W3C "RDF Dataset Canonicalization"
// (RDFC-1.0), and its predecessor URDNA2015, which differs in how literals are
// escaped. The work is bounded, so that a dataset made to be slow ends in
// [ErrWork].
package rdfc

import "unicode/utf8"

// Kind says what a [Term] is. The zero Kind is no term: as the graph of a
// [Quad] it means the default graph.
type Kind uint8

// The kinds of RDF term.
const (
	IRI Kind = iota + 1
	Blank
	Literal
)

// XSDString is the datatype of literals that carry none in N-Quads.
const XSDString = "http://www.w3.org/2001/XMLSchema#string"

// Term is an RDF term.
type Term struct {
	Kind     Kind
	Value    string // the IRI, the blank node's label without "_:", the literal's lexical form
	Datatype string // a literal's datatype IRI; empty means xsd:string
	Language string // a literal's language tag, or empty
}

// Quad is one statement of a dataset.
type Quad struct {
	Subject, Predicate, Object, Graph Term
}

// appendTerm appends t in N-Quads (RDFC-1.0, section 5 "Serialization").
func appendTerm(b []byte, t *Term, legacy bool) []byte {
	switch t.Kind {
	case IRI:
		b = append(b, '<')
		b = append(b, t.Value...)
		return append(b, '>')
	case Blank:
		b = append(b, "_:"...)
		return append(b, t.Value...)
	default:
		b = append(b, '"')
		b = appendEscaped(b, t.Value, legacy)
		b = append(b, '"')
		if t.Language != "" {
			b = append(b, '@')
			return append(b, t.Language...)
		}
		if t.Datatype != "" && t.Datatype != XSDString {
			b = append(b, "^^<"...)
			b = append(b, t.Datatype...)
			b = append(b, '>')
		}
		return b
	}
}

// AppendQuad appends q as one line of canonical N-Quads, blank nodes under
// their own labels.
func AppendQuad(b []byte, q Quad) []byte {
	b, _ = appendLine(b, &q, false)
	return b
}

// slots are where the labels of a line's blank nodes begin, as subject, object
// and graph, counted from the start of the line; 0 where there is none.
type slots [3]int

func appendLine(b []byte, q *Quad, legacy bool) (_ []byte, s slots) {
	start := len(b)
	put := func(i int, t *Term) {
		if i >= 0 && t.Kind == Blank {
			s[i] = len(b) - start + len("_:")
		}
		b = append(appendTerm(b, t, legacy), ' ')
	}
	put(0, &q.Subject)
	put(-1, &q.Predicate)
	put(1, &q.Object)
	if q.Graph.Kind != 0 {
		put(2, &q.Graph)
	}
	return append(b, ".\n"...), s
}

// appendEscaped appends the characters of a literal. URDNA2015 escapes four of
// them; RDFC-1.0 every control character, and the two that are no characters.
func appendEscaped(b []byte, s string, legacy bool) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		var esc byte
		switch c {
		case '"', '\\':
			esc = c
		case '\n':
			esc = 'n'
		case '\r':
			esc = 'r'
		default:
			if legacy || c >= 0x20 && c < 0x7f {
				continue
			}
			if c >= 0x80 {
				if c != 0xEF {
					continue
				}
				if r, _ := utf8.DecodeRuneInString(s[i:]); r != 0xFFFE && r != 0xFFFF {
					continue
				}
				b = append(b, s[start:i]...)
				b = append(b, `\uFFF`...)
				b = append(b, "EF"[s[i+2]-0xBE])
				i += 2
				start = i + 1
				continue
			}
			switch c {
			case '\t':
				esc = 't'
			case '\b':
				esc = 'b'
			case '\f':
				esc = 'f'
			}
		}
		b = append(b, s[start:i]...)
		start = i + 1
		if esc != 0 {
			b = append(b, '\\', esc)
			continue
		}
		const hex = "0123456789ABCDEF"
		b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(b, s[start:]...)
}
