// Package mapping says, as data, where each field of an event is found in what a
// source delivers: no id, property name or code list is the same in two
// countries. A mapping is checked against the vocabulary when it is read, and
// against the source's own description of itself ([Metadata]) before it is used.
//
// What cannot be mapped is a [Problem] with the field and what would help, never
// a guess.
package mapping

import (
	"go.yaml.in/yaml/v3"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// Fields are values by the source's names: attribute and data element ids,
// properties, columns. A missing one and an empty one mean the same.
type Fields map[string]string

// Mapping is a source's mapping, read and checked by [Parse].
type Mapping struct {
	Person Person `yaml:"person"`
	Dose   Dose   `yaml:"dose"`
	// Stages are the kinds of doses that count, by the source's id; a rule
	// gives what is fixed for one. Empty: every dose counts.
	Stages map[string]Stage `yaml:"stages"`
	// Ignore are stages that are never doses: a certificate's own, reports of
	// side effects.
	Ignore Names `yaml:"ignore"`
	// Statuses are the source's states of a dose that count as given. Empty:
	// every state.
	Statuses Names `yaml:"statuses"`
	// Slots are doses that the source keeps beside the person: one case with
	// dose1_date, dose2_date.
	Slots []Slot `yaml:"slots"`
	// DateOrder is how dates of digits with slashes or dots are meant: DMY,
	// MDY or YMD. Empty: those that can be two days are refused.
	DateOrder string `yaml:"dateOrder"`

	profile *profile.Profile
}

// Rule says how one field is found: the first of From that has a value, through
// Codes where there are any, else Constant.
type Rule struct {
	From     Names             `yaml:"from"`
	Codes    map[string]string `yaml:"codes"`    // the source's code → the value, "" for one that says nothing; a code that is not there is a problem
	Constant string            `yaml:"constant"` // where none of From has a value
	Join     string            `yaml:"join"`     // puts all of From together with this between, in place of the first
}

// UnmarshalYAML reads a rule, or in its place one name or a list of names alone.
func (r *Rule) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return n.Decode(&r.From)
	}
	type rule Rule
	return n.Decode((*rule)(r))
}

// Names are names of a source, in order of preference.
type Names []string

// UnmarshalYAML reads a list of names, or one name alone.
func (names *Names) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*names = Names{n.Value}
		return nil
	}
	return n.Decode((*[]string)(names))
}

// Person are the rules for the fields of a person. They see the person's fields
// alone.
type Person struct {
	// Code is the enrolment code. Without a value the source's own id of the
	// person is taken, behind the source's name.
	Code        Rule            `yaml:"code"`
	Name        Rule            `yaml:"name"`
	GivenName   Rule            `yaml:"givenName"` // with FamilyName, where there is no Name
	FamilyName  Rule            `yaml:"familyName"`
	BirthDate   Rule            `yaml:"birthDate"`
	Estimated   Rule            `yaml:"birthDateEstimated"` // "true" marks the birth date as judged, not known
	Sex         Rule            `yaml:"sex"`
	Nationality Rule            `yaml:"nationality"`
	Phone       Rule            `yaml:"phone"`
	Email       Rule            `yaml:"email"`
	Identifiers map[string]Rule `yaml:"identifiers"` // kind of the profile → rule; the first with a value is certified
	Line1       Rule            `yaml:"line1"`
	Line2       Rule            `yaml:"line2"`
	District    Rule            `yaml:"district"`
	Region      Rule            `yaml:"region"`
	PostCode    Rule            `yaml:"postCode"`
	// Types are the source's kinds of things that are people, where it delivers
	// several: case types.
	Types Names `yaml:"types"`
}

// Dose are the rules for the fields of a dose. A dose's rules see the fields of
// the dose and, behind them, those of the person.
type Dose struct {
	Programme    Rule `yaml:"programme"`
	Number       Rule `yaml:"number"`
	Total        Rule `yaml:"totalDoses"`
	Product      Rule `yaml:"product"`
	Manufacturer Rule `yaml:"manufacturer"`
	Lot          Rule `yaml:"lot"`
	Date         Rule `yaml:"date"`
	ValidFrom    Rule `yaml:"validFrom"`
	ValidUntil   Rule `yaml:"validUntil"`
	NextDose     Rule `yaml:"nextDose"`
	Country      Rule `yaml:"country"`
	Centre       Rule `yaml:"centre"` // without a value the facility's name
	Practitioner Rule `yaml:"practitioner"`
}

// Stage is what is fixed for the doses of one stage.
type Stage struct {
	Number    int    `yaml:"number"`
	Programme string `yaml:"programme"`
}

// Slot is one dose kept beside the person: fields that begin with Prefix belong
// to it, without it. It is a dose where When has a value.
type Slot struct {
	Prefix string `yaml:"prefix"` // "dose1_"
	Number int    `yaml:"number"`
	When   string `yaml:"when"` // a field of the dose, without the prefix: "date"
}

// Input is one dose to be mapped, with the person it belongs to.
type Input struct {
	Source   string // its name
	PersonID string // the source's id
	Person   Fields
	Stage    string // of the dose; the prefix of a slot
	Status   string // of the dose
	Dose     Fields
	Facility string // name of the place of vaccination, "" when unknown
}

// Problem is one thing that keeps a dose from becoming an event.
type Problem struct {
	Class   Class  `json:"class"`
	Field   string `json:"field"`          // in the terms of the event: "vaccination.product"
	Rule    string `json:"rule,omitempty"` // the rule that found nothing: "dose.product"
	From    string `json:"from,omitempty"` // the source's name of the field
	Message string `json:"message"`        // what would help; without a value
	// Code is the source's text that the rule's code list lacks. It may be
	// anything that somebody typed: it is kept sealed and shown to those alone
	// who may see the record.
	Code string `json:"-"`
}

// Class is why something is held.
type Class string

// The classes of this package's problems; package intake adds its own.
const (
	Unmapped Class = "unmapped-code" // a code that the mapping does not have
	Missing  Class = "missing-field"
	Invalid  Class = "invalid-value"
)

// Outcome of mapping one dose: an event, or problems; Skip says that the dose
// does not count (a stage or state that is none), with the reason.
type Outcome struct {
	Event    vaccination.Event
	Partial  vaccination.Event // with problems: what could be mapped, for a person to complete
	Problems []Problem
	Skip     string
}
