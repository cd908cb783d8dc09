package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

func sriLanka(t testing.TB) *profile.Profile {
	t.Helper()
	p, err := profile.Open("sri-lanka")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const tracker = `
person: # two generations of the package
  givenName: [sB1IHYu2xQT, TfdH5KvFmMy]
  familyName: [ENRjVGxVL6l, aW66s2QSosT]
  birthDate: [NI0QRzJvQ0k, mAWcalQYYyk]
  birthDateEstimated: Z1rLc1rVHK8
  sex: {from: [oindugucx72], codes: {Male: male, Female: female, NA: ""}}
  phone: fctSQp5nAYl
  identifiers: {national-id: Ewi7FUfcHAD, passport: PassPort001}
  nationality: {constant: LKA}
dose:
  number: {from: [LUIsbsm3okG], codes: {DOSE1: 1, DOSE2: 2}}
  product: {from: [bbnyNYD1wgS], codes: {astrazeneca: covishield, sinopharm: bbibp-corv}}
  lot: Yp1F4txx8tm
  date: [occurredAt]
  practitioner: {from: [first, last], join: " "}
stages:
  a1jCssI2LkW: {}
  BoosterStag: {number: 3}
ignore: [GFeED6Pgnts]
statuses: [ACTIVE, COMPLETED]
`

func parsed(t testing.TB, text string) *Mapping {
	t.Helper()
	m, err := Parse("mapping.yaml", []byte(text), sriLanka(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func input(change ...func(*Input)) Input {
	in := Input{
		Source: "dhis2", PersonID: "sdapNTYzgRI", Stage: "a1jCssI2LkW", Status: "COMPLETED", Facility: "Colombo North",
		Person: Fields{"sB1IHYu2xQT": "Davin", "ENRjVGxVL6l": " Douglas ", "NI0QRzJvQ0k": "1985-10-17", "oindugucx72": "MALE",
			"Ewi7FUfcHAD": "852910123V", "fctSQp5nAYl": "0712345678"},
		Dose: Fields{"LUIsbsm3okG": "DOSE1", "bbnyNYD1wgS": "astrazeneca", "Yp1F4txx8tm": "ABX3266", "occurredAt": "2021-06-16T00:00:00.000", "last": "Perera"},
	}
	for _, f := range change {
		f(&in)
	}
	return in
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestEvent(t *testing.T) {
	whole := vaccination.Event{
		EnrolmentCode: "dhis2:sdapNTYzgRI",
		Person: vaccination.Person{Name: "Davin Douglas", BirthDate: date("1985-10-17"), Sex: "male", Nationality: "LKA",
			Identifier: vaccination.Identifier{Kind: "national-id", Value: "852910123V"}},
		Contacts: []string{"tel:0712345678"},
		Vaccination: vaccination.Dose{Product: "covishield", Lot: "ABX3266", Date: date("2021-06-16"), Number: 1,
			Centre: "Colombo North", Practitioner: "Perera"},
	}
	tests := map[string]struct {
		change func(*Input)
		want   func(*vaccination.Event)
	}{
		"as recorded":               {func(*Input) {}, func(*vaccination.Event) {}},
		"names of an older package": {func(in *Input) { delete(in.Person, "sB1IHYu2xQT"); in.Person["TfdH5KvFmMy"] = "Dav" }, func(e *vaccination.Event) { e.Person.Name = "Dav Douglas" }},
		"one name only":             {func(in *Input) { delete(in.Person, "ENRjVGxVL6l") }, func(e *vaccination.Event) { e.Person.Name = "Davin" }},
		"an estimated birth date":   {func(in *Input) { in.Person["Z1rLc1rVHK8"] = "true" }, func(e *vaccination.Event) { e.Person.BirthDate.Estimated = true }},
		"no birth date":             {func(in *Input) { in.Person["NI0QRzJvQ0k"] = "" }, func(e *vaccination.Event) { e.Person.BirthDate = vaccination.Date{} }},
		"a code that says nothing":  {func(in *Input) { in.Person["oindugucx72"] = "NA" }, func(e *vaccination.Event) { e.Person.Sex = "" }},
		"no batch and no product":   {func(in *Input) { delete(in.Dose, "bbnyNYD1wgS"); delete(in.Dose, "Yp1F4txx8tm") }, func(e *vaccination.Event) { e.Vaccination.Product, e.Vaccination.Lot = "", "" }},
		"a stage that is a dose":    {func(in *Input) { in.Stage = "BoosterStag"; delete(in.Dose, "LUIsbsm3okG") }, func(e *vaccination.Event) { e.Vaccination.Number = 3 }},
		"a passport where no other id": {func(in *Input) { delete(in.Person, "Ewi7FUfcHAD"); in.Person["PassPort001"] = "N1" }, func(e *vaccination.Event) {
			e.Person.Identifier = vaccination.Identifier{Kind: "passport", Value: "N1"}
		}},
		"names that are joined":            {func(in *Input) { in.Dose["first"] = "Ama" }, func(e *vaccination.Event) { e.Vaccination.Practitioner = "Ama Perera" }},
		"a dose has a name too":            {func(in *Input) { in.Dose["sB1IHYu2xQT"], in.Dose["Ewi7FUfcHAD"] = "Dose 1", "1" }, func(*vaccination.Event) {}},
		"a dose's value before a person's": {func(in *Input) { in.Person["Yp1F4txx8tm"] = "OLD" }, func(*vaccination.Event) {}},
	}
	m := parsed(t, tracker)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := whole
			tt.want(&want)
			if diff := cmp.Diff(Outcome{Event: want}, m.Event(input(tt.change))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBeMapped(t *testing.T) {
	type problem struct {
		Class             Class
		Field, From, Code string
	}
	tests := map[string]struct {
		change func(*Input)
		want   []problem
	}{
		"a product nobody mapped":      {func(in *Input) { in.Dose["bbnyNYD1wgS"] = "gamaleya" }, []problem{{Unmapped, "vaccination.product", "bbnyNYD1wgS", "gamaleya"}}},
		"a sex nobody mapped":          {func(in *Input) { in.Person["oindugucx72"] = "M" }, []problem{{Unmapped, "person.sex", "oindugucx72", "M"}}},
		"a number nobody mapped":       {func(in *Input) { in.Dose["LUIsbsm3okG"] = "BOOSTER" }, []problem{{Unmapped, "vaccination.dose", "LUIsbsm3okG", "BOOSTER"}}},
		"no number":                    {func(in *Input) { delete(in.Dose, "LUIsbsm3okG") }, []problem{{Missing, "vaccination.dose", "", ""}}},
		"no day":                       {func(in *Input) { delete(in.Dose, "occurredAt") }, []problem{{Missing, "vaccination.date", "", ""}}},
		"a day that is none":           {func(in *Input) { in.Dose["occurredAt"] = "yesterday" }, []problem{{Invalid, "vaccination.date", "occurredAt", ""}}},
		"a day that can be two":        {func(in *Input) { in.Dose["occurredAt"] = "03/04/2021" }, []problem{{Invalid, "vaccination.date", "occurredAt", ""}}},
		"no name":                      {func(in *Input) { in.Person = Fields{} }, []problem{{Missing, "person.name", "", ""}}},
		"a birth date that is none":    {func(in *Input) { in.Person["NI0QRzJvQ0k"] = "1985-02-30" }, []problem{{Invalid, "person.birthDate", "NI0QRzJvQ0k", ""}}},
		"estimated is neither yes, no": {func(in *Input) { in.Person["Z1rLc1rVHK8"] = "perhaps" }, []problem{{Invalid, "person.birthDate", "Z1rLc1rVHK8", ""}}},
		"two things at once": {func(in *Input) { in.Dose["bbnyNYD1wgS"] = "x"; delete(in.Dose, "occurredAt") },
			[]problem{{Unmapped, "vaccination.product", "bbnyNYD1wgS", "x"}, {Missing, "vaccination.date", "", ""}}},
	}
	m := parsed(t, tracker)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := m.Event(input(tt.change))
			var got []problem
			for _, p := range out.Problems {
				got = append(got, problem{p.Class, p.Field, p.From, p.Code})
				if p.Message == "" || p.Rule == "" {
					t.Errorf("problem of %s says nothing: %+v", p.Field, p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(vaccination.Event{}, out.Event); diff != "" {
				t.Errorf("an event in spite of problems: %s", diff)
			}
		})
	}
}

func TestDosesThatDoNotCount(t *testing.T) {
	m := parsed(t, tracker)
	for name, change := range map[string]func(*Input){
		"an ignored stage":        func(in *Input) { in.Stage = "GFeED6Pgnts" },
		"a stage of another kind": func(in *Input) { in.Stage = "SomeOther01" },
		"planned only":            func(in *Input) { in.Status = "SCHEDULE" },
	} {
		if out := m.Event(input(change)); out.Skip == "" || len(out.Problems) > 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

const slots = `
person: {name: name, code: external_id}
dose: {date: date, product: vaccine, number: number}
slots:
  - {prefix: dose1_, number: 1, when: date}
  - {prefix: dose1_extra_, number: 9, when: date}
  - {prefix: dose2_, number: 2, when: date}
`

func TestSlots(t *testing.T) {
	m := parsed(t, slots)
	rest, doses := m.Split(Fields{"name": "Ama", "external_id": "E1", "dose1_date": "2021-05-01", "dose1_vaccine": "covishield", "dose2_vaccine": "covishield", "dose1_extra_note": "x"})
	if diff := cmp.Diff(Fields{"name": "Ama", "external_id": "E1"}, rest); diff != "" {
		t.Error(diff)
	}
	want := []Fields{{"date": "2021-05-01", "vaccine": "covishield"}, nil, nil}
	for i, d := range doses {
		if diff := cmp.Diff(want[i], d.Fields); diff != "" {
			t.Errorf("slot %d: %s", i, diff)
		}
	}
	out := m.Event(Input{Source: "commcare", Person: rest, Stage: "dose1_", Dose: doses[0].Fields})
	if out.Event.Vaccination.Number != 1 || out.Event.EnrolmentCode != "E1" || len(out.Problems) > 0 {
		t.Errorf("%+v", out)
	}
}

func TestFaultsOfMappings(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(tracker, from) {
			t.Fatalf("the mapping has no %q", from)
		}
		return strings.Replace(tracker, from, to, 1)
	}
	tests := map[string]struct{ text, want string }{
		"not YAML":                              {"person: [", "mapping.yaml:1"},
		"empty":                                 {"", "empty"},
		"a field nobody knows":                  {change("  lot:", "  batch:"), `dose.batch: there is no such key here`},
		"a field mistyped":                      {change("  phone:", "  phoen:"), `did you mean "phone"?`},
		"no name":                               {change("  givenName:", "  line1:") /* family name stays */, ""},
		"no name at all":                        {strings.NewReplacer("  givenName:", "  line1:", "  familyName:", "  line2:").Replace(tracker), "needs a name"},
		"no day":                                {change("  date: [occurredAt]\n", ""), "needs the day"},
		"no number":                             {change("  number: {from: [LUIsbsm3okG], codes: {DOSE1: 1, DOSE2: 2}}\n", ""), "needs the number"},
		"a product of no catalogue":             {change("sinopharm: bbibp-corv", "sinopharm: vero-beijing"), "mapping.yaml:13: dose.product.codes.sinopharm"},
		"a number that is none":                 {change("DOSE1: 1", "DOSE1: first"), "whole number"},
		"a sex that is none":                    {change("Male: male", "Male: man"), "male, female, other or unknown"},
		"a document the profile has not":        {change("passport:", "passeport:"), "no such kind of identity document"},
		"codes on a date":                       {change("birthDate: [NI0QRzJvQ0k, mAWcalQYYyk]", "birthDate: {from: [a], codes: {x: 2021-01-01}}"), "has no codes"},
		"join on a date":                        {change("date: [occurredAt]", `date: {from: [a, b], join: "-"}`), "only texts"},
		"codes from nowhere":                    {change("{from: [oindugucx72], codes", "{codes"), "say in from"},
		"an empty name":                         {change("lot: Yp1F4txx8tm", `lot: [""]`), "a name is empty"},
		"a stage that counts and does not":      {change("ignore: [GFeED6Pgnts]", "ignore: [a1jCssI2LkW]"), "also one to ignore"},
		"a stage of no programme":               {change("BoosterStag: {number: 3}", "BoosterStag: {number: 3, programme: polio}"), "no such programme"},
		"a stage with a number below one":       {change("{number: 3}", "{number: -3}"), "from 1"},
		"an order of dates":                     {tracker + "dateOrder: DYM\n", "DMY, MDY or YMD"},
		"a slot without a field to look at":     {slots + "  - {prefix: dose3_, number: 3}\n", "slots.4"},
		"two slots of one prefix":               {slots + "  - {prefix: dose2_, number: 3, when: date}\n", "same prefix"},
		"far too long":                          {tracker + strings.Repeat("#", maxText), "at most"},
		"a nationality of no country is a text": {change("constant: LKA", "constant: Ceylonese"), ""},
	}
	p := sriLanka(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("mapping.yaml", []byte(tt.text), p)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAgainstMetadata(t *testing.T) {
	meta := Metadata{
		Builtin: []string{"occurredAt", "first", "last"},
		Person: []Field{{ID: "sB1IHYu2xQT"}, {ID: "ENRjVGxVL6l"}, {ID: "NI0QRzJvQ0k"}, {ID: "Z1rLc1rVHK8"}, {ID: "fctSQp5nAYl"}, {ID: "Ewi7FUfcHAD"}, {ID: "PassPort001"},
			{ID: "oindugucx72", Options: []Option{{"Male", "Male"}, {"female", "Female"}, {"X", "Neither"}}}},
		Stages: map[string]StageMetadata{
			"a1jCssI2LkW": {Fields: []Field{{ID: "LUIsbsm3okG", Options: []Option{{"DOSE1", "1st"}, {"BOOSTER", "Booster"}}}, {ID: "Yp1F4txx8tm"}}},
			"GFeED6Pgnts": {Fields: []Field{{ID: "bbnyNYD1wgS"}}},
		},
	}
	got := parsed(t, tracker).Against(meta)
	want := Check{
		Missing:  []string{"stage BoosterStag", "dose.product (bbnyNYD1wgS)"},
		Unmapped: []UnmappedCode{{"person.sex", "oindugucx72", "X", "Neither"}, {"dose.number", "LUIsbsm3okG", "BOOSTER", "Booster"}},
		Unused:   []string{"person.givenName: TfdH5KvFmMy", "person.familyName: aW66s2QSosT", "person.birthDate: mAWcalQYYyk"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := got.Err(); err == nil || !strings.Contains(err.Error(), "BoosterStag") || !strings.Contains(err.Error(), "bbnyNYD1wgS") {
		t.Errorf("error %v does not say which ids", err)
	}
	if err := (Check{}).Err(); err != nil {
		t.Error(err)
	}
}

func TestAddCode(t *testing.T) {
	for _, rule := range []string{"dose.product", "person.sex", "dose.manufacturer", "person.region"} {
		value := map[string]string{"dose.product": "covaxin", "person.sex": "other"}[rule]
		if value == "" {
			value = "Serum Institute"
		}
		text := strings.Replace(tracker, "dose:\n", "dose:\n  manufacturer: rpkH9ZPGJcX\n", 1)
		text = strings.Replace(text, "person: #", "person: # ", 1)
		text = strings.Replace(text, "  phone:", "  region: [reg1, reg2]\n  phone:", 1)
		out, err := AddCode([]byte(text), rule, "new:code", value)
		if err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		if !strings.Contains(string(out), "two generations of the package") {
			t.Errorf("%s: the comment is gone", rule)
		}
		before, after := parsed(t, text), parsed(t, string(out))
		for f := range after.fields() {
			if f.path == rule {
				if f.rule.Codes["new:code"] != value {
					t.Errorf("%s: codes %v", rule, f.rule.Codes)
				}
				delete(f.rule.Codes, "new:code")
				if len(f.rule.Codes) == 0 {
					f.rule.Codes = nil
				}
			}
		}
		after.profile = before.profile
		if diff := cmp.Diff(before, after, cmp.AllowUnexported(Mapping{}), cmp.Comparer(func(a, b *profile.Profile) bool { return a == b })); diff != "" {
			t.Errorf("%s: more than one line changed: %s", rule, diff)
		}
	}
	for name, f := range map[string]func() ([]byte, error){
		"no such rule":  func() ([]byte, error) { return AddCode([]byte(tracker), "dose.colour", "a", "b") },
		"no code":       func() ([]byte, error) { return AddCode([]byte(tracker), "dose.product", "", "b") },
		"no value":      func() ([]byte, error) { return AddCode([]byte(tracker), "dose.product", "a", "") },
		"not a mapping": func() ([]byte, error) { return AddCode([]byte("- 1"), "dose.product", "a", "b") },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(tracker)
	f.Add(slots)
	p := sriLanka(f)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse("fuzz.yaml", []byte(text), p)
		if err != nil {
			return
		}
		// A mapping that was accepted maps whatever it is given without a fault of ours.
		in := input()
		rest, doses := m.Split(in.Person)
		in.Person = rest
		for _, d := range doses {
			in.Stage, in.Dose = d.Slot.Prefix, d.Fields
			m.Event(in)
		}
		m.Event(input())
	})
}
