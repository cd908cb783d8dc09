package verify_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/verify"
)

func TestTheJSONOfAStatement(t *testing.T) {
	e := newEnv(t)
	o := e.opts()
	valid := verify.Text(t.Context(), text(t, e.cose(t)), o)
	nothing := verify.Text(t.Context(), "hello", o)
	always := []string{"format", "issuer", "reasons", "specimen", "status", "verdict", "warnings"}
	for name, tc := range map[string]struct {
		s    verify.Statements
		want []string
	}{
		"valid":    {verify.Statements{valid}, append([]string{"content", "statusAsOf", "validFrom", "validUntil"}, always...)},
		"no code":  {verify.Statements{nothing}, always},
		"two":      {verify.Statements{valid, nothing}, []string{"statements"}},
		"no codes": {nil, []string{"statements"}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(tc.s)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]json.RawMessage
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			slices.Sort(tc.want)
			if d := cmp.Diff(tc.want, slices.Sorted(maps.Keys(got))); d != "" {
				t.Error(d)
			}
			for _, k := range []string{"reasons", "warnings", "statements"} {
				if v := string(got[k]); v == "null" {
					t.Errorf("%s is null, not a list", k)
				}
			}
		})
	}
}

func TestTheTextOfAStatement(t *testing.T) {
	e := newEnv(t)
	s := verify.Text(t.Context(), text(t, e.cose(t)), e.opts())
	for lang, want := range map[string][]string{
		"en": {"VALID\n", "Name: Marcia Ann-Louise Campbell", "Date of birth: 1987-04-21", "Vaccine: Comirnaty", "Dose: 1 of 2", "Country: Jamaica", "Status: valid, as of", "! Compare the name"},
		"si": {"වලංගුයි\n", "නම: Marcia", "! නම සහ"},
		"ta": {"செல்லுபடியாகும்\n", "பெயர்: Marcia"},
	} {
		got := s.Text(lang)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q:\n%s", lang, w, got)
			}
		}
	}
	e.issuer.Specimen = true
	if got := verify.Text(t.Context(), text(t, e.cose(t)), e.opts()).Text("en"); !strings.HasPrefix(got, "VALID - SPECIMEN\n") {
		t.Error(got)
	}
}
