// Package tokenstatus is the Token Status List of the IETF's OAuth working group
// (draft-ietf-oauth-status-list-20) in both its forms, as a JWT and as a CWT: one
// number for each position, packed, compressed and signed.
//
// It is a pure codec. Whose key counts is not its business.
package tokenstatus

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
)

// MediaType is that of a list as a JWT (section 8.2).
const MediaType = "application/statuslist+jwt"

const (
	tokenType = "statuslist+jwt"
	maxText   = 2 << 20 // bytes of a token
	maxList   = 1 << 20 // bytes of a list, inflated
)

// Errors of reading. Each error of this package wraps one of them.
var (
	ErrMalformed = errors.New("malformed token status list")
	ErrTooLarge  = errors.New("token status list too large")
	ErrAlgorithm = errors.New("signature algorithm not allowed")
	ErrSignature = errors.New("signature does not match")
	ErrOther     = errors.New("the token status list is another one")
	ErrRange     = errors.New("the position lies outside of the token status list")
	ErrExpired   = errors.New("the token status list has expired")
)

// Value is the state of one position (section 7.1).
type Value byte

// The values that we write. Others are application specific.
const (
	Valid     Value = 0
	Invalid   Value = 1 // for ever
	Suspended Value = 2
)

// List is the values of a list. The zero List has no position.
type List struct {
	bits uint32 // of a value: 1, 2, 4 or 8
	data []byte
}

// New returns a list of n positions, all Valid, with room for Suspended.
func New(n int) *List { return &List{bits: 2, data: make([]byte, (n+3)/4)} }

// Len returns the number of positions.
func (l *List) Len() int {
	if l.bits == 0 {
		return 0
	}
	return len(l.data) * 8 / int(l.bits)
}

// Set sets the value at index, which is below Len and fits into the list's bits.
func (l *List) Set(index uint32, v Value) {
	at, shift := l.place(index)
	l.data[at] = l.data[at]&^(l.mask()<<shift) | (byte(v)&l.mask())<<shift
}

// Get returns the value at index; ok is false outside of the list.
func (l *List) Get(index uint32) (v Value, ok bool) {
	if uint64(index) >= uint64(l.Len()) {
		return 0, false
	}
	at, shift := l.place(index)
	return Value(l.data[at] >> shift & l.mask()), true
}

func (l *List) mask() byte { return byte(1<<l.bits - 1) }

// place is the byte of an index and how far its value stands from the least
// significant bit (section 4.1): the reverse of a Bitstring Status List.
func (l *List) place(index uint32) (at, shift uint32) {
	bit := uint64(index) * uint64(l.bits)
	return uint32(bit / 8), uint32(bit % 8)
}

// Info says what a list is about.
type Info struct {
	URL       string // where it is published: sub
	Issuer    string // its DID: iss
	IssuedAt  time.Time
	ExpiresAt time.Time     // zero for none
	TTL       time.Duration // how long it may be kept before it is fetched anew, in whole seconds; 0 for none
}

// Signer signs with Ed25519.
type Signer interface {
	ID() string                          // the verification method
	Sign(message []byte) ([]byte, error) // 64 bytes
}

// pack returns the values of l, compressed.
func (l *List) pack() ([]byte, error) {
	var packed bytes.Buffer
	z, err := zlib.NewWriterLevel(&packed, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(l.data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// Issue returns the signed list as a JWT (section 5.1).
func Issue(info Info, l *List, s Signer) ([]byte, error) {
	packed, err := l.pack()
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	header := append(jcs.AppendString([]byte(`{"alg":"EdDSA","kid":`), s.ID()), `,"typ":"`+tokenType+`"}`...)
	b := []byte(`{`)
	if !info.ExpiresAt.IsZero() {
		b = append(strconv.AppendInt(append(b, `"exp":`...), info.ExpiresAt.Unix(), 10), ',')
	}
	b = strconv.AppendInt(append(b, `"iat":`...), info.IssuedAt.Unix(), 10)
	b = jcs.AppendString(append(b, `,"iss":`...), info.Issuer)
	b = strconv.AppendUint(append(b, `,"status_list":{"bits":`...), uint64(l.bits), 10)
	b = append(append(append(b, `,"lst":"`...), encode(packed)...), `"},"sub":`...)
	b = jcs.AppendString(b, info.URL)
	if info.TTL > 0 {
		b = strconv.AppendInt(append(b, `,"ttl":`...), int64(info.TTL/time.Second), 10)
	}
	input := encode(header) + "." + encode(append(b, '}'))
	signature, err := s.Sign([]byte(input))
	if err != nil {
		return nil, err
	}
	return []byte(input + "." + encode(signature)), nil
}

// Token is a signed list as read. Nothing in it is to be believed before Verify
// has succeeded.
type Token struct {
	Info
	Algorithm string // "EdDSA", "Ed25519" or "ES256"
	KeyID     string

	list              *List
	signed, signature []byte
}

// Parse reads a list as a JWT, of any size of value, of at most a megabyte. The
// signature is NOT verified.
func Parse(data []byte) (*Token, error) {
	if len(data) > maxText {
		return nil, ErrTooLarge
	}
	parts := strings.Split(strings.TrimRight(string(data), "\r\n"), ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: no JWT", ErrMalformed)
	}
	header, err := object(parts[0])
	if err != nil {
		return nil, err
	}
	t := &Token{signed: []byte(parts[0] + "." + parts[1]), Algorithm: text(header, "alg"), KeyID: text(header, "kid")}
	if _, critical := header.Get("crit"); critical || text(header, "typ") != tokenType {
		return nil, fmt.Errorf("%w: its header is of another kind of token", ErrMalformed)
	}
	if t.Algorithm != "EdDSA" && t.Algorithm != "Ed25519" && t.Algorithm != "ES256" {
		return nil, ErrAlgorithm
	}
	if t.signature, err = base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, fmt.Errorf("%w: signature", ErrMalformed)
	}
	claims, err := object(parts[1])
	if err != nil {
		return nil, err
	}
	return t, t.read(claims)
}

func object(part string) (jcs.Value, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return jcs.Value{}, fmt.Errorf("%w: base64url", ErrMalformed)
	}
	v, err := jcs.Parse(data)
	if errors.Is(err, jcs.ErrTooLarge) {
		return jcs.Value{}, ErrTooLarge
	}
	if err != nil || v.Kind != jcs.Object {
		return jcs.Value{}, fmt.Errorf("%w: JSON", ErrMalformed)
	}
	return v, nil
}

func text(v jcs.Value, name string) string {
	m, _ := v.Get(name)
	return m.Text
}

// whole is a member that is a whole number of seconds or bits, not negative;
// present is false where there is none.
func whole(v jcs.Value, name string) (n int64, present bool, err error) {
	const year9999 = 253402300799
	m, ok := v.Get(name)
	if !ok {
		return 0, false, nil
	}
	if m.Kind != jcs.Number || m.Number < 0 || m.Number > year9999 || m.Number != math.Trunc(m.Number) {
		return 0, true, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	return int64(m.Number), true, nil
}

func (t *Token) read(claims jcs.Value) error {
	t.URL, t.Issuer = text(claims, "sub"), text(claims, "iss")
	issued, dated, err := whole(claims, "iat")
	if err != nil || !dated || t.URL == "" {
		return fmt.Errorf("%w: sub and iat", ErrMalformed)
	}
	t.IssuedAt = time.Unix(issued, 0).UTC()
	expires, ends, err := whole(claims, "exp")
	if err != nil {
		return err
	}
	if ends {
		t.ExpiresAt = time.Unix(expires, 0).UTC()
	}
	ttl, limited, err := whole(claims, "ttl")
	if err != nil || limited && (ttl == 0 || ttl > math.MaxInt32) {
		return fmt.Errorf("%w: ttl", ErrMalformed)
	}
	t.TTL = time.Duration(ttl) * time.Second
	list, _ := claims.Get("status_list")
	bits, _, err := whole(list, "bits")
	if err != nil {
		return err
	}
	packed, err := base64.RawURLEncoding.Strict().DecodeString(text(list, "lst"))
	if err != nil {
		return fmt.Errorf("%w: lst", ErrMalformed)
	}
	t.list, err = unpack(bits, packed)
	return err
}

// unpack inflates a list, bounded.
func unpack(bits int64, packed []byte) (*List, error) {
	if bits != 1 && bits != 2 && bits != 4 && bits != 8 {
		return nil, fmt.Errorf("%w: bits", ErrMalformed)
	}
	behind := bytes.NewReader(packed)
	z, err := zlib.NewReader(behind)
	if err != nil {
		return nil, fmt.Errorf("%w: lst", ErrMalformed)
	}
	data, err := io.ReadAll(io.LimitReader(z, maxList+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: lst", ErrMalformed)
	case len(data) > maxList:
		return nil, ErrTooLarge
	case behind.Len() > 0:
		return nil, fmt.Errorf("%w: something follows the list", ErrMalformed)
	}
	return &List{bits: uint32(bits), data: data}, nil
}

// Verify checks the signature with pub; the kind of key fixes the algorithm.
func (t *Token) Verify(pub crypto.PublicKey) error {
	switch key := pub.(type) {
	case ed25519.PublicKey:
		if t.Algorithm == "ES256" {
			return ErrAlgorithm
		}
		if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, t.signed, t.signature) {
			return ErrSignature
		}
		return nil
	case *ecdsa.PublicKey:
		if t.Algorithm != "ES256" || key.Curve != elliptic.P256() {
			return ErrAlgorithm
		}
		sum := sha256.Sum256(t.signed)
		if len(t.signature) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])) {
			return ErrSignature
		}
		return nil
	}
	return ErrAlgorithm
}

// Lookup returns the value at index of the list that is published at url, at a
// time. A list of another address is [ErrOther], one whose time is over
// [ErrExpired], a position beyond its end [ErrRange]: of none of them anything is
// known.
func (t *Token) Lookup(url string, index uint32, at time.Time) (Value, error) {
	if url != t.URL {
		return 0, ErrOther
	}
	if !t.ExpiresAt.IsZero() && !at.Before(t.ExpiresAt) {
		return 0, ErrExpired
	}
	v, ok := t.list.Get(index)
	if !ok {
		return 0, ErrRange
	}
	return v, nil
}
