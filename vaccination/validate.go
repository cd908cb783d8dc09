package vaccination

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Codes of the faults that [Event.Validate] reports.
const (
	FaultRequired    = "required"     // nothing there
	FaultTooLong     = "too-long"     // more than a record may hold
	FaultTooMany     = "too-many"     // more entries than a record may hold
	FaultEncoding    = "encoding"     // not UTF-8
	FaultCharacter   = "character"    // a control, invisible or direction-changing character
	FaultFormat      = "format"       // not of the form that the field has
	FaultNotADate    = "not-a-date"   // no such day in the calendar
	FaultPrecision   = "precision"    // a date not known to the day where the day is needed
	FaultInFuture    = "in-future"    // a date after today
	FaultTooOld      = "too-old"      // a date longer ago than can be
	FaultBeforeBirth = "before-birth" // a date before the person was born
	FaultOrder       = "out-of-order" // the later of two dates or numbers comes first
	FaultRange       = "out-of-range" // a number too small or too large
)

const (
	maxDose  = 99   // dose number and total, DDCC positiveInt bounded
	maxTests = 1000 // tests of one person in one programme
	maxAge   = 130  // years; older birth dates are slips of the hand
)

// Validate reports everything that is wrong with e, ordered by path. today is
// the current date in the profile's time zone. No fault means that e can be
// issued, at least as a domestic certificate: what an international format
// requires beyond this (a lot, a country) is that format's to say. Validate
// does not know products, countries or phone rules, and it wants an e that
// [Event.Normalise] returned.
//
// The date of the dose must be known to the day: sameness of records, the
// schedule and every format count in days, and a source that gave the dose
// knows it. A birth date may be known to the month, the year or not at all.
func (e Event) Validate(today Date) []Fault {
	var faults []Fault
	add := func(path, code, message string) {
		faults = append(faults, Fault{Path: path, Code: code, Message: message})
	}
	var room [allTexts]text
	for _, t := range e.texts(room[:0]) {
		checkText(t, add)
	}
	if e.Person.Name != "" && !strings.ContainsFunc(e.Person.Name, unicode.IsLetter) {
		add("person.name", FaultFormat, "a name has letters: write the person's name as recorded")
	}
	switch e.Person.Sex {
	case "", SexMale, SexFemale, SexOther, SexUnknown:
	default:
		add("person.sex", FaultFormat, "write male, female, other or unknown, or leave it out")
	}
	e.checkContacts(add)
	e.checkDates(today, add)
	if e.IsTest() {
		e.checkTest(today, add)
	} else {
		e.checkDose(add)
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return faults
}

// checkTest reports what is wrong with a test. That its sample was not taken in
// the future is known to the day here: who has a clock knows it better.
func (e *Event) checkTest(today Date, add func(path, code, message string)) {
	t := &e.Test
	if e.Vaccination != (Dose{}) {
		add("vaccination", FaultFormat, "a record is of a dose or of a test: send two records")
	}
	for _, c := range []struct {
		path  string
		value Coding
	}{{"test.type", t.Type}, {"test.result", t.Result}} {
		if c.value.Code == "" && c.value.Display == "" {
			add(c.path, FaultRequired, "this is needed: a test means nothing without it")
		}
	}
	if t.Number < 0 || t.Number > maxTests {
		add("test.number", FaultRange, fmt.Sprintf("the number of a test is between 1 and %d, or left out", maxTests))
	}
	// A day's slack: a birth date has no zone.
	switch {
	case t.Date.IsZero():
		add("test.date", FaultRequired, "say when the sample was taken: date and time with its zone")
	case t.Date.Year() < 1 || t.Date.Year() > 9999:
		add("test.date", FaultNotADate, "no such day in the calendar")
	case today.Before(DateOf(t.Date.UTC().AddDate(0, 0, -1))):
		add("test.date", FaultInFuture, "the sample was taken in the future")
	case DateOf(t.Date.UTC().AddDate(0, 0, 1)).Before(e.Person.BirthDate):
		add("test.date", FaultBeforeBirth, "the sample was taken before the person was born: check both dates")
	}
	switch {
	case t.ResultDate.IsZero():
	case today.Before(DateOf(t.ResultDate.UTC().AddDate(0, 0, -1))):
		add("test.resultDate", FaultInFuture, "the result lies in the future")
	case t.ResultDate.Before(t.Date):
		add("test.resultDate", FaultOrder, "the result was there before the sample was taken: check both times")
	}
}

// checkDose reports what is wrong with the numbers of a dose.
func (e *Event) checkDose(add func(path, code, message string)) {
	v := &e.Vaccination
	switch {
	case v.Number == 0:
		add("vaccination.dose", FaultRequired, "say which dose this was: 1 for the first")
	case v.Number < 0 || v.Number > maxDose:
		add("vaccination.dose", FaultRange, fmt.Sprintf("a dose number is between 1 and %d", maxDose))
	}
	if v.Total < 0 || v.Total > maxDose {
		add("vaccination.totalDoses", FaultRange, fmt.Sprintf("the number of doses expected is between 1 and %d, or left out", maxDose))
	}
}

func checkText(t text, add func(path, code, message string)) {
	s := *t.value
	switch {
	case s == "":
		if t.required {
			add(t.path(), FaultRequired, "this is needed: a record means nothing without it")
		}
	case !utf8.ValidString(s):
		add(t.path(), FaultEncoding, "this is not UTF-8 text: send the record in UTF-8")
	default:
		if utf8.RuneCountInString(s) > t.max {
			add(t.path(), FaultTooLong, fmt.Sprintf("at most %d characters", t.max))
		}
		if strings.ContainsFunc(s, unprintable) {
			add(t.path(), FaultCharacter, "remove line breaks, tabs and invisible characters")
		}
	}
}

// unprintable reports whether r must not be in a text that is signed and
// printed: it shows as nothing, or changes how its neighbours are read. ZERO
// WIDTH JOINER and NON-JOINER are letters' business in Sinhala, Tamil and
// others, and stay.
func unprintable(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r < 0xad:
		return false
	case r == '\u200c' || r == '\u200d':
		return false
	}
	// Cf holds the direction marks and overrides, zero-width spaces, soft
	// hyphens and tags; the rest are line and paragraph separators, private
	// code points, fillers that look like nothing and non-characters.
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		r&0xfffe == 0xfffe || r == unicode.ReplacementChar
}

func (e *Event) checkContacts(add func(path, code, message string)) {
	if len(e.Contacts) > MaxContacts {
		add("contacts", FaultTooMany, fmt.Sprintf("at most %d contacts for one person", MaxContacts))
		return
	}
	for i, c := range e.Contacts {
		path := fmt.Sprintf("contacts[%d]", i)
		switch scheme, rest, ok := strings.Cut(c, ":"); {
		case len(c) > MaxContact:
			add(path, FaultTooLong, fmt.Sprintf("at most %d characters", MaxContact))
		case !utf8.ValidString(c):
			add(path, FaultEncoding, "this is not UTF-8 text: send the record in UTF-8")
		case strings.ContainsFunc(c, unprintable):
			add(path, FaultCharacter, "remove line breaks, tabs and invisible characters")
		case !ok || rest == "" || scheme != "tel" && scheme != "mailto":
			add(path, FaultFormat, "write tel: and a phone number, or mailto: and an e-mail address")
		}
	}
}

func (e *Event) checkDates(today Date, add func(path, code, message string)) {
	real := true
	for _, d := range e.dates() {
		if !d.date.real() {
			add(d.path, FaultNotADate, "no such day in the calendar: write YYYY-MM-DD")
			real = false
		}
	}
	if !real {
		return // comparing a day that is none says nothing
	}
	v, birth := &e.Vaccination, e.Person.BirthDate
	if today.Before(birth) {
		add("person.birthDate", FaultInFuture, "the birth date lies in the future")
	} else if today.Year != 0 && birth.Before(Date{Year: max(today.Year-maxAge, 1)}) {
		add("person.birthDate", FaultTooOld, fmt.Sprintf("the birth date is more than %d years ago: check the year", maxAge))
	}
	if e.IsTest() {
		return
	}
	switch {
	case v.Date.Precision() == PrecisionUnknown:
		add("vaccination.date", FaultRequired, "say on which day the dose was given")
	case v.Date.Precision() != PrecisionDay || v.Date.Estimated:
		add("vaccination.date", FaultPrecision, "the exact day of the dose is needed, not a month, a year or an estimate")
	case today.Before(v.Date):
		add("vaccination.date", FaultInFuture, "the dose lies in the future")
	case v.Date.Before(birth):
		add("vaccination.date", FaultBeforeBirth, "the dose was given before the person was born: check both dates")
	}
	if v.ValidUntil.Before(v.ValidFrom) {
		add("vaccination.validUntil", FaultOrder, "the vaccine's validity ends before it begins")
	}
	if v.NextDose.Before(v.Date) {
		add("vaccination.nextDose", FaultOrder, "the next dose is due before this one was given")
	}
}

// real reports whether d is a date of the calendar, to its precision: a Date
// made as a struct may not be.
func (d Date) real() bool {
	switch d.Precision() {
	case PrecisionUnknown:
		return d.Month == 0 && d.Day == 0 && !d.Estimated
	case PrecisionYear:
		return d.Year > 0 && d.Year <= 9999 && d.Day == 0
	case PrecisionMonth:
		return d.Year > 0 && d.Year <= 9999 && d.Month >= 1 && d.Month <= 12
	default:
		return d.Year > 0 && d.Year <= 9999 && d.Month >= 1 && d.Month <= 12 && d.Day >= 1 && d.Day <= daysIn(d.Year, d.Month)
	}
}
