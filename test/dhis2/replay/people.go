package replay

import (
	"fmt"
	"time"
)

// Attributes and data elements of the COVAC package that the invented people
// use.
const (
	GivenName  = "sB1IHYu2xQT"
	FamilyName = "ENRjVGxVL6l"
	BirthDate  = "NI0QRzJvQ0k"
	Estimated  = "Z1rLc1rVHK8"
	Sex        = "oindugucx72"
	Phone      = "fctSQp5nAYl"
	NationalID = "Ewi7FUfcHAD"
	SystemID   = "KSr2yTdu1AI"
	DoseNumber = "LUIsbsm3okG"
	TotalDoses = "PamkjF1JUnE"
	Vaccine    = "bbnyNYD1wgS"
	Maker      = "rpkH9ZPGJcX"
	Batch      = "Yp1F4txx8tm"
)

// Person is one of the replay's people, for tests and for printing examples.
type Person struct {
	ID, NationalID, SystemID, Name, Phone, BirthDate string
	Events                                           []string // of the vaccination stage
}

// somebody is one invented person with what is worth showing about them.
type somebody struct {
	given, family, sex, birth, nationalID, phone string
	unit                                         int
	doses                                        []string // days
	vaccine, maker                               string
	estimated                                    bool
}

// cast are the people of the demonstration: names in Sinhala, Tamil and Latin
// script, identity cards of the old and the new form, and one of each case that
// needs an answer of its own. Every name, number and day is invented.
func cast() []somebody {
	return []somebody{
		{"නිමල්", "පෙරේරා", "Male", "1987-04-21", "871120015V", "0700000001", 1, []string{"2021-06-16", "2021-09-15"}, "astrazeneca", "astrazeneca", false},
		{"කුමාරි", "ජයසිංහ", "Female", "1992-11-03", "199280800020", "0700000002", 2, []string{"2021-07-29", "2021-08-26", "2022-02-10"}, "sinopharm", "sinopharm", false},
		{"கமலா", "சிவராஜா", "Female", "1975-02-28", "755590035V", "0700000003", 3, []string{"2021-07-29", "2021-08-27"}, "sinopharm", "sinopharm", false},
		{"அருண்", "குமார்", "Male", "2001-12-31", "200136600045", "0700000004", 3, []string{"2021-10-04"}, "biontechpfizer", "biontechpfizer", false},
		{"Fathima", "Nazeer", "Female", "1968-08-14", "687270050X", "0700000005", 4, []string{"2021-06-01", "2021-08-30"}, "moderna", "moderna", false},
		// no number on record: the code cannot be sent
		{"සුනිල්", "බණ්ඩාර", "Male", "1959-01-09", "590090065V", "", 5, []string{"2021-05-12", "2021-08-03"}, "astrazeneca", "astrazeneca", false},
		// the birth date is estimated and stands in no identity card
		{"செல்வி", "மாரிமுத்து", "Female", "1950-01-01", "", "0700000007", 3, []string{"2021-07-02", "2021-08-06"}, "sinopharm", "sinopharm", true},
		// two records of one identity card: a person decides
		{"Rohan", "Fernando", "Male", "1990-03-15", "900750085V", "0700000008", 1, []string{"2021-08-10"}, "sinopharm", "sinopharm", false},
		{"Rohan", "Fernando", "Male", "1990-03-15", "199007500085", "0700000009", 2, []string{"2021-09-11"}, "sinopharm", "sinopharm", false},
		// a product that the mapping has no word for
		{"Dilani", "Silva", "Female", "1983-06-30", "836820105V", "0700000010", 1, []string{"2021-08-20"}, "another_vaccine", "another_maker", false},
	}
}

// invent adds the cast and n people more.
func (s *Server) invent(n int) {
	s.inventing, s.last = true, s.now().Add(-time.Hour).Truncate(time.Millisecond) // they were there before
	defer func() { s.inventing = false }()
	for i, p := range cast() {
		s.add(i, p)
	}
	given := []string{"Anura", "Chamari", "දිනේෂ්", "හසිනි", "ராஜன்", "மீனா", "Ishara", "Kasun", "Nadeesha", "Tharindu"}
	family := []string{"විජේසේකර", "Dissanayake", "கணேசன்", "Gunawardena", "Herath", "රත්නායක", "Ismail", "Peiris", "Silva", "நடராஜா", "Wickramasinghe"}
	for i := range n {
		birth := time.Date(1940+i%70, time.Month(1+i%12), 1+i%28, 0, 0, 0, 0, time.UTC)
		sex, offset := "Male", 0
		if i%2 == 1 {
			sex, offset = "Female", 500
		}
		doses := []string{"2021-07-05", "2021-08-09"}
		s.add(100+i, somebody{
			given[i%len(given)], family[i%len(family)], sex, birth.Format(time.DateOnly),
			fmt.Sprintf("%04d%03d%05d", birth.Year(), cardDay(birth)+offset, i%100000), fmt.Sprintf("071%07d", i),
			1 + i%5, doses[:1+i%2], "sinopharm", "sinopharm", false,
		})
	}
}

// cardDay is the day of the year as Sri Lankan identity cards count it: every
// year has a 29 February.
func cardDay(t time.Time) int {
	return time.Date(2000, t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).YearDay()
}

func (s *Server) add(i int, p somebody) *entity {
	at := s.tick()
	e := &entity{id: s.uid("t"), kind: personType, unit: s.units[p.unit%len(s.units)].ID, created: at, updated: at}
	for _, a := range []pair{
		{GivenName, p.given}, {FamilyName, p.family}, {BirthDate, p.birth}, {Sex, p.sex}, {Phone, p.phone}, {NationalID, p.nationalID},
		{SystemID, fmt.Sprintf("EPI_%06d", 100001+i)},
	} {
		if a.value != "" {
			e.attributes = append(e.attributes, a)
		}
	}
	if p.estimated {
		e.attributes = append(e.attributes, pair{Estimated, "true"})
	}
	x := &enrollment{id: s.uid("n"), program: Program, status: "ACTIVE", unit: e.unit, enrolled: p.doses[0] + "T00:00:00.000"}
	e.enrollments = append(e.enrollments, x)
	for n, day := range p.doses {
		code := fmt.Sprintf("DOSE%d", n+1)
		x.events = append(x.events, &event{
			id: s.uid("v"), program: Program, stage: VaccinationStage, status: "COMPLETED", unit: e.unit,
			occurred: day + "T00:00:00.000", scheduled: day + "T00:00:00.000", updated: at, of: e, in: x,
			values: []pair{{DoseNumber, code}, {TotalDoses, "2"}, {Vaccine, p.vaccine}, {Maker, p.maker}, {Batch, fmt.Sprintf("DEMO-%04d", 1000+i*3+n)}},
		})
	}
	s.entities = append(s.entities, e)
	return e
}

// uid is a new id of DHIS2's form: a letter and ten letters or digits.
func (s *Server) uid(kind string) string {
	s.made++
	return fmt.Sprintf("%sReplay%04d", kind, s.made)[:11]
}

// tick is the instant of a change: now, and after every earlier one.
func (s *Server) tick() time.Time {
	t := s.now().Truncate(time.Millisecond)
	if !t.After(s.last) || s.inventing {
		t = s.last.Add(time.Millisecond)
	}
	s.last = t
	return t
}
