package render

import (
	"fmt"
	"html/template"
	"io"
	"io/fs"

	"github.com/opendivoc/divoc/internal/render/fonts"
	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/render/shape"
)

// Renderer makes pages. It is safe for concurrent use. It remembers how the
// fixed words of pages are set, nothing of a person.
type Renderer struct {
	fonts  *shape.Set
	subset []*pdf.Font
	texts  texts
	codes  qr.Encoder
	writer pdf.Writer
	page   *template.Template
}

// New reads the fonts: every *.ttf at the root of fsys, NotoSans-Regular.ttf
// first. A nil fsys means the fonts built into the program; the error says what
// to do when there are none.
func New(fsys fs.FS) (*Renderer, error) {
	if fsys == nil {
		fsys = fonts.FS()
	}
	set, err := shape.Load(fsys)
	if err != nil {
		return nil, err
	}
	r := &Renderer{fonts: set}
	for _, f := range set.Fonts {
		sub, err := pdf.NewFont(f.Name, f.Data)
		if err != nil {
			return nil, err
		}
		r.subset = append(r.subset, sub)
	}
	if r.texts, err = loadTexts(); err != nil {
		return nil, err
	}
	r.page, err = parsePage()
	return r, err
}

// PDF writes d as a tagged A4 PDF of as many pages as it takes. The same
// Document gives the same bytes. A Document without certificates, with an
// unusable layout or with a text too long for a page is a vaccination.Invalid
// error; nothing is written then.
func (r *Renderer) PDF(w io.Writer, d Document) error {
	v, err := r.View(d)
	if err != nil {
		return err
	}
	layout, err := d.Profile.Layout.complete()
	if err != nil {
		return err
	}
	var code *qr.Code
	if d.QR != "" {
		if code, err = r.codes.Encode(d.QR, qr.M); err != nil {
			return fmt.Errorf("QR code of the certificate: %w", err)
		}
	}
	created := d.Created
	if created.IsZero() {
		created = d.Doses[d.Latest].Info.Period.Start
	}
	doc := pdf.New(r.subset, pdf.Info{
		Title: v.Title.String(), Author: v.Issuer.String(), Subject: v.HCID, Lang: v.Lang, Created: created,
	})
	if err := newSetter(r, doc, v, layout, code).set(); err != nil {
		return err
	}
	return r.writer.Write(w, doc)
}
