package keyring

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/multibase"
	"github.com/opendivoc/divoc/vaccination"
)

// DIVOCAlgorithm is a kind of key that signs DIVOC's format.
type DIVOCAlgorithm string

// The kinds of key of DIVOC's format: what all its verifiers check, and what its
// documentation recommends.
const (
	DIVOCRSA     DIVOCAlgorithm = "rsa" // RSA-2048, RsaSignature2018
	DIVOCEd25519 DIVOCAlgorithm = "ed25519"
)

// divocRSABits is the length that DIVOC's verifiers were built for.
const divocRSABits = 2048

// DIVOCKey signs certificates in DIVOC's format. It is immutable; take a fresh
// one from [Ring.DIVOC] for each.
type DIVOCKey struct {
	method  string
	private crypto.Signer
	random  io.Reader
}

// Method returns the verification method, our DID with the key's id.
func (k *DIVOCKey) Method() string { return k.method }

// Public returns the public half, an *rsa.PublicKey or ed25519.PublicKey.
func (k *DIVOCKey) Public() crypto.PublicKey { return k.private.Public() }

// Sign returns the signature of message: RSASSA-PSS with SHA-256 and a salt of
// 32 bytes, or Ed25519 (RFC 8032).
func (k *DIVOCKey) Sign(message []byte) ([]byte, error) {
	var sig []byte
	var err error
	if _, ok := k.Public().(*rsa.PublicKey); ok {
		digest := sha256.Sum256(message)
		sig, err = k.private.Sign(k.random, digest[:], pss())
	} else {
		sig, err = k.private.Sign(nil, message, crypto.Hash(0))
	}
	if err != nil {
		return nil, errors.New("keyring: the key of DIVOC's format could not sign")
	}
	return sig, nil
}

// probe signs a message and verifies it. A nil key has nothing to fail.
func (k *DIVOCKey) probe(message []byte) error {
	if k == nil {
		return nil
	}
	sig, err := k.Sign(message)
	if err != nil {
		return err
	}
	good := false
	switch public := k.Public().(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(message)
		good = rsa.VerifyPSS(public, crypto.SHA256, digest[:], sig, pss()) == nil
	case ed25519.PublicKey:
		good = ed25519.Verify(public, message, sig)
	}
	if !good {
		return errors.New("the key of DIVOC's format signs wrongly")
	}
	return nil
}

func pss() *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: sha256.Size, Hash: crypto.SHA256} }

// DIVOC returns the current key of DIVOC's format, nil where there is none.
func (r *Ring) DIVOC() *DIVOCKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.divoc
}

func (r *Ring) divocKey(k *key) *DIVOCKey {
	if k == nil {
		return nil
	}
	return &DIVOCKey{r.o.Identity.DID + "#" + k.id(), k.private, r.o.Random}
}

// divocAlgorithm is the kind of a key of DIVOC's format.
func divocAlgorithm(k *key) DIVOCAlgorithm {
	if _, ok := k.public.(ed25519.PublicKey); ok {
		return DIVOCEd25519
	}
	return DIVOCRSA
}

// NeedsDIVOC reports whether the profile asks for DIVOC's format and there is no
// key for it yet.
func (r *Ring) NeedsDIVOC() bool { return r.o.DIVOC != "" && r.state().current(KindDIVOC) == nil }

// EnsureDIVOC makes the first key of DIVOC's format where the profile asks for
// it. A key of the other kind than the profile asks for is [vaccination.Conflict]:
// verifiers were built with it, so it changes by [Ring.Rotate] alone.
func (r *Ring) EnsureDIVOC(ctx context.Context) error {
	if k := r.state().current(KindDIVOC); r.o.DIVOC != "" && k != nil && divocAlgorithm(k) != r.o.DIVOC {
		return vaccination.Errorf(vaccination.Conflict, "the profile asks for a key of DIVOC's format of the kind %s, and the one that verifiers were given is %s: set the profile back, or make a new key with \"divoc keys rotate --set divoc\" and give it to every verifier", r.o.DIVOC, divocAlgorithm(k))
	}
	if !r.NeedsDIVOC() {
		return nil
	}
	return r.update(ctx, func(c *contents) error {
		if c.current(KindDIVOC) != nil { // another process was first
			return nil
		}
		return r.newDIVOC(c)
	})
}

// newDIVOC makes the next key of DIVOC's format current, of the kind that the
// profile asks for.
func (r *Ring) newDIVOC(c *contents) error {
	now := r.o.Now().UTC().Truncate(time.Second)
	var private crypto.Signer
	var err error
	switch r.o.DIVOC {
	case DIVOCRSA:
		private, err = rsa.GenerateKey(r.o.Random, divocRSABits)
	case DIVOCEd25519:
		_, private, err = ed25519.GenerateKey(r.o.Random)
	default:
		return vaccination.Errorf(vaccination.Conflict, "no programme of the profile is issued in DIVOC's format, so there is no key for it")
	}
	if err != nil {
		return fmt.Errorf("make a key of DIVOC's format: %w", err)
	}
	if old := c.current(KindDIVOC); old != nil {
		old.retire(now)
	}
	c.keys = append(c.keys, &key{kind: KindDIVOC, state: StateCurrent, private: private, public: private.Public(), created: now})
	return nil
}

// ExportDIVOC returns the current key of DIVOC's format as its verifiers are
// built with it: the verification method (CERTIFICATE_DID) on a line, then the
// public key, RSA as PEM and Ed25519 in base 58. It is nil where there is none.
func (r *Ring) ExportDIVOC() ([]byte, error) {
	k := r.DIVOC()
	if k == nil {
		return nil, nil
	}
	text := ""
	if public, ok := k.Public().(ed25519.PublicKey); ok {
		text = strings.TrimPrefix(multibase.Encode(public), "z") + "\n"
	} else {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return nil, err
		}
		text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return []byte(k.Method() + "\n" + text), nil
}
