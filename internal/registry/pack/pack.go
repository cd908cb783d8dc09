// Package pack stores what belongs to one certificate together in few bytes:
// the record, the text of its credential and the bytes of its code, compressed
// in one with a preset dictionary, so that each comes back byte for byte.
//
// A dictionary knows the words of the three forms and the catalogue; of an issuer
// or a person it knows nothing. It is part of the stored format: a better one
// gets a new number beside the old one, which stays.
package pack

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The bounds of what is packed.
const (
	maxParts = 16
	maxSize  = 1 << 20 // of all parts together

	usualSize = 6 << 10 // more than nearly every certificate has
)

// The first byte of what [Pack] returned says how it was made.
const (
	// versionOne is dictionary 1, and a Zstandard frame (RFC 8878) without its
	// magic number. It is read, and no longer written: as many bytes as the other
	// in three times the time.
	versionOne = 1
	// versionTwo is dictionary 2, and an S2 block: Snappy's format with repeated
	// offsets, which may copy from the dictionary. It has no table to be set up
	// anew for each certificate.
	versionTwo = 2
)

var magic = [4]byte{0x28, 0xb5, 0x2f, 0xfd}

// ErrMalformed means that bytes are not what [Pack] returned, or damaged.
var ErrMalformed = errors.New("not a packed certificate")

//go:embed dictionary-1.zstd
var dictionaryOne []byte

//go:embed dictionary-2
var dictionaryTwo []byte

// codec holds what reads and writes, which is dear to make and safe to share.
var codec = sync.OnceValue(func() (c struct {
	one *zstd.Decoder
	two *s2.Dict
}) {
	var err error
	c.one, err = zstd.NewReader(nil, zstd.WithDecoderDicts(dictionaryOne), zstd.WithDecoderMaxMemory(maxSize+1024), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err) // the dictionary is a constant
	}
	c.two = s2.MakeDictManual(dictionaryTwo, 0)
	return c
})

// Pack returns parts compressed together. There are at most 16, of 1 MiB in
// all; more is an error. Damage is not detected here: whoever stores the result
// seals it.
func Pack(parts ...[]byte) ([]byte, error) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if len(parts) > maxParts || size > maxSize {
		return nil, errors.New("too much for one certificate")
	}
	var room [2][usualSize]byte // on the stack, as most are small
	plain := room[0][:0]
	plain = append(plain, byte(len(parts)))
	for _, p := range parts {
		plain = binary.AppendUvarint(plain, uint64(len(p)))
	}
	for _, p := range parts {
		plain = append(plain, p...)
	}
	block := codec().two.Encode(room[1][:0], plain)
	return append(append(make([]byte, 0, 1+len(block)), versionTwo), block...), nil
}

// Unpack returns the parts that [Pack] was given. The error is [ErrMalformed].
func Unpack(packed []byte) ([][]byte, error) {
	plain, err := inflate(packed)
	if err != nil || len(plain) == 0 || plain[0] > maxParts {
		return nil, ErrMalformed
	}
	lengths := make([]uint64, plain[0])
	total := uint64(0)
	plain = plain[1:]
	for i := range lengths {
		n, width := binary.Uvarint(plain)
		if width <= 0 || n > maxSize {
			return nil, ErrMalformed
		}
		lengths[i], plain, total = n, plain[width:], total+n
	}
	if total != uint64(len(plain)) {
		return nil, ErrMalformed
	}
	parts := make([][]byte, len(lengths))
	for i, n := range lengths {
		parts[i], plain = plain[:n:n], plain[n:]
	}
	return parts, nil
}

func inflate(packed []byte) ([]byte, error) {
	if len(packed) < 2 {
		return nil, ErrMalformed
	}
	switch version, rest := packed[0], packed[1:]; version {
	case versionOne:
		return codec().one.DecodeAll(append(magic[:], rest...), nil)
	case versionTwo:
		if n, err := s2.DecodedLen(rest); err != nil || n > maxSize+1024 {
			return nil, ErrMalformed
		}
		return codec().two.Decode(nil, rest)
	}
	return nil, ErrMalformed
}
