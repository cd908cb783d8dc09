package divocqr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/credential/rdfc"
)

// statements are what a credential without its proof says in RDF, as JSON-LD
// expansion and "Deserialize JSON-LD to RDF" would have it.
type statements struct {
	quads  []rdfc.Quad
	blanks int
	// shared holds, for each IRI that several shown members have, the members
	// that were there with the RDF term of each.
	shared []sharedValue
	// unsigned is whether the holder's node has a relative id, whose statements
	// RDF cannot hold.
	unsigned bool
}

type sharedValue struct {
	iri, field string
	object     rdfc.Term
}

func malformed(path, what string) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, path, what)
}

// emit turns a credential into statements. What the vocabulary does not define
// is an error: JSON-LD would leave it out of what is signed.
func emit(root *value, voc *vocabulary) (*statements, error) {
	s := &statements{quads: make([]rdfc.Quad, 0, 56)}
	_, ok, err := s.node(root, voc.credential, "")
	if err == nil && !ok {
		err = malformed("id", "not an absolute IRI")
	}
	return s, err
}

// node emits the statements about one node and returns the term that names it.
// ok is false where the node has a relative id: JSON-LD drops every statement
// with it, keeping those about nodes inside.
func (s *statements) node(v *value, cl *class, path string) (name rdfc.Term, ok bool, err error) {
	if v.kind != object {
		return name, false, malformed(path, "not an object")
	}
	name, ok, err = s.name(v, cl, path)
	if err != nil {
		return name, false, err
	}
	if err := s.types(v, cl, name, ok, path); err != nil {
		return name, false, err
	}
	for i := range v.members {
		m := &v.members[i]
		field := join(path, m.name)
		if len(cl.types) > 0 && m.name == "type" || cl.id && m.name == "id" || path == "" && (m.name == "@context" || m.name == "proof") {
			continue
		}
		t := cl.term(m.name)
		if t == nil {
			return name, false, undefined(path, m.name)
		}
		if m.value.kind == null { // JSON-LD: as if it were not there
			continue
		}
		obj, objOK, err := s.object(&m.value, t, field)
		if err != nil {
			return name, false, err
		}
		if t.shown {
			s.shared = append(s.shared, sharedValue{t.iri, field, obj})
		}
		if ok && objOK {
			s.quads = append(s.quads, rdfc.Quad{Subject: name, Predicate: iriTerm(t.iri), Object: obj})
		}
	}
	return name, ok, nil
}

func (cl *class) term(name string) *term {
	for i := range cl.terms {
		if cl.terms[i].name == name {
			return &cl.terms[i]
		}
	}
	return nil
}

// undefined names the member only where it is one of the format's own, because
// anything else is somebody's text.
func undefined(path, name string) error {
	for _, cl := range []*class{sriLanka.credential, sriLanka.person, sriLanka.evidence, tests.evidence} {
		if cl.term(name) != nil {
			return malformed(join(path, name), "not defined here by the credential's context, so it would not be signed")
		}
	}
	if path == "" {
		path = "the credential"
	}
	return malformed(path, "has a member that the credential's context does not define, so it would not be signed")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// name returns the term for the node itself.
func (s *statements) name(v *value, cl *class, path string) (t rdfc.Term, ok bool, err error) {
	if cl.id {
		for i := range v.members {
			if v.members[i].name != "id" {
				continue
			}
			id := &v.members[i].value
			if id.kind != text {
				return t, false, malformed(join(path, "id"), "not a text")
			}
			if !absolute(id.text) {
				return t, false, nil
			}
			if err := checkIRI(id.text); err != nil {
				return t, false, malformed(join(path, "id"), err.Error())
			}
			return iriTerm(id.text), true, nil
		}
	}
	s.blanks++
	return rdfc.Term{Kind: rdfc.Blank, Value: strconv.Itoa(s.blanks)}, true, nil
}

// types checks that the node has exactly its types, in any order, and emits them.
func (s *statements) types(v *value, cl *class, name rdfc.Term, ok bool, path string) error {
	if len(cl.types) == 0 {
		return nil
	}
	names := v.get("type").texts()
	if len(names) != len(cl.types) {
		return malformed(join(path, "type"), "not the types of such a certificate")
	}
	for _, want := range cl.types {
		found := false
		for _, n := range names {
			found = found || n == want.name
		}
		if !found {
			return malformed(join(path, "type"), "not the types of such a certificate")
		}
		if ok {
			s.quads = append(s.quads, rdfc.Quad{Subject: name, Predicate: iriTerm(rdfType), Object: iriTerm(want.iri)})
		}
	}
	return nil
}

// texts returns a text, or the items of a list of texts; nil for all else.
func (v *value) texts() []string {
	switch {
	case v == nil:
	case v.kind == text:
		return []string{v.text}
	case v.kind == list:
		out := make([]string, 0, len(v.items))
		for _, item := range v.items {
			if item.kind != text {
				return nil
			}
			out = append(out, item.text)
		}
		return out
	}
	return nil
}

// object returns the RDF term of a member's value; ok is false where JSON-LD
// drops the statement because the value is a relative IRI.
func (s *statements) object(v *value, t *term, path string) (obj rdfc.Term, ok bool, err error) {
	switch t.as {
	case nested:
		if t.name == "evidence" && v.kind == list {
			if len(v.items) > 1 {
				return obj, false, fmt.Errorf("%w: more than one vaccination or test in one credential", ErrUnsupported)
			}
			if len(v.items) == 0 {
				return obj, false, malformed(path, "empty")
			}
			v = &v.items[0]
		}
		obj, ok, err = s.node(v, t.node, path)
		if err == nil && !ok {
			// Only nodes with an id get here: holder and evidence. Without the
			// holder's statements the rest may still be worth naming; without
			// those of the vaccination or test there is nothing left.
			if t.name != "credentialSubject" {
				return obj, false, malformed(path+".id", "not an absolute IRI, so what is certified would not be signed")
			}
			s.unsigned = true
		}
		return obj, ok, err
	case reference:
		if v.kind != text {
			return obj, false, malformed(path, "not a text")
		}
		if !absolute(v.text) {
			return obj, false, nil
		}
		if err := checkIRI(v.text); err != nil {
			return obj, false, malformed(path, err.Error())
		}
		return iriTerm(v.text), true, nil
	case dateTime:
		if v.kind != text {
			return obj, false, malformed(path, "not a text")
		}
		return rdfc.Term{Kind: rdfc.Literal, Value: v.text, Datatype: xsdNS + "dateTime"}, true, nil
	}
	switch v.kind {
	case text:
		return rdfc.Term{Kind: rdfc.Literal, Value: v.text}, true, nil
	case boolean:
		return rdfc.Term{Kind: rdfc.Literal, Value: strconv.FormatBool(v.flag), Datatype: xsdNS + "boolean"}, true, nil
	case number:
		obj, err := rdfc.Number(v.text)
		if err != nil {
			return obj, false, malformed(path, err.Error())
		}
		return obj, true, nil
	}
	return obj, false, malformed(path, "not a single value")
}

func iriTerm(iri string) rdfc.Term { return rdfc.Term{Kind: rdfc.IRI, Value: iri} }

// absolute is the test of the JSON-LD processors that signed: a scheme and a
// colon. A blank node's "_:" counts as well, and is then refused by checkIRI.
func absolute(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || scheme == "" {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i]
		letter := c|32 >= 'a' && c|32 <= 'z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+-.,", c) < 0) {
			return scheme == "_"
		}
	}
	return true
}

// checkIRI refuses what could close an IRI's bracket in N-Quads, which those
// processors write unescaped: with it, one member could spell the statements of
// others. A space is harmless and occurs, in identity numbers put behind a DID.
func checkIRI(s string) error {
	if strings.HasPrefix(s, "_:") {
		return errors.New("a blank node's label")
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || strings.ContainsRune("<>\"{}|^`\\", r) {
			return errors.New("not an IRI")
		}
	}
	return nil
}
