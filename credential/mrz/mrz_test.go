package mrz_test

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/mrz"
)

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"Marcia Campbell":       "MARCIA<CAMPBELL",
		"d'Červenková Panklová": "DCERVENKOVA<PANKLOVA",
		"Jiřina-Maria Alena":    "JIRINA<MARIA<ALENA",
		"Lövström":              "LOEVSTROEM",
		"Größe":                 "GROESSE",
		"Ångström":              "AANGSTROEM",
		"Łukasz Żółć":           "LUKASZ<ZOLC",
		"O’Neill, Jr.":          "ONEILL<JR",
		"Щедрин Юрий":           "SHCHEDRIN<IURII",
		"  Ana   María  ":       "ANA<MARIA",
		"Nguyễn":                "", // no letter of ICAO's tables
		"නිමල් පෙරේරා":          "",
		"முருகன்":               "",
		"Μαρία":                 "",
		"Louis 3":               "",
		"":                      "",
		"-":                     "",
		"François-Joan":         "FRANCOIS<JOAN",
		"Renée":                 "RENEE",
	} {
		got, ok := mrz.Name(in)
		if !ok {
			got = ""
		}
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q %v, want %q", in, got, ok, want)
		}
	}
}

func TestNameHasNothingElse(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z]+(<[A-Z]+)*$`)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "name")
		if text, ok := mrz.Name(in); ok && !form.MatchString(text) {
			t.Fatalf("%q is %q", in, text)
		}
	})
}
