package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"runtime"
	"strings"
	"testing"
	"time"
)

func FuzzImages(f *testing.F) {
	f.Add([]byte("%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Kids[3 0 R]/MediaBox[0 0 99 99]>>endobj " +
		"3 0 obj<</Contents 4 0 R/Resources<</XObject<</I 5 0 R/F 6 0 R>>>>>>endobj " +
		"4 0 obj<</Length 60>>stream\nq 50 0 0 50 9 9 cm /I Do Q 0 0 9 9 re 1 1 2 2 re f* /F Do BI /W 8 /H 1 /BPC 1 ID x\nEI\nendstream endobj " +
		"5 0 obj<</Subtype/Image/Width 2/Height 2/ColorSpace[/Indexed/DeviceGray 1<00ff>]/BitsPerComponent 1/Filter/AHx>>stream\n8040>\nendstream endobj " +
		"6 0 obj<</Subtype/Form/Filter[/A85/RL]>>stream\n~>\nendstream endobj trailer<</Root 1 0 R>>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Images(t.Context(), data, func(m *image.Gray) error {
			if m.Rect.Dx() <= 0 || m.Rect.Dy() <= 0 || len(m.Pix) < (m.Rect.Dy()-1)*m.Stride+m.Rect.Dx() {
				t.Errorf("image of %v with %d bytes", m.Rect, len(m.Pix))
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrEncrypted) && !errors.Is(err, ErrLimit) {
			t.Errorf("untyped error %v", err)
		}
	})
}

// Attack class G, a small file that takes long: lines that all cross each row of the
// page are found within the bounds, and not by the clock.
func TestManyCrossingsAreBounded(t *testing.T) {
	data := "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Kids[3 0 R]>>endobj 3 0 obj<</Contents 4 0 R>>endobj trailer<</Root 1 0 R>>\n4 0 obj<<>>stream\n0 0 m " +
		strings.Repeat("612 792 l 0 0 l ", 20_000) + "f\nendstream endobj"
	if err := Images(t.Context(), []byte(data), func(*image.Gray) error { return nil }); !errors.Is(err, ErrLimit) {
		t.Errorf("%v", err)
	}
}

// Each of these takes for ever, or all memory, in a reader without bounds.
func TestBombsAreBounded(t *testing.T) {
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	numbered := func(n int, s string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, s, i+10)
		}
		return b.String()
	}
	page := "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Kids[3 0 R]>>endobj 3 0 obj<</Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>endobj trailer<</Root 1 0 R>>\n"
	for name, data := range map[string]string{
		"streams that do not end":        page + numbered(40_000, "%d 0 obj<<>>stream\n") + many(1<<20, "x"),
		"dictionaries that do not end":   page + numbered(40_000, "%d 0 obj<</A ") + many(4<<20, "(x"),
		"deep nesting":                   page + "4 0 obj " + many(4<<20, "[<<"),
		"a chain of references":          page + numbered(40_000, "%[1]d 0 obj %[1]d 0 R endobj\n"),
		"every kid the same":             "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Kids[" + many(1<<20, "2 0 R ") + "]>>endobj trailer<</Root 1 0 R>>",
		"an image of many pixels":        page + "4 0 obj<<>>stream\n/I Do\nendstream endobj 5 0 obj<</Subtype/Image/Width 2000000/Height 2000000/ColorSpace/DeviceGray/BitsPerComponent 1>>stream\nx\nendstream endobj",
		"the whole page again and again": page + "4 0 obj<<>>stream\n" + many(400_000, "0 0 612 792 re f ") + "\nendstream endobj",
		"one image again and again":      page + "4 0 obj<<>>stream\n" + many(400_000, "600 0 0 600 0 0 cm /I Do ") + "\nendstream endobj 5 0 obj<</Subtype/Image/Width 2000/Height 2000/ColorSpace/DeviceGray/BitsPerComponent 1>>stream\nx\nendstream endobj",
		"a path of many corners":         page + "4 0 obj<<>>stream\n" + many(800_000, "0 0 l 612 792 l ") + " f\nendstream endobj",
		"inline images without end":      page + "4 0 obj<<>>stream\n" + many(1<<20, "BI ID ") + "\nendstream endobj",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := Images(t.Context(), []byte(data), func(*image.Gray) error { return nil })
			runtime.ReadMemStats(&after)
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
			if total := (after.TotalAlloc - before.TotalAlloc) >> 20; total > 2048 {
				t.Errorf("allocated %d MB", total)
			}
			t.Log(err, time.Since(start), (after.TotalAlloc-before.TotalAlloc)>>20, "MB")
		})
	}
}

func TestStringEscapes(t *testing.T) {
	l := &lexer{data: []byte(`(a\(b\)\\\n\101\7(c)\
d) <4a4B4> /A#42`)}
	for _, want := range []any{[]byte("a(b)\\\nA\x07(c)d"), []byte("JK@"), name("AB")} {
		got := l.next(0)
		if g, ok := got.([]byte); ok {
			if !bytes.Equal(g, want.([]byte)) {
				t.Errorf("read %q, want %q", g, want)
			}
		} else if got != want {
			t.Errorf("read %v, want %v", got, want)
		}
	}
}
