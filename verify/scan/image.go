package scan

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
)

// The bounds of an image, looked at before any pixel is decoded.
const (
	maxPixels = 40 << 20
	// A progressive JPEG is decoded through coefficients that take six to
	// twelve bytes a pixel.
	maxProgressivePixels = 16 << 20
	maxPixelBytes        = 160 << 20
)

// decodeImage decodes a PNG or JPEG image within bounds.
func decodeImage(data []byte) (*image.Gray, error) {
	c, format, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, ErrDamaged
	}
	pixels := int64(c.Width) * int64(c.Height)
	switch {
	case pixels <= 0:
		return nil, ErrDamaged
	case pixels > maxPixels, pixels*bytesPerPixel(c.ColorModel) > maxPixelBytes,
		format == "jpeg" && pixels > maxProgressivePixels && progressive(data):
		return nil, ErrTooLarge
	}
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, ErrDamaged
	}
	return gray(m), nil
}

func bytesPerPixel(m color.Model) int64 {
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// progressive reports whether a JPEG stream's first frame header says so
// (ITU T.81, B.1.1.3: SOF2).
func progressive(data []byte) bool {
	for i := 2; i+4 <= len(data) && data[i] == 0xff; {
		switch data[i+1] {
		case 0xff: // fill byte
			i++
			continue
		case 0xc2:
			return true
		case 0xc0, 0xc1, 0xda:
			return false
		}
		i += 2 + int(binary.BigEndian.Uint16(data[i+2:]))
	}
	return true
}

// gray makes the luminance of m, over white where m is transparent.
func gray(m image.Image) *image.Gray {
	b := m.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	switch m := m.(type) {
	case *image.Gray:
		for y := range b.Dy() {
			copy(out.Pix[y*out.Stride:], m.Pix[y*m.Stride:y*m.Stride+b.Dx()])
		}
	case *image.YCbCr: // its Y is the luminance
		for y := range b.Dy() {
			copy(out.Pix[y*out.Stride:], m.Y[y*m.YStride:y*m.YStride+b.Dx()])
		}
	default:
		draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(out, out.Rect, m, b.Min, draw.Over)
	}
	return out
}

// shrink makes m smaller by the whole factor n, each pixel the mean of n × n.
func shrink(m *image.Gray, n int) *image.Gray {
	w, h := m.Rect.Dx()/n, m.Rect.Dy()/n
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sum := 0
			for dy := range n {
				row := m.Pix[(y*n+dy)*m.Stride+x*n:]
				for dx := range n {
					sum += int(row[dx])
				}
			}
			out.Pix[y*out.Stride+x] = uint8(sum / (n * n))
		}
	}
	return out
}

// grow makes m larger by the whole factor n with a white margin around it: the
// quiet zone that a code cut out too closely lacks.
func grow(m *image.Gray, n, margin int) *image.Gray {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewGray(image.Rect(0, 0, w*n+2*margin, h*n+2*margin))
	for i := range out.Pix {
		out.Pix[i] = 0xff
	}
	for y := range h * n {
		row := out.Pix[(y+margin)*out.Stride+margin:]
		for x := range w * n {
			row[x] = m.Pix[y/n*m.Stride+x/n]
		}
	}
	return out
}

// invert makes the negative of m: light codes on a dark ground.
func invert(m *image.Gray) *image.Gray {
	out := image.NewGray(m.Rect)
	for i, v := range m.Pix {
		out.Pix[i] = 255 - v
	}
	return out
}
