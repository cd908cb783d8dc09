package render

import (
	"slices"

	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// A card in points, and its free border.
const (
	cardWidth  = 242.65
	cardHeight = 153.01
	cardEdge   = 8
)

// cardEmblem is how large the emblem is on a card.
const cardEmblem = 22

// cardDoses is how many doses a card lists, the latest ones.
const cardDoses = 4

// card sets both sides: on two pages of a card's size, or beside each other on
// one of A4 with the marks to cut and fold by.
func (s *setter) card(size Size) error {
	if size == Card {
		s.doc.Sheet(cardWidth, cardHeight, 1)
		s.doc.AddPage()
		if err := s.front(0, 0); err != nil {
			return err
		}
		s.doc.AddPage()
		return s.back(0, 0)
	}
	s.doc.Sheet(pdf.Width, pdf.Height, 1)
	s.doc.AddPage()
	// Folded backwards along the middle, the left side is behind the right one.
	x, y := float32(pdf.Width-2*cardWidth)/2, float32(56)
	s.doc.Frame(x, y, 2*cardWidth, cardHeight, 0, 0.4, quiet())
	for at := y + 1; at < y+cardHeight; at += 6 {
		s.doc.Fill(x+cardWidth-0.2, at, 0.4, 3, quiet())
	}
	if err := s.front(x+cardWidth, y); err != nil {
		return err
	}
	if err := s.back(x, y); err != nil {
		return err
	}
	b := box{width: 2 * cardWidth}
	s.add(&b, s.r.texts.say(s.langs(), "cut").inline(), style{size: 9, color: quiet(), fixed: true, center: true})
	s.draw(&b, x, y+cardHeight+10, s.doc.Root())
	return nil
}

// front is who and what: the person, the doses in short, the number.
func (s *setter) front(x, y float32) error {
	const width = cardWidth - 2*cardEdge
	if s.v.Specimen {
		line := s.r.fonts.Wrap([]shape.Phrase{{Lang: "en", Text: "SPECIMEN"}}, true, 1e5, true)[0]
		s.doc.Watermark(line, x+cardWidth/2, y+cardHeight/2, 34, pdf.Color{235, 235, 235})
	}
	s.doc.Fill(x, y, cardWidth, 4, s.accent)
	side := float32(0)
	words := func(emblem float32) error {
		return s.fit(x+cardEdge, y+cardEdge, width, cardHeight-2*cardEdge, func(b *box, k float32) {
			side = emblem * k
			s.frontWords(b, k, side)
		})
	}
	if s.v.Emblem != nil && words(cardEmblem) == nil {
		s.emblem(x+cardEdge+width-side, y+cardEdge, side)
		return nil
	}
	return words(0) // what is said matters more
}

// frontWords sets what the front says, k times as large as meant, and leaves a
// square at its upper right free.
func (s *setter) frontWords(b *box, k, free float32) {
	st := func(size float32, bold bool, c pdf.Color) style {
		return style{size: size * k, bold: bold, color: c, fixed: true, tight: true}
	}
	issuer, title := st(6.5, true, s.accent), st(8.5, true, ink())
	title.tag = "H1"
	if free > 0 {
		issuer.inset, title.inset = free+4, free+4
	}
	s.add(b, s.v.Issuer.inline(), issuer)
	s.add(b, s.v.Title.inline(), title)
	below := max(0, free-b.height) // what stands there now begins below the square
	for _, w := range s.v.Warnings {
		line := st(6, true, alarm())
		line.above, below = below, 0
		s.add(b, w[:1], line)
	}
	for _, f := range s.v.Person {
		if f.Key != "name" && (f.Key != "birthDate" || len(s.v.Short) > 0) {
			continue
		}
		label, value := st(5.5, false, quiet()), st(9, true, ink())
		label.above, below = 2*k+below, 0
		value.fixed = false
		s.add(b, f.Label.inline(), label)
		s.add(b, append(append([]shape.Phrase{}, f.Value.inline()...), noteOf(f)...), value)
	}
	for i, f := range s.v.Short {
		line := st(6, false, ink())
		if line.fixed = false; i == 0 {
			line.above = 2 * k
		}
		s.add(b, labelled(f), line)
	}
	rows := s.v.Doses[max(0, len(s.v.Doses)-cardDoses):]
	if len(s.v.Short) > 0 {
		rows = nil
	}
	for i, row := range rows {
		line := st(6.5, false, ink())
		if i == 0 {
			line.above = 2.5 * k
		}
		s.add(b, s.doseLine(row), line)
	}
	last := st(6, true, ink())
	last.above = 2.5 * k
	s.add(b, plain(s.v.HCID), last)
	s.add(b, s.v.Copy.spaced(), st(5, false, quiet()))
	// What a card must say is said where there is room for it.
	for _, p := range s.r.texts.say(s.langs(), "compare") {
		if len(s.v.Short) > 0 {
			break
		}
		note := st(5.5, false, quiet())
		note.above = 1.5 * k
		s.add(b, []shape.Phrase{p}, note)
	}
}

// doseLine says one dose in a line: number, date, vaccine; of a test when, which
// and with what result.
func (s *setter) doseLine(row Row) []shape.Phrase {
	var out []shape.Phrase
	for i, c := range s.v.Columns {
		if !slices.Contains([]string{"dose", "date", "vaccine", "sample", "kind", "result"}, c.Key) {
			continue
		}
		main := row.Cells[i].Main
		if c.Key != "date" && len(main) > 1 {
			main = main[:1]
		}
		if len(out) > 0 {
			out = append(out, shape.Phrase{Text: " · "})
		} else if len(c.Label) > 0 {
			out = append(out, c.Label[0], shape.Phrase{Text: " "})
		}
		out = append(out, main.inline()...)
	}
	return out
}

// noteOf is what is to be known of a value, in brackets.
func noteOf(f Field) []shape.Phrase {
	if len(f.Note) == 0 {
		return nil
	}
	out := append([]shape.Phrase{{Text: " ("}}, f.Note.inline()...)
	return append(out, shape.Phrase{Text: ")"})
}

// back is the code, as large as the card lets it be, and what to do with it.
func (s *setter) back(x, y float32) error {
	side := float32(cardHeight - 2*cardEdge)
	s.doc.Fill(x, y, cardWidth, 4, s.accent)
	left := x + cardEdge
	if s.code != nil {
		zone := qr.QuietZone * side / float32(s.code.Size+2*qr.QuietZone)
		inner := side - 2*zone
		fig := s.doc.Root().AddFigure(s.v.CodeAlt[0].Lang, s.v.CodeAlt[0].Text)
		s.drawCode(fig, left+zone, y+cardEdge+zone+2, inner)
		left += side + 3
	}
	width := x + cardWidth - cardEdge - left
	column := func(notes []Text) error {
		return s.fit(left, y+cardEdge+4, width, side-6, func(b *box, k float32) {
			s.add(b, s.v.Code.inline(), style{size: 7.5 * k, bold: true, color: s.accent, fixed: true, tight: true})
			for _, n := range notes {
				for _, p := range n {
					s.add(b, []shape.Phrase{p}, style{size: 6 * k, color: ink(), fixed: true, tight: true, above: 2 * k})
				}
			}
		})
	}
	compare := s.r.texts.say(s.langs(), "compare").String()
	notes := slices.DeleteFunc(slices.Clone(s.v.Notes), func(n Text) bool { return n.String() == compare })
	if column(notes) == nil {
		return nil
	}
	return column(nil) // where to verify stands in the code too
}

// drawCode draws the QR code without its quiet zone.
func (s *setter) drawCode(fig *pdf.Element, x, y, side float32) {
	s.doc.Drawing(fig, x, y, side, side, s.code.Size, s.code.Size, func(yield func(pdf.Rect) bool) {
		for r := range s.code.Runs {
			if !yield(pdf.Rect{X: r.X, Y: r.Y, W: r.Width, H: 1}) {
				return
			}
		}
	})
}

// smallest is how much smaller than meant the words of a card may be: less
// could not be read.
const smallest = 0.76

// fit draws what fill puts into a box of this size, in the largest type in which
// it has room.
func (s *setter) fit(x, y, width, height float32, fill func(b *box, k float32)) error {
	for k := float32(1); k >= smallest; k -= 0.04 {
		b := box{width: width}
		if fill(&b, k); b.height <= height {
			s.draw(&b, x, y, s.doc.Root())
			return nil
		}
	}
	return vaccination.Errorf(vaccination.Invalid, "this is too much for a card: print it on a larger page, or in fewer languages")
}
