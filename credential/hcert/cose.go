package hcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// COSE algorithms and header labels (RFC 9053, RFC 9052 section 3.1), CWT claims
// (RFC 8392 section 3.1) and the claim of health certificates.
const (
	algES256 = -7
	algPS256 = -37

	headerAlg  = 1
	headerCrit = 2
	headerKid  = 4

	claimIssuer    = 1
	claimExpires   = 4
	claimNotBefore = 5
	claimIssuedAt  = 6
	claimID        = 7
	claimHCERT     = -260

	tagSign1 = 18
	tagCWT   = 61
)

// sign1 is COSE_Sign1 (RFC 9052 section 4.2).
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected map[any]any
	Payload     []byte
	Signature   []byte
}

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
	encoding = must(cbor.CoreDetEncOptions().EncMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// sign returns the tagged COSE_Sign1 of payload (ES256, kid in the protected
// header, as HCERT 1.1.1 section 3.1 asks).
func sign(payload []byte, s Signer) ([]byte, error) {
	protected, err := encoding.Marshal(map[int]any{headerAlg: algES256, headerKid: s.KeyID()})
	if err != nil {
		return nil, err
	}
	signature, err := s.Sign(sigStructure(protected, payload))
	if err != nil {
		return nil, err
	}
	if len(signature) != 64 {
		return nil, fmt.Errorf("%w: the signer gave %d bytes, ES256 has 64", ErrSignature, len(signature))
	}
	out := make([]byte, 0, len(protected)+len(payload)+len(signature)+16)
	out = append(out, 0xd2, 0x84) // tag 18, array of 4
	out = appendBytes(out, protected)
	out = append(out, 0xa0) // no unprotected headers
	out = appendBytes(out, payload)
	return appendBytes(out, signature), nil
}

// sigStructure returns what a COSE_Sign1 signature is over (RFC 9052 section
// 4.4), with no external data.
func sigStructure(protected, payload []byte) []byte {
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

// DecodeCOSE reads the bytes of a COSE_Sign1, bare, tagged 18, or that as a CWT
// tagged 61. It is bounded and strict; the signature is NOT verified. Errors are
// [ErrMalformed], [ErrTooLarge] or [ErrAlgorithm].
func DecodeCOSE(data []byte) (*Message, error) {
	if len(data) > maxInflated {
		return nil, ErrTooLarge
	}
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
	var s sign1
	if err := decoding.Unmarshal(data, &s); err != nil {
		return nil, malformed("COSE", err)
	}
	if s.Protected == nil || s.Payload == nil || s.Signature == nil || s.Unprotected == nil {
		return nil, fmt.Errorf("%w: incomplete COSE_Sign1", ErrMalformed)
	}
	m := &Message{protected: s.Protected, payload: s.Payload, signature: s.Signature}
	if err := m.readHeaders(s.Unprotected); err != nil {
		return nil, err
	}
	return m, m.readClaims()
}

func (m *Message) readHeaders(unprotected map[any]any) error {
	var header map[any]any
	if len(m.protected) > 0 { // an empty header is an empty string, RFC 9052 section 3
		if err := decoding.Unmarshal(m.protected, &header); err != nil {
			return malformed("protected header", err)
		}
	}
	if _, ok := header[int64(headerCrit)]; ok {
		return fmt.Errorf("%w: critical header that is not known", ErrMalformed)
	}
	// An unprotected algorithm counts only where there is no protected one. It
	// cannot mislead: a key is good for one algorithm alone, see Verify.
	algorithm, ok := header[int64(headerAlg)]
	if !ok {
		algorithm = unprotected[int64(headerAlg)]
	}
	alg, ok := algorithm.(int64)
	if !ok || alg != algES256 && alg != algPS256 {
		return ErrAlgorithm
	}
	m.Algorithm = int(alg)
	for _, h := range []map[any]any{header, unprotected} {
		kid, ok := h[int64(headerKid)]
		if !ok {
			continue
		}
		b, ok := kid.([]byte)
		if !ok || len(b) == 0 || len(b) > 64 {
			return fmt.Errorf("%w: key id", ErrMalformed)
		}
		m.KeyIDs = [][]byte{b}
		break
	}
	return nil
}

func (m *Message) readClaims() error {
	var claims map[any]any
	if err := decoding.Unmarshal(m.payload, &claims); err != nil {
		return malformed("claims", err)
	}
	if iss, ok := claims[int64(claimIssuer)]; ok {
		if m.Issuer, ok = iss.(string); !ok {
			return fmt.Errorf("%w: issuer", ErrMalformed)
		}
	}
	for claim, t := range map[int64]*time.Time{claimIssuedAt: &m.IssuedAt, claimExpires: &m.ExpiresAt, claimNotBefore: &m.NotBefore} {
		v, ok := claims[claim]
		if !ok {
			continue
		}
		if *t, ok = numericDate(v); !ok {
			return fmt.Errorf("%w: time of issue or expiry", ErrMalformed)
		}
	}
	m.id, _ = claims[int64(claimID)].([]byte)
	if sub, ok := claims[int64(claimHCERT)].(map[any]any); ok {
		m.Payload, m.content = payloadOf(sub)
	} else if _, ok := claims["name"].(string); ok {
		m.Payload, m.content, m.old = rootPayload(claims), claims, true
	}
	return nil
}

// numericDate reads a NumericDate (RFC 8392 section 2): seconds as an integer
// or, in the field, a float, of which fractions are dropped.
func numericDate(v any) (time.Time, bool) {
	const year9999 = 253402300799
	var s int64
	switch n := v.(type) {
	case int64:
		s = n
	case float64:
		if math.Abs(n) > year9999 {
			return time.Time{}, false
		}
		s = int64(math.Floor(n))
	default:
		return time.Time{}, false
	}
	if s <= 0 || s > year9999 {
		return time.Time{}, false
	}
	return time.Unix(s, 0).UTC(), true
}

// malformed wraps a CBOR error without its text, which can hold values; limits
// of size are told apart.
func malformed(what string, err error) error {
	switch {
	case is[*cbor.MaxNestedLevelError](err), is[*cbor.MaxArrayElementsError](err), is[*cbor.MaxMapPairsError](err):
		return fmt.Errorf("%w: %s nested too deep or too long", ErrTooLarge, what)
	case is[*cbor.DupMapKeyError](err):
		return fmt.Errorf("%w: %s names a key twice", ErrMalformed, what)
	}
	return fmt.Errorf("%w: %s", ErrMalformed, what)
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// Verify checks the signature with pub, the public key of a signer certificate:
// ES256 with a P-256 key or PS256 (salt of 32 bytes) with RSA of 2048 to 4096
// bits. It fails with [ErrAlgorithm] when the key is not for the message's
// algorithm, else with [ErrSignature]. It does not look at times or at the kid.
func (m *Message) Verify(pub crypto.PublicKey) error {
	digest := sha256.Sum256(sigStructure(m.protected, m.payload))
	switch m.Algorithm {
	case algES256:
		key, ok := pub.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return ErrAlgorithm
		}
		if len(m.signature) != 64 {
			return ErrSignature
		}
		r, s := new(big.Int).SetBytes(m.signature[:32]), new(big.Int).SetBytes(m.signature[32:])
		if !ecdsa.Verify(key, digest[:], r, s) { // which refuses r and s outside 1…n-1
			return ErrSignature
		}
		return nil
	case algPS256:
		key, ok := pub.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 {
			return ErrAlgorithm
		}
		options := rsa.PSSOptions{SaltLength: sha256.Size, Hash: crypto.SHA256}
		if rsa.VerifyPSS(key, crypto.SHA256, digest[:], m.signature, &options) != nil {
			return ErrSignature
		}
		return nil
	}
	return ErrAlgorithm
}

// SignatureHash returns by what EU revocation lists name a certificate: the first
// 16 bytes of the SHA-256 of its signature, of an ES256 signature's first half
// alone, as its second can be exchanged for another that fits.
func (m *Message) SignatureHash() [16]byte {
	signature := m.signature
	if m.Algorithm == algES256 {
		signature = signature[:len(signature)/2]
	}
	sum := sha256.Sum256(signature)
	return [16]byte(sum[:16])
}

// Text returns the text of the QR code of a COSE_Sign1: zlib, Base45, "HC1:". It
// fails with [ErrTooLarge] when no QR code of level M holds it.
func Text(cose []byte) (string, error) {
	const versionFortyM = 3391 // alphanumeric characters, ISO/IEC 18004 table 7
	packed, err := deflate(cose)
	if err != nil {
		return "", err
	}
	text := appendBase45(append(make([]byte, 0, len(packed)*3/2+8), "HC1:"...), packed)
	if len(text) > versionFortyM {
		return "", ErrTooLarge
	}
	return string(text), nil
}

// Decode reads the text of a QR code, as [DecodeCOSE] does after undoing [Text];
// [ErrPrefix] when it is another kind of code.
func Decode(text string) (*Message, error) {
	if len(text) > maxText {
		if strings.HasPrefix(text, "HC1:") {
			return nil, ErrTooLarge
		}
		return nil, ErrPrefix
	}
	body, err := cutPrefix(text)
	if err != nil {
		return nil, err
	}
	packed, err := decodeBase45(body)
	if err != nil {
		return nil, err
	}
	cose, err := inflate(packed)
	if err != nil {
		return nil, err
	}
	return DecodeCOSE(cose)
}
