//go:build pseudo

package locale

import (
	"strings"
	"unicode"
)

// Pseudo are languages that nobody speaks, for tests of the pages alone (build tag
// "pseudo"): English that is longer, accented, and written from right to left.
func Pseudo() []string { return []string{pseudo} }

const pseudo = "ar-XB" // as others call it: https://www.unicode.org/reports/tr35/#unicode_locale_id

// addPseudo adds them to those that there are.
func addPseudo(c *Catalogue) {
	l := &Locale{Tag: pseudo, texts: map[string]string{}, english: c.byTag[Fallback]}
	for key, text := range c.byTag[Fallback].texts {
		l.texts[key] = disguise(text)
	}
	l.texts["language.dir"], l.texts["language.name"] = "rtl", disguise("Pseudo")
	c.byTag[pseudo] = l
}

// disguise accents letters and makes words longer, and leaves places for values.
// U+202E turns the letters round as those of a right-to-left script are; an
// isolate keeps what follows out of it.
func disguise(text string) string {
	const from, to = "aceinorsuyACEINORSUY", "áçéíñóřšúýÁÇÉÍÑÓŘŠÚÝ"
	accents := map[rune]rune{}
	for i, r := range []rune(to) {
		accents[rune(from[i])] = r
	}
	var out strings.Builder
	place, letters := false, 0
	for _, r := range text {
		switch {
		case r == '{':
			place = true
		case r == '}':
			place = false
		}
		if a, ok := accents[r]; ok && !place {
			r = a
		}
		if !place && unicode.IsLetter(r) {
			if letters++; letters%3 == 0 { // a third longer
				out.WriteRune(unicode.ToLower(r))
			}
		}
		out.WriteRune(r)
	}
	return "\u2067\u202e" + strings.ReplaceAll(strings.ReplaceAll(out.String(), "{", "\u202c\u2068{"), "}", "}\u2069\u202e") + "\u202c\u2069"
}
