package vaccination

import (
	"errors"
	"strings"
	"time"
)

// Precision says how much of a [Date] is known.
type Precision uint8

// The precisions, from nothing to the full calendar date.
const (
	PrecisionUnknown Precision = iota
	PrecisionYear
	PrecisionMonth
	PrecisionDay
)

// Date is a calendar date as it was recorded: to the day, the month, the year,
// or not known at all (the zero value). It has no time of day and no zone.
// Estimated marks a date somebody judged rather than knew.
//
// Its text is the date profile of ISO 8601-1 with the approximation mark of
// ISO 8601-2 (EDTF level 1): "1987-04-21", "1987-04", "1987", "1987~", "".
// Dates are comparable with ==.
type Date struct {
	Year      int
	Month     time.Month // 0 when the month is not known
	Day       int        // 0 when the day is not known
	Estimated bool
}

var errDate = errors.New("not a date: write YYYY-MM-DD, YYYY-MM or YYYY, with ~ at the end when it is estimated")

// DateOf returns the calendar date of t in t's own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{Year: y, Month: m, Day: d}
}

// ParseDate reads the text form of a Date. The empty text is the unknown date.
// The error never repeats the text.
func ParseDate(s string) (Date, error) {
	var d Date
	if s == "" {
		return d, nil
	}
	s, d.Estimated = strings.CutSuffix(s, "~")
	parts := strings.Split(s, "-")
	if len(parts) > 3 || len(parts[0]) != 4 {
		return Date{}, errDate
	}
	for i, p := range parts {
		if i > 0 && len(p) != 2 {
			return Date{}, errDate
		}
		n := 0
		for _, c := range []byte(p) {
			if c < '0' || c > '9' {
				return Date{}, errDate
			}
			n = n*10 + int(c-'0')
		}
		switch i {
		case 0:
			d.Year = n
		case 1:
			d.Month = time.Month(n)
		case 2:
			d.Day = n
		}
	}
	if d.Year == 0 || len(parts) > 1 && (d.Month < 1 || d.Month > 12) {
		return Date{}, errDate
	}
	if len(parts) > 2 && (d.Day < 1 || d.Day > daysIn(d.Year, d.Month)) {
		return Date{}, errDate
	}
	return d, nil
}

func daysIn(y int, m time.Month) int {
	return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// Precision says how much of d is known.
func (d Date) Precision() Precision {
	switch {
	case d.Year == 0:
		return PrecisionUnknown
	case d.Month == 0:
		return PrecisionYear
	case d.Day == 0:
		return PrecisionMonth
	default:
		return PrecisionDay
	}
}

// IsZero reports whether nothing is known of d.
func (d Date) IsZero() bool { return d == Date{} }

// String returns the text form that [ParseDate] reads.
func (d Date) String() string {
	b, _ := d.AppendText(make([]byte, 0, 11))
	return string(b)
}

// AppendText appends the text form that [ParseDate] reads. It never fails.
func (d Date) AppendText(b []byte) ([]byte, error) {
	p := d.Precision()
	if p == PrecisionUnknown {
		return b, nil
	}
	b = append(b, digit(d.Year/1000), digit(d.Year/100), digit(d.Year/10), digit(d.Year))
	if p >= PrecisionMonth {
		b = append(b, '-', digit(int(d.Month)/10), digit(int(d.Month)))
	}
	if p == PrecisionDay {
		b = append(b, '-', digit(d.Day/10), digit(d.Day))
	}
	if d.Estimated {
		b = append(b, '~')
	}
	return b, nil
}

func digit(n int) byte { return '0' + byte(n%10) }

// Earliest returns the first day that d can mean, at midnight UTC.
// The unknown date has none: ok is false.
func (d Date) Earliest() (t time.Time, ok bool) {
	switch d.Precision() {
	case PrecisionUnknown:
		return time.Time{}, false
	case PrecisionYear:
		return time.Date(d.Year, 1, 1, 0, 0, 0, 0, time.UTC), true
	case PrecisionMonth:
		return time.Date(d.Year, d.Month, 1, 0, 0, 0, 0, time.UTC), true
	default:
		return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC), true
	}
}

// Latest returns the last day that d can mean, at midnight UTC.
// The unknown date has none: ok is false.
func (d Date) Latest() (t time.Time, ok bool) {
	switch d.Precision() {
	case PrecisionUnknown:
		return time.Time{}, false
	case PrecisionYear:
		return time.Date(d.Year, 12, 31, 0, 0, 0, 0, time.UTC), true
	case PrecisionMonth:
		return time.Date(d.Year, d.Month+1, 0, 0, 0, 0, 0, time.UTC), true
	default:
		return d.Earliest()
	}
}

// Before reports whether d certainly lies before e: the last day d can mean is
// before the first that e can mean. Unknown dates are before nothing.
func (d Date) Before(e Date) bool {
	last, ok1 := d.Latest()
	first, ok2 := e.Earliest()
	return ok1 && ok2 && last.Before(first)
}

// MarshalText returns the text form of d.
func (d Date) MarshalText() ([]byte, error) { return d.AppendText(make([]byte, 0, 11)) }

// UnmarshalText reads the text form of a Date.
func (d *Date) UnmarshalText(b []byte) error {
	v, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
