package vaccination

import "time"

// Test is a test of one person for one agent (DDCCCoreDataSetTR element "test",
// and what DIVOC's test certificates have beyond it). Times are whole seconds.
type Test struct {
	// Number tells the tests of one person in one programme apart: 1 for the
	// first. Issuing gives it where a source does not.
	Number        int       `json:"number,omitempty"`
	Pathogen      Coding    `json:"pathogen,omitzero"` // the agent looked for, or the disease it causes
	Type          Coding    `json:"type,omitzero"`     // of the test: NAAT, rapid antigen
	Brand         Coding    `json:"brand,omitzero"`    // the test's name
	Manufacturer  Coding    `json:"manufacturer,omitzero"`
	Lot           string    `json:"lot,omitempty"`
	Origin        Coding    `json:"origin,omitzero"`     // of the sample
	Date          time.Time `json:"date,omitzero"`       // of the sample's collection; midnight UTC where only a day is known
	ResultDate    time.Time `json:"resultDate,omitzero"` // when the result was there
	Result        Coding    `json:"result,omitzero"`
	Country       Coding    `json:"country,omitzero"` // ISO 3166-1 alpha-3
	Centre        string    `json:"centre,omitempty"` // the facility's name
	CentreAddress Address   `json:"centreAddress,omitzero"`
	Practitioner  string    `json:"practitioner,omitempty"` // who answers for the result
}

// IsZero reports whether there is no test.
func (t Test) IsZero() bool { return t == Test{} }

// Same reports whether o is a test of the same sample, of the same kind: what a
// source that numbers no tests tells them apart by.
func (t Test) Same(o Test) bool { return t.Date.Equal(o.Date) && t.Type.Code == o.Type.Code }

// Recovery says that a person had a disease and is over it (EU DCC, group "r").
type Recovery struct {
	Disease       Coding `json:"disease,omitzero"`
	FirstPositive Date   `json:"firstPositive,omitzero"` // of the first positive NAAT
	Country       Coding `json:"country,omitzero"`
	ValidFrom     Date   `json:"validFrom,omitzero"`
	ValidUntil    Date   `json:"validUntil,omitzero"`
}

// IsZero reports whether there is no recovery.
func (r Recovery) IsZero() bool { return r == Recovery{} }

// IsTest reports whether e is of a test; every other event is of a dose.
func (e Event) IsTest() bool { return !e.Test.IsZero() }

// Number is the number of the dose or of the test: with programme and enrolment
// code it names the record. That of a test is 0 until issuing gave it one.
func (e Event) Number() int { return number(e.Vaccination, e.Test) }

// Lot is the batch of what was given, or of the test.
func (e Event) Lot() string {
	if e.IsTest() {
		return e.Test.Lot
	}
	return e.Vaccination.Lot
}

// Centre is the facility's name.
func (e Event) Centre() string {
	if e.IsTest() {
		return e.Test.Centre
	}
	return e.Vaccination.Centre
}

// Day is the day of the dose, or on which the sample was taken in zone.
func (e Event) Day(zone *time.Location) Date { return day(e.Vaccination, e.Test, zone) }

// IsTest reports whether c certifies a test.
func (c Certificate) IsTest() bool { return !c.Test.IsZero() }

// Number is the number of the dose or of the test, 0 where it is not recorded.
func (c Certificate) Number() int { return number(c.Vaccination, c.Test) }

// Day is the day of the dose, or on which the sample was taken in zone.
func (c Certificate) Day(zone *time.Location) Date { return day(c.Vaccination, c.Test, zone) }

func number(d Dose, t Test) int {
	if t.IsZero() {
		return d.Number
	}
	return t.Number
}

func day(d Dose, t Test, zone *time.Location) Date {
	switch {
	case t.IsZero():
		return d.Date
	case t.Date.IsZero():
		return Date{}
	default:
		return DateOf(t.Date.In(zone))
	}
}
