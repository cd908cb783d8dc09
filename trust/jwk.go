package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
)

// jwk is a public JSON Web Key (RFC 7517, 7518, 8037). Members that are not
// read, a private key's among them, are left alone.
type jwk struct {
	Kty string   `json:"kty"`
	Crv string   `json:"crv"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Alg string   `json:"alg"`
	X5c []string `json:"x5c"`
	CRL float64  `json:"crlVersion"`
}

func (k jwk) public() (crypto.PublicKey, error) {
	switch k.Kty {
	case "EC":
		var curve elliptic.Curve
		switch k.Crv {
		case "P-256":
			curve = elliptic.P256()
		case "P-384":
			curve = elliptic.P384()
		default:
			return nil, fmt.Errorf("curve %.20q is none we verify", k.Crv)
		}
		size := curve.Params().BitSize / 8
		x, errX := coordinate(k.X, size)
		y, errY := coordinate(k.Y, size)
		if err := errors.Join(errX, errY); err != nil {
			return nil, err
		}
		key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
		if err != nil {
			return nil, errors.New("the point is not on its curve")
		}
		return key, nil
	case "OKP":
		raw, err := base64url(k.X)
		if err != nil || k.Crv != "Ed25519" {
			return nil, errors.New("an OKP key is of curve Ed25519, with x in base64url")
		}
		key := ed25519.PublicKey(raw)
		return key, checkPublic(key)
	case "RSA":
		n, errN := base64url(k.N)
		e, errE := base64url(k.E)
		if errN != nil || errE != nil || len(n) > 1024 || len(e) > 4 {
			return nil, errors.New("an RSA key has n and e in base64url")
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		return key, checkPublic(key)
	default:
		return nil, fmt.Errorf("key type %.20q is none we verify", k.Kty)
	}
}

// fits reports whether the algorithm that the key is for, if it says so, is a signature
// of its type: no other is made with it (RFC 7517 section 4.4).
func (k jwk) fits() bool {
	switch {
	case k.Alg == "":
		return true
	case k.Kty == "EC" && k.Crv == "P-256":
		return k.Alg == "ES256"
	case k.Kty == "EC":
		return k.Alg == "ES384"
	case k.Kty == "OKP":
		return k.Alg == "EdDSA" || k.Alg == "Ed25519"
	case k.Kty == "RSA":
		return strings.HasPrefix(k.Alg, "PS") || strings.HasPrefix(k.Alg, "RS") && !strings.HasPrefix(k.Alg, "RSA")
	}
	return true // of a type that is refused by name
}

// coordinate reads a coordinate of size bytes. WHO's trust lists hold some with
// a sign byte in front and others without their leading zeros.
func coordinate(s string, size int) ([]byte, error) {
	raw, err := base64url(s)
	if err != nil || len(raw) == 0 {
		return nil, errors.New("a coordinate is not base64url")
	}
	for len(raw) > size && raw[0] == 0 {
		raw = raw[1:]
	}
	if len(raw) > size {
		return nil, errors.New("a coordinate is too long for its curve")
	}
	return append(make([]byte, size-len(raw)), raw...), nil
}

// base64url reads base64url with or without padding.
func base64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// key turns k into a [Key]. Certificates go before the bare values beside them
// (WHO: "trust the certificate"), which must be of the same key.
func (k jwk) key() (Key, error) {
	if len(k.X5c) == 0 {
		public, err := k.public()
		return Key{ID: k.Kid, Public: public}, err
	}
	certs := make([]*x509.Certificate, 0, len(k.X5c))
	for _, text := range k.X5c {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Key{}, errors.New("x5c is not base64")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return Key{}, fmt.Errorf("a certificate in x5c is not readable: %w", err)
		}
		certs = append(certs, c)
	}
	key, err := certificateKey(certs[0], certs[1:])
	if err != nil {
		return Key{}, err
	}
	if k.X != "" || k.N != "" {
		public, err := k.public()
		if err != nil || Fingerprint(public) != Fingerprint(key.Public) {
			return Key{}, errors.New("the key and the certificate beside it differ")
		}
	}
	key.ID = k.Kid
	return key, nil
}

// parseDirectory reads a directory of issuers of SMART Health Cards: a snapshot of
// their names, URLs, keys and revocation lists, as the VCI directory publishes it.
func parseDirectory(data []byte) (*Bundle, error) {
	var file struct {
		Issuers []struct {
			Issuer struct{ Iss, Name string }
			Keys   []json.RawMessage
			CRLs   []json.RawMessage `json:"crls"`
		} `json:"issuerInfo"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, errors.New("the directory of issuers is not readable")
	}
	b := &Bundle{}
	for i, info := range file.Issuers {
		iss := Issuer{ID: info.Issuer.Iss, Name: info.Issuer.Name}
		for _, raw := range info.Keys {
			one, err := parseJWKS(raw)
			if err != nil {
				return nil, fmt.Errorf("issuer %d: %w", i+1, err)
			}
			for _, k := range one[0].Keys {
				k.KeyID = nil // eight bytes of COSE mean nothing here
				iss.Keys = append(iss.Keys, k)
			}
		}
		for _, raw := range info.CRLs {
			list, err := shc.ParseCRL(raw)
			if err != nil {
				return nil, fmt.Errorf("issuer %d: %w", i+1, err)
			}
			b.Cards = append(b.Cards, list)
		}
		if len(iss.Keys) > 0 {
			b.Issuers = append(b.Issuers, iss)
		}
	}
	return b, nil
}

// parseJWKS reads a JWK set or one JWK.
func parseJWKS(data []byte) ([]Issuer, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("the JWK set is not readable")
	}
	if set.Keys == nil {
		var one jwk
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, errors.New("the JWK is not readable")
		}
		set.Keys = []jwk{one}
	}
	var iss Issuer
	for i, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" || !k.fits() {
			continue
		}
		key, err := k.key()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if key.KeyID == nil {
			key.KeyID = kidBytes(k.Kid)
		}
		key.CardList = int64(k.CRL)
		// A key known by its thumbprint is one of SMART Health Cards. They count as
		// long as it is published, whatever life a certificate beside it has; and
		// it signs nothing in COSE.
		if public, ok := key.Public.(*ecdsa.PublicKey); ok && k.Kid != "" && k.Kid == shc.Thumbprint(public) {
			key.KeyID, key.NotBefore, key.NotAfter = nil, time.Time{}, time.Time{}
		}
		if iss.Name == "" {
			iss.Name, iss.Country = keyName(key)
		}
		iss.Keys = append(iss.Keys, key)
	}
	return []Issuer{iss}, nil
}

// kidBytes is the COSE key id that a kid text stands for: base64 where it is
// that of 8 bytes, as HCERT lists have it.
func kidBytes(kid string) []byte {
	s := strings.NewReplacer("+", "-", "/", "_").Replace(kid)
	if raw, err := base64url(s); err == nil && len(raw) == 8 {
		return raw
	}
	return nil
}
