// Package vc is our document: a W3C Verifiable Credential 2.0 secured by Data
// Integrity with the cryptosuite eddsa-jcs-2022, and with others where somebody asks
// for them, in a JSON-LD context of our own
// that gives every term its own IRI, and the Bitstring Status List its
// credentialStatus points to.
//
// It is a pure codec without network: contexts are embedded and never fetched.
package vc

import (
	_ "embed"
	"errors"
	"fmt"
)

// The contexts of our credentials, in their order in @context.
const (
	ContextV2 = "https://www.w3.org/ns/credentials/v2"
	// ContextURL is our own context of a dose; its text is [Context].
	ContextURL = "https://opendivoc.github.io/contexts/vaccination/v1"
)

// Type is the type of our credentials of a dose beside VerifiableCredential.
const Type = "VaccinationCertificate"

// A credential of a test has a context and a type of its own in place of those of
// a dose, which stay as they were.
const (
	TestContextURL = "https://opendivoc.github.io/contexts/test/v1"
	TestType       = "TestCertificate"
)

//go:embed context-v1.jsonld
var context string

//go:embed context-test-v1.jsonld
var testContext string

// Context returns the text of the JSON-LD context at [ContextURL].
func Context() string { return context }

// TestContext returns the text of the JSON-LD context at [TestContextURL].
func TestContext() string { return testContext }

// Errors of reading and verifying. Each error of this package wraps one of
// them, and none repeats a value of the credential.
var (
	ErrMalformed = errors.New("malformed credential")
	ErrTooLarge  = errors.New("credential too large")
	ErrType      = errors.New("not a credential of this type")
	ErrProof     = errors.New("proof not usable")         // missing, another suite, purpose or context
	ErrSignature = errors.New("signature does not match") // the proof is of another key or content
	// ErrUnsupported: whether the proof is good cannot be told here.
	ErrUnsupported = errors.New("proof of a kind that is not checked here")
)

// Signer signs with an Ed25519 key; for [Secure] with one of the suite's kind.
type Signer interface {
	// ID is the DID URL of the verification method: "did:web:example.org#z6Mk…".
	ID() string
	// Sign returns the 64 bytes of the signature of msg.
	Sign(msg []byte) ([]byte, error)
}

// StatusEntry points to one bit of a published status list (Bitstring Status
// List 1.0, section 2.1).
type StatusEntry struct {
	Purpose string // "revocation" or "suspension"
	List    string // URL of the status list credential
	Index   uint32 // position of the bit
}

// ID returns the URL that names the entry: <list>#<index>.
func (e StatusEntry) ID() string { return fmt.Sprintf("%s#%d", e.List, e.Index) }
