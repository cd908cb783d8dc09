package qr

import "math/bits"

// The weights of clause 7.8.3.1.
const (
	weightRun    = 3  // five modules of one colour in a line; one more for each further
	weightBlock  = 3  // every 2×2 square of one colour
	weightFinder = 40 // dark-light-3 dark-light-dark with four light modules beside it
	weightShare  = 10 // every 5 % that the share of dark modules is away from 50 %
)

// penalty is how bad m is to read. The quiet zone counts as light modules for
// the finder look-alikes.
func (p *plan) penalty(m [2][]uint64) int {
	return p.lines(m[byRow]) + p.lines(m[byColumn]) + p.blocks(m[byRow]) + p.share(m[byRow])
}

// lines is the penalty for runs and finder look-alikes along the direction that
// crosses the rows of m, 64 lines at a time.
func (p *plan) lines(m []uint64) int {
	runs, extra, finders := 0, 0, 0
	for w := range p.stride {
		full := p.full[w]
		// window holds rows y-10 … y; same holds whether rows y-k and y-k-1 are
		// equal; before holds where a run of five ended one row earlier.
		var r [11]uint64
		var before uint64
		var e1, e2, e3 uint64
		// Beyond the last row four light ones follow, for the look-alikes.
		for y := range p.size + 4 {
			copy(r[:10], r[1:])
			r[10] = 0
			if y < p.size {
				r[10] = m[y*p.stride+w]
				if y > 0 {
					e0 := ^(r[10] ^ r[9]) & full
					five := e0 & e1 & e2 & e3
					extra += bits.OnesCount64(five)
					runs += bits.OnesCount64(five &^ before)
					before, e1, e2, e3 = five, e0, e1, e2
				}
			}
			// r[4:11] may be the finder with r[0:4] light before it, and r[0:7]
			// the finder with r[7:11] light behind it. Rows above the first are 0.
			if y < p.size && y >= 6 {
				finders += bits.OnesCount64(finder(r[4:]) &^ (r[0] | r[1] | r[2] | r[3]))
			}
			if y >= 10 {
				finders += bits.OnesCount64(finder(r[:]) &^ (r[7] | r[8] | r[9] | r[10]))
			}
		}
	}
	// A run of n ≥ 5 has n-4 fives: 3 + (n-5) = (n-4) + 2.
	return extra + (weightRun-1)*runs + weightFinder*finders
}

// finder returns where the first seven rows of r are 1011101.
func finder(r []uint64) uint64 {
	_ = r[6]
	return r[0] & r[2] & r[3] & r[4] & r[6] &^ (r[1] | r[5])
}

// blocks is the penalty for squares of one colour.
func (p *plan) blocks(m []uint64) int {
	n := 0
	for y := 0; y+1 < p.size; y++ {
		a, b := m[y*p.stride:(y+1)*p.stride], m[(y+1)*p.stride:(y+2)*p.stride]
		for w := range a {
			// differs: module x is not like x+1; the last column has no x+1.
			da, db, full := a[w]^a[w]>>1, b[w]^b[w]>>1, p.full[w]>>1
			if w+1 < len(a) {
				da ^= a[w+1] << 63
				db ^= b[w+1] << 63
				full |= p.full[w+1] << 63
			}
			n += bits.OnesCount64(full &^ (da | db | (a[w] ^ b[w])))
		}
	}
	return weightBlock * n
}

// share is the penalty for too many or too few dark modules.
func (p *plan) share(m []uint64) int {
	dark := 0
	for _, w := range m {
		dark += bits.OnesCount64(w)
	}
	all := p.size * p.size
	return weightShare * (abs(2*dark-all) * 10 / all)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
