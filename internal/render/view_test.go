package render

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
)

func TestLanguagesSayTheSameThings(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	holes := regexp.MustCompile(`\{\w+\}`)
	english := slices.Sorted(maps.Keys(texts["en"]))
	for lang, words := range texts {
		if diff := cmp.Diff(english, slices.Sorted(maps.Keys(words))); diff != "" {
			t.Errorf("%s has other keys:\n%s", lang, diff)
		}
		for key, text := range words {
			want, got := holes.FindAllString(texts["en"][key], -1), holes.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) || text == "" {
				t.Errorf("%s: %s has %v, in English %v", lang, key, got, want)
			}
		}
	}
}

func TestDatesSayWhatIsNotKnown(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	v := viewer{texts: texts, langs: []string{"en"}}
	for in, want := range map[string]string{
		"": "|", "1987-04-21": "1987-04-21|", "1987-04-21~": "1987-04-21|estimated",
		"1987-04": "1987-04|day not known", "1987-04~": "1987-04|day not known, month estimated",
		"1987": "1987|only the year is known", "1987~": "1987|only the year is known, estimated",
	} {
		value, note := v.date(date(in))
		if got := value.String() + "|" + note.String(); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestDoseNumbers(t *testing.T) {
	texts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	v := viewer{texts: texts, langs: []string{"en"}}
	for _, c := range []struct {
		n, total int
		want     string
	}{{1, 2, "1 of 2"}, {3, 2, "3"}, {1, 0, "1"}, {0, 2, ""}} {
		if got := v.doseNumber(vaccination.Dose{Number: c.n, Total: c.total}).String(); got != c.want {
			t.Errorf("%d of %d: %q", c.n, c.total, got)
		}
	}
}

func TestAViewSays(t *testing.T) {
	r := renderer(t)
	all := func(v *View) string {
		s := v.Title.String() + "\n"
		for _, w := range slices.Concat(v.Warnings, v.Notes) {
			s += w.String() + "\n"
		}
		for _, f := range slices.Concat(v.Person, v.Common, v.About) {
			s += f.Label.String() + "=" + f.Value.String() + "\n"
		}
		for _, row := range v.Doses {
			for _, c := range row.Cells {
				s += c.Main.String() + "\n"
				for _, l := range c.Lines {
					s += l.Key + "=" + l.Value.String() + "\n"
				}
			}
		}
		return s
	}
	for name, c := range map[string]struct {
		change    func(*Document)
		has, lack string
	}{
		"a missing lot":                    {change: func(d *Document) { d.Doses[0].Vaccination.Lot = "" }, has: "Not recorded"},
		"a missing product":                {change: func(d *Document) { d.Doses[0].Vaccination = vaccination.Dose{Number: 1} }, has: "Not recorded"},
		"a missing birth date":             {change: func(d *Document) { d.Doses[1].BirthDate = vaccination.Date{} }, has: "Date of birth=Not recorded"},
		"a specimen":                       {change: func(d *Document) { d.Doses[0].Specimen = true }, has: "SPECIMEN"},
		"no specimen":                      {change: func(*Document) {}, lack: "SPECIMEN"},
		"domestic use":                     {change: func(d *Document) { d.Doses[1].Domestic = true }, has: "For domestic use only"},
		"no domestic use":                  {change: func(*Document) {}, lack: "domestic"},
		"the day in the country's zone":    {change: func(*Document) {}, has: "Issued on=2021-07-01"},
		"no end":                           {change: func(d *Document) { d.Doses[1].Info.Period.End = time.Time{} }, has: "Valid until=No end date"},
		"the vaccine's validity":           {change: func(d *Document) { d.Doses[0].Vaccination.ValidUntil = date("2022-01-01") }, has: "until 2022-01-01"},
		"two diseases":                     {change: func(d *Document) { d.Doses[0].Vaccination.Disease.Display = "Yellow fever" }, has: "disease=Yellow fever"},
		"a name that turns the text":       {change: func(d *Document) { d.Doses[1].Name = "A\u202eB" }, has: "Name=AB"},
		"a holder that is not the maker":   {change: func(d *Document) { d.Doses[0].Vaccination.MAHolder.Display = "Holder Ltd" }, has: "maholder=Holder Ltd"},
		"which dose the code is of":        {change: func(*Document) {}, has: "The code certifies dose 2."},
		"no code, no word of scanning":     {change: func(d *Document) { d.QR = "" }, lack: "scan the code"},
		"a kind of document not known":     {change: func(d *Document) { d.Doses[1].Identifier.Kind = "library card" }, has: "library card=A0000001"},
		"a sex outside the list as it is":  {change: func(d *Document) { d.Doses[1].Sex = "x" }, has: "Sex=x"},
		"an unknown language is English":   {change: func(d *Document) { d.Languages = []string{"xx"} }, has: "Name=Shanice"},
		"a programme named in the heading": {change: func(*Document) {}, has: "COVID-19 vaccination certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := jamaica()
			c.change(&d)
			v, err := r.View(d)
			if err != nil {
				t.Fatal(err)
			}
			got := all(v)
			if c.has != "" && !strings.Contains(got, c.has) || c.lack != "" && strings.Contains(got, c.lack) {
				t.Errorf("want %q, not %q in:\n%s", c.has, c.lack, got)
			}
		})
	}
}

func TestLayoutsThatAreWrongAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"unknown key":        {"acent: '#000000'", "acent"},
		"no colour":          {"accent: red", "accent"},
		"small code":         {"qr: 40", "50 to 80"},
		"large margin":       {"margin: 60", "10 to 25"},
		"unknown block":      {"blocks: [{kind: headr}]", "headr"},
		"block twice":        {"blocks: [{kind: header}, {kind: header}]", "twice"},
		"block missing":      {"blocks: [{kind: header}]", "missing"},
		"unknown field":      {"blocks: [{kind: person, fields: [name, birthDate, height]}]", "height"},
		"field twice":        {"blocks: [{kind: person, fields: [name, birthDate, name]}]", "twice"},
		"core field missing": {"blocks: [{kind: doses, fields: [dose, date, vaccine, place]}]", "lot"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseLayout([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	l, err := ParseLayout(nil)
	if diff := cmp.Diff(DefaultLayout(), l); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func FuzzParseLayout(f *testing.F) {
	f.Add([]byte("accent: '#112233'\nqr: 60\nblocks: [{kind: header}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLayout(data)
		if err != nil {
			return
		}
		if _, err := l.complete(); err != nil {
			t.Fatalf("accepted, then refused: %v", err)
		}
	})
}

func TestHTMLFitsAStrictPolicyAndNamesItsLanguages(t *testing.T) {
	r := renderer(t)
	dir := outDir(t)
	for name, d := range samples() {
		d.Doses[d.Latest].Name = `<script>alert("1")</script>`
		var b bytes.Buffer
		if err := r.HTML(&b, d, HTMLOptions{Stylesheet: "/assets/print.css"}); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		for _, bad := range []string{"<script", "style=", "<style", "onload", "javascript:"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: %q in the page", name, bad)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := r.HTML(&b, sriLanka(), HTMLOptions{Stylesheet: "/a.css", QRImage: "/qr.svg"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<html lang="si">`, `lang="ta"`, `lang="en"`, `href="/a.css?accent=`, `<img src="/qr.svg" alt="`, `<th scope="col">`, "<h1>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in the page", want)
		}
	}
	css, err := PrintCSS("")
	if err != nil || bytes.Contains(css, []byte("http")) || bytes.Contains(css, []byte("@import")) {
		t.Errorf("the style sheet loads something: %v", err)
	}
	for accent, want := range map[string]string{"7a1f3d": "--accent: #7a1f3d; --quiet: #545454; --tint: #f3ebee;", "red;}": "--accent: #1f4e79;", "": "--tint: #e8eef4;"} {
		if css, err := PrintCSS(accent); err != nil || !bytes.Contains(css, []byte(want)) || bytes.Contains(css, []byte("red")) {
			t.Errorf("the style sheet in %q: %v\n%.200s", accent, err, css)
		}
	}
}
