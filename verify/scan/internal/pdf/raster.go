package pdf

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"

	"golang.org/x/image/ccitt"
)

// raster is an image of a PDF in grey. For an image mask, black is where paint
// goes.
type raster struct {
	*image.Gray
	mask bool
}

// image decodes an image XObject or inline image (8.9), over white where it has
// a soft mask. An image of a kind that is not read, such as JPEG 2000 or JBIG2,
// is ErrDamaged.
func (f *file) image(s *stream) (*raster, error) {
	r, err := f.opaque(s)
	if err != nil {
		return nil, err
	}
	soft, ok := f.get(s.dict["SMask"]).(*stream)
	if !ok {
		return r, nil
	}
	alpha, err := f.opaque(soft)
	if errors.Is(err, ErrDamaged) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	w, h := r.Rect.Dx(), r.Rect.Dy()
	if w*h < alpha.Rect.Dx()*alpha.Rect.Dy() { // a plain colour under a detailed mask
		w, h = alpha.Rect.Dx(), alpha.Rect.Dy()
		if err := f.spend(w * h); err != nil {
			return nil, err
		}
	}
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := int(r.Pix[y*r.Rect.Dy()/h*r.Stride+x*r.Rect.Dx()/w])
			a := int(alpha.Pix[y*alpha.Rect.Dy()/h*alpha.Stride+x*alpha.Rect.Dx()/w])
			out.Pix[y*out.Stride+x] = uint8(255 - (255-v)*a/255)
		}
	}
	return &raster{Gray: out}, nil
}

func (f *file) opaque(s *stream) (*raster, error) {
	d := s.dict
	first := func(long, short name) any {
		if v := f.get(d[long]); v != nil {
			return v
		}
		return f.get(d[short])
	}
	w, h := int(f.number(first("Width", "W"))), int(f.number(first("Height", "H")))
	if w <= 0 || h <= 0 {
		return nil, ErrDamaged
	}
	if w > maxPixels || h > maxPixels || w*h > maxPixels {
		return nil, ErrLimit
	}
	isMask, _ := first("ImageMask", "IM").(bool)
	data, filter, params, err := f.decodeUntilImage(s)
	if err != nil {
		return nil, err
	}
	// An image of one bit takes eight times the memory of its samples.
	if err := f.spend(w * h); err != nil {
		return nil, err
	}
	inverted := false
	if dec := f.array(first("Decode", "D")); len(dec) >= 2 {
		inverted = f.number(dec[0]) > f.number(dec[1])
	}
	switch filter {
	case "":
		return f.samples(data, w, h, first("ColorSpace", "CS"), int(f.number(first("BitsPerComponent", "BPC"))), inverted, isMask)
	case "DCTDecode", "DCT":
		return f.jpeg(data, inverted)
	case "CCITTFaxDecode", "CCF":
		return f.fax(data, w, h, params, inverted, isMask)
	default:
		return nil, ErrDamaged
	}
}

func (f *file) jpeg(data []byte, inverted bool) (*raster, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, ErrDamaged
	}
	if c.Width*c.Height > maxPixels {
		return nil, ErrLimit
	}
	if err := f.spend(c.Width * c.Height); err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, ErrDamaged
	}
	b := m.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		row := out.Pix[y*out.Stride:]
		switch m := m.(type) {
		case *image.YCbCr:
			copy(row[:b.Dx()], m.Y[y*m.YStride:])
		case *image.Gray:
			copy(row[:b.Dx()], m.Pix[y*m.Stride:])
		default:
			for x := range b.Dx() {
				r, g, bl, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
				row[x] = luminance(float64(r)/0xffff, float64(g)/0xffff, float64(bl)/0xffff)
			}
		}
	}
	if inverted {
		negate(out)
	}
	return &raster{Gray: out}, nil
}

func negate(m *image.Gray) {
	for i := range m.Pix {
		m.Pix[i] ^= 0xff
	}
}

// fax decodes a scan of one bit (7.4.6), as many office machines write.
func (f *file) fax(data []byte, w, h int, p dict, inverted, isMask bool) (*raster, error) {
	if columns, ok := f.get(p["Columns"]).(float64); !ok && w != 1728 || ok && int(columns) != w {
		return nil, ErrDamaged
	}
	sub := ccitt.Group3
	switch k := f.number(p["K"]); {
	case k < 0:
		sub = ccitt.Group4
	case k > 0:
		return nil, ErrDamaged // two-dimensional group 3 is not read
	}
	align, _ := f.get(p["EncodedByteAlign"]).(bool)
	blackIs1, _ := f.get(p["BlackIs1"]).(bool)
	m := image.NewGray(image.Rect(0, 0, w, h))
	if err := ccitt.DecodeIntoGray(m, bytes.NewReader(data), ccitt.MSB, sub, &ccitt.Options{Align: align, Invert: false}); err != nil {
		return nil, ErrDamaged
	}
	// The decoder gives black as 0 sample values would; a mask paints those.
	if blackIs1 != inverted && !isMask || isMask && inverted != blackIs1 {
		negate(m)
	}
	return &raster{m, isMask}, nil
}

// samples makes an image of decoded samples (8.9.5.2).
func (f *file) samples(data []byte, w, h int, space any, bits int, inverted, isMask bool) (*raster, error) {
	components, palette := 1, []uint8(nil)
	if isMask {
		bits = 1
	} else {
		components, palette = f.colours(space, 0)
	}
	if components == 0 || bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 16 {
		return nil, ErrDamaged
	}
	out := image.NewGray(image.Rect(0, 0, w, h))
	stride, top := (w*components*bits+7)/8, float64(uint(1)<<bits-1)
	if bits == 16 { // the low byte adds nothing
		top = 0xff
	}
	var v [4]float64
	for y := range h {
		if (y+1)*stride > len(data) {
			break // what is missing stays black
		}
		in, row := data[y*stride:], out.Pix[y*out.Stride:]
		for x := range w {
			if components == 1 {
				s := sample(in, x, bits)
				switch {
				case palette != nil && s < len(palette):
					row[x] = palette[s]
				case palette == nil:
					row[x] = uint8(float64(s) * 255 / top)
				}
				continue
			}
			for i := range components {
				v[i] = float64(sample(in, x*components+i, bits)) / top
			}
			row[x] = grey(v[:components])
		}
	}
	if inverted {
		negate(out)
	}
	return &raster{out, isMask}, nil
}

func sample(in []byte, i, bits int) int {
	switch bits {
	case 8:
		return int(in[i])
	case 16:
		return int(in[2*i])
	default:
		at := i * bits
		return int(in[at/8]) >> (8 - bits - at%8) & (1<<bits - 1)
	}
}

// colours says how many components a colour space has, 0 for one that is not
// read, and the greys of an indexed one (8.6).
func (f *file) colours(space any, depth int) (components int, palette []uint8) {
	switch v := f.get(space).(type) {
	case name:
		switch v {
		case "DeviceGray", "G", "CalGray":
			return 1, nil
		case "DeviceRGB", "RGB", "CalRGB":
			return 3, nil
		case "DeviceCMYK", "CMYK":
			return 4, nil
		}
	case array:
		if len(v) == 0 || depth > 2 {
			return 0, nil
		}
		switch kind, _ := f.get(v[0]).(name); {
		case (kind == "ICCBased") && len(v) > 1:
			if n := int(f.number(f.dict(v[1])["N"])); n == 1 || n == 3 || n == 4 {
				return n, nil
			}
		case (kind == "Indexed" || kind == "I") && len(v) > 3:
			return f.indexed(v, depth)
		case kind == "CalGray" || kind == "DeviceGray":
			return 1, nil
		case kind == "CalRGB" || kind == "Lab" || kind == "DeviceRGB":
			return 3, nil
		}
	}
	return 0, nil
}

func (f *file) indexed(v array, depth int) (int, []uint8) {
	base, _ := f.colours(v[1], depth+1)
	var table []byte
	switch t := f.get(v[3]).(type) {
	case []byte:
		table = t
	case *stream:
		table, _ = f.decode(t)
	}
	if base == 0 {
		return 0, nil
	}
	var palette []uint8
	for i := 0; i+base <= len(table) && i < 256*base; i += base {
		var c [4]float64
		for j := range base {
			c[j] = float64(table[i+j]) / 255
		}
		palette = append(palette, grey(c[:base]))
	}
	if palette == nil {
		return 0, nil
	}
	return 1, palette
}

// grey is the luminance of a colour in DeviceGray, DeviceRGB or DeviceCMYK,
// each component from 0 to 1.
func grey(c []float64) uint8 {
	switch len(c) {
	case 1:
		return luminance(c[0], c[0], c[0])
	case 3:
		return luminance(c[0], c[1], c[2])
	case 4:
		return luminance((1-c[0])*(1-c[3]), (1-c[1])*(1-c[3]), (1-c[2])*(1-c[3]))
	default:
		return 0x80
	}
}

func luminance(r, g, b float64) uint8 {
	return uint8(255 * min(1, max(0, 0.299*r+0.587*g+0.114*b)))
}
