package render

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// doses fills in the table of doses. A column that no dose says anything of is
// left out where it may be missing from a record.
func (v *viewer) doses(out *View, d Document, keys []string) {
	for _, key := range keys {
		if key == "validity" && !slices.ContainsFunc(d.Doses, func(c vaccination.Certificate) bool {
			return !c.Vaccination.ValidFrom.IsZero() || !c.Vaccination.ValidUntil.IsZero()
		}) {
			continue
		}
		out.Columns = append(out.Columns, Column{Key: key, Label: v.say(key)})
	}
	// One disease for all doses is said once.
	disease := coding(d.Doses[0].Vaccination.Disease)
	same := !slices.ContainsFunc(d.Doses, func(c vaccination.Certificate) bool {
		return coding(c.Vaccination.Disease).String() != disease.String()
	})
	if same && len(disease) > 0 {
		out.Common = append(out.Common, Field{Key: "disease", Label: v.say("disease"), Value: disease})
	}
	for i, c := range d.Doses {
		if same {
			c.Vaccination.Disease = vaccination.Coding{}
		}
		row := Row{Current: i == d.Latest}
		for _, col := range out.Columns {
			row.Cells = append(row.Cells, v.cell(col.Key, c.Vaccination))
		}
		out.Doses = append(out.Doses, row)
	}
}

func (v *viewer) cell(key string, d vaccination.Dose) Cell {
	var c Cell
	switch key {
	case "dose":
		c.Main = v.doseNumber(d)
		if d.Total > 0 && d.Number > d.Total {
			c.line("beyond", nil, v.say("dose.beyond"))
		}
	case "date":
		var note Text
		c.Main, note = v.date(d.Date)
		c.line("precision", nil, note)
	case "vaccine":
		v.vaccine(&c, d)
	case "lot":
		c.Main = plain(d.Lot)
	case "place":
		v.place(&c, d)
	case "validity":
		v.validity(&c, d)
		if len(c.Lines) == 0 {
			c.Main = plain("–")
		}
		return c
	}
	if len(c.Main) == 0 {
		c.Main = v.say("notRecorded")
	}
	return c
}

// line adds a line below the main text, unless it is empty.
func (c *Cell) line(key string, label, value Text) {
	if len(value) > 0 {
		c.Lines = append(c.Lines, Field{Key: key, Label: label, Value: value})
	}
}

// validity adds the vaccine's validity: two dates need no words between them.
func (v *viewer) validity(c *Cell, d vaccination.Dose) {
	from, fromNote := v.date(d.ValidFrom)
	until, untilNote := v.date(d.ValidUntil)
	switch {
	case len(from) > 0 && len(until) > 0:
		c.line("validity", nil, plain(from[0].Text+" – "+until[0].Text))
	case len(from) > 0:
		c.line("validity", nil, v.say("validity.from", "{date}", from[0].Text))
	case len(until) > 0:
		c.line("validity", nil, v.say("validity.until", "{date}", until[0].Text))
	}
	c.line("precision", nil, fromNote)
	c.line("precision", nil, untilNote)
}

func (v *viewer) doseNumber(d vaccination.Dose) Text {
	n, total := strconv.Itoa(d.Number), strconv.Itoa(d.Total)
	switch {
	case d.Number <= 0:
		return nil
	case d.Total <= 0 || d.Number > d.Total:
		return plain(n)
	default:
		return v.say("dose.of", "{n}", n, "{total}", total)
	}
}

func (v *viewer) vaccine(c *Cell, d vaccination.Dose) {
	if v.profile.ProductName != nil && d.Product != "" {
		for _, lang := range v.langs {
			c.Main = c.Main.add(shape.Phrase{Lang: lang, Text: shape.Clean(v.profile.ProductName(d.Product, lang))})
		}
	}
	if len(c.Main) == 0 {
		c.Main = coding(d.Brand)
	}
	kind := coding(d.Vaccine)
	if len(c.Main) == 0 {
		c.Main, kind = kind, nil
	}
	if kind.String() != c.Main.String() {
		c.line("type", nil, kind)
	}
	maker, holder := coding(d.Manufacturer), coding(d.MAHolder)
	c.line("manufacturer", nil, maker)
	if maker.String() != holder.String() {
		c.line("maholder", v.say("maholder"), holder)
	}
	c.line("disease", v.say("disease"), coding(d.Disease))
	next, note := v.date(d.NextDose)
	c.line("nextDose", v.say("nextDose"), next)
	c.line("precision", nil, note)
}

func coding(c vaccination.Coding) Text {
	if c.Display != "" {
		return plain(c.Display)
	}
	return plain(c.Code)
}

func (v *viewer) place(c *Cell, d vaccination.Dose) {
	c.Main = plain(d.Centre)
	a := d.CentreAddress
	if a.Country == d.Country.Code || a.Country == d.Country.Display {
		a.Country = ""
	}
	parts := []string{a.Line1, a.Line2, a.District, strings.TrimSpace(a.Region + " " + a.PostCode), a.Country}
	parts = slices.DeleteFunc(parts, func(p string) bool { return strings.TrimSpace(p) == "" })
	c.line("centreAddress", nil, plain(strings.Join(parts, ", ")))
	country := v.country(d.Country)
	if len(country) == 0 {
		country = v.say("notRecorded")
	}
	c.line("country", nil, country)
	c.line("practitioner", v.say("practitioner"), plain(d.Practitioner))
	if d.FromEvidence {
		c.line("fromEvidence", nil, v.say("fromEvidence"))
	}
}
