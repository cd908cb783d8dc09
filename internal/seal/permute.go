package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// StatusListSize is the number of entries of a status list.
const StatusListSize = 1 << statusBits

const (
	statusBits = 17
	leftBits   = 8
	rightBits  = statusBits - leftBits
	// Small domains need many rounds (NIST SP 800-38G has 10); a round costs
	// some 20 ns, so there is no reason to be sparing.
	statusRounds = 16
)

// permutation is a keyed bijection of 0..StatusListSize-1 for each list: an
// alternating Feistel network over 8 and 9 bits with AES-256 as its round
// function. Any round function gives a bijection, because a round only adds to
// one half what the other half determines.
type permutation struct{ block cipher.Block }

func newPermutation(key []byte) (permutation, error) {
	block, err := aes.NewCipher(key)
	return permutation{block}, err
}

func (p permutation) at(list, position uint32) uint32 {
	left, right := position>>rightBits, position&(1<<rightBits-1)
	var in, out [aes.BlockSize]byte
	binary.BigEndian.PutUint32(in[:], list)
	for round := range uint32(statusRounds) {
		binary.BigEndian.PutUint32(in[4:], round)
		if round%2 == 0 {
			binary.BigEndian.PutUint32(in[8:], right)
			p.block.Encrypt(out[:], in[:])
			left ^= binary.BigEndian.Uint32(out[:]) & (1<<leftBits - 1)
		} else {
			binary.BigEndian.PutUint32(in[8:], left)
			p.block.Encrypt(out[:], in[:])
			right ^= binary.BigEndian.Uint32(out[:]) & (1<<rightBits - 1)
		}
	}
	return left<<rightBits | right
}

// StatusIndex maps the position of a certificate in a status list, counted in
// the order of issue, to its index in the list: 0..131071, each once. Without
// the key an index tells nothing of the order or the number of certificates
// (Bitstring Status List 1.0, section 6.2). A position that is too large panics:
// the next list should have been begun.
func (b *Box) StatusIndex(list, position uint32) uint32 {
	if position >= StatusListSize {
		panic("seal: position outside a status list")
	}
	return b.status.at(list, position)
}
