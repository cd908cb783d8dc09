package render

import (
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/opendivoc/divoc/internal/render/barcode"
	"github.com/opendivoc/divoc/internal/render/qr"
)

//go:embed page.html print.css
var pageFiles embed.FS

// HTMLOptions says where the page finds what a strict content security policy
// keeps out of it.
type HTMLOptions struct {
	Stylesheet string // address of the style sheet that PrintCSS returns
	QRImage    string // address of the QR image; empty puts an inline SVG
}

// PrintCSS is the style sheet of the page that HTML writes.
func PrintCSS() ([]byte, error) { return pageFiles.ReadFile("print.css") }

func parsePage() (*template.Template, error) {
	return template.New("page.html").ParseFS(pageFiles, "page.html")
}

// HTML writes d as a page to print from a browser. It has no script and no
// style of its own, so it fits "default-src 'none'; style-src 'self'; img-src
// 'self'".
func (r *Renderer) HTML(w io.Writer, d Document, o HTMLOptions) error {
	v, err := r.View(d)
	if err != nil {
		return err
	}
	data := struct {
		*View
		Options HTMLOptions
		SVG     template.HTML
		HasCode bool
		Number  Text
		Bars    template.HTML
	}{View: v, Options: o, HasCode: d.QR != "", Number: r.texts.say([]string{v.Lang}, "hcid")}
	if d.QR != "" && o.QRImage == "" {
		code, err := r.codes.Encode(d.QR, qr.M)
		if err != nil {
			return fmt.Errorf("QR code of the certificate: %w", err)
		}
		// SVG escapes the title; the rest is numbers.
		data.SVG = template.HTML(code.SVG(v.CodeAlt[0].Text)) //nolint:gosec // made here
	}
	if bars, err := barcode.SVG(v.HCID, v.BarcodeAlt[0].Text); err == nil && v.HCID != "" {
		data.Bars = template.HTML(bars) //nolint:gosec // made here, the text escaped
	}
	return r.page.Execute(w, data)
}
