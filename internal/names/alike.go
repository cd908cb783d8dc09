package names

import "slices"

// Likeness is how alike two names are.
type Likeness struct {
	// Score is from 0, nothing in common, to 1, the same.
	Score float64
	// Comparable is false where the names are in different scripts, or one is
	// missing: the score says nothing then.
	Comparable bool
	// First says that the first full parts are alike, whatever the others are: a
	// given name with another family name.
	First bool
}

// What is not alike by so much counts as another name, and what an initial that
// fits is worth.
const (
	least        = 0.85
	initialFits  = 0.86
	extraPart    = 0.04 // for each part that only the longer name has
	otherSound   = 0.98 // of a likeness by sound
	otherInitial = 0.12 // less where the first letters differ: these are seldom mistaken
	onePart      = 0.80 // at most, where one of two different names has a single part
)

// Alike compares two names, in any order of their parts.
func Alike(a, b Name) Likeness {
	a, b = inOneScript(a, b)
	if len(a.tokens) == 0 || len(b.tokens) == 0 {
		return Likeness{}
	}
	if len(a.tokens) > len(b.tokens) {
		a, b = b, a
	}
	out := Likeness{Comparable: true, First: first(a, b)}
	total, full := 0.0, 0
	taken := make([]bool, len(b.tokens))
	// Full parts choose before initials.
	order := slices.Clone(a.tokens)
	slices.SortStableFunc(order, func(x, y token) int { return len(y.letters) - len(x.letters) })
	for _, t := range order {
		best, at := 0.0, -1
		for i, u := range b.tokens {
			if taken[i] {
				continue
			}
			if s := alike(t, u); s > best {
				best, at = s, i
			}
		}
		if at >= 0 && best >= least {
			taken[at] = true
			total += best
			if !t.initial() && !b.tokens[at].initial() {
				full++
			}
		}
	}
	out.Score = total/float64(len(a.tokens)) - extraPart*float64(min(len(b.tokens)-len(a.tokens), 4))
	switch {
	case full == 0: // initials alone are anybody's
		out.Score = min(out.Score, 0.5)
	case len(a.tokens) == 1 && len(b.tokens) > 1:
		out.Score = min(out.Score, onePart)
	}
	out.Score = max(out.Score, 0)
	return out
}

// first reports whether the first full parts are alike.
func first(a, b Name) bool {
	full := func(n Name) *token {
		for i := range n.tokens {
			if !n.tokens[i].initial() {
				return &n.tokens[i]
			}
		}
		return nil
	}
	x, y := full(a), full(b)
	return x != nil && y != nil && alike(*x, *y) >= least
}

// inOneScript keeps of two names the parts in the script that both have. A name
// may be recorded in two.
func inOneScript(a, b Name) (Name, Name) {
	for _, s := range append(scripts(), nil) {
		only := func(n Name) Name {
			var out Name
			for _, t := range n.tokens {
				if t.script == s {
					out.tokens = append(out.tokens, t)
				}
			}
			return out
		}
		if x, y := only(a), only(b); len(x.tokens) > 0 && len(y.tokens) > 0 {
			return x, y
		}
	}
	return Name{}, Name{}
}

// alike compares two parts in one script.
func alike(a, b token) float64 {
	if a.initial() != b.initial() {
		if a.letters[0] == b.letters[0] {
			return initialFits
		}
		return 0
	}
	return max(letters(a.letters, b.letters), otherSound*letters(a.sound, b.sound))
}

func letters(a, b []rune) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	s := jaroWinkler(a, b)
	if a[0] != b[0] {
		s -= otherInitial
	}
	return max(s, 0)
}

// jaroWinkler is the likeness of two words by Jaro (1989), with Winkler's (1990)
// weight on a common beginning of up to four letters.
func jaroWinkler(a, b []rune) float64 {
	if slices.Equal(a, b) {
		return 1
	}
	within := max(max(len(a), len(b))/2-1, 0)
	usedA, usedB := make([]bool, len(a)), make([]bool, len(b))
	common := 0
	for i, r := range a {
		for j := max(0, i-within); j < min(len(b), i+within+1); j++ {
			if !usedB[j] && b[j] == r {
				usedA[i], usedB[j] = true, true
				common++
				break
			}
		}
	}
	if common == 0 {
		return 0
	}
	moved, j := 0, 0
	for i := range a {
		if !usedA[i] {
			continue
		}
		for !usedB[j] {
			j++
		}
		if a[i] != b[j] {
			moved++
		}
		j++
	}
	m := float64(common)
	jaro := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(moved)/2)/m) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}
