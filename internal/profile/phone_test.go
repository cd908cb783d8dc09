package profile_test

import (
	"strings"
	"testing"

	"github.com/opendivoc/divoc/vaccination"
	"pgregory.net/rapid"
)

func TestPhone(t *testing.T) {
	for name, c := range map[string]map[string]string{
		"jamaica": {
			"8765550142": "+18765550142", "876 555 0142": "+18765550142", "(876) 555-0142": "+18765550142",
			"876.555.0142": "+18765550142", "1-876-555-0142": "+18765550142", "18765550142": "+18765550142",
			"+1 876 555 0142": "+18765550142", "+1 (658) 555-0142": "+16585550142", "6585550142": "+16585550142",
			"+13055550142": "+13055550142", "+44 7700 900104": "+447700900104", "+94712345678": "+94712345678",

			"1111111312": "", "5550142": "", "876555014": "", "87655501422": "", "3055550142": "", "13055550142": "",
			"+1876555014": "", "+1 111 111 1312": "", "+187655501422": "", "447700900104": "", "+": "", "": "", "+0123456789": "",
			"+1234567": "", "+4412345678901234": "", "876555014x": "", "876-555-0142 ext 3": "", "+1+8765550142": "", "８７６５５５０１４２": "",
			"tel:8765550142": "", "0018765550142": "+18765550142",
		},
		"sri-lanka": {
			"0712345678": "+94712345678", "071 234 5678": "+94712345678", "712345678": "+94712345678", "94712345678": "+94712345678",
			"+94712345678": "+94712345678", "+94 71-234-5678": "+94712345678", "0094712345678": "+94712345678", "+919999900005": "+919999900005", "+18765550142": "+18765550142",

			"0112345678": "", "112345678": "", "071234567": "", "07123456789": "", "+94112345678": "", "+940712345678": "", "+9471234567": "", "8765550142": "",
		},
	} {
		p := open(t, name)
		for typed, want := range c {
			got, err := p.Phone(typed)
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%s: %q is %q, %v; want %q", name, typed, got, err, want)
			}
			if err == nil {
				continue
			}
			if vaccination.ErrorCode(err) != vaccination.Invalid || typed != "+" && typed != "" && strings.Contains(err.Error(), typed) {
				t.Errorf("%s: %q: %v", name, typed, err)
			}
		}
	}
}

func TestPhoneIsStableAndBounded(t *testing.T) {
	p, q := open(t, "jamaica"), open(t, "sri-lanka")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[+]?[0-9 ()-]{0,20}`), rapid.StringMatching(`\+?1?[ -]?876[ -]?[0-9]{7}`), rapid.StringMatching(`(\+94|0)?7[0-9]{8}`)).Draw(t, "typed")
		for _, p := range []interface{ Phone(string) (string, error) }{p, q} {
			got, err := p.Phone(s)
			if err != nil {
				continue
			}
			if len(got) < 9 || len(got) > 16 || got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" {
				t.Errorf("%q is %q", s, got)
			}
			if again, err := p.Phone(got); err != nil || again != got {
				t.Errorf("%q is %q, which is %q, %v", s, got, again, err)
			}
		}
	})
}

func BenchmarkPhone(b *testing.B) {
	p := open(b, "jamaica")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Phone("(876) 555-0142"); err != nil {
			b.Fatal(err)
		}
	}
}
