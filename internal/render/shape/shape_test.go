package shape

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opendivoc/divoc/internal/render/fonts"
)

func load(t testing.TB) *Set {
	t.Helper()
	s, err := Load(fonts.FS())
	if err != nil {
		t.Skipf("the fonts are not there: %v", err)
	}
	return s
}

func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		for _, r := range l.Runs {
			b.WriteString(r.Text)
		}
	}
	return b.String()
}

func TestWithoutFontsTheErrorSaysWhatToDo(t *testing.T) {
	_, err := Load(fstest.MapFS{"README.md": {Data: []byte("x")}})
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Fatalf("got %v", err)
	}
}

func TestABrokenFontIsNamed(t *testing.T) {
	_, err := Load(fstest.MapFS{"NotoSans-Regular.ttf": {Data: []byte("no font")}})
	if err == nil || !strings.Contains(err.Error(), "NotoSans-Regular.ttf") {
		t.Fatalf("got %v", err)
	}
}

func TestWrapKeepsEveryCharacterWithinTheWidth(t *testing.T) {
	s := load(t)
	for name, in := range map[string]string{
		"Latin":                  "Constantine Alexander Montgomery-Featherstonehaugh of Saint Elizabeth",
		"Sinhala with conjuncts": "වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත චන්ද්‍රසිරි බණ්ඩාර ජයවර්ධන",
		"Tamil":                  "தடுப்பூசிச் சான்றிதழ் கிருஷ்ணமூர்த்தி வெங்கடேஸ்வரன்",
		"Tamil with long words":  "பதிவு செய்யப்படவில்லை மதிப்பிடப்பட்டது நிர்ணயிக்கப்பட்டவை",
		"one long word":          strings.Repeat("ABCDEFGH", 20),
		"mixed":                  "Jane ජේන් ஜேன் 123 (x)",
		"right to left":          "مرحبا Jane 12",
	} {
		t.Run(name, func(t *testing.T) {
			for width := float32(3000); width < 20000; width += 287 {
				lines := s.Wrap([]Phrase{{"", in}}, false, width, false)
				if got := text(lines); got != in {
					t.Errorf("width %v: text is %q", width, got)
				}
				for _, l := range lines {
					if l.Width > width+1 {
						t.Errorf("width %v: a line of %v", width, l.Width)
					}
				}
			}
		})
	}
}

func TestSpacesAndDigitsAreInTheBaseFont(t *testing.T) {
	s := load(t)
	for _, l := range s.Wrap([]Phrase{{"si", "මාත්‍රා 2න් 1 (නම)"}}, true, 1e5, false) {
		for _, r := range l.Runs {
			base := s.Fonts[r.Font].Name == "NotoSans-Bold"
			if strings.ContainsAny(r.Text, " 12()") != base {
				t.Errorf("%q is set in %s", r.Text, s.Fonts[r.Font].Name)
			}
		}
	}
}

func TestPhrasesStayApart(t *testing.T) {
	s := load(t)
	in := []Phrase{{"si", "නම"}, {"", " / "}, {"ta", "பெயர்"}, {"", " / "}, {"en", "Name"}}
	got := make([]string, len(in))
	for _, l := range s.Wrap(in, false, 3000, true) {
		for _, r := range l.Runs {
			got[r.Phrase] += r.Text
		}
	}
	for i, p := range in {
		if got[i] != p.Text {
			t.Errorf("phrase %d is %q", i, got[i])
		}
	}
}

func TestFixedTextsAreKeptAndOthersNot(t *testing.T) {
	s := load(t)
	s.Wrap([]Phrase{{"en", "Jane Doe"}}, false, 5000, false)
	if len(s.cache.lines) != 0 {
		t.Error("a text about a person was kept")
	}
	s.Wrap([]Phrase{{"en", "Name"}}, false, 5000, true)
	if len(s.cache.lines) != 1 {
		t.Error("a fixed text was not kept")
	}
}

func TestCleanDropsWhatTurnsOrBreaksText(t *testing.T) {
	if got := Clean(" A\u202eB\nC\u0000\u2066D\u00a0 "); strings.ContainsAny(got, "\u202e\u2066\n\x00") || !strings.HasPrefix(got, "AB C") {
		t.Errorf("got %q", got)
	}
	if got := Clean("ක්\u200dෂ"); !strings.Contains(got, "\u200d") {
		t.Error("the joiner of a Sinhala conjunct was dropped")
	}
}

func BenchmarkWrap(b *testing.B) {
	s := load(b)
	in := []Phrase{{"si", "වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත චන්ද්‍රසිරි බණ්ඩාර"}}
	b.ReportAllocs()
	for b.Loop() {
		s.Wrap(in, true, 20000, false)
	}
}
