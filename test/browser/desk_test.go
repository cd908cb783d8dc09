package browser

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opendivoc/divoc/internal/render/barcode"
)

// TestDesk is the work of a facility's staff, by keyboard, on a small and on a
// large screen.
func TestDesk(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	run(t, s, c, "desk")
}

// TestDeskLanguage is staff who say in which language somebody is written to, in a
// country with more than one.
func TestDeskLanguage(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "sri-lanka")
	c := s.sample(t)
	c.Chromium = chromium
	run(t, s, c, "desk-language")
}

// TestDeskCamera is a desk whose device has a camera, and one whose has none.
func TestDeskCamera(t *testing.T) {
	chromium, binary := needs(t)
	s := start(t, binary, "jamaica")
	c := s.sample(t)
	c.Chromium = chromium
	c.Barcode = filepath.Join(t.TempDir(), "barcode.y4m")
	if err := os.WriteFile(c.Barcode, bars(t, "SAMPLE-JM-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, s, c, "desk-camera")
}

// bars is the barcode of a text as a camera sees it, as YUV4MPEG2.
func bars(t testing.TB, text string) []byte {
	t.Helper()
	const w, h, frames = 640, 480, 3
	modules, total, err := barcode.Code128(text)
	if err != nil {
		t.Fatal(err)
	}
	wide := w / (total + 20)
	if wide < 2 {
		t.Fatalf("%q is too long for a frame", text)
	}
	frame := bytes.Repeat([]byte{235}, w*h)
	x := (w - wide*total) / 2
	for i, m := range modules {
		if i%2 == 0 {
			for y := 140; y < 340; y++ {
				for dx := range wide * m {
					frame[y*w+x+dx] = 16
				}
			}
		}
		x += wide * m
	}
	frame = append(frame, bytes.Repeat([]byte{128}, w*h/2)...)
	out := fmt.Appendf(nil, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", w, h)
	for range frames {
		out = append(append(out, "FRAME\n"...), frame...)
	}
	return out
}
