package vc

import (
	"crypto/ed25519"
	"errors"
	"strings"
)

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// EncodeKey returns the Multikey text of an Ed25519 public key (Controlled
// Identifiers 1.0, section 2.2.2): "z6Mk…".
func EncodeKey(pub ed25519.PublicKey) string {
	return multibase(append([]byte{0xed, 0x01}, pub...))
}

// DecodeKey reads the Multikey text of an Ed25519 public key.
func DecodeKey(text string) (ed25519.PublicKey, error) {
	b, ok := fromMultibase(text)
	if !ok || len(b) != 2+ed25519.PublicKeySize || b[0] != 0xed || b[1] != 0x01 {
		return nil, errors.New("not the multikey of an Ed25519 public key")
	}
	return ed25519.PublicKey(b[2:]), nil
}

// multibase returns data in base58btc behind its multibase letter z.
func multibase(data []byte) string {
	zeros := 0
	for zeros < len(data) && data[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, len(data)*138/100+1) // base 58, least significant first
	for _, b := range data[zeros:] {
		carry := int(b)
		for i := range digits {
			carry += int(digits[i]) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, byte(carry%58))
		}
	}
	out := make([]byte, 0, len(digits)+zeros+1)
	out = append(out, 'z')
	for range zeros {
		out = append(out, '1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, base58Alphabet[digits[i]])
	}
	return string(out)
}

// fromMultibase undoes multibase, for texts of up to 128 characters.
func fromMultibase(text string) ([]byte, bool) {
	text, ok := strings.CutPrefix(text, "z")
	if !ok || len(text) > 128 {
		return nil, false
	}
	zeros := 0
	for zeros < len(text) && text[zeros] == '1' {
		zeros++
	}
	var bytes []byte // least significant first
	for i := zeros; i < len(text); i++ {
		carry := strings.IndexByte(base58Alphabet, text[i])
		if carry < 0 {
			return nil, false
		}
		for j := range bytes {
			carry += int(bytes[j]) * 58
			bytes[j] = byte(carry)
			carry >>= 8
		}
		for ; carry > 0; carry >>= 8 {
			bytes = append(bytes, byte(carry))
		}
	}
	out := make([]byte, zeros, zeros+len(bytes))
	for i := len(bytes) - 1; i >= 0; i-- {
		out = append(out, bytes[i])
	}
	return out, true
}
