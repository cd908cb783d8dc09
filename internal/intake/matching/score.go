package matching

import (
	"slices"

	"github.com/opendivoc/divoc/internal/names"
	"github.com/opendivoc/divoc/vaccination"
)

// verdict says whether two records are about one person.
type verdict int

const (
	other verdict = iota // somebody else, or nothing speaks for it
	like                 // a person has to say
	same                 // beyond doubt
)

// What speaks for and against one person, and from which sum on a person is
// asked. docs/matching.md has the table with its reasons; a test compares them.
const (
	nameSame     = 4  // alike, but for a letter
	nameClose    = 3  // a spelling, initials
	nameSome     = 1  // one part of two
	nameFirst    = 0  // the first part alone: a name by marriage
	nameOther    = -4 // another name; in another script it says nothing
	birthSame    = 4
	birthWithin  = 1 // one date is known less exactly, and holds the other
	birthSlip    = 2 // day and month swapped, or one digit
	birthOther   = -4
	sexSame      = 1
	sexOther     = -3
	phoneSame    = 3
	numberSame   = 4  // of different kinds of document, or an unnamed one
	numberSlip   = 1  // one digit, or two swapped
	numberOther  = -6 // another number of the same kind
	likeFrom     = 8
	alikeSame    = 0.95
	alikeClose   = 0.85
	alikeSome    = 0.75
	alikeCertain = alikeClose // of names, beside one identity number
)

// record is what is compared of a person.
type record struct {
	person vaccination.Person
	name   names.Name
	phones []string
	forms  []string // of the identity number, the one to compare first
}

// compare says whether two records are about one person, and of which fields of
// an event they differ.
func compare(a, b record) (verdict, []string) {
	sum, differs := 0, []string(nil)
	add := func(points int, path string) {
		if sum += points; points < 0 {
			differs = append(differs, path)
		}
	}
	name := nameOf(a, b)
	birth := birthOf(a.person.BirthDate, b.person.BirthDate)
	sex := sexOf(a.person.Sex, b.person.Sex)
	number, exact := numberOf(a, b)
	add(name.points, "person.name")
	add(birth, "person.birthDate")
	add(sex, "person.sex")
	add(number, "person.identifier")
	if slices.ContainsFunc(a.phones, func(p string) bool { return slices.Contains(b.phones, p) }) {
		add(phoneSame, "contacts")
	}
	switch {
	case exact && name.alike >= alikeCertain && birth >= 0 && birth != birthSlip && sex >= 0:
		return same, nil
	case exact:
		if len(differs) == 0 {
			differs = []string{"person.name"} // in another script, or hardly alike
			if birth == birthSlip {
				differs = []string{"person.birthDate"}
			}
		}
		return like, differs
	case sum >= likeFrom:
		return like, differs
	}
	return other, nil
}

type named struct {
	points int
	alike  float64 // 0 where the names are in different scripts
}

func nameOf(a, b record) named {
	l := names.Alike(a.name, b.name)
	switch {
	case !l.Comparable:
		return named{}
	case l.Score >= alikeSame:
		return named{nameSame, l.Score}
	case l.Score >= alikeClose:
		return named{nameClose, l.Score}
	case l.Score >= alikeSome:
		return named{nameSome, l.Score}
	case l.First:
		return named{nameFirst, l.Score}
	}
	return named{nameOther, l.Score}
}

func birthOf(a, b vaccination.Date) int {
	switch {
	case a.IsZero() || b.IsZero():
		return 0
	case a.Precision() == vaccination.PrecisionDay && b.Precision() == vaccination.PrecisionDay && !a.Estimated && !b.Estimated:
		switch {
		case a == b:
			return birthSame
		case a.Year == b.Year && int(a.Month) == b.Day && int(b.Month) == a.Day, slip(a.String(), b.String()):
			return birthSlip
		}
		return birthOther
	case within(a, b):
		return birthWithin
	}
	return birthOther
}

// estimateYears is how far an estimated year may be off.
const estimateYears = 2

// within reports whether two dates, one of them known less exactly, may be one.
func within(a, b vaccination.Date) bool {
	off := a.Year - b.Year
	if a.Estimated || b.Estimated {
		return -estimateYears <= off && off <= estimateYears
	}
	return off == 0 && (a.Month == 0 || b.Month == 0 || a.Month == b.Month)
}

func sexOf(a, b vaccination.Sex) int {
	said := func(s vaccination.Sex) bool { return s == vaccination.SexMale || s == vaccination.SexFemale }
	switch {
	case !said(a) || !said(b):
		return 0
	case a == b:
		return sexSame
	}
	return sexOther
}

// numberOf compares identity numbers. exact says that they are one number of one
// kind of document.
func numberOf(a, b record) (points int, exact bool) {
	if len(a.forms) == 0 || len(b.forms) == 0 {
		return 0, false
	}
	x, y := a.person.Identifier.Kind, b.person.Identifier.Kind
	one := slices.ContainsFunc(a.forms, func(f string) bool { return slices.Contains(b.forms, f) })
	switch {
	case one && x == y && x != "":
		return numberSame, true
	case one:
		return numberSame, false
	case x != y || x == "":
		return 0, false
	case slip(a.forms[0], b.forms[0]):
		return numberSlip, false
	}
	return numberOther, false
}

// slip reports whether two texts of one length differ in one character, or in
// two neighbours that are swapped.
func slip(a, b string) bool {
	if len(a) != len(b) || a == b {
		return false
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	rest := i + 1
	if a[rest:] == b[rest:] {
		return true
	}
	return rest < len(a) && a[i] == b[rest] && a[rest] == b[i] && a[rest+1:] == b[rest+1:]
}
