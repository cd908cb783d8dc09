package desk

import (
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/web/page"
)

// boxID is the id of a box in a group; the first has the group's own, so that the
// link of a summary of faults leads to it.
func boxID(field string, i int) string {
	if i == 0 {
		return field
	}
	return field + "-" + strconv.Itoa(i+1)
}

// clock is the time of day where the country is.
func clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("15:04")
}

// born is who somebody is as long as their record is closed: initials, and the year of
// birth where it is known.
func born(initials string, year int) string {
	if year > 0 {
		initials += ", " + number(year)
	}
	return initials
}

// handReasons are why a desk asks in place of the person.
func handReasons(v page.View) (out [][2]string) {
	for _, r := range ondemand.DeskReasons() {
		out = append(out, [2]string{r, v.T("desk.ondemand.reason." + r)})
	}
	return out
}
