package locale

import "github.com/opendivoc/divoc/vaccination"

// Term is what a code of a test means in the reader's language, where there is a
// word for it, else its text as it was recorded.
func (l *Locale) Term(c vaccination.Coding) string {
	if key := "term." + c.Code; c.Code != "" && l.Has(key) {
		return l.T(key)
	}
	if c.Display != "" {
		return c.Display
	}
	return c.Code
}
