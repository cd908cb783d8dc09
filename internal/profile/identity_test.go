package profile_test

import (
	"slices"
	"testing"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

func TestIdentity(t *testing.T) {
	p, err := profile.Open("sri-lanka")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		kind, text string
		forms      []string // nil: refused
		born       string
	}{
		"a new number":                 {"national-id", "198711200015", []string{"198711200015", "871120015V", "871120015X"}, "1987-04-21"},
		"the same as it was":           {"national-id", "871120015v", []string{"198711200015", "871120015V", "871120015X"}, "1987-04-21"},
		"with spaces":                  {"national-id", " 1987 112 00015 ", []string{"198711200015", "871120015V", "871120015X"}, "1987-04-21"},
		"without a vote":               {"national-id", "687270050X", []string{"196872700050", "687270050V", "687270050X"}, "1968-08-14"},
		"of a woman":                   {"national-id", "755590035V", []string{"197555900035", "755590035V", "755590035X"}, "1975-02-28"},
		"of 29 February, in each year": {"national-id", "198706000015", []string{"198706000015", "870600015V", "870600015X"}, "1987-02-29"},
		"of this century":              {"national-id", "200136600045", []string{"200136600045"}, "2001-12-31"},
		"without an old form":          {"national-id", "198711210015", []string{"198711210015"}, "1987-04-21"},
		"without its letter":           {"national-id", "871120015", nil, ""},
		"with two letters":             {"national-id", "871120015VV", nil, ""},
		"of no day":                    {"national-id", "873990015V", nil, ""},
		"of day 0":                     {"national-id", "870000015V", nil, ""},
		"of a day 500":                 {"national-id", "875000015V", nil, ""},
		"letters":                      {"national-id", "87112001OV", nil, ""},
		"nothing":                      {"national-id", "", nil, ""},
		"a passport":                   {"passport", "n 1234-567", []string{"N1234567"}, ""},
		"of no kind":                   {"", "epi_100001", nil, ""},
		"signs":                        {"passport", "N1234567'--", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := p.Identity(tt.kind, tt.text)
			if !slices.Equal(got.Forms, tt.forms) || got.BirthDate.String() != tt.born {
				t.Errorf("%v, born %s, %v", got.Forms, got.BirthDate, err)
			}
			if tt.forms == nil && vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzIdentity(f *testing.F) {
	p, err := profile.Open("sri-lanka")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("871120015V")
	f.Add("198711200015")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := p.Identity("national-id", text)
		if err != nil {
			return
		}
		for _, form := range got.Forms { // each form means the same
			again, err := p.Identity("national-id", form)
			if err != nil || !slices.Equal(again.Forms, got.Forms) || again.BirthDate != got.BirthDate {
				t.Errorf("%q is %v, and its form %q %v, %v", text, got.Forms, form, again.Forms, err)
			}
		}
	})
}
