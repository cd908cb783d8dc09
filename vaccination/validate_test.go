package vaccination_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/vaccination"
)

var today = vaccination.Date{Year: 2026, Month: time.November, Day: 22}

func good() vaccination.Event {
	return vaccination.Event{
		Programme:     "covid-19",
		EnrolmentCode: "JM-0001",
		Person: vaccination.Person{
			Name:        "Specimen Anna Testwell",
			BirthDate:   vaccination.Date{Year: 1987, Month: 4, Day: 21},
			Sex:         vaccination.SexFemale,
			Nationality: "JAM",
			Identifier:  vaccination.Identifier{Kind: "passport", Value: "X0000001"},
		},
		Contacts: []string{"tel:+18765550142", "mailto:anna@example.org"},
		Vaccination: vaccination.Dose{
			Product: "comirnaty",
			Lot:     "PF1",
			Date:    vaccination.Date{Year: 2021, Month: 11, Day: 30},
			Number:  1,
			Total:   2,
			Country: vaccination.Coding{Code: "JAM"},
			Centre:  "Falmouth Health Centre",
		},
	}
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*vaccination.Event)
		want   []string // path and code
	}{
		"a good record": {func(e *vaccination.Event) {}, nil},
		"a record with only what is needed": {func(e *vaccination.Event) {
			*e = vaccination.Event{EnrolmentCode: "1", Person: vaccination.Person{Name: "A"}, Vaccination: vaccination.Dose{Number: 1, Date: today}}
		}, nil},
		"nothing at all": {func(e *vaccination.Event) { *e = vaccination.Event{} }, []string{
			"enrolmentCode required", "person.name required", "vaccination.date required", "vaccination.dose required"}},
		"several faults at once": {func(e *vaccination.Event) {
			e.Person.Name, e.Vaccination.Number, e.Vaccination.Lot = "...", -1, strings.Repeat("x", 101)
		}, []string{"person.name format", "vaccination.dose out-of-range", "vaccination.lot too-long"}},

		"a name of 200 characters of three bytes":   {func(e *vaccination.Event) { e.Person.Name = strings.Repeat("ක", 200) }, nil},
		"a name too long":                           {func(e *vaccination.Event) { e.Person.Name = strings.Repeat("ක", 201) }, []string{"person.name too-long"}},
		"a name of digits":                          {func(e *vaccination.Event) { e.Person.Name = "12345" }, []string{"person.name format"}},
		"a name of one letter":                      {func(e *vaccination.Event) { e.Person.Name = "X" }, nil},
		"a Sinhala name with zero width joiner":     {func(e *vaccination.Event) { e.Person.Name = "ශ්\u200dරී" }, nil},
		"a Persian name with zero width non-joiner": {func(e *vaccination.Event) { e.Person.Name = "می\u200cخواهم" }, nil},
		"a name with a direction override":          {func(e *vaccination.Event) { e.Person.Name = "Anna \u202elleW" }, []string{"person.name character"}},
		"a name with a direction isolate":           {func(e *vaccination.Event) { e.Person.Name = "Anna \u2066Well" }, []string{"person.name character"}},
		"a name with a zero width space":            {func(e *vaccination.Event) { e.Person.Name = "An\u200bna" }, []string{"person.name character"}},
		"a name with a byte order mark":             {func(e *vaccination.Event) { e.Person.Name = "\ufeffAnna" }, []string{"person.name character"}},
		"a name with a soft hyphen":                 {func(e *vaccination.Event) { e.Person.Name = "An\u00adna" }, []string{"person.name character"}},
		"a name with a Hangul filler":               {func(e *vaccination.Event) { e.Person.Name = "A\u3164nna" }, []string{"person.name character"}},
		"a name with a line break":                  {func(e *vaccination.Event) { e.Person.Name = "Anna\nWell" }, []string{"person.name character"}},
		"a name with a private character":           {func(e *vaccination.Event) { e.Person.Name = "Anna\ue000" }, []string{"person.name character"}},
		"a name with a lost character":              {func(e *vaccination.Event) { e.Person.Name = "Anna\ufffd" }, []string{"person.name character"}},
		"a name that is not UTF-8":                  {func(e *vaccination.Event) { e.Person.Name = "Ann\xe9" }, []string{"person.name encoding"}},
		"a centre with a control character":         {func(e *vaccination.Event) { e.Vaccination.Centre = "A\x00" }, []string{"vaccination.centre character"}},
		"a C1 control character":                    {func(e *vaccination.Event) { e.Vaccination.Lot = "A\u0085" }, []string{"vaccination.lot character"}},

		"a sex we do not know":       {func(e *vaccination.Event) { e.Person.Sex = "F" }, []string{"person.sex format"}},
		"an unknown birth date":      {func(e *vaccination.Event) { e.Person.BirthDate = vaccination.Date{} }, nil},
		"an estimated year of birth": {func(e *vaccination.Event) { e.Person.BirthDate = date("1960~") }, nil},
		"born today, vaccinated too": {func(e *vaccination.Event) { e.Person.BirthDate, e.Vaccination.Date = today, today }, nil},
		"born this year":             {func(e *vaccination.Event) { e.Person.BirthDate, e.Vaccination.Date = date("2026"), date("2026-01-02") }, nil},
		"born tomorrow":              {func(e *vaccination.Event) { e.Person.BirthDate = date("2026-11-23") }, []string{"person.birthDate in-future", "vaccination.date before-birth"}},
		"born next month":            {func(e *vaccination.Event) { e.Person.BirthDate = date("2026-12") }, []string{"person.birthDate in-future", "vaccination.date before-birth"}},
		"born 130 years ago":         {func(e *vaccination.Event) { e.Person.BirthDate = date("1896-01-01") }, nil},
		"born longer ago":            {func(e *vaccination.Event) { e.Person.BirthDate = date("1895-12-31") }, []string{"person.birthDate too-old"}},
		"a birth date that is none":  {func(e *vaccination.Event) { e.Person.BirthDate = vaccination.Date{Year: 2001, Month: 2, Day: 29} }, []string{"person.birthDate not-a-date"}},
		"a day without a month":      {func(e *vaccination.Event) { e.Person.BirthDate = vaccination.Date{Year: 2001, Day: 9} }, []string{"person.birthDate not-a-date"}},
		"a year of five digits":      {func(e *vaccination.Event) { e.Vaccination.ValidUntil = vaccination.Date{Year: 20210, Month: 1, Day: 1} }, []string{"vaccination.validUntil not-a-date"}},
		"a dose today":               {func(e *vaccination.Event) { e.Vaccination.Date = today }, nil},
		"a dose tomorrow":            {func(e *vaccination.Event) { e.Vaccination.Date = date("2026-11-23") }, []string{"vaccination.date in-future"}},
		"a dose before birth":        {func(e *vaccination.Event) { e.Vaccination.Date = date("1987-04-20") }, []string{"vaccination.date before-birth"}},
		"a dose in the month of birth, its day unknown": {func(e *vaccination.Event) {
			e.Person.BirthDate, e.Vaccination.Date = date("1987-04"), date("1987-04-01")
		}, nil},
		"a dose in the month before": {func(e *vaccination.Event) {
			e.Person.BirthDate, e.Vaccination.Date = date("1987-04"), date("1987-03-31")
		}, []string{"vaccination.date before-birth"}},
		"a dose known to the month":  {func(e *vaccination.Event) { e.Vaccination.Date = date("2021-11") }, []string{"vaccination.date precision"}},
		"a dose on an estimated day": {func(e *vaccination.Event) { e.Vaccination.Date = date("2021-11-30~") }, []string{"vaccination.date precision"}},
		"validity of one day":        {func(e *vaccination.Event) { e.Vaccination.ValidFrom, e.Vaccination.ValidUntil = today, today }, nil},
		"validity that ends first": {func(e *vaccination.Event) {
			e.Vaccination.ValidFrom, e.Vaccination.ValidUntil = today, date("2026-11-21")
		}, []string{"vaccination.validUntil out-of-order"}},
		"a next dose before this one": {func(e *vaccination.Event) { e.Vaccination.NextDose = date("2021-11-29") }, []string{"vaccination.nextDose out-of-order"}},

		"dose 99":          {func(e *vaccination.Event) { e.Vaccination.Number, e.Vaccination.Total = 99, 99 }, nil},
		"dose 100":         {func(e *vaccination.Event) { e.Vaccination.Number, e.Vaccination.Total = 100, 100 }, []string{"vaccination.dose out-of-range", "vaccination.totalDoses out-of-range"}},
		"dose 3 of 2":      {func(e *vaccination.Event) { e.Vaccination.Number = 3 }, nil},
		"no total":         {func(e *vaccination.Event) { e.Vaccination.Total = 0 }, nil},
		"a negative total": {func(e *vaccination.Event) { e.Vaccination.Total = -1 }, []string{"vaccination.totalDoses out-of-range"}},

		"ten contacts":                {func(e *vaccination.Event) { e.Contacts = strings.Split(strings.Repeat("tel:1,", 9)+"tel:1", ",") }, nil},
		"eleven contacts":             {func(e *vaccination.Event) { e.Contacts = make([]string, 11) }, []string{"contacts too-many"}},
		"a contact without kind":      {func(e *vaccination.Event) { e.Contacts = []string{"8765550142"} }, []string{"contacts[0] format"}},
		"a contact of other kind":     {func(e *vaccination.Event) { e.Contacts = []string{"tel:1", "https://example.org"} }, []string{"contacts[1] format"}},
		"an empty number":             {func(e *vaccination.Event) { e.Contacts = []string{"tel:"} }, []string{"contacts[0] format"}},
		"a contact too long":          {func(e *vaccination.Event) { e.Contacts = []string{"mailto:" + strings.Repeat("x", 250)} }, []string{"contacts[0] too-long"}},
		"a contact with an override":  {func(e *vaccination.Event) { e.Contacts = []string{"mailto:a\u202e@example.org"} }, []string{"contacts[0] character"}},
		"a contact that is not UTF-8": {func(e *vaccination.Event) { e.Contacts = []string{"mailto:\xff"} }, []string{"contacts[0] encoding"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := good()
			c.change(&e)
			var got []string
			for _, f := range e.Validate(today) {
				got = append(got, f.Path+" "+f.Code)
				if f.Message == "" {
					t.Errorf("%s says nothing", f.Path)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
		})
	}
}

// setTexts gives every string of v, however deep, a value of its own.
func setTexts(v reflect.Value, mark func() string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(mark())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			setTexts(v.Field(i), mark)
		}
	}
}

func TestNoFaultRepeatsAValue(t *testing.T) {
	e := good()
	setTexts(reflect.ValueOf(&e).Elem(), func() string { return "MARKED\u202e" + strings.Repeat("x", 300) })
	e.Contacts = []string{"MARKED"}
	faults := e.Validate(today)
	if len(faults) < 30 {
		t.Errorf("only %d faults", len(faults))
	}
	for _, f := range faults {
		if strings.Contains(f.Path+f.Code+f.Message, "MARKED") {
			t.Errorf("%s repeats the value", f.Path)
		}
	}
}

func TestEveryTextOfAnEventIsChecked(t *testing.T) {
	var e vaccination.Event
	n := 0
	setTexts(reflect.ValueOf(&e).Elem(), func() string { n++; return "\x00" })
	got := 0
	for _, f := range e.Validate(today) {
		if f.Code == vaccination.FaultCharacter {
			got++
		}
	}
	if got != n {
		t.Errorf("%d of %d texts were checked", got, n)
	}
}

func BenchmarkValidate(b *testing.B) {
	e := good()
	b.ReportAllocs()
	for b.Loop() {
		if len(e.Validate(today)) > 0 {
			b.Fatal("faults")
		}
	}
}
