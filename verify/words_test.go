package verify

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryLanguageHasEveryWord(t *testing.T) {
	en := wordsIn("en")
	for _, lang := range Languages() {
		w := wordsIn(lang)
		for name, pair := range map[string][2]map[string]string{
			"verdicts": {en.Verdicts, w.Verdicts}, "statuses": {en.Statuses, w.Statuses},
			"labels": {en.Labels, w.Labels}, "notes": {en.Notes, w.Notes},
		} {
			want, got := slices.Sorted(maps.Keys(pair[0])), slices.Sorted(maps.Keys(pair[1]))
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s differ from English (-en +%s):\n%s", lang, name, lang, d)
			}
		}
		for code, text := range w.Notes {
			if !strings.HasSuffix(text, ".") || strings.Count(text, ".") != 1 {
				t.Errorf("%s: %s is not one sentence", lang, code)
			}
		}
	}
	if d := cmp.Diff([]string{"en", "si", "ta"}, Languages()); d != "" {
		t.Error(d)
	}
}

func TestEveryReasonHasAVerdictAndAText(t *testing.T) {
	notes := wordsIn("en").Notes
	for code, v := range verdicts() {
		if notes[code] == "" {
			t.Errorf("%s has no text", code)
		}
		if v == Valid {
			t.Errorf("%s makes a certificate valid", code)
		}
		if got := verdictOf([]Note{{Code: code}}); got != v {
			t.Errorf("%s gives %s, want %s", code, got, v)
		}
		if got := verdictOf([]Note{{Code: code}, {Code: Revoked}}); got != NotValid {
			t.Errorf("%s and revoked give %s", code, got)
		}
	}
	if got := verdictOf([]Note{{Code: "a code nobody wrote down"}}); got != NotValid {
		t.Errorf("an unlisted reason gives %s", got)
	}
	if got := verdictOf(nil); got != Valid {
		t.Errorf("no reason gives %s", got)
	}
}

func TestUnknownLanguageFallsBackToEnglish(t *testing.T) {
	for _, lang := range []string{"", "xx", "EN-gb"} {
		if got := wordsIn(lang).Verdicts["valid"]; got != "VALID" {
			t.Errorf("%q: %s", lang, got)
		}
	}
	if wordsIn("ta-LK") == wordsIn("en") {
		t.Error("ta-LK is not Tamil")
	}
}

func TestWorstStatementIsTheExit(t *testing.T) {
	v, n, c := Statement{Verdict: Valid}, Statement{Verdict: NotValid}, Statement{Verdict: CannotTell}
	for name, tc := range map[string]struct {
		s    Statements
		want int
	}{
		"nothing":                        {nil, 1},
		"valid":                          {Statements{v, v}, 0},
		"one cannot be told":             {Statements{v, c}, 2},
		"one not valid among untellable": {Statements{c, n, v}, 1},
		"an unset verdict":               {Statements{v, {}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.s.ExitCode(); got != tc.want {
				t.Errorf("exit %d, want %d", got, tc.want)
			}
		})
	}
}
