package profile

import (
	"regexp"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// PhoneRules say how people of the country write their telephone numbers.
type PhoneRules struct {
	CountryCode string // without +: "94"
	Trunk       string // dialled before a national number and dropped abroad: "0"
	// National are the numbers that can get a message, as regular expressions
	// of all digits after trunk or country code.
	National []string
	// Shared are numbers of other countries under the same country code, as
	// North America has them; empty means that none are.
	Shared  string
	Example string // as a person of the country types it
	// Unreachable says what happens to a record whose contact is no number by
	// these rules: "keep" it as it was sent, without messages, or "refuse".
	Unreachable string

	national, shared *regexp.Regexp
}

var international = regexp.MustCompile(`^[1-9][0-9]{7,14}$`) // ITU-T E.164, with at least 8 digits

// Phone returns the E.164 form ("+18765550142") of a number as a person types
// it: a national number by the profile's rules, or an international one with +.
// Spaces, dashes, dots, slashes and brackets do not matter. The error is a
// [vaccination.Invalid] one that does not repeat the number.
func (p *Profile) Phone(text string) (e164 string, err error) {
	r := &p.PhoneRules
	if len(text) <= 40 {
		digits := strings.Map(func(c rune) rune {
			if strings.ContainsRune(" \t\u00a0-‐‑–./()", c) {
				return -1
			}
			return c
		}, text)
		if abroad, ok := strings.CutPrefix(digits, "+"); ok {
			if r.dialable(abroad) {
				return "+" + abroad, nil
			}
		} else if national, ok := r.strip(digits); ok {
			return "+" + r.CountryCode + national, nil
		}
	}
	return "", vaccination.Errorf(vaccination.Invalid, "this is no telephone number that can get a message: type it like %s, or with + and the country code", r.Example)
}

// dialable reports whether the digits of an international number can be one.
// A number of the own country must fit its rules.
func (r *PhoneRules) dialable(digits string) bool {
	if !international.MatchString(digits) {
		return false
	}
	own, ok := strings.CutPrefix(digits, r.CountryCode)
	return !ok || r.national.MatchString(own) || r.shared != nil && r.shared.MatchString(own)
}

// strip takes what may stand before a national number off digits.
func (r *PhoneRules) strip(digits string) (string, bool) {
	for _, prefix := range []string{"", r.Trunk, r.CountryCode, "00" + r.CountryCode} {
		if rest, ok := strings.CutPrefix(digits, prefix); ok && r.national.MatchString(rest) {
			return rest, true
		}
	}
	return "", false
}
