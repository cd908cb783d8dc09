package gsm

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMeasure(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want Size
	}{
		"nothing":                        {"", Size{GSM7, 0, 0}},
		"one message":                    {strings.Repeat("a", 160), Size{GSM7, 160, 1}},
		"one letter too many":            {strings.Repeat("a", 161), Size{GSM7, 161, 2}},
		"two full parts":                 {strings.Repeat("a", 306), Size{GSM7, 306, 2}},
		"three parts":                    {strings.Repeat("a", 307), Size{GSM7, 307, 3}},
		"an extension costs two":         {strings.Repeat("€", 80), Size{GSM7, 160, 1}},
		"an extension is not cut":        {strings.Repeat("€", 153), Size{GSM7, 306, 3}},
		"an accent of the alphabet":      {"é", Size{GSM7, 1, 1}},
		"an accent that is not":          {"ê", Size{UCS2, 1, 1}},
		"Sinhala":                        {strings.Repeat("ස", 70), Size{UCS2, 70, 1}},
		"one more":                       {strings.Repeat("ස", 71), Size{UCS2, 71, 2}},
		"Tamil in three parts":           {strings.Repeat("த", 135), Size{UCS2, 135, 3}},
		"a pair is two":                  {strings.Repeat("😀", 35), Size{UCS2, 70, 1}},
		"a pair is not cut":              {strings.Repeat("😀", 67), Size{UCS2, 134, 3}},
		"what is no text":                {"\xff", Size{UCS2, 1, 1}},
		"the whole alphabet":             {basic + extension, Size{GSM7, 127 + 20, 1}},
		"a curly apostrophe costs parts": {strings.Repeat("a", 70) + "’", Size{UCS2, 71, 2}},
	} {
		if got := Measure(tt.text); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if n := utf8.RuneCountInString(basic); n != 127 {
		t.Errorf("the alphabet has %d characters beside the escape", n)
	}
}

func TestSplitLosesNothingAndFills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "€", "[", "ස", "😀", " "}), 0, 400).Draw(t, "text"), "")
		parts := Split(text)
		if strings.Join(parts, "") != text {
			t.Fatal("something was lost")
		}
		whole := Measure(text)
		single, part := gsmSingle, gsmPart
		if whole.Alphabet == UCS2 {
			single, part = ucsSingle, ucsPart
		}
		for i, p := range parts {
			units := 0
			for _, r := range p {
				units += cost(r, whole.Alphabet)
			}
			if units == 0 || units > part && (len(parts) > 1 || units > single) || i < len(parts)-1 && units < part-1 {
				t.Fatalf("part %d of %d has %d units", i, len(parts), units)
			}
		}
	})
}
