package profile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/vaccination"
	"golang.org/x/text/unicode/norm"
)

func open(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// copyOf is a copy of a shipped profile in a folder of its own.
func copyOf(t testing.TB, shipped, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	all := filepath.Join(t.TempDir(), "all")
	if err := os.CopyFS(all, profiles.FS); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(all, shipped), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func edit(t testing.TB, file string, replace ...string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s has no %q", filepath.Base(file), replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestShipped(t *testing.T) {
	if d := cmp.Diff([]string{"jamaica", "sri-lanka"}, profile.Shipped()); d != "" {
		t.Fatal(d)
	}
	for _, name := range profile.Shipped() {
		p := open(t, name)
		if p.Name != name || p.Country.Alpha2 == "" || p.TimeZone == nil || len(p.Theme.Emblem) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
		for _, key := range []string{"covid-19", "yellow-fever"} {
			pr, ok := p.Programme(key, "")
			if !ok || p.Layouts[pr.Layout] == nil {
				t.Fatalf("%s: programme %s", name, key)
			}
			for _, product := range p.Catalogue.Products("") {
				if pr.Accepts(product) != (product.Disease == pr.Disease) {
					t.Errorf("%s: %s and %s", name, key, product.Key)
				}
			}
		}
	}
	lk := open(t, "sri-lanka")
	if d := cmp.Diff([]string{"si", "ta", "en"}, lk.Languages); d != "" {
		t.Error(d)
	}
	if lk.IssuerName("xx") != lk.Issuer.Name["si"] || lk.ProgrammeName("covid-19", "ta") != "கோவிட்-19" || lk.IdentityName("passport", "en") != "Passport" {
		t.Error("names")
	}
	if lk.IdentityName("library-card", "en") != "" || lk.ProgrammeName("measles", "en") != "" {
		t.Error("a name for what is not there")
	}
}

func TestProgrammeOfACall(t *testing.T) {
	p := open(t, "jamaica")
	p.SourceProgrammes["port"] = "yellow-fever"
	for _, c := range []struct{ key, source, want string }{
		{"", "", "covid-19"}, {"", "stranger", "covid-19"}, {"", "port", "yellow-fever"},
		{"covid-19", "port", "covid-19"}, {"yellow-fever", "", "yellow-fever"}, {"measles", "", ""}, {"measles", "port", ""},
	} {
		pr, ok := p.Programme(c.key, c.source)
		if ok != (c.want != "") || ok && pr.Key != c.want {
			t.Errorf("Programme(%q, %q) = %v, want %q", c.key, c.source, pr, c.want)
		}
	}
	if d := cmp.Diff([]string{"covid-19", "yellow-fever"}, p.ProgrammeKeys()); d != "" {
		t.Error(d)
	}
}

func TestComplete(t *testing.T) {
	p := open(t, "jamaica")
	day := vaccination.Date{Year: 2024, Month: 2, Day: 25}
	d := vaccination.Dose{Date: day, Number: 1}
	p.Programmes["yellow-fever"].Complete(&d)
	if d.Total != 1 || d.ValidFrom != (vaccination.Date{Year: 2024, Month: 3, Day: 6}) || !d.ValidUntil.IsZero() {
		t.Errorf("yellow fever: %+v", d)
	}
	d = vaccination.Dose{Date: day, Total: 3, ValidFrom: day}
	p.Programmes["yellow-fever"].Complete(&d)
	if d.Total != 3 || d.ValidFrom != day {
		t.Error("what the record says was changed")
	}
	d = vaccination.Dose{Date: day}
	p.Programmes["covid-19"].Complete(&d)
	if d.Total != 2 || !d.ValidFrom.IsZero() {
		t.Errorf("covid-19: %+v", d)
	}
	d = vaccination.Dose{Date: vaccination.Date{Year: 2024}}
	if p.Programmes["yellow-fever"].Complete(&d); !d.ValidFrom.IsZero() {
		t.Error("a day was made of a year")
	}
}

func TestSamplesCanBeIssued(t *testing.T) {
	for _, name := range profile.Shipped() {
		p := open(t, name)
		people := map[string]bool{}
		doses, partial, foreign, noLot := map[int]bool{}, false, false, false
		longest := 0
		for _, e := range p.Samples {
			people[e.EnrolmentCode] = true
			doses[e.Vaccination.Number] = true
			partial = partial || e.Person.BirthDate.Precision() < vaccination.PrecisionDay
			foreign = foreign || e.Vaccination.Country.Code != p.Country.Alpha3
			noLot = noLot || e.Vaccination.Lot == ""
			longest = max(longest, len([]rune(e.Person.Name)))
			if got := e.MapText(norm.NFC.String).Normalise(); cmp.Diff(e, got) != "" {
				t.Errorf("%s: %s is not normal: %s", name, e.EnrolmentCode, cmp.Diff(e, got))
			}
			if f := e.Validate(vaccination.Date{Year: 2026, Month: 1, Day: 1}); f != nil {
				t.Errorf("%s: %s: %v", name, e.EnrolmentCode, f)
			}
			pr, _ := p.Programme(e.Programme, "")
			if product, ok := p.Catalogue.Product(e.Vaccination.Product); !ok || !pr.Accepts(product) {
				t.Errorf("%s: %s: product %q", name, e.EnrolmentCode, e.Vaccination.Product)
			}
			if k := e.Person.Identifier.Kind; k != "" && p.IdentityName(k, "en") == "" {
				t.Errorf("%s: %s: identity %q", name, e.EnrolmentCode, k)
			}
			for _, c := range e.Contacts {
				if number, ok := strings.CutPrefix(c, "tel:"); ok {
					if got, err := p.Phone(number); err != nil || got != number {
						t.Errorf("%s: %s: %q, %v", name, e.EnrolmentCode, got, err)
					}
				}
			}
		}
		if name == "sri-lanka" && longest < 90 {
			t.Errorf("the longest name has %d characters", longest)
		}
		if len(people) < 6 || !doses[2] || !doses[3] || !partial || !foreign || !noLot {
			t.Errorf("%s: %d people; two doses %t, three %t, partial birth date %t, foreign %t, no lot %t", name, len(people), doses[2], doses[3], partial, foreign, noLot)
		}
	}
}

// docs/new-country.md: copy a folder, edit, start.
func TestACopiedFolderLoads(t *testing.T) {
	dir := copyOf(t, "jamaica", "atlantis")
	edit(t, filepath.Join(dir, "profile.yaml"), "country: JAM", "country: BRB", "[en]", "[en, es]", "Wellness, Jamaica\"", "Wellness, Atlantis\", es: \"Ministerio de Salud\"")
	_, err := profile.Open(dir)
	if err == nil || !strings.Contains(err.Error(), `the text in "es" is missing`) {
		t.Errorf("missing translations: %v", err)
	}
	edit(t, filepath.Join(dir, "profile.yaml"), "[en, es]", "[en]", ", es: \"Ministerio de Salud\"", "")
	if err := os.WriteFile(filepath.Join(dir, "catalogue.json"), []byte(`{"products": [{"key": "trial", "type": "rna", "maker": "curevac", "names": {"en": "Trial vaccine"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, dir)
	if p.Name != "atlantis" || p.Country.Alpha3 != "BRB" || p.Issuer.Name["en"] != "Ministry of Health and Wellness, Atlantis" {
		t.Errorf("%+v", p)
	}
	if _, ok := p.Catalogue.Find("trial vaccine", ""); !ok {
		t.Error("the country's own product is not there")
	}
	t.Chdir(dir)
	if p = open(t, "."); p.Name != "atlantis" {
		t.Errorf("opened from inside it is called %q", p.Name)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit []string // of jamaica's profile.yaml
		want []string // in the error
	}{
		"an unknown key":                   {[]string{"languages:", "languagez:"}, []string{"profile.yaml:9: languagez: there is no such key here: did you mean \"languages\"?"}},
		"an unknown key inside":            {[]string{"    validYears: 2", "    validyear: 2"}, []string{"profile.yaml:36: programmes.covid-19.validyear", `did you mean "validYears"?`, "validYears: write for how many years"}},
		"an unknown key in a list":         {[]string{"{key: trn,", "{kay: trn,"}, []string{"identities.3.kay", `did you mean "key"?`}},
		"a key like no other":              {[]string{"country: JAM", "country: JAM\nzzzzzzzzzzzz: 1"}, []string{"use one of country, issuer,"}},
		"several faults at once":           {[]string{"country: JAM", "country: JAMAICA", "id: mohw", "id: MOHW", "timeZone: America/Jamaica", "timeZone: Jamaica/Kingston"}, []string{"yaml:3: country", "yaml:5: issuer.id", "yaml:8: timeZone"}},
		"a key twice":                      {[]string{"country: JAM", "country: JAM\ncountry: JAM"}, []string{"already defined"}},
		"a list where a text belongs":      {[]string{"country: JAM", "country: [JAM]"}, []string{"profile.yaml:3:", "cannot unmarshal"}},
		"no YAML":                          {[]string{"country: JAM", "country: [JAM"}, []string{"profile.yaml:"}},
		"a reference":                      {[]string{"issuer:", "issuer: &x", "theme:", "other: *x\ntheme:"}, []string{"other: there is no such key"}},
		"a demonym for a country":          {[]string{"country: JAM", "country: Jamaican"}, []string{"country: write"}},
		"http":                             {[]string{"https://", "http://"}, []string{"publicUrl"}},
		"an address with a slash":          {[]string{"jamaica.example #", "jamaica.example/ #"}, []string{"publicUrl"}},
		"a zone of the machine":            {[]string{"America/Jamaica", "Local"}, []string{"timeZone"}},
		"no zone":                          {[]string{"America/Jamaica", `""`}, []string{"timeZone"}},
		"no language":                      {[]string{"[en]", "[]"}, []string{"languages: name at least one"}},
		"a language twice":                 {[]string{"[en]", "[en, en]"}, []string{"languages"}},
		"a text in a foreign language":     {[]string{"{en: Passport}", "{en: Passport, fr: Passeport}"}, []string{`identities.1.names.fr: "fr" is not`}},
		"an identity twice":                {[]string{"key: trn", "key: passport"}, []string{"identities.3: key"}},
		"a number for a country code":      {[]string{`countryCode: "1"`, `countryCode: "+1"`}, []string{"phone.countryCode"}},
		"a pattern that is none":           {[]string{"(876|658)", "(876"}, []string{"phone.national"}},
		"a shared pattern that is none":    {[]string{"[2-9][0-9]{2}[2", "(["}, []string{"phone.shared"}},
		"no pattern":                       {[]string{`["(876|658)[0-9]{7}"]`, `[]`}, []string{"phone.national"}},
		"an example that does not fit":     {[]string{"876 555 0142", "555 0142"}, []string{"phone.example"}},
		"a trunk of letters":               {[]string{`trunk: "1"`, `trunk: "x"`}, []string{"phone.trunk"}},
		"another way with numbers":         {[]string{"unreachable: keep", "unreachable: drop"}, []string{"phone.unreachable"}},
		"an unknown disease":               {[]string{"disease: covid-19", "disease: covid"}, []string{"covid-19.disease"}},
		"an unknown product":               {[]string{"products: []", "products: [aspirin]"}, []string{"covid-19.products"}},
		"a product against something else": {[]string{"products: []", "products: [stamaril]"}, []string{"covid-19.products"}},
		"a schedule below zero":            {[]string{"doses: 2", "doses: -2"}, []string{"covid-19.doses"}},
		"a recovery from doses":            {[]string{"    validYears: 2", "    validYears: 2\n    recoveryFromAntigen: true"}, []string{"covid-19.recoveryFromAntigen: leave it out"}},
		"a contact of doses":               {[]string{"    validYears: 2", "    validYears: 2\n    contact: {phone: \"+1876\", email: a@b.jm}"}, []string{"covid-19.contact: leave it out"}},
		"a contact that nobody can reach": {[]string{"  yellow-fever:\n", "  covid-19-test:\n    kind: test\n    names: {en: COVID-19}\n    disease: covid-19\n    payloads: [ddcc]\n    validHours: 72\n    contact: {phone: 8765550100, email: tests}\n    layout: standard\n  yellow-fever:\n"},
			[]string{"contact.phone: write whom", "contact.email: write one address"}},
		"a payload we do not write":             {[]string{"payloads: [ddcc]", "payloads: [ddcc, eu-dcc]"}, []string{"covid-19.payloads"}},
		"a code of DIVOC's format alone":        {[]string{"payloads: [ddcc]", "payloads: [divoc]", "maxStatusAgeHours", "divocKey: rsa\nmaxStatusAgeHours"}, []string{"covid-19.payloads"}},
		"a payload twice":                       {[]string{"payloads: [ddcc]", "payloads: [ddcc, ddcc]"}, []string{"covid-19.payloads"}},
		"DIVOC's format without a key":          {[]string{"payloads: [ddcc]", "payloads: [ddcc, divoc]"}, []string{"divocKey: write rsa"}},
		"DIVOC's format with a key of no kind":  {[]string{"payloads: [ddcc]", "payloads: [ddcc, divoc]", "maxStatusAgeHours", "divocKey: dsa\nmaxStatusAgeHours"}, []string{"divocKey: write rsa"}},
		"a key for a format nobody asks for":    {[]string{"maxStatusAgeHours", "divocKey: rsa\nmaxStatusAgeHours"}, []string{"divocKey: leave it out"}},
		"no payload":                            {[]string{"payloads: [ddcc]", "payloads: []"}, []string{"covid-19.payloads"}},
		"another way with incomplete":           {[]string{"incomplete: domestic", "incomplete: guess"}, []string{"covid-19.incomplete"}},
		"a century of validity":                 {[]string{"validYears: 2", "validYears: 100"}, []string{"covid-19.validYears"}},
		"a year before it counts":               {[]string{"validFromDays: 10", "validFromDays: 1000"}, []string{"yellow-fever.validFromDays"}},
		"a layout that is not there":            {[]string{"layout: standard", "layout: ../../etc"}, []string{"covid-19.layout"}},
		"an empty programme":                    {[]string{"defaultProgramme", "  x:\ndefaultProgramme"}, []string{"programmes.x: the programme is empty"}},
		"a programme's key with a space":        {[]string{"  yellow-fever:", "  yellow fever:"}, []string{"programmes.yellow fever"}},
		"a default that is not there":           {[]string{"defaultProgramme: covid-19", "defaultProgramme: measles"}, []string{"defaultProgramme"}},
		"a source's that is not there":          {[]string{"commcare: covid-19", "commcare: measles"}, []string{"sourceProgrammes.commcare"}},
		"wrong rows kept for no time":           {[]string{"maxStatusAgeHours", "keepWrongRowsDays: 0\nmaxStatusAgeHours"}, []string{"keepWrongRowsDays"}},
		"no time to decide":                     {[]string{"maxStatusAgeHours", "caseHours: 0\nmaxStatusAgeHours"}, []string{"caseHours"}},
		"guardians of the old":                  {[]string{"maxStatusAgeHours", "guardianAge: 60\nmaxStatusAgeHours"}, []string{"guardianAge"}},
		"wrong rows kept for ever":              {[]string{"maxStatusAgeHours", "keepWrongRowsDays: 4000\nmaxStatusAgeHours"}, []string{"keepWrongRowsDays"}},
		"no limit of age":                       {[]string{"maxStatusAgeHours: 168", "maxStatusAgeHours: 0"}, []string{"maxStatusAgeHours"}},
		"a message without a link":              {[]string{"here: {link}", "there"}, []string{"messages.en.ready"}},
		"a message with a name":                 {[]string{"here: {link}", "{name}: {link}"}, []string{"messages.en.ready"}},
		"a message too long":                    {[]string{"here: {link}", strings.Repeat("here ", 90) + "{link}"}, []string{"messages.en.ready"}},
		"a message in another language":         {[]string{"  en:\n    ready", "  fr: {ready: a}\n  en:\n    ready"}, []string{"messages.fr"}},
		"a colour by name":                      {[]string{`"#00563f"`, "green"}, []string{"theme.primary"}},
		"a colour that white cannot be read on": {[]string{`"#00563f"`, `"#7fb069"`}, []string{"theme.primary", "darker"}},
		"an emblem outside":                     {[]string{"emblem: emblem.svg", "emblem: ../emblem.svg"}, []string{"theme.emblem: name an SVG file of this folder"}},
		"an emblem that is not there":           {[]string{"emblem: emblem.svg", "emblem: arms.svg"}, []string{"theme.emblem"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, "jamaica", "atlantis")
			edit(t, filepath.Join(dir, "profile.yaml"), c.edit...)
			_, err := profile.Open(dir)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"a file too large":                {"profile.yaml", strings.Repeat("#", 1<<20+1)},
		"an empty profile":                {"profile.yaml", ""},
		"a product there already":         {"catalogue.json", `{"products": [{"key": "comirnaty", "type": "rna", "maker": "sii", "names": {"en": "X"}}]}`},
		"a sample with an unknown field":  {"samples.json", `[{"age": 40}]`},
		"a sample of another programme":   {"samples.json", `[{"programme": "measles", "enrolmentCode": "1", "person": {"name": "A"}, "vaccination": {}}]`},
		"samples that are no JSON":        {"samples.json", `[`},
		"an emblem with a script":         {"emblem.svg", `<svg><script>1</script></svg>`},
		"an emblem with an event":         {"emblem.svg", `<svg onload="1"/>`},
		"an emblem with a link":           {"emblem.svg", `<svg><path xlink:href="https://example.org"/></svg>`},
		"an emblem with a reference":      {"emblem.svg", `<svg><path fill="url(https://example.org)"/></svg>`},
		"an emblem with an outside image": {"emblem.svg", `<svg><image/></svg>`},
		"an emblem with an entity":        {"emblem.svg", `<!DOCTYPE svg [<!ENTITY x "y">]><svg/>`},
		"an emblem that is no drawing":    {"emblem.svg", `<html/>`},
		"an emblem cut short":             {"emblem.svg", `<svg>`},
		"an emblem of nothing":            {"emblem.svg", ``},
		"an emblem too large":             {"emblem.svg", `<svg>` + strings.Repeat(" ", 32<<10) + `</svg>`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, "jamaica", "atlantis")
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := profile.Open(dir); err == nil {
				t.Error("taken")
			}
		})
	}
	for _, name := range []string{"", "atlantis", "./atlantis", "../profiles", ".."} {
		if _, err := profile.Open(name); err == nil {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
	if _, err := profile.Open("atlantis"); err == nil || !strings.Contains(err.Error(), "jamaica, sri-lanka") {
		t.Errorf("the error does not say what there is: %v", err)
	}
}

// The page for newcomers explains every key, and no other.
func TestEveryKeyIsExplained(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "new-country.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range profile.Keys() {
		if !strings.Contains(string(b), "`"+key+"`") {
			t.Errorf("docs/new-country.md does not explain %s", key)
		}
	}
}
