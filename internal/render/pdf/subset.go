package pdf

import (
	"encoding/binary"
	"slices"
)

// use is what a document uses of a font: its glyphs, renumbered in the order of
// their first use (0 stays .notdef), and the text each stands for.
type use struct {
	font  *Font
	ids   []uint16 // new number + 1 by old number
	order []uint16 // old number by new number
	text  []string // by new number; "" when not known
}

func newUse(f *Font) *use {
	u := &use{font: f, ids: make([]uint16, len(f.advances))}
	u.glyph(0)
	return u
}

// glyph returns the number of the font's glyph id in the document.
func (u *use) glyph(id uint16) uint16 {
	if int(id) >= len(u.ids) {
		id = 0
	}
	if u.ids[id] == 0 {
		u.order = append(u.order, id)
		u.text = append(u.text, "")
		u.ids[id] = uint16(len(u.order))
	}
	return u.ids[id] - 1
}

// Flags of a composite glyph's components (OpenType specification, glyf).
const (
	argsAreWords     = 1 << 0
	haveScale        = 1 << 3
	moreComponents   = 1 << 5
	haveXYScale      = 1 << 6
	have2x2          = 1 << 7
	haveInstructions = 1 << 8
)

// file returns the subset as a TrueType file: outlines and widths of the glyphs
// used and of their components, without hints, names or character map.
func (u *use) file(buf []byte) []byte {
	f := u.font
	size := 0
	for _, id := range u.order {
		size += int(f.offsets[id+1]-f.offsets[id]) + 3
	}
	glyf := make([]byte, 0, size+1024)
	loca := make([]byte, 0, 4*len(u.order)+64)
	// u.order grows while components are met.
	for i := 0; i < len(u.order); i++ {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = u.outline(glyf, f.glyf[f.offsets[u.order[i]]:f.offsets[u.order[i]+1]])
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
	hmtx := make([]byte, 0, 4*len(u.order))
	for _, id := range u.order {
		hmtx = binary.BigEndian.AppendUint16(hmtx, f.advances[id])
		hmtx = binary.BigEndian.AppendUint16(hmtx, uint16(f.bearings[id]))
	}
	head, hhea, maxp := slices.Clone(f.head[:54]), slices.Clone(f.hhea[:36]), slices.Clone(f.maxp[:32])
	binary.BigEndian.PutUint32(head[8:], 0)  // checkSumAdjustment: nobody asks
	binary.BigEndian.PutUint16(head[50:], 1) // long offsets
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(u.order)))
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(u.order)))
	clear(maxp[14:28]) // zones, storage, functions, stack, instructions
	binary.BigEndian.PutUint16(maxp[14:], 1)
	return assemble(buf, []table{{"glyf", glyf}, {"head", head}, {"hhea", hhea}, {"hmtx", hmtx}, {"loca", loca}, {"maxp", maxp}})
}

// outline appends one glyph without its instructions, components renumbered.
// What does not parse is left empty: a blank is better than a broken font.
func (u *use) outline(dst, g []byte) []byte {
	if len(g) < 10 {
		return dst
	}
	contours := int(int16(binary.BigEndian.Uint16(g)))
	if contours >= 0 {
		at := 10 + 2*contours
		if at+2 > len(g) {
			return dst
		}
		n := int(binary.BigEndian.Uint16(g[at:]))
		if at+2+n > len(g) {
			return dst
		}
		dst = append(dst, g[:at]...)
		dst = append(dst, 0, 0)
		return append(dst, g[at+2+n:]...)
	}
	from := len(dst)
	dst = append(dst, g[:10]...)
	for at := 10; ; {
		if at+4 > len(g) {
			return dst[:from]
		}
		flags := binary.BigEndian.Uint16(g[at:])
		size := 4 + 2
		if flags&argsAreWords != 0 {
			size += 2
		}
		switch {
		case flags&haveScale != 0:
			size += 2
		case flags&haveXYScale != 0:
			size += 4
		case flags&have2x2 != 0:
			size += 8
		}
		if at+size > len(g) {
			return dst[:from]
		}
		dst = binary.BigEndian.AppendUint16(dst, flags&^haveInstructions)
		dst = binary.BigEndian.AppendUint16(dst, u.glyph(binary.BigEndian.Uint16(g[at+2:])))
		dst = append(dst, g[at+4:at+size]...)
		at += size
		if flags&moreComponents == 0 {
			return dst
		}
	}
}

type table struct {
	tag  string
	data []byte
}

// assemble appends a font file of the given tables, which are sorted by tag.
func assemble(dst []byte, tables []table) []byte {
	base := len(dst)
	power, bits := 1, 0
	for power*2 <= len(tables) {
		power, bits = power*2, bits+1
	}
	dst = append(dst, 0, 1, 0, 0)
	for _, v := range []int{len(tables), power * 16, bits, (len(tables) - power) * 16} {
		dst = binary.BigEndian.AppendUint16(dst, uint16(v))
	}
	at := 12 + 16*len(tables)
	for _, t := range tables {
		dst = append(dst, t.tag...)
		dst = binary.BigEndian.AppendUint32(dst, checksum(t.data))
		dst = binary.BigEndian.AppendUint32(dst, uint32(at))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(t.data)))
		at += (len(t.data) + 3) &^ 3
	}
	for _, t := range tables {
		dst = append(dst, t.data...)
		for (len(dst)-base)%4 != 0 {
			dst = append(dst, 0)
		}
	}
	return dst
}

func checksum(b []byte) uint32 {
	var sum uint32
	for len(b) >= 4 {
		sum += binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	var last [4]byte
	copy(last[:], b)
	return sum + binary.BigEndian.Uint32(last[:])
}
