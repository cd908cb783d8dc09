package shc_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/vaccination"
)

func termOf(t testing.TB, find func(string) (catalogue.TestTerm, bool), name string) vaccination.Coding {
	t.Helper()
	term, ok := find(name)
	if !ok {
		t.Fatalf("no term %q", name)
	}
	return term.Coding()
}

// A card of a test verifies, and says what was written: kind and sample in LOINC,
// result in SNOMED CT, the time of the sample in full.
func TestATestAsACard(t *testing.T) {
	s := newSigner(t)
	for _, x := range []struct{ kind, origin, loinc string }{
		{"naat", "nasopharyngeal", "94500-6"}, {"naat", "oropharyngeal", "94500-6"}, {"naat", "nasal", "94500-6"}, {"naat", "saliva", "94309-2"}, {"naat", "", "94309-2"},
		{"rat", "nasal", "94558-4"}, {"rat", "nasopharyngeal", "94558-4"},
	} {
		for result, snomed := range map[string]string{"Positive": "260373001", "Negative": "260415000"} {
			c := credentialtest.Tested()
			c.Test.Type, c.Test.Result, c.Test.Origin = termOf(t, catalogue.TestType, x.kind), termOf(t, catalogue.TestResult, result), vaccination.Coding{}
			if x.origin != "" {
				c.Test.Origin = termOf(t, catalogue.TestOrigin, x.origin)
			}
			jws, err := shc.Issue(c, nil, issuer, "abc", s)
			if err != nil {
				t.Fatal(err)
			}
			card, err := shc.Decode(jws)
			if err != nil {
				t.Fatal(err)
			}
			if err := card.Verify(s.Public()); err != nil {
				t.Fatal(err)
			}
			all, err := card.Certificates()
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			want := vaccination.Test{
				Type: vaccination.Coding{Code: x.loinc, System: vaccination.SystemLOINC}, Result: vaccination.Coding{Code: snomed, System: vaccination.SystemSNOMED},
				Date: c.Test.Date, Centre: c.Test.Centre,
			}
			if diff := cmp.Diff(want, all[0].Test); diff != "" || all[0].Name != c.Name || all[0].BirthDate != c.BirthDate || !all[0].Info.Period.End.Equal(c.Info.Period.End) {
				t.Errorf("%s of %s, %s: %s %+v", x.kind, x.origin, result, diff, all[0])
			}
			for _, code := range []string{x.loinc, snomed} {
				if catalogue.TestName(code) == "" {
					t.Errorf("%s has no name", code)
				}
			}
		}
	}
}

// Whatever a test says is in its card again, and nothing of it changes what is
// around it.
func TestAnyTestIsReadBack(t *testing.T) {
	s := newSigner(t)
	naat, result := termOf(t, catalogue.TestType, "naat"), termOf(t, catalogue.TestResult, "Negative")
	rapid.Check(t, func(t *rapid.T) {
		c := credentialtest.DrawTest(t)
		c.Name, c.BirthDate.Estimated = "x"+c.Name, false
		if c.BirthDate.IsZero() {
			c.BirthDate.Year = 1980
		}
		c.Test.Type, c.Test.Result = naat, result
		jws, err := shc.Issue(c, nil, issuer, "", s)
		if err != nil {
			t.Fatal(err)
		}
		card, err := shc.Decode(jws)
		if err != nil {
			t.Fatal(err)
		}
		all, err := card.Certificates()
		if err != nil || len(all) != 1 || all[0].Name != strings.TrimSpace(c.Name) || all[0].Test.Centre != c.Test.Centre || !all[0].Test.Date.Equal(c.Test.Date) {
			t.Fatalf("%v %+v", err, all)
		}
	})
}

// The Bundle is that of the profile for results in health cards with the least data
// (Covid19LaboratoryResultObservationDM), and no more.
func TestTheBundleOfATest(t *testing.T) {
	c := credentialtest.Tested()
	b := fhirdoc.AppendBundle(nil, c, fhirdoc.TestCode(c.Test))
	var got, want any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	expected := `{"resourceType":"Bundle","type":"collection","entry":[
		{"fullUrl":"resource:0","resource":{"resourceType":"Patient","name":[{"text":"Marcia Ann-Louise Campbell"}],"birthDate":"1987-04-21"}},
		{"fullUrl":"resource:1","resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"94558-4"}]},
			"subject":{"reference":"resource:0"},"effectiveDateTime":"2026-11-21T14:05:00Z","performer":[{"display":"` + c.Test.Centre + `"}],
			"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"260415000"}]}}}]}`
	if err := json.Unmarshal([]byte(expected), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if canonical, err := jcs.Canonical(b); err != nil || len(canonical) != len(b) {
		t.Errorf("it has white space, or is no JSON: %v", err)
	}
}

func TestATestThatACardCannotSay(t *testing.T) {
	for path, spoil := range map[string]func(*vaccination.Certificate){
		"name":                     func(c *vaccination.Certificate) { c.Name = "" },
		"birthDate":                func(c *vaccination.Certificate) { c.BirthDate.Estimated = true },
		"certificate.period.start": func(c *vaccination.Certificate) { c.Info.Period.Start = time.Time{} },
		"test.type":                func(c *vaccination.Certificate) { c.Test.Type = vaccination.Coding{Code: "x"} },
		"test.origin":              func(c *vaccination.Certificate) { c.Test.Origin = vaccination.Coding{} },
		"test.result":              func(c *vaccination.Certificate) { c.Test.Result = termOf(t, catalogue.TestResult, "Void") },
		"test.date":                func(c *vaccination.Certificate) { c.Test.Date = time.Time{} },
	} {
		c := credentialtest.Tested()
		spoil(&c)
		if missing := shc.Missing(c, nil); !slices.Equal(missing, []string{path}) {
			t.Errorf("without %s: %v", path, missing)
		}
		if _, err := shc.Issue(c, nil, issuer, "", newSigner(t)); !errors.Is(err, shc.ErrMissing) {
			t.Errorf("without %s: %v", path, err)
		}
	}
}

// A card whose payload was changed in any character does not verify.
func TestAChangedCardOfATest(t *testing.T) {
	s := newSigner(t)
	jws, err := shc.Issue(credentialtest.Tested(), nil, issuer, "abc", s)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(jws); i += 7 {
		changed := []byte(jws)
		if changed[i] == '.' {
			continue
		}
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		if card, err := shc.Decode(string(changed)); err == nil && card.Verify(s.Public()) == nil {
			t.Fatalf("character %d changed, and it verifies", i)
		}
	}
}
