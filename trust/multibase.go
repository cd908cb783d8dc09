package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"math/big"
	"slices"
	"strings"
)

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const maxBase58 = 1024 // the decoder's cost is quadratic

// encodeBase58 is base58btc, as of multibase "z".
func encodeBase58(b []byte) string {
	var out []byte
	n, mod, base := new(big.Int).SetBytes(b), new(big.Int), big.NewInt(58)
	for n.Sign() > 0 {
		n.DivMod(n, base, mod)
		out = append(out, base58Alphabet[mod.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out = append(out, '1')
	}
	slices.Reverse(out)
	return string(out)
}

func decodeBase58(s string) ([]byte, error) {
	if len(s) > maxBase58 {
		return nil, errors.New("the base 58 text is too long")
	}
	n, base := new(big.Int), big.NewInt(58)
	for i := range len(s) {
		v := strings.IndexByte(base58Alphabet, s[i])
		if v < 0 {
			return nil, errors.New("the base 58 text has a character that does not belong")
		}
		n.Add(n.Mul(n, base), big.NewInt(int64(v)))
	}
	zeros := len(s) - len(strings.TrimLeft(s, "1"))
	return append(make([]byte, zeros), n.Bytes()...), nil
}

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
		return "z" + encodeBase58(append([]byte(codecEd25519), k...))
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return ""
		}
		raw, err := k.Bytes()
		if err != nil {
			return ""
		}
		compressed := append([]byte(codecP256), 2+raw[64]&1)
		return "z" + encodeBase58(append(compressed, raw[1:33]...))
	default:
		return ""
	}
}

// ParseMultikey is the inverse of [Multikey]; it reads P-384 keys too.
func ParseMultikey(s string) (crypto.PublicKey, error) {
	rest, ok := strings.CutPrefix(s, "z")
	if !ok {
		return nil, errors.New("a Multikey begins with z")
	}
	b, err := decodeBase58(rest)
	if err != nil {
		return nil, err
	}
	if len(b) < 2 {
		return nil, errors.New("the Multikey is cut off")
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
