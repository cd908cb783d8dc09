package emblem_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/emblem"
)

// svg is a drawing of 10 by 10 units, each a hundred of ours, of what is inside.
func svg(inside string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">` + inside + `</svg>`
}

func parse(t *testing.T, text string) *emblem.Drawing {
	t.Helper()
	d, err := emblem.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// path is the path of the only shape, as SVG writes it.
func path(t *testing.T, d *emblem.Drawing) string {
	t.Helper()
	if len(d.Shapes) != 1 {
		t.Fatalf("%d shapes", len(d.Shapes))
	}
	_, text, _ := strings.Cut(d.SVG("x"), ` d="`)
	text, _, _ = strings.Cut(text, `"`)
	return text
}

func TestWhatIsNoPlainDrawingIsRefusedByName(t *testing.T) {
	const ns = `xmlns="http://www.w3.org/2000/svg"`
	for name, c := range map[string]struct{ text, says string }{
		"nothing":                    {"", "no SVG drawing"},
		"another document":           {`<html/>`, "no SVG drawing"},
		"cut short":                  {`<svg ` + ns + ` viewBox="0 0 1 1"><g>`, "no SVG drawing"},
		"of another namespace":       {`<svg xmlns="http://www.w3.org/1999/xhtml" viewBox="0 0 1 1"/>`, "begin with <svg"},
		"without a namespace":        {`<svg viewBox="0 0 1 1"/>`, "begin with <svg"},
		"a script":                   {svg(`<script>1</script>`), `"script"`},
		"a script of another prefix": {svg(`<x:script xmlns:x="http://www.w3.org/2000/svg">1</x:script>`), `"script"`},
		"another's element":          {svg(`<path xmlns="http://www.w3.org/1999/xhtml" d="M0 0"/>`), "begin with <svg"},
		"a picture":                  {svg(`<image href="x"/>`), `"image"`},
		"a use of another":           {svg(`<use href="#a"/>`), `"use"`},
		"a style sheet":              {svg(`<style>*{}</style>`), `"style"`},
		"text":                       {svg(`<text>A</text>`), `"text"`},
		"words beside shapes":        {svg(`A<rect width="1" height="1"/>`), "draw the letters"},
		"a frame within":             {svg(`<svg viewBox="0 0 1 1"/>`), `"svg"`},
		"foreign content":            {svg(`<foreignObject/>`), `"foreignObject"`},
		"a gradient":                 {svg(`<linearGradient/>`), `"linearGradient"`},
		"an animation":               {svg(`<rect width="1" height="1"><animate/></rect>`), `"animate"`},
		"an event":                   {`<svg ` + ns + ` onload="1"/>`, `"onload"`},
		"an event in capitals":       {svg(`<path ONCLICK="1"/>`), `"ONCLICK"`},
		"a link":                     {svg(`<path xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="https://example.org"/>`), `"href"`},
		"an attribute of another":    {svg(`<path xmlns:i="urn:i" i:d="M0 0"/>`), `"d"`},
		"a style":                    {svg(`<path style="fill:red"/>`), `"style"`},
		"a class":                    {svg(`<path class="a"/>`), `"class"`},
		"transparency":               {svg(`<path opacity=".5"/>`), `"opacity"`},
		"a long name":                {svg(`<path ` + strings.Repeat("a", 900) + `="1"/>`), "…"},
		"a clip":                     {svg(`<g clip-path="url(#a)"/>`), `"clip-path"`},
		"a reference as colour":      {svg(`<path fill="url(https://example.org)"/>`), "fill: write a colour"},
		"a colour of a browser":      {svg(`<path fill="currentColor"/>`), "fill: write a colour"},
		"a colour by name":           {svg(`<path stroke="rebeccapurple"/>`), "stroke: write a colour"},
		"a colour cut short":         {svg(`<path fill="#12345"/>`), "fill: write a colour"},
		"a colour with a sign":       {svg(`<path fill="#+12345"/>`), "fill: write a colour"},
		"a doctype":                  {`<!DOCTYPE svg [<!ENTITY x "y">]>` + svg(""), "a declaration"},
		"an instruction":             {`<?xml-stylesheet href="x"?>` + svg(""), "a declaration"},
		"an entity":                  {svg(`<title>&x;</title>`), "no SVG drawing"},
		"nothing to see":             {svg(`<title>A</title><rect fill="none" width="1" height="1"/>`), "nothing can be seen"},
		"no size":                    {`<svg ` + ns + `><rect width="1" height="1"/></svg>`, "viewBox"},
		"a size in per cent":         {`<svg ` + ns + ` width="100%" height="100%"/>`, "viewBox"},
		"a view of three numbers":    {`<svg ` + ns + ` viewBox="0 0 1"/>`, "viewBox: write four"},
		"a view of five numbers":     {`<svg ` + ns + ` viewBox="0 0 1 1 1"/>`, "viewBox: write four"},
		"a view of words":            {`<svg ` + ns + ` viewBox="0 0 NaN Inf"/>`, "viewBox: write four"},
		"an empty view":              {`<svg ` + ns + ` viewBox="0 0 0 1"/>`, "empty"},
		"a ribbon":                   {`<svg ` + ns + ` viewBox="0 0 1 5"/>`, "four times"},
		"a radius below nothing":     {svg(`<circle r="-1"/>`), "r of circle"},
		"a length in per cent":       {svg(`<rect width="50%" height="1"/>`), "width of rect"},
		"a length in another base":   {svg(`<rect width="0x1" height="1"/>`), "width of rect"},
		"points of one number":       {svg(`<polygon points="0,0 1"/>`), "points"},
		"a path that does not begin": {svg(`<path d="L1 1"/>`), "begins with M"},
		"a path of numbers":          {svg(`<path d="1 1"/>`), "none of SVG"},
		"a step there is not":        {svg(`<path d="M0 0X1"/>`), "none of SVG"},
		"numbers after the end":      {svg(`<path d="M0 0Z1 1"/>`), "none of SVG"},
		"a number missing":           {svg(`<path d="M0 0L1"/>`), "missing"},
		"a number too large":         {svg(`<path d="M0 0L1e99 1"/>`), "too large"},
		"a flag that is none":        {svg(`<path d="M0 0A1 1 0 2 0 1 1"/>`), "missing"},
		"far outside":                {svg(`<rect transform="scale(1e6)" width="1" height="1"/>`), "far outside"},
		"more than can be reckoned":  {svg(`<g transform="scale(1e6)"><g transform="scale(1e6)"><g transform="matrix(1e6 0 0 1e6 1e6 1e6)"><path d="M-1e6-1e6h1" stroke="#000"/></g></g></g>`), "far"},
		"a transform of words":       {svg(`<g transform="flip(1)"/>`), "transform: use"},
		"a transform cut short":      {svg(`<g transform="scale(1"/>`), "transform: use"},
		"a transform of seven":       {svg(`<g transform="matrix(1 1 1 1 1 1 1)"/>`), "transform: use"},
		"a stretched line":           {svg(`<rect transform="scale(1,2)" width="1" height="1" stroke="#000"/>`), "stretched"},
		"a line below nothing":       {svg(`<rect width="1" height="1" stroke-width="-1"/>`), "stroke-width"},
		"an end that is none":        {svg(`<rect stroke-linecap="pointed"/>`), "butt, round, square"},
		"a shape in a shape":         {svg(`<rect width="1" height="1"><circle r="1"/></rect>`), "within another"},
		"a shape in words":           {svg(`<title><circle r="1"/></title>`), "within too many"},
		"a shape behind the end":     {svg(`<circle r="1"/>`) + svg(""), `"svg"`},
		"a circle behind the end":    {svg(`<circle r="1"/>`) + `<circle xmlns="http://www.w3.org/2000/svg" r="1"/>`, "behind its end"},
		"groups without end":         {svg(strings.Repeat("<g>", 30) + strings.Repeat("</g>", 30)), "within too many"},
		"more than can be printed":   {svg(`<path d="M0 0` + strings.Repeat("h1", 4001) + `"/>`), "too long"},
		"more in several":            {svg(strings.Repeat(`<path d="M0 0`+strings.Repeat("h1", 999)+`"/>`, 5)), "simplify"},
		"more than is read":          {svg(strings.Repeat(" ", emblem.MaxBytes)), "32 kB"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := emblem.Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.says) || d != nil || len(err.Error()) > 300 {
				t.Errorf("%v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestShapesBecomePaths(t *testing.T) {
	for name, c := range map[string]struct{ shape, path string }{
		"a rectangle":            {`<rect x="1" y="2" width="3" height="4"/>`, "M100 200L400 200L400 600L100 600Z"},
		"a line":                 {`<line x2="10" y2="5px" stroke="#000"/>`, "M0 0L1000 500"},
		"a polygon":              {`<polygon points="1,1 2,1,2-2"/>`, "M100 100L200 100L200 -200Z"},
		"lines in a row":         {`<polyline points="1 1 2 1"/>`, "M100 100L200 100"},
		"a circle":               {`<circle cx="5" cy="5" r="5"/>`, "M500 0L500 0C776.1 0 1000 223.9 1000 500L1000 500C1000 776.1 776.1 1000 500 1000L500 1000C223.9 1000 0 776.1 0 500L0 500C0 223.9 223.9 0 500 0Z"},
		"absolute steps":         {`<path d="M1 1L2 2H3V4C5 5 6 6 7 7S8 8 9 9Q1 2 3 4T5 6Z"/>`, "M100 100L200 200L300 200L300 400C500 500 600 600 700 700C800 800 800 800 900 900C366.7 433.3 166.7 266.7 300 400C433.3 533.3 500 600 500 600Z"},
		"relative steps":         {`<path d="m1 1l1 1h1v2c2 1 3 2 4 3s1 1 2 2z"/>`, "M100 100L200 200L300 200L300 400C500 500 600 600 700 700C800 800 800 800 900 900Z"},
		"steps without letters":  {`<path d="M1 1 2 2m1,1 1 1"/>`, "M100 100L200 200M300 300L400 400"},
		"numbers without spaces": {`<path d="M1-1.5.5l1e0-.5"/>`, ""},
		"begun where it ended":   {`<path d="M1 1h1zl0 1"/>`, "M100 100L200 100ZL100 200"},
		"an arc of a quarter":    {`<path d="M0 5A5 5 0 015 0"/>`, "M0 500C0 223.9 223.9 0 500 0"},
		"an arc the other way":   {`<path d="M0 5A5 5 0 1 0 5 0"/>`, "M0 500C0 776.1 223.9 1000 500 1000C776.1 1000 1000 776.1 1000 500C1000 223.9 776.1 0 500 0"},
		"an arc that is a line":  {`<path d="M0 5A0 5 0 0 1 5 0"/>`, "M0 500L500 0"},
		"an arc to where it is":  {`<path d="M0 5A5 5 0 0 1 0 5l1 0"/>`, "M0 500L100 500"},
		"an arc too small":       {`<path d="M0 5A1 1 0 0 1 10 5"/>`, "M0 500C0 223.9 223.9 0 500 0C776.1 0 1000 223.9 1000 500"},
		"moved and scaled":       {`<rect transform="translate(1 2) scale(2)" width="1" height="1"/>`, "M100 200L300 200L300 400L100 400Z"},
		"moved in a moved group": {`<g transform="translate(1)"><path transform="translate(0,1)" d="M0 0h1"/></g>`, "M100 100L200 100"},
		"turned about a point":   {`<path transform="rotate(90 5 5)" d="M5 5h1"/>`, "M500 500L500 600"},
		"skewed":                 {`<path transform="skewX(45)skewY(0)" d="M0 1h1"/>`, "M100 100L200 100"},
		"by a matrix":            {`<path transform="matrix(0 1,-1 0 3 0)" d="M1 1h1"/>`, "M200 100L200 200"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.path == "" { // 1, -1.5; then .5 is without its other half
				if _, err := emblem.Parse([]byte(svg(c.shape))); err == nil {
					t.Error("half a point was taken")
				}
				return
			}
			if diff := cmp.Diff(c.path, path(t, parse(t, svg(c.shape)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPaintComesFromAround(t *testing.T) {
	red, white := &emblem.Color{0xff, 0, 0}, &emblem.Color{255, 255, 255}
	d := parse(t, `<svg xmlns="http://www.w3.org/2000/svg" width="10px" height="10" fill="#f00"><title>A</title>
		<g stroke="white" stroke-width="2" stroke-linecap="round" stroke-linejoin="bevel" stroke-miterlimit="7" fill-rule="evenodd" transform="rotate(45)">
			<path id="a" data-x="1" aria-label="b" d="M0 0h1"/><path fill="none" stroke-linecap="square" d="M0 0h1"/></g>
		<path d="M0 0h1" stroke="none"/><path fill="transparent" d="M0 0h1"/><line x2="1"/></svg>`)
	want := []emblem.Shape{
		{Fill: red, EvenOdd: true, Line: white, Width: 200, Cap: 1, Join: 2, Miter: 7},
		{EvenOdd: true, Line: white, Width: 200, Cap: 2, Join: 2, Miter: 7},
		{Fill: red, Width: 1, Miter: 4},
	}
	if diff := cmp.Diff(want, d.Shapes, cmpopts.IgnoreFields(emblem.Shape{}, "Path"), cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Error(diff)
	}
}

func TestTheLongerSideIsAlwaysTheSame(t *testing.T) {
	for box, want := range map[string][2]float64{"0 0 10 10": {1000, 1000}, "-5 -5 20 10": {1000, 500}, "0,0,1,4": {250, 1000}} {
		d := parse(t, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="`+box+`"><circle r="1"/></svg>`)
		if d.Width != want[0] || d.Height != want[1] {
			t.Errorf("%s: %v by %v", box, d.Width, d.Height)
		}
	}
}

// TestShippedEmblemsAreRead, and written anew they are the same drawings.
func TestShippedEmblemsAreRead(t *testing.T) {
	for _, country := range []string{"jamaica", "sri-lanka"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "profiles", country, "emblem.svg"))
		if err != nil {
			t.Fatal(err)
		}
		again(t, parse(t, string(b)))
	}
}

// again reads what a drawing is written as, which must be the same.
func again(t interface {
	Errorf(string, ...any)
	Helper()
}, d *emblem.Drawing) {
	t.Helper()
	text := strings.Replace(d.SVG("x"), `class="x" `, "", 1)
	if len(text) > emblem.MaxBytes {
		return
	}
	back, err := emblem.Parse([]byte(text))
	if err != nil {
		t.Errorf("written anew it is refused: %v\n%s", err, text)
		return
	}
	if diff := cmp.Diff(d.SVG("x"), back.SVG("x")); diff != "" {
		t.Errorf("written anew it is another: %s", diff)
	}
}

// TestArcsLieOnTheirCircle, of the two through both ends the one that is meant.
func TestArcsLieOnTheirCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Float64Range(1, 5).Draw(t, "radius")
		from, to := rapid.Float64Range(0, 6).Draw(t, "from"), rapid.Float64Range(0, 6).Draw(t, "to")
		large, sweep := rapid.IntRange(0, 1).Draw(t, "large"), rapid.IntRange(0, 1).Draw(t, "sweep")
		if math.Abs(from-to) < 0.1 || math.Abs(math.Abs(from-to)-math.Pi) < 0.1 {
			return // where rounding decides which of two circles it is
		}
		d, err := emblem.Parse([]byte(svg(fmt.Sprintf(`<path d="M%.6f %.6fA%.6f %.6f 0 %d %d %.6f %.6f"/>`,
			5+r*math.Cos(from), 5+r*math.Sin(from), r, r, large, sweep, 5+r*math.Cos(to), 5+r*math.Sin(to)))))
		if err != nil {
			t.Fatal(err)
		}
		// One of the two circles through both points is about 5, 5.
		turned := to - from
		if sweep == 0 {
			turned = -turned
		}
		if turned < 0 {
			turned += 2 * math.Pi
		}
		if (turned > math.Pi) != (large == 1) {
			return
		}
		for _, s := range d.Shapes[0].Path {
			for i, p := range s.Points {
				if distance := math.Hypot(p.X-500, p.Y-500); i == len(s.Points)-1 && math.Abs(distance-100*r) > 0.1 {
					t.Errorf("a point is %v from the middle, not %v", distance, 100*r)
				}
			}
		}
	})
}

// FuzzParse reads anything: it is refused in words, or can be written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		svg(`<path d="M1 1L2 2H3V4C5 5 6 6 7 7S8 8 9 9Q1 2 3 4T5 6A1 2 3 0 1 4 5Z" stroke="#123" transform="rotate(3)"/>`),
		svg(`<g fill="none" stroke="black"><circle r="1"/><ellipse rx="1" ry="2"/><line x2="1"/></g><rect width="1" height="1" rx=".1"/><polygon points="1 1 2 2"/>`), `<svg/>`, "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := emblem.Parse([]byte(text))
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Errorf("%v, %v", d, err)
			}
			return
		}
		for _, s := range d.Shapes {
			for _, step := range s.Path {
				for _, p := range step.Points {
					if !(math.Abs(p.X) <= 1e6 && math.Abs(p.Y) <= 1e6) {
						t.Errorf("a point at %v", p)
					}
				}
			}
		}
		if out := d.SVG("x"); strings.ContainsAny(out, "&'") || strings.Contains(strings.ToLower(out), "nan") || strings.Contains(out, "Inf") {
			t.Errorf("it is written as %s", out)
		}
	})
}
