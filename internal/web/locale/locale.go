// Package locale holds the texts of the web pages, a folder per language with a
// file per part of the pages, and the ways a language writes dates and times.
//
// A text is a sentence with places for values in braces: "Dose {dose} of
// {total}". English is complete; a test holds the other languages to it, file by
// file: what a language has no file for is shown in English.
package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/opendivoc/divoc/vaccination"
)

//go:embed texts/*/*.json
var files embed.FS

// Fallback is the language that has every text.
const Fallback = "en"

// Catalogue is the texts of all languages.
type Catalogue struct{ byTag map[string]*Locale }

// Locale is one language. Its text "language.name" is the language's own name
// and "language.dir" its writing direction, ltr or rtl.
type Locale struct {
	Tag     string // BCP 47: "en", "si", "ta"
	texts   map[string]string
	english *Locale
	zone    *time.Location // of [Locale.Time]; nil for UTC
}

// Load reads the embedded texts.
func Load() (*Catalogue, error) {
	parts, err := fs.Glob(files, "texts/*/*.json")
	if err != nil {
		return nil, err
	}
	c := &Catalogue{byTag: make(map[string]*Locale)}
	for _, name := range parts {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		tag := path.Base(path.Dir(name))
		l := c.byTag[tag]
		if l == nil {
			l = &Locale{Tag: tag, texts: make(map[string]string)}
			c.byTag[tag] = l
		}
		var texts map[string]string
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("locale %s: %w", name, err)
		}
		for key, text := range texts {
			if _, twice := l.texts[key]; twice {
				return nil, fmt.Errorf("locale %s: there is another text for %s", name, key)
			}
			l.texts[key] = text
		}
	}
	for _, l := range c.byTag {
		l.english = c.byTag[Fallback]
	}
	addPseudo(c)
	return c, nil
}

// Locale returns the language, or English where there are no texts for it.
func (c *Catalogue) Locale(tag string) *Locale {
	if l, ok := c.byTag[tag]; ok {
		return l
	}
	return c.byTag[Fallback]
}

// Has reports whether there are texts in the language.
func (c *Catalogue) Has(tag string) bool {
	_, ok := c.byTag[tag]
	return ok
}

// Complete reports whether the language has every text that English has.
func (c *Catalogue) Complete(tag string) bool {
	l, ok := c.byTag[tag]
	if !ok {
		return false
	}
	for key := range c.byTag[Fallback].texts {
		if _, ok := l.texts[key]; !ok {
			return false
		}
	}
	return true
}

// Match returns the offered language that suits an Accept-Language header
// best; the first offered when none does.
func Match(offered []string, acceptLanguage string) string {
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 {
		return offered[0]
	}
	tags := make([]language.Tag, len(offered))
	for i, o := range offered {
		tags[i] = language.Make(o)
	}
	// The index, not the tag: the tag comes back with the reader's region in it.
	_, i, confidence := language.NewMatcher(tags).Match(wanted...)
	if confidence == language.No {
		return offered[0]
	}
	return offered[i]
}

// T returns a text with its places filled: T("dose", "dose", "1", "total", "2").
// A text that does not exist returns its key; a test finds it.
func (l *Locale) T(key string, args ...string) string {
	text, ok := l.texts[key]
	if !ok && l.english != nil {
		text, ok = l.english.texts[key]
	}
	if !ok {
		return key
	}
	if len(args) == 0 {
		return text
	}
	pairs := make([]string, len(args))
	for i := range args {
		if pairs[i] = args[i]; i%2 == 0 {
			pairs[i] = "{" + args[i] + "}"
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Has reports whether the language has this text.
func (l *Locale) Has(key string) bool {
	_, ok := l.texts[key]
	return ok || l.english != nil && l.english != l && l.english.Has(key)
}

// Dir is the writing direction: "ltr" or "rtl".
func (l *Locale) Dir() string { return l.T("language.dir") }

// Name is the language's name in itself.
func (l *Locale) Name() string { return l.T("language.name") }

// Texts returns the texts whose keys begin with one of the prefixes, for a
// script that writes the same page.
func (l *Locale) Texts(prefixes ...string) map[string]string {
	out := make(map[string]string)
	if l.english != nil && l.english != l {
		out = l.english.Texts(prefixes...)
	}
	for k, v := range l.texts {
		for _, p := range prefixes {
			if strings.HasPrefix(k, p) {
				out[k] = v
			}
		}
	}
	return out
}

// Date writes a date as far as it is known: "21 April 1987", "April 1987",
// "about 1987". The unknown date is "Not recorded".
func (l *Locale) Date(d vaccination.Date) string {
	var s string
	switch d.Precision() {
	case vaccination.PrecisionUnknown:
		return l.T("date.unknown")
	case vaccination.PrecisionYear:
		s = strconv.Itoa(d.Year)
	case vaccination.PrecisionMonth:
		s = l.T("date.month", "month", l.month(d.Month), "year", strconv.Itoa(d.Year))
	default:
		s = l.T("date.day", "day", strconv.Itoa(d.Day), "month", l.month(d.Month), "year", strconv.Itoa(d.Year))
	}
	if d.Estimated {
		return l.T("date.estimated", "date", s)
	}
	return s
}

func (l *Locale) month(m time.Month) string { return l.T("month." + strconv.Itoa(int(m))) }

// UTC writes a moment to the minute, in UTC and saying so: whoever reads it may be in
// another zone than whoever issued it.
func (l *Locale) UTC(t time.Time) string { return l.moment("date.time", t.UTC()) }

// In is the language with [Locale.Time] in a zone.
func (l *Locale) In(zone *time.Location) *Locale {
	in := *l
	in.zone = zone
	return &in
}

// Time writes a moment to the minute by the clocks of the zone, for the country's own
// people; as [Locale.UTC] where there is none.
func (l *Locale) Time(t time.Time) string {
	if l.zone == nil {
		return l.UTC(t)
	}
	return l.moment("date.local", t.In(l.zone))
}

func (l *Locale) moment(key string, t time.Time) string {
	return l.T(key, "date", l.Date(vaccination.DateOf(t)), "time", t.Format("15:04"))
}
