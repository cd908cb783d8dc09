package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// HashSize is the length of a [Hash] in bytes.
const HashSize = 16

// Hash stands for a certificate in a [Snapshot]: the first 16 bytes of the
// SHA-256 of its HCID. At least 96 random bits in the HCID keep it from being
// guessed back.
type Hash [HashSize]byte

// HashOf returns the hash of an HCID text; a UVCI's "#" and check character do
// not count.
func HashOf(hcid string) Hash {
	body, _, _ := strings.Cut(hcid, "#")
	return HashOfUVCI([]byte(body))
}

// HashOfUVCI is [HashOf] of a UVCI without "#" and check character.
func HashOfUVCI(body []byte) Hash {
	sum := sha256.Sum256(body)
	return Hash(sum[:HashSize])
}

// handleLength is how many characters of a [Handle] there are, 5 bits each.
const (
	handleLength = 12
	handleDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// Handle is a short name of a certificate, for forms that have no room for its
// HCID: the first 60 bits of its [Hash] in Crockford's base 32, so that the same
// snapshots tell its state.
func Handle(hcid string) string {
	h := HashOf(hcid)
	acc := binary.BigEndian.Uint64(h[:])
	out := make([]byte, handleLength)
	for i := range out {
		out[i] = handleDigits[acc>>59]
		acc <<= 5
	}
	return string(out)
}

// IsHandle reports whether s has the form of a [Handle].
func IsHandle(s string) bool {
	_, ok := parseHandle(s)
	return ok
}

// parseHandle returns the bits of a handle, left-aligned.
func parseHandle(s string) (bits uint64, ok bool) {
	if len(s) != handleLength {
		return 0, false
	}
	for i := range len(s) {
		v := strings.IndexByte(handleDigits, s[i])
		if v < 0 {
			return 0, false
		}
		bits = bits<<5 | uint64(v)
	}
	return bits << 4, true
}

// hasHandle reports whether a hash of the set begins with these 60 bits.
func (s Hashes) hasHandle(bits uint64) bool {
	i := sort.Search(s.Len(), func(i int) bool { return binary.BigEndian.Uint64(s.at(i)) >= bits })
	return i < s.Len() && binary.BigEndian.Uint64(s.at(i))&^15 == bits
}

// Hashes is a set of hashes: sorted, each once, one after the other.
type Hashes []byte

// NewHashes returns the set of hs.
func NewHashes(hs []Hash) Hashes {
	out := make(Hashes, 0, len(hs)*HashSize)
	for i := range hs {
		out = append(out, hs[i][:]...)
	}
	return out.Sorted()
}

// Sorted makes a set of hashes that were appended in any order, in the same
// memory: there may be millions.
func (s Hashes) Sorted() Hashes {
	s.sort(0)
	n := 0
	for i := range s.Len() {
		if n == 0 || !bytes.Equal(s.at(n-1), s.at(i)) {
			copy(s.at(n), s.at(i))
			n++
		}
	}
	return s[:n*HashSize]
}

// sort puts hashes that are the same up to byte d in order: by that byte first,
// each to its place by exchanges, then those of each value by the next byte.
func (s Hashes) sort(d int) {
	if s.Len() <= 32 || d == HashSize {
		for i := 1; i < s.Len(); i++ {
			h, j := s.At(i), i
			for ; j > 0 && bytes.Compare(s.at(j-1), h[:]) > 0; j-- {
				copy(s.at(j), s.at(j-1))
			}
			copy(s.at(j), h[:])
		}
		return
	}
	var next, end [256]int
	for i := d; i < len(s); i += HashSize {
		end[s[i]]++
	}
	for b, at := 0, 0; b < len(end); b++ {
		next[b], at = at, at+end[b]
		end[b] = at
	}
	begin := next
	for b := range next {
		for next[b] < end[b] {
			h := s.At(next[b])
			for int(h[d]) != b {
				to := &next[h[d]]
				other := s.At(*to)
				copy(s.at(*to), h[:])
				h, *to = other, *to+1
			}
			copy(s.at(next[b]), h[:])
			next[b]++
		}
	}
	for b := range begin {
		s[begin[b]*HashSize : end[b]*HashSize].sort(d + 1)
	}
}

// Len returns the number of hashes.
func (s Hashes) Len() int { return len(s) / HashSize }

// At returns the hash at i, counted from 0.
func (s Hashes) At(i int) Hash { return Hash(s.at(i)) }

func (s Hashes) at(i int) []byte { return s[i*HashSize : (i+1)*HashSize] }

// Has reports whether h is in the set.
func (s Hashes) Has(h Hash) bool {
	i := sort.Search(s.Len(), func(i int) bool { return bytes.Compare(s.at(i), h[:]) >= 0 })
	return i < s.Len() && bytes.Equal(s.at(i), h[:])
}

// check refuses what is not sorted, repeats a hash or ends within one.
func (s Hashes) check() error {
	if len(s)%HashSize != 0 {
		return errors.New("ends within a hash")
	}
	for i := 1; i < s.Len(); i++ {
		if bytes.Compare(s.at(i-1), s.at(i)) >= 0 {
			return errors.New("is not sorted")
		}
	}
	return nil
}

// Snapshot is what an issuer says of the state of its certificates at one
// moment. Every certificate that is in none of the sets was valid.
type Snapshot struct {
	Issuer     string    // the ID of an [Issuer]
	AsOf       time.Time // when it was true
	NextUpdate time.Time // when a newer one is to be had
	Superseded Hashes
	Suspended  Hashes
	Revoked    Hashes
}

// Status returns the state of the certificate hcid, or of the one that a [Handle]
// names; a final state goes before one that can be lifted.
func (s *Snapshot) Status(hcid string) vaccination.Status {
	h := HashOf(hcid)
	has := func(set Hashes) bool { return set.Has(h) }
	if bits, ok := parseHandle(hcid); ok {
		has = func(set Hashes) bool { return set.hasHandle(bits) }
	}
	switch {
	case has(s.Revoked):
		return vaccination.StatusRevoked
	case has(s.Superseded):
		return vaccination.StatusSuperseded
	case has(s.Suspended):
		return vaccination.StatusSuspended
	default:
		return vaccination.StatusValid
	}
}
