// Package divocqr reads and verifies the certificates that DIVOC issued: W3C
// verifiable credentials of 2021 in JSON-LD, signed with RsaSignature2018 or
// Ed25519Signature2018, in a QR code as a ZIP file with one entry.
//
// It never expands JSON-LD in general. The certificates have one shape and two
// published contexts, so the package writes their RDF statements directly and
// canonicalises those; whatever a context does not define is an error, never a
// value that silently stays outside the signature. Nothing is ever fetched.
//
// DIVOC's contexts give several members one IRI, so a genuine signature does
// not say which of those members a value belongs to: [Credential.Unbound] lists
// them. Where the holder's id is no absolute IRI the signature does not cover
// the holder at all: [Credential.Verify] then fails with [ErrSubjectNotSigned].
package divocqr

import (
	"crypto"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Codes that [Credential.Weaknesses] returns; they are reasons of a statement.
const (
	// FieldsNotBound: the signature is over the values, not over which member
	// holds which ([Credential.Unbound]).
	FieldsNotBound = "fields-not-bound"
	// SubjectNotSigned: the signature does not cover the holder's data.
	SubjectNotSigned = "subject-not-signed"
	// ValuesMoved: certificateId does not agree with the evidence's id, which is
	// bound; values were put into other members after signing.
	ValuesMoved = "values-moved"
)

// Credential is a DIVOC certificate as decoded: of the right shape, its
// signature not yet checked.
type Credential struct{}

// Group is a set of members of one node that share an IRI, so that their values
// can be exchanged without breaking the signature.
type Group struct {
	IRI    string
	Fields []string // paths, as "evidence.dose"
}

// Decode reads a certificate: the contents of its QR code in any of the three
// forms in use, or the credential's JSON.
func Decode(data []byte) (*Credential, error) { return nil, ErrNotDIVOC }

// Verify checks the signature under pub, an *rsa.PublicKey or ed25519.PublicKey.
// It returns [ErrSignature] when the signature is not of this key over this
// credential, [ErrSubjectNotSigned] when it is but does not cover the holder.
func (c *Credential) Verify(pub crypto.PublicKey) error { return ErrSignature }

// Method returns the proof's verificationMethod, an IRI such as "did:india".
// DIVOC has one key per deployment under it.
func (c *Credential) Method() string { return "" }

// ProofType returns "RsaSignature2018" or "Ed25519Signature2018".
func (c *Credential) ProofType() string { return "" }

// Created returns when the proof says it was made, as the signer wrote it.
func (c *Credential) Created() time.Time { return time.Time{} }

// Weaknesses returns the codes of what the signature, though genuine, does not
// protect in this credential; none means that every shown value is bound.
func (c *Credential) Weaknesses() []string { return nil }

// Unbound returns the members whose values the signature leaves exchangeable.
func (c *Credential) Unbound() []Group { return nil }

// Certificate returns the content in terms of the core data set.
func (c *Credential) Certificate() vaccination.Certificate { return vaccination.Certificate{} }

// RefID returns the holder's refId, DIVOC's preEnrollmentCode. With the
// certificate id and the dose number it is DIVOC's key of a revocation.
func (c *Credential) RefID() string { return "" }

// Age returns the holder's age as the certificate states it, "" where it does
// not. It is never a date of birth.
func (c *Credential) Age() string { return "" }

// JSON returns the credential's JSON as it was signed and carried.
func (c *Credential) JSON() []byte { return nil }
