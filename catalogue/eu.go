package catalogue

import (
	"strings"
	"sync"
)

// euTable is the value sets of EU DCC as of 2023-07, all in one, as no code is in
// two of them: a line for each with its set, code and name.
var euTable = sync.OnceValue(func() map[string][2]string {
	b, err := data.ReadFile("data/eu-valuesets.txt")
	if err != nil {
		panic("catalogue: " + err.Error()) // embedded: cannot be
	}
	t := map[string][2]string{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			t[f[1]] = [2]string{f[0], f[2]}
		}
	}
	return t
})

// EUName returns the English name of a code of EU DCC's value sets: diseases
// (tg), vaccines (vp), products (mp), their holders (ma), kinds of test (tt),
// results (tr) and rapid tests (the devices that JRC lists, as far as they are
// here). It is "" for another code.
func EUName(code string) string { return euTable()[code][1] }

// EUSet returns in which of the value sets a code is: "tg", "vp", "mp", "ma",
// "tt", "tr", "device", or "".
func EUSet(code string) string { return euTable()[code][0] }

// PreQualified returns the product with this WHO prequalification id.
func (c *Catalogue) PreQualified(id string) (Product, bool) {
	for _, p := range c.products {
		if id != "" && p.WHOPQ == id {
			return p, true
		}
	}
	return Product{}, false
}
