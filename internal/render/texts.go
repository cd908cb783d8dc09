package render

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/render/shape"
)

//go:embed locales/*.json icvp/*.json
var localeFiles embed.FS

// Text is one thing said in the languages of the page, one phrase each. A
// phrase without a language is the same in all: a name, a number, a date.
type Text []shape.Phrase

// plain is a text in no particular language.
func plain(s string) Text {
	if s = shape.Clean(s); s == "" {
		return nil
	}
	return Text{{Text: s}}
}

// String joins the phrases as they are printed on one line.
func (t Text) String() string {
	parts := make([]string, len(t))
	for i, p := range t {
		parts[i] = p.Text
	}
	return strings.Join(parts, " / ")
}

// inline is the phrases with slashes between them, as one paragraph.
func (t Text) inline() []shape.Phrase {
	if len(t) < 2 {
		return t
	}
	out := make([]shape.Phrase, 0, 2*len(t)-1)
	for i, p := range t {
		if i > 0 {
			out = append(out, shape.Phrase{Text: " / "})
		}
		out = append(out, p)
	}
	return out
}

// spaced is the phrases with dots between them, as one paragraph.
func (t Text) spaced() []shape.Phrase {
	var out []shape.Phrase
	for i, p := range t {
		if i > 0 {
			out = append(out, shape.Phrase{Text: " · "})
		}
		out = append(out, p)
	}
	return out
}

// texts are the words of the page by language and key.
type texts map[string]map[string]string

func loadTexts() (texts, error) { return textsIn("locales") }

// textsIn reads the words of one folder: of pages, or of the form of ICVP.
func textsIn(folder string) (texts, error) {
	t := texts{}
	files, err := fs.Glob(localeFiles, folder+"/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := localeFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		words := map[string]string{}
		if err := json.Unmarshal(data, &words); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t[strings.TrimSuffix(strings.TrimPrefix(name, folder+"/"), ".json")] = words
	}
	return t, nil
}

// word returns the text of key in lang, in English where lang has none.
func (t texts) word(lang, key string) (word, in string) {
	if w, ok := t[lang][key]; ok {
		return w, lang
	}
	return t["en"][key], "en"
}

// say returns key in each of langs, with {names} replaced by their values.
// Languages that say the same are said once.
func (t texts) say(langs []string, key string, replace ...string) Text {
	out := make(Text, 0, len(langs))
	for _, lang := range langs {
		w, in := t.word(lang, key)
		if len(replace) > 0 {
			w = strings.NewReplacer(replace...).Replace(w)
		}
		out = out.add(shape.Phrase{Lang: in, Text: w})
	}
	return out
}

// add appends p unless its words are there already.
func (t Text) add(p shape.Phrase) Text {
	if p.Text == "" || slices.ContainsFunc(t, func(q shape.Phrase) bool { return q.Text == p.Text }) {
		return t
	}
	return append(t, p)
}

// named returns the names of something in each of langs, "en" where one has none.
func named(langs []string, names map[string]string) Text {
	var out Text
	for _, lang := range langs {
		if n := shape.Clean(names[lang]); n != "" {
			out = out.add(shape.Phrase{Lang: lang, Text: n})
		} else if n := shape.Clean(names["en"]); n != "" {
			out = out.add(shape.Phrase{Lang: "en", Text: n})
		}
	}
	return out
}
