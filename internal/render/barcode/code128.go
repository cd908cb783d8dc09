// Package barcode encodes text as Code 128 (ISO/IEC 15417), code set B.
package barcode

import (
	"fmt"
	"html"
	"strings"
)

// widths are the bar and space widths of the values 0 to 105 (table 1), from
// the first bar on.
const widths = "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321232121111323131123131321112313132113132311211313231113231311112133112331132131113123113321133121313121211331231131213113213311213131311123311321331121312113312311332111314111221411431111111224111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113114311411113411311113141114131311141411131211412211214211232"

// The values of the start character of code set B and of the stop character.
const (
	startB = 104
	stop   = "2331112"
)

// Code128 returns the widths of bars and spaces in modules, a bar first, and
// their sum. text is ASCII from space to tilde.
func Code128(text string) (modules []int, total int, err error) {
	sum := startB
	modules = appendValue(modules, startB)
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' {
			return nil, 0, fmt.Errorf("code 128: byte %d is not printable ASCII", i)
		}
		v := int(c - ' ')
		sum += (i + 1) * v
		modules = appendValue(modules, v)
	}
	modules = appendValue(modules, sum%103)
	for _, w := range []byte(stop) {
		modules = append(modules, int(w-'0'))
	}
	for _, w := range modules {
		total += w
	}
	return modules, total, nil
}

func appendValue(m []int, v int) []int {
	for _, w := range []byte(widths[6*v : 6*v+6]) {
		m = append(m, int(w-'0'))
	}
	return m
}

// SVG returns text as an SVG element of class "bars" that stretches to the
// height it is given, quiet zones included. title is what a screen reader says.
func SVG(text, title string) (string, error) {
	modules, total, err := Code128(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="bars" viewBox="0 0 %d 1" preserveAspectRatio="none" role="img" shape-rendering="crispEdges"><title>%s</title><path d="`, total+20, html.EscapeString(title))
	x := 10
	for i, m := range modules {
		if i%2 == 0 {
			fmt.Fprintf(&b, "M%d 0h%dv1h-%dz", x, m, m)
		}
		x += m
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
