// Package cose reads and writes CBOR messages with one signer (COSE_Sign1, RFC 9052
// section 4.2) and the claims that CWTs have in them (RFC 8392): strictly, and
// bounded. Whose key counts and what stands in a message are not its business.
package cose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Errors of reading. Each error of this package wraps one of them, and none repeats
// a value of a message.
var (
	ErrMalformed = errors.New("malformed CBOR message")
	ErrTooLarge  = errors.New("CBOR message too large")
)

// Algorithms (RFC 9053, RFC 8812, RFC 9864) and header labels (RFC 9052 section 3.1,
// RFC 9596).
const (
	ES256   = -7
	EdDSA   = -8
	Ed25519 = -19
	PS256   = -37

	HeaderAlg  = 1
	HeaderCrit = 2
	HeaderKid  = 4
	HeaderType = 16
)

const (
	tagSign1 = 18
	tagCWT   = 61
)

var (
	// decoding is strict: nothing that could be read in two ways. Lengths may be
	// indefinite, as several countries write them: the specification asks for no
	// one encoding, and what is signed are the bytes.
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthAllowed,
		UTF8:              cbor.UTF8RejectInvalid,
		IntDec:            cbor.IntDecConvertSignedOrFail,
		TimeTagToAny:      cbor.TimeTagToRFC3339,
		BignumTag:         cbor.BignumTagForbidden,
		MaxNestedLevels:   12,
		MaxArrayElements:  256,
		MaxMapPairs:       256,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode())
	encoding struct { // made when it is needed: a browser only reads, and loads none of it
		once sync.Once
		mode cbor.EncMode
	}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// Marshal returns v in CBOR, in its one form (RFC 8949 section 4.2.1).
func Marshal(v any) ([]byte, error) {
	encoding.once.Do(func() { encoding.mode = must(cbor.CoreDetEncOptions().EncMode()) })
	return encoding.mode.Marshal(v)
}

// Unmarshal reads CBOR into v. what names it in errors.
func Unmarshal(what string, data []byte, v any) error {
	err := decoding.Unmarshal(data, v)
	switch {
	case err == nil:
		return nil
	case is[*cbor.MaxNestedLevelError](err), is[*cbor.MaxArrayElementsError](err), is[*cbor.MaxMapPairsError](err):
		return fmt.Errorf("%w: %s nested too deep or too long", ErrTooLarge, what)
	case is[*cbor.DupMapKeyError](err):
		return fmt.Errorf("%w: %s names a key twice", ErrMalformed, what)
	}
	return fmt.Errorf("%w: %s", ErrMalformed, what) // its own text can hold values
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// Message is a COSE_Sign1 as read. Nothing in it is to be believed before its
// signature was verified.
type Message struct {
	Header      map[any]any // the protected one
	Unprotected map[any]any
	Payload     []byte
	Signature   []byte

	protected []byte
}

// Parse reads a COSE_Sign1, bare, tagged 18, or that as a CWT tagged 61. A header
// that is critical is refused: none is known here.
func Parse(data []byte) (*Message, error) {
	if rest, tag := cutTag(data); tag == tagCWT {
		if _, inner := cutTag(rest); inner == tagSign1 { // RFC 8392 section 6
			data = rest
		}
	}
	if rest, tag := cutTag(data); tag == tagSign1 {
		data = rest
	}
	if len(data) == 0 || data[0]>>5 != 4 {
		return nil, fmt.Errorf("%w: no COSE_Sign1", ErrMalformed)
	}
	var s struct {
		_           struct{} `cbor:",toarray"`
		Protected   []byte
		Unprotected map[any]any
		Payload     []byte
		Signature   []byte
	}
	if err := Unmarshal("COSE", data, &s); err != nil {
		return nil, err
	}
	if s.Protected == nil || s.Payload == nil || s.Signature == nil || s.Unprotected == nil {
		return nil, fmt.Errorf("%w: incomplete COSE_Sign1", ErrMalformed)
	}
	m := &Message{Unprotected: s.Unprotected, Payload: s.Payload, Signature: s.Signature, protected: s.Protected}
	if len(s.Protected) > 0 { // an empty header is an empty string, RFC 9052 section 3
		if err := Unmarshal("protected header", s.Protected, &m.Header); err != nil {
			return nil, err
		}
	}
	if _, ok := m.Header[int64(HeaderCrit)]; ok {
		return nil, fmt.Errorf("%w: critical header that is not known", ErrMalformed)
	}
	return m, nil
}

// Signed is what the signature of m is over.
func (m *Message) Signed() []byte { return SigStructure(m.protected, m.Payload) }

// Algorithm returns the signature's; ok is false where none is named. One that is
// not protected counts only where there is no protected one. It cannot mislead where
// a key is good for one algorithm alone.
func (m *Message) Algorithm() (alg int, ok bool) {
	v, ok := m.Header[int64(HeaderAlg)]
	if !ok {
		v = m.Unprotected[int64(HeaderAlg)]
	}
	n, ok := v.(int64)
	return int(n), ok
}

// KeyID returns by what to look the key up: the protected key id where there is one,
// else the other, nil for none. It has 1 to limit bytes.
func (m *Message) KeyID(limit int) ([]byte, error) {
	for _, h := range []map[any]any{m.Header, m.Unprotected} {
		kid, ok := h[int64(HeaderKid)]
		if !ok {
			continue
		}
		b, ok := kid.([]byte)
		if !ok || len(b) == 0 || len(b) > limit {
			return nil, fmt.Errorf("%w: key id", ErrMalformed)
		}
		return b, nil
	}
	return nil, nil
}

// Sign returns the tagged COSE_Sign1 of payload under a protected header alone. sign
// is given the whole Sig_structure.
func Sign(header map[int]any, payload []byte, sign func([]byte) ([]byte, error)) ([]byte, error) {
	protected, err := Marshal(header)
	if err != nil {
		return nil, err
	}
	signature, err := sign(SigStructure(protected, payload))
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(protected)+len(payload)+len(signature)+16)
	out = append(out, 0xd2, 0x84) // tag 18, array of 4
	out = appendBytes(out, protected)
	out = append(out, 0xa0) // no unprotected headers
	out = appendBytes(out, payload)
	return appendBytes(out, signature), nil
}

// SigStructure returns what a COSE_Sign1 signature is over (RFC 9052 section 4.4),
// with no external data.
func SigStructure(protected, payload []byte) []byte {
	out := make([]byte, 0, len(protected)+len(payload)+24)
	out = append(out, 0x84, 0x6a)
	out = append(out, "Signature1"...)
	out = appendBytes(out, protected)
	out = append(out, 0x40)
	return appendBytes(out, payload)
}

// appendBytes appends b as a CBOR byte string.
func appendBytes(dst, b []byte) []byte {
	switch n := len(b); {
	case n < 24:
		dst = append(dst, 0x40|byte(n))
	case n < 1<<8:
		dst = append(dst, 0x58, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x59), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0x5a), uint32(n))
	}
	return append(dst, b...)
}

// cutTag returns data after the tag it begins with, of whichever length the
// number is written in; tag is -1 where there is none.
func cutTag(data []byte) (rest []byte, tag int) {
	if len(data) == 0 || data[0]>>5 != 6 {
		return data, -1
	}
	switch n := data[0] & 31; {
	case n < 24:
		return data[1:], int(n)
	case n == 24 && len(data) > 1:
		return data[2:], int(data[1])
	case n == 25 && len(data) > 2:
		return data[3:], int(binary.BigEndian.Uint16(data[1:]))
	}
	return data, -1
}

// NumericDate reads a NumericDate (RFC 8392 section 2): seconds as an integer or, in
// the field, a float, which is read to the microsecond. It is after 1970 and before
// the year 10000.
func NumericDate(v any) (time.Time, bool) {
	const year9999 = 253402300799
	var s float64
	switch n := v.(type) {
	case int64:
		s = float64(n)
	case float64:
		s = n
	}
	if !(s > 0 && s <= year9999) { // nor no number
		return time.Time{}, false
	}
	return time.UnixMicro(int64(math.Round(s * 1e6))).UTC(), true
}
