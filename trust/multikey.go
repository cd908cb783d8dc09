package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"slices"

	"github.com/opendivoc/divoc/credential/multibase"
)

// The multicodec prefixes of public keys (W3C Controlled Identifiers 1.0,
// section 2.2.2).
const (
	codecEd25519 = "\xed\x01"
	codecP256    = "\x80\x24"
	codecP384    = "\x81\x24"
)

// Multikey returns an Ed25519 or P-256 key as a multibase Multikey ("z6Mk…" for
// Ed25519); "" for another kind.
func Multikey(public crypto.PublicKey) string {
	switch k := public.(type) {
	case ed25519.PublicKey:
		return multibase.Encode(append([]byte(codecEd25519), k...))
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return ""
		}
		raw, err := k.Bytes()
		if err != nil {
			return ""
		}
		compressed := append([]byte(codecP256), 2+raw[64]&1)
		return multibase.Encode(append(compressed, raw[1:33]...))
	default:
		return ""
	}
}

// ParseMultikey is the inverse of [Multikey]; it reads P-384 keys too.
func ParseMultikey(s string) (crypto.PublicKey, error) {
	b, ok := multibase.Decode(s)
	if !ok || len(b) < 2 {
		return nil, errors.New("a Multikey is z and the key in base 58")
	}
	switch codec, raw := string(b[:2]), b[2:]; codec {
	case codecEd25519:
		key := ed25519.PublicKey(raw)
		return key, checkPublic(key)
	case codecP256:
		return uncompress(elliptic.P256(), raw)
	case codecP384:
		return uncompress(elliptic.P384(), raw)
	default:
		return nil, errors.New("the Multikey is of a kind we do not verify")
	}
}

func uncompress(curve elliptic.Curve, raw []byte) (crypto.PublicKey, error) {
	x, y := elliptic.UnmarshalCompressed(curve, raw)
	if x == nil {
		return nil, errors.New("the point of the Multikey is not on its curve")
	}
	size := len(raw) - 1
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size))))
}
