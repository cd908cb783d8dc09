package render

import (
	"fmt"
	"strconv"

	"github.com/opendivoc/divoc/internal/render/barcode"
	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// mm is a millimetre in points.
const mm = 72 / 25.4

// setter sets one document: blocks from top to bottom, page after page.
type setter struct {
	r      *Renderer
	doc    *pdf.Doc
	v      *View
	layout Layout
	code   *qr.Code // nil prints a page without one

	paper                    paper   // in the units of the setter, before its scale
	first                    int     // page of the document in the file
	left, width, top, bottom float32 // where blocks may stand
	y                        float32 // where the next one starts
	several                  bool    // languages
	gap                      float32 // between blocks
	accent, tint             pdf.Color
}

// The colours beside the profile's accent; both pass WCAG 2.2 AA on white.
func ink() pdf.Color   { return pdf.Color{26, 26, 26} }
func quiet() pdf.Color { return pdf.Color{84, 84, 84} }
func alarm() pdf.Color { return pdf.Color{150, 20, 20} }

func newSetter(r *Renderer, doc *pdf.Doc, v *View, layout Layout, code *qr.Code, sheet paper) *setter {
	doc.Sheet(sheet.width, sheet.height, sheet.scale)
	s := &setter{r: r, doc: doc, v: v, layout: layout, code: code, several: len(v.Title) > 1, first: doc.Pages()}
	s.paper = paper{sheet.width / sheet.scale, sheet.height / sheet.scale, 1}
	s.gap = 14
	if s.several {
		s.gap = 8 // three languages on one page leave less air
	}
	s.left = float32(layout.Margin) * mm
	s.width = s.paper.width - 2*s.left
	s.top = s.left - 4
	s.bottom = s.paper.height - max(s.left-4, 32) // above the frame and the number of the page
	if len(v.Copy) > 0 {
		s.bottom -= footerLine
	}
	s.accent = colourOf(layout.Accent)
	for i, c := range s.accent {
		s.tint[i] = tinted(c)
	}
	return s
}

// colourOf reads "#rrggbb", which complete checked.
func colourOf(hex string) pdf.Color {
	rgb, _ := strconv.ParseUint(hex[1:], 16, 32)
	return pdf.Color{uint8(rgb >> 16), uint8(rgb >> 8), uint8(rgb)}
}

// tinted is a part of a colour, nearly white.
func tinted(c uint8) uint8 { return 255 - (255-c)/11 }

// set sets all blocks, then what needs the number of pages.
func (s *setter) set() error {
	s.newPage()
	for _, b := range s.layout.Blocks {
		if err := map[string]func() error{
			"header": s.header, "title": s.title, "person": s.person, "doses": s.doses,
			"certificate": s.about, "barcode": s.barcode, "notes": s.notes,
		}[b.Kind](); err != nil {
			return err
		}
	}
	if n := s.doc.Pages() - s.first; n > 1 || len(s.v.Copy) > 0 {
		for i := range n {
			s.doc.GoTo(s.first + i)
			s.footer(i+1, n)
		}
	}
	return nil
}

// footerLine is the height of a line at the foot of a page.
const footerLine = 11

// newPage begins a page with what decorates each.
func (s *setter) newPage() {
	s.doc.AddPage()
	s.y = s.top
	if s.v.Specimen {
		line := s.r.fonts.Wrap([]shape.Phrase{{Lang: "en", Text: "SPECIMEN"}}, true, 1e5, true)[0]
		s.doc.Watermark(line, s.paper.width/2, s.paper.height*0.55, 118, pdf.Color{238, 238, 238})
	}
	edge := s.left * 0.5
	s.doc.Frame(edge, edge, s.paper.width-2*edge, s.paper.height-2*edge, 0, 1.4, s.accent)
	s.doc.Frame(edge+3, edge+3, s.paper.width-2*edge-6, s.paper.height-2*edge-6, 0, 0.4, s.accent)
	if s.doc.Pages()-s.first > 1 {
		// Pages that come apart are told to belong together.
		b := box{width: s.width}
		var name []shape.Phrase
		for _, f := range s.v.Person {
			if f.Key == "name" {
				name = f.Value.inline()
			}
		}
		s.add(&b, s.v.Title[:1], style{size: 8, bold: true, color: s.accent, fixed: true})
		s.add(&b, name, style{size: 8, color: ink()})
		s.add(&b, plain(s.v.HCID), style{size: 8, color: ink()})
		s.draw(&b, s.left, s.y, nil)
		s.y += b.height + 12
	}
}

func (s *setter) footer(n, total int) {
	b := box{width: s.width}
	st := style{size: 7, color: quiet(), center: true, fixed: true}
	if total > 1 {
		s.add(&b, s.r.texts.say(s.langs(), "page", "{n}", strconv.Itoa(n), "{total}", strconv.Itoa(total)).inline(), st)
	}
	// A name of a facility may be long; it is no word of ours.
	st.fixed = false
	s.addFitting(&b, s.v.Copy.spaced(), st, 5, 1)
	s.draw(&b, s.left, s.paper.height-s.left*0.5-4-b.height-1, nil)
}

func (s *setter) langs() []string {
	langs := make([]string, len(s.v.Title))
	for i, p := range s.v.Title {
		langs[i] = p.Lang
	}
	return langs
}

// need begins a new page unless h fits on this one. What no page holds is an
// error: cutting it would be worse.
func (s *setter) need(h float32) error {
	if s.y+h <= s.bottom {
		return nil
	}
	s.newPage()
	if s.y+h > s.bottom {
		return vaccination.Errorf(vaccination.Invalid, "the certificate has a text that is too long to print")
	}
	return nil
}

func (s *setter) header() error {
	const emblem, gap = 44, 14
	b := box{width: s.width - emblem - gap}
	s.add(&b, s.v.Issuer[:1].inline(), style{size: 14, bold: true, color: s.accent, fixed: true})
	s.add(&b, s.v.Issuer[1:].inline(), style{size: 11, bold: true, color: s.accent, fixed: true, above: 1})
	h := max(b.height, emblem)
	if err := s.need(h); err != nil {
		return err
	}
	s.emblem(s.left, s.y+(h-emblem)/2, emblem)
	s.draw(&b, s.left+emblem+gap, s.y+(h-b.height)/2, s.doc.Root())
	s.y += h + 8
	s.doc.Fill(s.left, s.y, s.width, 1.2, s.accent)
	s.y += s.gap
	return nil
}

// emblem is the country's own, or a ring with its code where there is none.
func (s *setter) emblem(x, y, side float32) {
	if e := s.v.Emblem; e != nil {
		w, h := e.within(side)
		s.doc.Picture(e.picture, x+(side-w)/2, y+(side-h)/2, w, h)
		return
	}
	s.doc.Frame(x+0.7, y+0.7, side-1.4, side-1.4, side/2-0.7, 1.4, s.accent)
	s.doc.Frame(x+3.6, y+3.6, side-7.2, side-7.2, side/2-3.6, 0.5, s.accent)
	b := box{width: side}
	s.add(&b, plain(s.v.Country), style{size: 16, bold: true, color: s.accent, center: true, fixed: true})
	s.draw(&b, x, y+(side-b.height)/2, nil)
}

func (s *setter) title() error {
	b := box{width: s.width}
	first, others := style{size: 22, bold: true, color: ink(), fixed: true, tag: "H1"}, style{size: 14, bold: true, color: ink(), fixed: true, above: 1, tag: "P"}
	if s.several {
		first.size, others.size = 16, 12
	}
	s.add(&b, s.v.Title[:1], first)
	s.add(&b, s.v.Title[1:].inline(), others)
	if err := s.need(b.height); err != nil {
		return err
	}
	s.draw(&b, s.left, s.y, s.doc.Root())
	s.y += b.height + s.gap/2
	for _, w := range s.v.Warnings {
		b := box{width: s.width - 20}
		s.stack(&b, w, style{size: 9, bold: true, color: alarm(), fixed: true}, style{size: 9, bold: true, color: alarm(), fixed: true})
		if err := s.need(b.height + 8); err != nil {
			return err
		}
		s.doc.Panel(s.left, s.y, s.width, b.height+8, 3, pdf.Color{253, 236, 234})
		s.draw(&b, s.left+10, s.y+4, s.doc.Root())
		s.y += b.height + 14
	}
	s.y += 4
	return nil
}

// headline is how the title of a block looks.
func (s *setter) headline() style {
	return style{size: 10.5, bold: true, color: s.accent, fixed: true, tag: "H2"}
}

// heading sets the title of a block; below it there must be room for h.
func (s *setter) heading(text Text, h float32) error {
	b := box{width: s.width}
	s.addFitting(&b, text.inline(), s.headline(), 9, 1)
	if err := s.need(b.height + 5 + h); err != nil {
		return err
	}
	s.draw(&b, s.left, s.y, s.doc.Root())
	s.y += b.height + 5
	return nil
}

// field adds a label with its value to b.
func (s *setter) field(b *box, f Field, value style) {
	s.add(b, f.Label.inline(), style{size: 7.5, color: quiet(), fixed: true, above: s.gap/2 + 1})
	value.above = 0.5
	s.addFitting(b, f.Value.inline(), value, 9, 2)
	s.add(b, f.Note.inline(), style{size: 8, color: ink(), fixed: true})
}

func (s *setter) person() error {
	const gap = 20
	side := float32(s.layout.QR) * mm
	outer, zone := side, float32(0)
	if s.code != nil {
		zone = qr.QuietZone * side / float32(s.code.Size)
		outer = side + 2*zone
	}
	b := box{width: s.width - outer - gap}
	s.addFitting(&b, s.v.PersonTitle.inline(), s.headline(), 9, 1)
	for _, f := range s.v.Person {
		st := style{size: 11.5, bold: true, color: ink()}
		if f.Key == "name" {
			st.size = 16
		}
		s.field(&b, f, st)
	}
	caption := box{width: outer}
	s.add(&caption, s.v.Code.inline(), style{size: 7.5, color: quiet(), center: true, fixed: true})
	right := caption.height
	if s.code != nil {
		right += outer + 4
	}
	h := max(b.height, right)
	if err := s.need(h); err != nil {
		return err
	}
	s.draw(&b, s.left, s.y, s.doc.Root())
	x, y := s.left+s.width-outer, s.y
	if s.code != nil {
		s.doc.Panel(x, y, outer, outer, 3, pdf.Color{255, 255, 255})
		s.doc.Frame(x, y, outer, outer, 3, 0.8, s.accent)
		fig := s.doc.Root().AddFigure(s.v.CodeAlt[0].Lang, s.v.CodeAlt[0].Text)
		s.drawCode(fig, x+zone, y+zone, side)
		y += outer + 4
	}
	s.draw(&caption, x, y, s.doc.Root())
	s.y += h + s.gap
	return nil
}

// about sets the fields of the certificate itself, four in a row; the issuer's
// name gets twice the room of a date.
func (s *setter) about() error {
	const perRow, gap = 4, 14
	var rows [][]box
	for from := 0; from < len(s.v.About); from += perRow {
		fields := s.v.About[from:min(from+perRow, len(s.v.About))]
		var all float32
		for _, f := range fields {
			all += aboutShare(f.Key)
		}
		row := make([]box, len(fields))
		for i, f := range fields {
			row[i].width = (s.width - float32(len(fields)-1)*gap) * aboutShare(f.Key) / all
			st := style{size: 10, bold: true, color: ink(), fixed: f.Key == "issuer"}
			if s.several && f.Key == "issuer" {
				st.size = 9
			}
			s.field(&row[i], f, st)
		}
		rows = append(rows, row)
	}
	for n, row := range rows {
		var h float32
		for i := range row {
			h = max(h, row[i].height)
		}
		if n == 0 {
			if err := s.heading(s.v.AboutTitle, h); err != nil {
				return err
			}
		}
		if err := s.need(h); err != nil {
			return err
		}
		x := s.left
		for i := range row {
			s.draw(&row[i], x, s.y, s.doc.Root())
			x += row[i].width + gap
		}
		s.y += h + s.gap/2
	}
	s.y += s.gap / 3
	return nil
}

func aboutShare(key string) float32 {
	if key == "issuer" || key == "key" {
		return 1.7
	}
	return 1
}

// barcode sets the certificate's number as text and as Code 128.
func (s *setter) barcode() error {
	const height, pad = 24, 6
	b := box{width: s.width - 2*pad}
	s.add(&b, s.r.texts.say(s.langs(), "hcid").inline(), style{size: 7.5, color: quiet(), center: true, fixed: true})
	number := plain(s.v.HCID)
	if len(number) == 0 {
		number = s.r.texts.say(s.langs(), "notRecorded")
	}
	s.addFitting(&b, number.inline(), style{size: 12, bold: true, color: ink(), center: true}, 7, 1)
	modules, total, err := barcode.Code128(s.v.HCID)
	bars := err == nil && s.v.HCID != ""
	// A foreign id may be too long for bars that a scanner tells apart.
	module := min((s.width-2*pad)/float32(total+20), 1)
	bars = bars && module >= 0.5
	h := b.height + 2*pad
	if bars {
		h += height + 5
	}
	if err := s.need(h); err != nil {
		return err
	}
	s.doc.Panel(s.left, s.y, s.width, h, 3, pdf.Color{255, 255, 255})
	s.doc.Frame(s.left, s.y, s.width, h, 3, 0.5, s.accent)
	s.draw(&b, s.left+pad, s.y+pad-2, s.doc.Root())
	if bars {
		fig := s.doc.Root().AddFigure(s.v.BarcodeAlt[0].Lang, s.v.BarcodeAlt[0].Text)
		w := module * float32(total)
		s.doc.Drawing(fig, s.left+(s.width-w)/2, s.y+pad+b.height+2, w, height, total, 1, func(yield func(pdf.Rect) bool) {
			x := 0
			for i, m := range modules {
				if i%2 == 0 && !yield(pdf.Rect{X: x, W: m, H: 1}) {
					return
				}
				x += m
			}
		})
	}
	s.y += h + s.gap - 2
	return nil
}

// notes sets the notes, those of one language together.
func (s *setter) notes() error {
	if last := s.layout.Blocks[len(s.layout.Blocks)-1]; last.Kind == "notes" && s.doc.Pages()-s.first == 1 && len(s.v.Copy) == 0 {
		// A page alone has no number below the last block.
		s.bottom = s.paper.height - s.left*0.5 - 9
	}
	for _, lang := range s.langs() {
		text := ""
		for _, n := range s.v.Notes {
			for _, p := range n {
				if p.Lang == lang {
					if text != "" {
						text += " "
					}
					text += p.Text
				}
			}
		}
		b := box{width: s.width}
		st := style{size: 8, color: quiet(), fixed: true}
		if s.several {
			st.size = 7
			st.tight = true
		}
		s.add(&b, []shape.Phrase{{Lang: lang, Text: text}}, st)
		if err := s.need(b.height); err != nil {
			return fmt.Errorf("notes: %w", err)
		}
		s.draw(&b, s.left, s.y, s.doc.Root())
		s.y += b.height + 2
	}
	return nil
}
