// Package gsm counts what a text costs as SMS: in which alphabet it goes (3GPP TS
// 23.038), and in how many parts (3GPP TS 23.040).
package gsm

import "unicode/utf8"

// Alphabet is how a text is carried.
type Alphabet string

// The alphabets.
const (
	GSM7 Alphabet = "GSM-7" // the default alphabet of GSM and its extension
	UCS2 Alphabet = "UCS-2" // everything else, in units of UTF-16
)

// What fits one message, and one part of several: the header that joins them
// takes six octets of 140.
const (
	gsmSingle, gsmPart = 160, 153
	ucsSingle, ucsPart = 70, 67
)

// basic is the default alphabet (TS 23.038, 6.2.1), extension what follows an
// escape and so costs two (6.2.1.1).
const (
	basic     = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension = "\f^{}\\[~]|€"
)

// Size is what a text costs.
type Size struct {
	Alphabet Alphabet `json:"alphabet"`
	Units    int      `json:"units"` // septets or units of UTF-16
	Parts    int      `json:"parts"` // messages that are paid for
}

// Measure says what a text costs. Nothing costs nothing.
func Measure(text string) Size {
	parts := Split(text)
	s := Size{Alphabet: GSM7, Parts: len(parts)}
	if !fits(text) {
		s.Alphabet = UCS2
	}
	for _, r := range text {
		s.Units += cost(r, s.Alphabet)
	}
	return s
}

// Split cuts a text into the parts it is sent in, as full as may be. Neither an
// escaped character nor a surrogate pair is cut.
func Split(text string) []string {
	alphabet, single, part := GSM7, gsmSingle, gsmPart
	if !fits(text) {
		alphabet, single, part = UCS2, ucsSingle, ucsPart
	}
	var cuts []int // where parts begin
	units, inPart := 0, 0
	for i, r := range text {
		c := cost(r, alphabet)
		units += c
		if inPart += c; inPart > part {
			cuts, inPart = append(cuts, i), c
		}
	}
	if units == 0 {
		return nil
	}
	if units <= single {
		return []string{text}
	}
	var out []string
	start := 0
	for _, cut := range append(cuts, len(text)) {
		out, start = append(out, text[start:cut]), cut
	}
	return out
}

func fits(text string) bool {
	for _, r := range text {
		if !in(basic, r) && !in(extension, r) {
			return false
		}
	}
	return utf8.ValidString(text)
}

func in(alphabet string, r rune) bool {
	for _, a := range alphabet {
		if a == r {
			return true
		}
	}
	return false
}

func cost(r rune, a Alphabet) int {
	if a == UCS2 && r > 0xffff || a == GSM7 && in(extension, r) {
		return 2
	}
	return 1
}
