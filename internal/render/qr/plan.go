package qr

import (
	"rsc.io/qr/coding"
)

// plan is all of a code that does not depend on its text. Every matrix is kept
// twice, by rows and by columns: the penalties of columns are then those of
// rows, and both are computed for 64 modules at a time.
type plan struct {
	version coding.Version
	level   coding.Level
	size    int
	stride  int         // words a row
	place   []coord     // where each bit of the message goes
	shapes  [2][]uint64 // finder, timing, alignment and version patterns
	masks   [8][2][]uint64
	full    []uint64 // one row with all its modules set
}

type coord struct{ x, y uint8 }

// The two orders in which a matrix is kept.
const (
	byRow = iota
	byColumn
)

func newPlan(v coding.Version, l coding.Level) (*plan, error) {
	// Of coding's plan only the roles and places are used: mask 0 is in its
	// Black bits for data, and left out here.
	src, err := coding.NewPlan(v, l, 0)
	if err != nil {
		return nil, err
	}
	p := &plan{version: v, level: l, size: len(src.Pixel)}
	p.stride = (p.size + 63) / 64
	p.place = make([]coord, (src.DataBytes+src.CheckBytes)*8)
	for o := range p.shapes {
		p.shapes[o] = make([]uint64, p.size*p.stride)
	}
	for m := range p.masks {
		for o := range p.masks[m] {
			p.masks[m][o] = make([]uint64, p.size*p.stride)
		}
	}
	p.full = make([]uint64, p.stride)
	for x := range p.size {
		p.full[x>>6] |= 1 << (x & 63)
	}
	for y, row := range src.Pixel {
		for x, pix := range row {
			switch pix.Role() {
			case coding.Data, coding.Check:
				p.place[pix.Offset()] = coord{uint8(x), uint8(y)}
				p.mask(x, y)
			case coding.Extra:
				p.mask(x, y)
			case coding.Format:
				for m := range p.masks {
					if format(l, m)>>pix.Offset()&1 != 0 {
						p.set(&p.masks[m], x, y)
					}
				}
			default:
				if pix&coding.Black != 0 {
					p.set(&p.shapes, x, y)
				}
			}
		}
	}
	return p, nil
}

// mask enters the data module at x, y in every mask that inverts it.
func (p *plan) mask(x, y int) {
	for m := range p.masks {
		if coding.Mask(m).Invert(y, x) {
			p.set(&p.masks[m], x, y)
		}
	}
}

func (p *plan) set(m *[2][]uint64, x, y int) {
	m[byRow][y*p.stride+x>>6] |= 1 << (x & 63)
	m[byColumn][x*p.stride+y>>6] |= 1 << (y & 63)
}

// format returns the 15 format bits (clause 7.9): level and mask, their BCH
// code, and the fixed inversion.
func format(l coding.Level, mask int) uint32 {
	data := uint32(l^1)<<3 | uint32(mask)
	rem := data << 10
	for i := 14; i >= 10; i-- {
		if rem>>i&1 != 0 {
			rem ^= 0x537 << (i - 10)
		}
	}
	return (data<<10 | rem) ^ 0x5412
}

// encode places the bits of enc and chooses the mask. The caller made sure that
// they fit.
func (p *plan) encode(enc coding.Encoding) *Code {
	var b coding.Bits
	enc.Encode(&b, p.version)
	b.AddCheckBytes(p.version, p.level)
	message := b.Bytes()

	n := p.size * p.stride
	buf := make([]uint64, 5*n)
	base := [2][]uint64{buf[:n], buf[n : 2*n]}
	trial := [2][]uint64{buf[2*n : 3*n], buf[3*n : 4*n]}
	best := buf[4*n : 5*n : 5*n]
	copy(base[byRow], p.shapes[byRow])
	copy(base[byColumn], p.shapes[byColumn])
	for i, at := range p.place {
		bit := uint64(message[i>>3] >> (7 - i&7) & 1)
		base[byRow][int(at.y)*p.stride+int(at.x>>6)] |= bit << (at.x & 63)
		base[byColumn][int(at.x)*p.stride+int(at.y>>6)] |= bit << (at.y & 63)
	}

	lowest, chosen := 0, -1
	for m := range p.masks {
		for o := range trial {
			for i, w := range base[o] {
				trial[o][i] = w ^ p.masks[m][o][i]
			}
		}
		if cost := p.penalty(trial); chosen < 0 || cost < lowest {
			lowest, chosen = cost, m
			copy(best, trial[byRow])
		}
	}
	rows := make([]uint64, n)
	copy(rows, best)
	return &Code{Version: int(p.version), Level: Level(p.level), Mask: chosen, Size: p.size, rows: rows, stride: p.stride}
}
