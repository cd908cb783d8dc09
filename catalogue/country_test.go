package catalogue_test

import (
	"testing"

	"github.com/opendivoc/divoc/catalogue"
)

func TestFindCountry(t *testing.T) {
	for s, want := range map[string]string{
		"JM": "JAM", "jm": "JAM", "JAM": "JAM", " jamaica ": "JAM", "Jamaican": "JAM",
		"Indian": "IND", "IN": "IND", "Sri Lankan": "LKA", "SRI-LANKA": "LKA", "British": "GBR", "UK": "GBR",
		"USA": "USA", "United States of America": "USA", "Trinidad & Tobago": "TTO", "St. Lucia": "LCA",
		"Côte d'Ivoire": "CIV", "Viet Nam": "VNM", "Kosovo": "XKX", "Namibia": "NAM", "NAM": "NAM",
		"": "", "NA": "", "na": "", "N/A": "", "n.a.": "", "unknown": "", "J.M.": "", "Jam aica n": "JAM", "XX": "", "-": "",
	} {
		got, ok := catalogue.FindCountry(s)
		if got.Alpha3 != want || ok != (want != "") {
			t.Errorf("FindCountry(%q) = %q, want %q", s, got.Alpha3, want)
		}
	}
}

func TestCountries(t *testing.T) {
	all := catalogue.Countries()
	if len(all) != 250 {
		t.Errorf("%d countries", len(all))
	}
	last := ""
	for _, c := range all {
		if c.Alpha2 <= last || len(c.Alpha2) != 2 || len(c.Alpha3) != 3 || c.Name == "" {
			t.Errorf("%+v after %s", c, last)
		}
		last = c.Alpha2
		for _, code := range []string{c.Alpha2, c.Alpha3} {
			if got, ok := catalogue.CountryByCode(code); !ok || got != c {
				t.Errorf("CountryByCode(%s) = %+v", code, got)
			}
		}
		if got, ok := catalogue.FindCountry(c.Name); !ok || got != c {
			t.Errorf("FindCountry(%q) = %+v", c.Name, got)
		}
	}
	for _, code := range []string{"", "jm", "ZZ", "Jamaica"} {
		if _, ok := catalogue.CountryByCode(code); ok {
			t.Errorf("CountryByCode(%q) found one", code)
		}
	}
}

func TestEveryEUCountryCodeIsKnown(t *testing.T) {
	for code, v := range values(t, "country-2-codes.json").Values {
		if _, ok := catalogue.CountryByCode(code); !ok {
			t.Errorf("%s (%s) is not known", code, v.Display)
		}
	}
}
