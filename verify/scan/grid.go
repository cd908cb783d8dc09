package scan

import (
	"context"
	"errors"
	"image"
	"math"
	"slices"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

// What is here reads a code that the library cannot: blurred, noisy, tilted or on a
// bent sheet. It finds the corners by their shades (eyes.go), lays the grid of modules
// over the picture with the help of the timing and alignment patterns (ISO/IEC 18004,
// 6.3.5 and 6.3.6), and tells dark from light by the shade of a whole module and not by
// that of a pixel (modules.go).

// patience is the longest that is spent on it.
const patience = 5 * time.Second

// patiently tries to read one code of m, as it is and sharpened: where blur joins the
// rings of a finder pattern nothing else parts them.
func patiently(ctx context.Context, m *image.Gray, found *finds) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := patientlyUntil(ctx, m, found)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // no code, as far as it was looked
	}
	return err
}

func patientlyUntil(ctx context.Context, m *image.Gray, found *finds) error {
	plain := &boxes{whole: m}
	for _, form := range []func() *boxes{func() *boxes { return plain }, func() *boxes { return &boxes{whole: sharpened(m)} }} {
		seen := form()
		eyes, err := eyesIn(ctx, seen)
		if err != nil {
			return err
		}
		for _, c := range cornersOf(eyes) {
			text, err := bounded(ctx, func(h hints) (string, error) { return readGrid(seen, plain, c, h) })
			if err != nil {
				return err
			}
			if text != "" {
				return found.add(text)
			}
		}
	}
	return nil
}

// readGrid reads the code with these corners: of the versions near what its size says
// those two whose timing patterns fit best. The grid is laid over what is seen; the last guess
// is by shades that were not sharpened.
func readGrid(seen, unsharpened *boxes, c corners, h hints) (string, error) {
	if c.module < 1 {
		return "", gozxing.NewNotFoundException()
	}
	// The mean over most of a module is its shade, without the noise of pixels.
	reach := int(c.module * 0.3)
	shades := seen.of(reach)
	between := (math.Hypot(c.topRight.x-c.topLeft.x, c.topRight.y-c.topLeft.y) + math.Hypot(c.bottomLeft.x-c.topLeft.x, c.bottomLeft.y-c.topLeft.y)) / 2 / c.module
	likely := int(math.Round((between + 7 - 17) / 4))
	var fits []grid
	unsure := 2 + likely/8
	for v := max(1, likely-unsure); v <= min(40, likely+unsure); v++ {
		version, err := decoder.Version_GetVersionForNumber(v)
		if err != nil {
			return "", err
		}
		g := grid{shades: shades, c: c, version: version, size: 17 + 4*v}
		g.fitTiming()
		fits = append(fits, g)
	}
	slices.SortFunc(fits, func(a, b grid) int { return compare(b.fit, a.fit) })
	for _, g := range fits[:min(2, len(fits))] {
		g.fitAlignment()
		modules := g.sample()
		guess := modules.plain()
		for _, better := range []func([]bool) []bool{
			nil,
			func([]bool) []bool { return modules.sharper() },
			modules.withoutNeighbours,
			func(guess []bool) []bool {
				g.shades = unsharpened.of(reach)
				return g.sample().withoutNeighbours(guess)
			},
		} {
			if better != nil {
				guess = better(guess)
			}
			bits, err := gozxing.NewSquareBitMatrix(g.size)
			if err != nil {
				return "", err
			}
			for i, dark := range guess {
				if dark {
					bits.Set(i%g.size, i/g.size)
				}
			}
			if result, err := decoder.NewDecoder().Decode(bits, h); err == nil {
				return result.GetText(), nil
			}
		}
	}
	return "", gozxing.NewNotFoundException()
}

// grid says where in the picture each module is. Modules are counted from the middle
// of the upper left finder pattern.
type grid struct {
	shades  *image.Gray
	c       corners
	version *decoder.Version
	size    int     // modules on a side
	fit     float64 // how well the timing patterns alternate, at most 2
	// How much smaller the modules are at the other two corners: perspective.
	right, down float64
	bend        [2][]float64 // see fitAlignment
}

// at is where a module is in the picture: the perspective that the three corners and
// right and down make, of where the sheet's bend has moved it.
func (g *grid) at(u, v float64) point {
	n := float64(g.size - 7)
	s, t := u/n, v/n
	if g.bend[0] != nil {
		terms := bendTerms(s, t)
		s += dot(g.bend[0], terms) / n
		t += dot(g.bend[1], terms) / n
	}
	w := 1 + g.right*s + g.down*t
	mix := func(o, r, d float64) float64 {
		return (o + (r*(1+g.right)-o)*s + (d*(1+g.down)-o)*t) / w
	}
	return point{mix(g.c.topLeft.x, g.c.topRight.x, g.c.bottomLeft.x), mix(g.c.topLeft.y, g.c.topRight.y, g.c.bottomLeft.y)}
}

func (g *grid) shade(u, v float64) float64 {
	p := g.at(u, v)
	return shadeAt(g.shades, p.x, p.y)
}

// fitTiming finds the perspective under which the two timing patterns alternate best.
// A pattern is three modules beside the line between two corners, so that of one
// depends a little on the perspective of the other.
func (g *grid) fitTiming() {
	n := g.size - 7
	score := func(row bool) float64 {
		var sum, all float64
		before, here := 0.0, 0.0
		for i := 4; i <= n-4; i++ { // modules 7 to size - 8, whose ends are beside the finders
			next := g.shade(float64(i), 3)
			if !row {
				next = g.shade(3, float64(i))
			}
			if i > 5 {
				d := here - (before+next)/2
				all += math.Abs(d)
				if i%2 == 0 { // here is an odd one, which is dark
					d = -d
				}
				sum += d
			}
			before, here = here, next
		}
		return sum / max(all, 1)
	}
	best := func(of *float64, row bool) float64 {
		top, at := -2.0, 0.0
		for k := -38; k <= 38; k++ {
			*of = math.Expm1(float64(k) * 0.011)
			if s := score(row); s > top {
				top, at = s, *of
			}
		}
		*of = at
		return top
	}
	top, right := -2.0, 0.0
	for _, down := range []float64{0, -0.25, 0.3} {
		g.down = down
		if s := best(&g.right, true); s > top {
			top, right = s, g.right
		}
	}
	g.right = right
	columns := best(&g.down, false)
	g.fit = best(&g.right, true) + columns
}

// fitAlignment looks for each alignment pattern near where its neighbours say, and
// bends the grid so that it goes through all that were found.
func (g *grid) fitAlignment() {
	centres := g.version.GetAlignmentPatternCenters()
	n := float64(g.size - 7)
	type known struct{ u, v, du, dv float64 }
	points := []known{{0, 0, 0, 0}, {n, 0, 0, 0}, {0, n, 0, 0}}
	var wanted []known
	for i, y := range centres {
		for j, x := range centres {
			last := len(centres) - 1
			if i == 0 && j == 0 || i == 0 && j == last || i == last && j == 0 {
				continue // finders
			}
			wanted = append(wanted, known{u: float64(x - 3), v: float64(y - 3)})
		}
	}
	slices.SortStableFunc(wanted, func(a, b known) int { return int(a.u + a.v - b.u - b.v) })
	for _, w := range wanted {
		near := slices.MinFunc(points, func(a, b known) int {
			return compare(math.Hypot(a.u-w.u, a.v-w.v), math.Hypot(b.u-w.u, b.v-w.v))
		})
		top := 0.0
		for dv := -2.0; dv <= 2; dv += 0.25 {
			for du := -2.0; du <= 2; du += 0.25 {
				if s := g.alignment(w.u+near.du+du, w.v+near.dv+dv); s > top {
					top, w.du, w.dv = s, near.du+du, near.dv+dv
				}
			}
		}
		if top > 0.65 {
			points = append(points, w)
		}
	}
	var rows [][]float64
	var du, dv []float64
	for _, p := range points {
		rows, du, dv = append(rows, bendTerms(p.u/n, p.v/n)), append(du, p.du), append(dv, p.dv)
	}
	g.bend = [2][]float64{leastSquares(rows, du), leastSquares(rows, dv)}
}

// alignment is how much what is at a place looks like an alignment pattern: the
// correlation with one.
func (g *grid) alignment(u, v float64) float64 {
	const dark, all = 17, 25
	var sum, squares, light float64
	for y := -2; y <= 2; y++ {
		for x := -2; x <= 2; x++ {
			s := g.shade(u+float64(x), v+float64(y))
			sum, squares = sum+s, squares+s*s
			if max(x*x, y*y) == 1 {
				light += s
			}
		}
	}
	spread := math.Sqrt(max(0, squares/all-sum*sum/all/all))
	return (light/(all-dark) - (sum-light)/dark) * math.Sqrt(dark*(all-dark)) / all / max(spread, 1)
}

// bendTerms are those of a sheet that bends in one way: a polynomial of the third
// degree.
func bendTerms(s, t float64) []float64 {
	return []float64{1, s, t, s * s, s * t, t * t, s * s * s, s * s * t, s * t * t, t * t * t}
}

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// leastSquares returns the factors of the columns of rows that come nearest to want.
// Where rows do not say, factors are small.
func leastSquares(rows [][]float64, want []float64) []float64 {
	n := len(rows[0])
	a := make([][]float64, n) // normal equations, with their right side
	for i := range a {
		a[i] = make([]float64, n+1)
		a[i][i] = 1e-3
		for k, row := range rows {
			for j := range i + 1 {
				a[i][j] += row[i] * row[j]
			}
			a[i][n] += row[i] * want[k]
		}
		for j := range i {
			a[j][i] = a[i][j]
		}
	}
	for i := range a { // positive definite: no pivots are needed
		for k := range a {
			if k == i {
				continue
			}
			f := a[k][i] / a[i][i]
			for j := i; j <= n; j++ {
				a[k][j] -= f * a[i][j]
			}
		}
	}
	out := make([]float64, n)
	for i := range a {
		out[i] = a[i][n] / a[i][i]
	}
	return out
}
