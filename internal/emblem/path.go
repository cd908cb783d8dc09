package emblem

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// numbers reads a list of numbers as SVG writes them: apart by space, comma, a sign,
// or a second decimal point.
type numbers struct {
	text string
	bad  bool
}

// space skips what stands between numbers.
func (n *numbers) space() {
	n.text = strings.TrimLeft(n.text, " \t\r\n")
	if rest, ok := strings.CutPrefix(n.text, ","); ok {
		n.text = strings.TrimLeft(rest, " \t\r\n")
	}
}

// end reports whether nothing is left.
func (n *numbers) end() bool {
	n.space()
	return n.text == ""
}

// more reports whether another number follows.
func (n *numbers) more() bool {
	n.space()
	return n.text != "" && (strings.IndexByte("+-.", n.text[0]) >= 0 || isDigit(n.text[0]))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// next is the next number, or 0 and bad.
func (n *numbers) next() float64 {
	n.space()
	i := 0
	digits := func() {
		for i < len(n.text) && isDigit(n.text[i]) {
			i++
		}
	}
	if i < len(n.text) && (n.text[i] == '+' || n.text[i] == '-') {
		i++
	}
	digits()
	if i < len(n.text) && n.text[i] == '.' {
		i++
		digits()
	}
	if i < len(n.text) && (n.text[i] == 'e' || n.text[i] == 'E') {
		i++
		if i < len(n.text) && (n.text[i] == '+' || n.text[i] == '-') {
			i++
		}
		digits()
	}
	v, err := strconv.ParseFloat(n.text[:i], 64)
	if err != nil || math.Abs(v) > maxSize {
		n.bad = true
		return 0
	}
	n.text = n.text[i:]
	return v
}

// flag is one digit, 0 or 1, which needs nothing between it and the next number.
func (n *numbers) flag() bool {
	n.space()
	if n.text == "" || n.text[0] != '0' && n.text[0] != '1' {
		n.bad = true
		return false
	}
	v := n.text[0] == '1'
	n.text = n.text[1:]
	return v
}

func (n *numbers) point() Point {
	x := n.next()
	return Point{x, n.next()}
}

// transform reads a list of what moves, scales and turns.
func transform(text string) (matrix, error) {
	errForm := errors.New("use translate, scale, rotate, skewX, skewY and matrix with their numbers")
	m := identity()
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimLeft(text, ", \t\r\n") {
		name, rest, ok := strings.Cut(text, "(")
		inside, after, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			return m, errForm
		}
		text = after
		var v []float64
		for n := (numbers{text: inside}); !n.end(); {
			if v = append(v, n.next()); n.bad || len(v) > 6 {
				return m, errForm
			}
		}
		step, ok := moved(strings.TrimSpace(name), v)
		if !ok {
			return m, errForm
		}
		m = m.times(step)
	}
	return m, nil
}

// moved is one of them.
func moved(name string, v []float64) (matrix, bool) {
	turn := func(degrees float64) matrix {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		return matrix{cos, sin, -sin, cos, 0, 0}
	}
	switch {
	case name == "translate" && len(v) == 1:
		return matrix{1, 0, 0, 1, v[0], 0}, true
	case name == "translate" && len(v) == 2:
		return matrix{1, 0, 0, 1, v[0], v[1]}, true
	case name == "scale" && len(v) == 1:
		return matrix{v[0], 0, 0, v[0], 0, 0}, true
	case name == "scale" && len(v) == 2:
		return matrix{v[0], 0, 0, v[1], 0, 0}, true
	case name == "rotate" && len(v) == 1:
		return turn(v[0]), true
	case name == "rotate" && len(v) == 3:
		return matrix{1, 0, 0, 1, v[1], v[2]}.times(turn(v[0])).times(matrix{1, 0, 0, 1, -v[1], -v[2]}), true
	case name == "skewX" && len(v) == 1:
		return matrix{1, 0, math.Tan(v[0] * math.Pi / 180), 1, 0, 0}, true
	case name == "skewY" && len(v) == 1:
		return matrix{1, math.Tan(v[0] * math.Pi / 180), 0, 1, 0, 0}, true
	case name == "matrix" && len(v) == 6:
		return matrix(v), true
	}
	return matrix{}, false
}

// pen draws a path.
type pen struct {
	out            []Segment
	at, start      Point
	cubic, quadric *Point // the last control point, where the step before had one
}

// steps reads the data of a path (SVG 1.1, section 8.3).
func steps(text string) ([]Segment, error) {
	n, p := numbers{text: text}, pen{}
	for op := byte(0); !n.end(); {
		if c := n.text[0]; strings.IndexByte("MmLlHhVvCcSsQqTtAaZz", c) >= 0 {
			op, n.text = c, n.text[1:]
		} else if op == 0 || op == 'Z' || op == 'z' || !n.more() {
			return nil, errors.New("d: the path has a step that is none of SVG")
		}
		if p.out == nil && op != 'M' && op != 'm' {
			return nil, errors.New("d: a path begins with M")
		}
		p.step(&n, op)
		switch { // what follows without a letter
		case n.bad:
			return nil, errors.New("d: a number of the path is missing or too large")
		case len(p.out) > maxSegments:
			return nil, errors.New("d: the path is too long")
		case op == 'M':
			op = 'L'
		case op == 'm':
			op = 'l'
		}
	}
	return p.out, nil
}

// step takes one step with its numbers.
func (p *pen) step(n *numbers, op byte) {
	from := Point{}
	if unicode.IsLower(rune(op)) {
		from = p.at
	}
	to := func() Point { v := n.point(); return Point{v.X + from.X, v.Y + from.Y} }
	cubic, quadric := p.cubic, p.quadric
	p.cubic, p.quadric = nil, nil
	mirrored := func(c *Point) Point {
		if c == nil {
			return p.at
		}
		return Point{2*p.at.X - c.X, 2*p.at.Y - c.Y}
	}
	switch unicode.ToUpper(rune(op)) {
	case 'M':
		p.at = to()
		p.start = p.at
		p.out = append(p.out, Segment{'M', []Point{p.at}})
	case 'L':
		p.line(to())
	case 'H':
		p.line(Point{n.next() + from.X, p.at.Y})
	case 'V':
		p.line(Point{p.at.X, n.next() + from.Y})
	case 'C':
		a := to()
		b := to()
		p.curve(a, b, to())
		p.cubic = &b
	case 'S':
		a, b := mirrored(cubic), to()
		p.curve(a, b, to())
		p.cubic = &b
	case 'Q':
		c := to()
		p.bend(c, to())
	case 'T':
		p.bend(mirrored(quadric), to())
	case 'A':
		rx, ry, turn := n.next(), n.next(), n.next()
		large, sweep := n.flag(), n.flag()
		p.arc(math.Abs(rx), math.Abs(ry), turn*math.Pi/180, large, sweep, to())
	case 'Z':
		p.out = append(p.out, Segment{Op: 'Z'})
		p.at = p.start
	}
}

func (p *pen) line(to Point) {
	p.at = to
	p.out = append(p.out, Segment{'L', []Point{to}})
}

func (p *pen) curve(a, b, to Point) {
	p.at = to
	p.out = append(p.out, Segment{'C', []Point{a, b, to}})
}

// bend is a curve with one control point.
func (p *pen) bend(c, to Point) {
	third := func(end Point) Point { return Point{end.X + (c.X-end.X)*2/3, end.Y + (c.Y-end.Y)*2/3} }
	p.curve(third(p.at), third(to), to)
	p.quadric = &c
}

// arc is a part of an ellipse, as curves of at most a quarter (SVG 1.1, F.6).
func (p *pen) arc(rx, ry, turn float64, large, sweep bool, to Point) {
	if p.at == to {
		return
	}
	if rx == 0 || ry == 0 {
		p.line(to)
		return
	}
	sin, cos := math.Sincos(turn)
	dx, dy := (p.at.X-to.X)/2, (p.at.Y-to.Y)/2
	x, y := cos*dx+sin*dy, cos*dy-sin*dx
	if over := x*x/(rx*rx) + y*y/(ry*ry); over > 1 { // too small to reach
		rx, ry = rx*math.Sqrt(over), ry*math.Sqrt(over)
	}
	k := math.Sqrt(max(0, rx*rx*ry*ry/(rx*rx*y*y+ry*ry*x*x)-1))
	if large == sweep {
		k = -k
	}
	cx, cy := k*rx*y/ry, -k*ry*x/rx
	middle := Point{cos*cx - sin*cy + (p.at.X+to.X)/2, sin*cx + cos*cy + (p.at.Y+to.Y)/2}
	angle := math.Atan2((y-cy)/ry, (x-cx)/rx)
	through := math.Atan2((-y-cy)/ry, (-x-cx)/rx) - angle
	switch {
	case sweep && through < 0:
		through += 2 * math.Pi
	case !sweep && through > 0:
		through -= 2 * math.Pi
	}
	parts := max(1, math.Ceil(math.Abs(through)/(math.Pi/2)-1e-9))
	by := through / parts
	reach := 4.0 / 3 * math.Tan(by/4)
	of := func(x, y float64) Point {
		return Point{middle.X + cos*rx*x - sin*ry*y, middle.Y + sin*rx*x + cos*ry*y}
	}
	for i := range int(parts) {
		s0, c0 := math.Sincos(angle + float64(i)*by)
		s1, c1 := math.Sincos(angle + float64(i+1)*by)
		end := of(c1, s1)
		if i == int(parts)-1 {
			end = to // exactly
		}
		p.curve(of(c0-reach*s0, s0+reach*c0), of(c1+reach*s1, s1-reach*c1), end)
	}
}
