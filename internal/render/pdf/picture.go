package pdf

import (
	"bytes"
	"slices"

	"github.com/klauspost/compress/zlib"

	"github.com/opendivoc/divoc/internal/emblem"
)

// Picture is a drawing that decorates pages: made once, it is put into every file as
// it is. It is safe for concurrent use.
type Picture struct {
	width, height float64
	packed        []byte
}

// NewPicture makes a picture of a drawing.
func NewPicture(d *emblem.Drawing) (*Picture, error) {
	b := append(emblem.AppendNumber([]byte("1 0 0 -1 0 "), d.Height), " cm\n"...)
	for _, s := range d.Shapes {
		b = appendShape(b, &s)
	}
	var packed bytes.Buffer
	zip, err := zlib.NewWriterLevel(&packed, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = zip.Write(b); err == nil {
		err = zip.Close()
	}
	return &Picture{d.Width, d.Height, packed.Bytes()}, err
}

// appendShape appends a shape with its colours and how it is painted (ISO 32000-1,
// 8.5).
func appendShape(b []byte, s *emblem.Shape) []byte {
	paint := ""
	if s.Fill != nil {
		b, paint = append(appendColor(b, Color(*s.Fill)), "rg\n"...), "f"
	}
	if s.Line != nil {
		b = append(appendColor(b, Color(*s.Line)), "RG "...)
		b = append(emblem.AppendNumber(b, s.Width), " w "...)
		b = append(appendInt(b, s.Cap), "J "...)
		b = append(appendInt(b, s.Join), "j "...)
		b = append(emblem.AppendNumber(b, s.Miter), " M\n"...)
		paint = map[string]string{"": "S", "f": "B"}[paint]
	}
	operators := map[byte]string{'M': "m", 'L': "l", 'C': "c", 'Z': "h"}
	for _, step := range s.Path {
		for _, p := range step.Points {
			b = append(emblem.AppendNumber(b, p.X), ' ')
			b = append(emblem.AppendNumber(b, p.Y), ' ')
		}
		b = append(append(b, operators[step.Op]...), '\n')
	}
	if s.EvenOdd && paint != "S" {
		paint += "*"
	}
	return append(append(b, paint...), '\n')
}

// Picture draws p into the given place. It only decorates.
func (d *Doc) Picture(p *Picture, x, y, w, h float32) {
	n := slices.IndexFunc(d.forms, func(f form) bool { return f.picture == p })
	if n < 0 {
		n = len(d.forms)
		d.forms = append(d.forms, form{picture: p})
	}
	on := d.page
	on.content = append(on.content, "/Artifact BMC q "...)
	on.exact(w/float32(p.width), 0, 0, h/float32(p.height), x, on.top()-y-h)
	on.content = append(on.content, "cm /F"...)
	on.content = appendInt(on.content, n)
	on.content = append(on.content, "Do Q\nEMC\n"...)
	if !slices.Contains(on.forms, n) {
		on.forms = append(on.forms, n)
	}
}
