package casework

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// field is what a correction may change of a record. Whose record it is, of which
// programme and dose, is none: that is another record.
type field struct {
	path string
	set  func(e *vaccination.Event, value string) error
}

func fields() []field {
	text := func(at func(*vaccination.Event) *string) func(*vaccination.Event, string) error {
		return func(e *vaccination.Event, value string) error { *at(e) = value; return nil }
	}
	date := func(at func(*vaccination.Event) *vaccination.Date) func(*vaccination.Event, string) error {
		return func(e *vaccination.Event, value string) (err error) {
			*at(e), err = vaccination.ParseDate(value)
			return err
		}
	}
	return []field{
		{"person.name", text(func(e *vaccination.Event) *string { return &e.Person.Name })},
		{"person.birthDate", date(func(e *vaccination.Event) *vaccination.Date { return &e.Person.BirthDate })},
		{"person.sex", text(func(e *vaccination.Event) *string { return (*string)(&e.Person.Sex) })},
		{"person.nationality", text(func(e *vaccination.Event) *string { return &e.Person.Nationality })},
		{"person.identifier.type", text(func(e *vaccination.Event) *string { return &e.Person.Identifier.Kind })},
		{"person.identifier.value", text(func(e *vaccination.Event) *string { return &e.Person.Identifier.Value })},
		{"vaccination.product", func(e *vaccination.Event, value string) error {
			v := &e.Vaccination // the catalogue says the rest of another product
			v.Product = value
			v.Vaccine, v.Brand, v.Manufacturer, v.MAHolder = vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}, vaccination.Coding{}
			return nil
		}},
		{"vaccination.lot", text(func(e *vaccination.Event) *string { return &e.Vaccination.Lot })},
		{"vaccination.date", date(func(e *vaccination.Event) *vaccination.Date { return &e.Vaccination.Date })},
		{"vaccination.country", func(e *vaccination.Event, value string) error {
			e.Vaccination.Country = vaccination.Coding{Code: value}
			return nil
		}},
		{"vaccination.centre", text(func(e *vaccination.Event) *string { return &e.Vaccination.Centre })},
		{"vaccination.practitioner", text(func(e *vaccination.Event) *string { return &e.Vaccination.Practitioner })},
	}
}

// Fields lists the fields that a correction may change, in the order of the page.
func Fields() []string {
	var out []string
	for _, f := range fields() {
		out = append(out, f.path)
	}
	return out
}

func checkChanges(changes []Change) (faults []vaccination.Fault) {
	for i, c := range changes {
		at := fmt.Sprintf("changes[%d]", i)
		switch {
		case !slices.Contains(Fields(), c.Field):
			faults = append(faults, vaccination.Fault{Path: at + ".field", Code: "unknown", Message: "a correction changes one of " + strings.Join(Fields(), ", ")})
		case slices.ContainsFunc(changes[:i], func(o Change) bool { return o.Field == c.Field }):
			faults = append(faults, vaccination.Fault{Path: at + ".field", Code: "twice", Message: "this field is there twice"})
		case !goodText(c.Value, vaccination.MaxText):
			faults = append(faults, vaccination.Fault{Path: at + ".value", Code: vaccination.FaultTooLong, Message: "at most 200 characters, without control characters"})
		}
	}
	return faults
}

// amended is e with changes. A value that is none of its field's is
// [vaccination.Invalid]; one that is empty leaves the field as it is.
func amended(e vaccination.Event, changes []Change) (vaccination.Event, error) {
	for i, c := range changes {
		for _, f := range fields() {
			if f.path != c.Field || strings.TrimSpace(c.Value) == "" {
				continue
			}
			if err := f.set(&e, strings.TrimSpace(c.Value)); err != nil {
				return e, &vaccination.Error{Code: vaccination.Invalid, Message: "the request has faults", Faults: []vaccination.Fault{
					{Path: fmt.Sprintf("changes[%d].value", i), Code: vaccination.FaultFormat, Message: err.Error()},
				}}
			}
		}
	}
	return e.Normalise(), nil
}
