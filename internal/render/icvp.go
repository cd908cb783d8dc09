package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
)

// ICVP is an International Certificate of Vaccination or Prophylaxis to print: one
// dose in the form of annex 6 of the International Health Regulations (2005), in
// English and French, as they ask.
type ICVP struct {
	Certificate vaccination.Certificate
	// QR is the text of the code of the certificate as ICVP.
	QR string
	// Vaccine and Manufacturer are their names.
	Vaccine, Manufacturer string
	// From and Until are when the vaccination counts; a zero Until is for the life
	// of the person, a zero From leaves both empty to be filled in.
	From, Until vaccination.Date
	CodeUntil   time.Time // when the code ends; zero for never
	// Pilot says on the page that verifiers abroad do not recognise the code yet.
	Pilot   bool
	Size    Size
	Profile Profile
}

// icvpLanguages are those of the form.
func icvpLanguages() []string { return []string{"en", "fr"} }

// stampRoom is the least height of the row of the dose: a signature and a stamp go
// into it, in points.
const stampRoom = 60

// ICVP writes d as a tagged PDF. The same certificate gives the same bytes. Errors
// are as those of [Renderer.PDF].
func (r *Renderer) ICVP(w io.Writer, d ICVP) error {
	if d.QR == "" {
		return errNothing()
	}
	if !d.Size.Valid() {
		return errSize()
	}
	layout, err := d.Profile.Layout.complete()
	if err != nil {
		return err
	}
	layout.Blocks, layout.QR = DefaultLayout().Blocks, 50 // the form is the same everywhere
	code, err := r.codes.Encode(d.QR, qr.Q)
	if err != nil {
		return fmt.Errorf("QR code of the certificate: %w", err)
	}
	v := r.forms.icvpView(d)
	doc := pdf.New(r.subset, pdf.Info{
		Title: v.Title.String(), Author: v.Issuer.String(), Subject: v.HCID, Lang: v.Lang, Created: d.Certificate.Info.Period.Start,
	})
	if err := newSetter(r.forms, doc, v, layout, code, sheetOf(d.Size)).document(d.Size); err != nil {
		return err
	}
	return r.writer.Write(w, doc)
}

// icvpView is what the form says.
func (r *Renderer) icvpView(d ICVP) *View {
	c := d.Certificate
	v := viewer{texts: r.texts, langs: icvpLanguages(), profile: d.Profile, zone: d.Profile.TimeZone}
	if v.zone == nil {
		v.zone = time.UTC
	}
	dose, hcid := c.Vaccination, shape.Clean(c.Info.HCID)
	out := &View{
		Lang: "en", Title: v.say("title"), Issuer: named(v.langs[:1], d.Profile.Issuer), Country: d.Profile.Country, Emblem: d.Profile.Emblem, Specimen: c.Specimen, HCID: hcid,
		PersonTitle: v.say("certify"), Person: v.fields([]string{"name", "birthDate", "sex"}, c),
		AboutTitle: v.say("certificate"), Code: v.say("scan"), CodeAlt: v.say("codeAlt", "{hcid}", hcid), BarcodeAlt: v.say("barcodeAlt", "{hcid}", hcid),
	}
	if len(out.Issuer) == 0 {
		out.Issuer = plain(c.Info.Issuer.Name)
	}
	if c.Specimen {
		out.Warnings = append(out.Warnings, v.pair("specimen", "specimenNote"))
	}
	if d.Pilot {
		out.Warnings = append(out.Warnings, v.pair("pilot", "pilotNote"))
	}
	nationality := v.country(vaccination.Coding{Code: c.Nationality})
	if s := nationality.String(); s != c.Nationality {
		nationality = plain(s + " (" + c.Nationality + ")")
	}
	out.Person = append(out.Person, Field{Key: "nationality", Label: v.say("nationality"), Value: nationality})
	if c.Identifier.Value != "" {
		kind := v.identityKind(c.Identifier.Kind)
		out.Person = append(out.Person, Field{Key: "identifier", Label: v.say("identifier"), Value: plain(strings.TrimSpace(kind.String() + " " + c.Identifier.Value))})
	}
	out.DosesTitle = v.against(dose.Disease)
	maker := Cell{Main: plain(d.Manufacturer)}
	maker.line("batch", v.say("batch"), plain(dose.Lot))
	clinician := Cell{Main: plain(dose.Practitioner)}
	validity := Cell{Main: plain(d.From.String())}
	if !d.From.IsZero() {
		until := v.say("life")
		if !d.Until.IsZero() {
			until = plain(d.Until.String())
		}
		validity.line("until", nil, until)
	}
	given, _ := v.date(dose.Date)
	row := Row{Room: stampRoom}
	for _, x := range []struct {
		key  string
		cell Cell
	}{{"vaccine", Cell{Main: plain(d.Vaccine)}}, {"date", Cell{Main: given}}, {"clinician", clinician}, {"maker", maker}, {"until", validity}, {"stamp", Cell{}}} {
		label := x.key
		if label == "until" {
			label = "validity"
		}
		out.Columns = append(out.Columns, Column{x.key, v.say(label)})
		row.Cells = append(row.Cells, x.cell)
	}
	out.Doses = []Row{row}

	issued, _ := v.date(v.day(c.Info.Period.Start))
	ends, _ := v.date(v.day(d.CodeUntil))
	out.About = []Field{{Key: "issued", Label: v.say("issued"), Value: issued}}
	if len(ends) > 0 {
		out.About = append(out.About, Field{Key: "codeUntil", Label: v.say("codeUntil"), Value: ends})
	}
	out.About = append(out.About, Field{Key: "issuer", Label: v.say("issuer"), Value: plain(c.Info.Issuer.Name)},
		Field{Key: "signature", Label: v.say("signature"), Value: plain(strings.Repeat("_", 18))})
	for _, note := range []string{"approved", "signed", "altered"} {
		out.Notes = append(out.Notes, v.say(note))
	}
	if d.Profile.PublicURL != "" {
		out.Notes = append(out.Notes, v.say("verify", "{url}", strings.TrimSuffix(d.Profile.PublicURL, "/")+"/verify"))
	}
	out.Notes = append(out.Notes, v.say("compare"))

	// A card has room for the facts alone.
	short := func(key string, value Text) {
		if len(value) > 0 {
			out.Short = append(out.Short, Field{Label: v.say("card." + key), Value: value})
		}
	}
	for _, f := range out.Person[1:] {
		short(f.Key, f.Value)
	}
	short("vaccine", plain(d.Vaccine))
	short("maker", plain(d.Manufacturer+", "+dose.Lot))
	short("date", given)
	short("clinician", clinician.Main)
	if !d.From.IsZero() {
		short("validity", append(plain(d.From.String()), validity.Lines[0].Value...))
	}
	return out
}

// against is what the dose is against, in each language.
func (v *viewer) against(disease vaccination.Coding) Text {
	var out Text
	for _, lang := range v.langs {
		sentence, in := v.texts.word(lang, "given")
		name := v.texts[lang]["disease."+disease.Code]
		if name == "" {
			name = coding(disease).String()
		}
		out = out.add(shape.Phrase{Lang: in, Text: strings.ReplaceAll(sentence, "{disease}", shape.Clean(name))})
	}
	return out
}
