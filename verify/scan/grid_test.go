package scan

import (
	"math"
	"math/rand/v2"
	"testing"
)

// What a sheet's bend is made of comes out of places on it.
func TestLeastSquaresFindsTheBend(t *testing.T) {
	want := []float64{0.5, -1, 2, 0.25, 0, -0.75, 1, 0, 0, -2}
	r := rand.New(rand.NewPCG(3, 4))
	var rows [][]float64
	var at []float64
	for range 400 {
		rows = append(rows, bendTerms(r.Float64(), r.Float64()))
		at = append(at, dot(want, rows[len(rows)-1]))
	}
	got := leastSquares(rows, at)
	for i, row := range rows {
		if d := math.Abs(dot(got, row) - at[i]); d > 0.05 {
			t.Fatalf("off by %f with %f", d, got)
		}
	}
	// Three corners alone say nothing of a bend.
	for _, f := range leastSquares([][]float64{bendTerms(0, 0), bendTerms(1, 0), bendTerms(0, 1)}, []float64{0, 0, 0}) {
		if f != 0 {
			t.Errorf("a bend of %f", f)
		}
	}
}

// Blur over the borders of modules is taken away.
func TestNeighboursAreTakenAway(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const size = 61
	m := &modules{size: size, wide: size + 2*around}
	level := make([]float64, m.wide*m.wide)
	truth := make([]bool, size*size)
	for i := range level {
		level[i] = 100
	}
	for i := range truth {
		if truth[i] = r.IntN(2) == 0; truth[i] {
			level[(i/size+around)*m.wide+i%size+around] = -100
		}
	}
	m.shade = make([]float64, len(level))
	m.dark(func(i int) float64 {
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				m.shade[i] += level[i+dy*m.wide+dx] * []float64{0.32, 0.12, 0.05}[dx*dx+dy*dy]
			}
		}
		return 0
	})
	wrong := func(guess []bool) (n int) {
		for i := range guess {
			if guess[i] != truth[i] {
				n++
			}
		}
		return n
	}
	plain, better := wrong(m.plain()), wrong(m.withoutNeighbours(m.sharper()))
	if plain < len(truth)/10 || better > len(truth)/50 {
		t.Errorf("of %d modules %d are wrong as they are and %d without their neighbours", len(truth), plain, better)
	}
}

// Three eyes are a code's corners in one order alone, whatever comes first; and what is
// in a line, or too close, is none.
func TestCornersStandInTheirOrder(t *testing.T) {
	at := func(x, y float64) eye { return eye{point{x, y}, 4, 0.9} }
	a, b, c := at(100, 100), at(300, 110), at(90, 300)
	for _, eyes := range [][]eye{{a, b, c}, {b, c, a}, {c, b, a}} {
		got := cornersOf(eyes)
		if len(got) != 1 || got[0] != (corners{a.point, b.point, c.point, 4}) {
			t.Errorf("%v", got)
		}
	}
	for name, eyes := range map[string][]eye{
		"in a line": {at(100, 100), at(200, 200), at(300, 300)}, "too close": {at(100, 100), at(130, 100), at(100, 130)},
		"too far": {at(100, 100), at(2000, 100), at(100, 2000)}, "of other sizes": {a, b, {point{90, 300}, 12, 0.9}}, "two": {a, b}, "none": nil,
	} {
		if got := cornersOf(eyes); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
