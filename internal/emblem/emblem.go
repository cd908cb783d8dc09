// Package emblem reads a country's emblem: a drawing in a strict subset of SVG
// (W3C SVG 1.1), plain shapes with plain colours, which can be put into pages and
// documents because nothing in it runs, refers elsewhere or is large.
//
// What the subset has not is refused by name, never left out: half an emblem would
// be worse than none.
package emblem

import (
	"math"
	"strconv"
)

// Side is the longer side of a [Drawing], in its units.
const Side = 1000

// Drawing is an emblem as shapes one above the other, in units from its top left
// corner.
type Drawing struct {
	Width, Height float64 // of the picture; the longer is Side
	Shapes        []Shape
}

// Shape is a path that is filled, drawn along with a line, or both: filled first.
type Shape struct {
	Path    []Segment
	Fill    *Color // nil is none
	EvenOdd bool   // what is inside, else by the rule of winding
	Line    *Color // nil is none
	Width   float64
	Cap     int // of the line's ends: 0 butt, 1 round, 2 square
	Join    int // of its corners: 0 miter, 1 round, 2 bevel
	Miter   float64
}

// Color is red, green and blue.
type Color [3]uint8

// Point is a place in the drawing.
type Point struct{ X, Y float64 }

// Segment is a step of a path: M to a point, L a line to one, C a curve of Bézier
// with two control points before its end, Z back to where the path began.
type Segment struct {
	Op     byte
	Points []Point
}

// SVG is the drawing written anew, for a page; class names it there. It decorates.
func (d *Drawing) SVG(class string) string {
	b := []byte(`<svg class="` + class + `" xmlns="` + namespace + `" aria-hidden="true" viewBox="0 0 `)
	b = append(AppendNumber(append(AppendNumber(b, d.Width), ' '), d.Height), `">`...)
	for _, s := range d.Shapes {
		b = append(b, `<path fill="`...)
		b = append(s.Fill.append(b), '"')
		if s.EvenOdd {
			b = append(b, ` fill-rule="evenodd"`...)
		}
		if s.Line != nil {
			b = append(s.Line.append(append(b, ` stroke="`...)), `" stroke-width="`...)
			b = append(AppendNumber(b, s.Width), `" stroke-linecap="`...)
			b = append(append(b, caps()[s.Cap]...), `" stroke-linejoin="`...)
			b = append(append(b, joins()[s.Join]...), `" stroke-miterlimit="`...)
			b = append(AppendNumber(b, s.Miter), '"')
		}
		b = append(b, ` d="`...)
		for _, step := range s.Path {
			b = append(b, step.Op)
			for i, p := range step.Points {
				if i > 0 {
					b = append(b, ' ')
				}
				b = AppendNumber(append(AppendNumber(b, p.X), ' '), p.Y)
			}
		}
		b = append(b, `"/>`...)
	}
	return string(append(b, "</svg>"...))
}

// caps and joins are SVG's names of what Cap and Join of a [Shape] count.
func caps() []string  { return []string{"butt", "round", "square"} }
func joins() []string { return []string{"miter", "round", "bevel"} }

// AppendNumber appends v with at most one decimal: a ten-thousandth of the drawing.
func AppendNumber(b []byte, v float64) []byte {
	v = math.Round(v*10) / 10
	if v == 0 {
		v = 0 // not minus nothing
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

func (c *Color) append(b []byte) []byte {
	if c == nil {
		return append(b, "none"...)
	}
	const digits = "0123456789abcdef"
	b = append(b, '#')
	for _, v := range c {
		b = append(b, digits[v>>4], digits[v&15])
	}
	return b
}
