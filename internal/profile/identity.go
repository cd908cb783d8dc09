package profile

import (
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// The rules that a kind of identity document may follow.
const (
	plainNumber  = ""       // letters and digits, in whichever case
	sriLankanNIC = "nic-lk" // the National Identity Card of Sri Lanka
)

// What a person who asks for a certificate must know beside the code.
const (
	FactorBirthDate = "birth-date" // where it is known to the day and in no number
	FactorDoseDate  = "dose-date"
	FactorLot       = "lot"
	FactorNone      = "none"
)

func identityRules() []string { return []string{plainNumber, sriLankanNIC} }

// Identity is what the number of an identity document says.
type Identity struct {
	// Forms are all ways in which the same number is written, without spaces
	// and in capitals; the first is the one to compare.
	Forms []string
	// BirthDate is the date that the number itself tells whoever reads it; the
	// unknown date where it tells none.
	BirthDate vaccination.Date
}

// Identity reads the number of a kind of identity document as a person types it.
// A kind that the profile does not have follows no rule. The error is
// [vaccination.Invalid] and does not repeat the number.
func (p *Profile) Identity(kind, text string) (Identity, error) {
	number := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case strings.ContainsRune(" \t\u00a0-./", r):
			return -1
		default:
			return '?'
		}
	}, text)
	i := slices.IndexFunc(p.Identities, func(k IdentityKind) bool { return k.Key == kind })
	if len(text) > 60 || len(number) < 4 || strings.Contains(number, "?") {
		return Identity{}, vaccination.Errorf(vaccination.Invalid, "this is no number of an identity document: letters and digits are expected")
	}
	if i < 0 || p.Identities[i].Rule == plainNumber {
		return Identity{Forms: []string{number}}, nil
	}
	return readNIC(number)
}

// readNIC reads the two forms of a Sri Lankan National Identity Card's number:
// until 2015 nine digits and V or X (year, two digits; day of the year, for women
// with 500 more; serial; check digit), and since then twelve (year, four digits;
// day; 0 and serial; check digit). People of the old form may be known under the
// new one and the other way round. The last letter says who may vote, so
// that one person's may change.
func readNIC(number string) (Identity, error) {
	digits := strings.TrimRight(number, "VX")
	letters := len(number) - len(digits)
	var full string
	switch {
	case len(digits) == 9 && letters == 1:
		full = "19" + digits[:5] + "0" + digits[5:]
	case len(digits) == 12 && letters == 0:
		full = digits
	}
	if strings.Trim(full, "0123456789") != "" || full == "" {
		return Identity{}, vaccination.Errorf(vaccination.Invalid, "a National Identity Card has nine digits and V or X, or twelve digits")
	}
	day := int(full[4]-'0')*100 + int(full[5]-'0')*10 + int(full[6]-'0')
	if day > 500 {
		day -= 500
	}
	year := int(full[0]-'0')*1000 + int(full[1]-'0')*100 + int(full[2]-'0')*10 + int(full[3]-'0')
	if day < 1 || day > 366 || year < 1880 || year > 2100 {
		return Identity{}, vaccination.Errorf(vaccination.Invalid, "this is no number of a National Identity Card: look at its first seven digits again")
	}
	// Every year is counted with a 29 February.
	t := time.Date(2000, 1, day, 0, 0, 0, 0, time.UTC)
	out := Identity{Forms: []string{full}, BirthDate: vaccination.Date{Year: year, Month: t.Month(), Day: t.Day()}}
	if strings.HasPrefix(full, "19") && full[7] == '0' {
		old := full[2:7] + full[8:]
		out.Forms = append(out.Forms, old+"V", old+"X")
	}
	return out, nil
}
