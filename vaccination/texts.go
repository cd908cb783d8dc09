package vaccination

import "time"

// text is one free-text field of an Event: where it is, how long it may be in
// characters and whether a record means nothing without it. One table serves
// Validate, Normalise, MapText and Diff, so that no field is forgotten by one
// of them (TestEveryTextOfAnEventIsChecked).
type text struct {
	group    string // "address.", "" at the top
	field    string
	value    *string
	max      int
	required bool
}

// Bounds of what a source may send, in characters (Unicode code points) unless
// said otherwise. They are far above real records and keep every record small.
const (
	MaxName     = 200 // a person's name
	MaxText     = 200 // every other line of text
	MaxCode     = 100 // enrolment codes, product keys, lots, codes
	MaxContacts = 10  // contacts of one person
	MaxContact  = 254 // bytes of one contact, scheme included
)

// allTexts is how many texts an Event has, and a few more.
const allTexts = 72

// texts appends the texts of e to out.
func (e *Event) texts(out []text) []text {
	p, v := &e.Person, &e.Vaccination
	out = append(out,
		text{"", "programme", &e.Programme, MaxCode, false},
		text{"", "enrolmentCode", &e.EnrolmentCode, MaxCode, true},
		text{"", "person.name", &p.Name, MaxName, true},
		text{"", "person.sex", (*string)(&p.Sex), MaxCode, false},
		text{"", "person.nationality", &p.Nationality, MaxText, false},
		text{"", "person.identifier.type", &p.Identifier.Kind, MaxCode, false},
		text{"", "person.identifier.value", &p.Identifier.Value, MaxText, false},
	)
	out = e.Address.texts(out, "address.")
	out = append(out, text{"", "vaccination.product", &v.Product, MaxText, false})
	out = v.Vaccine.texts(out, "vaccination.vaccine.")
	out = v.Brand.texts(out, "vaccination.brand.")
	out = v.Manufacturer.texts(out, "vaccination.manufacturer.")
	out = v.MAHolder.texts(out, "vaccination.maholder.")
	out = v.Disease.texts(out, "vaccination.disease.")
	out = append(out, text{"", "vaccination.lot", &v.Lot, MaxCode, false})
	out = v.Country.texts(out, "vaccination.country.")
	out = append(out, text{"", "vaccination.centre", &v.Centre, MaxText, false})
	out = v.CentreAddress.texts(out, "vaccination.centreAddress.")
	out = append(out, text{"", "vaccination.practitioner", &v.Practitioner, MaxText, false})
	return e.Test.texts(out)
}

func (t *Test) texts(out []text) []text {
	out = t.Pathogen.texts(out, "test.pathogen.")
	out = t.Type.texts(out, "test.type.")
	out = t.Brand.texts(out, "test.brand.")
	out = t.Manufacturer.texts(out, "test.manufacturer.")
	out = append(out, text{"", "test.lot", &t.Lot, MaxCode, false})
	out = t.Origin.texts(out, "test.origin.")
	out = t.Result.texts(out, "test.result.")
	out = t.Country.texts(out, "test.country.")
	out = append(out, text{"", "test.centre", &t.Centre, MaxText, false})
	out = t.CentreAddress.texts(out, "test.centreAddress.")
	return append(out, text{"", "test.practitioner", &t.Practitioner, MaxText, false})
}

func (a *Address) texts(out []text, at string) []text {
	return append(out,
		text{at, "line1", &a.Line1, MaxText, false},
		text{at, "line2", &a.Line2, MaxText, false},
		text{at, "district", &a.District, MaxText, false},
		text{at, "region", &a.Region, MaxText, false},
		text{at, "postCode", &a.PostCode, MaxCode, false},
		text{at, "country", &a.Country, MaxText, false},
	)
}

func (c *Coding) texts(out []text, at string) []text {
	return append(out,
		text{at, "code", &c.Code, MaxCode, false},
		text{at, "system", &c.System, MaxText, false},
		text{at, "display", &c.Display, MaxText, false},
	)
}

// path is where t stands, in the terms of Event's JSON.
func (t text) path() string { return t.group + t.field }

// dated is one date of an Event.
type dated struct {
	path string
	date Date
}

func (e *Event) dates() [5]dated {
	v := &e.Vaccination
	return [5]dated{
		{"person.birthDate", e.Person.BirthDate},
		{"vaccination.date", v.Date},
		{"vaccination.validFrom", v.ValidFrom},
		{"vaccination.validUntil", v.ValidUntil},
		{"vaccination.nextDose", v.NextDose},
	}
}

// timed is one time of an Event.
type timed struct {
	path string
	time *time.Time
}

func (e *Event) times() [2]timed {
	return [2]timed{{"test.date", &e.Test.Date}, {"test.resultDate", &e.Test.ResultDate}}
}
