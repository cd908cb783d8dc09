// Package names says how alike two recorded names are. It decides nothing: a
// likeness is one of several reasons to think that two records are about one
// person.
//
// Names are compared within one script. Nothing is transliterated: what a name
// is in another script is for the source to say.
package names

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxTokens and maxLetters bound what is compared; the rest of a longer name
// says little more.
const (
	maxTokens  = 12
	maxLetters = 40
)

// Name is a recorded name, ready to be compared.
type Name struct {
	tokens []token
}

// token is one part of a name, between spaces or signs.
type token struct {
	letters []rune // folded
	sound   []rune // as it is often written otherwise, for Latin letters
	script  *unicode.RangeTable
}

// initial reports whether a token is one letter of the Latin, Greek or Cyrillic
// alphabet: the beginning of a name.
func (t token) initial() bool { return len(t.letters) == 1 && cased(t.script) }

// scripts are those in which names are told apart; every other is one more.
func scripts() []*unicode.RangeTable {
	return []*unicode.RangeTable{unicode.Latin, unicode.Sinhala, unicode.Tamil, unicode.Arabic, unicode.Devanagari, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Khmer}
}

func cased(s *unicode.RangeTable) bool {
	return s == unicode.Latin || s == unicode.Greek || s == unicode.Cyrillic
}

func scriptOf(letters []rune) *unicode.RangeTable {
	for _, s := range scripts() {
		if slices.ContainsFunc(letters, func(r rune) bool { return unicode.Is(s, r) }) {
			return s
		}
	}
	return nil
}

// Parse reads a name. Case, accents of letters that have case, signs and titles
// do not count; the vowel signs of Sinhala, Tamil and others do.
func Parse(name string) Name {
	var n Name
	for _, word := range words(name) {
		t := token{letters: []rune(word)}
		if len(n.tokens) == maxTokens || isTitle(word) {
			continue
		}
		t.letters = t.letters[:min(len(t.letters), maxLetters)]
		t.script = scriptOf(t.letters)
		t.sound = t.letters
		if t.script == unicode.Latin {
			t.sound = sound(t.letters)
		}
		n.tokens = append(n.tokens, t)
	}
	return n
}

// words splits and folds a name.
func words(name string) []string {
	name = name[:min(len(name), 1000)]
	var b strings.Builder
	var base rune // the letter that marks belong to
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(name, "")) {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Mc):
			if !unicode.In(base, unicode.Latin, unicode.Greek, unicode.Cyrillic) {
				b.WriteRune(r)
			}
		case unicode.Is(unicode.Cf, r) || strings.ContainsRune("'’‘`ʼ´", r): // joiners, apostrophes
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			base = r
			b.WriteString(fold(r))
		default: // hyphens, dots, spaces
			base = 0
			b.WriteByte(' ')
		}
	}
	return strings.Fields(norm.NFC.String(b.String()))
}

// fold is a letter without case, in its plain form.
func fold(r rune) string {
	switch r = unicode.ToLower(r); r {
	case 'ß':
		return "ss"
	case 'æ':
		return "ae"
	case 'œ':
		return "oe"
	case 'ø':
		return "o"
	case 'đ', 'ð':
		return "d"
	case 'þ':
		return "th"
	case 'ł':
		return "l"
	case 'ı':
		return "i"
	}
	return string(r)
}

func isTitle(word string) bool {
	return slices.Contains([]string{"mr", "mrs", "ms", "miss", "dr", "rev", "prof", "sr", "jr", "baby"}, word)
}

// sound brings common ways of writing one sound in Latin letters to one:
// Fathima and Fatima, Lakshman and Laxman, Jayasooriya and Jayasuriya.
func sound(s []rune) []rune {
	out := make([]rune, 0, len(s))
	for i := 0; i < len(s); i++ {
		r, next, third := s[i], rune(0), rune(0)
		if i+1 < len(s) {
			next = s[i+1]
		}
		if i+2 < len(s) {
			third = s[i+2]
		}
		skip := 1
		switch {
		case r == 'k' && next == 's' && third == 'h':
			r, skip = 'x', 2
		case r == 'k' && next == 's':
			r = 'x'
		case r == 'o' && (next == 'o' || next == 'u'):
			r = 'u'
		case r == 'e' && (next == 'e' || next == 'a'), r == 'i' && next == 'e':
			r = 'i'
		case r == 'p' && next == 'h':
			r = 'f'
		case r == 'c' && next == 'k':
			r = 'k'
		case strings.ContainsRune("tdbgksc", r) && next == 'h':
		default:
			skip = 0
		}
		i += skip
		switch r {
		case 'w':
			r = 'v'
		case 'y':
			r = 'i'
		case 'z':
			r = 's'
		case 'q':
			r = 'k'
		}
		if len(out) == 0 || out[len(out)-1] != r {
			out = append(out, r)
		}
	}
	return out
}

// Key is the same for names that differ only in order, case, accents, titles and
// common spellings; "" where there is no name. It is an input of blind indexes:
// what it is for a name may not change.
func (n Name) Key() string {
	var parts []string
	for _, t := range n.tokens {
		parts = append(parts, string(t.sound))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
