package barcode

import (
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/oned"
	"pgregory.net/rapid"
)

func TestPropertyReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[A-Z][ -~]{2,60}`).Draw(t, "text")
		modules, total, err := Code128(text)
		if err != nil {
			t.Fatal(err)
		}
		bits, err := gozxing.NewBitMatrix(3*(total+40), 60)
		if err != nil {
			t.Fatal(err)
		}
		x := 60
		for i, m := range modules {
			if i%2 == 0 {
				if err := bits.SetRegion(x, 0, 3*m, 60); err != nil {
					t.Fatal(err)
				}
			}
			x += 3 * m
		}
		bmp, err := gozxing.NewBinaryBitmapFromImage(bits)
		if err != nil {
			t.Fatal(err)
		}
		got, err := oned.NewCode128Reader().Decode(bmp, nil)
		if err != nil || got.GetText() != text {
			t.Fatalf("reads as %v, %v", got, err)
		}
	})
}

func TestTextOutsideCodeSetBIsAnError(t *testing.T) {
	for _, text := range []string{"é", "a\nb", "\x7f"} {
		if _, _, err := Code128(text); err == nil {
			t.Errorf("%q has bars", text)
		}
		if _, err := SVG(text, ""); err == nil {
			t.Errorf("%q has a drawing", text)
		}
	}
}

func TestSVGEscapesItsTitle(t *testing.T) {
	svg, err := SVG("URN:UVCI:01:LK:A#B", `<b>"`)
	if err != nil || strings.Contains(svg, "<b>") || strings.Contains(svg, "style") {
		t.Fatalf("%v: %s", err, svg)
	}
}

func FuzzCode128(f *testing.F) {
	f.Add("URN:UVCI:01:LK:0GAJCDT8B5N7Q34XNTZX1RFJ#1")
	f.Fuzz(func(t *testing.T, text string) {
		modules, total, err := Code128(text)
		if err == nil && (total != 11*(len(text)+2)+13 || len(modules) != 6*(len(text)+2)+7) {
			t.Fatalf("%d modules in %d bars for %d characters", total, len(modules), len(text))
		}
	})
}
