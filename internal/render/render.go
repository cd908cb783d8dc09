package render

import (
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"slices"

	"github.com/opendivoc/divoc/internal/render/fonts"
	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/internal/render/shape"
	"github.com/opendivoc/divoc/vaccination"
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
	forms  *Renderer // with the words of the form of ICVP
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
	r.forms = &Renderer{fonts: r.fonts, subset: r.subset}
	if r.forms.texts, err = textsIn("icvp"); err != nil {
		return nil, err
	}
	r.page, err = parsePage()
	return r, err
}

// PDF writes documents as one tagged PDF, each on as many pages of its size as
// it takes. The same documents give the same bytes. A Document without
// certificates, with an unusable layout or with a text too long for a page is a
// vaccination.Invalid error; nothing is written then.
func (r *Renderer) PDF(w io.Writer, documents ...Document) error {
	documents = slices.Clone(documents)
	if len(documents) == 0 {
		return errNothing()
	}
	for i := range documents {
		documents[i] = documents[i].onPaper()
	}
	first := documents[0]
	v, err := r.View(first)
	if err != nil {
		return err
	}
	created := first.Created
	if created.IsZero() {
		created = first.Doses[first.Latest].Info.Period.Start
	}
	doc := pdf.New(r.subset, pdf.Info{
		Title: v.Title.String(), Author: v.Issuer.String(), Subject: v.HCID, Lang: v.Lang, Created: created,
	})
	for i, d := range documents {
		if i > 0 {
			if v, err = r.View(d); err != nil {
				return err
			}
		}
		s, err := r.setterOf(doc, v, d)
		if err != nil {
			return err
		}
		if err := s.document(d.Size); err != nil {
			return err
		}
	}
	return r.writer.Write(w, doc)
}

// setterOf prepares the setting of one document.
func (r *Renderer) setterOf(doc *pdf.Doc, v *View, d Document) (*setter, error) {
	layout, err := d.Profile.Layout.complete()
	if err != nil {
		return nil, err
	}
	if !d.Size.Valid() {
		return nil, errSize()
	}
	var code *qr.Code
	if d.QR != "" {
		if code, err = r.codes.Encode(d.QR, qr.M); err != nil {
			return nil, fmt.Errorf("QR code of the certificate: %w", err)
		}
	}
	return newSetter(r, doc, v, layout, code, sheetOf(d.Size)), nil
}

func errSize() error {
	return vaccination.Errorf(vaccination.Invalid, "there is no such size of paper: a4, a5, card and card-fold are known")
}

func errNothing() error {
	return vaccination.Errorf(vaccination.Invalid, "there is no certificate to print")
}
