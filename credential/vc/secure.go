package vc

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
)

// The cryptosuites that a credential can be had in beside that of [Issue] (Data
// Integrity EdDSA Cryptosuites 1.0, section 3.2; Data Integrity ECDSA Cryptosuites
// 1.0, sections 3.2 and 3.3, with P-256).
const (
	EdDSARDFC = "eddsa-rdfc-2022"
	ECDSARDFC = "ecdsa-rdfc-2019"
	ECDSAJCS  = "ecdsa-jcs-2019"
)

// Secure returns a credential of ours with a proof of one of these cryptosuites in
// place of the proof that it has, as its exact text. s signs by the suite's kind of
// key: Ed25519, or ECDSA on P-256 over the SHA-256 of the message, r || s of 32
// bytes each.
//
// What cannot be said in RDF without leaving something out is [ErrProof]; what is no
// credential of ours has the errors of [Parse].
func Secure(credential []byte, cryptosuite string, s Signer, created time.Time) ([]byte, error) {
	if _, err := Parse(credential); err != nil {
		return nil, err
	}
	document, err := parseJSON(credential, maxCredential)
	if err != nil {
		return nil, err
	}
	text := func(t string) jcs.Value { return jcs.Value{Kind: jcs.String, Text: t} }
	proof := jcs.Value{Kind: jcs.Object}
	for name, value := range map[string]string{
		"type": proofType, "cryptosuite": cryptosuite, "created": created.UTC().Format(timeForm), "proofPurpose": proofPurpose, "verificationMethod": s.ID(),
	} {
		proof = proof.With(name, text(value))
	}
	how, ok := suiteOf(proof)
	if !ok {
		return nil, fmt.Errorf("%w: another suite", ErrProof)
	}
	if !how.rdf { // section 3.3.5
		contexts, _ := document.Get("@context")
		proof = proof.With("@context", contexts)
	}
	unsecured, config, err := canonical(document, proof, nil, how, sha256.New, known)
	if err != nil {
		return nil, err
	}
	signature, err := s.Sign(hashPair(unsecured, config, sha256.New))
	if err != nil {
		return nil, err
	}
	if len(signature) != signatureSize {
		return nil, fmt.Errorf("%w: the signer gave %d bytes, not %d", ErrSignature, len(signature), signatureSize)
	}
	return document.With("proof", proof.With("proofValue", text(multibase.Encode(signature)))).Append(nil), nil
}

// signatureSize is that of Ed25519, and of ECDSA on P-256.
const signatureSize = 64
