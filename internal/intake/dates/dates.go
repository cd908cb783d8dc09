// Package dates reads dates as people and systems write them in tables and
// fields. A text that can be two days is one only where the order of its parts
// was declared: nothing is guessed.
package dates

import (
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Order is the order in which a file writes day, month and year as numbers.
type Order string

// The orders. Undeclared reads only dates that can mean one day.
const (
	Undeclared Order = ""
	DMY        Order = "DMY"
	MDY        Order = "MDY"
	YMD        Order = "YMD"
)

// ParseOrder reads the name of an order.
func ParseOrder(s string) (Order, error) {
	switch o := Order(strings.ToUpper(s)); o {
	case Undeclared, DMY, MDY, YMD:
		return o, nil
	}
	return "", vaccination.Errorf(vaccination.Invalid, "a date format is DMY, MDY or YMD")
}

const (
	// Ambiguous is the code of a fault: a date that can mean two days.
	Ambiguous = "ambiguous"
	askOrder  = "this can be two different days: declare the order of the file's dates (DMY, MDY or YMD), or write YYYY-MM-DD"
	askDate   = "this is no date: write YYYY-MM-DD, or 31-Jan-2021"
)

// Parse reads a date as a table has it. A time with a zone is the day it was
// in zone; zone is nil where a time of day means nothing: only midnight is
// taken, as the day it is written as. The empty text is the unknown date. What is
// no date has the code and the message of a fault.
func Parse(s string, order Order, zone *time.Location) (d vaccination.Date, code, message string) {
	s = strings.TrimSpace(s)
	if d, err := vaccination.ParseDate(s); err == nil {
		return d, "", ""
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "02-Jan-2006", "2-Jan-2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			switch midnight := t.Hour()+t.Minute()+t.Second()+t.Nanosecond() == 0; {
			case zone == nil && !midnight:
				return d, vaccination.FaultNotADate, "a day has no time: write YYYY-MM-DD"
			case zone != nil && strings.Contains(layout, "Z07"):
				t = t.In(zone)
			}
			return vaccination.DateOf(t), "", ""
		}
	}
	n, yearFirst, ok := numbers(s)
	if !ok {
		return d, vaccination.FaultNotADate, askDate
	}
	switch {
	case yearFirst && (order == YMD || order == Undeclared):
		return day(n[0], n[1], n[2])
	case yearFirst, order == YMD:
		return d, vaccination.FaultNotADate, "this is not in the order declared for the file's dates"
	case order == DMY:
		return day(n[2], n[1], n[0])
	case order == MDY:
		return day(n[2], n[0], n[1])
	}
	dmy, dmyCode, _ := day(n[2], n[1], n[0])
	mdy, mdyCode, _ := day(n[2], n[0], n[1])
	switch {
	case dmyCode != "" && mdyCode != "":
		return d, vaccination.FaultNotADate, askDate
	case mdyCode != "":
		return dmy, "", ""
	case dmyCode != "", dmy == mdy:
		return mdy, "", ""
	}
	return d, Ambiguous, askOrder
}

// numbers reads three numbers with one kind of separator, of which the first or
// the last is a year of four digits.
func numbers(s string) (n [3]int, yearFirst, ok bool) {
	i := strings.IndexAny(s, "/.-")
	if i < 0 {
		return n, false, false
	}
	parts := strings.Split(s, s[i:i+1])
	if len(parts) != 3 {
		return n, false, false
	}
	yearFirst = len(parts[0]) == 4
	for k, p := range parts {
		year := k == 0 && yearFirst || k == 2 && !yearFirst
		if year && len(p) != 4 || !year && len(p) != 1 && len(p) != 2 {
			return n, false, false
		}
		for _, c := range []byte(p) {
			if c < '0' || c > '9' {
				return n, false, false
			}
			n[k] = 10*n[k] + int(c-'0')
		}
	}
	return n, yearFirst, true
}

func day(year, month, day int) (vaccination.Date, string, string) {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if year == 0 || t.Year() != year || int(t.Month()) != month || t.Day() != day {
		return vaccination.Date{}, vaccination.FaultNotADate, askDate
	}
	return vaccination.DateOf(t), "", ""
}
