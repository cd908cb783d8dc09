package render

import (
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/vaccination"
)

// test fills in the table of a test: one row.
func (v *viewer) test(out *View, c vaccination.Certificate) {
	t := c.Test
	out.DosesTitle = v.say("test")
	for _, key := range []string{"sample", "kind", "result", "place"} {
		out.Columns = append(out.Columns, Column{Key: key, Label: v.say(key)})
	}
	if pathogen := coding(t.Pathogen); len(pathogen) > 0 {
		out.Common = append(out.Common, Field{Key: "pathogen", Label: v.say("pathogen"), Value: pathogen})
	}
	var sample, kind, result, place Cell
	sample.Main = plain(v.moment(t.Date))
	sample.line("resultDate", v.say("resultDate"), plain(v.moment(t.ResultDate)))
	kind.Main = v.term("kind.", t.Type, catalogue.TestType)
	kind.line("brand", nil, coding(t.Brand))
	if coding(t.Manufacturer).String() != coding(t.Brand).String() {
		kind.line("manufacturer", nil, coding(t.Manufacturer))
	}
	kind.line("lot", v.say("lot"), plain(t.Lot))
	kind.line("origin", v.say("origin"), v.term("origin.", t.Origin, catalogue.TestOrigin))
	result.Main = v.term("result.", t.Result, catalogue.TestResult)
	v.place(&place, vaccination.Dose{Centre: t.Centre, CentreAddress: t.CentreAddress, Country: t.Country})
	place.line("practitioner", v.say("tested"), plain(t.Practitioner))
	row := Row{Current: true, Cells: []Cell{sample, kind, result, place}}
	for i := range row.Cells {
		if len(row.Cells[i].Main) == 0 {
			row.Cells[i].Main = v.say("notRecorded")
		}
	}
	out.Doses = append(out.Doses, row)
}

// term is a word of a test in the languages of the page, as it is coded where we
// have no word for it.
func (v *viewer) term(at string, c vaccination.Coding, find func(string) (catalogue.TestTerm, bool)) Text {
	if t, ok := find(c.Code); ok {
		return v.say(at + t.Key)
	}
	return coding(c)
}

// moment is a time in the country's zone, with digits that mean the same in every
// language.
func (v *viewer) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.zone).Format("2006-01-02 15:04 UTC-07:00")
}
