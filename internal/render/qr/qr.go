// Package qr encodes text as QR codes (ISO/IEC 18004:2015) and draws them as
// SVG, PNG or runs of dark modules for a PDF.
//
// The tables of the standard and the Reed-Solomon code come from
// rsc.io/qr/coding, which always applies mask 0. This package tries all eight
// masks and takes the one with the lowest penalty, as clause 7.8 asks: printed
// on paper, a code without large patches or look-alikes of its finder patterns
// is found sooner.
package qr

import (
	"fmt"
	"math/bits"
	"sync"

	"rsc.io/qr/coding"
)

// Level is how much of a code may be damaged and still be read.
type Level int

// The levels: about 7, 15, 25 and 30 percent.
const (
	L Level = iota
	M
	Q
	H
)

// Code is an encoded QR symbol. It is immutable.
type Code struct {
	Version int // 1 to 40
	Level   Level
	Mask    int // 0 to 7
	Size    int // modules on a side: 4·Version + 17, without the quiet zone

	rows   []uint64 // stride words a row, bit x&63 of word x>>6
	stride int
}

// Encoder encodes texts and keeps the plans of the versions it has met, about
// 30 kB each. It is safe for concurrent use; the zero value is ready.
type Encoder struct {
	plans [coding.MaxVersion + 1][H + 1]struct {
		once sync.Once
		plan *plan
		err  error
	}
}

// Encode encodes text in the smallest version that holds it at level, in the
// densest of the numeric, alphanumeric and byte modes that holds all of it.
// A text beyond version 40 is an error.
func (e *Encoder) Encode(text string, level Level) (*Code, error) {
	if level < L || level > H {
		return nil, fmt.Errorf("no QR error correction level %d", int(level))
	}
	enc := mode(text)
	for v := coding.Version(coding.MinVersion); v <= coding.MaxVersion; v++ {
		if enc.Bits(v) > v.DataBytes(coding.Level(level))*8 {
			continue
		}
		slot := &e.plans[v][level]
		slot.once.Do(func() { slot.plan, slot.err = newPlan(v, coding.Level(level)) })
		if slot.err != nil {
			return nil, slot.err
		}
		return slot.plan.encode(enc), nil
	}
	return nil, fmt.Errorf("a text of %d bytes is too long for a QR code", len(text))
}

// Encode is [Encoder.Encode] for one text.
func Encode(text string, level Level) (*Code, error) { return new(Encoder).Encode(text, level) }

// mode returns text in the densest mode that holds all of it.
func mode(text string) coding.Encoding {
	numeric, alpha := true, true
	for i := range len(text) {
		c := text[i]
		numeric = numeric && '0' <= c && c <= '9'
		alpha = alpha && alphanumeric(c)
	}
	switch {
	case numeric:
		return coding.Num(text)
	case alpha:
		return coding.Alpha(text)
	default:
		return coding.String(text)
	}
}

// alphanumeric reports whether the alphanumeric mode has c (table 5).
func alphanumeric(c byte) bool {
	switch c {
	case ' ', '$', '%', '*', '+', '-', '.', '/', ':':
		return true
	}
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z'
}

// Dark reports whether the module in column x and row y, counted from the top
// left without the quiet zone, is dark. Outside of the code nothing is.
func (c *Code) Dark(x, y int) bool {
	if x < 0 || y < 0 || x >= c.Size || y >= c.Size {
		return false
	}
	return c.rows[y*c.stride+x>>6]>>(x&63)&1 != 0
}

// Run is a row of adjacent dark modules, one module high.
type Run struct{ X, Y, Width int }

// Runs calls yield for every run of dark modules, from left to right and top to
// bottom, until it returns false.
func (c *Code) Runs(yield func(Run) bool) {
	for y := range c.Size {
		row := c.rows[y*c.stride : (y+1)*c.stride]
		for x := next(row, 0, true); x < c.Size; {
			end := min(next(row, x, false), c.Size)
			if !yield(Run{X: x, Y: y, Width: end - x}) {
				return
			}
			x = next(row, end, true)
		}
	}
}

// next returns the first column from x on that is dark (or light), or one past
// the last bit of row.
func next(row []uint64, x int, dark bool) int {
	for i := x >> 6; i < len(row); i++ {
		w := row[i]
		if !dark {
			w = ^w
		}
		if i == x>>6 {
			w = w >> (x & 63) << (x & 63)
		}
		if w != 0 {
			return i<<6 + bits.TrailingZeros64(w)
		}
	}
	return len(row) << 6
}
