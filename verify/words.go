package verify

import (
	"embed"
	"encoding/json"
	"strings"
	"sync"
)

// words is one language's file in texts/.
type words struct {
	Verdicts map[string]string `json:"verdicts"`
	Statuses map[string]string `json:"statuses"`
	Labels   map[string]string `json:"labels"`
	Notes    map[string]string `json:"notes"`
}

//go:embed texts/*.json
var wordFiles embed.FS

// allWords parses the embedded files once; they are immutable data.
var allWords = sync.OnceValue(func() map[string]*words {
	all := map[string]*words{}
	files, err := wordFiles.ReadDir("texts")
	if err != nil {
		panic("verify: embedded texts: " + err.Error())
	}
	for _, f := range files {
		data, err := wordFiles.ReadFile("texts/" + f.Name())
		if err != nil {
			panic("verify: embedded texts: " + err.Error())
		}
		w := new(words)
		if err := json.Unmarshal(data, w); err != nil {
			panic("verify: " + f.Name() + ": " + err.Error())
		}
		all[strings.TrimSuffix(f.Name(), ".json")] = w
	}
	return all
})

// wordsIn returns the words of a language given as a BCP 47 tag ("si",
// "ta-LK"), English where there are none.
func wordsIn(lang string) *words {
	primary, _, _ := strings.Cut(strings.ToLower(lang), "-")
	if w, ok := allWords()[primary]; ok {
		return w
	}
	return allWords()["en"]
}

// Languages returns the languages a Statement can be written in, English first.
func Languages() []string {
	out := []string{"en"}
	files, _ := wordFiles.ReadDir("texts")
	for _, f := range files {
		if l := strings.TrimSuffix(f.Name(), ".json"); l != "en" {
			out = append(out, l)
		}
	}
	return out
}
