package qr

import (
	"bytes"
	"html"
	"image"
	"image/color"
	"image/png"
	"strconv"
)

// QuietZone is the light border that a reader needs, in modules (clause 6.3.8).
const QuietZone = 4

// SVG returns the code with its quiet zone as an SVG element: one path, no
// style, so that it fits any content security policy. title is what a screen
// reader says.
func (c *Code) SVG(title string) []byte {
	side := strconv.Itoa(c.Size + 2*QuietZone)
	b := make([]byte, 0, 16*c.Size*c.Size/4)
	b = append(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `...)
	b = append(b, side+" "+side...)
	b = append(b, `" role="img" shape-rendering="crispEdges"><title>`...)
	b = append(b, html.EscapeString(title)...)
	b = append(b, `</title><path fill="#fff" d="M0 0h`...)
	b = append(b, side+"v"+side+"H0z"...)
	b = append(b, `"/><path d="`...)
	for r := range c.Runs {
		b = append(b, 'M')
		b = strconv.AppendInt(b, int64(r.X+QuietZone), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(r.Y+QuietZone), 10)
		b = append(b, 'h')
		b = strconv.AppendInt(b, int64(r.Width), 10)
		b = append(b, "v1h-"...)
		b = strconv.AppendInt(b, int64(r.Width), 10)
		b = append(b, 'z')
	}
	return append(b, `"/></svg>`...)
}

// PNG returns the code with its quiet zone as a two-colour image, scale pixels
// a module (at least 1, at most 40).
func (c *Code) PNG(scale int) ([]byte, error) {
	scale = max(1, min(scale, 40))
	side := (c.Size + 2*QuietZone) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for r := range c.Runs {
		x, y := (r.X+QuietZone)*scale, (r.Y+QuietZone)*scale
		for dy := range scale {
			line := img.Pix[(y+dy)*img.Stride+x:][:r.Width*scale]
			for i := range line {
				line[i] = 1
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
