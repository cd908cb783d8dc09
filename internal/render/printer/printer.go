// Package printer turns stored certificates into what a person holds: a PDF, a
// page to print, a QR image. Work happens when somebody asks; a PDF is kept for
// a while under a hash of everything it was made from.
package printer

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/vaccination"
)

// Printer makes pages of one country. It is safe for concurrent use.
type Printer struct {
	renderer  *render.Renderer
	profile   *profile.Profile
	publicURL string
	emblem    *render.Emblem
	files     map[string]render.Layout                 // of the profile
	inForce   atomic.Pointer[map[string]render.Layout] // instead of them
	cache     cache
}

// New returns a Printer. It fails when the fonts are missing or a layout of the
// profile is wrong.
func New(p *profile.Profile, publicURL string) (*Printer, error) {
	r, err := render.New(nil)
	if err != nil {
		return nil, err
	}
	layouts := map[string]render.Layout{}
	for name, data := range p.Layouts {
		if layouts[name], err = render.ParseLayout(data); err != nil {
			return nil, fmt.Errorf("layouts/%s.yaml: %w", name, err)
		}
	}
	var emblem *render.Emblem
	if d := p.Theme.Drawing; d != nil {
		if emblem, err = render.NewEmblem(d); err != nil {
			return nil, err
		}
	}
	return &Printer{renderer: r, profile: p, publicURL: publicURL, emblem: emblem, files: layouts, cache: cache{pages: map[[32]byte]*list.Element{}}}, nil
}

// Arrange has everything from now on printed with these layouts, by name, instead
// of the profile's; those that are not named stay as the profile has them.
func (p *Printer) Arrange(layouts map[string]render.Layout) { p.inForce.Store(&layouts) }

// File is the profile's layout of a name.
func (p *Printer) File(name string) (render.Layout, bool) {
	l, ok := p.files[name]
	return l, ok
}

// layout is what holds for a name now.
func (p *Printer) layout(name string) render.Layout {
	if now := p.inForce.Load(); now != nil {
		if l, ok := (*now)[name]; ok {
			return l
		}
	}
	return p.files[name]
}

// PDF returns the page of doses as PDF, with the code of doses[index].
// languages chooses and orders the page's languages among the profile's; none
// means all of them.
func (p *Printer) PDF(doses []*issuance.Record, index int, languages []string) ([]byte, error) {
	d := p.document(doses, index, languages, nil)
	key, err := keyOf(d)
	if err != nil {
		return nil, err
	}
	if page := p.cache.get(key); page != nil {
		return page, nil
	}
	var b bytes.Buffer
	if err := p.renderer.PDF(&b, d); err != nil {
		return nil, err
	}
	p.cache.put(key, b.Bytes())
	return b.Bytes(), nil
}

// HTML writes the page of doses as a page to print.
func (p *Printer) HTML(w io.Writer, doses []*issuance.Record, index int, languages []string, o render.HTMLOptions) error {
	return p.renderer.HTML(w, p.document(doses, index, languages, nil), o)
}

// TryPDF is [Printer.PDF] with a layout that is not in force. Nothing of it is kept.
func (p *Printer) TryPDF(w io.Writer, l render.Layout, doses []*issuance.Record, index int, languages []string) error {
	return p.renderer.PDF(w, p.document(doses, index, languages, &l))
}

// TryHTML is [Printer.HTML] with a layout that is not in force.
func (p *Printer) TryHTML(w io.Writer, l render.Layout, doses []*issuance.Record, index int, languages []string, o render.HTMLOptions) error {
	return p.renderer.HTML(w, p.document(doses, index, languages, &l), o)
}

// PNG returns the QR code of a certificate as an image.
func (p *Printer) PNG(r *issuance.Record) ([]byte, error) { return p.CodePNG(r.Code) }

// SVG returns the QR code of a certificate as a drawing.
func (p *Printer) SVG(r *issuance.Record) ([]byte, error) { return p.CodeSVG(r.Code) }

// CodePNG returns the QR code of a text as an image: a certificate in another
// format than its own.
func (p *Printer) CodePNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	return code.PNG(8)
}

// CodeSVG is [Printer.CodePNG] as a drawing.
func (p *Printer) CodeSVG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	return code.SVG("QR code"), nil
}

// Paper is a certificate to print: the page of Doses with the code of
// Doses[Index], on paper of a size, as a numbered print.
type Paper struct {
	Doses     []*issuance.Record
	Index     int
	Languages []string // as for [Printer.PDF]
	Size      render.Size
	Copy      *render.Copy // nil says nothing of which print it is
	NoCode    bool         // a preview: the page says that it has no code
}

// Prints returns certificates to print, one after the other, as one PDF. Nothing
// of it is kept: each print is a copy of its own.
func (p *Printer) Prints(papers []Paper) ([]byte, error) {
	documents := make([]render.Document, len(papers))
	for i, x := range papers {
		documents[i] = p.document(x.Doses, x.Index, x.Languages, nil)
		documents[i].Size, documents[i].Copy = x.Size, x.Copy
		if x.NoCode {
			documents[i].QR = ""
		}
	}
	var b bytes.Buffer
	if err := p.renderer.PDF(&b, documents...); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// document is what is printed: with the layout given, else with that in force.
func (p *Printer) document(doses []*issuance.Record, index int, languages []string, l *render.Layout) render.Document {
	chosen := doses[index]
	d := render.Document{Latest: index, QR: chosen.Code, Profile: p.country(chosen.Programme)}
	if l != nil {
		d.Profile.Layout = *l
	}
	d.Languages = p.languages(languages, d.Profile.Layout.Languages)
	for _, r := range doses {
		d.Doses = append(d.Doses, r.Certificate)
	}
	return d
}

// languages keeps those of the profile, in the order asked for, else in that of
// the layout.
func (p *Printer) languages(asked, usual []string) []string {
	for _, list := range [][]string{asked, usual} {
		var out []string
		for _, l := range list {
			if slices.Contains(p.profile.Languages, l) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return p.profile.Languages
}

func (p *Printer) country(programme string) render.Profile {
	pr, ok := p.profile.Programmes[programme]
	if !ok { // it was taken out of the profile; its certificates still stand
		pr = &profile.Programme{Names: map[string]string{"en": programme}}
	}
	return render.Profile{
		Issuer:    p.profile.Issuer.Name,
		Country:   p.profile.Country.Alpha2,
		Emblem:    p.emblem,
		Programme: pr.Names,
		Languages: p.profile.Languages,
		TimeZone:  p.profile.TimeZone,
		PublicURL: p.publicURL,
		Layout:    p.layout(pr.Layout),
		ProductName: func(key, lang string) string {
			if product, ok := p.profile.Catalogue.Product(key); ok {
				return product.Name(lang)
			}
			return ""
		},
		IdentityName: func(kind, lang string) string {
			for _, k := range p.profile.Identities {
				if k.Key == kind {
					return k.Names[lang]
				}
			}
			return ""
		},
		CountryName: func(alpha3, _ string) string {
			c, _ := catalogue.FindCountry(alpha3)
			return c.Name
		},
	}
}

// keyOf is a hash of everything a page is made from.
func keyOf(d render.Document) ([32]byte, error) {
	b, err := json.Marshal(struct {
		Doses     []vaccination.Certificate
		Latest    int
		QR        string
		Languages []string
		Layout    render.Layout
	}{d.Doses, d.Latest, d.QR, d.Languages, d.Profile.Layout})
	return sha256.Sum256(b), err
}

// cache keeps the pages asked for last.
type cache struct {
	mu    sync.Mutex
	order list.List // of *page, newest first
	pages map[[32]byte]*list.Element
	bytes int
}

type page struct {
	key  [32]byte
	data []byte
}

// maxCache bounds the cache in bytes: some hundred pages.
const maxCache = 16 << 20

func (c *cache) get(key [32]byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.pages[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*page).data
}

func (c *cache) put(key [32]byte, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages[key] != nil {
		return
	}
	c.pages[key] = c.order.PushFront(&page{key, data})
	c.bytes += len(data)
	for c.bytes > maxCache {
		last := c.order.Back()
		old := c.order.Remove(last).(*page)
		delete(c.pages, old.key)
		c.bytes -= len(old.data)
	}
}
