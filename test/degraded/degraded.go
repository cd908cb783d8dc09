// Package degraded draws printed codes as a scanner or a camera sees them: out of
// focus, noisy, tilted, on a bent sheet. Every reader is measured on the same
// pictures. They are drawn, not photographed.
package degraded

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/render/qr"
)

// Picture is a code, printed and harmed.
type Picture struct {
	Harm   string `json:"harm"`
	Format string `json:"format"`
	Text   string `json:"text"` // of the code
	// Sure says that codes as long as ours are read in it in every run.
	Sure bool `json:"-"`
	// File is a PNG or JPEG file.
	File []byte `json:"-"`
}

// Pictures draws so many of each harm and format: the same in every run. Codes are of
// 35 mm, scanned with 300 dots to the inch.
func Pictures(t testing.TB, each int) iter.Seq[Picture] {
	t.Helper()
	return func(yield func(Picture) bool) {
		for i, h := range harms() {
			for j, f := range formats() {
				whole := Printed(t, f.text, 35)
				for k := range each {
					g := h.do(whole, rand.New(rand.NewPCG(uint64(1000*i+j), uint64(k))))
					if !yield(Picture{h.name, f.name, f.text, h.sure && f.name != cards, g.file(t, h.jpeg)}) {
						return
					}
				}
			}
		}
	}
}

// cards are the longest codes, of which nothing is sure.
const cards = "health card"

type format struct{ name, text string }

// formats are texts as long as those of the formats.
func formats() []format {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(alphabet string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:"
	return []format{{"EU DCC, ICVP", "HC1:" + draw(base45, 380)}, {"DDCC", "HC1:" + draw(base45, 620)}, {cards, "shc:/" + draw("0123456789", 1500)}}
}

// harm is what paper, light and camera do to a code.
type harm struct {
	name       string
	do         func(*Gray, *rand.Rand) *Gray
	sure, jpeg bool
}

func harms() []harm {
	same := func(f func(*Gray) *Gray) func(*Gray, *rand.Rand) *Gray {
		return func(g *Gray, _ *rand.Rand) *Gray { return f(g) }
	}
	faint := func(g *Gray) *Gray { return g.Each(func(_, _ int, v float64) float64 { return 120 + v*60/255 }) }
	return []harm{
		{name: "none", do: same(func(g *Gray) *Gray { return g }), sure: true},
		{name: "blur of half a module", do: same(func(g *Gray) *Gray { return g.Blurred(2.5) }), sure: true},
		{name: "blur of a module", do: same(func(g *Gray) *Gray { return g.Blurred(5) })},
		{name: "noise, sigma 40", do: func(g *Gray, r *rand.Rand) *Gray { return g.Noisy(r, 40) }, sure: true},
		{name: "noise, sigma 80", do: func(g *Gray, r *rand.Rand) *Gray { return g.Noisy(r, 80) }, sure: true},
		{name: "any rotation", do: func(g *Gray, r *rand.Rand) *Gray { return g.turned(r.Float64() * 2 * math.Pi) }},
		{name: "perspective, 10 percent", do: same(func(g *Gray) *Gray { return g.Tilted(0.1) }), sure: true},
		{name: "perspective, 25 percent", do: same(func(g *Gray) *Gray { return g.Tilted(0.25) }), sure: true},
		{name: "a bent sheet, 10 percent", do: same(func(g *Gray) *Gray { return g.bent(0.1) }), sure: true},
		{name: "a bent sheet, 25 percent", do: same(func(g *Gray) *Gray { return g.bent(0.25) })},
		{name: "contrast of a quarter", do: same(faint), sure: true},
		{name: "light from one side", do: same(func(g *Gray) *Gray {
			return g.Each(func(x, _ int, v float64) float64 { return v * (0.35 + 0.65*float64(x)/float64(g.w)) })
		}), sure: true},
		{name: "a telephone's photo: all of it a little, as JPEG", jpeg: true, do: func(g *Gray, r *rand.Rand) *Gray {
			return faint(g.turned((r.Float64()-0.5)/3).Tilted(0.06)).Blurred(1.2).Noisy(r, 6)
		}},
	}
}

// Gray is a picture of brightness, 0 to 255.
type Gray struct {
	w, h int
	pix  []float64
}

func newGray(w, h int) *Gray { return &Gray{w, h, make([]float64, w*h)} }

// Printed is a code of so many millimetres as a scanner of 300 dots to the inch sees
// it, on a margin of white.
func Printed(t testing.TB, text string, millimetres float64) *Gray {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	side := millimetres / 25.4 * 300
	margin := int(side * 0.2)
	out := newGray(int(side)+2*margin, int(side)+2*margin)
	for i := range out.pix {
		out.pix[i] = 255
	}
	for r := range code.Runs {
		per := side / float64(code.Size)
		x0, x1 := int(float64(r.X)*per+0.5)+margin, int(float64(r.X+r.Width)*per+0.5)+margin
		y0, y1 := int(float64(r.Y)*per+0.5)+margin, int(float64(r.Y+1)*per+0.5)+margin
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				out.pix[y*out.w+x] = 0
			}
		}
	}
	return out
}

// at is the brightness at a point, between the pixels; white outside.
func (g *Gray) at(x, y float64) float64 {
	x0, y0 := math.Floor(x), math.Floor(y)
	get := func(i, j int) float64 {
		if i < 0 || j < 0 || i >= g.w || j >= g.h {
			return 255
		}
		return g.pix[j*g.w+i]
	}
	i, j, fx, fy := int(x0), int(y0), x-x0, y-y0
	return (get(i, j)*(1-fx)+get(i+1, j)*fx)*(1-fy) + (get(i, j+1)*(1-fx)+get(i+1, j+1)*fx)*fy
}

// moved is g with each point taken from where from says, both from the middle.
func (g *Gray) moved(from func(x, y float64) (float64, float64)) *Gray {
	m := float64(g.w) / 2
	return g.Each(func(x, y int, _ float64) float64 {
		fx, fy := from(float64(x)-m, float64(y)-m)
		return g.at(fx+m, fy+m)
	})
}

// Each is g with every pixel changed.
func (g *Gray) Each(f func(x, y int, v float64) float64) *Gray {
	out := newGray(g.w, g.h)
	for i, v := range g.pix {
		out.pix[i] = f(i%g.w, i/g.w, v)
	}
	return out
}

// Blurred is g out of focus: the mean of a square of this radius, twice.
func (g *Gray) Blurred(radius float64) *Gray {
	for range 2 {
		for _, d := range [][2]float64{{radius, 0}, {0, radius}} {
			in := g
			g = in.Each(func(x, y int, _ float64) float64 {
				var sum float64
				for k := -4; k <= 4; k++ {
					sum += in.at(float64(x)+d[0]*float64(k)/4, float64(y)+d[1]*float64(k)/4)
				}
				return sum / 9
			})
		}
	}
	return g
}

// Noisy is g with noise of this standard deviation.
func (g *Gray) Noisy(r *rand.Rand, sigma float64) *Gray {
	return g.Each(func(_, _ int, v float64) float64 { return v + r.NormFloat64()*sigma })
}

func (g *Gray) turned(angle float64) *Gray {
	s, c := math.Sincos(angle)
	return g.moved(func(x, y float64) (float64, float64) { return 1.2 * (c*x - s*y), 1.2 * (s*x + c*y) })
}

// Tilted is a plane whose upper edge is nearer than its lower one.
func (g *Gray) Tilted(k float64) *Gray {
	m := float64(g.w) / 2
	return g.moved(func(x, y float64) (float64, float64) { z := 1 - k*y/m; return x / z, 1.05 * y / z })
}

// bent is a sheet that curls as it goes away: no perspective makes it straight.
func (g *Gray) bent(k float64) *Gray {
	m := float64(g.w) / 2
	return g.moved(func(x, y float64) (float64, float64) { z := 1 + k*y/m; return x * z, 1.05 * y * z })
}

// Image is g as a picture.
func (g *Gray) Image() *image.Gray {
	img := image.NewGray(image.Rect(0, 0, g.w, g.h))
	for i, v := range g.pix {
		img.SetGray(i%g.w, i/g.w, color.Gray{Y: uint8(max(0, min(255, v)))})
	}
	return img
}

func (g *Gray) file(t testing.TB, asJPEG bool) []byte {
	t.Helper()
	var file bytes.Buffer
	err := png.Encode(&file, g.Image())
	if asJPEG {
		file.Reset()
		err = jpeg.Encode(&file, g.Image(), &jpeg.Options{Quality: 70})
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// Frame is what a camera of w × h pixels sees: a wall with lines of writing, and
// before it a code that is held a little tilted and not quite in focus; none where
// text is "".
func Frame(t testing.TB, text string, w, h int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	out := newGray(w, h)
	out = out.Each(func(x, y int, _ float64) float64 {
		v := 150 + 40*float64(x)/float64(w)
		if y%24 > 12 && y%240 < 180 && (x/5*7919+y/24*104729)%3 == 0 { // as writing is: strokes in lines
			v -= 90
		}
		return v
	})
	if text != "" {
		code := Printed(t, text, 35)
		side := 0.85 * float64(h) // with its margin
		k := float64(code.w) / side
		code = code.Blurred(0.6 * k).Tilted(0.06)
		x0, y0 := (float64(w)-side)/2, (float64(h)-side)/2
		out = out.Each(func(x, y int, v float64) float64 {
			fx, fy := float64(x)-x0, float64(y)-y0
			if fx < 0 || fy < 0 || fx >= side || fy >= side {
				return v
			}
			return 20 + code.at(fx*k, fy*k)*200/255
		})
	}
	return out.Noisy(r, 5).file(t, false)
}
