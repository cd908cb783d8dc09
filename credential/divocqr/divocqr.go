// Package divocqr reads and verifies the certificates that DIVOC issued, and
// makes such certificates for verifiers that read no other: W3C verifiable
// credentials of 2021 in JSON-LD, signed with RsaSignature2018 or
// Ed25519Signature2018, in a QR code as a ZIP file with one entry.
//
// It never expands JSON-LD in general. The certificates have two shapes, of a
// vaccination and of a test, and three published contexts, so the package writes their RDF statements directly and
// canonicalises those; whatever a context does not define is an error, never a
// value that silently stays outside the signature. Nothing is ever fetched.
//
// DIVOC's contexts give several members one IRI, so a genuine signature does
// not say which of those members a value belongs to: [Credential.Unbound] lists
// them. Where the holder's id is no absolute IRI the signature does not cover
// the holder at all: [Credential.Verify] then fails with [ErrSubjectNotSigned].
package divocqr

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/rdfc"
)

// Credential is a DIVOC certificate as decoded: of the right shape, its
// signature not yet checked.
type Credential struct {
	json       []byte
	vocabulary *vocabulary
	root       value
	subject    *value
	evidence   *value
	statements *statements
	canonical  []byte
	proof      proof
}

// Decode reads a certificate: the contents of its QR code in any of the three
// forms in use, or the credential's JSON. Its errors wrap [ErrNotDIVOC],
// [ErrTooLarge], [ErrMalformed] or [ErrUnsupported].
func Decode(data []byte) (*Credential, error) {
	raw, err := unwrap(data)
	if err != nil {
		return nil, err
	}
	root, err := parse(raw)
	if err != nil {
		return nil, err
	}
	voc, err := recognise(&root)
	if err != nil {
		return nil, err
	}
	c := &Credential{json: bytes.Clone(raw), vocabulary: voc, root: root, subject: root.get("credentialSubject"), evidence: root.get("evidence")}
	if c.subject == nil {
		return nil, malformed("credentialSubject", "missing")
	}
	if c.evidence == nil {
		return nil, malformed("evidence", "missing")
	}
	if c.statements, err = emit(&root, voc); err != nil {
		return nil, err
	}
	if c.evidence.kind == list {
		c.evidence = &c.evidence.items[0]
	}
	if c.evidence.get("id") == nil {
		return nil, malformed("evidence.id", "missing")
	}
	if end := root.get("expirationDate"); end != nil && instant(end.text).IsZero() {
		return nil, malformed("expirationDate", "not a time") // else it would never expire
	}
	c.canonical, _, err = rdfc.Canonicalize(c.statements.quads, rdfc.Options{URDNA2015: true})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if c.proof, err = readProof(root.get("proof"), c.canonical); err != nil {
		return nil, err
	}
	return c, nil
}

// recognise tells a DIVOC certificate from other credentials and returns the
// vocabulary of its context, which must be of what it certifies.
func recognise(root *value) (*vocabulary, error) {
	kinds := root.get("type").texts()
	test := slices.Contains(kinds, testType)
	if !test && !slices.Contains(kinds, vaccinationType) {
		return nil, ErrNotDIVOC
	}
	contexts := root.get("@context").texts()
	if len(contexts) != 2 || contexts[0] != credV1 {
		return nil, fmt.Errorf("%w: @context: not that of the W3C credentials and one of DIVOC", ErrUnsupported)
	}
	voc := vocabularyOf(contexts[1])
	if voc == nil || voc.test != test {
		return nil, fmt.Errorf("%w: @context: not among those that DIVOC's issuers used", ErrUnsupported)
	}
	return voc, nil
}

// Verify checks the signature under pub, an *rsa.PublicKey or ed25519.PublicKey.
// It returns [ErrSignature] when the signature is not of this key over this
// credential, [ErrSubjectNotSigned] when it is but does not cover the holder.
func (c *Credential) Verify(pub crypto.PublicKey) error {
	if err := c.proof.verify(pub); err != nil {
		return err
	}
	if c.statements.unsigned {
		return ErrSubjectNotSigned
	}
	return nil
}

// Method returns the proof's verificationMethod, an IRI such as "did:india".
// DIVOC has one key per deployment under it.
func (c *Credential) Method() string { return c.proof.method }

// ProofType returns "RsaSignature2018" or "Ed25519Signature2018".
func (c *Credential) ProofType() string { return c.proof.suite }

// Created returns when the proof says it was made.
func (c *Credential) Created() time.Time { return c.proof.time }

// JSON returns the credential's JSON as the code carried it. It is not to be
// changed.
func (c *Credential) JSON() []byte { return c.json }

// NQuads returns the canonical statements that the signature is over. They are
// not to be changed.
func (c *Credential) NQuads() []byte { return c.canonical }
