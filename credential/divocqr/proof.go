package divocqr

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/rdfc"
)

// The proof suites, and the JWS algorithm that each stands for (W3C CCG "Linked
// Data Signatures", as jsonld-signatures 6 has them).
const (
	rsaSignature     = "RsaSignature2018"     // PS256, salt of 32 bytes
	ed25519Signature = "Ed25519Signature2018" // EdDSA
)

// A key outside these bounds is no signer's: shorter ones are too weak, longer
// ones make verifying slow.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

type proof struct {
	suite     string
	method    string
	created   string
	time      time.Time
	input     []byte // what the signature is over
	signature []byte
}

// readProof checks everything about the proof but the signature. document is
// the canonical form of the credential without it.
func readProof(v *value, document []byte) (p proof, err error) {
	if v == nil {
		return p, malformed("proof", "missing")
	}
	if v.kind != object {
		return p, malformed("proof", "not a single proof")
	}
	fields := map[string]string{}
	for i := range v.members {
		m := &v.members[i]
		switch m.name {
		case "type", "created", "verificationMethod", "proofPurpose", "jws":
			if m.value.kind != text {
				return p, malformed("proof."+m.name, "not a text")
			}
			fields[m.name] = m.value.text
		default:
			return p, malformed("proof", "has a member that DIVOC's proofs do not have")
		}
	}
	p.suite, p.method, p.created = fields["type"], fields["verificationMethod"], fields["created"]
	alg := ""
	switch p.suite {
	case rsaSignature:
		alg = "PS256"
	case ed25519Signature:
		alg = "EdDSA"
	default:
		return p, fmt.Errorf("%w: proof.type: not a suite that DIVOC used", ErrUnsupported)
	}
	if fields["proofPurpose"] != "assertionMethod" {
		return p, malformed("proof.proofPurpose", "not assertionMethod")
	}
	if !absolute(p.method) || checkIRI(p.method) != nil {
		return p, malformed("proof.verificationMethod", "not an absolute IRI")
	}
	if p.time, err = time.Parse(time.RFC3339, p.created); err != nil {
		return p, malformed("proof.created", "not a time")
	}
	header, rest, ok := strings.Cut(fields["jws"], ".")
	signature, ok2 := strings.CutPrefix(rest, ".")
	if !ok || !ok2 {
		return p, malformed("proof.jws", "not detached")
	}
	if err := checkHeader(header, alg); err != nil {
		return p, err
	}
	if p.signature, err = base64.RawURLEncoding.Strict().DecodeString(signature); err != nil || len(p.signature) == 0 {
		return p, malformed("proof.jws", "not base64url")
	}

	p.input = p.over(header, document)
	return p, nil
}

// over returns what the signature is over: the encoded header and both digests
// (RFC 7797: the payload itself, unencoded, is their 64 bytes).
func (p *proof) over(header string, document []byte) []byte {
	options, content := sha256.Sum256(p.options()), sha256.Sum256(document)
	out := make([]byte, 0, len(header)+1+2*sha256.Size)
	out = append(append(out, header...), '.')
	return append(append(out, options[:]...), content[:]...)
}

// checkHeader accepts the one protected header of the suite. The suite decides
// the algorithm; a header that names another is refused, whatever key is at hand.
func checkHeader(encoded, alg string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return malformed("proof.jws", "header is not base64url")
	}
	h, err := parse(raw)
	if err != nil {
		return malformed("proof.jws", "header is not JSON")
	}
	b64 := h.get("b64")
	if b64 == nil || b64.kind != boolean || b64.flag {
		return malformed("proof.jws", "header: b64 is not false")
	}
	if crit := h.get("crit"); crit == nil || crit.kind != list || len(crit.items) != 1 || crit.items[0].text != "b64" {
		return malformed("proof.jws", `header: crit is not ["b64"]`)
	}
	if a := h.get("alg"); a == nil || a.kind != text || a.text != alg {
		return malformed("proof.jws", "header: alg is not that of the proof's type")
	}
	if len(h.members) != 3 {
		return malformed("proof.jws", "header: has a parameter that DIVOC's proofs do not have")
	}
	return nil
}

// options returns the canonical form of the proof without its jws, under the
// context https://w3id.org/security/v2: always these four statements, in this
// order.
func (p *proof) options() []byte {
	node := rdfc.Term{Kind: rdfc.Blank, Value: "c14n0"}
	var out []byte
	for _, q := range [...]rdfc.Quad{
		{Subject: node, Predicate: iriTerm(dcterms), Object: rdfc.Term{Kind: rdfc.Literal, Value: p.created, Datatype: xsdNS + "dateTime"}},
		{Subject: node, Predicate: iriTerm(rdfType), Object: iriTerm(secNS + p.suite)},
		{Subject: node, Predicate: iriTerm(secNS + "proofPurpose"), Object: iriTerm(secNS + "assertionMethod")},
		{Subject: node, Predicate: iriTerm(secNS + "verificationMethod"), Object: iriTerm(p.method)},
	} {
		out = rdfc.AppendQuad(out, q)
	}
	return out
}

// verify checks the signature. The suite decides which kind of key is needed.
func (p *proof) verify(pub crypto.PublicKey) error {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		if p.suite != rsaSignature || key.N == nil || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits {
			return ErrSignature
		}
		digest := sha256.Sum256(p.input)
		o := &rsa.PSSOptions{SaltLength: sha256.Size, Hash: crypto.SHA256}
		if rsa.VerifyPSS(key, crypto.SHA256, digest[:], p.signature, o) != nil {
			return ErrSignature
		}
		return nil
	case ed25519.PublicKey:
		if p.suite != ed25519Signature || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, p.input, p.signature) {
			return ErrSignature
		}
		return nil
	}
	return ErrSignature
}
