package pdf

import (
	"image"
	"math"
	"math/bits"
	"slices"
)

// matrix is [a b c d e f]: x' = ax + cy + e, y' = bx + dy + f (8.3.3).
type matrix [6]float64

// then is the matrix that applies m first, then n.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func (m matrix) at(x, y float64) point {
	return point{m[0]*x + m[2]*y + m[4], m[1]*x + m[3]*y + m[5]}
}

func (m matrix) invert() (matrix, bool) {
	det := m[0]*m[3] - m[1]*m[2]
	if math.Abs(det) < 1e-12 || math.IsNaN(det) || math.IsInf(det, 0) {
		return matrix{}, false
	}
	return matrix{
		m[3] / det, -m[1] / det, -m[2] / det, m[0] / det,
		(m[2]*m[5] - m[3]*m[4]) / det, (m[1]*m[4] - m[0]*m[5]) / det,
	}, true
}

type point struct{ x, y float64 }

// canvas is a page in grey, white at first. It is made when something is
// painted.
type canvas struct {
	w, h int
	gray *image.Gray
	file *file
}

func (c *canvas) begin() *image.Gray {
	if c.gray == nil {
		c.gray = image.NewGray(image.Rect(0, 0, c.w, c.h))
		for i := range c.gray.Pix {
			c.gray.Pix[i] = 0xff
		}
	}
	return c.gray
}

// spend takes n pixels from what may be painted in all.
func (c *canvas) spend(n int) error {
	const check = 4 << 20 // pixels between two looks at the time
	before := c.file.painted / check
	if c.file.painted += n; c.file.painted > maxPainted {
		return ErrLimit
	}
	if c.file.painted/check != before {
		return c.file.ctx.Err()
	}
	return nil
}

// edge is one side of a polygon, going down from (x, top) by slope a row.
type edge struct {
	top, bottom, x, slope float64
	winding               int
}

// fill paints closed polygons with one colour: a pixel is inside when its
// centre is, so that shapes that touch leave no seam.
func (c *canvas) fill(path [][]point, colour uint8, evenOdd bool) error {
	edges := edges(path)
	if len(edges) == 0 {
		return nil
	}
	m := c.begin()
	slices.SortFunc(edges, func(a, b edge) int {
		switch {
		case a.top < b.top:
			return -1
		case a.top > b.top:
			return 1
		default:
			return 0
		}
	})
	type crossing struct {
		x       float64
		winding int
	}
	var active []edge
	var row []crossing
	next := 0
	for y := max(0, row0(edges[0].top)); y < c.h && (next < len(edges) || len(active) > 0); y++ {
		centre := float64(y) + 0.5
		for next < len(edges) && edges[next].top <= centre {
			active = append(active, edges[next])
			next++
		}
		active = slices.DeleteFunc(active, func(e edge) bool { return e.bottom <= centre })
		row = row[:0]
		for _, e := range active {
			row = append(row, crossing{e.x + (centre-e.top)*e.slope, e.winding})
		}
		slices.SortFunc(row, func(a, b crossing) int {
			switch {
			case a.x < b.x:
				return -1
			case a.x > b.x:
				return 1
			default:
				return 0
			}
		})
		inside := 0
		for i := 0; i+1 < len(row); i++ {
			if evenOdd {
				inside ^= 1
			} else {
				inside += row[i].winding
			}
			if inside == 0 {
				continue
			}
			from, to := max(0, row0(row[i].x)), min(c.w, row0(row[i+1].x))
			for x := from; x < to; x++ {
				m.Pix[y*m.Stride+x] = colour
			}
			if to > from {
				if err := c.spend(to - from); err != nil {
					return err
				}
			}
		}
		// To sort them takes as long as many pixels.
		if err := c.spend(1 + 2*len(row)*bits.Len(uint(len(row)))); err != nil {
			return err
		}
	}
	return nil
}

// row0 is the first pixel whose centre is at v or behind it.
func row0(v float64) int { return int(math.Ceil(min(1e6, max(-1e6, v)) - 0.5)) }

func edges(path [][]point) []edge {
	var out []edge
	for _, poly := range path {
		for i, a := range poly {
			b := poly[(i+1)%len(poly)]
			winding := 1
			if a.y > b.y {
				a, b, winding = b, a, -1
			}
			if !(b.y > a.y) { // level, or not a number
				continue
			}
			out = append(out, edge{a.y, b.y, a.x, (b.x - a.x) / (b.y - a.y), winding})
		}
	}
	return out
}

// image paints r into the unit square of m (8.9.5.1).
func (c *canvas) image(r *raster, m matrix, colour uint8) error {
	back, ok := m.invert()
	if !ok {
		return nil
	}
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, p := range []point{m.at(0, 0), m.at(1, 0), m.at(0, 1), m.at(1, 1)} {
		low.x, low.y = min(low.x, p.x), min(low.y, p.y)
		high.x, high.y = max(high.x, p.x), max(high.y, p.y)
	}
	x0, x1 := max(0, row0(low.x)), min(c.w, row0(high.x))
	y0, y1 := max(0, row0(low.y)), min(c.h, row0(high.y))
	if x0 >= x1 || y0 >= y1 {
		return nil
	}
	if err := c.spend((x1 - x0) * (y1 - y0)); err != nil {
		return err
	}
	out := c.begin()
	w, h := r.Rect.Dx(), r.Rect.Dy()
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			p := back.at(float64(x)+0.5, float64(y)+0.5)
			if p.x < 0 || p.x >= 1 || p.y <= 0 || p.y > 1 {
				continue
			}
			// The first row of an image is at the top of the square.
			v := r.Pix[min(h-1, int((1-p.y)*float64(h)))*r.Stride+min(w-1, int(p.x*float64(w)))]
			switch {
			case !r.mask:
				out.Pix[y*out.Stride+x] = v
			case v == 0:
				out.Pix[y*out.Stride+x] = colour
			}
		}
	}
	return nil
}
