package pdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Font is a TrueType font ready to be cut down to what a document uses. It is
// immutable.
type Font struct {
	name                         string
	head, hhea, maxp             []byte
	glyf                         []byte
	offsets                      []uint32 // of each glyph in glyf, and its end
	advances                     []uint16 // font units
	bearings                     []int16
	upem                         int
	box                          [4]int // thousandths of an em
	ascent, descent, cap, weight int
}

var errFont = errors.New("not a TrueType font with outlines of its own")

// NewFont reads the tables of a TrueType font that a PDF needs (OpenType
// specification 1.9). The font must have static glyf outlines.
func NewFont(name string, data []byte) (*Font, error) {
	f := &Font{name: name}
	tables, err := directory(data)
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", name, err)
	}
	f.head, f.hhea, f.maxp, f.glyf = tables["head"], tables["hhea"], tables["maxp"], tables["glyf"]
	loca, hmtx := tables["loca"], tables["hmtx"]
	if len(f.head) < 54 || len(f.hhea) < 36 || len(f.maxp) < 32 || len(f.glyf) == 0 {
		return nil, fmt.Errorf("font %s: %w", name, errFont)
	}
	n := int(binary.BigEndian.Uint16(f.maxp[4:]))
	metrics := int(binary.BigEndian.Uint16(f.hhea[34:]))
	long := binary.BigEndian.Uint16(f.head[50:]) != 0
	f.upem = int(binary.BigEndian.Uint16(f.head[18:]))
	if f.upem == 0 || metrics == 0 || metrics > n || len(hmtx) < 4*metrics+2*(n-metrics) || len(loca) < (n+1)*map[bool]int{true: 4, false: 2}[long] {
		return nil, fmt.Errorf("font %s: %w", name, errFont)
	}
	for i := range n + 1 {
		var at uint32
		if long {
			at = binary.BigEndian.Uint32(loca[4*i:])
		} else {
			at = 2 * uint32(binary.BigEndian.Uint16(loca[2*i:]))
		}
		if int(at) > len(f.glyf) || i > 0 && at < f.offsets[i-1] {
			return nil, fmt.Errorf("font %s: %w", name, errFont)
		}
		f.offsets = append(f.offsets, at)
	}
	for i := range n {
		m := min(i, metrics-1)
		f.advances = append(f.advances, binary.BigEndian.Uint16(hmtx[4*m:]))
		if i < metrics {
			f.bearings = append(f.bearings, int16(binary.BigEndian.Uint16(hmtx[4*i+2:])))
		} else {
			f.bearings = append(f.bearings, int16(binary.BigEndian.Uint16(hmtx[4*metrics+2*(i-metrics):])))
		}
	}
	for i := range f.box {
		f.box[i] = f.em(int16(binary.BigEndian.Uint16(f.head[36+2*i:])))
	}
	f.ascent = f.em(int16(binary.BigEndian.Uint16(f.hhea[4:])))
	f.descent = f.em(int16(binary.BigEndian.Uint16(f.hhea[6:])))
	f.cap, f.weight = f.ascent*7/10, 400
	if os2 := tables["OS/2"]; len(os2) >= 90 {
		f.weight = int(binary.BigEndian.Uint16(os2[4:]))
		if h := f.em(int16(binary.BigEndian.Uint16(os2[88:]))); h > 0 {
			f.cap = h
		}
	}
	return f, nil
}

// em turns font units into thousandths of an em.
func (f *Font) em(units int16) int { return int(units) * 1000 / f.upem }

// advance is the width of a glyph in thousandths of an em.
func (f *Font) advance(id uint16) float32 {
	if int(id) >= len(f.advances) {
		return 0
	}
	return float32(f.advances[id]) * 1000 / float32(f.upem)
}

func directory(data []byte) (map[string][]byte, error) {
	if len(data) < 12 || !slices.Contains([]string{"\x00\x01\x00\x00", "true"}, string(data[:4])) {
		return nil, errFont
	}
	tables := make(map[string][]byte)
	for i := range int(binary.BigEndian.Uint16(data[4:])) {
		at := 12 + 16*i
		if at+16 > len(data) {
			return nil, errFont
		}
		off, n := uint64(binary.BigEndian.Uint32(data[at+8:])), uint64(binary.BigEndian.Uint32(data[at+12:]))
		if off+n > uint64(len(data)) {
			return nil, errFont
		}
		tables[string(data[at:at+4])] = data[off : off+n]
	}
	return tables, nil
}
