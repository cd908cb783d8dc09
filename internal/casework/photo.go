package casework

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/opendivoc/divoc/vaccination"
)

// The bounds of a photograph. The pixels are looked at before any is decoded.
const (
	MaxPhoto  = 8 << 20  // bytes as sent
	maxPixels = 26 << 20 // what telephones make, and some more
	maxSide   = 2400     // of what is kept: a page of small print can be read
	quality   = 82
)

// photo makes a photograph anew as a JPEG without anything but its pixels, turned
// upright and at most 2400 pixels long. Nothing of the bytes sent is kept: what
// else they may be (a place, a script, another file) is gone. The error is
// [vaccination.Invalid], [vaccination.TooLarge] for too many bytes or pixels.
func photo(data []byte) (out []byte, width, height int, err error) {
	if len(data) > MaxPhoto {
		return nil, 0, 0, vaccination.Errorf(vaccination.TooLarge, "a photograph has at most 8 MB: take it again with a lower resolution")
	}
	decode, config, turn := decoder(data)
	if decode == nil {
		return nil, 0, 0, vaccination.Errorf(vaccination.Invalid, "send a photograph as JPEG, PNG or WebP; of a PDF or another document, take a photograph or a screenshot")
	}
	c, err := config(bytes.NewReader(data))
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return nil, 0, 0, errDamaged()
	}
	if c.Width > maxPixels/c.Height || c.ColorModel == color.RGBA64Model && c.Width > maxPixels/2/c.Height {
		return nil, 0, 0, vaccination.Errorf(vaccination.TooLarge, "this photograph has too many pixels: take it again with a lower resolution")
	}
	m, err := decode(bytes.NewReader(data))
	if err != nil || m.Bounds().Dx() != c.Width || m.Bounds().Dy() != c.Height {
		return nil, 0, 0, errDamaged()
	}
	upright := orient(shrink(m), turn)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, upright, &jpeg.Options{Quality: quality}); err != nil {
		return nil, 0, 0, err
	}
	return b.Bytes(), upright.Bounds().Dx(), upright.Bounds().Dy(), nil
}

func errDamaged() error {
	return vaccination.Errorf(vaccination.Invalid, "this photograph cannot be read: it is damaged or of an unusual kind; take it again")
}

// decoder chooses how data is decoded, by its first bytes alone, and how it is
// turned.
func decoder(data []byte) (decode func(io.Reader) (image.Image, error), config func(io.Reader) (image.Config, error), turn int) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return jpeg.Decode, jpeg.DecodeConfig, orientation(data)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return png.Decode, png.DecodeConfig, 1
	case len(data) > 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return webp.Decode, webp.DecodeConfig, 1
	}
	return nil, nil, 1
}

// shrink returns m at most maxSide long, over white where it is transparent.
func shrink(m image.Image) *image.RGBA {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	if longest := max(w, h); longest > maxSide {
		w, h = max(1, w*maxSide/longest), max(1, h*maxSide/longest)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(out, out.Rect, m, m.Bounds(), draw.Over, nil)
	return out
}

// orient turns m as EXIF's orientation says, 1 to 8, of which 1 is upright.
func orient(m *image.RGBA, turn int) *image.RGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if turn < 2 || turn > 8 {
		return m
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if turn >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			to := [...]image.Point{{}, {x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y}, {x, h - 1 - y}, {y, x}, {h - 1 - y, x}, {h - 1 - y, w - 1 - x}, {y, w - 1 - x}}[turn]
			out.SetRGBA(to.X, to.Y, m.RGBAAt(x, y))
		}
	}
	return out
}

// orientation reads from a JPEG how it is turned (EXIF 2.3, tag 0x0112 of the
// first directory); 1 where it does not say.
func orientation(data []byte) int {
	for i := 2; i+4 <= len(data) && data[i] == 0xff && data[i+1] != 0xda; {
		size := int(binary.BigEndian.Uint16(data[i+2:]))
		if size < 2 || i+2+size > len(data) {
			return 1
		}
		if body := data[i+4 : i+2+size]; data[i+1] == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return turned(body[6:])
		}
		i += 2 + size
	}
	return 1
}

// turned reads the orientation from a TIFF.
func turned(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 8 || at > len(tiff)-2 {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[12:]
	}
	return 1
}
