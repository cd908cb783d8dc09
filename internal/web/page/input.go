package page

import (
	"net/url"
	"strconv"
	"strings"
)

// Input is one field of a form: its id is its name too.
type Input struct {
	ID, Label, Hint, Value string
	Type                   string // "text" when empty
	Mode                   string // of the keyboard: "numeric", "tel", "email"
	Width                  string // a class of govuk-frontend
	Complete               string // what a browser may fill in; "off" when empty
	Max                    int    // characters; 60 when 0
}

func (in Input) kind() string {
	if in.Type == "" {
		return "text"
	}
	return in.Type
}

func (in Input) complete() string {
	if in.Complete == "" {
		return "off"
	}
	return in.Complete
}

func (in Input) max() string {
	if in.Max == 0 {
		return "60"
	}
	return strconv.Itoa(in.Max)
}

// describedBy are the ids of a field's hint and fault.
func describedBy(faults []Fault, id, hint string) string {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if Message(faults, id) != "" {
		ids = append(ids, id+"-error")
	}
	return strings.Join(ids, " ")
}

// DateParts is a date as it was typed.
type DateParts struct{ Day, Month, Year string }

// DateOf reads what was typed into the fields that [DateFields] wrote.
func DateOf(form url.Values, id string) DateParts {
	get := func(part string) string { return strings.TrimSpace(form.Get(id + "-" + part)) }
	return DateParts{get("day"), get("month"), get("year")}
}

// String is the date as YYYY-MM-DD, whether there is such a day or not.
func (d DateParts) String() string {
	pad := func(text string) string { return strings.Repeat("0", max(0, 2-len(text))) + text }
	return d.Year + "-" + pad(d.Month) + "-" + pad(d.Day)
}
