package catalogue

import (
	"testing"

	"github.com/opendivoc/divoc/vaccination"
)

func TestTermsOfTestsAreFound(t *testing.T) {
	for name, want := range map[string]string{
		"RT-PCR": "naat", "rtpcr": "naat", "NAAT": "naat", "LP6464-4": "naat", "1334426561": "naat",
		"RAT": "rat", "Rapid Antigen Test": "rat", "LP217198-3": "rat", "antibody": "", "": "",
	} {
		if got, ok := TestType(name); got.Key != want || ok != (want != "") {
			t.Errorf("type %q: %+v", name, got)
		}
	}
	for name, want := range map[string]string{
		"Positive": Detected, "RA01.0": Detected, "260373001": Detected, "Negative": NotDetected, "not detected": NotDetected,
		"QA02": NotDetected, "Inconclusive": Inconclusive, "Void": Void, "perhaps": "",
	} {
		if got, _ := TestResult(name); got.Key != want {
			t.Errorf("result %q: %+v", name, got)
		}
	}
	if got, _ := TestOrigin("Throat swab"); got.Key != "oropharyngeal" {
		t.Errorf("origin: %+v", got)
	}
	if !IsSARSCoV2("Covid-19") || IsSARSCoV2("") || IsSARSCoV2("influenza") {
		t.Error("the pathogen")
	}
}

// A name that meant two things would certify the wrong one.
func TestNoNameMeansTwoTerms(t *testing.T) {
	for kind, terms := range map[string][]TestTerm{"type": testTypes(), "result": testResults(), "origin": testOrigins()} {
		seen := map[string]string{}
		for _, x := range terms {
			for _, name := range append([]string{x.Key, x.Name, x.ICD11, x.EU}, x.aliases...) {
				if n := fold(name); n != "" {
					if other, ok := seen[n]; ok && other != x.Key {
						t.Errorf("%s %q means %s and %s", kind, name, other, x.Key)
					}
					seen[n] = x.Key
				}
			}
			if x.EU != "" && EUName(x.EU) == "" {
				t.Errorf("%s is none of the EU's codes", x.EU)
			}
			if TestName(x.Coding().Code) != x.Name {
				t.Errorf("%s has no name by its code", x.Key)
			}
		}
	}
	if c := testResults()[3].Coding(); c.System != vaccination.SystemCatalogue || TestName("XN109") != "SARS-CoV-2" || TestName("") != "" || TestName("x") != "" {
		t.Errorf("%+v", c)
	}
}
