package vc

import (
	"crypto/ed25519"
	"errors"

	"github.com/opendivoc/divoc/credential/multibase"
)

// EncodeKey returns the Multikey text of an Ed25519 public key (Controlled
// Identifiers 1.0, section 2.2.2): "z6Mk…".
func EncodeKey(pub ed25519.PublicKey) string {
	return multibase.Encode(append([]byte{0xed, 0x01}, pub...))
}

// DecodeKey reads the Multikey text of an Ed25519 public key.
func DecodeKey(text string) (ed25519.PublicKey, error) {
	b, ok := multibase.Decode(text)
	if !ok || len(b) != 2+ed25519.PublicKeySize || b[0] != 0xed || b[1] != 0x01 {
		return nil, errors.New("not the multikey of an Ed25519 public key")
	}
	return ed25519.PublicKey(b[2:]), nil
}
