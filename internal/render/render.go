package render

import (
	"errors"
	"io"
	"io/fs"
)

// Renderer makes pages. It is safe for concurrent use.
type Renderer struct{}

var errTODO = errors.New("render: not built yet")

// New reads the fonts: every *.ttf at the root of fsys, NotoSans-Regular.ttf
// first. A nil fsys means the fonts built into the program; the error says what
// to do when there are none.
func New(fsys fs.FS) (*Renderer, error) { return &Renderer{}, nil }

// PDF writes d as a tagged A4 PDF. The same Document gives the same bytes.
func (r *Renderer) PDF(w io.Writer, d Document) error { return errTODO }

// HTML writes d as a page to print. It has no script and no style of its own.
func (r *Renderer) HTML(w io.Writer, d Document, o HTMLOptions) error { return errTODO }

// HTMLOptions says where the page finds what a strict content security policy
// keeps out of it.
type HTMLOptions struct {
	Stylesheet string // address of the style sheet that PrintCSS returns
	QRImage    string // address of the QR image; empty puts an inline SVG
}

// PrintCSS is the style sheet of the page that HTML writes.
func PrintCSS() []byte { return nil }
