package render

import (
	"bytes"
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
	// Stylesheet is where PrintCSS is served; the page asks for it with the colour
	// of its layout, "?accent=1f4e79".
	Stylesheet string
	QRImage    string // address of the QR image; empty puts an inline SVG
}

// PrintCSS is the style sheet of the page that HTML writes, in a layout's colour,
// six hexadecimal digits; anything else gives the usual one.
func PrintCSS(accent string) ([]byte, error) {
	css, err := pageFiles.ReadFile("print.css")
	usual := DefaultLayout().Accent
	if err != nil || !accentForm.MatchString("#"+accent) || "#"+accent == usual {
		return css, err
	}
	tint := "#"
	for _, c := range colourOf("#" + accent) {
		tint += fmt.Sprintf("%02x", tinted(c))
	}
	return bytes.Replace(css, []byte("--accent: "+usual+"; --quiet: #545454; --tint: #e8eef4;"), []byte("--accent: #"+accent+"; --quiet: #545454; --tint: "+tint+";"), 1), nil
}

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
	data.Options.Stylesheet += "?accent=" + v.Accent[1:]
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
