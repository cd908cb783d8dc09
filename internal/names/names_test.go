package names

import (
	"math"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestAlike says which pairs are one name. The bounds are those of the score
// table in docs/matching.md.
func TestAlike(t *testing.T) {
	const (
		same, close, some, other = "same", "close", "some", "other"
	)
	level := func(l Likeness) string {
		switch {
		case !l.Comparable:
			return "not comparable"
		case l.Score >= 0.95:
			return same
		case l.Score >= 0.85:
			return close
		case l.Score >= 0.75:
			return some
		}
		return other
	}
	for name, c := range map[string]struct{ a, b, want string }{
		"the same":                        {"Marcia Campbell", "Marcia Campbell", same},
		"case, accents, order":            {"CAMPBELL, Márcia", "marcia campbell", same},
		"a title":                         {"Mrs. Marcia Campbell", "Marcia Campbell", same},
		"an apostrophe":                   {"Sean O'Brien", "Sean OBrien", same},
		"a hyphen":                        {"Ann-Louise Campbell", "Ann Louise Campbell", same},
		"a middle name less":              {"Marcia Ann Campbell", "Marcia Campbell", same},
		"a typo":                          {"Marcia Campbell", "Marcia Cambell", same},
		"letters swapped":                 {"Marcia Campbell", "Macria Campbell", same},
		"another spelling of a sound":     {"Fathima Rizna", "Fatima Risna", same},
		"Lakshman and Laxman":             {"Lakshman Jayasooriya", "Laxman Jayasuriya", same},
		"Wickramasinghe":                  {"R. Wickramasinghe", "R. Wickremesinghe", close},
		"initials for given names":        {"W. A. Nimal Perera", "Wijesinghe Arachchige Nimal Perera", close},
		"an initial for the given name":   {"N. Perera", "Nimal Perera", close},
		"a wrong initial":                 {"S. Perera", "Nimal Perera", other},
		"initials alone":                  {"N. P.", "Nimal Perera", other},
		"a family name alone":             {"Perera", "Nimal Perera", some},
		"brothers":                        {"Nimal Perera", "Sunil Perera", other},
		"twins whose names rhyme":         {"Amal Perera", "Kamal Perera", other},
		"twins with names almost alike":   {"Dinusha Silva", "Dinushi Silva", same}, // why nothing is decided by the name alone
		"a maiden name":                   {"Nimali Perera", "Nimali Fernando", other},
		"two people":                      {"Marcia Campbell", "Andre Brown", other},
		"one name in Sinhala":             {"නිමල් පෙරේරා", "නිමල් පෙරේරා", same},
		"order in Sinhala":                {"පෙරේරා නිමල්", "නිමල් පෙරේරා", same},
		"a joiner in Sinhala":             {"ප්‍රියන්ත සිල්වා", "ප්රියන්ත සිල්වා", same},
		"a vowel sign in Sinhala":         {"නිමල් පෙරේරා", "නිමාලි පෙරේරා", close}, // alike, and for a person to say
		"two names in Sinhala":            {"නිමල් පෙරේරා", "සුනිල් ප්‍රනාන්දු", other},
		"one name in Tamil":               {"குமார் செல்வம்", "செல்வம் குமார்", same},
		"two names in Tamil":              {"குமார் செல்வம்", "ராஜன் பிள்ளை", other},
		"Sinhala and Latin":               {"නිමල් පෙරේරා", "Nimal Perera", "not comparable"},
		"Tamil and Sinhala":               {"குமார்", "කුමාර්", "not comparable"},
		"both scripts, and one":           {"නිමල් පෙරේරා (Nimal Perera)", "Nimal Perera", same},
		"nothing":                         {"", "Nimal Perera", "not comparable"},
		"signs alone":                     {"-- .", "Nimal Perera", "not comparable"},
		"composed and decomposed letters": {"Jose\u0301", "José", same},
	} {
		t.Run(name, func(t *testing.T) {
			got := Alike(Parse(c.a), Parse(c.b))
			if level(got) != c.want {
				t.Errorf("%q and %q are %s (%.3f), want %s", c.a, c.b, level(got), got.Score, c.want)
			}
		})
	}
}

func TestGivenName(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"a maiden name": {"Nimali Perera", "Nimali Fernando", true},
		"brothers":      {"Nimal Perera", "Sunil Perera", false},
		"initials":      {"A. Nimal Perera", "Nimal Perera", true},
	} {
		if got := Alike(Parse(c.a), Parse(c.b)); got.First != c.want {
			t.Errorf("%s: %v", name, got.First)
		}
	}
}

// TestKey does not change: it is an input of blind indexes that are stored.
func TestKey(t *testing.T) {
	for name, want := range map[string]string{
		"Mrs. Marcia Ann-Louise CAMPBELL": "an campbel luise marcia",
		"Fathima Rizna":                   "fatima risna",
		"Campbell, Márcia":                "campbel marcia",
		"W. A. Nimal Perera":              "a nimal perera v",
		"පෙරේරා නිමල්":                    "නිමල් පෙරේරා",
		"குமார்":                          "குமார்",
		"":                                "",
	} {
		if got := Parse(name).Key(); got != want {
			t.Errorf("%q has the key %q, want %q", name, got, want)
		}
	}
}

// TestJaroWinkler has the values of Winkler's own tables.
func TestJaroWinkler(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"MARTHA", "MARHTA", 0.961}, {"DWAYNE", "DUANE", 0.840}, {"DIXON", "DICKSONX", 0.813}, {"ABC", "XYZ", 0}} {
		if got := jaroWinkler([]rune(c.a), []rune(c.b)); math.Abs(got-c.want) > 0.001 {
			t.Errorf("%s and %s: %.3f, want %.3f", c.a, c.b, got, c.want)
		}
	}
}

func TestPropertiesOfLikeness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		x, y := Parse(a), Parse(b)
		l, r := Alike(x, y), Alike(y, x)
		if l.Score < 0 || l.Score > 1 || l.Comparable != r.Comparable {
			t.Fatalf("%+v and %+v", l, r)
		}
		if self := Alike(x, x); self.Comparable && self.Score < 0.5 {
			t.Fatalf("%q is not like itself: %+v", a, self)
		}
		if !utf8.ValidString(x.Key()) {
			t.Fatalf("the key of %q is no text", a)
		}
	})
}

func FuzzAlike(f *testing.F) {
	f.Add("Marcia Campbell", "නිමල් පෙරේරා")
	f.Add("O'Brien-Smith J.", "\xff\u0301")
	f.Fuzz(func(t *testing.T, a, b string) {
		if l := Alike(Parse(a), Parse(b)); math.IsNaN(l.Score) || l.Score < 0 || l.Score > 1 {
			t.Errorf("%+v", l)
		}
	})
}

func BenchmarkAlike(b *testing.B) {
	x, y := Parse("Wijesinghe Arachchige Nimal Perera"), Parse("W. A. Nimal Pereira")
	for b.Loop() {
		Alike(x, y)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse("Wijesinghe Arachchige Nimal Perera")
	}
}
