package jsonld

import (
	"embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opendivoc/divoc/credential/jcs"
)

//go:embed contexts/*.json
var files embed.FS

// Known is the closed set of contexts that come with the program: those of W3C's
// credentials 1.1 and 2.0, and of the signatures of 2020.
func Known(url string) ([]byte, bool) {
	name := ""
	switch url {
	case "https://www.w3.org/2018/credentials/v1":
		name = "credentials-v1"
	case "https://www.w3.org/ns/credentials/v2":
		name = "credentials-v2"
	case "https://w3id.org/security/suites/ed25519-2020/v1":
		name = "ed25519-2020-v1"
	default:
		return nil, false
	}
	b, err := files.ReadFile("contexts/" + name + ".json")
	return b, err == nil
}

// active is an active context ("JSON-LD 1.1 API", section 4.1). It is never
// changed once it is in use.
type active struct {
	terms    map[string]*definition
	vocab    string
	base     string // of the fragments that names may be written as
	language string
	previous *active
}

// definition is what a term means.
type definition struct {
	id        string // an IRI or a keyword; "" where the term was taken out
	typ       string
	language  *string
	container []string
	scoped    *jcs.Value
	protected bool
	prefix    bool
}

func (d *definition) has(container string) bool { return slices.Contains(d.container, container) }

// same reports whether two definitions mean the same, protection aside.
func (d *definition) same(e *definition) bool {
	text := func(v *jcs.Value) string {
		if v == nil {
			return ""
		}
		return string(v.Append(nil))
	}
	return d.id == e.id && d.typ == e.typ && d.prefix == e.prefix && slices.Equal(d.container, e.container) && text(d.scoped) == text(e.scoped) &&
		(d.language == nil) == (e.language == nil) && (d.language == nil || *d.language == *e.language)
}

// keyword returns which keyword a member's name is or stands for, "" for none.
func (a *active) keyword(name string) string {
	if strings.HasPrefix(name, "@") {
		return name
	}
	if d := a.terms[name]; d != nil && strings.HasPrefix(d.id, "@") {
		return d.id
	}
	return ""
}

// expand returns the IRI that a text means: as a term or by the vocabulary where
// vocab is set, as a compact or absolute IRI, as a fragment of the base. ok is false
// for another relative one.
func (a *active) expand(s string, vocab bool) (string, bool) {
	if !vocab && a.base != "" && strings.HasPrefix(s, "#") {
		document, _, _ := strings.Cut(a.base, "#")
		return document + s, clean(document + s)
	}
	if vocab {
		if d := a.terms[s]; d != nil {
			return d.id, d.id != "" && clean(d.id)
		}
	}
	if prefix, rest, ok := strings.Cut(s, ":"); ok && prefix != "" {
		if prefix == "_" {
			return "", false // a blank node's label has no meaning in a document of one
		}
		if d := a.terms[prefix]; d != nil && d.prefix && !strings.HasPrefix(rest, "//") {
			return d.id + rest, clean(d.id + rest)
		}
		return s, scheme(prefix) && clean(s)
	}
	if vocab && a.vocab != "" && s != "" {
		return a.vocab + s, clean(a.vocab + s)
	}
	return "", false
}

// scheme reports whether s is one of an IRI.
func scheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|32 >= 'a' && c|32 <= 'z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

// clean refuses what could end an IRI within N-Quads.
func clean(s string) bool { return !strings.ContainsFunc(s, unsafe) }

func unsafe(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("<>\"{}|^`\\", r) }

// context returns a with local applied to it (section 4.1.2). propagate is false
// for the context of a type, which ends with its node; override is true for that
// of a property, which may redefine what is protected. inner is true for both of
// them, which are objects within a known context; one of a document itself is the
// URL of a known one, or a list of such.
func (p *processor) context(a *active, local jcs.Value, inner, propagate, override bool) (*active, error) {
	if p.work++; p.work > p.maxContexts {
		return nil, ErrTooLarge
	}
	out := &active{terms: maps.Clone(a.terms), vocab: a.vocab, base: a.base, language: a.language, previous: a.previous}
	if out.terms == nil {
		out.terms = map[string]*definition{}
	}
	if !propagate && out.previous == nil {
		out.previous = a
	}
	for _, one := range list(local) {
		objects := []jcs.Value{one}
		if one.Kind == jcs.String {
			object, err := p.load(one.Text)
			if err != nil {
				return nil, err
			}
			objects = list(object)
		} else if !inner { // null among them, which would take protection away
			return nil, ErrContext
		}
		for _, o := range objects {
			if err := p.define(out, o, inner && one.Kind != jcs.String, override); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// load returns what a known context says.
func (p *processor) load(url string) (jcs.Value, error) {
	if v, ok := p.parsed[url]; ok {
		return v, nil
	}
	text, ok := p.contexts(url)
	if !ok {
		return jcs.Value{}, ErrContext
	}
	if kept, ok := read.Load(url); ok && kept.(contextFile).text == string(text) {
		p.parsed[url] = kept.(contextFile).value
		return p.parsed[url], nil
	}
	file, err := jcs.Parse(text)
	v, ok := file.Get("@context")
	if err != nil || !ok {
		return v, ErrContext
	}
	read.Store(url, contextFile{string(text), v})
	p.parsed[url] = v
	return v, nil
}

// read keeps the contexts that were read, by their URLs: reading one takes longer than
// all that is done with it. There are no more than callers know, and nobody changes one.
var read sync.Map

type contextFile struct {
	text  string
	value jcs.Value
}

// define adds the terms of a context object. The base of one that was loaded does not
// count (section 4.1.2, step 5.7); that of one within a definition does.
func (p *processor) define(out *active, object jcs.Value, within, override bool) error {
	if object.Kind != jcs.Object {
		return ErrContext
	}
	protect := false
	for _, m := range object.Members {
		switch m.Name {
		case "@version":
		case "@protected":
			protect = m.Value.Kind == jcs.True
		case "@vocab":
			if m.Value.Kind == jcs.Null {
				out.vocab = ""
			} else {
				out.vocab = m.Value.Text
			}
		case "@base":
			if !within {
				continue
			}
			if name, _, ok := strings.Cut(m.Value.Text, ":"); !ok || !scheme(name) {
				return ErrUnreadable
			}
			out.base = m.Value.Text
		case "@language":
			out.language = m.Value.Text
		default:
			if strings.HasPrefix(m.Name, "@") {
				return ErrUnreadable
			}
		}
	}
	d := definer{out: out, object: object, protect: protect, override: override, begun: map[string]bool{}, done: map[string]bool{}}
	for _, m := range object.Members {
		if !strings.HasPrefix(m.Name, "@") {
			if err := d.term(m.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// definer defines the terms of one context object.
type definer struct {
	out               *active
	object            jcs.Value
	protect, override bool
	begun, done       map[string]bool
}

// term defines one term (section 4.2.2), and first those it is written with.
func (d *definer) term(name string) error {
	if d.done[name] {
		return nil
	}
	if d.begun[name] {
		return ErrContext // defined by itself
	}
	d.begun[name] = true
	v, _ := d.object.Get(name)
	def := &definition{protected: d.protect}
	var id string
	var err error
	switch v.Kind {
	case jcs.Null:
		id = ""
	case jcs.String:
		id = v.Text
	case jcs.Object:
		if id, err = d.read(name, v, def); err != nil {
			return err
		}
	default:
		return ErrContext
	}
	if id != "" {
		if def.id, err = d.iri(name, id); err != nil {
			return err
		}
		if v.Kind == jcs.String && strings.ContainsAny(def.id[len(def.id)-1:], ":/?#[]@") {
			def.prefix = true
		}
	}
	if old := d.out.terms[name]; old != nil && old.protected && !d.override {
		if !old.same(def) {
			return ErrProtected
		}
		def.protected = true
	}
	d.out.terms[name] = def
	d.done[name] = true
	return nil
}

// read reads an expanded term definition into def and returns what the term
// stands for, as it is written.
func (d *definer) read(name string, v jcs.Value, def *definition) (id string, err error) {
	id = name
	for _, m := range v.Members {
		switch m.Name {
		case "@id":
			if id = m.Value.Text; m.Value.Kind == jcs.Null {
				id = ""
			}
		case "@type":
			if def.typ, err = d.iri(name, m.Value.Text); err != nil {
				return "", err
			}
		case "@container":
			for _, c := range list(m.Value) {
				if c.Text != "@set" && c.Text != "@list" && c.Text != "@graph" {
					return "", ErrUnreadable
				}
				def.container = append(def.container, c.Text)
			}
		case "@context":
			scoped := m.Value
			def.scoped = &scoped
		case "@protected":
			def.protected = m.Value.Kind == jcs.True
		case "@prefix":
			def.prefix = m.Value.Kind == jcs.True
		case "@language":
			lang := m.Value.Text
			def.language = &lang
		default:
			return "", ErrUnreadable
		}
	}
	return id, nil
}

// iri expands what the definition of name is written with.
func (d *definer) iri(name, id string) (string, error) {
	if strings.HasPrefix(id, "@") {
		return id, nil
	}
	prefix, _, _ := strings.Cut(id, ":")
	for _, needed := range []string{id, prefix} {
		if _, there := d.object.Get(needed); there && needed != name {
			if err := d.term(needed); err != nil {
				return "", err
			}
		}
	}
	full, ok := d.out.expand(id, id != name)
	if id == name && !strings.Contains(name, ":") { // by the vocabulary, not by what it meant before
		full, ok = d.out.vocab+name, d.out.vocab != ""
	}
	if !ok {
		return "", ErrContext
	}
	return full, nil
}
