package emblem

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a drawing: it stands in every page and every printed certificate.
const (
	MaxBytes    = 32 << 10
	maxSegments = 4000
	maxDepth    = 20
	maxSize     = 1e6 // of a coordinate, in the units of the drawing
)

const namespace = "http://www.w3.org/2000/svg"

// elements are what a drawing may be made of.
func elements() []string {
	return strings.Fields("svg g title desc path circle ellipse line rect polygon polyline")
}

// style is how shapes are painted, from the elements around them.
type style struct {
	matrix matrix
	paint  Shape // without a path
	leaf   bool  // it is that of a shape
}

type parser struct {
	drawing  *Drawing
	styles   []style // of the open elements
	silent   int     // how many open elements are words that are not shown
	segments int
}

// Parse reads a drawing. The error says what is wrong with it, for whoever drew it.
func Parse(svg []byte) (*Drawing, error) {
	if len(svg) > MaxBytes {
		return nil, fmt.Errorf("the drawing is larger than %d kB", MaxBytes>>10)
	}
	p := parser{}
	dec := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && p.drawing != nil {
			break
		}
		if err != nil {
			return nil, errors.New("the file is no SVG drawing")
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = p.start(t)
		case xml.EndElement:
			p.styles = p.styles[:len(p.styles)-1]
			if len(p.styles) < p.silent {
				p.silent = 0
			}
		case xml.CharData:
			if p.silent == 0 && strings.TrimSpace(string(t)) != "" {
				err = errors.New("the drawing has text beside its shapes: draw the letters")
			}
		case xml.Directive, xml.ProcInst:
			err = errors.New("the drawing has a declaration in it: begin with <svg")
		}
		if err != nil {
			return nil, err
		}
	}
	if len(p.drawing.Shapes) == 0 {
		return nil, errors.New("nothing can be seen in the drawing")
	}
	return p.drawing, nil
}

// start takes an element.
func (p *parser) start(e xml.StartElement) error {
	name := e.Name.Local
	root := p.drawing == nil
	if e.Name.Space != namespace || root && name != "svg" {
		return fmt.Errorf("the file is no SVG drawing: begin with <svg xmlns=%q", namespace)
	}
	if !slices.Contains(elements(), name) || !root && name == "svg" {
		return fmt.Errorf("the drawing has an element %s; use %s", short(name), strings.Join(elements()[1:], ", "))
	}
	if len(p.styles) >= maxDepth || p.silent > 0 {
		return errors.New("the drawing has elements within too many others")
	}
	words := name == "title" || name == "desc"
	now := style{matrix: identity(), paint: Shape{Fill: &Color{}, Width: 1, Miter: 4}}
	if !root {
		if len(p.styles) == 0 {
			return errors.New("the drawing goes on behind its end")
		}
		now = p.styles[len(p.styles)-1]
		if now.leaf && !words {
			return errors.New("the drawing has a shape within another: put them beside each other")
		}
	}
	values := map[string]string{}
	for _, a := range e.Attr {
		if harmless(a.Name) {
			continue
		}
		if a.Name.Space != "" || !slices.Contains(strings.Fields(attributes(name)), a.Name.Local) {
			return fmt.Errorf("the drawing has an attribute %s in %s, which cannot be printed: leave it out", short(a.Name.Local), name)
		}
		values[a.Name.Local] = strings.TrimSpace(a.Value)
	}
	err := now.take(values)
	switch {
	case err != nil:
	case root:
		p.drawing = &Drawing{}
		err = p.frame(&now, values)
	case words:
		p.silent = len(p.styles) + 1
	case name != "g":
		now.leaf = true
		err = p.draw(now, name, values)
	}
	p.styles = append(p.styles, now)
	return err
}

// harmless are attributes that change nothing of what is seen.
func harmless(n xml.Name) bool {
	switch {
	case n.Space == "xmlns" || n.Space == "" && n.Local == "xmlns":
		return true
	case n.Space == "http://www.w3.org/XML/1998/namespace" || n.Space == "xml":
		return n.Local == "space" || n.Local == "lang"
	case n.Space != "":
		return false
	}
	return slices.Contains([]string{"id", "role", "lang", "version", "focusable"}, n.Local) || strings.HasPrefix(n.Local, "aria-") || strings.HasPrefix(n.Local, "data-")
}

// attributes are those of an element that are understood.
func attributes(element string) string {
	const paint = "fill fill-rule stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit "
	const moved = paint + "transform "
	switch element {
	case "svg":
		return paint + "viewBox width height"
	case "path":
		return moved + "d"
	case "circle":
		return moved + "cx cy r"
	case "ellipse":
		return moved + "cx cy rx ry"
	case "line":
		return moved + "x1 y1 x2 y2"
	case "rect":
		return moved + "x y width height rx ry"
	case "polygon", "polyline":
		return moved + "points"
	case "g":
		return moved
	}
	return ""
}

// short is a word of the file as an error repeats it.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

// take takes what the attributes of an element say of how it and those within are
// painted.
func (s *style) take(values map[string]string) error {
	for key, v := range values {
		var err error
		switch key {
		case "fill":
			s.paint.Fill, err = colour(v)
		case "stroke":
			s.paint.Line, err = colour(v)
		case "stroke-width":
			s.paint.Width, err = length(v, 0)
		case "stroke-miterlimit":
			s.paint.Miter, err = length(v, 1)
		case "stroke-linecap":
			s.paint.Cap, err = oneOf(v, caps())
		case "stroke-linejoin":
			s.paint.Join, err = oneOf(v, joins())
		case "fill-rule":
			var rule int
			rule, err = oneOf(v, []string{"nonzero", "evenodd"})
			s.paint.EvenOdd = rule == 1
		case "transform":
			var m matrix
			m, err = transform(v)
			s.matrix = s.matrix.times(m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// oneOf is where v stands among what is known.
func oneOf(v string, known []string) (int, error) {
	i := slices.Index(known, v)
	if i < 0 {
		return 0, errors.New("use one of " + strings.Join(known, ", "))
	}
	return i, nil
}

// colour reads a colour, nil for none.
func colour(v string) (*Color, error) {
	switch v {
	case "none", "transparent":
		return nil, nil //nolint:nilnil // none is a colour too
	case "black":
		return &Color{}, nil
	case "white":
		return &Color{255, 255, 255}, nil
	}
	hex, ok := strings.CutPrefix(v, "#")
	if ok && len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if !ok || len(hex) != 6 || err != nil {
		return nil, errors.New("write a colour as #1d70b8, or none")
	}
	return &Color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

// length reads a number of the drawing's units, at least least.
func length(v string, least float64) (float64, error) {
	n := numbers{text: strings.TrimSuffix(v, "px")}
	x := n.next()
	if n.bad || !n.end() || x < least {
		return 0, fmt.Errorf("write a plain number of %v or more", least)
	}
	return x, nil
}

// frame takes the picture's own size: what its units are and where it begins.
func (p *parser) frame(s *style, values map[string]string) error {
	box := [4]float64{}
	if v, ok := values["viewBox"]; ok {
		n := numbers{text: v}
		for i := range box {
			box[i] = n.next()
		}
		if n.bad || !n.end() {
			return errors.New("viewBox: write four numbers")
		}
	} else {
		var err error
		for i, key := range []string{"width", "height"} {
			if box[2+i], err = length(values[key], 0); err != nil {
				return errors.New("the drawing does not say how large it is: give <svg> a viewBox")
			}
		}
	}
	long := max(box[2], box[3])
	if short := min(box[2], box[3]); short <= 0 || long > 4*short {
		return errors.New("viewBox: the drawing is empty, or more than four times as long as wide")
	}
	k := Side / long
	p.drawing.Width, p.drawing.Height = box[2]*k, box[3]*k
	s.matrix = matrix{k, 0, 0, k, -box[0] * k, -box[1] * k}
	return nil
}
