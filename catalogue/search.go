package catalogue

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// fold reduces a name to what matters in it: letters, digits and the vowel
// signs of Indic scripts, in lower case. Full-width forms count as ASCII.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xff01 && r <= 0xff5e {
			r -= 0xff01 - '!'
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// likeness is how alike a name must be for Closest to offer the product.
const likeness = 0.35

// maxLike bounds the length of a name that Closest looks at, in bytes.
const maxLike = 200

// Closest returns up to n products whose names are most like name, the best
// first. It is for the text of an error only, never for issuing: a person
// chooses.
func (c *Catalogue) Closest(name string, n int) []Product {
	if len(name) > maxLike {
		return nil
	}
	asked := pairs(fold(name))
	type found struct {
		product int
		like    float64
	}
	var best []found
	for i, p := range c.products {
		like := 0.0
		for _, s := range slices.Concat([]string{p.Key}, slices.Collect(maps.Values(p.Names)), p.Aliases) {
			like = max(like, alike(asked, pairs(fold(s))))
		}
		if like >= likeness {
			best = append(best, found{i, like})
		}
	}
	slices.SortStableFunc(best, func(a, b found) int { return cmp.Compare(b.like, a.like) })
	var out []Product
	for _, f := range best[:min(n, len(best))] {
		out = append(out, c.products[f.product])
	}
	return out
}

// pairs counts the pairs of neighbouring letters of s, with its two ends.
func pairs(s string) map[[2]rune]int {
	out := map[[2]rune]int{}
	last := rune(0)
	for _, r := range s {
		out[[2]rune{last, r}]++
		last = r
	}
	if s != "" {
		out[[2]rune{last, 0}]++
	}
	return out
}

// alike is the Sørensen-Dice coefficient of two bags of pairs: 1 for the same
// bag, 0 for nothing in common.
func alike(a, b map[[2]rune]int) float64 {
	both, all := 0, 0
	for p, n := range a {
		both += min(n, b[p])
		all += n
	}
	for _, n := range b {
		all += n
	}
	if all == 0 {
		return 0
	}
	return 2 * float64(both) / float64(all)
}
