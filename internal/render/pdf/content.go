package pdf

import (
	"strconv"
	"unicode/utf16"

	"github.com/opendivoc/divoc/internal/render/shape"
)

// numbers appends values with two decimals, which is a hundredth of a point.
func (p *page) numbers(values ...float32) {
	for _, v := range values {
		p.content = appendNumber(p.content, v)
		p.content = append(p.content, ' ')
	}
}

// exact appends the values of a matrix.
func (p *page) exact(values ...float32) {
	for _, v := range values {
		p.content = strconv.AppendFloat(p.content, float64(v), 'f', 5, 32)
		p.content = append(p.content, ' ')
	}
}

// appendNumber appends v with at most two decimals.
func appendNumber(b []byte, v float32) []byte {
	n := int64(v*100 + 0.5)
	if v < 0 {
		n = int64(v*100 - 0.5)
	}
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendInt(b, n/100, 10)
	if n %= 100; n != 0 {
		b = append(b, '.', byte('0'+n/10))
		if n%10 != 0 {
			b = append(b, byte('0'+n%10))
		}
	}
	return b
}

func appendInt(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 10), ' ')
}

func (p *page) color(c Color) {
	if p.known && p.fill == c {
		return
	}
	p.fill, p.known = c, true
	p.content = append(appendColor(p.content, c), "rg\n"...)
}

// appendColor appends the three parts of c.
func appendColor(b []byte, c Color) []byte {
	for _, v := range c {
		b = append(strconv.AppendFloat(b, float64(v)/255, 'f', 3, 32), ' ')
	}
	return b
}

// begin opens the marked content of e.
func (p *page) begin(e *Element) {
	id := len(p.owners)
	p.owners = append(p.owners, e)
	e.kids = append(e.kids, kid{page: p, id: id})
	p.content = append(p.content, '/')
	p.content = append(p.content, e.kind...)
	p.content = append(p.content, "<</MCID "...)
	p.content = appendInt(p.content, id)
	p.content = append(p.content, ">>BDC\n"...)
}

// run draws one run inside a text object.
func (d *Doc) run(r *shape.Run, x, y, size float32) {
	if len(r.Glyphs) == 0 {
		return
	}
	p := d.page
	u := d.uses[r.Font]
	if u == nil {
		u = newUse(d.fonts[r.Font])
		d.uses[r.Font] = u
	}
	// Where glyphs do not spell the text one by one in its order, the text is
	// written beside them.
	spelled := r.Plain
	for i := range r.Glyphs {
		g := &r.Glyphs[i]
		n := u.glyph(g.ID)
		if g.Text != "" && u.text[n] == "" {
			u.text[n] = g.Text
		}
		spelled = spelled && u.text[n] == g.Text
	}
	if p.font != r.Font || p.size != size {
		p.font, p.size = r.Font, size
		p.content = append(p.content, "/T"...)
		p.content = appendInt(p.content, r.Font)
		p.numbers(size)
		p.content = append(p.content, "Tf\n"...)
	}
	if !spelled {
		p.content = append(p.content, "/Span<</ActualText"...)
		p.content = appendUTF16(p.content, r.Text)
		p.content = append(p.content, ">>BDC\n"...)
	}
	p.content = append(p.content, "1 0 0 1 "...)
	p.numbers(x, p.top()-y)
	p.content = append(p.content, "Tm\n[<"...)
	// pen is where shaping says the next glyph stands, at where the viewer is.
	var pen, at, rise float32
	for i := range r.Glyphs {
		g := &r.Glyphs[i]
		if g.YOffset != rise {
			rise = g.YOffset
			p.content = append(p.content, ">]TJ "...)
			p.numbers(rise * size / 1000)
			p.content = append(p.content, "Ts [<"...)
		}
		if by := pen + g.XOffset - at; by > 0.5 || by < -0.5 {
			p.content = append(p.content, '>')
			p.content = appendNumber(p.content, -by)
			p.content = append(p.content, '<')
			at += by
		}
		p.content = appendHex(p.content, u.glyph(g.ID))
		at += u.font.advance(g.ID)
		pen += g.Advance
	}
	p.content = append(p.content, ">]TJ\n"...)
	if rise != 0 {
		p.content = append(p.content, "0 Ts\n"...)
	}
	if !spelled {
		p.content = append(p.content, "EMC\n"...)
	}
}

func appendHex(b []byte, v uint16) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}

// appendUTF16 appends s as a hexadecimal text string.
func appendUTF16(b []byte, s string) []byte {
	b = append(b, "<FEFF"...)
	for _, v := range utf16.Encode([]rune(s)) {
		b = appendHex(b, v)
	}
	return append(b, '>')
}
