package trustlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/jsonld"
	"github.com/opendivoc/divoc/credential/rdfc"
)

// maxStatements bounds a list in RDF: each key is up to eight statements.
const maxStatements = 8*maxKeys + 100

var (
	errUnsigned = errors.New("it is not signed, and this source is pinned to a key")
	errSigner   = errors.New("it is not signed with the key that this source is pinned to")
)

// proved checks the proof of a DID list with the pinned keys, and returns when it was
// made. The proof is JsonWebSignature2020 as WHO's service makes it: a detached JWS
// with b64 false over the hashes of the proof's options and of the document, both in
// RDFC-1.0, the options by the terms of the signature alone. Its ES256 signature is
// in DER there, as r || s by the specification; either is taken.
//
// Whom the proof names as its signer decides nothing and causes no request.
func (r *reading) proved(data []byte) (time.Time, error) {
	document, err := jcs.ParseUpTo(data, MaxSize)
	if err != nil {
		return time.Time{}, errors.New("it is no DID document")
	}
	proof, ok := document.Get("proof")
	if !ok || proof.Kind != jcs.Object {
		return time.Time{}, errUnsigned
	}
	kind, _ := proof.Get("type")
	purpose, _ := proof.Get("proofPurpose")
	made, _ := proof.Get("created")
	created, err := time.Parse(time.RFC3339, made.Text)
	if kind.Text != "JsonWebSignature2020" || purpose.Text != "assertionMethod" || err != nil {
		return time.Time{}, errors.New("its proof is of a kind that is not read")
	}
	jws, _ := proof.Get("jws")
	header, detached, ok := strings.Cut(jws.Text, "..")
	signature, err := base64.RawURLEncoding.DecodeString(detached)
	if !ok || err != nil || !plainHeader(header) {
		return time.Time{}, errors.New("its proof is of a kind that is not read")
	}
	contexts := jcs.Value{Kind: jcs.Array, Items: []jcs.Value{{Kind: jcs.String, Text: didContext}, {Kind: jcs.String, Text: jwsContext}}}
	options := proof.Without("jws").With("@context", contexts)
	said, err := statements(options)
	if err != nil {
		return time.Time{}, err
	}
	list, err := statements(withoutUses(document.Without("proof")))
	if err != nil {
		return time.Time{}, err
	}
	input := slices.Concat([]byte(header+"."), said[:], list[:])
	if !slices.ContainsFunc(r.pins, func(k crypto.PublicKey) bool { return es256(k, input, signature) }) {
		return time.Time{}, errSigner
	}
	return created.UTC(), nil
}

// plainHeader reports whether a JWS header is the one of detached ES256 over bytes
// (RFC 7797), and says nothing else.
func plainHeader(encoded string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	header, err := jcs.Canonical(raw)
	return err == nil && string(header) == `{"alg":"ES256","b64":false,"crit":["b64"]}`
}

// statements returns the hash of a document's canonical statements.
func statements(document jcs.Value) (sum [sha256.Size]byte, err error) {
	quads, err := jsonld.ListToRDF(document, listContexts, maxStatements)
	if err != nil {
		return sum, errors.New("its proof cannot be checked: " + err.Error())
	}
	text, _, err := rdfc.Canonicalize(quads, rdfc.Options{})
	if err != nil {
		return sum, errors.New("its proof cannot be checked: " + err.Error())
	}
	return sha256.Sum256(text), nil
}

// withoutUses takes out of a list what WHO's production lists say beside each key in
// terms that none of their contexts defines, so that no proof is over it: domain,
// participant and key usage. Nothing of it is read.
func withoutUses(document jcs.Value) jcs.Value {
	contexts, _ := document.Get("@context")
	if slices.ContainsFunc(contexts.Items, func(c jcs.Value) bool { return strings.HasPrefix(c.Text, tngContext) }) {
		return document
	}
	methods, _ := document.Get("verificationMethod")
	methods.Items = slices.Clone(methods.Items)
	for i, m := range methods.Items {
		methods.Items[i] = m.Without("domain").Without("participant").Without("keyusage")
	}
	return document.With("verificationMethod", methods)
}

// es256 reports whether k signed data, as r || s or in DER.
func es256(k crypto.PublicKey, data, signature []byte) bool {
	public, ok := k.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return false
	}
	digest := sha256.Sum256(data)
	if len(signature) == 64 && ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return true
	}
	return ecdsa.VerifyASN1(public, digest[:], signature)
}
