package vc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
)

// suite is a way to make a proof (Data Integrity EdDSA Cryptosuites 1.0, sections
// 3.2 and 3.3; Data Integrity ECDSA Cryptosuites 1.0, sections 3.2 and 3.3).
type suite struct {
	rdf   bool // canonical in RDF, else in JSON
	ecdsa bool
}

// suites are those that are verified. Ed25519Signature2020 is a proof's type and
// not a cryptosuite, and otherwise eddsa-rdfc-2022.
func suiteOf(proof jcs.Value) (suite, bool) {
	kind, _ := proof.Get("type")
	name, _ := proof.Get("cryptosuite")
	if kind.Text == "Ed25519Signature2020" {
		return suite{rdf: true}, name.Text == ""
	}
	if kind.Text != proofType {
		return suite{}, false
	}
	switch name.Text {
	case cryptosuite:
		return suite{}, true
	case EdDSARDFC:
		return suite{rdf: true}, true
	case ECDSAJCS:
		return suite{ecdsa: true}, true
	case ECDSARDFC:
		return suite{rdf: true, ecdsa: true}, true
	}
	return suite{}, false
}

// lookup returns the text of a context.
type lookup = func(url string) ([]byte, bool)

// verifyProof checks one proof of a document: of any suite that is verified, for
// the purpose of an assertion. previous are the proofs that it builds upon.
// Errors are [ErrProof] and [ErrSignature].
func verifyProof(document, proof jcs.Value, previous []jcs.Value, pub crypto.PublicKey, contexts lookup) error {
	s, ok := suiteOf(proof)
	if !ok {
		return fmt.Errorf("%w: another suite", ErrProof)
	}
	if purpose, _ := proof.Get("proofPurpose"); purpose.Kind != jcs.String || purpose.Text != proofPurpose {
		return fmt.Errorf("%w: its purpose is not %s", ErrProof, proofPurpose)
	}
	value, _ := proof.Get("proofValue")
	signature, ok := multibase.Decode(value.Text)
	if !ok {
		return fmt.Errorf("%w: proofValue", ErrProof)
	}
	// Of P-384 the specification has SHA-384 also for naming blank nodes; some
	// signers name them by SHA-256, which differs only where there are any.
	digest := sha256.New
	names := []func() hash.Hash{sha256.New}
	switch key := pub.(type) {
	case ed25519.PublicKey:
		if s.ecdsa || len(key) != ed25519.PublicKeySize || len(signature) != ed25519.SignatureSize {
			return fmt.Errorf("%w: a key or signature of another kind", ErrProof)
		}
	case *ecdsa.PublicKey:
		size := key.Curve.Params().BitSize / 8
		if !s.ecdsa || size != 32 && size != 48 || len(signature) != 2*size {
			return fmt.Errorf("%w: a key or signature of another kind", ErrProof)
		}
		if size == 48 {
			digest, names = sha512.New384, []func() hash.Hash{sha512.New384, sha256.New}
		}
	default:
		return fmt.Errorf("%w: a key of another kind", ErrProof)
	}
	for _, name := range names {
		unsecured, config, err := canonical(document, proof, previous, s, name, contexts)
		if err != nil {
			return err
		}
		if verifies(pub, signature, hashPair(unsecured, config, digest), digest) {
			return nil
		}
	}
	return ErrSignature
}

func verifies(pub crypto.PublicKey, signature, data []byte, digest func() hash.Hash) bool {
	switch key := pub.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, data, signature)
	case *ecdsa.PublicKey:
		h := digest()
		h.Write(data)
		half := len(signature) / 2
		return ecdsa.Verify(key, h.Sum(nil), new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

// hashPair returns what is signed: the hash of the canonical proof configuration,
// then that of the canonical document.
func hashPair(document, config []byte, digest func() hash.Hash) []byte {
	c, d := digest(), digest()
	c.Write(config)
	d.Write(document)
	return d.Sum(c.Sum(nil))
}

// canonical returns the canonical forms of the document and of the proof's
// configuration.
func canonical(document, proof jcs.Value, previous []jcs.Value, s suite, digest func() hash.Hash, contexts lookup) (unsecured, config []byte, err error) {
	document = document.Without("proof")
	if len(previous) > 0 {
		document = document.With("proof", jcs.Value{Kind: jcs.Array, Items: previous})
	}
	options := proof.Without("proofValue")
	own, given := proof.Get("@context")
	if given && !startsWith(document, own) {
		return nil, nil, fmt.Errorf("%w: its @context is not how that of the document begins", ErrProof)
	}
	if !s.rdf {
		if given {
			document = document.With("@context", own)
		}
		return document.Append(nil), options.Append(nil), nil
	}
	if all, ok := document.Get("@context"); ok {
		options = options.With("@context", all)
	}
	if unsecured, err = nquads(document, digest, contexts); err == nil {
		config, err = nquads(options, digest, contexts)
	}
	return unsecured, config, err
}

// chain returns the proofs that one builds upon, of all those of its document. One
// that is named and missing is an error.
func chain(proof jcs.Value, all []jcs.Value) ([]jcs.Value, error) {
	before, ok := proof.Get("previousProof")
	if !ok {
		return nil, nil
	}
	names := []jcs.Value{before}
	if before.Kind == jcs.Array {
		names = before.Items
	}
	var out []jcs.Value
	for _, p := range all {
		id, _ := p.Get("id")
		if id.Text != "" && slices.ContainsFunc(names, func(n jcs.Value) bool { return n.Text == id.Text }) {
			out = append(out, p)
		}
	}
	if len(out) != len(names) || len(out) == 0 {
		return nil, fmt.Errorf("%w: one that it builds upon is missing", ErrProof)
	}
	return out, nil
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

// isJCS reports whether a cryptosuite canonicalises JSON.
func isJCS(name string) bool { return strings.Contains(name, "-jcs-") }
