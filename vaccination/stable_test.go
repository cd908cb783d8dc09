package vaccination

import (
	"encoding/json"
	"testing"
	"time"
)

// TestTheJSONOfAnEventStaysAsItIs holds the text that records are known by: its
// keyed hash is stored. A new field must be left out when it is empty, and stand
// where it may; a changed text would make every record a conflict with itself.
func TestTheJSONOfAnEventStaysAsItIs(t *testing.T) {
	c := Coding{"C", "S", "D"}
	a := Address{"1", "2", "D", "R", "P", "JAM"}
	d := Date{Year: 2021, Month: 11, Day: 30}
	taken := time.Date(2021, 11, 30, 9, 5, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		event Event
		want  string
	}{
		"nothing known": {Event{}, `{"enrolmentCode":"","person":{"name":""}}`},
		"a test": {Event{
			EnrolmentCode: "A-1", Person: Person{Name: "Ann"},
			Test: Test{2, c, c, c, c, "T1", c, taken, taken, c, c, "Centre", a, "N. Brown"},
		}, `{"enrolmentCode":"A-1","person":{"name":"Ann"},"test":{"number":2,"pathogen":{"code":"C","system":"S","display":"D"},"type":{"code":"C","system":"S","display":"D"},` +
			`"brand":{"code":"C","system":"S","display":"D"},"manufacturer":{"code":"C","system":"S","display":"D"},"lot":"T1","origin":{"code":"C","system":"S","display":"D"},` +
			`"date":"2021-11-30T09:05:00Z","resultDate":"2021-11-30T09:05:00Z","result":{"code":"C","system":"S","display":"D"},"country":{"code":"C","system":"S","display":"D"},` +
			`"centre":"Centre","centreAddress":{"line1":"1","line2":"2","district":"D","region":"R","postCode":"P","country":"JAM"},"practitioner":"N. Brown"}}`},
		"everything known": {Event{
			Programme: "covid-19", EnrolmentCode: "A-1",
			Person:   Person{"Ann <& \u2028> Ö", Date{Year: 1987, Month: 4, Estimated: true}, SexFemale, "JAM", Identifier{"passport", "1"}},
			Contacts: []string{"tel:+18765550142", "mailto:a@example.org"}, Address: a,
			Vaccination: Dose{"comirnaty", c, c, c, c, c, "PF1", d, d, d, 1, 2, c, "Centre", a, "N. Brown", d, true},
		}, `{"programme":"covid-19","enrolmentCode":"A-1",` +
			`"person":{"name":"Ann \u003c\u0026 \u2028\u003e Ö","birthDate":"1987-04~","sex":"female","nationality":"JAM","identifier":{"type":"passport","value":"1"}},` +
			`"contacts":["tel:+18765550142","mailto:a@example.org"],` +
			`"address":{"line1":"1","line2":"2","district":"D","region":"R","postCode":"P","country":"JAM"},` +
			`"vaccination":{"product":"comirnaty","vaccine":{"code":"C","system":"S","display":"D"},"brand":{"code":"C","system":"S","display":"D"},` +
			`"manufacturer":{"code":"C","system":"S","display":"D"},"maholder":{"code":"C","system":"S","display":"D"},"disease":{"code":"C","system":"S","display":"D"},` +
			`"lot":"PF1","date":"2021-11-30","validFrom":"2021-11-30","validUntil":"2021-11-30","dose":1,"totalDoses":2,` +
			`"country":{"code":"C","system":"S","display":"D"},"centre":"Centre",` +
			`"centreAddress":{"line1":"1","line2":"2","district":"D","region":"R","postCode":"P","country":"JAM"},"practitioner":"N. Brown","nextDose":"2021-11-30","fromEvidence":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(row.event)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != row.want {
				t.Errorf("JSON = %s\nwant   %s", got, row.want)
			}
		})
	}
}
