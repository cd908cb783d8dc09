// Package jsonld turns JSON-LD 1.1 into RDF, as far as credentials use it
// ("JSON-LD 1.1 Processing Algorithms and API", sections 4, 5.1 and 8.1), and
// strictly: whatever would be left out of what is signed is an error. That is a
// term that no context defines, a relative IRI, a language's direction, a
// redefinition of a protected term. Contexts are a closed set; none is fetched,
// and none may be written into a document.
//
// Reverse properties, nested properties, maps by language, index, id or type, and
// named graphs in a document of its own are not read.
package jsonld

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/rdfc"
)

// Errors of reading; none repeats a value of the document.
var (
	ErrContext    = errors.New("a context that is not known, or written into the document")
	ErrUndefined  = errors.New("a member that no context defines, so it would not be signed")
	ErrRelative   = errors.New("a name that is no absolute IRI, so what it names would not be signed")
	ErrProtected  = errors.New("a context redefines what another protects")
	ErrUnreadable = errors.New("a form of JSON-LD that is not read")
	ErrTooLarge   = errors.New("too many statements or contexts")
)

// maxQuads is how many statements a credential may be; a document may apply a tenth of
// that many contexts, a list of keys as many.
const maxQuads = 2000

const (
	rdfNS   = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	xsdNS   = "http://www.w3.org/2001/XMLSchema#"
	keyType = "@type"
)

// Contexts returns the text of the context with a URL.
type Contexts func(url string) (text []byte, ok bool)

// ToRDF returns the statements of a document, blank nodes labelled in the order
// they come.
func ToRDF(document jcs.Value, contexts Contexts) ([]rdfc.Quad, error) {
	return toRDF(document, contexts, maxQuads, maxQuads/10)
}

// ListToRDF is [ToRDF] for a list of many things, of up to quads statements.
func ListToRDF(document jcs.Value, contexts Contexts, quads int) ([]rdfc.Quad, error) {
	return toRDF(document, contexts, quads, quads)
}

func toRDF(document jcs.Value, contexts Contexts, maxQuads, maxContexts int) ([]rdfc.Quad, error) {
	p := &processor{contexts: contexts, parsed: map[string]jcs.Value{}, maxQuads: maxQuads, maxContexts: maxContexts}
	if _, err := p.node(&active{}, nil, document, rdfc.Term{}); err != nil {
		return nil, err
	}
	return p.quads, nil
}

type processor struct {
	contexts Contexts
	parsed   map[string]jcs.Value
	quads    []rdfc.Quad
	blanks   int
	work     int

	maxQuads, maxContexts int
}

func (p *processor) emit(s rdfc.Term, predicate string, o, graph rdfc.Term) error {
	if len(p.quads) == p.maxQuads {
		return ErrTooLarge
	}
	p.quads = append(p.quads, rdfc.Quad{Subject: s, Predicate: iri(predicate), Object: o, Graph: graph})
	return nil
}

func (p *processor) blank() rdfc.Term {
	p.blanks++
	return rdfc.Term{Kind: rdfc.Blank, Value: "b" + strconv.Itoa(p.blanks)}
}

func iri(s string) rdfc.Term { return rdfc.Term{Kind: rdfc.IRI, Value: s} }

// node emits the statements about a node object and returns the term that names
// it. def is the property it is the value of.
func (p *processor) node(ctx *active, def *definition, v jcs.Value, graph rdfc.Term) (rdfc.Term, error) {
	name := rdfc.Term{}
	if v.Kind != jcs.Object {
		return name, ErrUnreadable
	}
	if ctx.previous != nil && !onlyID(ctx, v) {
		ctx = ctx.previous
	}
	var err error
	if def != nil && def.scoped != nil {
		if ctx, err = p.context(ctx, *def.scoped, true, true, true); err != nil {
			return name, err
		}
	}
	if local, ok := v.Get("@context"); ok {
		if ctx, err = p.context(ctx, local, false, true, false); err != nil {
			return name, err
		}
	}
	typed := ctx
	var types []string
	for _, m := range v.Members {
		if ctx.keyword(m.Name) == keyType {
			for _, t := range list(m.Value) {
				if t.Kind != jcs.String {
					return name, ErrUnreadable
				}
				types = append(types, t.Text)
			}
		}
	}
	sorted := slices.Sorted(slices.Values(types))
	for _, t := range sorted {
		if d := typed.terms[t]; d != nil && d.scoped != nil {
			if ctx, err = p.context(ctx, *d.scoped, true, false, false); err != nil {
				return name, err
			}
		}
	}
	for _, m := range v.Members {
		if ctx.keyword(m.Name) == "@id" {
			id, ok := "", m.Value.Kind == jcs.String
			if ok {
				id, ok = ctx.expand(m.Value.Text, false)
			}
			if !ok {
				return name, ErrRelative
			}
			name = iri(id)
		}
	}
	if name.Value == "" {
		name = p.blank()
	}
	for _, t := range types {
		id, ok := typed.expand(t, true)
		if !ok {
			return name, ErrUndefined
		}
		if err := p.emit(name, rdfNS+"type", iri(id), graph); err != nil {
			return name, err
		}
	}
	for _, m := range v.Members {
		switch k := ctx.keyword(m.Name); {
		case m.Name == "@context", k == "@id", k == keyType:
			continue
		case k != "":
			return name, ErrUnreadable
		}
		d := ctx.terms[m.Name]
		property, ok := ctx.expand(m.Name, true)
		if !ok {
			return name, ErrUndefined
		}
		if d == nil {
			d = &definition{id: property}
		}
		if err := p.values(ctx, d, name, m.Value, graph); err != nil {
			return name, err
		}
	}
	return name, nil
}

// onlyID reports whether a node object is a reference and nothing else, or no
// node object at all.
func onlyID(ctx *active, v jcs.Value) bool {
	if len(v.Members) == 1 && ctx.keyword(v.Members[0].Name) == "@id" {
		return true
	}
	return slices.ContainsFunc(v.Members, func(m jcs.Member) bool { return ctx.keyword(m.Name) == "@value" })
}

func list(v jcs.Value) []jcs.Value {
	if v.Kind == jcs.Array {
		return v.Items
	}
	return []jcs.Value{v}
}

// values emits the values of one property.
func (p *processor) values(ctx *active, d *definition, subject rdfc.Term, v jcs.Value, graph rdfc.Term) error {
	if d.has("@list") {
		head, err := p.list(ctx, d, list(v), graph)
		if err != nil {
			return err
		}
		return p.emit(subject, d.id, head, graph)
	}
	items := list(v)
	if d.typ == "@json" {
		items = []jcs.Value{v}
	}
	for _, item := range items {
		if item.Kind == jcs.Null && d.typ != "@json" {
			continue
		}
		if d.has("@graph") {
			if item.Kind != jcs.Object {
				return ErrUnreadable
			}
			name := p.blank()
			if err := p.emit(subject, d.id, name, graph); err != nil {
				return err
			}
			if _, err := p.node(ctx, d, item, name); err != nil {
				return err
			}
			continue
		}
		object, err := p.value(ctx, d, item, graph)
		if err != nil {
			return err
		}
		if err := p.emit(subject, d.id, object, graph); err != nil {
			return err
		}
	}
	return nil
}

// list emits an RDF list and returns its head.
func (p *processor) list(ctx *active, d *definition, items []jcs.Value, graph rdfc.Term) (rdfc.Term, error) {
	head := iri(rdfNS + "nil")
	for _, item := range slices.Backward(items) {
		object, err := p.value(ctx, d, item, graph)
		if err != nil {
			return head, err
		}
		cell := p.blank()
		if err := errors.Join(p.emit(cell, rdfNS+"first", object, graph), p.emit(cell, rdfNS+"rest", head, graph)); err != nil {
			return head, err
		}
		head = cell
	}
	return head, nil
}

// value returns the term of one value.
func (p *processor) value(ctx *active, d *definition, v jcs.Value, graph rdfc.Term) (rdfc.Term, error) {
	literal := func(text, datatype string) rdfc.Term {
		if datatype == xsdNS+"string" {
			datatype = ""
		}
		return rdfc.Term{Kind: rdfc.Literal, Value: text, Datatype: datatype}
	}
	if d.typ == "@json" {
		return literal(string(v.Append(nil)), rdfNS+"JSON"), nil
	}
	datatype := d.typ
	if strings.HasPrefix(datatype, "@") {
		datatype = ""
	}
	if d.scoped != nil && v.Kind != jcs.Object {
		var err error
		if ctx, err = p.context(ctx, *d.scoped, true, true, true); err != nil {
			return rdfc.Term{}, err
		}
	}
	switch v.Kind {
	case jcs.String:
		switch d.typ {
		case "@id", "@vocab":
			id, ok := ctx.expand(v.Text, d.typ == "@vocab")
			if !ok {
				return rdfc.Term{}, ErrRelative
			}
			return iri(id), nil
		}
		lang := ctx.language
		if d.language != nil {
			lang = *d.language
		}
		if datatype == "" && lang != "" {
			return rdfc.Term{Kind: rdfc.Literal, Value: v.Text, Language: lang}, nil
		}
		return literal(v.Text, datatype), nil
	case jcs.True, jcs.False:
		if datatype == "" {
			datatype = xsdNS + "boolean"
		}
		return literal(strconv.FormatBool(v.Kind == jcs.True), datatype), nil
	case jcs.Number:
		t, err := rdfc.Number(strconv.FormatFloat(v.Number, 'g', -1, 64))
		if err != nil {
			return t, ErrUnreadable
		}
		if datatype != "" {
			t.Datatype = datatype
		}
		return t, nil
	case jcs.Object:
		if slices.ContainsFunc(v.Members, func(m jcs.Member) bool { return ctx.keyword(m.Name) == "@value" }) {
			return valueObject(ctx, v)
		}
		return p.node(ctx, d, v, graph)
	}
	return rdfc.Term{}, ErrUnreadable
}

// valueObject returns the term of an object with @value.
func valueObject(ctx *active, v jcs.Value) (rdfc.Term, error) {
	t := rdfc.Term{Kind: rdfc.Literal}
	var value jcs.Value
	for _, m := range v.Members {
		switch k := ctx.keyword(m.Name); {
		case k == "@value":
			value = m.Value
		case k == "@language" && m.Value.Kind == jcs.String:
			t.Language = m.Value.Text
		case k == keyType && m.Value.Kind == jcs.String:
			id, ok := ctx.expand(m.Value.Text, true)
			if !ok {
				return t, ErrRelative
			}
			if t.Datatype = id; id == xsdNS+"string" {
				t.Datatype = ""
			}
		default: // @direction among them, which RDF has no place for
			return t, ErrUnreadable
		}
	}
	if t.Language != "" && t.Datatype != "" {
		return t, ErrUnreadable
	}
	switch value.Kind {
	case jcs.String:
		t.Value = value.Text
		return t, nil
	case jcs.True, jcs.False:
		t.Value = strconv.FormatBool(value.Kind == jcs.True)
		if t.Datatype == "" {
			t.Datatype = xsdNS + "boolean"
		}
		return t, nil
	}
	return t, ErrUnreadable
}
