package vaccination

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// MapText returns e with f applied to each of its texts and contacts. It is how
// a package that may depend on more than the standard library brings texts into
// Unicode normal form C. e itself is left as it is.
func (e Event) MapText(f func(string) string) Event {
	var room [allTexts]text
	for _, t := range e.texts(room[:0]) {
		if *t.value != "" {
			*t.value = f(*t.value)
		}
	}
	e.Contacts = slices.Clone(e.Contacts)
	for i, c := range e.Contacts {
		e.Contacts[i] = f(c)
	}
	return e
}

// Normalise returns e with white space trimmed and collapsed, codes of
// countries in upper case, the sex in lower case, times in UTC to the second, and
// empty or repeated contacts dropped; what is empty is nil. It guesses nothing,
// and applying it twice changes nothing more. Unicode normalisation is the
// caller's, by [Event.MapText].
func (e Event) Normalise() Event {
	e = e.MapText(collapse)
	for _, c := range []*string{&e.Person.Nationality, &e.Address.Country, &e.Vaccination.CentreAddress.Country, &e.Vaccination.Country.Code, &e.Test.CentreAddress.Country, &e.Test.Country.Code} {
		if isCountryCode(*c) {
			*c = strings.ToUpper(*c)
		}
	}
	for _, t := range e.times() {
		*t.time = t.time.UTC().Truncate(time.Second)
	}
	e.Person.Sex = Sex(strings.ToLower(string(e.Person.Sex)))
	var contacts []string
	for _, c := range e.Contacts {
		if c != "" && !slices.Contains(contacts, c) {
			contacts = append(contacts, c)
		}
	}
	e.Contacts = contacts
	return e
}

// collapse trims s and makes each run of white space one space.
func collapse(s string) string {
	plain := true
	for i, c := range []byte(s) {
		if c >= 0x80 || c < 0x20 || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ")
}

// isCountryCode reports whether s has the form of an ISO 3166-1 code.
func isCountryCode(s string) bool {
	if len(s) != 2 && len(s) != 3 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// Diff returns the paths, in the terms of Event's JSON and sorted, of the
// fields in which a and b differ. It names fields, never their values.
func Diff(a, b Event) []string {
	var out []string
	ta, tb := a.texts(nil), b.texts(nil)
	for i, t := range ta {
		if *t.value != *tb[i].value {
			out = append(out, t.path())
		}
	}
	da, db := a.dates(), b.dates()
	for i, d := range da {
		if d.date != db[i].date {
			out = append(out, d.path)
		}
	}
	if a.Vaccination.Number != b.Vaccination.Number {
		out = append(out, "vaccination.dose")
	}
	if a.Vaccination.Total != b.Vaccination.Total {
		out = append(out, "vaccination.totalDoses")
	}
	times := b.times()
	for i, t := range a.times() {
		if !t.time.Equal(*times[i].time) {
			out = append(out, t.path)
		}
	}
	if a.Test.Number != b.Test.Number {
		out = append(out, "test.number")
	}
	if a.Vaccination.FromEvidence != b.Vaccination.FromEvidence {
		out = append(out, "vaccination.fromEvidence")
	}
	if !slices.Equal(a.Contacts, b.Contacts) {
		out = append(out, "contacts")
	}
	slices.Sort(out)
	return out
}
