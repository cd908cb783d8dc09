// Package shape turns text of any script into lines of positioned glyphs: it
// splits paragraphs by direction, script and font, shapes them (OpenType, by
// go-text/typesetting) and breaks lines (UAX #14).
package shape

import (
	"strings"
	"sync"
	"unicode"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// Phrase is a stretch of text in one language (BCP 47; empty when not known).
type Phrase struct{ Lang, Text string }

// Glyph is a glyph and where it stands, in thousandths of the type size.
type Glyph struct {
	ID      uint16
	Advance float32
	XOffset float32
	YOffset float32
	// Text is what the glyph stands for; empty when it shares its characters
	// with other glyphs.
	Text string
}

// Run is a stretch of glyphs of one font, from left to right as drawn.
type Run struct {
	Font   int // index in Set.Fonts
	Phrase int // index of the phrase it belongs to
	Text   string
	Glyphs []Glyph
	Width  float32
	// Plain tells that the texts of the glyphs in their order are Text.
	Plain bool
}

// Line is one line of a paragraph, its runs in the order of reading.
type Line struct {
	Runs  []Run
	X     []float32 // where each run starts
	Width float32
	Base  bool // all of it is set in the base font
	RTL   bool // the paragraph runs from right to left
}

// blank reports whether nothing of l is to be seen.
func (l *Line) blank() bool {
	for i := range l.Runs {
		if strings.TrimSpace(l.Runs[i].Text) != "" {
			return false
		}
	}
	return true
}

const scale = 1000

// worker holds what shaping needs and cannot share.
type worker struct {
	faces   []*font.Face
	index   map[*font.Face]int
	shaper  shaping.HarfbuzzShaper
	split   shaping.Segmenter
	wrap    shaping.LineWrapper
	runes   []rune
	outputs []shaping.Output
	phrase  []int // of each output
	chain   []int
	last    *font.Face
}

type workers struct {
	set  *Set
	pool sync.Pool
}

func (p *workers) get() *worker {
	if w, ok := p.pool.Get().(*worker); ok {
		return w
	}
	w := &worker{index: make(map[*font.Face]int)}
	for i, f := range p.set.Fonts {
		face := font.NewFace(f.parsed)
		w.faces = append(w.faces, face)
		w.index[face] = i
	}
	return w
}

// ResolveFace chooses the first font that has r; a mark stays with its base.
func (w *worker) ResolveFace(r rune) *font.Face {
	if w.last != nil && unicode.Is(unicode.M, r) {
		if _, ok := w.last.NominalGlyph(r); ok {
			return w.last
		}
	}
	for _, i := range w.chain {
		if _, ok := w.faces[i].NominalGlyph(r); ok {
			w.last = w.faces[i]
			return w.last
		}
	}
	w.last = w.faces[w.chain[0]]
	return w.last
}

// Clean returns text fit for print: normalised, one line, without control
// characters and without the marks that turn the direction of text around.
func Clean(text string) string {
	text = norm.NFC.String(text)
	drop := func(r rune) rune {
		switch {
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == unicode.ReplacementChar:
			return -1
		case unicode.IsControl(r), r == 0x2028, r == 0x2029:
			return ' '
		}
		return r
	}
	return strings.TrimSpace(strings.Map(drop, text))
}

// Wrap sets a paragraph in lines of at most width thousandths of the type size,
// breaking words only where one alone is wider than a line. Fixed texts are
// kept for the next time; texts about a person must not be fixed.
func (s *Set) Wrap(text []Phrase, bold bool, width float32, isFixed bool) []Line {
	if !isFixed {
		return s.wrap(text, bold, width)
	}
	key := cacheKey(text, bold, width)
	if lines, ok := s.cache.get(key); ok {
		return lines
	}
	lines := s.wrap(text, bold, width)
	s.cache.put(key, lines)
	return lines
}

func (s *Set) wrap(text []Phrase, bold bool, width float32) []Line {
	w := s.pool.get()
	defer s.pool.pool.Put(w)
	w.chain = s.chains[0]
	if bold {
		w.chain = s.chains[1]
	}
	w.runes, w.outputs, w.phrase = w.runes[:0], w.outputs[:0], w.phrase[:0]
	for _, p := range text {
		w.runes = append(w.runes, []rune(p.Text)...)
	}
	if len(w.runes) == 0 {
		return nil
	}
	dir := direction(w.runes)
	start := 0
	for i, p := range text {
		end := start + len([]rune(p.Text))
		if end > start {
			w.shape(p.Lang, start, end, dir)
		}
		for len(w.phrase) < len(w.outputs) {
			w.phrase = append(w.phrase, i)
		}
		start = end
	}
	lines, _ := w.wrap.WrapParagraphF(shaping.WrapConfig{Direction: dir}, fixed.Int26_6(width*64), w.runes, shaping.NewSliceIterator(w.outputs))
	out := make([]Line, 0, len(lines))
	for _, line := range lines {
		l := w.line(line, dir)
		if n := len(out) - 1; n >= 0 && l.blank() {
			// A space that just did not fit is no line of its own.
			for i := range l.Runs {
				out[n].Runs = append(out[n].Runs, l.Runs[i])
				out[n].X = append(out[n].X, out[n].Width)
			}
			continue
		}
		out = append(out, l)
	}
	return out
}

// direction is that of the first strong character (UAX #9, P2).
func direction(text []rune) di.Direction {
	for _, r := range text {
		p, _ := bidi.LookupRune(r)
		switch p.Class() {
		case bidi.L:
			return di.DirectionLTR
		case bidi.R, bidi.AL:
			return di.DirectionRTL
		}
	}
	return di.DirectionLTR
}

// shape appends the runs of w.runes[start:end] to w.outputs.
func (w *worker) shape(lang string, start, end int, dir di.Direction) {
	in := shaping.Input{
		Text: w.runes, RunStart: start, RunEnd: end, Direction: dir,
		Size: fixed.I(scale), Language: language.NewLanguage(lang),
	}
	w.last = nil
	base := w.faces[w.chain[0]]
	for _, run := range w.split.Split(in, w) {
		// Spaces keep the font of the word before them; they belong to the base
		// font, whose width the eye expects.
		from := run.RunStart
		for from < run.RunEnd {
			to := from + 1
			space := w.runes[from] == ' '
			for to < run.RunEnd && (run.Face == base || (w.runes[to] == ' ') == space) {
				to++
			}
			part := run
			part.RunStart, part.RunEnd = from, to
			if space {
				part.Face = base
			}
			out := w.shaper.ShapeNoExtents(part)
			// The wrapper takes glyphs without a width for spaces that may hang
			// over the end of a line; which are, is known without their extents.
			if !space {
				for i := range out.Glyphs {
					if w.runes[out.Glyphs[i].TextIndex()] != ' ' {
						out.Glyphs[i].Width = 1
					}
				}
			}
			w.outputs = append(w.outputs, out)
			from = to
		}
	}
}

// line copies a wrapped line out of the wrapper's buffers.
func (w *worker) line(in shaping.Line, dir di.Direction) Line {
	line := Line{Runs: make([]Run, len(in)), X: make([]float32, len(in)), Base: true, RTL: dir == di.DirectionRTL}
	visual := make([]int, len(in))
	for i := range in {
		visual[in[i].VisualIndex] = i
		line.Runs[i] = w.run(&in[i])
		line.Base = line.Base && w.index[in[i].Face] == w.chain[0]
	}
	for _, i := range visual {
		line.X[i] = line.Width
		line.Width += line.Runs[i].Width
	}
	return line
}

func (w *worker) run(o *shaping.Output) Run {
	text := w.runes[o.Runes.Offset : o.Runes.Offset+o.Runes.Count]
	r := Run{
		Font: w.index[o.Face], Text: string(text), Width: float32(o.Advance) / 64,
		Glyphs: make([]Glyph, len(o.Glyphs)), Plain: o.Direction.Progression() == di.FromTopLeft,
	}
	// The wrapper cuts runs, so a run is found again by where it starts.
	for i := range w.outputs {
		src := &w.outputs[i]
		if src.Runes.Offset <= o.Runes.Offset && o.Runes.Offset < src.Runes.Offset+src.Runes.Count {
			r.Phrase = w.phrase[i]
			break
		}
	}
	at := 0 // byte offset in Text, for plain runs
	for i, g := range o.Glyphs {
		out := &r.Glyphs[i]
		*out = Glyph{ID: uint16(g.GlyphID), Advance: float32(g.Advance) / 64, XOffset: float32(g.XOffset) / 64, YOffset: float32(g.YOffset) / 64}
		if g.GlyphsCount() != 1 {
			r.Plain = false
			continue
		}
		first := g.TextIndex() - o.Runes.Offset
		if first < 0 || first+g.RunesCount() > len(text) {
			r.Plain = false
			continue
		}
		out.Text = string(text[first : first+g.RunesCount()])
		r.Plain = r.Plain && at+len(out.Text) <= len(r.Text) && r.Text[at:at+len(out.Text)] == out.Text
		at += len(out.Text)
	}
	return r
}
