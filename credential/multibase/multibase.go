// Package multibase writes bytes as text in base58btc, the one base of multibase
// that keys and proofs of W3C Data Integrity use (Controlled Identifiers 1.0,
// section 2.4).
package multibase

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// A step of base58 takes five digits at once, or four bytes.
const (
	digitsAtOnce = 5
	base58Limb   = 58 * 58 * 58 * 58 * 58
)

// Encode returns data in base58btc behind its multibase letter z.
func Encode(data []byte) string {
	zeros := 0
	for zeros < len(data) && data[zeros] == 0 {
		zeros++
	}
	rest := data[zeros:]
	limbs := make([]uint64, 0, len(rest)/3+2) // least significant first
	for len(rest) > 0 {
		n := (len(rest)-1)%4 + 1
		var carry uint64
		for _, b := range rest[:n] {
			carry = carry<<8 | uint64(b)
		}
		rest = rest[n:]
		for i, limb := range limbs {
			carry += limb << (8 * n)
			limbs[i] = carry % base58Limb
			carry /= base58Limb
		}
		for ; carry > 0; carry /= base58Limb {
			limbs = append(limbs, carry%base58Limb)
		}
	}
	digits := make([]byte, 0, digitsAtOnce*len(limbs)) // least significant first
	for _, limb := range limbs {
		for range digitsAtOnce {
			digits = append(digits, byte(limb%58))
			limb /= 58
		}
	}
	for len(digits) > 0 && digits[len(digits)-1] == 0 {
		digits = digits[:len(digits)-1]
	}
	out := append(make([]byte, 0, 1+zeros+len(digits)), 'z')
	for range zeros {
		out = append(out, '1')
	}
	for _, d := range slices.Backward(digits) {
		out = append(out, base58Alphabet[d])
	}
	return string(out)
}

// Decode undoes [Encode], for texts of up to 160 characters: a key or a signature.
// ok is false for any other text.
func Decode(text string) (data []byte, ok bool) {
	text, ok = strings.CutPrefix(text, "z")
	if !ok || len(text) > 160 {
		return nil, false
	}
	zeros := 0
	for zeros < len(text) && text[zeros] == '1' {
		zeros++
	}
	rest := text[zeros:]
	limbs := make([]uint32, 0, len(rest)/5+1) // least significant first
	for len(rest) > 0 {
		n := (len(rest)-1)%digitsAtOnce + 1
		carry, unit := uint64(0), uint64(1)
		for i := range n {
			d := strings.IndexByte(base58Alphabet, rest[i])
			if d < 0 {
				return nil, false
			}
			carry, unit = carry*58+uint64(d), unit*58
		}
		rest = rest[n:]
		for i, limb := range limbs {
			carry += uint64(limb) * unit
			limbs[i] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			limbs = append(limbs, uint32(carry))
		}
	}
	out := make([]byte, zeros, zeros+4*len(limbs))
	for _, limb := range slices.Backward(limbs) {
		out = binary.BigEndian.AppendUint32(out, limb)
	}
	// The first limb may not fill its four bytes.
	value := bytes.TrimLeft(out[zeros:], "\x00")
	return append(out[:zeros], value...), true
}
