package pdf

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/render/fonts"
	"github.com/opendivoc/divoc/internal/render/shape"
)

func load(t testing.TB) (*shape.Set, []*Font) {
	t.Helper()
	set, err := shape.Load(fonts.FS())
	if err != nil {
		t.Skipf("the fonts are not there: %v", err)
	}
	var out []*Font
	for _, f := range set.Fonts {
		font, err := NewFont(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, font)
	}
	return set, out
}

func TestSubsetKeepsTheOutlinesItUses(t *testing.T) {
	set, list := load(t)
	line := set.Wrap([]shape.Phrase{{Text: "Aé"}}, false, 1e5, false)[0]
	var font *Font
	for i, f := range list {
		if i == line.Runs[0].Font {
			font = f
		}
	}
	u := newUse(font)
	for _, g := range line.Runs[0].Glyphs {
		u.glyph(g.ID)
	}
	used := len(u.order)
	small, err := NewFont("subset", u.file(nil))
	if err != nil {
		t.Fatalf("the subset is no font: %v", err)
	}
	if len(u.order) <= used {
		t.Error("é is a composite glyph; its components are missing")
	}
	for n, id := range u.order {
		if small.advances[n] != font.advances[id] || small.bearings[n] != font.bearings[id] {
			t.Errorf("glyph %d has other metrics", id)
		}
		got, want := small.glyf[small.offsets[n]:small.offsets[n+1]], font.glyf[font.offsets[id]:font.offsets[id+1]]
		if len(want) == 0 {
			continue
		}
		if len(got) == 0 || !bytes.Equal(got[:10], want[:10]) {
			t.Errorf("glyph %d has another outline", id)
		}
		if int16(binary.BigEndian.Uint16(got)) < 0 {
			if c := binary.BigEndian.Uint16(got[12:]); int(c) >= len(u.order) {
				t.Errorf("glyph %d has component %d of %d", id, c, len(u.order))
			}
		}
	}
	if n := len(u.file(nil)); n > 6000 {
		t.Errorf("a subset of two letters has %d bytes", n)
	}
}

func TestFontsThatAreNoneAreRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "text": strings.Repeat("no font", 10), "OpenType with CFF": "OTTO" + strings.Repeat("\x00", 100),
		"no tables":           "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"a table beyond":      "\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00headxxxx\xff\xff\xff\xff\xff\xff\xff\xff",
		"directory cut short": "\x00\x01\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00head",
	} {
		if _, err := NewFont(name, []byte(data)); err == nil {
			t.Errorf("%s is a font", name)
		}
	}
}

func TestNumbersAreShortAndRounded(t *testing.T) {
	for in, want := range map[float32]string{0: "0", 1: "1", -1.5: "-1.5", 0.05: "0.05", 12.345: "12.35", -0.004: "0", 841.89: "841.89"} {
		if got := string(appendNumber(nil, in)); got != want {
			t.Errorf("%v: %s", in, got)
		}
	}
}

func TestTextOfTheDocumentIsEscaped(t *testing.T) {
	_, list := load(t)
	d := New(list, Info{Title: `a)(<&>\`, Lang: "en", Created: time.Unix(0, 0)})
	d.AddPage()
	var b bytes.Buffer
	if err := new(Writer).Write(&b, d); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte(`a)(<`)) {
		t.Error("a title stands in the file as it is")
	}
	if !bytes.Contains(b.Bytes(), []byte("a)(&lt;&amp;&gt;")) {
		t.Error("the metadata lacks the title")
	}
}

func FuzzNewFont(f *testing.F) {
	names, _ := fs.Glob(fonts.FS(), "NotoSansTamil-Regular.ttf")
	for _, name := range names {
		data, err := fs.ReadFile(fonts.FS(), name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		font, err := NewFont("x", data)
		if err != nil {
			return
		}
		u := newUse(font)
		for id := range uint16(min(len(font.advances), 50)) {
			u.glyph(id)
		}
		u.file(nil)
	})
}
