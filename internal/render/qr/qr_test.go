package qr

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"pgregory.net/rapid"
	"rsc.io/qr/coding"
)

// read decodes c with another implementation.
func read(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *Code) string {
	t.Helper()
	data, err := c.PNG(4)
	if err != nil {
		t.Fatalf("PNG: %v", err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("decode PNG: %v", err)
	}
	return readImage(t, img)
}

func readImage(t interface {
	Helper()
	Fatalf(string, ...any)
}, img image.Image) string {
	t.Helper()
	bmp, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatalf("bitmap: %v", err)
	}
	res, err := qrcode.NewQRCodeReader().Decode(bmp, map[gozxing.DecodeHintType]interface{}{
		gozxing.DecodeHintType_PURE_BARCODE:  true,
		gozxing.DecodeHintType_CHARACTER_SET: "UTF-8",
	})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return res.GetText()
}

func TestReadsBackInEveryVersionAndLevel(t *testing.T) {
	var e Encoder
	for _, level := range []Level{L, M, Q, H} {
		for v := coding.Version(1); v <= 40; v += 3 {
			text := strings.Repeat("HC1:6BFOXN%TS3DH", 300)
			for coding.Alpha(text).Bits(v) > v.DataBytes(coding.Level(level))*8 {
				text = text[:len(text)-1]
			}
			c, err := e.Encode(text, level)
			if err != nil {
				t.Fatal(err)
			}
			if c.Version != int(v) || c.Size != 4*int(v)+17 {
				t.Fatalf("%d bytes at level %d: version %d, want %d", len(text), level, c.Version, v)
			}
			if got := read(t, c); got != text {
				t.Fatalf("version %d level %d reads as other text", v, level)
			}
		}
	}
}

func TestTooLongATextIsAnError(t *testing.T) {
	if _, err := Encode(strings.Repeat("a", 3000), L); err == nil {
		t.Fatal("3000 bytes fitted a QR code")
	}
	if _, err := Encode("A", 7); err == nil {
		t.Fatal("level 7 exists")
	}
}

func TestPropertyReadsBack(t *testing.T) {
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{1,200}`),
			rapid.StringMatching(`HC1:[0-9A-Z $%*+\-./:]{1,400}`),
			rapid.StringMatching(`[a-z{}":,0-9 ]{1,300}`),
			rapid.StringMatching(`[කගනமதé ]{1,60}`),
		).Draw(t, "text")
		level := Level(rapid.IntRange(0, 3).Draw(t, "level"))
		c, err := e.Encode(text, level)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if got := read(t, c); got != text {
			t.Fatalf("reads as %q", got)
		}
	})
}

// naive is the penalty of clause 7.8.3.1 word by word.
func naive(c *Code) int {
	n, cost, dark := c.Size, 0, 0
	at := func(x, y int, turn bool) bool {
		if turn {
			return c.Dark(y, x)
		}
		return c.Dark(x, y)
	}
	for _, turn := range []bool{false, true} {
		for y := range n {
			for x := 0; x < n; {
				end := x
				for end < n && at(end, y, turn) == at(x, y, turn) {
					end++
				}
				if end-x >= 5 {
					cost += 3 + end - x - 5
				}
				x = end
			}
			for x := 0; x+7 <= n; x++ {
				word := ""
				for d := -4; d < 11; d++ {
					if at(x+d, y, turn) {
						word += "1"
					} else {
						word += "0"
					}
				}
				if word[4:11] == "1011101" {
					if word[:4] == "0000" {
						cost += 40
					}
					if word[11:] == "0000" {
						cost += 40
					}
				}
			}
		}
	}
	for y := range n {
		for x := range n {
			if c.Dark(x, y) {
				dark++
			}
			if x+1 < n && y+1 < n && c.Dark(x, y) == c.Dark(x+1, y) && c.Dark(x, y) == c.Dark(x, y+1) && c.Dark(x, y) == c.Dark(x+1, y+1) {
				cost += 3
			}
		}
	}
	return cost + 10*(abs(2*dark-n*n)*10/(n*n))
}

func TestTheMaskHasTheLowestPenalty(t *testing.T) {
	texts := []string{"A", strings.Repeat("0", 400), strings.Repeat("ABC:", 90), strings.Repeat("z", 900), strings.Repeat("7Q", 800)}
	used := map[int]bool{}
	for _, text := range texts {
		enc := mode(text)
		chosen, err := Encode(text, M)
		if err != nil {
			t.Fatal(err)
		}
		p, err := newPlan(coding.Version(chosen.Version), coding.M)
		if err != nil {
			t.Fatal(err)
		}
		used[chosen.Mask] = true
		if got, want := p.penalty([2][]uint64{chosen.rows, turned(chosen)}), naive(chosen); got != want {
			t.Errorf("%.8s…: penalty %d, by the word of the standard %d", text, got, want)
		}
		for m := range coding.Mask(8) {
			cp, err := coding.NewPlan(coding.Version(chosen.Version), coding.M, m)
			if err != nil {
				t.Fatal(err)
			}
			cc, err := cp.Encode(enc)
			if err != nil {
				t.Fatal(err)
			}
			other := &Code{Size: cc.Size, stride: chosen.stride, rows: make([]uint64, len(chosen.rows))}
			for y := range cc.Size {
				for x := range cc.Size {
					if cc.Black(x, y) {
						other.rows[y*other.stride+x>>6] |= 1 << (x & 63)
					}
				}
			}
			if int(m) == chosen.Mask {
				for i := range other.rows {
					if other.rows[i] != chosen.rows[i] {
						t.Fatalf("%.8s…: differs from the reference encoder with the same mask %d", text, m)
					}
				}
			} else if naive(other) < naive(chosen) {
				t.Errorf("%.8s…: mask %d costs %d, chosen %d costs %d", text, m, naive(other), chosen.Mask, naive(chosen))
			}
		}
	}
	if len(used) < 2 {
		t.Error("every text got the same mask")
	}
}

func turned(c *Code) []uint64 {
	out := make([]uint64, len(c.rows))
	for y := range c.Size {
		for x := range c.Size {
			if c.Dark(x, y) {
				out[x*c.stride+y>>6] |= 1 << (y & 63)
			}
		}
	}
	return out
}

func TestSVGDrawsTheSameModules(t *testing.T) {
	c, err := Encode("HC1:SPECIMEN", M)
	if err != nil {
		t.Fatal(err)
	}
	svg := string(c.SVG(`a <b> & "c"`))
	if !strings.Contains(svg, "a &lt;b&gt; &amp; &#34;c&#34;") || strings.Contains(svg, "style=") {
		t.Errorf("title not escaped or a style in %s", svg)
	}
	seen := make(map[[2]int]bool)
	for r := range c.Runs {
		for x := r.X; x < r.X+r.Width; x++ {
			seen[[2]int{x, r.Y}] = true
		}
		if c.Dark(r.X-1, r.Y) || c.Dark(r.X+r.Width, r.Y) {
			t.Errorf("run %+v is not the whole run", r)
		}
	}
	for y := range c.Size {
		for x := range c.Size {
			if c.Dark(x, y) != seen[[2]int{x, y}] {
				t.Fatalf("module %d,%d", x, y)
			}
		}
	}
}

func TestZbarReadsThePNG(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed (Debian package zbar-tools)")
	}
	text := "HC1:" + strings.Repeat("6BFOXN%TS3DHPVO13J /G-/2YRVA.Q", 20)
	c, err := Encode(text, M)
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.PNG(4)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "zbarimg", "-q", "--raw", name).Output()
	if err != nil || strings.TrimSpace(string(out)) != text {
		t.Fatalf("zbarimg: %v, %q", err, out)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("HC1:NCF", 1)
	f.Add("0123", 0)
	f.Add("{\"a\":1}", 2)
	f.Fuzz(func(t *testing.T, text string, level int) {
		c, err := Encode(text, Level(level))
		if err != nil {
			return
		}
		n := 0
		for r := range c.Runs {
			n += r.Width
		}
		if n == 0 || n >= c.Size*c.Size {
			t.Fatalf("%d of %d modules dark", n, c.Size*c.Size)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	text := "HC1:" + strings.Repeat("6BFOXN%TS3DHPVO13J /G-/2YRVA.Q", 20)
	var e Encoder
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(text, M); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSVG(b *testing.B) {
	c, err := Encode("HC1:"+strings.Repeat("6BFOXN%TS3DHPVO13J /G-/2YRVA.Q", 20), M)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.SVG("code")
	}
}
