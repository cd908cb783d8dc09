package scan_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/verify/scan"
)

// gray is a picture of brightness, 0 to 255.
type gray struct {
	w, h int
	pix  []float64
}

func newGray(w, h int) *gray { return &gray{w, h, make([]float64, w*h)} }

// at is the brightness at a point, between the pixels; white outside.
func (g *gray) at(x, y float64) float64 {
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

// moved is g with each point taken from where from says.
func (g *gray) moved(from func(x, y float64) (float64, float64)) *gray {
	out := newGray(g.w, g.h)
	for y := range g.h {
		for x := range g.w {
			out.pix[y*g.w+x] = g.at(from(float64(x), float64(y)))
		}
	}
	return out
}

// each is g with every pixel changed.
func (g *gray) each(f func(x, y int, v float64) float64) *gray {
	out := newGray(g.w, g.h)
	for i, v := range g.pix {
		out.pix[i] = f(i%g.w, i/g.w, v)
	}
	return out
}

// blurred is g out of focus: the mean of a square of this radius, twice.
func (g *gray) blurred(radius float64) *gray {
	for range 2 {
		for _, d := range [][2]float64{{radius, 0}, {0, radius}} {
			in := g
			g = in.each(func(x, y int, _ float64) float64 {
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

func (g *gray) image() image.Image {
	img := image.NewGray(image.Rect(0, 0, g.w, g.h))
	for i, v := range g.pix {
		img.SetGray(i%g.w, i/g.w, color.Gray{Y: uint8(max(0, min(255, v)))})
	}
	return img
}

// printed is a code of so many millimetres as a scanner of 300 dots to the inch sees
// it, on a margin of white.
func printed(t testing.TB, text string, millimetres float64) *gray {
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

// harms are what paper, light and camera do to a code. Those that are sure need no
// chance.
func harms() []struct {
	name string
	do   func(*gray, *rand.Rand) *gray
	// sure: codes as long as ours are read in every run.
	sure bool
} {
	turned := func(g *gray, angle float64) *gray {
		s, c, m := math.Sin(angle), math.Cos(angle), float64(g.w)/2
		return g.moved(func(x, y float64) (float64, float64) {
			x, y = (x-m)*1.2, (y-m)*1.2
			return c*x - s*y + m, s*x + c*y + m
		})
	}
	noisy := func(g *gray, r *rand.Rand, much float64) *gray {
		return g.each(func(_, _ int, v float64) float64 { return v + r.NormFloat64()*much })
	}
	tilted := func(g *gray, k float64) *gray {
		m := float64(g.w) / 2
		return g.moved(func(x, y float64) (float64, float64) {
			z := 1 + k*(y-m)/m
			return (x-m)*z + m, (y-m)*z*1.05 + m
		})
	}
	faint := func(g *gray) *gray { return g.each(func(_, _ int, v float64) float64 { return 120 + v*60/255 }) }
	return []struct {
		name string
		do   func(*gray, *rand.Rand) *gray
		sure bool
	}{
		{"as printed, 35 mm at 300 dpi", func(g *gray, _ *rand.Rand) *gray { return g }, true},
		{"blur of half a module", func(g *gray, _ *rand.Rand) *gray { return g.blurred(2.5) }, true},
		{"blur of a module", func(g *gray, _ *rand.Rand) *gray { return g.blurred(5) }, false},
		{"noise, sigma 40", func(g *gray, r *rand.Rand) *gray { return noisy(g, r, 40) }, false},
		{"noise, sigma 80", func(g *gray, r *rand.Rand) *gray { return noisy(g, r, 80) }, false},
		{"any rotation", func(g *gray, r *rand.Rand) *gray { return turned(g, r.Float64()*2*math.Pi) }, false},
		{"perspective, 10 percent", func(g *gray, _ *rand.Rand) *gray { return tilted(g, 0.1) }, true},
		{"perspective, 25 percent", func(g *gray, _ *rand.Rand) *gray { return tilted(g, 0.25) }, false},
		{"contrast of a quarter", func(g *gray, _ *rand.Rand) *gray { return faint(g) }, true},
		{"light from one side", func(g *gray, _ *rand.Rand) *gray {
			return g.each(func(x, _ int, v float64) float64 { return v * (0.35 + 0.65*float64(x)/float64(g.w)) })
		}, true},
		{"a telephone's photo: all of it a little, as JPEG", func(g *gray, r *rand.Rand) *gray {
			return noisy(faint(tilted(turned(g, (r.Float64()-0.5)/3), 0.06)).blurred(1.2), r, 6)
		}, false},
	}
}

// formatTexts are texts as long as those of the formats.
func formatTexts() map[string]string {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(alphabet string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:"
	return map[string]string{
		"EU DCC, ICVP": "HC1:" + draw(base45, 380), "DDCC": "HC1:" + draw(base45, 620), "health card": "shc:/" + draw("0123456789", 1500),
	}
}

// BenchmarkTable_Degraded says what share of harmed codes of each format is read; a
// run of it prints them all. docs/conformance.md has what was measured.
func BenchmarkTable_Degraded(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 7))
	const each = 10
	for b.Loop() {
		for _, harm := range harms() {
			line := ""
			for format, text := range formatTexts() {
				whole := printed(b, text, 35)
				n := 0
				for range each {
					if isRead(b, harm.do(whole, r), harm.name, text) {
						n++
					}
				}
				line += fmt.Sprintf("  %s %d/%d", format, n, each)
			}
			b.Logf("%-50s%s", harm.name, line)
		}
	}
}

// What is sure is read in every run: the codes that we print.
func TestHarmedCodesAreRead(t *testing.T) {
	for format, text := range formatTexts() {
		if !strings.HasPrefix(text, "HC1:") {
			continue
		}
		whole := printed(t, text, 35)
		for _, harm := range harms() {
			if harm.sure && !isRead(t, harm.do(whole, nil), harm.name, text) {
				t.Errorf("%s: %s is not read", harm.name, format)
			}
		}
	}
}

// isRead reports whether a picture gives this text and no other.
func isRead(t testing.TB, g *gray, harm, text string) bool {
	t.Helper()
	var file bytes.Buffer
	err := png.Encode(&file, g.image())
	if strings.Contains(harm, "JPEG") {
		file.Reset()
		err = jpeg.Encode(&file, g.image(), &jpeg.Options{Quality: 70})
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := scan.Codes(t.Context(), file.Bytes())
	return err == nil && len(found) == 1 && found[0] == text
}
