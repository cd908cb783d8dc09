package emblem

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// draw adds a shape to the drawing, where it can be seen.
func (p *parser) draw(s style, element string, values map[string]string) error {
	n := map[string]float64{}
	for _, key := range []string{"cx", "cy", "r", "rx", "ry", "x", "y", "x1", "y1", "x2", "y2", "width", "height"} {
		v, ok := values[key]
		if !ok {
			continue
		}
		least := -float64(maxSize)
		if slices.Contains([]string{"r", "rx", "ry", "width", "height"}, key) {
			least = 0
		}
		var err error
		if n[key], err = length(v, least); err != nil {
			return fmt.Errorf("%s of %s: %w", key, element, err)
		}
	}
	var path []Segment
	var err error
	switch element {
	case "circle":
		path = oval(n["cx"], n["cy"], n["r"], n["r"])
	case "ellipse":
		path = oval(n["cx"], n["cy"], n["rx"], n["ry"])
	case "line":
		path = []Segment{{'M', []Point{{n["x1"], n["y1"]}}}, {'L', []Point{{n["x2"], n["y2"]}}}}
		s.paint.Fill = nil
	case "rect":
		if _, ok := n["rx"]; !ok {
			n["rx"] = n["ry"]
		}
		if _, ok := n["ry"]; !ok {
			n["ry"] = n["rx"]
		}
		path = rectangle(n["x"], n["y"], n["width"], n["height"], n["rx"], n["ry"])
	case "polygon", "polyline":
		path, err = corners(values["points"], element == "polygon")
	case "path":
		path, err = steps(values["d"])
	}
	if err != nil {
		return err
	}
	if p.segments += len(path); p.segments > maxSegments {
		return fmt.Errorf("the drawing has more than %d lines and curves: simplify it", maxSegments)
	}
	if s.paint.Width == 0 {
		s.paint.Line = nil
	}
	if len(path) == 0 || s.paint.Fill == nil && s.paint.Line == nil {
		return nil
	}
	if s.paint.Line != nil {
		by, even := s.matrix.scale()
		if !even {
			return fmt.Errorf("a line of %s is stretched more in one direction than in the other: draw it as a filled shape", element)
		}
		// What is written has one decimal, and no width is the thinnest line there is.
		if s.paint.Width = max(s.paint.Width*by, 0.1); !(s.paint.Width <= maxSize) {
			return fmt.Errorf("a line of %s is far too wide", element)
		}
	}
	for i := range path {
		points := make([]Point, len(path[i].Points))
		for j, at := range path[i].Points {
			points[j] = s.matrix.of(at)
			if !(math.Abs(points[j].X) <= maxSize && math.Abs(points[j].Y) <= maxSize) {
				return fmt.Errorf("a point of %s lies far outside of the drawing", element)
			}
		}
		path[i].Points = points
	}
	s.paint.Path = path
	p.drawing.Shapes = append(p.drawing.Shapes, s.paint)
	return nil
}

// round makes a curve of Bézier a quarter of a circle.
const round = 0.5522847498

// oval is an ellipse of four curves.
func oval(x, y, rx, ry float64) []Segment {
	if rx == 0 || ry == 0 {
		return nil
	}
	return rectangle(x-rx, y-ry, 2*rx, 2*ry, rx, ry)
}

// rectangle is one with rounded corners.
func rectangle(x, y, w, h, rx, ry float64) []Segment {
	if w == 0 || h == 0 {
		return nil
	}
	rx, ry = min(rx, w/2), min(ry, h/2)
	if rx == 0 || ry == 0 {
		return []Segment{{'M', []Point{{x, y}}}, {'L', []Point{{x + w, y}}}, {'L', []Point{{x + w, y + h}}}, {'L', []Point{{x, y + h}}}, {Op: 'Z'}}
	}
	kx, ky := rx*(1-round), ry*(1-round)
	return []Segment{
		{'M', []Point{{x + rx, y}}},
		{'L', []Point{{x + w - rx, y}}}, {'C', []Point{{x + w - kx, y}, {x + w, y + ky}, {x + w, y + ry}}},
		{'L', []Point{{x + w, y + h - ry}}}, {'C', []Point{{x + w, y + h - ky}, {x + w - kx, y + h}, {x + w - rx, y + h}}},
		{'L', []Point{{x + rx, y + h}}}, {'C', []Point{{x + kx, y + h}, {x, y + h - ky}, {x, y + h - ry}}},
		{'L', []Point{{x, y + ry}}}, {'C', []Point{{x, y + ky}, {x + kx, y}, {x + rx, y}}},
		{Op: 'Z'},
	}
}

// corners are the points of a polygon or of lines in a row.
func corners(text string, closed bool) ([]Segment, error) {
	var out []Segment
	for n := (numbers{text: text}); !n.end(); {
		at := n.point()
		if n.bad {
			return nil, errors.New("points: write pairs of numbers")
		}
		op := byte('L')
		if out == nil {
			op = 'M'
		}
		out = append(out, Segment{op, []Point{at}})
	}
	if closed && out != nil {
		out = append(out, Segment{Op: 'Z'})
	}
	return out, nil
}

// matrix is a, b, c, d, e, f of SVG: x' = ax + cy + e, y' = bx + dy + f.
type matrix [6]float64

func identity() matrix { return matrix{1, 0, 0, 1, 0, 0} }

func (m matrix) of(p Point) Point {
	return Point{m[0]*p.X + m[2]*p.Y + m[4], m[1]*p.X + m[3]*p.Y + m[5]}
}

// times is n, then m.
func (m matrix) times(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[2]*n[1], m[1]*n[0] + m[3]*n[1],
		m[0]*n[2] + m[2]*n[3], m[1]*n[2] + m[3]*n[3],
		m[0]*n[4] + m[2]*n[5] + m[4], m[1]*n[4] + m[3]*n[5] + m[5],
	}
}

// scale is by how much m makes a line thicker; even says that it does so in every
// direction.
func (m matrix) scale() (by float64, even bool) {
	across, down := math.Hypot(m[0], m[1]), math.Hypot(m[2], m[3])
	skew := m[0]*m[2] + m[1]*m[3]
	return across, math.Abs(across-down) <= 1e-3*max(across, down) && math.Abs(skew) <= 1e-3*across*down
}
