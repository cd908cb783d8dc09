package mapping

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/strictyaml"
	"github.com/opendivoc/divoc/vaccination"
)

// maxText bounds a mapping's text, in bytes.
const maxText = 256 << 10

// Parse reads a mapping and checks it against the vocabulary and the profile.
// The error names every fault with file and line; file is how errors name the
// text.
func Parse(file string, text []byte, p *profile.Profile) (*Mapping, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%s: a mapping has at most %d kB", file, maxText>>10)
	}
	m := &Mapping{profile: p}
	doc := strictyaml.New(file)
	if doc.Decode(text, m) {
		m.check(doc)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// kind is what a rule's values are.
type kind int

const (
	textValue kind = iota
	codeValue      // a text that a code list may translate
	dateValue
	numberValue
	sexValue
	flagValue
	productValue
	programmeValue
	countryValue
)

// field is one rule of the vocabulary: how the mapping names it, which field of
// the event it fills, and what its values are.
type field struct {
	path  string // "dose.product"
	event string // "vaccination.product"
	kind  kind
	rule  *Rule
}

// fields yields every rule of the mapping, set or not, in a fixed order.
func (m *Mapping) fields() iter.Seq[field] {
	p, d := &m.Person, &m.Dose
	all := []field{
		{"person.code", "enrolmentCode", textValue, &p.Code},
		{"person.name", "person.name", textValue, &p.Name},
		{"person.givenName", "person.name", textValue, &p.GivenName},
		{"person.familyName", "person.name", textValue, &p.FamilyName},
		{"person.birthDate", "person.birthDate", dateValue, &p.BirthDate},
		{"person.birthDateEstimated", "person.birthDate", flagValue, &p.Estimated},
		{"person.sex", "person.sex", sexValue, &p.Sex},
		{"person.nationality", "person.nationality", codeValue, &p.Nationality},
		{"person.phone", "contacts", textValue, &p.Phone},
		{"person.email", "contacts", textValue, &p.Email},
		{"person.line1", "address.line1", textValue, &p.Line1},
		{"person.line2", "address.line2", textValue, &p.Line2},
		{"person.district", "address.district", codeValue, &p.District},
		{"person.region", "address.region", codeValue, &p.Region},
		{"person.postCode", "address.postCode", textValue, &p.PostCode},
		{"dose.programme", "programme", programmeValue, &d.Programme},
		{"dose.number", "vaccination.dose", numberValue, &d.Number},
		{"dose.totalDoses", "vaccination.totalDoses", numberValue, &d.Total},
		{"dose.product", "vaccination.product", productValue, &d.Product},
		{"dose.manufacturer", "vaccination.manufacturer", codeValue, &d.Manufacturer},
		{"dose.lot", "vaccination.lot", textValue, &d.Lot},
		{"dose.date", "vaccination.date", dateValue, &d.Date},
		{"dose.validFrom", "vaccination.validFrom", dateValue, &d.ValidFrom},
		{"dose.validUntil", "vaccination.validUntil", dateValue, &d.ValidUntil},
		{"dose.nextDose", "vaccination.nextDose", dateValue, &d.NextDose},
		{"dose.country", "vaccination.country", countryValue, &d.Country},
		{"dose.centre", "vaccination.centre", codeValue, &d.Centre},
		{"dose.practitioner", "vaccination.practitioner", textValue, &d.Practitioner},
	}
	return func(yield func(field) bool) {
		for _, f := range all {
			if !yield(f) {
				return
			}
		}
		for _, kind := range slices.Sorted(maps.Keys(p.Identifiers)) {
			rule := p.Identifiers[kind]
			if !yield(field{"person.identifiers." + kind, "person.identifier", textValue, &rule}) {
				return
			}
		}
	}
}

// check reports what is wrong with a mapping that could be read.
func (m *Mapping) check(doc *strictyaml.Document) {
	for f := range m.fields() {
		m.checkRule(doc, f)
	}
	for kind := range m.Person.Identifiers {
		if !slices.ContainsFunc(m.profile.Identities, func(k profile.IdentityKind) bool { return k.Key == kind }) {
			doc.At("person.identifiers."+kind, "the profile has no such kind of identity document")
		}
	}
	if _, err := dates.ParseOrder(m.DateOrder); err != nil {
		doc.At("dateOrder", "%v", err)
	}
	if !m.Person.Name.set() && !m.Person.GivenName.set() && !m.Person.FamilyName.set() {
		doc.At("person", "a certificate needs a name: give name, or givenName and familyName")
	}
	if !m.Dose.Date.set() {
		doc.At("dose", "a certificate needs the day of the dose: give date")
	}
	m.checkStages(doc)
	if !m.Dose.Number.set() && !m.numbered() {
		doc.At("dose", "a certificate needs the number of the dose: give number here, in every stage, or in slots")
	}
}

// numbered reports whether every dose gets its number from its stage or slot.
func (m *Mapping) numbered() bool {
	for _, s := range m.Stages {
		if s.Number == 0 {
			return false
		}
	}
	return len(m.Stages)+len(m.Slots) > 0
}

func (m *Mapping) checkStages(doc *strictyaml.Document) {
	for id, s := range m.Stages {
		at := "stages." + id
		if s.Number < 0 {
			doc.At(at, "a dose has a number from 1")
		}
		if s.Programme != "" && m.profile.Programmes[s.Programme] == nil {
			doc.At(at, "the profile has no such programme: use one of %s", strings.Join(m.profile.ProgrammeKeys(), ", "))
		}
		if slices.Contains(m.Ignore, id) {
			doc.At(at, "this stage is also one to ignore")
		}
	}
	seen := map[string]bool{}
	for i, s := range m.Slots {
		at := fmt.Sprintf("slots.%d", i+1)
		if s.Prefix == "" || s.When == "" || s.Number < 1 {
			doc.At(at, "a slot needs a prefix, the number of its dose, and in when the field that has a value once the dose was given")
		}
		if seen[s.Prefix] {
			doc.At(at, "two slots begin with the same prefix")
		}
		seen[s.Prefix] = true
	}
}

func (r Rule) set() bool { return len(r.From) > 0 || r.Constant != "" }

func (m *Mapping) checkRule(doc *strictyaml.Document, f field) {
	r := *f.rule
	if slices.Contains(r.From, "") {
		doc.At(f.path+".from", "a name is empty")
	}
	if !r.set() && (len(r.Codes) > 0 || r.Join != "") {
		doc.At(f.path, "say in from where the value is found")
	}
	if r.Join != "" && f.kind != textValue {
		doc.At(f.path+".join", "only texts can be joined")
	}
	if len(r.Codes) > 0 && (f.kind == textValue || f.kind == dateValue) {
		doc.At(f.path+".codes", "this field has no codes")
	}
	for _, code := range slices.Sorted(maps.Keys(r.Codes)) {
		if r.Codes[code] == "" {
			continue
		}
		if err := m.checkValue(f.kind, r.Codes[code]); err != "" {
			doc.At(f.path+".codes."+code, "%s", err)
		}
	}
	if r.Constant != "" {
		if err := m.checkValue(f.kind, r.Constant); err != "" {
			doc.At(f.path+".constant", "%s", err)
		}
	}
}

// checkValue says what is wrong with a value that stands in the mapping itself,
// "" for nothing.
func (m *Mapping) checkValue(k kind, value string) string {
	switch k {
	case numberValue:
		if n, err := strconv.Atoi(value); err != nil || n < 1 {
			return "a whole number from 1 is expected"
		}
	case sexValue:
		if _, ok := sexOf(value); !ok {
			return "use male, female, other or unknown"
		}
	case flagValue:
		if _, err := strconv.ParseBool(value); err != nil {
			return "use true or false"
		}
	case productValue:
		if _, ok := m.profile.Catalogue.Find(value, ""); !ok {
			return "the catalogue has no such product" + strictyaml.Nearest(value, productKeys(m.profile))
		}
	case programmeValue:
		if m.profile.Programmes[value] == nil {
			return "the profile has no such programme: use one of " + strings.Join(m.profile.ProgrammeKeys(), ", ")
		}
	case countryValue:
		if _, ok := catalogue.FindCountry(value); !ok {
			return "use the country's ISO 3166-1 code of three letters"
		}
	case dateValue:
		if d, err := vaccination.ParseDate(value); err != nil || d.IsZero() {
			return "write YYYY-MM-DD"
		}
	}
	return ""
}

func productKeys(p *profile.Profile) []string {
	var keys []string
	for _, pr := range p.Programmes {
		for _, product := range p.Catalogue.Products(pr.Disease) {
			keys = append(keys, product.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func sexOf(s string) (vaccination.Sex, bool) {
	switch sex := vaccination.Sex(strings.ToLower(s)); sex {
	case vaccination.SexMale, vaccination.SexFemale, vaccination.SexOther, vaccination.SexUnknown:
		return sex, true
	}
	return "", false
}
