package issuance

import (
	"crypto/subtle"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Factor is what a person must know of a record, beside a code, to have it
// opened: [profile.FactorBirthDate] where the birth date is known to the day,
// else what the profile says. right are the answers that are right; where there
// are none the record cannot be opened by who asks, except with
// [profile.FactorNone].
func (s *Service) Factor(birth vaccination.Date, doses []vaccination.Dose) (name string, right []string) {
	if birth.Precision() == vaccination.PrecisionDay && !birth.Estimated {
		return profile.FactorBirthDate, []string{birth.String()}
	}
	switch name = s.Profile.OtherFactor; name {
	case profile.FactorDoseDate:
		for _, d := range doses {
			if d.Date.Precision() == vaccination.PrecisionDay {
				right = append(right, d.Date.String())
			}
		}
	case profile.FactorLot:
		for _, d := range doses {
			if lot := plainLot(d.Lot); lot != "" {
				right = append(right, lot)
			}
		}
	}
	return name, slices.Compact(right)
}

// known is a dose by what its person knows of it: of a test the day of the sample.
func (s *Service) known(c vaccination.Certificate) vaccination.Dose {
	if c.IsTest() {
		return vaccination.Dose{Date: c.Day(s.Profile.TimeZone)}
	}
	return c.Vaccination
}

// Knows compares what was given for a factor with what is right, in the same time
// whatever it is. Dates are written as YYYY-MM-DD.
func (s *Service) Knows(factor string, right []string, given string) bool {
	if factor == profile.FactorNone {
		return true
	}
	if factor == profile.FactorLot {
		given = plainLot(given)
	} else if d, err := vaccination.ParseDate(strings.TrimSpace(given)); err == nil {
		given = d.String()
	}
	ok := 0
	for _, r := range right {
		ok |= subtle.ConstantTimeCompare(s.Box.Index(seal.Content, r), s.Box.Index(seal.Content, given))
	}
	return ok == 1
}

// plainLot is a batch number as it is compared: letters and digits, in capitals.
func plainLot(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z':
			return r
		}
		return -1
	}, text)
}
