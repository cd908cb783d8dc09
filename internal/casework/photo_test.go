package casework

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/vaccination"
)

// corner is an image, dark in its upper left corner.
func corner(width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{220, 220, 220, 255}
			if x < width/2 && y < height/2 {
				c = color.RGBA{0, 0, 0, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withEXIF puts a segment with orientation and a place into a JPEG.
func withEXIF(data []byte, turn byte) []byte {
	tiff := []byte("MM\x00*\x00\x00\x00\x08\x00\x02" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(turn) + "\x00\x00" + // orientation
		"\x88\x25\x00\x04\x00\x00\x00\x01\x00\x00\x00\x26" + // GPS directory
		"\x00\x00\x00\x00GPS 18.4933N 77.6556W Falmouth")
	body := append([]byte("Exif\x00\x00"), tiff...)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2))
	out := append([]byte{0xff, 0xd8}, segment...)
	out = append(out, body...)
	return append(out, data[2:]...)
}

// TestNothingButPixelsIsKept of a photograph with a place, a comment and another
// file behind it.
func TestNothingButPixelsIsKept(t *testing.T) {
	plain := asJPEG(t, corner(60, 40))
	comment := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, 30}, "<script>alert(document.cookie"...)
	for name, data := range map[string][]byte{
		"a place":                withEXIF(plain, 1),
		"a page behind it":       append(bytes.Clone(plain), "<html><script>alert(1)</script>"...),
		"an archive behind it":   append(bytes.Clone(plain), "PK\x03\x04 evil.exe"...),
		"a script in a comment":  append(comment[:6+28], plain[2:]...),
		"a picture with a text":  append(asPNG(t, corner(60, 40)), "tEXtLocation Falmouth GPS"...),
		"a page that is a photo": append(withEXIF(plain, 1), "-->"...),
	} {
		out, width, height, err := photo(data)
		if err != nil || width != 60 || height != 40 {
			t.Errorf("%s: %d x %d, %v", name, width, height, err)
			continue
		}
		for _, trace := range []string{"GPS", "Exif", "script", "PK\x03\x04", "Falmouth", "-->"} {
			if bytes.Contains(out, []byte(trace)) {
				t.Errorf("%s: %q is still in it", name, trace)
			}
		}
		if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAPhotographIsTurnedUpright as its EXIF says, which is not kept.
func TestAPhotographIsTurnedUpright(t *testing.T) {
	// Where the dark corner comes to lie, and whether the sides change.
	want := [9]string{1: "60x40 left top", 2: "60x40 right top", 3: "60x40 right bottom", 4: "60x40 left bottom", 5: "40x60 left top", 6: "40x60 right top", 7: "40x60 right bottom", 8: "40x60 left bottom"}
	for turn := byte(1); turn <= 8; turn++ {
		out, width, height, err := photo(withEXIF(asJPEG(t, corner(60, 40)), turn))
		if err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		got := map[bool]string{true: "40x60", false: "60x40"}[width == 40 && height == 60]
		for at, name := range map[image.Point]string{{8, 8}: " left top", {width - 8, 8}: " right top", {8, height - 8}: " left bottom", {width - 8, height - 8}: " right bottom"} {
			if r, _, _, _ := m.At(at.X, at.Y).RGBA(); r < 0x4000 {
				got += name
			}
		}
		if got != want[turn] {
			t.Errorf("orientation %d: %s, want %s", turn, got, want[turn])
		}
	}
}

// hugePNG says that it has more pixels than it brings bytes.
func hugePNG(width, height uint32) []byte {
	head := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	head = append(head, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

// TestWhatIsNoPhotograph is refused before it is decoded, in words that help.
func TestWhatIsNoPhotograph(t *testing.T) {
	good := asJPEG(t, corner(60, 40))
	for name, row := range map[string]struct {
		data []byte
		code vaccination.Code
		says string
	}{
		"nothing":                    {nil, vaccination.Invalid, "JPEG"},
		"a drawing":                  {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), vaccination.Invalid, "JPEG"},
		"a page":                     {[]byte("<!doctype html><script>alert(1)</script>"), vaccination.Invalid, "JPEG"},
		"a PDF":                      {[]byte("%PDF-1.7 ..."), vaccination.Invalid, "of a PDF"},
		"a GIF":                      {[]byte("GIF89a" + strings.Repeat("\x00", 40)), vaccination.Invalid, "JPEG"},
		"a page that begins as one":  {[]byte("\xff\xd8\xff<html>"), vaccination.Invalid, "damaged"},
		"a WebP that is none":        {[]byte("RIFF\x10\x00\x00\x00WEBPVP8 <script>"), vaccination.Invalid, "damaged"},
		"half of one":                {good[:len(good)/2], vaccination.Invalid, "damaged"},
		"a bomb":                     {hugePNG(60000, 60000), vaccination.TooLarge, "pixels"},
		"a bomb one pixel high":      {hugePNG(1<<31-1, 1), vaccination.TooLarge, "pixels"},
		"a bomb whose product wraps": {hugePNG(1<<31-1, 1<<31-1), vaccination.Invalid, "damaged"},
		"no pixels":                  {hugePNG(0, 100), vaccination.Invalid, "damaged"},
		"too many bytes":             {append(bytes.Clone(good), make([]byte, MaxPhoto)...), vaccination.TooLarge, "8 MB"},
	} {
		_, _, _, err := photo(row.data)
		if vaccination.ErrorCode(err) != row.code || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %s with %q", name, err, row.code, row.says)
		}
	}
}

func TestALargePhotographIsMadeSmaller(t *testing.T) {
	out, width, height, err := photo(asPNG(t, image.NewGray(image.Rect(0, 0, 4800, 1200))))
	if err != nil || width != 2400 || height != 600 || len(out) > 200_000 {
		t.Errorf("%d x %d, %d bytes, %v", width, height, len(out), err)
	}
}

func FuzzPhoto(f *testing.F) {
	f.Add(withEXIF(asJPEG(f, corner(20, 10)), 6))
	f.Add(asPNG(f, corner(10, 20)))
	f.Add(hugePNG(60000, 60000))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, width, height, err := photo(data)
		if err != nil {
			return
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(out)); err != nil || c.Width != width || c.Height != height || max(width, height) > maxSide {
			t.Errorf("%d x %d, %v", width, height, err)
		}
	})
}
