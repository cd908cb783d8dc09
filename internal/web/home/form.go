package home

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

type start struct {
	Demo    bool
	Samples []Sample
	Issued  *Sample
}

// input is what was typed, kept as it was typed.
type input struct {
	Name, Sex, Product, Dose, Lot, Centre, EnrolmentCode string
	BirthDate, Date                                      dateInput
}

// dateInput is a date in three fields; the month and the day may be empty.
type dateInput struct{ Day, Month, Year string }

type field struct{ path, id, label string }

// fields binds the paths of faults to the form, in its order.
func fields() []field {
	return []field{
		{"person.name", "name", "issue.name"},
		{"person.birthDate", "birthDate", "issue.birthDate"},
		{"person.sex", "sex", "issue.sex"},
		{"vaccination.product", "product", "issue.product"},
		{"vaccination.vaccine", "product", "issue.product"},
		{"vaccination.brand", "product", "issue.product"},
		{"vaccination.dose", "dose", "issue.dose"},
		{"vaccination.date", "date", "issue.date"},
		{"vaccination.lot", "lot", "issue.lot"},
		{"vaccination.centre", "centre", "issue.centre"},
		{"enrolmentCode", "enrolmentCode", "issue.enrolmentCode"},
		{"programme", "product", "issue.product"},
	}
}

func read(v url.Values) input {
	get := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	date := func(name string) dateInput {
		return dateInput{get(name + "-day"), get(name + "-month"), get(name + "-year")}
	}
	return input{Name: get("name"), Sex: get("sex"), Product: get("product"), Dose: get("dose"), Lot: get("lot"),
		Centre: get("centre"), EnrolmentCode: get("enrolmentCode"), BirthDate: date("birthDate"), Date: date("date")}
}

// event is the event that was typed, and the faults of what could not be read
// as a date or a number. Whether it may be issued is not decided here.
func (in input) event(l texts) (vaccination.Event, []page.Fault) {
	var faults []page.Fault
	date := func(d dateInput, id string) vaccination.Date {
		v, ok := d.date()
		if !ok {
			// The summary's link goes to the day, the first of the three fields.
			faults = append(faults, page.Fault{Field: id, Message: l.T("issue.date.wrong", "field", l.T("issue."+id))})
		}
		return v
	}
	programme, product, _ := strings.Cut(in.Product, "/")
	e := vaccination.Event{
		Programme:     programme,
		EnrolmentCode: in.EnrolmentCode,
		Person:        vaccination.Person{Name: in.Name, Sex: vaccination.Sex(in.Sex), BirthDate: date(in.BirthDate, "birthDate")},
		Vaccination:   vaccination.Dose{Product: product, Lot: in.Lot, Centre: in.Centre, Date: date(in.Date, "date")},
	}
	n, err := strconv.Atoi(in.Dose)
	if err != nil {
		faults = append(faults, page.Fault{Field: "dose", Message: l.T("issue.dose.wrong")})
	}
	e.Vaccination.Number = n
	return e, faults
}

// date reads the three fields: all, year and month, or the year alone. All
// empty is the unknown date.
func (d dateInput) date() (vaccination.Date, bool) {
	pad := func(s string, n int) string { return strings.Repeat("0", max(0, n-len(s))) + s }
	text := ""
	switch {
	case d == dateInput{}:
		return vaccination.Date{}, true
	case d.Year == "" || d.Month == "" && d.Day != "":
		return vaccination.Date{}, false
	case d.Month == "":
		text = d.Year
	case d.Day == "":
		text = d.Year + "-" + pad(d.Month, 2)
	default:
		text = d.Year + "-" + pad(d.Month, 2) + "-" + pad(d.Day, 2)
	}
	v, err := vaccination.ParseDate(text)
	return v, err == nil && !v.Estimated
}

// radioID is the id of a radio button; the first has the field's own id, so
// that the summary's link leads to it.
func radioID(field string, i int) string {
	if i == 0 {
		return field
	}
	return field + "-" + strconv.Itoa(i+1)
}

// describe ties a field to its hint and its error message for screen readers.
func describe(faults []page.Fault, id, hint string) templ.Attributes {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if page.Message(faults, id) != "" {
		ids = append(ids, id+"-error")
	}
	if len(ids) == 0 {
		return nil
	}
	return templ.Attributes{"aria-describedby": strings.Join(ids, " ")}
}
