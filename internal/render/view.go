package render

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// View is what a page says, before it is set: the same for paper and browser.
type View struct {
	Lang        string // of the page as a whole
	Title       Text
	Issuer      Text
	Country     string  // alpha-2, where there is no emblem
	Emblem      *Emblem `json:"-"`
	Specimen    bool
	Domestic    bool
	Warnings    []Text // specimen, domestic
	PersonTitle Text
	Person      []Field
	DosesTitle  Text
	Common      []Field // what is the same for all doses
	Columns     []Column
	Doses       []Row
	AboutTitle  Text
	About       []Field
	HCID        string
	Code        Text // what stands under the code
	CodeAlt     Text
	BarcodeAlt  Text
	Notes       []Text
	Accent      string `json:"-"`          // of the layout, "#rrggbb"
	Copy        Text   `json:",omitempty"` // which print it is; on paper alone
	// Short is what a card says beside the name, where that is not the usual.
	Short []Field `json:",omitempty"`
}

// Field is a label with its value.
type Field struct {
	Key   string // of the core data set: "birthDate"
	Label Text
	Value Text
	Note  Text // what is to be known of the value: "only the year is known"
}

// Column is a column of the table of doses.
type Column struct {
	Key   string
	Label Text
}

// Row is one dose: a cell for each column.
type Row struct {
	Current bool    // its certificate is the one in the code
	Room    float32 `json:",omitempty"` // its least height on paper, points
	Cells   []Cell
}

// Cell is what a column says of a dose: its main text, then lines below it.
type Cell struct {
	Main  Text
	Lines []Field // with or without a label
}

// viewer gathers what the parts of a view need.
type viewer struct {
	texts   texts
	langs   []string
	profile Profile
	zone    *time.Location
}

// View returns the content of the page of d.
func (r *Renderer) View(d Document) (*View, error) {
	if d.Latest < 0 || d.Latest >= len(d.Doses) {
		return nil, vaccination.Errorf(vaccination.Invalid, "there is no certificate to print")
	}
	v := viewer{texts: r.texts, langs: d.Languages, profile: d.Profile, zone: d.Profile.TimeZone}
	if len(v.langs) == 0 {
		v.langs = d.Profile.Languages
	}
	if len(v.langs) == 0 {
		v.langs = []string{"en"}
	}
	if v.zone == nil {
		v.zone = time.UTC
	}
	layout, err := d.Profile.Layout.complete()
	if err != nil {
		return nil, err
	}
	c := d.Doses[d.Latest]
	if c.IsTest() { // alone: who shows one result need not show the others
		d.Doses, d.Latest = d.Doses[d.Latest:d.Latest+1], 0
	}
	hcid := shape.Clean(c.Info.HCID)
	out := &View{
		Lang: v.langs[0], Title: v.title(c.IsTest()), Country: d.Profile.Country, Emblem: d.Profile.Emblem, HCID: hcid, Accent: layout.Accent,
		Issuer:      named(v.langs, d.Profile.Issuer),
		PersonTitle: v.say("person"), DosesTitle: v.say("doses"), AboutTitle: v.say("certificate"),
		Person: v.fields(layout.fields("person"), c),
		About:  v.fields(layout.fields("certificate"), c),
	}
	if len(out.Issuer) == 0 {
		out.Issuer = plain(c.Info.Issuer.Name)
	}
	if len(out.Issuer) == 0 {
		out.Issuer = v.say("notRecorded")
	}
	for _, dose := range d.Doses {
		out.Specimen = out.Specimen || dose.Specimen
		out.Domestic = out.Domestic || dose.Domestic
	}
	if out.Specimen {
		out.Warnings = append(out.Warnings, v.pair("specimen", "specimenNote"))
	}
	if out.Domestic {
		out.Warnings = append(out.Warnings, v.pair("domestic", "domesticNote"))
	}
	if c.IsTest() {
		v.test(out, c)
	} else {
		v.doses(out, d, layout.fields("doses"))
	}
	out.Copy = v.copyLine(d.Copy)
	out.CodeAlt = v.say("codeAlt", "{hcid}", hcid)
	out.BarcodeAlt = v.say("barcodeAlt", "{hcid}", hcid)
	if d.QR == "" {
		out.Code = v.say("noCode")
	} else {
		out.Code = v.say("scan")
	}
	for _, note := range layout.fields("notes") {
		switch {
		case note == "verify" && d.QR != "" && d.Profile.PublicURL != "":
			out.Notes = append(out.Notes, v.say(note, "{url}", strings.TrimSuffix(d.Profile.PublicURL, "/")+"/verify"))
		case note == "scanDose" && d.QR != "" && c.Vaccination.Number > 0:
			out.Notes = append(out.Notes, v.say(note, "{n}", strconv.Itoa(c.Vaccination.Number)))
		case note == "vaccineValidity" && !slices.ContainsFunc(out.Columns, func(c Column) bool { return c.Key == "validity" }):
		case note != "verify" && note != "scanDose":
			out.Notes = append(out.Notes, v.say(note))
		}
	}
	if note := named(v.langs, layout.Note); len(note) > 0 {
		out.Notes = append(out.Notes, note)
	}
	return out, nil
}

func (v *viewer) say(key string, replace ...string) Text {
	return v.texts.say(v.langs, key, replace...)
}

// pair is a heading with its sentence, in each language.
func (v *viewer) pair(head, note string) Text {
	out := v.say(head)
	notes := v.say(note)
	for i := range out {
		if i < len(notes) {
			out[i].Text += " · " + notes[i].Text
		}
	}
	return out
}

func (v *viewer) title(test bool) Text {
	title := "title"
	if test {
		title = "testTitle"
	}
	if len(v.profile.Programme) == 0 {
		return v.say(title)
	}
	var out Text
	for _, lang := range v.langs {
		w, in := v.texts.word(lang, title+"Of")
		name := v.profile.Programme[lang]
		if name == "" {
			name = v.profile.Programme["en"]
		}
		out = out.add(shape.Phrase{Lang: in, Text: strings.ReplaceAll(w, "{programme}", shape.Clean(name))})
	}
	return out
}

func (v *viewer) fields(keys []string, c vaccination.Certificate) []Field {
	var out []Field
	for _, key := range keys {
		f := Field{Key: key, Label: v.say(key)}
		optional := v.fill(&f, c)
		if len(f.Value) == 0 {
			if optional {
				continue
			}
			f.Value = v.say("notRecorded")
		}
		out = append(out, f)
	}
	return out
}

// fill enters what c says of the field; where it says nothing, optional tells
// whether the field is left out rather than printed as not recorded.
func (v *viewer) fill(f *Field, c vaccination.Certificate) (optional bool) {
	switch f.Key {
	case "name":
		f.Value = plain(c.Name)
	case "birthDate":
		f.Value, f.Note = v.date(c.BirthDate)
	case "sex":
		if _, ok := v.texts["en"]["sex."+string(c.Sex)]; ok {
			f.Value = v.say("sex." + string(c.Sex))
		} else {
			f.Value = plain(string(c.Sex))
		}
		return true
	case "identifier":
		f.Value = plain(c.Identifier.Value)
		if kind := v.identityKind(c.Identifier.Kind); len(kind) > 0 {
			f.Label = kind
		}
		return true
	case "nationality":
		f.Value = v.country(vaccination.Coding{Code: c.Nationality})
		return true
	case "issuer":
		if f.Value = named(v.langs, v.profile.Issuer); len(f.Value) == 0 {
			f.Value = plain(c.Info.Issuer.Name)
		}
	case "issued":
		f.Value, _ = v.date(v.day(c.Info.Period.Start))
	case "validUntil":
		if f.Value, _ = v.date(v.day(c.Info.Period.End)); c.IsTest() { // it counts for hours
			f.Value = plain(v.moment(c.Info.Period.End))
		}
		if len(f.Value) == 0 {
			f.Value = v.say("noEnd")
		}
	case "version":
		f.Value = plain(c.Info.Version)
		return true
	case "key":
		f.Value = plain(c.Info.KeyID)
		return true
	}
	return false
}

func (v *viewer) day(t time.Time) vaccination.Date {
	if t.IsZero() {
		return vaccination.Date{}
	}
	return vaccination.DateOf(t.In(v.zone))
}

// date says d and, in words, what is not known of it. Its digits are those of
// ISO 8601, which mean the same in every language of the page.
func (v *viewer) date(d vaccination.Date) (value, note Text) {
	estimated := d.Estimated
	d.Estimated = false
	key := ""
	switch d.Precision() {
	case vaccination.PrecisionUnknown:
		return nil, nil
	case vaccination.PrecisionYear:
		key = "yearOnly"
	case vaccination.PrecisionMonth:
		key = "monthOnly"
	}
	switch {
	case key == "" && estimated:
		key = "estimated"
	case estimated:
		key += "Estimated"
	}
	if key != "" {
		note = v.say(key)
	}
	return plain(d.String()), note
}

// identityKind names a kind of identity document.
func (v *viewer) identityKind(kind string) Text {
	var out Text
	if v.profile.IdentityName != nil {
		for _, lang := range v.langs {
			out = out.add(shape.Phrase{Lang: lang, Text: shape.Clean(v.profile.IdentityName(kind, lang))})
		}
	}
	if len(out) == 0 {
		return plain(kind)
	}
	return out
}

func (v *viewer) country(c vaccination.Coding) Text {
	var out Text
	for _, lang := range v.langs {
		if v.profile.CountryName != nil {
			if n := shape.Clean(v.profile.CountryName(c.Code, lang)); n != "" {
				out = out.add(shape.Phrase{Lang: lang, Text: n})
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	if c.Display != "" {
		return plain(c.Display)
	}
	return plain(c.Code)
}
