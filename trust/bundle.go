package trust

import (
	"errors"
	"time"
)

// Signer signs a bundle: the issuer's document key.
type Signer interface {
	ID() string                          // the verification method
	Sign(message []byte) ([]byte, error) // Ed25519 (RFC 8032), 64 bytes
}

// Bundle is a trust list as published: whose keys count, and the states they
// published.
type Bundle struct {
	Version int64     // grows with every change
	Issued  time.Time // when it was made
	Issuers []Issuer
	Status  []Snapshot
	Proof   *Proof // nil when not signed, as key files are
}

// Proof is the signature of a [Bundle].
type Proof struct {
	Key       string // the verification method of an Ed25519 key that the bundle lists
	Signature []byte
}

// Sign returns the JSON of b, signed.
func (b *Bundle) Sign(s Signer) ([]byte, error) { return nil, errors.New("trust: not built yet") }

// Parse reads a trust file: our bundle, PEM certificates or public keys, a JWK
// set, a DID document. Published test keys are refused.
func Parse(data []byte) (*Bundle, error) { return nil, errors.New("trust: not built yet") }

// ParseNamed is [Parse] for a file that a person named, as --trust does: naming
// it is consent, also to a published test key.
func ParseNamed(data []byte) (*Bundle, error) { return nil, errors.New("trust: not built yet") }

// Replaces says why b may not take the place of old; nil when it may.
func (b *Bundle) Replaces(old *Bundle) error { return errors.New("trust: not built yet") }

// DIDDocument returns i as a DID document (DID Core 1.0).
func (i Issuer) DIDDocument() ([]byte, error) { return nil, errors.New("trust: not built yet") }

// DIDWeb returns the did:web identifier of a public URL.
func DIDWeb(publicURL string) (string, error) { return "", errors.New("trust: not built yet") }
