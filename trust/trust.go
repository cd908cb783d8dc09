// Package trust says whose signatures count: a closed, versioned list of
// issuers, their keys and certificates, and what they said about the state of
// their certificates.
//
// Nothing in a scanned code ever adds to it: a list is read from files or from
// a publisher's signed [Bundle], and replaced only by a newer one that
// [Bundle.Replaces] accepts. The package has no network and no clock.
package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Issuer is an authority and its keys.
type Issuer struct {
	ID       string // "did:web:certificates.example.org"; "" for a key file that names none
	Name     string // as shown to the person at the desk
	Country  string // ISO 3166-1 alpha-2; "" when not known
	Specimen bool   // of a demonstration: its certificates certify nothing
	Keys     []Key
}

// Key is a public key that may sign certificates, retired ones included: they
// still verify what they signed.
type Key struct {
	// ID is the verification method ("did:web:…#z6Mk…"), or the kid of a JWK;
	// "" for a key that is known by its certificate or not named at all.
	ID string
	// KeyID is the kid of COSE messages: the first 8 bytes of the SHA-256 of
	// Certificate, or what a key list gave; nil when there is none.
	KeyID []byte
	// Public is an *ecdsa.PublicKey on P-256 or P-384, an *rsa.PublicKey of
	// 2048 to 4096 bits or an ed25519.PublicKey.
	Public crypto.PublicKey
	// Certificate is the signer certificate (DSC), nil for a bare key. Chain is
	// what stands above it, nearest first; each was checked to have signed the
	// one before it.
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
	// NotBefore and NotAfter bound the time in which credentials may be issued
	// and may be valid; zero when unbounded.
	NotBefore, NotAfter time.Time
	// Usage names what the key may sign; empty means everything.
	Usage []Usage
	// Retired is when the key stopped signing; zero while it signs.
	Retired time.Time
	// CardList is the number of the newest list of revoked SMART Health Cards of
	// the key, 0 where its issuer publishes none.
	CardList int64
}

// Usage is a kind of health certificate, or a format.
type Usage string

// The usages of the HCERT specification's extended key usages.
const (
	Vaccination Usage = "vaccination"
	Test        Usage = "test"
	Recovery    Usage = "recovery"
)

// DIVOC is the usage of a key that signs vaccination certificates in DIVOC's
// format and nothing else.
const DIVOC Usage = "divoc"

// Seal is the usage of a signer of ICAO's seals (VDS-NC), by the extended key
// usage of its certificate; it signs no other format.
const Seal Usage = "vds-nc"

// Allows reports whether k may sign certificates of kind u.
func (k Key) Allows(u Usage) bool { return len(k.Usage) == 0 || slices.Contains(k.Usage, u) }

// bare reports whether k came with no name by which a credential could find it;
// such a key was handed over by itself and is tried on every credential.
func (k Key) bare() bool { return k.ID == "" && len(k.KeyID) == 0 }

// Fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal;
// "" for a key of no kind that [Key] allows.
func Fingerprint(public crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// CertificateKeyID is the kid of a signer certificate: the first 8 bytes of the
// SHA-256 of its DER (HCERT 1.1.1, key identifier).
func CertificateKeyID(c *x509.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:8:8]
}

// checkAuthority is checkPublic for a certificate, of whose authorities larger keys
// are known too: they sign certificates, and nothing that is scanned. Each format
// holds its signers to its own kinds of key.
func checkAuthority(c *x509.Certificate) error {
	if c.IsCA {
		switch k := c.PublicKey.(type) {
		case *ecdsa.PublicKey:
			if k.Curve.Params().BitSize == 521 {
				return nil
			}
		case *rsa.PublicKey:
			if n := k.N.BitLen(); n > 4096 && n <= 8192 && k.E >= 3 && k.E&1 == 1 {
				return nil
			}
		}
	}
	return checkPublic(c.PublicKey)
}

// checkPublic refuses keys that are too weak, too large to verify in bounded
// time, or of a kind we do not verify.
func checkPublic(public crypto.PublicKey) error {
	switch k := public.(type) {
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("an Ed25519 key has 32 bytes, not %d", len(k))
		}
		return nil
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n != 256 && n != 384 {
			return fmt.Errorf("elliptic curve keys are of P-256 or P-384, not of %s", k.Curve.Params().Name)
		}
		if _, err := k.Bytes(); err != nil {
			return fmt.Errorf("the point is not on its curve")
		}
		return nil
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 || n > 4096 {
			return fmt.Errorf("RSA keys have 2048 to 4096 bits, not %d", n)
		}
		if k.E < 3 || k.E&1 == 0 {
			return fmt.Errorf("the RSA exponent is not usable")
		}
		return nil
	default:
		return fmt.Errorf("keys are RSA, ECDSA or Ed25519")
	}
}
