package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/vaccination"
)

// Split takes the doses that a source keeps beside the person out of the
// person's fields. It returns one entry for each slot, in order; one without
// Fields says that the source has no such dose, or has it no longer.
func (m *Mapping) Split(person Fields) (rest Fields, doses []SlotFields) {
	if len(m.Slots) == 0 {
		return person, nil
	}
	doses = make([]SlotFields, len(m.Slots))
	rest = Fields{}
	for name, value := range person {
		i := m.slotOf(name)
		if i < 0 {
			rest[name] = value
			continue
		}
		if doses[i].Fields == nil {
			doses[i].Fields = Fields{}
		}
		doses[i].Fields[strings.TrimPrefix(name, m.Slots[i].Prefix)] = value
	}
	for i, s := range m.Slots {
		doses[i].Slot = s
		if doses[i].Fields[s.When] == "" {
			doses[i].Fields = nil
		}
	}
	return rest, doses
}

// SlotFields is what a source keeps of the dose of one slot.
type SlotFields struct {
	Slot   Slot
	Fields Fields // without the prefix; nil where there is no dose
}

// slotOf returns the slot that a field belongs to: that of the longest prefix.
func (m *Mapping) slotOf(name string) int {
	best := -1
	for i, s := range m.Slots {
		if strings.HasPrefix(name, s.Prefix) && (best < 0 || len(s.Prefix) > len(m.Slots[best].Prefix)) {
			best = i
		}
	}
	return best
}

// Event maps one dose. What the mapping cannot tell is a problem; what is wrong
// with the event beyond that, issuing finds out.
func (m *Mapping) Event(in Input) Outcome {
	stage, skip := m.stage(in)
	if skip != "" {
		return Outcome{Skip: skip}
	}
	a := &applying{m: m, in: in, fields: []Fields{in.Person}}
	d := &m.Dose
	e := a.who()
	a.fields = []Fields{in.Dose, in.Person}
	e.Programme = a.code("dose.programme", "programme", &d.Programme)
	e.Vaccination = vaccination.Dose{
		Product:      a.code("dose.product", "vaccination.product", &d.Product),
		Manufacturer: vaccination.Coding{Display: a.code("dose.manufacturer", "vaccination.manufacturer", &d.Manufacturer)},
		Lot:          a.text(&d.Lot),
		Date:         a.date("dose.date", "vaccination.date", &d.Date, m.profile.TimeZone),
		ValidFrom:    a.date("dose.validFrom", "vaccination.validFrom", &d.ValidFrom, m.profile.TimeZone),
		ValidUntil:   a.date("dose.validUntil", "vaccination.validUntil", &d.ValidUntil, m.profile.TimeZone),
		NextDose:     a.date("dose.nextDose", "vaccination.nextDose", &d.NextDose, m.profile.TimeZone),
		Number:       a.number("dose.number", "vaccination.dose", &d.Number),
		Total:        a.number("dose.totalDoses", "vaccination.totalDoses", &d.Total),
		Country:      vaccination.Coding{Code: a.code("dose.country", "vaccination.country", &d.Country)},
		Centre:       a.code("dose.centre", "vaccination.centre", &d.Centre),
		Practitioner: a.text(&d.Practitioner),
	}
	if stage.Programme != "" {
		e.Programme = stage.Programme
	}
	if stage.Number > 0 {
		e.Vaccination.Number = stage.Number
	}
	if e.Vaccination.Centre == "" {
		e.Vaccination.Centre = in.Facility
	}
	a.need(e.Person.Name == "", "person.name", "person.name", "the source has no name for this person")
	a.need(e.Vaccination.Date.IsZero(), "vaccination.date", "dose.date", "the source does not say when this dose was given")
	a.need(e.Vaccination.Number == 0, "vaccination.dose", "dose.number", "the source does not say which dose this is: the first, the second")
	if len(a.problems) > 0 {
		return Outcome{Partial: e, Problems: a.problems}
	}
	return Outcome{Event: e}
}

// Who maps what the source says of a person, without a dose: who they are and
// how to reach them. What it cannot tell is left out; it is for finding and
// reaching people, and nothing is issued from it.
func (m *Mapping) Who(in Input) vaccination.Event {
	return (&applying{m: m, in: in, fields: []Fields{in.Person}}).who()
}

// who is the part of an event that is about the person. A dose's fields are not
// looked at: a dose has a "name" too.
func (a *applying) who() vaccination.Event {
	p := &a.m.Person
	e := vaccination.Event{
		EnrolmentCode: a.text(&p.Code),
		Person: vaccination.Person{
			Name:        a.name(),
			BirthDate:   a.date("person.birthDate", "person.birthDate", &p.BirthDate, nil),
			Sex:         a.sex(),
			Nationality: a.code("person.nationality", "person.nationality", &p.Nationality),
			Identifier:  a.identifier(),
		},
		Contacts: a.contacts(),
		Address: vaccination.Address{
			Line1: a.text(&p.Line1), Line2: a.text(&p.Line2), PostCode: a.text(&p.PostCode),
			District: a.code("person.district", "address.district", &p.District),
			Region:   a.code("person.region", "address.region", &p.Region),
		},
	}
	if e.EnrolmentCode == "" {
		e.EnrolmentCode = a.in.Source + ":" + a.in.PersonID
	}
	if !e.Person.BirthDate.IsZero() {
		e.Person.BirthDate.Estimated = e.Person.BirthDate.Estimated || a.flag("person.birthDateEstimated", "person.birthDate", &p.Estimated)
	}
	return e
}

// stage returns what is fixed for the dose, or why it is none that counts.
func (m *Mapping) stage(in Input) (stage Stage, skip string) {
	for _, s := range m.Slots {
		if s.Prefix == in.Stage {
			return Stage{Number: s.Number}, ""
		}
	}
	if slices.Contains(m.Ignore, in.Stage) {
		return Stage{}, "the mapping ignores this stage"
	}
	stage, known := m.Stages[in.Stage]
	if len(m.Stages) > 0 && !known {
		return Stage{}, "the mapping has no such stage"
	}
	if len(m.Statuses) > 0 && !slices.Contains(m.Statuses, in.Status) {
		return Stage{}, "a dose in this state was not given"
	}
	return stage, ""
}

// applying maps one dose and collects its problems.
type applying struct {
	m        *Mapping
	in       Input
	fields   []Fields // where values are looked for: the first that has one counts
	problems []Problem
}

func (a *applying) problem(class Class, event, rule, from, message string) *Problem {
	a.problems = append(a.problems, Problem{Class: class, Field: event, Rule: rule, From: from, Message: message})
	return &a.problems[len(a.problems)-1]
}

// need reports a field that is not there, unless another problem of it says why.
func (a *applying) need(missing bool, event, rule, message string) {
	if missing && !slices.ContainsFunc(a.problems, func(p Problem) bool { return p.Field == event }) {
		a.problem(Missing, event, rule, "", message)
	}
}

// value is a field by the source's name.
func (a *applying) value(name string) string {
	for _, f := range a.fields {
		if v := strings.TrimSpace(f[name]); v != "" {
			return v
		}
	}
	return ""
}

// find returns the first value of a rule and the name it stood under, which is
// empty for the rule's constant.
func (a *applying) find(r *Rule) (value, from string) {
	for _, name := range r.From {
		if v := a.value(name); v != "" {
			return v, name
		}
	}
	return r.Constant, ""
}

func (a *applying) text(r *Rule) string {
	if r.Join == "" {
		v, _ := a.find(r)
		return v
	}
	var parts []string
	for _, name := range r.From {
		if v := a.value(name); v != "" {
			parts = append(parts, v)
		}
	}
	if len(parts) == 0 {
		return r.Constant
	}
	return strings.Join(parts, r.Join)
}

// code returns a value through the rule's code list.
func (a *applying) code(rule, event string, r *Rule) string {
	v, from := a.find(r)
	if v == "" || from == "" || len(r.Codes) == 0 {
		return v
	}
	if to, ok := r.Codes[v]; ok {
		return to
	}
	for _, code := range slices.Sorted(maps.Keys(r.Codes)) {
		if strings.EqualFold(code, v) {
			return r.Codes[code]
		}
	}
	a.problem(Unmapped, event, rule, from, "the mapping does not know this code: add it to the codes of "+rule).Code = v
	return ""
}

func (a *applying) name() string {
	if v := a.text(&a.m.Person.Name); v != "" {
		return v
	}
	return strings.TrimSpace(a.text(&a.m.Person.GivenName) + " " + a.text(&a.m.Person.FamilyName))
}

func (a *applying) date(rule, event string, r *Rule, zone *time.Location) vaccination.Date {
	v, from := a.find(r)
	d, code, message := dates.Parse(v, dates.Order(a.m.DateOrder), zone)
	if code != "" {
		a.problem(Invalid, event, rule, from, message)
	}
	return d
}

func (a *applying) number(rule, event string, r *Rule) int {
	before := len(a.problems)
	v := a.code(rule, event, r)
	if v == "" || len(a.problems) > before {
		return 0
	}
	whole, fraction, _ := strings.Cut(v, ".") // "1.0", as some write numbers
	n, err := strconv.Atoi(whole)
	if err != nil || n < 1 || n > 1000 || strings.Trim(fraction, "0") != "" {
		_, from := a.find(r)
		a.problem(Invalid, event, rule, from, "a whole number from 1 is expected; add a code list where the source has codes")
		return 0
	}
	return n
}

func (a *applying) sex() vaccination.Sex {
	const rule = "person.sex"
	v := a.code(rule, rule, &a.m.Person.Sex)
	if v == "" {
		return ""
	}
	sex, ok := sexOf(v)
	if !ok {
		_, from := a.find(&a.m.Person.Sex)
		a.problem(Unmapped, rule, rule, from, "the mapping does not know this code: add it to the codes of "+rule).Code = v
	}
	return sex
}

func (a *applying) flag(rule, event string, r *Rule) bool {
	v := a.code(rule, event, r)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		_, from := a.find(r)
		a.problem(Invalid, event, rule, from, "true or false is expected")
	}
	return b
}

// identifier is the first of the profile's kinds of documents that has a number.
func (a *applying) identifier() vaccination.Identifier {
	for _, kind := range a.m.profile.Identities {
		rule := a.m.Person.Identifiers[kind.Key]
		if v := a.text(&rule); v != "" {
			return vaccination.Identifier{Kind: kind.Key, Value: v}
		}
	}
	return vaccination.Identifier{}
}

func (a *applying) contacts() []string {
	var out []string
	if v := a.text(&a.m.Person.Phone); v != "" {
		out = append(out, "tel:"+v)
	}
	if v := a.text(&a.m.Person.Email); v != "" {
		out = append(out, "mailto:"+v)
	}
	return out
}
