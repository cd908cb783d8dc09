package vc

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
)

// The one kind of proof we make (Data Integrity EdDSA Cryptosuites 1.0, section
// 3.3).
const (
	proofType    = "DataIntegrityProof"
	cryptosuite  = "eddsa-jcs-2022"
	proofPurpose = "assertionMethod"
	timeForm     = "2006-01-02T15:04:05Z"
)

// hashData returns what is signed: the hash of the canonical proof
// configuration, then that of the canonical document (section 3.3.4).
func hashData(document, config []byte) []byte {
	c, d := sha256.Sum256(config), sha256.Sum256(document)
	return append(c[:], d[:]...)
}

// appendProof appends the proof object of a document, without proofValue when
// value is empty: then it is the proof configuration (section 3.3.5). contexts
// is the document's @context in canonical form.
func appendProof(dst []byte, contexts, method, value string, created time.Time) []byte {
	dst = append(dst, `{"@context":`...)
	dst = append(dst, contexts...)
	dst = append(dst, `,"created":"`...)
	dst = created.UTC().AppendFormat(dst, timeForm)
	dst = append(dst, `","cryptosuite":"`+cryptosuite+`","proofPurpose":"`+proofPurpose+`"`...)
	if value != "" {
		dst = append(dst, `,"proofValue":"`...)
		dst = append(dst, value...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"type":"`+proofType+`","verificationMethod":`...)
	dst = jcs.AppendString(dst, method)
	return append(dst, '}')
}

// secure signs the canonical document that head and tail make and returns it
// with its proof between the two.
func secure(head, tail []byte, contexts string, s Signer, created time.Time) ([]byte, error) {
	document := make([]byte, 0, len(head)+len(tail)+600)
	document = append(append(document, head...), tail...)
	config := appendProof(make([]byte, 0, 512), contexts, s.ID(), "", created)
	signature, err := s.Sign(hashData(document, config))
	if err != nil {
		return nil, err
	}
	if len(signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: the signer gave %d bytes, Ed25519 has %d", ErrSignature, len(signature), ed25519.SignatureSize)
	}
	out := append(document[:len(head)], `"proof":`...)
	out = appendProof(out, contexts, s.ID(), multibase.Encode(signature), created)
	return append(append(out, ','), tail...), nil
}
