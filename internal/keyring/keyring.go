// Package keyring keeps the keys that sign.
package keyring

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"time"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
)

// Identity is who signs.
type Identity struct {
	DID     string // trust.DIDWeb of the public URL
	Country string // ISO 3166-1 alpha-2
	Name    string // the authority, in its certificates' O and as shown by verifiers
}

// Options are what [Open] needs.
type Options struct {
	Dir      string // the folder of keyring.sealed
	Box      *seal.Box
	Identity Identity
	Demo     bool // a demonstration: subjects say SPECIMEN
	Create   bool // make the first keys where there are none
	Now      func() time.Time
	Random   io.Reader
}

// Ring is the keys of one data folder. It is safe for concurrent use, also by
// several processes.
type Ring struct{}

// Open opens the ring in o.Dir.
func Open(ctx context.Context, o Options) (*Ring, error) {
	return nil, errors.New("keyring: not built yet")
}

// Demo reports whether the ring was made by a demonstration.
func (r *Ring) Demo() bool { return false }

// QR returns the current P-256 key and its signer certificate.
func (r *Ring) QR() *QRKey { return nil }

// Document returns the current Ed25519 key.
func (r *Ring) Document() *DocumentKey { return nil }

// Issuer returns the public halves, retired keys included.
func (r *Ring) Issuer() trust.Issuer { return trust.Issuer{} }

// Check signs a probe with each current key and verifies it.
func (r *Ring) Check(ctx context.Context) error { return errors.New("keyring: not built yet") }

// QRKey signs HCERTs.
type QRKey struct{}

// KeyID returns the first 8 bytes of the SHA-256 of the signer certificate.
func (k *QRKey) KeyID() []byte { return nil }

// Sign returns the ES256 signature of message as r || s.
func (k *QRKey) Sign(message []byte) ([]byte, error) {
	return nil, errors.New("keyring: not built yet")
}

// Certificate returns the signer certificate.
func (k *QRKey) Certificate() *x509.Certificate { return nil }

// NotAfter is the end of the signer certificate; no credential outlives it.
func (k *QRKey) NotAfter() time.Time { return time.Time{} }

// DocumentKey signs documents.
type DocumentKey struct{}

// ID returns the verification method.
func (k *DocumentKey) ID() string { return "" }

// Sign returns the Ed25519 signature of message.
func (k *DocumentKey) Sign(message []byte) ([]byte, error) {
	return nil, errors.New("keyring: not built yet")
}
