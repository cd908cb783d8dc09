package catalogue

import (
	"slices"
	"sync"

	"github.com/opendivoc/divoc/vaccination"
)

// TestTerm is a word of a COVID-19 test: what kind it was, what it found, where
// the sample came from. Its codes are those of the WHO DDCC implementation guide
// 1.0.1 (DDCC:TR) and of the EU's value sets; no code is in two terms.
type TestTerm struct {
	Key     string   // "naat", "not-detected"; stable
	Name    string   // in English; pages have words of their own for Key
	ICD11   string   // "" where DDCC:TR has none
	EU      string   // of the value sets tt and tr, "" where they have none
	aliases []string // words, and codes of LOINC and SNOMED CT
}

// SARSCoV2 is what tests of COVID-19 look for.
func SARSCoV2() vaccination.Coding {
	return vaccination.Coding{Code: "XN109", System: vaccination.SystemICD11, Display: "SARS-CoV-2"}
}

// IsSARSCoV2 reports whether a source that tests for COVID-19 says so with name.
func IsSARSCoV2(name string) bool {
	n := fold(name)
	return n != "" && slices.ContainsFunc([]string{"COVID-19", "SARS-CoV-2", "XN109", "RA01", "840539006"}, func(s string) bool { return fold(s) == n })
}

// The keys of kinds of test; see [TestType].
const (
	NAAT = "naat" // nucleic acid amplification
	RAT  = "rat"  // rapid antigen
)

// The keys of results; see [TestResult].
const (
	Detected     = "detected"
	NotDetected  = "not-detected"
	Inconclusive = "inconclusive"
	Void         = "void"
)

// TestType finds a kind of test by its key, name, alias or code: DIVOC writes
// "RT-PCR" and "RAT".
func TestType(name string) (TestTerm, bool) { return findTerm(testTypes(), name) }

// TestResult finds a result: DIVOC writes "Positive", "Negative", "Inconclusive"
// and "Void".
func TestResult(name string) (TestTerm, bool) { return findTerm(testResults(), name) }

// TestOrigin finds where a sample came from.
func TestOrigin(name string) (TestTerm, bool) { return findTerm(testOrigins(), name) }

// TestName returns the English name of a code of DDCC:TR, of the EU's value sets, or
// of LOINC and SNOMED CT as health cards have it, "" for another one.
func TestName(code string) string {
	if code == SARSCoV2().Code {
		return SARSCoV2().Display
	}
	for _, terms := range [][]TestTerm{testTypes(), testResults(), testOrigins()} {
		for _, t := range terms {
			if code != "" && (code == t.Coding().Code || code == t.EU || slices.Contains(t.aliases, code)) {
				return t.Name
			}
		}
	}
	return ""
}

// Coding is the term as DDCC:TR has it, by its key here where that has none.
func (t TestTerm) Coding() vaccination.Coding {
	if t.ICD11 == "" {
		return vaccination.Coding{Code: t.Key, System: vaccination.SystemCatalogue, Display: t.Name}
	}
	return vaccination.Coding{Code: t.ICD11, System: vaccination.SystemICD11, Display: t.Name}
}

func findTerm(terms []TestTerm, name string) (TestTerm, bool) {
	n := fold(name)
	for _, t := range terms {
		if n != "" && slices.ContainsFunc(append([]string{t.Key, t.Name, t.ICD11, t.EU}, t.aliases...), func(a string) bool { return fold(a) == n }) {
			return t, true
		}
	}
	return TestTerm{}, false
}

var testTypes = sync.OnceValue(func() []TestTerm {
	return []TestTerm{
		{NAAT, "Nucleic acid amplification test", "1334426561", "LP6464-4", []string{"RT-PCR", "PCR", "NAT", "TMA", "LAMP", "RT-LAMP", "nucleic acid amplification with probe detection", "94500-6", "94309-2", "94531-1", "94759-8", "94845-5"}},
		{RAT, "Rapid antigen test", "2056159157", "LP217198-3", []string{"Ag-RDT", "RDT", "antigen", "rapid antigen", "antigen test", "rapid immunoassay", "94558-4", "97097-0"}},
	}
})

var testResults = sync.OnceValue(func() []TestTerm {
	return []TestTerm{
		{Detected, "Detected", "RA01.0", "260373001", []string{"positive", "10828004", "260408008"}},
		{NotDetected, "Not detected", "QA02", "260415000", []string{"negative", "260385009"}},
		{Inconclusive, "Inconclusive", "", "", []string{"indeterminate", "equivocal", "419984006"}},
		{Void, "Void", "", "", []string{"invalid"}},
	}
})

var testOrigins = sync.OnceValue(func() []TestTerm {
	return []TestTerm{
		{"nasopharyngeal", "Nasopharyngeal", "JAM.AH.XF", "", []string{"nasopharyngeal swab", "nasopharynx"}},
		{"oropharyngeal", "Oropharyngeal", "KAR.AH.XF", "", []string{"oropharyngeal swab", "throat swab", "throat"}},
		{"nasal", "Nasal", "JAE.AH.XF", "", []string{"nasal swab", "nose"}},
		{"saliva", "Saliva", "KAZ.AH.XD", "", nil},
		{"blood", "Blood", "DIA.AH.XA", "", nil},
	}
})
