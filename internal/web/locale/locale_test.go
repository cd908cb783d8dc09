package locale

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var place = regexp.MustCompile(`\{\w+\}`)

func TestEveryLanguageHasEveryTextWithItsPlaces(t *testing.T) {
	c := load(t)
	english, err := fs.Glob(files, "texts/en/*.json")
	if err != nil || len(english) < 4 {
		t.Fatalf("English has the files %v, %v", english, err)
	}
	for tag := range c.byTag {
		parts, err := fs.Glob(files, "texts/"+tag+"/*.json")
		if err != nil {
			t.Fatal(err)
		}
		if missing := len(parts) < len(english); missing && slices.Contains([]string{"en", "si", "ta"}, tag) {
			t.Errorf("%s has %d of %d files", tag, len(parts), len(english))
		}
		for _, part := range parts {
			compare(t, tag, readTexts(t, part), readTexts(t, "texts/en/"+path.Base(part)))
		}
	}
}

func readTexts(t *testing.T, name string) (texts map[string]string) {
	t.Helper()
	data, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &texts); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return texts
}

// compare holds the texts of one language and part to those of English.
func compare(t *testing.T, tag string, texts, en map[string]string) {
	t.Helper()
	for key, text := range en {
		other, ok := texts[key]
		if !ok || strings.TrimSpace(other) == "" {
			t.Errorf("%s has no text for %s", tag, key)
			continue
		}
		want, got := place.FindAllString(text, -1), place.FindAllString(other, -1)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s %s has the places %v, English %v", tag, key, got, want)
		}
	}
	for key := range texts {
		if _, ok := en[key]; !ok {
			t.Errorf("%s has a text for %s, English has none", tag, key)
		}
	}
}

// Every key written out in a page or a script has a text.
func TestEveryKeyUsedHasAText(t *testing.T) {
	en := load(t).Locale("en")
	used := regexp.MustCompile("[\"'`](?:home|demo|issue|verify|result|row|frame|error|date|service|get|fault|signin|my|desk|admin)\\.[a-zA-Z0-9.-]+[\"'`]")
	file := regexp.MustCompile(`\.(|m?js|ts|wasm|templ|go)$`)
	web := os.DirFS("..")
	found := 0
	err := fs.WalkDir(web, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "locale" || d.Name() == "dist") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".templ") && !strings.HasSuffix(path, ".js") && !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := fs.ReadFile(web, path)
		if err != nil {
			return err
		}
		for _, quoted := range used.FindAllString(string(data), -1) {
			key := quoted[1 : len(quoted)-1]
			if file.MatchString(key) {
				continue
			}
			if found++; !en.Has(key) && !en.Has(key+".title") {
				t.Errorf("%s uses %s, which has no text", path, key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 100 {
		t.Errorf("only %d uses found: the search is broken", found)
	}
}

func TestMatch(t *testing.T) {
	offered := []string{"en", "si", "ta"}
	for _, test := range []struct{ name, header, want string }{
		{"nothing asked", "", "en"},
		{"the region does not matter", "ta-LK,ta;q=0.9,en;q=0.5", "ta"},
		{"by weight", "en;q=0.2, si;q=0.8", "si"},
		{"not offered", "fr-FR, de", "en"},
		{"the first that is offered", "fr, ta;q=0.4", "ta"},
		{"not a header", ";;;=", "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Match(offered, test.header); got != test.want {
				t.Errorf("Match(%q) = %q, want %q", test.header, got, test.want)
			}
		})
	}
}

func TestDatesAreWrittenAsFarAsTheyAreKnown(t *testing.T) {
	c := load(t)
	for _, test := range []struct{ date, en, si string }{
		{"1987-04-21", "21 April 1987", "1987 අප්\u200dරේල් 21"},
		{"1987-04", "April 1987", "1987 අප්\u200dරේල්"},
		{"1987", "1987", "1987"},
		{"1987~", "about 1987", "1987 පමණ"},
		{"", "Not recorded", "සටහන් කර නැත"},
	} {
		d, err := vaccination.ParseDate(test.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Locale("en").Date(d); got != test.en {
			t.Errorf("en %q: %q, want %q", test.date, got, test.en)
		}
		if got := c.Locale("si").Date(d); got != test.si {
			t.Errorf("si %q: %q, want %q", test.date, got, test.si)
		}
	}
}

// A verifier is told UTC; a country's own people what their clocks show.
func TestTimes(t *testing.T) {
	kingston := time.FixedZone("", -5*3600)
	at, l := time.Date(2026, 11, 21, 22, 5, 59, 0, kingston), load(t).Locale("en")
	const utc, local = "22 November 2026, 03:05 UTC", "21 November 2026, 22:05"
	for what, test := range map[string]struct{ got, want string }{
		"without a zone":      {l.Time(at), utc},
		"in a country":        {l.In(kingston).Time(at.UTC()), local},
		"of a verifier there": {l.In(kingston).UTC(at), utc},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", what, test.got, test.want)
		}
	}
}

func TestAValueIsNotATemplate(t *testing.T) {
	got := load(t).Locale("en").T("dose.of", "dose", "{total}", "total", "2")
	if want := "{total} of 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
