package certlogic

import (
	"fmt"
	"time"
)

// The forms of a date-time, with an offset and without, which then is UTC. Parts
// of a second may follow the seconds.
func forms() []string {
	return []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05"}
}

// moment reads a date, which is its midnight UTC, or a date-time. It is cut to
// milliseconds. Days that do not exist are none.
func moment(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	for _, form := range forms() {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC().Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: not a date or a date-time", ErrEvaluate)
}

// latest is the last day of a year or a month given without the rest.
func latest(text string) (time.Time, bool) {
	if t, err := time.Parse("2006", text); err == nil {
		return t.AddDate(1, 0, -1), true
	}
	if t, err := time.Parse("2006-01", text); err == nil {
		return t.AddDate(0, 1, -1), true
	}
	return time.Time{}, false
}

// plus adds to a date as JavaScript's Date does: a month later than 31 October is
// 1 December.
func plus(text string, n int, unit string) (any, error) {
	t, ok := latest(text)
	if !ok {
		var err error
		if t, err = moment(text); err != nil {
			return nil, err
		}
	}
	switch unit {
	case "year":
		t = t.AddDate(n, 0, 0)
	case "month":
		t = t.AddDate(0, n, 0)
	case "day":
		t = t.AddDate(0, 0, n)
	default:
		t = t.AddDate(0, 0, n/24).Add(time.Duration(n%24) * time.Hour)
	}
	if t.Year() < -200_000 || t.Year() > 200_000 { // JavaScript's end of time
		return nil, fmt.Errorf("%w: a time out of all bounds", ErrEvaluate)
	}
	return t, nil
}

// birth reads a date of birth of an EU DCC, of which day and month may be missing.
func birth(text string) (any, error) {
	if t, ok := latest(text); ok {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, fmt.Errorf("%w: not a date of birth", ErrEvaluate)
	}
	return t, nil
}
