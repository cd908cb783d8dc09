package matching

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/vaccination"
)

// nimal is the person that others are compared with.
var nimal = map[string]string{
	"name": "Nimal Perera", "birth": "1987-04-21", "sex": "male", "kind": "national-id", "number": "198711200156", "phone": "+94712345678",
}

// TestPairs says of pairs of records whether they are one person.
func TestPairs(t *testing.T) {
	for name, c := range map[string]struct {
		a, b    string // what differs from nimal: "name=Sunil Perera; number="
		want    verdict
		differs string
	}{
		"the same of everything":                    {want: same},
		"the old form of the card's number":         {b: "number=871120156V; phone=", want: same},
		"the old form with X":                       {b: "number=87112 0156x", want: same},
		"a spelling of the name":                    {b: "name=Nimal Pereira; phone=", want: same},
		"initials, and the same number":             {b: "name=N. Perera; phone=", want: same},
		"the year of birth alone, same number":      {b: "birth=1987", want: same},
		"no birth date, same number":                {b: "birth=; phone=", want: same},
		"same number, another day":                  {b: "birth=1987-04-23", want: like, differs: "person.birthDate"},
		"same number, day and month swapped":        {a: "birth=1987-04-05", b: "birth=1987-05-04", want: like, differs: "person.birthDate"},
		"same number, another person":               {b: "name=Sunil Fernando; birth=1990-01-01", want: like, differs: "person.name person.birthDate"},
		"same number, another sex":                  {b: "sex=female", want: like, differs: "person.sex"},
		"same number, a name by marriage":           {b: "name=Nimal Fernando", want: like, differs: "person.name"},
		"same number, name in another script":       {b: "name=නිමල් පෙරේරා", want: like, differs: "person.name"},
		"same number of another kind of document":   {b: "kind=driving-licence", want: like},
		"same number, its kind not said":            {b: "kind=", want: like},
		"one digit of the number typed wrong":       {b: "number=198711200157", want: like},
		"two digits of the number swapped":          {b: "number=198711201056; phone=", want: like},
		"other numbers, all else the same":          {b: "number=199011200999", want: other},
		"twins, one telephone":                      {a: "number=", b: "name=Sunil Perera; number=", want: other},
		"twins of two sexes":                        {a: "number=", b: "name=Nimali Perera; sex=female; number=", want: like, differs: "person.sex"},
		"twins, each with a card":                   {b: "name=Sunil Perera; number=198711200164", want: other},
		"twins with names almost alike, with cards": {a: "name=Dinusha Silva", b: "name=Dinushi Silva; number=199911200164", want: other},
		"twins with names almost alike, no cards":   {a: "name=Dinusha Silva; number=", b: "name=Dinushi Silva; number=", want: like},
		"father and son, one name, one telephone":   {a: "number=", b: "birth=2012-04-21; number=", want: other},
		"father and son, one digit apart":           {a: "number=; birth=1972-04-21", b: "birth=2012-04-21; number=; phone=", want: other},
		"mother and child, one telephone":           {a: "number=", b: "name=Kumari Perera; birth=1962-01-30; sex=female; number=", want: other},
		"a telephone alone":                         {a: "number=", b: "name=Anil Fernando; birth=1970-01-01; number=", want: other},
		"name and birth date, another telephone":    {a: "number=", b: "phone=+94770000000; number=", want: like},
		"name and birth date, another sex":          {a: "number=", b: "sex=female; phone=; number=", want: other},
		"the same, sex mistaken":                    {a: "number=", b: "sex=female; number=", want: like, differs: "person.sex"},
		"name and birth date, sex not said":         {a: "number=", b: "sex=; phone=; number=", want: like},
		"day and month swapped, one telephone":      {a: "birth=1987-04-05; number=", b: "birth=1987-05-04; number=", want: like},
		"day and month swapped, no telephone":       {a: "birth=1987-04-05; number=", b: "birth=1987-05-04; number=; phone=", want: other},
		"a year of birth and a telephone":           {a: "number=", b: "birth=1987; number=", want: like},
		"a year of birth, no telephone":             {a: "number=", b: "birth=1987; number=; phone=", want: other},
		"an estimated year, one telephone":          {a: "number=", b: "birth=1988~; number=", want: like},
		"an estimated year far off":                 {a: "number=", b: "birth=1994~; number=", want: other},
		"initials and a telephone":                  {a: "number=", b: "name=N. Perera; number=", want: like},
		"initials, no telephone":                    {a: "number=", b: "name=N. Perera; number=; phone=", want: like},
		"a name by marriage, one telephone":         {a: "name=Nimali Perera; sex=female; number=", b: "name=Nimali Fernando; sex=female; number=", want: like},
		"a name by marriage, no telephone":          {a: "name=Nimali Perera; sex=female; number=", b: "name=Nimali Fernando; sex=female; number=; phone=", want: other},
		"another spelling, one telephone":           {a: "name=Fathima Risna; number=", b: "name=Fatima Rizna; number=", want: like},
		"Sinhala and Latin, one telephone":          {a: "number=", b: "name=නිමල් පෙරේරා; number=", want: like},
		"Sinhala and Latin, no telephone":           {a: "number=", b: "name=නිමල් පෙරේරා; number=; phone=", want: other},
		"order of the name in Tamil":                {a: "name=குமார் செல்வம்; number=", b: "name=செல்வம் குமார்; number=; phone=", want: like},
		"two names in Tamil":                        {a: "name=குமார் செல்வம்; number=", b: "name=ராஜன் பிள்ளை; number=", want: other},
		"what clerks type for no number":            {a: "number=0000000000", b: "name=Anil Fernando; birth=1970-01-01; number=0000000000; phone=", want: other},
		"not applicable":                            {a: "number=N/A", b: "name=Anil Fernando; birth=1970-01-01; number=N/A; phone=", want: other},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := recordOf(t, c.a), recordOf(t, c.b)
			got, differs := compare(a, b)
			back, _ := compare(b, a)
			if got != c.want || strings.Join(differs, " ") != c.differs {
				t.Errorf("%v, differs in %v; want %v, %q", got, differs, c.want, c.differs)
			}
			if back != got {
				t.Errorf("the other way round: %v", back)
			}
		})
	}
}

func recordOf(t testing.TB, change string) record {
	t.Helper()
	in := map[string]string{}
	for k, v := range nimal {
		in[k] = v
	}
	for _, part := range strings.Split(change, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			in[k] = v
		}
	}
	p := vaccination.Person{Name: in["name"], Sex: vaccination.Sex(in["sex"]), Identifier: vaccination.Identifier{Kind: in["kind"], Value: in["number"]}}
	var err error
	if p.BirthDate, err = vaccination.ParseDate(in["birth"]); err != nil {
		t.Fatal(err)
	}
	var contacts []string
	if in["phone"] != "" {
		contacts = []string{"tel:" + in["phone"]}
	}
	country, err := profile.Open("sri-lanka")
	if err != nil {
		t.Fatal(err)
	}
	return Matcher{Issuance: &issuance.Service{Options: issuance.Options{Profile: country}}}.record(p, contacts)
}

// TestTableInTheManual compares docs/matching.md with what counts.
func TestTableInTheManual(t *testing.T) {
	text, err := os.ReadFile("../../../docs/matching.md")
	if err != nil {
		t.Fatal(err)
	}
	for row, points := range map[string]int{
		"the same name": nameSame, "a spelling, or initials that fit": nameClose, "one part of two": nameSome, "the first part alone": nameFirst, "another name": nameOther,
		"the same birth date": birthSame, "one is less exact and holds the other": birthWithin, "day and month swapped, or one digit": birthSlip, "another birth date": birthOther,
		"the same sex": sexSame, "the other sex": sexOther, "one telephone number in common": phoneSame,
		"the same number, of another or no kind": numberSame, "a number one slip away": numberSlip, "another number of the same kind": numberOther,
	} {
		line := fmt.Sprintf("| %s | %+d |", row, points)
		if points == 0 {
			line = fmt.Sprintf("| %s | 0 |", row)
		}
		if !strings.Contains(string(text), line) {
			t.Errorf("the table lacks %q", line)
		}
	}
	if want := fmt.Sprintf("**%d or more**", likeFrom); !strings.Contains(string(text), want) {
		t.Errorf("the text lacks %q", want)
	}
}

// TestMoreInCommonIsNeverLess: where somebody says a telephone number in common
// too, they are no less alike.
func TestMoreInCommonIsNeverLess(t *testing.T) {
	names := []string{"Nimal Perera", "N. Perera", "Sunil Perera", "Nimali Fernando", "නිමල් පෙරේරා", ""}
	births := []string{"1987-04-21", "1987-04", "1987", "1987~", "1978-04-21", "1990-01-01", ""}
	numbers := []string{"198711200156", "871120156V", "198711200165", "199011200999", ""}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(label string) string {
			return fmt.Sprintf("name=%s; birth=%s; number=%s; sex=%s; phone=", rapid.SampledFrom(names).Draw(rt, label+" name"),
				rapid.SampledFrom(births).Draw(rt, label+" birth"), rapid.SampledFrom(numbers).Draw(rt, label+" number"), rapid.SampledFrom([]string{"male", "female", ""}).Draw(rt, label+" sex"))
		}
		a, b := recordOf(t, draw("a")), recordOf(t, draw("b"))
		got, _ := compare(a, b)
		if back, _ := compare(b, a); back != got {
			rt.Fatalf("%v one way, %v the other", got, back)
		}
		a.phones, b.phones = []string{"tel:+94712345678"}, []string{"tel:+94712345678"}
		if more, _ := compare(a, b); more < got {
			rt.Fatalf("%v without a telephone, %v with it", got, more)
		}
		if got == same && !slices.ContainsFunc(a.forms, func(f string) bool { return slices.Contains(b.forms, f) }) {
			rt.Fatal("one person without a number")
		}
	})
}
