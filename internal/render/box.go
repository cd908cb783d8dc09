package render

import (
	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/shape"
)

// style is how a paragraph looks.
type style struct {
	size   float32
	bold   bool
	color  pdf.Color
	center bool
	fixed  bool    // the words are ours, not a person's
	tight  bool    // lines close together
	above  float32 // space above
	inset  float32 // room left free at the end of each line
	tag    string  // structure type; "" is P
}

// box is paragraphs one below the other, measured and not yet drawn.
type box struct {
	width, height float32
	paragraphs    []paragraph
}

type paragraph struct {
	style
	phrases []shape.Phrase
	lines   []shape.Line
}

// Line heights in type sizes: scripts other than the base font's reach further
// above and below their line.
const (
	leadBase  = 1.34
	leadOther = 1.52
	leadTight = 1.4
)

func (st *style) lead(l shape.Line) float32 {
	switch {
	case l.Base:
		return leadBase * st.size
	case st.tight:
		return leadTight * st.size
	default:
		return leadOther * st.size
	}
}

// add sets a paragraph at the end of b.
func (s *setter) add(b *box, text []shape.Phrase, st style) { s.addFitting(b, text, st, st.size, 0) }

// addFitting is add in the largest size from st.size down to least in which the
// text takes no more than lines lines, or in least.
func (s *setter) addFitting(b *box, text []shape.Phrase, st style, least float32, lines int) {
	if len(text) == 0 {
		return
	}
	p := paragraph{style: st, phrases: text}
	for {
		p.lines = s.r.fonts.Wrap(text, p.bold, (b.width-p.inset)*1000/p.size, p.fixed)
		if p.size <= least || len(p.lines) <= lines {
			break
		}
		p.size = max(p.size-1, least)
	}
	if len(b.paragraphs) == 0 {
		p.above = 0
	}
	b.height += p.above
	for _, l := range p.lines {
		b.height += p.lead(l)
	}
	b.paragraphs = append(b.paragraphs, p)
}

// stack adds each phrase as a paragraph of its own, the first in one style and
// the others in another.
func (s *setter) stack(b *box, text Text, first, others style) {
	for i, p := range text {
		st := first
		if i > 0 {
			st = others
		}
		s.add(b, []shape.Phrase{p}, st)
	}
}

// draw draws b with its top left corner at x, y as children of e; without e it
// only decorates.
func (s *setter) draw(b *box, x, y float32, e *pdf.Element) {
	for i := range b.paragraphs {
		p := &b.paragraphs[i]
		y += p.above
		var owner func(int) *pdf.Element
		if e != nil {
			owner = p.owner(e)
		}
		for _, l := range p.lines {
			height := p.lead(l)
			at := x
			width := l.Width * p.size / 1000
			switch {
			case p.center:
				at += (b.width - p.inset - width) / 2
			case l.RTL:
				at += b.width - p.inset - width
			}
			// The middle of the small letters' height stands at the middle of the line.
			s.doc.Text(l, at, y+height/2+p.size*0.33, p.size, p.color, owner)
			y += height
		}
	}
}

// owner makes the structure element of a paragraph, and within it one for each
// phrase where there are several.
func (p *paragraph) owner(e *pdf.Element) func(int) *pdf.Element {
	tag := p.tag
	if tag == "" {
		tag = "P"
	}
	if len(p.phrases) == 1 {
		el := e.Add(tag, p.phrases[0].Lang)
		return func(int) *pdf.Element { return el }
	}
	parent := e.Add(tag, "")
	spans := make([]*pdf.Element, len(p.phrases))
	return func(i int) *pdf.Element {
		if spans[i] == nil {
			spans[i] = parent.Add("Span", p.phrases[i].Lang)
		}
		return spans[i]
	}
}
