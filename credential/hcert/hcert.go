// Package hcert is the health certificate container of WHO and the EU (HCERT
// 1.1.1, EU "Technical Specifications for Digital Green Certificates" volume 1):
// a CBOR map of claims, signed with COSE, compressed with zlib and written in
// Base45 for an alphanumeric QR code.
//
// It is a pure codec: [Encode] turns a [vaccination.Certificate] into signed
// bytes, [Decode] reads them back bounded in size and depth, [Message.Verify]
// checks the signature. Whose key counts and what a code is called are not its
// business.
package hcert

import (
	"errors"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/cose"
)

// Errors of reading. Each error of this package wraps one of them, and none
// repeats a value of the certificate.
var (
	ErrPrefix    = errors.New("not a health certificate code, which begins with HC1")
	ErrMalformed = errors.New("malformed health certificate")
	ErrTooLarge  = errors.New("health certificate too large")
	ErrAlgorithm = errors.New("signature algorithm not allowed")
	ErrSignature = errors.New("signature does not match")
	ErrPayload   = errors.New("health certificate of a kind that is not supported")
)

// Payload is the kind of content in the claim -260 (HCERT 1.1.1, section 3.3).
type Payload string

// The kinds of payload. A health link is recognised and refused by name.
const (
	DDCC       Payload = "ddcc"        // WHO DDCC:VS core data set, sub-claim 3
	Domestic   Payload = "domestic"    // the same elements with some missing, private sub-claim -1000
	DDCCTest   Payload = "ddcc-test"   // WHO DDCC:TR core data set, sub-claim 4
	EUDCC      Payload = "eu-dcc"      // sub-claim 1
	HealthLink Payload = "health-link" // sub-claim 5
	ICVP       Payload = "icvp"        // sub-claim -6
	Unknown    Payload = ""
)

// Name returns the payload's name as people know it.
func (p Payload) Name() string {
	switch p {
	case DDCC:
		return "WHO DDCC"
	case Domestic:
		return "domestic certificate"
	case DDCCTest:
		return "WHO DDCC test result"
	case EUDCC:
		return "EU DCC"
	case HealthLink:
		return "health link"
	case ICVP:
		return "ICVP"
	default:
		return "unknown"
	}
}

// Element is an optional element of the core data set that a code carries only
// when it is asked for: a QR code has little room.
type Element string

// The elements that [Encode] adds on request; everything else it knows of a
// certificate is always written. The number of an identity document is among
// them because a profile has to say that it may be in a code.
const (
	Identifier   Element = "identifier"
	MAHolder     Element = "maholder" // beside manufacturer; alone it is always written
	ValidFrom    Element = "validFrom"
	ValidUntil   Element = "validUntil"
	Centre       Element = "centre"
	Practitioner Element = "practitioner"
	NextDose     Element = "nextDose"
)

// Signer signs with a key whose signer certificate verifiers know.
type Signer interface {
	// KeyID returns the first 8 bytes of SHA-256 of the signer certificate in DER.
	KeyID() []byte
	// Sign returns the ES256 signature, 64 bytes r||s, of the whole Sig_structure
	// (RFC 9052 section 4.4); it hashes it itself.
	Sign(sigStructure []byte) ([]byte, error)
}

// MissingError says which elements a format requires that the certificate does
// not have.
type MissingError struct {
	Format string   // "WHO DDCC"
	Fields []string // paths in the JSON of vaccination.Certificate
}

// Error names the format and the missing elements, no values.
func (e *MissingError) Error() string {
	return e.Format + " requires what is not recorded: " + strings.Join(e.Fields, ", ")
}

// Message is a health certificate as read. Nothing in it is to be believed
// before Verify has succeeded.
type Message struct {
	Algorithm int      // COSE algorithm: -7 (ES256) or -37 (PS256)
	KeyIDs    [][]byte // to look the key up by: the protected one where there is one, else the unprotected one
	Issuer    string   // CWT iss, by the specification ISO 3166-1 alpha-2; may be empty
	IssuedAt  time.Time
	NotBefore time.Time // zero when the code does not say
	ExpiresAt time.Time // zero when the code does not say
	Payload   Payload

	signed  *cose.Message
	id      []byte // CWT cti, see icvpID
	content any
	old     bool // the whole claims are the content, see rootPayload
}
