package vc

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
)

// maxProofs bounds the proofs of one document.
const maxProofs = 8

// Document is a credential of anybody's, of W3C's data model 1.1 or 2.0, secured
// with Data Integrity. Its content is not ours to understand; what is read is who
// signed it, and for which time. Nothing in it is to be believed before Verify has
// succeeded.
type Document struct {
	Issuer                string
	ValidFrom, ValidUntil time.Time // zero where it does not say

	value  jcs.Value
	proofs []jcs.Value
}

// ParseDocument reads such a credential. [ErrType] means that it is well-formed
// JSON and no credential, or one without a proof of a suite that is verified here;
// the other errors are [ErrMalformed] and [ErrTooLarge].
func ParseDocument(data []byte) (*Document, error) {
	value, err := parseJSON(data, maxCredential)
	if err != nil {
		return nil, err
	}
	d := &Document{value: value}
	contexts, _ := value.Get("@context")
	first := contexts
	if len(contexts.Items) > 0 {
		first = contexts.Items[0]
	}
	types, _ := value.Get("type")
	isCredential := types.Text == "VerifiableCredential" || slices.ContainsFunc(types.Items, func(v jcs.Value) bool { return v.Text == "VerifiableCredential" })
	from, until := "validFrom", "validUntil"
	switch first.Text {
	case ContextV2:
	case "https://www.w3.org/2018/credentials/v1":
		from, until = "issuanceDate", "expirationDate"
	default:
		return nil, ErrType
	}
	proof, _ := value.Get("proof")
	d.proofs = proof.Items
	if proof.Kind == jcs.Object {
		d.proofs = []jcs.Value{proof}
	}
	verified := slices.ContainsFunc(d.proofs, func(p jcs.Value) bool { _, ok := suiteOf(p); return ok })
	if !isCredential || !verified {
		return nil, ErrType
	}
	if len(d.proofs) > maxProofs {
		return nil, ErrTooLarge
	}
	issuer, _ := value.Get("issuer")
	if d.Issuer = issuer.Text; issuer.Kind == jcs.Object {
		id, _ := issuer.Get("id")
		d.Issuer = id.Text
	}
	if d.Issuer == "" {
		return nil, fmt.Errorf("%w: issuer", ErrMalformed)
	}
	for _, t := range []struct {
		name string
		to   *time.Time
	}{{from, &d.ValidFrom}, {until, &d.ValidUntil}} {
		v, ok := value.Get(t.name)
		if !ok {
			continue
		}
		if *t.to, err = time.Parse(time.RFC3339Nano, v.Text); err != nil {
			return nil, fmt.Errorf("%w: %s", ErrMalformed, t.name)
		}
		*t.to = t.to.UTC()
	}
	return d, nil
}

// Method is a key that says it signed a document.
type Method struct {
	ID      string    // the DID URL of the verification method
	Expires time.Time // of the proof, zero where it does not say
	proof   int
}

// Methods returns who says to have signed, in the order of the proofs. Those of
// other suites than are verified here are left out.
func (d *Document) Methods() []Method {
	var out []Method
	for i, p := range d.proofs {
		id, _ := p.Get("verificationMethod")
		if _, ok := suiteOf(p); !ok || id.Text == "" {
			continue
		}
		m := Method{ID: id.Text, proof: i}
		if expires, ok := p.Get("expires"); ok {
			t, err := time.Parse(time.RFC3339Nano, expires.Text)
			if err != nil {
				continue
			}
			m.Expires = t.UTC()
		}
		out = append(out, m)
	}
	return out
}

// Verify checks the proof of m with pub: an ed25519.PublicKey, or an
// *ecdsa.PublicKey of P-256 or P-384. Errors are [ErrProof] and [ErrSignature].
func (d *Document) Verify(m Method, pub crypto.PublicKey) error {
	proof := d.proofs[m.proof]
	previous, err := chain(proof, d.proofs)
	if err != nil {
		return err
	}
	return verifyProof(d.value, proof, previous, pub, known)
}
