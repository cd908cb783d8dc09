package divocapi

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// TestEveryFieldHasDIVOCsName walks the fields of an event: each is named as
// DIVOC's clients know it, or DIVOC has none.
func TestEveryFieldHasDIVOCsName(t *testing.T) {
	known := map[string]bool{}
	for _, name := range append(fieldsOf(reflect.TypeFor[certificationRequest](), ""), "recipient.contact[3]") {
		known[name] = true
	}
	for _, path := range append(fieldsOf(reflect.TypeFor[vaccination.Event](), ""), "contacts[3]", "vaccination.country", "person.age") {
		name := field(path)
		if path == "vaccination.nextDose" || path == "vaccination.fromEvidence" || path == "test.number" { // only DIVOC's requests set what is read, and none sets these
			continue
		}
		if !known[name] {
			t.Errorf("%s is told as %q", path, name)
		}
	}
}

// fieldsOf are the JSON paths of a type's fields.
func fieldsOf(t reflect.Type, at string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[vaccination.Date]() && inner != reflect.TypeFor[time.Time]() {
			out = append(out, fieldsOf(inner, at+name+".")...)
			continue
		}
		out = append(out, at+name)
	}
	return out
}

func TestDays(t *testing.T) {
	kingston := time.FixedZone("Kingston", -5*3600)
	tests := map[string]struct{ day, moment string }{ // "-" is refused
		"":                              {"", ""},
		"2021-11-30":                    {"2021-11-30", "2021-11-30"},
		"2021-11":                       {"2021-11", "2021-11"},
		"30-Nov-2021":                   {"2021-11-30", "2021-11-30"},
		"2021-11-30T00:00:00Z":          {"2021-11-30", "2021-11-29"},
		"2021-11-30T00:00:00.000+05:30": {"2021-11-30", "2021-11-29"},
		"2021-11-30T04:59:59Z":          {"-", "2021-11-29"},
		"2021-11-30T05:00:00Z":          {"-", "2021-11-30"},
		"2021-11-30T05:00:00.123+0000":  {"-", "2021-11-30"},
		"2021-11-30T05:00:00":           {"-", "-"}, // of which zone?
		"2021-11-30 05:00:00":           {"-", "-"},
		"30/11/2021":                    {"-", "-"},
		"11/30/2021":                    {"-", "-"},
		"2021-02-29":                    {"-", "-"},
		"1638230400":                    {"-", "-"},
	}
	say := func(d vaccination.Date, ok bool) string {
		if !ok {
			return "-"
		}
		return d.String()
	}
	for text, want := range tests {
		if got := say(readDay(text)); got != want.day {
			t.Errorf("the day %q is %s, want %s", text, got, want.day)
		}
		if got := say(readMoment(text, kingston)); got != want.moment {
			t.Errorf("the moment %q is %s, want %s", text, got, want.moment)
		}
	}
}

func TestIdentitiesAndContacts(t *testing.T) {
	for text, want := range map[string]vaccination.Identifier{
		"":                            {},
		"123456789":                   {Value: "123456789"},
		"did:Driving License:100126":  {Kind: "Driving License", Value: "100126"},
		"did:in.gov.uidai.aadhaar:12": {Kind: "in.gov.uidai.aadhaar", Value: "12"},
		"did:passport:A:1":            {Kind: "passport", Value: "A:1"},
		"did:odd":                     {Value: "did:odd"},
	} {
		if got := identifier(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{"": "", "tel:1": "tel:1", "mailto:a@b": "mailto:a@b", "a@b": "mailto:a@b", "8765550142": "tel:8765550142"} {
		if got := contact(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// FuzzReadEvents feeds anything to the reader. What it takes has only dates of
// the calendar, and says the same when it is read again.
func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(`[{"preEnrollmentCode":"a","recipient":{"name":"b","dob":"1987-04-21","contact":["tel:1"]},"vaccination":{"date":"2021-11-30T10:00:00Z","dose":"1"}}]`))
	f.Add([]byte("\xef\xbb\xbf{\"recipient\":{\"age\":33}}"))
	f.Add([]byte(`[{"vaccination":{"dose":1e300,"totalDoses":-0.5}},null,[]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := ReadEvents(data, time.UTC)
		if err != nil {
			return
		}
		again, err := ReadEvents(data, time.UTC)
		if err != nil || !reflect.DeepEqual(events, again) || len(events) == 0 || len(events) > maxItems {
			t.Fatalf("%d events, then %v", len(events), err)
		}
		for _, e := range events {
			for _, fault := range e.Validate(vaccination.Date{Year: 2026, Month: 11, Day: 22}) {
				if fault.Code == vaccination.FaultNotADate {
					t.Errorf("%s is no day of the calendar", fault.Path)
				}
			}
		}
	})
}
