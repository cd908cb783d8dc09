package hcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/cose"
)

// COSE algorithms and header labels (RFC 9053, RFC 9052 section 3.1), CWT claims
// (RFC 8392 section 3.1) and the claim of health certificates.
const (
	algES256 = cose.ES256
	algPS256 = cose.PS256

	headerAlg = cose.HeaderAlg
	headerKid = cose.HeaderKid

	claimIssuer    = 1
	claimExpires   = 4
	claimNotBefore = 5
	claimIssuedAt  = 6
	claimID        = 7
	claimHCERT     = -260
)

// sign returns the tagged COSE_Sign1 of payload (ES256, kid in the protected
// header, as HCERT 1.1.1 section 3.1 asks).
func sign(payload []byte, s Signer) ([]byte, error) {
	return cose.Sign(map[int]any{headerAlg: algES256, headerKid: s.KeyID()}, payload, func(message []byte) ([]byte, error) {
		signature, err := s.Sign(message)
		if err == nil && len(signature) != 64 {
			err = fmt.Errorf("%w: the signer gave %d bytes, ES256 has 64", ErrSignature, len(signature))
		}
		return signature, err
	})
}

// DecodeCOSE reads the bytes of a COSE_Sign1, bare, tagged 18, or that as a CWT
// tagged 61. It is bounded and strict; the signature is NOT verified. Errors are
// [ErrMalformed], [ErrTooLarge] or [ErrAlgorithm].
func DecodeCOSE(data []byte) (*Message, error) {
	if len(data) > maxInflated {
		return nil, ErrTooLarge
	}
	signed, err := cose.Parse(data)
	if err != nil {
		return nil, malformed(err)
	}
	m := &Message{signed: signed}
	alg, ok := signed.Algorithm()
	if !ok || alg != algES256 && alg != algPS256 {
		return nil, ErrAlgorithm
	}
	m.Algorithm = alg
	kid, err := signed.KeyID(64)
	if err != nil {
		return nil, malformed(err)
	}
	if kid != nil {
		m.KeyIDs = [][]byte{kid}
	}
	return m, m.readClaims()
}

// malformed tells what is wrong with CBOR in the errors of this package.
func malformed(err error) error {
	if errors.Is(err, cose.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

func (m *Message) readClaims() error {
	var claims map[any]any
	if err := cose.Unmarshal("claims", m.signed.Payload, &claims); err != nil {
		return malformed(err)
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
		if *t, ok = cose.NumericDate(v); !ok {
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

// Verify checks the signature with pub, the public key of a signer certificate:
// ES256 with a P-256 key or PS256 (salt of 32 bytes) with RSA of 2048 to 4096
// bits. It fails with [ErrAlgorithm] when the key is not for the message's
// algorithm, else with [ErrSignature]. It does not look at times or at the kid.
func (m *Message) Verify(pub crypto.PublicKey) error {
	if m.signed == nil {
		return ErrAlgorithm
	}
	digest := sha256.Sum256(m.signed.Signed())
	signature := m.signed.Signature
	switch m.Algorithm {
	case algES256:
		key, ok := pub.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return ErrAlgorithm
		}
		if len(signature) != 64 {
			return ErrSignature
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
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
		if rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &options) != nil {
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
	signature := m.signed.Signature
	if m.Algorithm == algES256 {
		signature = signature[:len(signature)/2]
	}
	sum := sha256.Sum256(signature)
	return [16]byte(sum[:16])
}

// Text returns the text of the QR code of a COSE_Sign1: zlib, Base45, "HC1:". It
// fails with [ErrTooLarge] when no QR code of level M holds it.
func Text(message []byte) (string, error) {
	const versionFortyM = 3391 // alphanumeric characters, ISO/IEC 18004 table 7
	packed, err := compress(message)
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
	message, err := inflate(packed)
	if err != nil {
		return nil, err
	}
	return DecodeCOSE(message)
}
