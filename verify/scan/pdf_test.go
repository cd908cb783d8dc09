package scan_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"rsc.io/qr"

	"github.com/opendivoc/divoc/verify/scan"
)

func crc(data []byte) []byte { return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)) }

// stream is a compressed stream object with the given entries.
func stream(entries, data string) string {
	z := deflated([]byte(data))
	return fmt.Sprintf("<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream", entries, len(z), z)
}

// onePage is a PDF file of one page: object 4 is its content unless contents is
// empty, the objects given are 5 and up, of which 5 is the XObject /F and /I;
// with empty contents the first object given is the content.
func onePage(contents, trailer string, objects ...string) []byte {
	all := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 595 842]>>",
		"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</XObject<</F 5 0 R/I 5 0 R>>>>>>",
	}
	if contents != "" {
		all = append(all, fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(contents), contents))
	}
	return pdfOf(append(all, objects...), trailer)
}

// pdfOf is a PDF file of these objects, from number 1, with a classic
// cross-reference table.
func pdfOf(objects []string, trailer string) []byte {
	var b strings.Builder
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, trailer, start)
	return []byte(b.String())
}

// packedPDF is the same with object and cross-reference streams.
func packedPDF(objects ...string) []byte {
	var b, bodies, heads strings.Builder
	var entries []byte
	entry := func(kind, a, i int) {
		entries = append(entries, byte(kind))
		entries = binary.BigEndian.AppendUint32(entries, uint32(a))
		entries = append(entries, byte(i))
	}
	b.WriteString("%PDF-1.7\n")
	entry(0, 0, 0)
	packed, n := len(objects)+1, 0
	for i, o := range objects {
		if strings.Contains(o, "stream") {
			entry(1, b.Len(), 0)
			fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
			continue
		}
		entry(2, packed, n)
		n++
		fmt.Fprintf(&heads, "%d %d ", i+1, bodies.Len())
		bodies.WriteString(o + "\n")
	}
	entry(1, b.Len(), 0)
	fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", packed, stream(fmt.Sprintf("/Type/ObjStm/N %d/First %d", n, heads.Len()), heads.String()+bodies.String()))
	start := b.Len()
	entry(1, start, 0)
	fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", packed+1,
		stream(fmt.Sprintf("/Type/XRef/Size %d/W[1 4 1]/Root 1 0 R", packed+2), string(entries)), start)
	return []byte(b.String())
}

func rows(m *image.Gray, pixel func(v uint8) []byte) string {
	var b []byte
	for _, v := range m.Pix {
		b = append(b, pixel(v)...)
	}
	return string(b)
}

// bits packs m to one bit a pixel, white as 1.
func bits(m *image.Gray) string {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	var b []byte
	for y := range h {
		row := make([]byte, (w+7)/8)
		for x := range w {
			if m.Pix[y*m.Stride+x] > 0x7f {
				row[x/8] |= 0x80 >> (x % 8)
			}
		}
		b = append(b, row...)
	}
	return string(b)
}

// filled draws text as filled rectangles, a run of dark modules each: what
// internal/render writes. unit is the size of a module in points.
func filled(t testing.TB, text string, x, y, unit float64) string {
	t.Helper()
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "q %g 0 0 %g %g %g cm 0 g\n", unit, -unit, x, y)
	for row := range c.Size {
		for from := 0; from < c.Size; {
			to := from
			for to < c.Size && c.Black(to, row) {
				to++
			}
			if to > from {
				fmt.Fprintf(&b, "%d %d %d 1 re\n", from, row, to-from)
			}
			from = max(to, from+1)
		}
	}
	return b.String() + "f Q\n"
}

func TestCodesInPDF(t *testing.T) {
	a, b := code(1), code(2)
	m := qrImage(t, a, 3)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	show := "q 180 0 0 180 300 100 cm /I Do Q"
	img := func(entries, data string) string {
		return stream(fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d%s", w, h, entries), data)
	}
	same := func(v uint8) []byte { return []byte{v} }
	predicted := func() string {
		var out []byte
		for y := range h {
			out = append(out, 1) // Sub
			for x := range w {
				v := m.Pix[y*m.Stride+x]
				if x > 0 {
					v -= m.Pix[y*m.Stride+x-1]
				}
				out = append(out, v)
			}
		}
		return string(out)
	}()
	raw := func(entries, data string) string {
		return fmt.Sprintf("<</Type/XObject/Subtype/Image/Width %d/Height %d%s/Length %d>>stream\n%s\nendstream", w, h, entries, len(data), data)
	}
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 595 842]>>",
		"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>",
		stream("", show), img("/ColorSpace/DeviceGray/BitsPerComponent 8", rows(m, same)),
	}
	whole := pdfOf(objects, "")
	for name, tc := range map[string]struct {
		data []byte
		want []string
	}{
		"a grey image":                           {onePage(show, "", img("/ColorSpace/DeviceGray/BitsPerComponent 8", rows(m, same))), []string{a}},
		"a CMYK image":                           {onePage(show, "", img("/ColorSpace/DeviceCMYK/BitsPerComponent 8", rows(m, func(v uint8) []byte { return []byte{0, 0, 0, 255 - v} }))), []string{a}},
		"an RGB image":                           {onePage(show, "", img("/ColorSpace/DeviceRGB/BitsPerComponent 8", rows(m, func(v uint8) []byte { return []byte{v, v, v} }))), []string{a}},
		"a profile's":                            {onePage(show, "", img("/ColorSpace[/ICCBased 6 0 R]/BitsPerComponent 8", rows(m, same)), "<</N 1/Length 0>>stream\n\nendstream"), []string{a}},
		"16 bits":                                {onePage(show, "", img("/ColorSpace/DeviceGray/BitsPerComponent 16", rows(m, func(v uint8) []byte { return []byte{v, v} }))), []string{a}},
		"1 bit":                                  {onePage(show, "", img("/ColorSpace/DeviceGray/BitsPerComponent 1", bits(m))), []string{a}},
		"a palette":                              {onePage(show, "", img(`/ColorSpace[/Indexed/DeviceRGB 1(\000\000\000\377\377\377)]/BitsPerComponent 1`, bits(m))), []string{a}},
		"a mask":                                 {onePage(show, "", img("/ImageMask true/BitsPerComponent 1", bits(m))), []string{a}},
		"a soft mask":                            {onePage(show, "", img("/ColorSpace/DeviceGray/BitsPerComponent 8/SMask 6 0 R", strings.Repeat("\x00", w*h)), img("/ColorSpace/DeviceGray/BitsPerComponent 8", rows(m, func(v uint8) []byte { return []byte{255 - v} }))), []string{a}},
		"a predictor":                            {onePage(show, "", img(fmt.Sprintf("/ColorSpace/DeviceGray/BitsPerComponent 8/DecodeParms<</Predictor 15/Columns %d>>", w), predicted)), []string{a}},
		"a JPEG":                                 {onePage(show, "", raw("/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode", string(asJPEG(t, m, 80)))), []string{a}},
		"hexadecimal":                            {onePage(show, "", raw("/ColorSpace/DeviceGray/BitsPerComponent 1/Filter[/ASCIIHexDecode]", hex.EncodeToString([]byte(bits(m)))+">")), []string{a}},
		"inline":                                 {onePage(fmt.Sprintf("q 180 0 0 180 300 100 cm BI /W %d /H %d /CS /G /BPC 1 ID %s\nEI Q", w, h, bits(m)), ""), []string{a}},
		"in a form":                              {onePage("q 1 0 0 1 20 20 cm /F Do Q", "", fmt.Sprintf("<</Type/XObject/Subtype/Form/Matrix[1 0 0 1 5 5]/Resources<</XObject<</I 6 0 R>>>>/Length %d>>stream\n%s\nendstream", len(show), show), img("/ColorSpace/DeviceGray/BitsPerComponent 8", rows(m, same))), []string{a}},
		"shapes":                                 {onePage(filled(t, a, 300, 400, 1.9), ""), []string{a}},
		"shapes, small":                          {onePage(filled(t, a, 300, 400, 1.2), ""), []string{a}},
		"shapes on a shade beside a second code": {onePage("0.9 0.95 1 rg 0 0 595 842 re f "+filled(t, a, 30, 300, 1.9)+"1 0 0 rg 10 10 30 30 re f "+filled(t, b, 330, 700, 1.9), ""), []string{a, b}},
		"object streams":                         {packedPDF(objects...), []string{a}},
		"a broken cross-reference":               {[]byte(strings.Replace(string(pdfOf(objects, "")), "startxref\n", "startxref\n7", 1)), []string{a}},
		"a lost cross-reference of a packed one": {[]byte(strings.Replace(string(packedPDF(objects...)), "startxref\n", "startxref\n7", 1)), []string{a}},
		"cut off at the end":                     {whole[:bytes.Index(whole, []byte("\nxref"))], []string{a}},
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

// A file attached to a PDF, or an image no page draws, is not what a person
// sees on its pages.
func TestOnlyWhatAPageDrawsIsRead(t *testing.T) {
	m := qrImage(t, code(1), 3)
	img := stream(fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8", m.Rect.Dx(), m.Rect.Dy()), string(m.Pix))
	for name, data := range map[string][]byte{
		"an image not drawn":    onePage("q Q", "", img),
		"an attached image":     onePage("q Q", "", "<<>>", stream("/Type/EmbeddedFile", string(asPNG(t, m)))),
		"an attached text":      onePage("q Q", "", "<<>>", stream("/Type/EmbeddedFile", code(1))),
		"a code in a comment":   append(onePage("q Q", ""), "\n%"+code(1)...),
		"a code in the catalog": pdfOf([]string{"<</Type/Catalog/Pages 2 0 R/X(" + code(1) + ")>>", "<</Kids[3 0 R]>>", "<</Type/Page>>"}, ""),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := scan.Codes(t.Context(), data); err == nil {
				t.Errorf("read %q", got)
			}
		})
	}
}

func FuzzCodes(f *testing.F) {
	m := qrImage(f, "HC1:ABC", 2)
	f.Add(asPNG(f, m))
	f.Add(asJPEG(f, m, 60))
	img := stream(fmt.Sprintf("/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8", m.Rect.Dx(), m.Rect.Dy()), string(m.Pix))
	f.Add(onePage("q 100 0 0 100 0 0 cm /I Do Q", "", img))
	f.Add(onePage(filled(f, "HC1:ABC", 100, 100, 2), ""))
	f.Add(packedPDF("<</Type/Catalog/Pages 2 0 R>>", "<</Kids[3 0 R]>>", "<</Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>", stream("", "/I Do BI /W 8 /H 8 /BPC 1 ID 12345678\nEI"), img))
	f.Fuzz(func(t *testing.T, data []byte) {
		codes, err := scan.Codes(t.Context(), data)
		if (err == nil) == (len(codes) == 0) {
			t.Errorf("%d codes with error %v", len(codes), err)
		}
	})
}
