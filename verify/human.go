package verify

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/opendivoc/divoc/vaccination"
)

// Text writes the statement for a person to read, some lines of plain text in
// one of [Languages]. Signs that a text shown could use to disguise itself
// (controls, direction overrides, zero-width characters) are replaced.
func (s Statement) Text(lang string) string {
	w := wordsIn(lang)
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", w.Labels[label], printable(value))
		}
	}
	b.WriteString(w.Verdicts[string(s.Verdict)])
	if s.Specimen {
		b.WriteString(" - " + w.Labels["specimen"])
	}
	b.WriteByte('\n')
	for _, r := range s.Reasons {
		b.WriteString(w.note(r) + "\n")
	}
	if c := s.Content; c != nil {
		d := c.Vaccination
		orNot := func(v string) string {
			if v == "" {
				return w.Labels["notRecorded"]
			}
			return v
		}
		line("name", orNot(c.Name))
		line("birthDate", orNot(c.BirthDate.String()))
		line("identifier", strings.TrimSpace(c.Identifier.Kind+" "+c.Identifier.Value))
		switch {
		case !c.Test.IsZero():
			t := c.Test
			line("pathogen", shown(t.Pathogen))
			line("test", join2(shown(t.Type), join2(shown(t.Brand), shown(t.Manufacturer))))
			line("result", orNot(shown(t.Result)))
			line("taken", orNot(moment(t.Date)))
			line("centreTest", t.Centre)
			line("country", shown(t.Country))
		case !c.Recovery.IsZero():
			r := c.Recovery
			line("recovered", orNot(shown(r.Disease)))
			line("firstPositive", orNot(r.FirstPositive.String()))
			line("country", shown(r.Country))
			line("period", r.ValidFrom.String()+" – "+r.ValidUntil.String())
		default:
			line("disease", shown(d.Disease))
			line("vaccine", orNot(product(d)))
			line("lot", orNot(d.Lot))
			line("dose", w.dose(d))
			line("date", orNot(d.Date.String()))
			line("centre", d.Centre)
			line("country", shown(d.Country))
		}
		if !d.ValidFrom.IsZero() || !d.ValidUntil.IsZero() {
			line("effective", d.ValidFrom.String()+" – "+d.ValidUntil.String())
		}
		line("certificate", c.Info.HCID)
	}
	for _, more := range s.More { // of the same person, under the same signature
		if v := more.Vaccination; more.Test.IsZero() {
			line("date", join2(v.Date.String(), join2(product(v), v.Lot)))
		} else {
			line("test", join2(moment(more.Test.Date), join2(shown(more.Test.Type), shown(more.Test.Result))))
		}
	}
	if s.Issuer.Name != "" || s.Issuer.ID != "" {
		line("issuer", join(s.Issuer.Name, s.Issuer.ID))
		line("status", w.status(s))
	}
	line("key", s.Issuer.Key)
	if !s.ValidFrom.IsZero() || !s.ValidUntil.IsZero() {
		to := day
		if s.Content != nil && s.Content.IsTest() { // it counts for hours
			to = moment
		}
		line("period", to(s.ValidFrom)+" – "+to(s.ValidUntil))
	}
	if s.Accepted != "" {
		b.WriteString(w.Labels["accepted."+string(s.Accepted)] + "\n")
	}
	for _, r := range s.Rules {
		fmt.Fprintf(&b, "  %s: %s: %s\n", printable(r.ID), w.Labels["rule."+string(r.Outcome)], printable(r.Text))
	}
	for _, n := range s.Warnings {
		b.WriteString("! " + w.note(n) + "\n")
	}
	return b.String()
}

// note is the sentence of n in w's language; a code that has none keeps the
// text it came with.
func (w *words) note(n Note) string {
	if t := w.Notes[n.Code]; t != "" {
		return t
	}
	return n.Text
}

func (w *words) status(s Statement) string {
	t := w.Statuses[string(s.Status)]
	if !s.StatusAsOf.IsZero() {
		t += ", " + w.Labels["asOf"] + " " + s.StatusAsOf.UTC().Format("2006-01-02 15:04 UTC")
	}
	return t
}

func (w *words) dose(d vaccination.Dose) string {
	switch {
	case d.Number == 0:
		return ""
	case d.Total < d.Number: // not known, or a dose beyond the schedule
		return fmt.Sprint(d.Number)
	default:
		return fmt.Sprintf("%d %s %d", d.Number, w.Labels["of"], d.Total)
	}
}

// product is the name a person knows the vaccine by: the brand, else its kind.
func product(d vaccination.Dose) string {
	if b := shown(d.Brand); b != "" {
		return b
	}
	return shown(d.Vaccine)
}

func shown(c vaccination.Coding) string {
	if c.Display != "" {
		return c.Display
	}
	return c.Code
}

func join(name, id string) string {
	if name == "" {
		return id
	}
	return name + " (" + id + ")"
}

// join2 puts two texts in one line, or the one that is there.
func join2(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02")
}

// printable replaces what has no shape of its own. Joiners stay: Sinhala, Tamil
// and other scripts are not written without them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c' || r == '\u200d':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return '\ufffd'
		default:
			return r
		}
	}, s)
}
