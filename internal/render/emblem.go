package render

import (
	"html/template"

	"github.com/opendivoc/divoc/internal/emblem"
	"github.com/opendivoc/divoc/internal/render/pdf"
)

// Emblem is a country's emblem, made ready for paper and page once.
type Emblem struct {
	drawing *emblem.Drawing
	picture *pdf.Picture
	page    template.HTML
}

// NewEmblem makes a drawing ready.
func NewEmblem(d *emblem.Drawing) (*Emblem, error) {
	picture, err := pdf.NewPicture(d)
	// What is written there are numbers and colours.
	return &Emblem{d, picture, template.HTML(d.SVG("drawn"))}, err //nolint:gosec // made here
}

// Drawn is the emblem as a part of a page.
func (e *Emblem) Drawn() template.HTML { return e.page }

// within is how large the emblem is in a square: as wide or as high as it.
func (e *Emblem) within(side float32) (w, h float32) {
	return side * float32(e.drawing.Width/emblem.Side), side * float32(e.drawing.Height/emblem.Side)
}
