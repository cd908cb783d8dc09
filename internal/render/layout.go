package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// Layout is how a page is arranged. It is data of the profile: a YAML file
// that [ParseLayout] reads. What is left out is as in [DefaultLayout].
type Layout struct {
	// Accent is the colour of rules and headings, "#rrggbb".
	Accent string `yaml:"accent"`
	// Margin is the free border of the page in millimetres, 10 to 25.
	Margin float64 `yaml:"margin"`
	// QR is the side of the QR code without its quiet zone in millimetres, 50 to 80.
	QR float64 `yaml:"qr"`
	// Languages that a page shows, and their order, where nobody chose others; empty
	// means all of the profile's.
	Languages []string `yaml:"languages,omitempty"`
	// Note is a sentence of the country's own behind the other notes, by language.
	Note map[string]string `yaml:"note,omitempty"`
	// Blocks from top to bottom.
	Blocks []Block `yaml:"blocks"`
}

// MaxNote bounds a layout's own note, in characters.
const MaxNote = 160

// Block is one part of the page.
type Block struct {
	// Kind is header, title, person (with the QR code beside it), doses,
	// certificate, barcode or notes.
	Kind string `yaml:"kind"`
	// Fields chooses and orders what the block shows; empty means all it has.
	Fields []string `yaml:"fields,omitempty"`
}

// blockKind is what a block can show, and what it must.
type blockKind struct {
	fields   []string
	required []string
}

// blockKinds is the whole law of layouts: a certificate always shows the core
// data set, whatever a layout leaves out.
func blockKinds() map[string]blockKind {
	return map[string]blockKind{
		"header": {},
		"title":  {},
		"person": {
			fields:   []string{"name", "birthDate", "sex", "identifier", "nationality"},
			required: []string{"name", "birthDate"},
		},
		"doses": {
			fields:   []string{"dose", "date", "vaccine", "lot", "place", "validity"},
			required: []string{"dose", "date", "vaccine", "lot", "place"},
		},
		"certificate": {
			fields:   []string{"issued", "validUntil", "issuer", "version", "key"},
			required: []string{"issued", "validUntil", "issuer"},
		},
		"barcode": {},
		"notes": {
			fields:   []string{"verify", "scanDose", "compare", "vaccineValidity"},
			required: []string{"compare"},
		},
	}
}

// DefaultLayout is the layout of a profile that brings none.
func DefaultLayout() Layout {
	return Layout{
		Accent: "#1f4e79", Margin: 15, QR: 56,
		Blocks: []Block{{Kind: "header"}, {Kind: "title"}, {Kind: "person"}, {Kind: "doses"}, {Kind: "certificate"}, {Kind: "barcode"}, {Kind: "notes"}},
	}
}

// ParseLayout reads a layout's YAML and checks it. Errors name the line or the
// block, and what is allowed there.
func ParseLayout(data []byte) (Layout, error) {
	var l Layout
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
		return Layout{}, fmt.Errorf("layout: %w", err)
	}
	return l.complete()
}

var accentForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// complete fills in what l leaves out and checks it.
func (l Layout) complete() (Layout, error) {
	def := DefaultLayout()
	if l.Accent == "" {
		l.Accent = def.Accent
	}
	if l.Margin == 0 {
		l.Margin = def.Margin
	}
	if l.QR == 0 {
		l.QR = def.QR
	}
	if len(l.Blocks) == 0 {
		l.Blocks = def.Blocks
	}
	switch {
	case !accentForm.MatchString(l.Accent):
		return l, vaccination.Errorf(vaccination.Invalid, "layout: accent must be a colour like #1f4e79")
	case !(l.Margin >= 10 && l.Margin <= 25): // so that NaN, which YAML and forms can say, is refused
		return l, vaccination.Errorf(vaccination.Invalid, "layout: margin must be 10 to 25 (millimetres)")
	case !(l.QR >= 50 && l.QR <= 80):
		return l, vaccination.Errorf(vaccination.Invalid, "layout: qr must be 50 to 80 (millimetres)")
	}
	for lang, note := range l.Note {
		if utf8.RuneCountInString(note) > MaxNote || shape.Clean(note) != note {
			return l, vaccination.Errorf(vaccination.Invalid, "layout: the note in %q is one line of at most %d characters", lang, MaxNote)
		}
	}
	kinds := blockKinds()
	seen := map[string]bool{}
	for _, b := range l.Blocks {
		kind, ok := kinds[b.Kind]
		if !ok {
			return l, vaccination.Errorf(vaccination.Invalid, "layout: there is no block %q; there are header, title, person, doses, certificate, barcode and notes", b.Kind)
		}
		if seen[b.Kind] {
			return l, vaccination.Errorf(vaccination.Invalid, "layout: block %q is there twice", b.Kind)
		}
		seen[b.Kind] = true
		for i, f := range b.Fields {
			if !slices.Contains(kind.fields, f) {
				return l, vaccination.Errorf(vaccination.Invalid, "layout: block %q has no field %q; it has %s", b.Kind, f, strings.Join(kind.fields, ", "))
			}
			if slices.Contains(b.Fields[:i], f) {
				return l, vaccination.Errorf(vaccination.Invalid, "layout: block %q has field %q twice", b.Kind, f)
			}
		}
		for _, f := range kind.required {
			if len(b.Fields) > 0 && !slices.Contains(b.Fields, f) {
				return l, vaccination.Errorf(vaccination.Invalid, "layout: block %q must show %q", b.Kind, f)
			}
		}
	}
	for name := range kinds {
		if !seen[name] {
			return l, vaccination.Errorf(vaccination.Invalid, "layout: block %q is missing", name)
		}
	}
	return l, nil
}

// fields are those that the block of the given kind shows. l is complete.
func (l Layout) fields(kind string) []string {
	for _, b := range l.Blocks {
		if b.Kind == kind && len(b.Fields) > 0 {
			return b.Fields
		}
	}
	return blockKinds()[kind].fields
}

// YAML is l as [ParseLayout] reads it.
func (l Layout) YAML() ([]byte, error) { return yaml.Marshal(l) }

// Shown are the fields that the block of a kind shows, in their order. l was read
// by [ParseLayout].
func (l Layout) Shown(kind string) []string { return slices.Clone(l.fields(kind)) }

// BlockKinds are the parts of a page, in the usual order.
func BlockKinds() []string {
	var out []string
	for _, b := range DefaultLayout().Blocks {
		out = append(out, b.Kind)
	}
	return out
}

// Optional are the fields of a block that a layout may leave out, in the usual
// order.
func Optional(kind string) []string {
	k := blockKinds()[kind]
	return slices.DeleteFunc(k.fields, func(f string) bool { return slices.Contains(k.required, f) })
}
