// Package pdf writes tagged PDF 1.7 files (ISO 32000-1) of text in subset
// TrueType fonts, filled shapes and vector codes: no more than a certificate
// needs. Output depends on input alone; the package has no clock.
//
// Coordinates are points from the top left corner of the page.
package pdf

import (
	"iter"
	"time"

	"github.com/opendivoc/divoc/internal/render/shape"
)

// A4 in points.
const (
	Width  = 595.28
	Height = 841.89
)

// Info is what a document says of itself.
type Info struct {
	Title   string
	Author  string
	Subject string
	Lang    string // BCP 47, of the document as a whole
	Created time.Time
}

// Doc is a document being written. It belongs to one goroutine.
type Doc struct {
	info  Info
	fonts []*Font
	uses  []*use
	pages []*page
	page  *page // the one being drawn on
	root  *Element
	forms []form
	sheet sheet
}

// sheet is the paper of a page: its sides in points, and how much smaller than
// said everything on it is drawn.
type sheet struct{ width, height, scale float32 }

type page struct {
	sheet

	content []byte
	owners  []*Element // of each marked content id
	forms   []int
	fill    Color // the current colour; known is false at the start
	known   bool
	font    int
	size    float32
}

// form is a drawing kept as an object of its own: one of this file, or a picture.
type form struct {
	width, height int
	content       []byte
	picture       *Picture
}

// Color is red, green and blue, each 0 to 255.
type Color [3]uint8

// New begins a document. fonts are those of the shape.Set the lines come from,
// in its order.
func New(fonts []*Font, info Info) *Doc {
	return &Doc{
		info: info, fonts: fonts, uses: make([]*use, len(fonts)),
		root: &Element{kind: "Document", lang: info.Lang}, sheet: sheet{Width, Height, 1},
	}
}

// Sheet says what paper the next pages have: its sides in points, and a scale in
// which all that is drawn on them is made smaller. Coordinates are as they are
// before that: from 0 to width/scale and height/scale.
func (d *Doc) Sheet(width, height, scale float32) { d.sheet = sheet{width, height, scale} }

// AddPage begins a page; what is drawn next goes there.
func (d *Doc) AddPage() {
	d.page = &page{sheet: d.sheet, content: make([]byte, 0, 56<<10), font: -1}
	if s := d.sheet.scale; s != 1 {
		d.page.exact(s, 0, 0, s, 0, 0)
		d.page.content = append(d.page.content, "cm\n"...)
	}
	d.pages = append(d.pages, d.page)
}

// top is the height of the page in the units it is drawn in.
func (p *page) top() float32 { return p.height / p.scale }

// Pages is the number of pages so far.
func (d *Doc) Pages() int { return len(d.pages) }

// GoTo returns to page n, counted from 0.
func (d *Doc) GoTo(n int) { d.page = d.pages[n] }

// Root is the document's structure element.
func (d *Doc) Root() *Element { return d.root }

// Fill draws a rectangle that only decorates.
func (d *Doc) Fill(x, y, w, h float32, c Color) {
	p := d.page
	p.content = append(p.content, "/Artifact BMC\n"...)
	p.color(c)
	p.numbers(x, p.top()-y-h, w, h)
	p.content = append(p.content, "re f\nEMC\n"...)
}

// Frame draws the outline of a rectangle with rounded corners that only
// decorates.
func (d *Doc) Frame(x, y, w, h, radius, line float32, c Color) {
	p := d.page
	p.content = append(p.content, "/Artifact BMC q\n"...)
	p.numbers(float32(c[0])/255, float32(c[1])/255, float32(c[2])/255)
	p.content = append(p.content, "RG "...)
	p.numbers(line)
	p.content = append(p.content, "w\n"...)
	p.round(x, p.top()-y-h, w, h, radius)
	p.content = append(p.content, "s Q\nEMC\n"...)
}

// Panel draws a filled rectangle with rounded corners that only decorates.
func (d *Doc) Panel(x, y, w, h, radius float32, c Color) {
	p := d.page
	p.content = append(p.content, "/Artifact BMC\n"...)
	p.color(c)
	p.round(x, p.top()-y-h, w, h, radius)
	p.content = append(p.content, "f\nEMC\n"...)
}

// round appends the path of a rectangle with rounded corners; x, y is its lower
// left corner. 0.5523 makes a Bézier curve a quarter of a circle.
func (p *page) round(x, y, w, h, r float32) {
	k := r * (1 - 0.5523)
	p.numbers(x+r, y)
	p.content = append(p.content, "m "...)
	for _, c := range [4][8]float32{
		{x + w - r, y, x + w - k, y, x + w, y + k, x + w, y + r},
		{x + w, y + h - r, x + w, y + h - k, x + w - k, y + h, x + w - r, y + h},
		{x + r, y + h, x + k, y + h, x, y + h - k, x, y + h - r},
		{x, y + r, x, y + k, x + k, y, x + r, y},
	} {
		p.numbers(c[0], c[1])
		p.content = append(p.content, "l "...)
		p.numbers(c[2:]...)
		p.content = append(p.content, "c "...)
	}
	p.content = append(p.content, "h\n"...)
}

// Rect is a filled rectangle in the units of a drawing, from its top left.
type Rect struct{ X, Y, W, H int }

// Drawing draws black rectangles on white, such as those of a code, into the
// given place, as content of e. The drawing is width by height units and kept
// as a form of its own, so that a reader of the file finds it whole.
func (d *Doc) Drawing(e *Element, x, y, w, h float32, width, height int, rects iter.Seq[Rect]) {
	f := form{width: width, height: height, content: make([]byte, 0, 24<<10)}
	for r := range rects {
		f.content = appendInt(f.content, r.X)
		f.content = appendInt(f.content, height-r.Y-r.H)
		f.content = appendInt(f.content, r.W)
		f.content = appendInt(f.content, r.H)
		f.content = append(f.content, "re\n"...)
	}
	f.content = append(f.content, "f\n"...)
	p := d.page
	p.begin(e)
	p.color(Color{})
	p.content = append(p.content, "q "...)
	p.exact(w/float32(width), 0, 0, h/float32(height), x, p.top()-y-h)
	p.content = append(p.content, "cm /F"...)
	p.content = appendInt(p.content, len(d.forms))
	p.content = append(p.content, "Do Q\nEMC\n"...)
	e.box = &[4]float32{x * p.scale, (p.top() - y - h) * p.scale, (x + w) * p.scale, (p.top() - y) * p.scale}
	p.forms = append(p.forms, len(d.forms))
	d.forms = append(d.forms, f)
}

// Text draws the phrases of a line with its baseline at y. owner gives the
// structure element for each phrase; nil means that the text only decorates.
func (d *Doc) Text(line shape.Line, x, y, size float32, c Color, owner func(phrase int) *Element) {
	for i := 0; i < len(line.Runs); {
		j := i + 1
		for j < len(line.Runs) && line.Runs[j].Phrase == line.Runs[i].Phrase {
			j++
		}
		if owner == nil {
			d.page.content = append(d.page.content, "/Artifact BMC\n"...)
		} else {
			d.page.begin(owner(line.Runs[i].Phrase))
		}
		d.page.color(c)
		d.page.content = append(d.page.content, "BT\n"...)
		for ; i < j; i++ {
			d.run(&line.Runs[i], x+line.X[i]*size/1000, y, size)
		}
		d.page.content = append(d.page.content, "ET\nEMC\n"...)
	}
}

// Watermark draws a line turned by 45 degrees (sine and cosine 0.7071) with its
// middle at x, y. It only decorates.
func (d *Doc) Watermark(line shape.Line, x, y, size float32, c Color) {
	const s = 0.70711
	p := d.page
	w := line.Width * size / 1000
	p.content = append(p.content, "/Artifact BMC q\n"...)
	p.color(c)
	p.exact(s, s, -s, s, x, p.top()-y)
	p.content = append(p.content, "cm BT\n"...)
	for i := range line.Runs {
		d.run(&line.Runs[i], -w/2+line.X[i]*size/1000, p.top()+size*0.35, size)
	}
	p.content = append(p.content, "ET Q\nEMC\n"...)
	p.known, p.font = false, -1 // Q restored what was before
}
