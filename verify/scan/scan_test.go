package scan_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"rsc.io/qr"

	"github.com/opendivoc/divoc/verify/scan"
)

// code returns an HC1 text of about the length of a certificate.
func code(n int) string {
	return "HC1:" + strings.Repeat(fmt.Sprintf("%03d$AB CD%%EF*GH+", n), 30)
}

// qrImage draws text as a QR code of level M with k pixels a module and a quiet
// zone of 4 modules.
func qrImage(t testing.TB, text string, k int) *image.Gray {
	t.Helper()
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	n := c.Size + 8
	m := image.NewGray(image.Rect(0, 0, n*k, n*k))
	for y := range n * k {
		for x := range n * k {
			m.Pix[y*m.Stride+x] = 0xff
			if c.Black(x/k-4, y/k-4) {
				m.Pix[y*m.Stride+x] = 0
			}
		}
	}
	return m
}

func white(w, h int) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = 0xff
	}
	return m
}

func place(dst draw.Image, src image.Image, x, y int) {
	draw.Draw(dst, src.Bounds().Add(image.Pt(x, y)), src, image.Point{}, draw.Src)
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// turned is m rotated about its centre, on grey paper.
func turned(m *image.Gray, degrees float64) *image.Gray {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	side := w*3/2 + h/4
	out := white(side, side)
	for y := range side {
		for x := range side {
			dx, dy := float64(x-side/2), float64(y-side/2)
			sx, sy := int(cos*dx+sin*dy)+w/2, int(cos*dy-sin*dx)+h/2
			if sx >= 0 && sy >= 0 && sx < w && sy < h {
				out.Pix[y*out.Stride+x] = m.Pix[sy*m.Stride+sx]
			}
		}
	}
	return out
}

func TestCodesInImages(t *testing.T) {
	a, b := code(1), code(2)
	page := white(1240, 1754)
	place(page, qrImage(t, a, 4), 700, 1200)
	two := white(1700, 800)
	place(two, qrImage(t, a, 6), 20, 20)
	place(two, qrImage(t, b, 6), 900, 60)
	large := white(4000, 6000)
	place(large, qrImage(t, a, 6), 3200, 5200)
	clear := image.NewNRGBA(image.Rect(0, 0, 500, 500)) // transparent paper, black modules
	q := qrImage(t, a, 5)
	for y := range min(500, q.Rect.Dy()) {
		for x := range min(500, q.Rect.Dx()) {
			if q.GrayAt(x, y).Y == 0 {
				clear.Set(x, y, color.Black)
			}
		}
	}
	bare := qrImage(t, a, 3)
	bare = bare.SubImage(bare.Rect.Inset(12)).(*image.Gray)
	dark := qrImage(t, a, 4)
	for i := range dark.Pix {
		dark.Pix[i] ^= 0xff
	}
	for name, tc := range map[string]struct {
		data []byte
		want []string
	}{
		"a code alone":              {asPNG(t, qrImage(t, a, 4)), []string{a}},
		"one pixel a module":        {asPNG(t, qrImage(t, a, 1)), []string{a}},
		"two pixels a module":       {asPNG(t, qrImage(t, a, 2)), []string{a}},
		"a code on a page":          {asPNG(t, page), []string{a}},
		"a JPEG of poor quality":    {asJPEG(t, page, 40), []string{a}},
		"two codes":                 {asPNG(t, two), []string{a, b}},
		"a corner of a large photo": {asJPEG(t, large, 80), []string{a}},
		"transparent paper":         {asPNG(t, clear), []string{a}},
		"no quiet zone":             {asPNG(t, bare), []string{a}},
		"white on black":            {asPNG(t, dark), []string{a}},
		"turned by 17 degrees":      {asPNG(t, turned(qrImage(t, a, 6), 17)), []string{a}},
		"turned by 45 degrees":      {asPNG(t, turned(qrImage(t, a, 6), 45)), []string{a}},
		"upside down":               {asPNG(t, turned(qrImage(t, a, 4), 180)), []string{a}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scan.Codes(t.Context(), tc.data)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// DIVOC's QR code holds a ZIP file; its bytes must arrive as they are.
func TestBytesOfACodeAreKept(t *testing.T) {
	text := "PK\x03\x04\x14\x00\x00\x00" + strings.Repeat("\x00\x81\xfe\xff\xc3\xa9\x93", 60)
	got, err := scan.Codes(t.Context(), asPNG(t, qrImage(t, text, 4)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{text}, got); d != "" {
		t.Error(d)
	}
}

func TestTextsPassThrough(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string
	}{
		"a code with a line end":      {code(1) + "\r\n", []string{code(1)}},
		"a code that ends in a space": {"HC1:AB C \n", []string{"HC1:AB C "}},
		"a code a line":               {code(1) + "\n" + code(2) + "\n\n", []string{code(1), code(2)}},
		"a credential":                {"{\"a\":\n1}\n", []string{"{\"a\":\n1}"}},
		"a byte order mark":           {"\ufeffHC1:A", []string{"HC1:A"}},
		"DIVOC's ZIP":                 {"PK\x03\x04\xff\x00", []string{"PK\x03\x04\xff\x00"}},
		"DIVOC's ZIP as UTF-8":        {"PK\x03\x04\u00ff\x00", []string{"PK\x03\x04\u00ff\x00"}},
		"lines that are no codes":     {"HC1:A\nhello", []string{"HC1:A\nhello"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scan.Codes(t.Context(), []byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWhatCannotBeReadSaysSo(t *testing.T) {
	finders := white(1000, 1000) // nothing but finder patterns
	for y := 0; y+9 <= 1000; y += 9 {
		for x := 0; x+9 <= 1000; x += 9 {
			for d, shade := range []uint8{0, 0xff, 0, 0} {
				side := 7 - 2*d
				draw.Draw(finders, image.Rect(x+d, y+d, x+d+side, y+d+side), image.NewUniform(color.Gray{shade}), image.Point{}, draw.Src)
			}
		}
	}
	bomb := asPNG(t, white(8, 8))
	copy(bomb[16:24], []byte{0, 0, 0x80, 0, 0, 0, 0x80, 0}) // claims 32768 × 32768
	copy(bomb[29:33], crc(bomb[12:29]))
	for name, tc := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                                {nil, nil},
		"a blank page":                           {asPNG(t, white(1240, 1754)), scan.ErrNoCode},
		"finder patterns only":                   {asPNG(t, finders), scan.ErrNoCode},
		"a PNG bomb":                             {bomb, scan.ErrTooLarge},
		"half a PNG":                             {asPNG(t, qrImage(t, code(1), 4))[:600], scan.ErrDamaged},
		"a file too large":                       {make([]byte, scan.MaxFile+1), scan.ErrTooLarge},
		"a GIF":                                  {[]byte("GIF89a\x01\x00\x01\x00\x80\x00\xff"), scan.ErrUnsupported},
		"a PDF with no objects":                  {[]byte("%PDF-1.7\nhello"), scan.ErrDamaged},
		"an encrypted PDF":                       {onePage("q Q", "/Encrypt 9 0 R"), scan.ErrLocked},
		"a PDF without any code":                 {onePage("q 0 0 100 100 re f Q", ""), scan.ErrNoCode},
		"a PDF inflating to more than the bound": {onePage("", "", stream("", strings.Repeat("q Q ", 20<<20))), scan.ErrTooLarge},
		"a form that draws itself":               {onePage("/F Do", "", "<</Type/XObject/Subtype/Form/Resources<</XObject<</F 5 0 R>>>>/Length 5>>stream\n/F Do\nendstream"), scan.ErrNoCode},
		"a page that is its own kid":             {[]byte("%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Kids[2 0 R]>>endobj trailer<</Root 1 0 R>>"), scan.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scan.Codes(t.Context(), tc.data)
			if tc.want == nil {
				return
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("got %q and %v, want %v", got, err, tc.want)
			}
		})
	}
	t.Run("no time", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := scan.Codes(ctx, asPNG(t, white(100, 100))); !errors.Is(err, scan.ErrTooLong) {
			t.Errorf("got %v", err)
		}
	})
}

func TestChromiumsPages(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium on this machine")
	}
	a := code(7)
	q, err := qr.Encode(a, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	var svg strings.Builder
	for y := range q.Size {
		for x := range q.Size {
			if q.Black(x, y) {
				fmt.Fprintf(&svg, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "q.png"), asPNG(t, qrImage(t, a, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"an image":  `<h1>Certificate</h1><img src="q.png" width=260>`,
		"an SVG":    fmt.Sprintf(`<h1>Certificate</h1><svg width="60mm" viewBox="0 0 %d %d"><path d="%s"/></svg>`, q.Size, q.Size, svg.String()),
		"turned":    `<img src="q.png" width=260 style="transform:rotate(20deg);margin:90px">`,
		"shrunken":  `<img src="q.png" width=190>`,
		"on colour": `<body style="background:#cde"><img src="q.png" width=260>`,
	} {
		t.Run(name, func(t *testing.T) {
			page, out := filepath.Join(dir, "p.html"), filepath.Join(dir, "p.pdf")
			if err := os.WriteFile(page, []byte("<!doctype html>"+body), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu",
				"--user-data-dir="+filepath.Join(dir, "profile"), "--print-to-pdf="+out, "file://"+page)
			if log, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("chromium does not print here: %v\n%s", err, log)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan.Codes(t.Context(), data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{a}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// deflated is data through zlib.
func deflated(data []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.String()
}
