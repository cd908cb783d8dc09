package hcert

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/vaccination"
)

// Subject is what a certificate certifies; the values are those of the extended
// key usages of signers.
type Subject string

// The subjects.
const (
	Vaccination Subject = "vaccination"
	Test        Subject = "test"
	Recovery    Subject = "recovery"
)

// Subject says what m certifies, which its signer's certificate has to allow.
func (m *Message) Subject() Subject {
	top, _ := m.content.(map[any]any)
	switch {
	case m.Payload == DDCCTest:
		return Test
	case m.Payload == EUDCC && top["v"] == nil && top["t"] != nil:
		return Test
	case m.Payload == EUDCC && top["v"] == nil && top["r"] != nil:
		return Recovery
	}
	return Vaccination
}

// Code systems of EU DCC, by element (value sets 1.14).
const (
	snomed         = vaccination.SystemSNOMED
	loinc          = vaccination.SystemLOINC
	testTypeSystem = vaccination.SystemICD11 // of DDCC:TR
	maxText80      = 80
)

// readDCC reads an EU DCC of 1.0.0 to 1.3.x (JSON Schema 1.3.3). What no version
// of the schema allows is [ErrMalformed] with the element's name. Issuers beyond
// the EU sign contents that its newest version would not allow, such as names in
// small letters where it wants capitals: their meaning is clear.
func (m *Message) readDCC(top map[any]any) (vaccination.Certificate, error) {
	if bad := (&dccCheck{}).top(top); bad != "" {
		return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrMalformed, bad)
	}
	r := &reader{m: top}
	name := r.sub("nam")
	c := vaccination.Certificate{Person: vaccination.Person{Name: dccName(name)}}
	c.BirthDate = dccBirth(r)
	c.Info.Version = r.text("ver")
	var entry *reader
	switch m.Subject() {
	case Vaccination:
		entry = r.latest("v", "dt")
		d := &c.Vaccination
		d.Disease, d.Vaccine = entry.coding("tg", snomed), entry.coding("vp", snomed)
		d.Brand, d.Manufacturer = entry.coding("mp", vaccination.SystemEUBrand), entry.coding("ma", makerSystem)
		d.Number, d.Total, d.Date = entry.number("dn"), entry.number("sd"), entry.date("dt")
		if strings.HasPrefix(d.Vaccine.Code, "J07") { // WHO's ATC classification
			d.Vaccine.System = "http://www.whocc.no/atc"
		}
		d.Country = dccCountry(entry)
	case Test:
		entry = r.latest("t", "sc")
		t := &c.Test
		t.Pathogen, t.Type, t.Result = entry.coding("tg", snomed), entry.coding("tt", loinc), entry.coding("tr", snomed)
		t.Brand = vaccination.Coding{Display: entry.text("nm")}
		t.Manufacturer = entry.coding("ma", vaccination.SystemEUDevice)
		t.Centre, t.Country = entry.text("tc"), dccCountry(entry)
		t.Date, _ = sampleTime(entry.text("sc"))
	default:
		entry = r.latest("r", "fr")
		c.Recovery = vaccination.Recovery{
			Disease: entry.coding("tg", snomed), FirstPositive: entry.date("fr"), Country: dccCountry(entry),
			ValidFrom: entry.date("df"), ValidUntil: entry.date("du"),
		}
	}
	m.envelope(&c.Info)
	c.Info.Issuer.Name, c.Info.HCID = entry.text("is"), entry.text("ci")
	if r.failed != "" {
		return vaccination.Certificate{}, fmt.Errorf("%w: %s", ErrMalformed, r.failed)
	}
	return c, nil
}

// latest is the entry of a group that is dated last: before 1.3 there could be several
// of one kind, as a dose each.
func (r *reader) latest(group, dated string) *reader {
	list, _ := r.m[group].([]any)
	var last map[any]any
	for _, item := range list {
		entry, _ := item.(map[any]any)
		date, _ := entry[dated].(string)
		if was, _ := last[dated].(string); last == nil || date > was {
			last = entry
		}
	}
	return &reader{m: last, path: group, parent: r}
}

// dccName is the name as a person writes it, where it is there, else as the
// machine readable zone has it.
func dccName(n *reader) string {
	part := func(written, standard string) string {
		if s := n.text(written); s != "" {
			return s
		}
		return strings.TrimSpace(strings.ReplaceAll(n.text(standard), "<", " "))
	}
	return strings.TrimSpace(part("gn", "gnt") + " " + part("fn", "fnt"))
}

func dccCountry(r *reader) vaccination.Coding { return r.coding("co", countrySystem) }

// sampleTime reads the forms of a date-time that the schema's examples have.
func sampleTime(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

func (c *dccCheck) top(top map[any]any) string {
	if !version(c.text(top, "ver", true)) {
		return "ver"
	}
	nam, ok := top["nam"].(map[any]any)
	if !ok {
		return "nam"
	}
	for _, k := range []string{"fn", "gn", "fnt", "gnt"} {
		s := c.text(nam, k, false)
		if c.strict && strings.HasSuffix(k, "t") && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ<") != "" {
			return "nam." + k
		}
	}
	if nam["fnt"] == nil && nam["gnt"] == nil {
		return "nam.fnt"
	}
	dob := c.text(top, "dob", true)
	if _, ok := top["dob"].(string); !ok || !birthDate(dob, c.strict) {
		return "dob"
	}
	groups := 0
	for _, g := range []string{"v", "t", "r"} {
		v, there := top[g]
		if !there || v == nil && !c.strict {
			continue
		}
		list, ok := v.([]any)
		if !ok || len(list) == 0 && c.strict || len(list) > 1 && c.strict {
			return g
		}
		if len(list) > 0 {
			groups++
		}
		for _, item := range list {
			entry, ok := item.(map[any]any)
			if !ok {
				return g
			}
			c.entry(g, entry)
		}
	}
	if groups != 1 {
		return "v"
	}
	return c.bad
}

type dccCheck struct {
	strict bool
	bad    string
}

func (c *dccCheck) fail(name string) {
	if c.bad == "" {
		c.bad = name
	}
}

// text returns a text of at most 80 characters.
func (c *dccCheck) text(m map[any]any, key string, required bool) string {
	s := c.code(m, key, required)
	if utf8.RuneCountInString(s) > maxText80 {
		c.fail(key)
	}
	return s
}

// code returns a text of any length, as codes of value sets and times are.
func (c *dccCheck) code(m map[any]any, key string, required bool) string {
	v, there := m[key]
	if !there || v == nil && !c.strict {
		if required {
			c.fail(key)
		}
		return ""
	}
	s, ok := v.(string)
	if !ok {
		c.fail(key)
	}
	return s
}

func (c *dccCheck) entry(group string, e map[any]any) {
	dates := map[string][]string{"v": {"dt"}, "r": {"fr", "df", "du"}}[group]
	for _, k := range map[string][]string{"v": {"tg", "vp", "mp", "ma"}, "t": {"tg", "tt", "tr"}, "r": {"tg"}}[group] {
		c.code(e, k, true)
	}
	for _, k := range []string{"is", "ci"} {
		c.text(e, k, true)
	}
	if group == "t" {
		c.text(e, "nm", false)
		c.text(e, "tc", false)
		c.code(e, "ma", false)
	}
	for _, k := range dates {
		s := c.code(e, k, true)
		if !c.strict {
			s, _, _ = strings.Cut(s, "T")
		}
		if d, err := vaccination.ParseDate(s); err != nil || d.Precision() != vaccination.PrecisionDay || d.Estimated {
			c.fail(k)
		}
	}
	if group == "v" {
		for _, k := range []string{"dn", "sd"} {
			n, ok := wholeNumber(e[k])
			if !ok || n < 1 {
				c.fail(k)
			}
		}
	}
	if group == "t" {
		if _, ok := sampleTime(c.code(e, "sc", true)); !ok {
			c.fail("sc")
		}
	}
	if co := c.code(e, "co", true); !strings.ContainsAny(co, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") { // unanchored in the schema
		c.fail("co")
	}
}

// wholeNumber is JSON Schema's integer: 1.0 is one.
func wholeNumber(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}

// version is "^\d+.\d+.\d+$" of the schema, whose dots are any character.
func version(s string) bool {
	digits := func(r []rune) bool {
		return len(r) > 0 && !slices.ContainsFunc(r, func(c rune) bool { return c < '0' || c > '9' })
	}
	r := []rune(s)
	for i := range r {
		for j := i + 2; j < len(r) && len(r) <= maxText80; j++ {
			if digits(r[:i]) && digits(r[i+1:j]) && digits(r[j+1:]) && r[i] != '\n' && r[j] != '\n' {
				return true
			}
		}
	}
	return false
}

// dccBirth is the date of birth. The Netherlands wrote XX for what is not known.
func dccBirth(r *reader) vaccination.Date {
	text, _, _ := strings.Cut(r.text("dob"), "T")
	d, err := vaccination.ParseDate(knownPart(text))
	if err != nil {
		r.fail("dob")
	}
	return d
}

func knownPart(date string) string {
	date, _, _ = strings.Cut(strings.ToUpper(date), "-XX")
	return date
}

// birthDate is the schema's pattern: empty, a year, a month or a day of 1900 to
// 2099. Older versions had a time behind it in some countries.
func birthDate(s string, strict bool) bool {
	if !strict {
		s, _, _ = strings.Cut(s, "T")
		s = knownPart(s)
	}
	if s == "" {
		return true
	}
	if len(s) != 4 && len(s) != 7 && len(s) != 10 || s[:2] != "19" && s[:2] != "20" {
		return false
	}
	for i := range len(s) {
		if dash := i == 4 || i == 7; dash != (s[i] == '-') || !dash && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}
