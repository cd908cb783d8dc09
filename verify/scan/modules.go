package scan

import (
	"image"
	"slices"
)

// around is how many modules of the quiet zone are sampled too: what is beside a
// module shines into it.
const around = 2

// modules are the shades of a code, row by row, with some of what is around it; less
// the mean of what is near, so that darkness is below 0 wherever the light is.
type modules struct {
	size  int // of the code
	wide  int // with what is around
	shade []float64
}

// sample reads the shade of every module.
func (g *grid) sample() *modules {
	m := &modules{size: g.size, wide: g.size + 2*around}
	m.shade = make([]float64, m.wide*m.wide)
	for i := range m.shade {
		m.shade[i] = g.shade(float64(i%m.wide-around-3), float64(i/m.wide-around-3))
	}
	// The mean of 17 × 17 modules, of which half are dark: masks see to that.
	const reach = 8
	sums := newSums(m.wide, m.wide, func(x, y int) float64 { return m.shade[y*m.wide+x] })
	out := make([]float64, len(m.shade))
	for i, v := range m.shade {
		x, y := i%m.wide, i/m.wide
		out[i] = v - sums.mean(max(around, x-reach), max(around, y-reach), min(around+m.size, x+reach+1), min(around+m.size, y+reach+1))
	}
	m.shade = out
	return m
}

// dark returns where a value for each module of the code is below 0.
func (m *modules) dark(value func(i int) float64) []bool {
	out := make([]bool, m.size*m.size)
	for i := range out {
		out[i] = value((i/m.size+around)*m.wide+i%m.size+around) < 0
	}
	return out
}

// plain believes the shades.
func (m *modules) plain() []bool { return m.dark(func(i int) float64 { return m.shade[i] }) }

// sharper takes away what four neighbours shine into each.
func (m *modules) sharper() []bool {
	return m.dark(func(i int) float64 {
		return 1.6*m.shade[i] - 0.15*(m.shade[i-1]+m.shade[i+1]+m.shade[i-m.wide]+m.shade[i+m.wide])
	})
}

// withoutNeighbours learns from a guess how much every neighbour shines into a module,
// takes that away, and guesses again.
func (m *modules) withoutNeighbours(guess []bool) []bool {
	const side, own = 2*around + 1, (2*around+1)*around + around
	for range 6 {
		level := make([]float64, len(m.shade)) // 1 light, -1 dark
		for i := range level {
			level[i] = 1
		}
		for i, dark := range guess {
			if dark {
				level[(i/m.size+around)*m.wide+i%m.size+around] = -1
			}
		}
		near := func(i int) []float64 {
			out := make([]float64, side*side+1)
			for k := range side * side {
				out[k] = level[i+(k/side-around)*m.wide+k%side-around]
			}
			out[side*side] = 1 // what is the same everywhere
			return out
		}
		var rows [][]float64
		var want []float64
		for k := 0; k < len(guess); k += 1 + len(guess)/6000 { // so many tell enough
			i := (k/m.size+around)*m.wide + k%m.size + around
			rows, want = append(rows, near(i)), append(want, m.shade[i])
		}
		weight := leastSquares(rows, want)
		next := m.dark(func(i int) float64 {
			return (m.shade[i] - dot(weight, near(i)) + weight[own]*level[i]) * weight[own]
		})
		if slices.Equal(next, guess) {
			break
		}
		guess = next
	}
	return guess
}

// sums are of all values above and to the left.
type sums struct {
	w    int
	upTo []float64
}

func newSums(w, h int, value func(x, y int) float64) sums {
	s := sums{w + 1, make([]float64, (w+1)*(h+1))}
	for y := range h {
		var row float64
		for x := range w {
			row += value(x, y)
			s.upTo[(y+1)*s.w+x+1] = s.upTo[y*s.w+x+1] + row
		}
	}
	return s
}

// mean is that of what lies in a rectangle.
func (s sums) mean(x0, y0, x1, y1 int) float64 {
	return (s.upTo[y1*s.w+x1] - s.upTo[y0*s.w+x1] - s.upTo[y1*s.w+x0] + s.upTo[y0*s.w+x0]) / float64((x1-x0)*(y1-y0))
}

// box is m with each pixel the mean of those not farther than reach.
func box(m *image.Gray, reach int) *image.Gray {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	s := newSums(w, h, func(x, y int) float64 { return float64(m.Pix[y*m.Stride+x]) })
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			out.Pix[y*out.Stride+x] = uint8(s.mean(max(0, x-reach), max(0, y-reach), min(w, x+reach+1), min(h, y+reach+1)) + 0.5)
		}
	}
	return out
}

// boxes are a picture in several softnesses, each made once.
type boxes struct {
	whole *image.Gray
	made  map[int]*image.Gray
}

func (b *boxes) of(reach int) *image.Gray {
	if b.made == nil {
		b.made = map[int]*image.Gray{0: b.whole}
	}
	if b.made[reach] == nil {
		b.made[reach] = box(b.whole, reach)
	}
	return b.made[reach]
}

// sharpened is m with seven times the difference to what is near.
func sharpened(m *image.Gray) *image.Gray {
	soft := box(box(m, 4), 4)
	out := image.NewGray(m.Rect)
	for i, v := range m.Pix {
		out.Pix[i] = uint8(max(0, min(255, 7*int(v)-6*int(soft.Pix[i]))))
	}
	return out
}

// shadeAt is the brightness at a point, between the pixels; white outside of m.
func shadeAt(m *image.Gray, x, y float64) float64 {
	if !(x >= 0 && y >= 0 && x < float64(m.Rect.Dx()-1) && y < float64(m.Rect.Dy()-1)) { // no number is outside too
		return 255
	}
	i, j := int(x), int(y)
	fx, fy := x-float64(i), y-float64(j)
	p := m.Pix[j*m.Stride+i:]
	q := p[m.Stride:]
	return (float64(p[0])*(1-fx)+float64(p[1])*fx)*(1-fy) + (float64(q[0])*(1-fx)+float64(q[1])*fx)*fy
}
