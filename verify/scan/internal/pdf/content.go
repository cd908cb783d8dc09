package pdf

import (
	"bytes"
	"errors"
	"image"
	"math"
)

// graphics is the part of the graphics state that matters (8.4).
type graphics struct {
	ctm    matrix
	colour uint8
	// hidden: the fill is a pattern, which is not painted.
	hidden bool
}

// painter runs a page's content stream.
type painter struct {
	f    *file
	leaf page
	seen map[ref]bool
	emit func(*image.Gray) error

	canvas canvas
	base   matrix // user space to pixels
	now    graphics
	stack  []graphics

	path   [][]point
	points int

	shapes, images int
	// blocks are where one operator filled as many shapes as a code has.
	blocks []image.Rectangle
}

// codeShapes is fewer than the dark runs of any QR code.
const codeShapes = 50

// newPainter begins a page at 300 pixels an inch, fewer for a very large one.
func newPainter(f *file, p page, seen map[ref]bool, emit func(*image.Gray) error) *painter {
	box := [4]float64{0, 0, 612, 792}
	if len(p.box) == 4 {
		for i := range box {
			box[i] = f.number(p.box[i])
		}
	}
	w, h := math.Abs(box[2]-box[0]), math.Abs(box[3]-box[1])
	if !(w >= 1 && h >= 1 && w < 1e5 && h < 1e5) {
		w, h = 612, 792
	}
	const most = 12 << 20
	scale := min(300.0/72, math.Sqrt(most/(w*h)))
	pt := &painter{f: f, leaf: p, seen: seen, emit: emit}
	pt.canvas = canvas{w: int(w*scale) + 1, h: int(h*scale) + 1, file: f}
	pt.base = matrix{scale, 0, 0, -scale, -min(box[0], box[2]) * scale, max(box[1], box[3]) * scale}
	pt.now.ctm = pt.base
	return pt
}

// page runs the page's content: one stream, or several read as one.
func (p *painter) page() error {
	var all []byte
	parts, many := p.f.get(p.leaf.dict["Contents"]).(array)
	if !many {
		parts = array{p.leaf.dict["Contents"]}
	}
	for _, part := range parts {
		s, ok := p.f.get(part).(*stream)
		if !ok {
			continue
		}
		data, err := p.f.decode(s)
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(append(all, data...), '\n')
	}
	return p.run(all, p.leaf.resources, 0)
}

// finish emits the page itself, where it shows more than one image already
// emitted: the parts that look like codes where there are any, which is faster
// and surer than to look for codes on the whole of it.
func (p *painter) finish() error {
	if p.canvas.gray == nil {
		return nil
	}
	for _, b := range p.blocks {
		part := p.canvas.gray.SubImage(b).(*image.Gray)
		if err := p.emit(&image.Gray{Pix: part.Pix, Stride: part.Stride, Rect: image.Rect(0, 0, b.Dx(), b.Dy())}); err != nil {
			return err
		}
	}
	if p.images > 1 || len(p.blocks) == 0 && p.shapes >= codeShapes {
		return p.emit(p.canvas.gray)
	}
	return nil
}

// block is where a path of many shapes lies, with a margin, when it is about as
// high as wide: a bar code is not.
func (p *painter) block(path [][]point) image.Rectangle {
	low, high := path[0][0], path[0][0]
	for _, poly := range path {
		for _, q := range poly {
			low.x, low.y = min(low.x, q.x), min(low.y, q.y)
			high.x, high.y = max(high.x, q.x), max(high.y, q.y)
		}
	}
	b := image.Rect(row0(low.x), row0(low.y), row0(high.x), row0(high.y))
	if b.Dx() > 2*b.Dy() || b.Dy() > 2*b.Dx() {
		return image.Rectangle{}
	}
	return b.Inset(-(b.Dx()/10 + 4)).Intersect(image.Rect(0, 0, p.canvas.w, p.canvas.h))
}

// run runs one content stream.
func (p *painter) run(data []byte, resources dict, depth int) error {
	if depth > 8 {
		return nil
	}
	l := &lexer{data: data}
	var args []float64
	var last name
	for {
		v := l.next(0)
		op, isOp := v.(keyword)
		if !isOp {
			switch v := v.(type) {
			case float64:
				if len(args) < 8 {
					args = append(args, v)
				}
			case name:
				last = v
			}
			continue
		}
		if op == end {
			return nil
		}
		if p.f.ops++; p.f.ops > maxOps {
			return ErrLimit
		}
		if p.f.ops%1024 == 0 && p.f.ctx.Err() != nil {
			return p.f.ctx.Err()
		}
		var err error
		switch op {
		case "Do":
			err = p.do(resources, last, depth)
		case "BI":
			err = p.inline(l, resources)
		default:
			err = p.operator(op, args, last)
		}
		if err != nil {
			return err
		}
		args, last = args[:0], ""
	}
}

// operator runs an operator that needs no resources (annex A). Clipping,
// strokes, shadings and text are left out.
func (p *painter) operator(op keyword, args []float64, last name) error {
	n := len(args)
	switch op {
	case "q":
		if len(p.stack) < 256 {
			p.stack = append(p.stack, p.now)
		}
	case "Q":
		if k := len(p.stack) - 1; k >= 0 {
			p.now, p.stack = p.stack[k], p.stack[:k]
		}
	case "cm":
		if n == 6 {
			p.now.ctm = matrix(args).then(p.now.ctm)
		}
	case "g", "rg", "k":
		p.now.colour, p.now.hidden = grey(args), false
	case "cs":
		p.now.colour, p.now.hidden = 0, last == "Pattern"
	case "sc", "scn":
		p.now.hidden = last != ""
		p.now.colour = grey(args)
	case "m":
		if n == 2 {
			p.begin(args[0], args[1])
		}
	case "l":
		if n == 2 {
			p.add(args[0], args[1])
		}
	case "c", "v", "y": // a curve is as good as its end here
		if n >= 4 {
			p.add(args[n-2], args[n-1])
		}
	case "re":
		if n == 4 {
			x, y, w, h := args[0], args[1], args[2], args[3]
			p.begin(x, y)
			p.add(x+w, y)
			p.add(x+w, y+h)
			p.add(x, y+h)
		}
	case "f", "F", "B", "b":
		return p.fill(false)
	case "f*", "B*", "b*":
		return p.fill(true)
	case "n", "S", "s":
		p.path, p.points = nil, 0
	}
	return nil
}

const maxPoints = 1 << 18 // of one path: twice those of the largest code

func (p *painter) begin(x, y float64) {
	if p.points++; p.points <= maxPoints {
		p.path = append(p.path, []point{p.now.ctm.at(x, y)})
	}
}

func (p *painter) add(x, y float64) {
	if k := len(p.path) - 1; k >= 0 {
		if p.points++; p.points <= maxPoints {
			p.path[k] = append(p.path[k], p.now.ctm.at(x, y))
		}
	}
}

func (p *painter) fill(evenOdd bool) error {
	path := p.path
	p.path, p.points = nil, 0
	if p.now.hidden || len(path) == 0 {
		return nil
	}
	if p.now.colour < 0x80 {
		if len(path) < codeShapes {
			p.shapes += len(path)
		} else if b := p.block(path); !b.Empty() && len(p.blocks) < 32 {
			p.blocks = append(p.blocks, b)
		}
	}
	return p.canvas.fill(path, p.now.colour, evenOdd)
}

// do paints an XObject: an image, or a form, which is content of its own (8.8).
func (p *painter) do(resources dict, n name, depth int) error {
	of := p.f.dict(resources["XObject"])[n]
	s, ok := p.f.get(of).(*stream)
	if !ok {
		return nil
	}
	switch p.f.get(s.dict["Subtype"]) {
	case name("Image"):
		r, isRef := of.(ref)
		known := isRef && p.seen[r]
		if isRef {
			p.seen[r] = true
		}
		return p.paint(s, known)
	case name("Form"):
		was := p.now
		if m := p.f.array(s.dict["Matrix"]); len(m) == 6 {
			var form matrix
			for i := range form {
				form[i] = p.f.number(m[i])
			}
			p.now.ctm = form.then(p.now.ctm)
		}
		inner := p.f.dict(s.dict["Resources"])
		if inner == nil {
			inner = resources
		}
		data, err := p.f.decode(s)
		if err == nil {
			err = p.run(data, inner, depth+1)
		}
		p.now = was
		if errors.Is(err, ErrDamaged) {
			return nil
		}
		return err
	}
	return nil
}

// paint decodes an image, emits it the first time, and paints it.
func (p *painter) paint(s *stream, known bool) error {
	r, err := p.f.image(s)
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	p.images++
	if !known {
		if err := p.emit(r.Gray); err != nil {
			return err
		}
	}
	return p.canvas.image(r, p.now.ctm, p.now.colour)
}

// inline reads an inline image (8.9.7) and paints it.
func (p *painter) inline(l *lexer, resources dict) error {
	d := dict{}
	for {
		k := l.next(0)
		if k == end || k == keyword("ID") {
			break
		}
		if k, ok := k.(name); ok {
			d[k] = l.next(0)
		}
	}
	if l.pos < len(l.data) {
		l.pos++ // one white space
	}
	if cs, ok := d["CS"].(name); ok {
		if named := p.f.dict(resources["ColorSpace"])[cs]; named != nil {
			d["CS"] = named
		}
	}
	rest := l.data[min(l.pos, len(l.data)):]
	for from := 0; ; {
		i := bytes.Index(rest[from:], []byte("EI"))
		if i < 0 {
			l.pos = len(l.data)
			return nil
		}
		at := from + i
		from = at + 2
		if at > 0 && space(rest[at-1]) && (from == len(rest) || space(rest[from])) {
			l.pos += from
			return p.paint(&stream{d, rest[:at-1]}, false)
		}
	}
}
