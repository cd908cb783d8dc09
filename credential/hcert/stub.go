package hcert

import (
	"crypto"
	"github.com/opendivoc/divoc/vaccination"
)

// Encode returns the signed COSE_Sign1 bytes of c.
func Encode(c vaccination.Certificate, p Payload, s Signer, extra ...Element) ([]byte, error) {
	panic("")
}

// Text returns the text of the QR code.
func Text(cose []byte) (string, error) { panic("") }

// Decode reads the text of a QR code.
func Decode(text string) (*Message, error) { panic("") }

// DecodeCOSE reads COSE_Sign1 bytes.
func DecodeCOSE(data []byte) (*Message, error) { panic("") }

// Verify checks the signature.
func (m *Message) Verify(pub crypto.PublicKey) error { panic("") }

// Certificate returns the content.
func (m *Message) Certificate() (vaccination.Certificate, error) { panic("") }
