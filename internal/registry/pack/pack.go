// Package pack stores what belongs to one certificate together in few bytes:
// the record, the text of its credential and the bytes of its code, compressed
// in one with a preset dictionary, so that each comes back byte for byte.
//
// The dictionary knows the words of the three forms and the catalogue; of an
// issuer or a person it knows nothing. It is part of the stored format: a better
// one gets a new number beside the old one, which stays.
package pack

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The bounds of what is packed.
const (
	maxParts = 16
	maxSize  = 1 << 20 // of all parts together
)

// versionOne is the first byte of what [Pack] returns: dictionary 1, and a
// Zstandard frame (RFC 8878) without its magic number.
const versionOne = 1

var magic = [4]byte{0x28, 0xb5, 0x2f, 0xfd}

// ErrMalformed means that bytes are not what [Pack] returned, or damaged.
var ErrMalformed = errors.New("not a packed certificate")

//go:embed dictionary-1.zstd
var dictionaryOne []byte

// codec holds the two directions, which are dear to make and safe to share. The
// level of the encoder is no part of the format: the fastest takes a sixth of the
// time of a better one and gives an eighth more bytes.
var codec = sync.OnceValue(func() (c struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}) {
	var err error
	c.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderDict(dictionaryOne), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the dictionary is a constant
	}
	c.decoder, err = zstd.NewReader(nil, zstd.WithDecoderDicts(dictionaryOne), zstd.WithDecoderMaxMemory(maxSize+1024), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err)
	}
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
	plain := make([]byte, 0, size+4*len(parts)+1)
	plain = append(plain, byte(len(parts)))
	for _, p := range parts {
		plain = binary.AppendUvarint(plain, uint64(len(p)))
	}
	for _, p := range parts {
		plain = append(plain, p...)
	}
	// The frame goes where its magic number ends at the version byte.
	out := codec().encoder.EncodeAll(plain, make([]byte, 0, size/4+64))
	out = out[len(magic)-1:]
	out[0] = versionOne
	return out, nil
}

// Unpack returns the parts that [Pack] was given. The error is [ErrMalformed].
func Unpack(packed []byte) ([][]byte, error) {
	if len(packed) < 2 || packed[0] != versionOne {
		return nil, ErrMalformed
	}
	frame := append(magic[:], packed[1:]...)
	plain, err := codec().decoder.DecodeAll(frame, nil)
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
