package vc

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
)

// The one kind of proof we make and accept (Data Integrity EdDSA Cryptosuites
// 1.0, section 3.3).
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

// verifyProof checks the proof of any document secured with eddsa-jcs-2022
// (section 3.3.2). Errors are [ErrProof] and [ErrSignature].
func verifyProof(document jcs.Value, pub ed25519.PublicKey) error {
	proof, _ := document.Get("proof")
	for _, want := range [][2]string{{"type", proofType}, {"cryptosuite", cryptosuite}, {"proofPurpose", proofPurpose}} {
		if v, _ := proof.Get(want[0]); v.Kind != jcs.String || v.Text != want[1] {
			return fmt.Errorf("%w: its %s is not %s", ErrProof, want[0], want[1])
		}
	}
	value, _ := proof.Get("proofValue")
	signature, ok := multibase.Decode(value.Text)
	if !ok || len(signature) != ed25519.SignatureSize {
		return fmt.Errorf("%w: proofValue", ErrProof)
	}
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: not an Ed25519 key", ErrProof)
	}
	document = document.Without("proof")
	if contexts, ok := proof.Get("@context"); ok {
		if !startsWith(document, contexts) {
			return fmt.Errorf("%w: its @context is not how that of the document begins", ErrProof)
		}
		document = document.With("@context", contexts)
	}
	config := proof.Without("proofValue").Append(nil)
	if !ed25519.Verify(pub, hashData(document.Append(nil), config), signature) {
		return ErrSignature
	}
	return nil
}

// startsWith reports whether the document's @context begins with contexts.
func startsWith(document, contexts jcs.Value) bool {
	own, _ := document.Get("@context")
	list := func(v jcs.Value) []jcs.Value {
		if v.Kind == jcs.Array {
			return v.Items
		}
		return []jcs.Value{v}
	}
	all, head := list(own), list(contexts)
	return len(head) <= len(all) && slices.EqualFunc(head, all[:len(head)], func(a, b jcs.Value) bool {
		return string(a.Append(nil)) == string(b.Append(nil))
	})
}
