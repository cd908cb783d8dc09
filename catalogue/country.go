package catalogue

import (
	"strings"
	"sync"
)

// Country is a country of ISO 3166-1, or Kosovo under its user-assigned code.
type Country struct {
	Alpha2 string // "JM"
	Alpha3 string // "JAM"
	Name   string // in English, the short name in common use
}

// CountryByCode returns the country with this alpha-2 or alpha-3 code, in upper
// case as credentials carry it.
func CountryByCode(code string) (Country, bool) {
	t := countryTable()
	c, ok := t.byCode[code]
	return c, ok
}

// FindCountry returns the country that a record means by a code in any case, an
// English name or a demonym: "JM", "jam", "Jamaica", "Jamaican". What is neither
// is not found. "NA" is not: in records it says "not available" far more often
// than Namibia (whose NAM is found).
func FindCountry(s string) (Country, bool) {
	s = strings.TrimSpace(s)
	t := countryTable()
	if code := strings.ToUpper(s); code != "NA" {
		if c, ok := t.byCode[code]; ok {
			return c, true
		}
	}
	// Only a name may lose its punctuation: "N/A" must not become a code.
	c, ok := t.byName[fold(s)]
	return c, ok
}

// Countries returns all countries, ordered by alpha-2 code.
func Countries() []Country { return append([]Country(nil), countryTable().all...) }

type countryData struct {
	all            []Country
	byCode, byName map[string]Country
}

// countryTable is data alone, parsed on first use: a line for each country with
// alpha-2, alpha-3 and its names, the first of which is printed.
var countryTable = sync.OnceValue(func() countryData {
	b, err := data.ReadFile("data/countries.txt")
	if err != nil {
		panic("catalogue: " + err.Error()) // embedded: cannot be
	}
	t := countryData{byCode: map[string]Country{}, byName: map[string]Country{}}
	for line := range strings.Lines(string(b)) {
		names := strings.Split(strings.TrimSpace(line[7:]), "|")
		c := Country{Alpha2: line[:2], Alpha3: line[3:6], Name: names[0]}
		t.all = append(t.all, c)
		t.byCode[c.Alpha2], t.byCode[c.Alpha3] = c, c
		for _, n := range names {
			t.byName[fold(n)] = c
		}
	}
	return t
})
