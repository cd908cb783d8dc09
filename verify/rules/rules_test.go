package rules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

type m = map[string]any

func at(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t.Add(12 * time.Hour)
}

// rule is an acceptance rule of Jamaica: at least two doses.
func rule(change func(m)) m {
	r := m{
		"Identifier": "VR-JM-0001", "Type": "Acceptance", "Country": "JM", "Version": "1.0.0", "SchemaVersion": "1.0.0", "Engine": "CERTLOGIC", "EngineVersion": "0.7.5",
		"CertificateType": "Vaccination", "ValidFrom": "2021-07-01T00:00:00Z", "ValidTo": "2030-06-01T00:00:00Z", "AffectedFields": []string{"v.0.dn"},
		"Description": []m{{"lang": "en", "desc": "Two doses."}, {"lang": "fr", "desc": "Deux doses."}},
		"Logic":       m{">=": []any{m{"var": "payload.v.0.dn"}, 2}},
	}
	if change != nil {
		change(r)
	}
	return r
}

func set(t *testing.T, list ...m) *rules.Set {
	t.Helper()
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	s, err := rules.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func subject(dose float64) rules.Subject {
	return rules.Subject{
		Payload: map[string]any{"ver": "1.3.0", "v": []any{map[string]any{"dn": dose, "mp": "EU/1/20/1528"}}}, Kind: "Vaccination", Issuer: "FR",
		Doses: []vaccination.Dose{{Number: int(dose)}},
	}
}

func TestARulePassesOrFails(t *testing.T) {
	s := set(t, rule(nil))
	q := rules.Question{At: at("2022-01-01"), Country: "JAM", Language: "fr-CA"}
	all, got := s.Evaluate(subject(2), q)
	want := []rules.Result{{ID: "VR-JM-0001", Type: "Acceptance", Country: "JM", Version: "1.0.0", Outcome: rules.Passed, Text: "Deux doses.", Fields: []string{"v.0.dn"}}}
	if diff := cmp.Diff(want, got); diff != "" || all != rules.Passed {
		t.Errorf("%s %s", all, diff)
	}
	q.Language = "ta" // has none: English
	if all, got := s.Evaluate(subject(1), q); all != rules.Failed || got[0].Text != "Two doses." {
		t.Errorf("one dose: %s %+v", all, got)
	}
}

func TestWhichRulesApply(t *testing.T) {
	never := m{"===": []any{1, 2}}
	for what, test := range map[string]struct {
		change  func(m)
		country string
		day     string
		want    rules.Outcome
	}{
		"of the country":             {nil, "JM", "2022-01-01", rules.Failed},
		"of another country":         {nil, "LK", "2022-01-01", rules.Open},
		"of no country":              {nil, "", "2022-01-01", rules.Open},
		"before it holds":            {nil, "JM", "2021-06-30", rules.Open},
		"after it held":              {nil, "JM", "2030-06-02", rules.Open},
		"of a region":                {func(r m) { r["Region"] = "XX" }, "JM", "2022-01-01", rules.Open},
		"for tests":                  {func(r m) { r["CertificateType"] = "Test" }, "JM", "2022-01-01", rules.Open},
		"for all":                    {func(r m) { r["CertificateType"] = "General" }, "JM", "2022-01-01", rules.Failed},
		"of invalidation, here":      {func(r m) { r["Type"], r["Logic"] = "Invalidation", never }, "JM", "2022-01-01", rules.Open},
		"of invalidation, issuer's":  {func(r m) { r["Type"], r["Logic"], r["Country"] = "Invalidation", never, "FR" }, "JM", "2022-01-01", rules.Failed},
		"another engine":             {func(r m) { r["Engine"], r["Logic"] = "OTHER", "?" }, "JM", "2022-01-01", rules.Open},
		"a later engine":             {func(r m) { r["EngineVersion"], r["Logic"] = "1.4.0", m{"or": []any{1, 2}} }, "JM", "2022-01-01", rules.Open},
		"a later schema":             {func(r m) { r["SchemaVersion"] = "1.3.1" }, "JM", "2022-01-01", rules.Open},
		"another schema":             {func(r m) { r["SchemaVersion"] = "2.0.0" }, "JM", "2022-01-01", rules.Open},
		"of what is not there":       {func(r m) { r["Logic"] = m{">": []any{m{"var": "payload.t.0.x"}, 1}} }, "JM", "2022-01-01", rules.Open},
		"with a value that is a one": {func(r m) { r["Logic"] = 1 }, "JM", "2022-01-01", rules.Open},
	} {
		all, got := set(t, rule(test.change)).Evaluate(subject(1), rules.Question{At: at(test.day), Country: test.country})
		if all != test.want {
			t.Errorf("%s: %s %+v", what, all, got)
		}
	}
	other := subject(2)
	other.Payload = nil
	if all, got := set(t, rule(nil)).Evaluate(other, rules.Question{At: at("2022-01-01"), Country: "JM"}); all != rules.Open || len(got) != 1 || got[0].Why != "payload" {
		t.Errorf("another format: %s %+v", all, got)
	}
}

func TestTheHighestVersionCounts(t *testing.T) {
	strict := m{"===": []any{1, 2}}
	s := set(t,
		rule(func(r m) { r["Version"], r["Logic"] = "1.9.0", strict }),
		rule(func(r m) { r["Version"] = "1.10.0" }),
		rule(func(r m) { r["Version"], r["Logic"], r["ValidFrom"] = "2.0.0", strict, "2029-01-01T00:00:00Z" }))
	if all, got := s.Evaluate(subject(2), rules.Question{At: at("2022-01-01"), Country: "JM"}); all != rules.Passed || len(got) != 1 || got[0].Version != "1.10.0" {
		t.Errorf("%s %+v", all, got)
	}
	if all, _ := s.Evaluate(subject(2), rules.Question{At: at("2029-02-01"), Country: "JM"}); all != rules.Failed {
		t.Errorf("once the next holds: %s", all)
	}
}

func TestWhatRulesSee(t *testing.T) {
	logic := func(path string, want any) m {
		return rule(func(r m) { r["Logic"] = m{"===": []any{m{"var": "external." + path}, want}} })
	}
	c := subject(2)
	c.Issued, c.Expires, c.KeyID = at("2021-12-01"), at("2022-12-01"), "a2V5"
	for path, want := range map[string]any{
		"validationClock": "2022-01-01T12:00:00Z", "iat": "2021-12-01T12:00:00Z", "exp": "2022-12-01T12:00:00Z", "countryCode": "JM", "issuerCountryCode": "FR", "kid": "a2V5",
	} {
		if all, got := set(t, logic(path, want)).Evaluate(c, rules.Question{At: at("2022-01-01"), Country: "JM"}); all != rules.Passed {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// Value sets as lists and as the EU publishes them.
	in := rule(func(r m) {
		r["Logic"] = m{"in": []any{m{"var": "payload.v.0.mp"}, m{"var": "external.valueSets.vaccines-covid-19-names"}}}
	})
	for form, sets := range map[string]string{
		"lists":     `{"vaccines-covid-19-names":["EU/1/20/1528"]}`,
		"published": `{"vaccines-covid-19-names":{"valueSetId":"x","valueSetValues":{"EU/1/20/1528":{"active":true}}}}`,
		"a list":    `[{"valueSetId":"vaccines-covid-19-names","valueSetValues":{"EU/1/20/1528":{}}}]`,
	} {
		one, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		s, err := rules.Parse(one, []byte(`{"valueSets":`+sets+`}`))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if all, got := s.Evaluate(c, rules.Question{At: at("2022-01-01"), Country: "JM"}); all != rules.Passed {
			t.Errorf("%s: %+v", form, got)
		}
	}
}

func TestYellowFeverCountsAfterTenDaysForLife(t *testing.T) {
	dose := func(date string) vaccination.Dose {
		d, err := vaccination.ParseDate(date)
		if err != nil {
			t.Fatal(err)
		}
		return vaccination.Dose{Disease: vaccination.Coding{Code: "1D47", System: vaccination.SystemICD11}, Date: d}
	}
	for what, test := range map[string]struct {
		doses    []vaccination.Dose
		domestic bool
		day      string
		want     rules.Outcome
	}{
		"on the tenth day":        {[]vaccination.Dose{dose("2024-02-20")}, false, "2024-03-01", rules.Passed},
		"on the ninth":            {[]vaccination.Dose{dose("2024-02-20")}, false, "2024-02-29", rules.Failed},
		"sixty years later":       {[]vaccination.Dose{dose("1964-02-20")}, false, "2024-02-29", rules.Passed},
		"before it was given":     {[]vaccination.Dose{dose("2025-02-20")}, false, "2024-02-29", rules.Failed},
		"a month alone":           {[]vaccination.Dose{dose("2020-02")}, false, "2024-02-29", rules.Open},
		"a day that is a guess":   {[]vaccination.Dose{dose("2020-02-01~")}, false, "2024-02-29", rules.Open},
		"for use at home":         {[]vaccination.Dose{dose("2020-02-01")}, true, "2024-02-29", rules.Open},
		"a guess and a known one": {[]vaccination.Dose{dose("2020-02"), dose("2021-02-01")}, false, "2024-02-29", rules.Passed},
		"another disease":         {[]vaccination.Dose{{Disease: vaccination.Coding{Code: "RA01"}}}, false, "2024-02-29", rules.Failed},
		"no vaccination":          {nil, false, "2024-02-29", rules.Failed},
	} {
		all, got := rules.BuiltIn().Evaluate(rules.Subject{Doses: test.doses, Domestic: test.domestic}, rules.Question{At: at(test.day), Language: "si"})
		if all != test.want || len(got) != 1 || !strings.Contains(got[0].Text, "කහ උණ") {
			t.Errorf("%s: %s %+v", what, all, got)
		}
	}
}

func TestProductsOfAFile(t *testing.T) {
	s, err := rules.Parse([]byte(`{"products":[{"Identifier":"POLIO-1Y","Country":"LKA","Disease":"1C81","AfterDays":28,"Years":1,"Description":[{"lang":"en","desc":"Polio within a year."}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"LK"}, s.Countries()); diff != "" {
		t.Error(diff)
	}
	dose := rules.Subject{Doses: []vaccination.Dose{{Disease: vaccination.Coding{Code: "1C81"}, Date: vaccination.DateOf(at("2023-01-01"))}}}
	for day, want := range map[string]rules.Outcome{"2023-01-28": rules.Failed, "2023-01-29": rules.Passed, "2024-01-01": rules.Passed, "2024-01-02": rules.Failed} {
		if all, _ := s.Evaluate(dose, rules.Question{At: at(day), Country: "LK"}); all != want {
			t.Errorf("on %s: %s", day, all)
		}
	}
	for name, want := range map[string]bool{"": true, rules.YellowFever: true, "lk": true, "LKA": true, "JM": false, "none": false} {
		if _, _, ok := s.Ask(name); ok != want {
			t.Errorf("asked for %q: %v", name, ok)
		}
		if _, _, ok := (*rules.Set)(nil).Ask(name); ok != (name == "" || name == rules.YellowFever) {
			t.Errorf("without rules asked for %q: %v", name, ok)
		}
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	broken := func(change func(m)) string {
		data, err := json.Marshal(rule(change))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for what, text := range map[string]string{
		"no JSON": "{", "another kind": `"x"`, "nothing in it": `{}`, "an empty list": `[]`,
		"no identifier":       broken(func(r m) { r["Identifier"] = "a b" }),
		"no type":             broken(func(r m) { r["Type"] = "X" }),
		"no country":          broken(func(r m) { r["Country"] = "Jamaica" }),
		"no version":          broken(func(r m) { r["Version"] = "one" }),
		"no end":              broken(func(r m) { delete(r, "ValidTo") }),
		"logic that is none":  broken(func(r m) { r["Logic"] = m{"or": []any{1, 2}} }),
		"no logic":            broken(func(r m) { r["Logic"] = nil }),
		"a value set of none": `{"rules":[` + broken(nil) + `],"valueSets":{"x":1}}`,
		"a product without":   `{"products":[{"Identifier":"x"}]}`,
		"a product in years":  `{"products":[{"Identifier":"x","Disease":"1D47","Years":1000}]}`,
		"too many":            "[" + strings.Repeat(broken(nil)+",", rules.MaxRules) + broken(nil) + "]",
		"too large":           strings.Repeat(" ", rules.MaxSize) + broken(nil),
	} {
		if _, err := rules.Parse([]byte(text)); !errors.Is(err, rules.ErrFile) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	one, err := json.Marshal([]m{rule(nil)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one)
	f.Add([]byte(fmt.Sprintf(`{"rules":%s,"valueSets":[{"valueSetId":"a","valueSetValues":{"b":{}}}],"products":[{"Identifier":"x","Disease":"1D47","Years":3}]}`, one)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := rules.Parse(data)
		if err != nil {
			if !errors.Is(err, rules.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		all, list := s.Evaluate(subject(1), rules.Question{At: at("2022-01-01"), Country: "JM"})
		if all == rules.Passed && len(list) == 0 {
			t.Fatal("no rule passed")
		}
	})
}
