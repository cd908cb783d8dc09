// Package fhirdoc reads people, vaccinations and tests out of FHIR R4 resources
// as health cards carry them, and writes the smallest such Bundle. It knows no
// signature.
package fhirdoc

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// Errors of reading. Neither repeats a value.
var (
	ErrMalformed = errors.New("not a FHIR Bundle of a health card")
	ErrContent   = errors.New("no vaccination and no test result in the Bundle")
)

// maxEntries bounds the resources of a Bundle that are looked at.
const maxEntries = 64

// Read returns what a Bundle says of one person: a certificate for each
// vaccination that was completed and each final test result, the vaccinations
// first, the latest of each first. Info is empty. A Bundle about several people
// is [ErrMalformed]; one without anything to certify is [ErrContent].
func Read(bundle jcs.Value) ([]vaccination.Certificate, error) {
	if text(bundle, "resourceType") != "Bundle" {
		return nil, ErrMalformed
	}
	entries, _ := bundle.Get("entry")
	if entries.Kind != jcs.Array || len(entries.Items) > maxEntries {
		return nil, ErrMalformed
	}
	var person *vaccination.Person
	url := ""
	for _, e := range entries.Items {
		r, _ := e.Get("resource")
		if text(r, "resourceType") != "Patient" {
			continue
		}
		if person != nil {
			return nil, ErrMalformed
		}
		p, err := patient(r)
		if err != nil {
			return nil, err
		}
		person, url = &p, text(e, "fullUrl")
	}
	if person == nil {
		return nil, ErrContent
	}
	var doses, tests []vaccination.Certificate
	for _, e := range entries.Items {
		r, _ := e.Get("resource")
		subject := ""
		switch text(r, "resourceType") {
		case "Immunization":
			subject = text(member(r, "patient"), "reference")
		case "Observation":
			subject = text(member(r, "subject"), "reference")
		default:
			continue
		}
		if subject != url && subject != "" && url != "" {
			return nil, ErrMalformed // about somebody else
		}
		c := vaccination.Certificate{Person: *person}
		if text(r, "resourceType") == "Immunization" {
			if text(r, "status") != "completed" {
				continue
			}
			d, err := immunization(r)
			if err != nil {
				return nil, err
			}
			c.Vaccination = d
			doses = append(doses, c)
			continue
		}
		if !slices.Contains([]string{"final", "amended", "corrected"}, text(r, "status")) {
			continue
		}
		// An observation of another kind, a blood count say, is none of ours.
		if t, ok := observation(r); ok {
			c.Test = t
			tests = append(tests, c)
		}
	}
	latestFirst(doses, func(a, b *vaccination.Certificate) bool {
		return a.Vaccination.Date.String() > b.Vaccination.Date.String()
	})
	latestFirst(tests, func(a, b *vaccination.Certificate) bool { return a.Test.Date.After(b.Test.Date) })
	all := append(doses, tests...)
	if len(all) == 0 {
		return nil, ErrContent
	}
	return all, nil
}

// latestFirst sorts the few there are; the sort of the library, made anew for so
// large a type, would weigh more in a browser than all of this package.
func latestFirst(all []vaccination.Certificate, later func(a, b *vaccination.Certificate) bool) {
	for i := range all {
		for j := i; j > 0 && later(&all[j], &all[j-1]); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
}

func patient(r jcs.Value) (p vaccination.Person, err error) {
	names := member(r, "name")
	if names.Kind == jcs.Array && len(names.Items) > 0 {
		n := names.Items[0]
		for _, other := range names.Items {
			if text(other, "use") == "official" {
				n = other
				break
			}
		}
		if p.Name = text(n, "text"); p.Name == "" {
			var parts []string
			for _, g := range member(n, "given").Items {
				parts = append(parts, g.Text)
			}
			p.Name = strings.Join(append(parts, text(n, "family")), " ")
		}
	}
	p.Name = strings.TrimSpace(p.Name)
	if p.BirthDate, err = vaccination.ParseDate(text(r, "birthDate")); err != nil || p.Name == "" {
		return p, ErrMalformed
	}
	p.Sex = vaccination.Sex(text(r, "gender"))
	if ids := member(r, "identifier"); ids.Kind == jcs.Array && len(ids.Items) > 0 {
		p.Identifier.Value = text(ids.Items[0], "value")
	}
	return p, nil
}

func immunization(r jcs.Value) (d vaccination.Dose, err error) {
	d.Vaccine = concept(member(r, "vaccineCode"))
	d.Lot = text(r, "lotNumber")
	d.Manufacturer = maker(member(r, "manufacturer"))
	if d.Date, err = date(text(r, "occurrenceDateTime")); err != nil || d.Vaccine.IsZero() {
		return d, ErrMalformed
	}
	d.Centre = text(member(r, "location"), "display")
	for _, p := range member(r, "performer").Items {
		if d.Centre != "" {
			break
		}
		d.Centre = text(member(p, "actor"), "display")
	}
	for _, p := range member(r, "protocolApplied").Items {
		d.Number, d.Total = number(p, "doseNumberPositiveInt"), number(p, "seriesDosesPositiveInt")
		for _, t := range member(p, "targetDisease").Items {
			d.Disease = concept(t)
		}
	}
	return d, nil
}

func observation(r jcs.Value) (t vaccination.Test, ok bool) {
	t.Type = concept(member(r, "code"))
	t.Result = concept(member(r, "valueCodeableConcept"))
	if t.Result.IsZero() {
		t.Result.Display = text(r, "valueString")
	}
	for _, p := range member(r, "performer").Items {
		if t.Centre = text(p, "display"); t.Centre != "" {
			break
		}
	}
	when := text(r, "effectiveDateTime")
	if when == "" {
		when = text(member(r, "effectivePeriod"), "start")
	}
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(form, when); err == nil {
			t.Date = at.UTC().Truncate(time.Second)
			break
		}
	}
	return t, !t.Date.IsZero() && !t.Type.IsZero() && !t.Result.IsZero()
}

// concept returns the coding of a CodeableConcept, the first of a system that
// the catalogue knows, else the first.
func concept(v jcs.Value) vaccination.Coding {
	known := []string{vaccination.SystemCVX, vaccination.SystemICD11, vaccination.SystemSNOMED}
	var out vaccination.Coding
	for _, c := range member(v, "coding").Items {
		coding := vaccination.Coding{Code: text(c, "code"), System: text(c, "system"), Display: text(c, "display")}
		if coding.Code != "" && (out.IsZero() || slices.Contains(known, coding.System) && !slices.Contains(known, out.System)) {
			out = coding
		}
	}
	if out.Display == "" {
		out.Display = text(v, "text")
	}
	return out
}

// maker reads a Reference to an Organization: by identifier or name.
func maker(v jcs.Value) vaccination.Coding {
	id := member(v, "identifier")
	return vaccination.Coding{Code: text(id, "value"), System: text(id, "system"), Display: text(v, "display")}
}

// date reads the day of a dateTime.
func date(s string) (vaccination.Date, error) {
	s, _, _ = strings.Cut(s, "T")
	d, err := vaccination.ParseDate(s)
	if err != nil || d.IsZero() || d.Estimated {
		return d, ErrMalformed
	}
	return d, nil
}

func member(v jcs.Value, name string) jcs.Value {
	m, _ := v.Get(name)
	return m
}

func text(v jcs.Value, name string) string {
	m := member(v, name)
	if m.Kind != jcs.String {
		return ""
	}
	return m.Text
}

func number(v jcs.Value, name string) int {
	m := member(v, name)
	if m.Kind != jcs.Number || m.Number != math.Trunc(m.Number) || m.Number < 1 || m.Number > 1000 {
		return 0
	}
	return int(m.Number)
}
