package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/certlogic"
)

// The bounds of a file of rules.
const (
	MaxSize   = 4 << 20 // bytes
	MaxRules  = 2000
	maxValues = 50_000 // of all value sets
)

// ErrFile says that a file of rules cannot be used, and what is wrong in it.
var ErrFile = errors.New("the rules cannot be used")

// Set is what was read from files of rules. It is not changed after that.
type Set struct {
	rules     []rule
	products  []product
	valueSets map[string]any // id → the list of its codes
	source    []byte         // of one file
}

// Source returns the file that s was read from, for those who verify elsewhere; nil
// where it was none, or several. It is not to be changed.
func (s *Set) Source() []byte {
	if s == nil {
		return nil
	}
	return s.source
}

// YellowFever is the name of the rule that needs no file: a vaccination against
// yellow fever counts ten days after it was given, and for life (International
// Health Regulations (2005), annex 7).
const YellowFever = "yellow-fever"

// BuiltIn returns the set that has only [YellowFever].
func BuiltIn() *Set {
	return &Set{products: []product{{
		Identifier: YellowFever, Disease: "1D47", AfterDays: 10,
		Description: texts{
			{"en", "A vaccination against yellow fever that counts today: given ten days ago or earlier. It counts for life."},
			{"fr", "Une vaccination contre la fièvre jaune qui compte aujourd’hui : faite il y a dix jours ou plus. Elle compte à vie."},
			{"es", "Una vacunación contra la fiebre amarilla que cuenta hoy: de hace diez días o más. Cuenta de por vida."},
			{"si", "අදට වලංගු කහ උණ එන්නතක්: දින දහයකට හෝ ඊට පෙර ලබා දුන් එකක්. එය ජීවිත කාලය පුරා වලංගුය."},
			{"ta", "இன்று செல்லுபடியாகும் மஞ்சள் காய்ச்சல் தடுப்பூசி: பத்து நாட்கள் அல்லது அதற்கு முன் போடப்பட்டது. அது வாழ்நாள் முழுவதும் செல்லும்."},
		},
	}}}
}

// file is the form of a file of ours: rules as the EU gateway has them, the value
// sets they use, and rules of products.
type file struct {
	Rules     []rule    `json:"rules"`
	Products  []product `json:"products"`
	ValueSets valueSets `json:"valueSets"`
}

// rule is a business rule of EU DCC (EU DCC validation rules, schema 1.0).
type rule struct {
	Identifier      string
	Type            string // Acceptance or Invalidation
	Country         string // alpha-2
	Region          string
	Version         string
	SchemaVersion   string // of EU DCC
	Engine          string
	EngineVersion   string
	CertificateType string // General, Vaccination, Test, Recovery
	Description     texts
	ValidFrom       time.Time
	ValidTo         time.Time
	AffectedFields  []string
	Logic           json.RawMessage

	logic *certlogic.Expr // nil for one that this engine is too old for
}

// product is a rule of ours: a dose against a disease counts so many days after
// it was given, for so many years.
type product struct {
	Identifier  string
	Country     string // "" is any
	Disease     string // ICD-11
	AfterDays   int
	Years       int // 0 is for life
	Description texts
	ValidFrom   time.Time
	ValidTo     time.Time
}

type texts []struct {
	Lang string `json:"lang"`
	Desc string `json:"desc"`
}

// in is the text in a language, in English where there is none, else the first.
func (t texts) in(lang string) string {
	primary, _, _ := strings.Cut(strings.ToLower(lang), "-")
	for _, want := range []string{primary, "en"} {
		for _, d := range t {
			if have, _, _ := strings.Cut(strings.ToLower(d.Lang), "-"); have == want {
				return d.Desc
			}
		}
	}
	if len(t) > 0 {
		return t[0].Desc
	}
	return ""
}

// Parse reads files of rules into one set. A file is an object with rules,
// valueSets and products, or a list of EU rules, or one of them. The error wraps
// [ErrFile] and names the rule.
func Parse(files ...[]byte) (*Set, error) {
	s := &Set{valueSets: map[string]any{}}
	if len(files) == 1 {
		s.source = files[0]
	}
	for _, data := range files {
		f, err := parseFile(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFile, err)
		}
		for _, r := range f.Rules {
			if err := r.check(); err != nil {
				return nil, fmt.Errorf("%w: rule %.40q: %w", ErrFile, r.Identifier, err)
			}
			s.rules = append(s.rules, r)
		}
		for _, p := range f.Products {
			if err := p.check(); err != nil {
				return nil, fmt.Errorf("%w: rule %.40q: %w", ErrFile, p.Identifier, err)
			}
			s.products = append(s.products, p)
		}
		for id, codes := range f.ValueSets {
			s.valueSets[id] = codes
		}
	}
	values := 0
	for _, codes := range s.valueSets {
		values += len(codes.([]any))
	}
	if len(s.rules)+len(s.products) > MaxRules || values > maxValues {
		return nil, fmt.Errorf("%w: there are too many", ErrFile)
	}
	return s, nil
}

func parseFile(data []byte) (file, error) {
	var f file
	if len(data) > MaxSize {
		return f, errors.New("the file is too large")
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff"))
	var err error
	var one struct{ Identifier, Logic any }
	switch {
	case strings.HasPrefix(text, "["):
		err = json.Unmarshal([]byte(text), &f.Rules)
	case json.Unmarshal([]byte(text), &one) == nil && one.Identifier != nil && one.Logic != nil:
		f.Rules = make([]rule, 1)
		err = json.Unmarshal([]byte(text), &f.Rules[0])
	default:
		err = json.Unmarshal([]byte(text), &f)
	}
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return f, fmt.Errorf("%s is of another type than expected", kind.Field)
	case err != nil:
		return f, errors.New("it is no JSON of rules")
	case len(f.Rules)+len(f.Products)+len(f.ValueSets) == 0:
		return f, errors.New("there are none in it")
	}
	return f, nil
}

func (r *rule) check() error {
	switch {
	case !plain(r.Identifier):
		return errors.New("it has no identifier")
	case r.Type != "Acceptance" && r.Type != "Invalidation":
		return errors.New("its type is neither Acceptance nor Invalidation")
	case len(r.Country) != 2:
		return errors.New("its country is no alpha-2 code")
	case r.ValidFrom.IsZero() || r.ValidTo.IsZero():
		return errors.New("it does not say from when and until when it holds")
	case number(r.Version) == nil || number(r.SchemaVersion) == nil || number(r.EngineVersion) == nil:
		return errors.New("a version is missing")
	}
	r.Country = strings.ToUpper(r.Country)
	if !r.understood() {
		return nil
	}
	var err error
	r.logic, err = certlogic.Parse(r.Logic)
	return err
}

// understood reports whether the engine that the rule wants is this one.
func (r *rule) understood() bool {
	return r.Engine == "CERTLOGIC" && slices.Compare(number(r.EngineVersion), number(certlogic.SpecVersion)) <= 0
}

func (p *product) check() error {
	switch {
	case !plain(p.Identifier):
		return errors.New("it has no identifier")
	case p.Disease == "":
		return errors.New("it names no disease (ICD-11)")
	case p.AfterDays < 0 || p.AfterDays > 3650 || p.Years < 0 || p.Years > 150:
		return errors.New("its days or years are out of bounds")
	}
	if p.Country != "" {
		c, ok := catalogue.FindCountry(p.Country)
		if !ok {
			return errors.New("its country is no code of ISO 3166-1")
		}
		p.Country = c.Alpha2
	}
	return nil
}

// plain is a name that can be shown.
func plain(s string) bool {
	return s != "" && len(s) <= 80 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// number is a version in its parts, nil for what is none.
func number(version string) []int {
	parts := strings.Split(version, ".")
	if len(parts) > 3 {
		return nil
	}
	out := make([]int, len(parts))
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return nil
		}
		out[i] = n
	}
	return out
}

// valueSets are the lists of codes that rules look in, by their id: as lists, or
// as the EU publishes a value set, in an object or a list of such.
type valueSets map[string]any

// UnmarshalJSON reads any of the forms.
func (v *valueSets) UnmarshalJSON(data []byte) error {
	type published struct {
		ID     string                     `json:"valueSetId"`
		Values map[string]json.RawMessage `json:"valueSetValues"`
	}
	out := valueSets{}
	add := func(id string, p published) {
		codes := make([]string, 0, len(p.Values))
		for code := range p.Values {
			codes = append(codes, code)
		}
		slices.Sort(codes)
		list := make([]any, len(codes))
		for i, code := range codes {
			list[i] = code
		}
		out[id] = list
	}
	var list []published
	if json.Unmarshal(data, &list) == nil {
		for _, p := range list {
			add(p.ID, p)
		}
		*v = out
		return nil
	}
	var named map[string]json.RawMessage
	if err := json.Unmarshal(data, &named); err != nil {
		return err
	}
	for id, raw := range named {
		var codes []any
		var p published
		switch {
		case json.Unmarshal(raw, &codes) == nil:
			out[id] = codes
		case json.Unmarshal(raw, &p) == nil && p.Values != nil:
			add(id, p)
		default:
			return fmt.Errorf("value set %.60q is neither a list of codes nor a value set of the EU", id)
		}
	}
	*v = out
	return nil
}

// Ask returns the rules that a name asks for, and the country of arrival: those of
// [BuiltIn] for [YellowFever], those of s for a country that has any in it. ok is
// false for every other name but "", which asks for none.
func (s *Set) Ask(name string) (asked *Set, country string, ok bool) {
	switch name {
	case "":
		return nil, "", true
	case YellowFever:
		return BuiltIn(), "", true
	}
	country = strings.ToUpper(name)
	if known, found := catalogue.FindCountry(country); found {
		country = known.Alpha2
	}
	if !slices.Contains(s.Countries(), country) {
		return nil, "", false
	}
	return s, country, true
}

// Countries returns the countries that have rules, as alpha-2 codes, sorted.
func (s *Set) Countries() []string {
	var out []string
	if s == nil {
		return out
	}
	for _, r := range s.rules {
		if r.Type == "Acceptance" {
			out = append(out, r.Country)
		}
	}
	for _, p := range s.products {
		if p.Country != "" {
			out = append(out, p.Country)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
