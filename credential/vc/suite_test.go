package vc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
	"github.com/opendivoc/divoc/trust"
)

// citizenship is what the vectors' documents use of a context that is not among
// the vectors, as their canonical forms have it.
const citizenship = `{"@context":{"@protected":true,"EmploymentAuthorizationDocumentCredential":"https://w3id.org/citizenship#EmploymentAuthorizationDocumentCredential",
"EmployablePerson":"https://w3id.org/citizenship#EmployablePerson","EmploymentAuthorizationDocument":"https://w3id.org/citizenship#EmploymentAuthorizationDocument","Person":"https://schema.org/Person",
"additionalName":"https://schema.org/additionalName","familyName":"https://schema.org/familyName","gender":"https://schema.org/gender","givenName":"https://schema.org/givenName","identifier":"https://schema.org/identifier",
"birthDate":{"@id":"https://schema.org/birthDate","@type":"http://www.w3.org/2001/XMLSchema#dateTime"},"image":{"@id":"https://schema.org/image","@type":"@id"},
"birthCountry":"https://w3id.org/citizenship#birthCountry","employmentAuthorizationDocument":{"@id":"https://w3id.org/citizenship#employmentAuthorizationDocument","@type":"@id"},
"residentSince":{"@id":"https://w3id.org/citizenship#residentSince","@type":"http://www.w3.org/2001/XMLSchema#dateTime"},"lprCategory":"https://w3id.org/citizenship#lprCategory","lprNumber":"https://w3id.org/citizenship#lprNumber"}}`

// examples adds W3C's context of examples to what is known.
func examples(t testing.TB) func(url string) ([]byte, bool) {
	t.Helper()
	dir := filepath.Join(credentialtest.NewVectors(&quiet{TB: t}, "vc-contexts", "").Dir, "w3c+vc-data-model", "contexts", "credentials", "examples")
	return func(url string) ([]byte, bool) {
		if name, ok := strings.CutPrefix(url, "https://www.w3.org/ns/credentials/examples/"); ok {
			b, err := os.ReadFile(filepath.Join(dir, name))
			return b, err == nil
		}
		if url == "https://w3id.org/citizenship/v4rc1" {
			return []byte(citizenship), true
		}
		return known(url)
	}
}

// quiet is a test that runs no clean-up: nothing is counted in it.
type quiet struct{ testing.TB }

func (*quiet) Cleanup(func()) {}

// TestVectorsDataIntegrity runs every signed document of W3C's sets of Data
// Integrity suites, each proof of it, at every intermediate value that is there.
func TestVectorsDataIntegrity(t *testing.T) {
	contexts := examples(t)
	for _, set := range []string{"w3c-vc-di-eddsa", "w3c-vc-di-ecdsa"} {
		t.Run(set, func(t *testing.T) {
			v := credentialtest.NewVectors(t, set, "")
			for _, file := range v.Files(t, ".json") {
				base := filepath.Base(file)
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				document, err := jcs.Parse(data)
				proof, signed := document.Get("proof")
				if err != nil || !signed || !strings.HasPrefix(base, "signed") {
					continue
				}
				all := proof.Items
				if proof.Kind == jcs.Object {
					all = []jcs.Value{proof}
				}
				for _, p := range all {
					s, ok := suiteOf(p)
					if !ok {
						v.Skip(t, v.Name(file), "a suite that is not verified, such as ecdsa-sd-2023")
						continue
					}
					method, _ := p.Get("verificationMethod")
					id, _ := p.Get("id")
					name := v.Name(file) + " " + id.Text
					_, fragment, _ := strings.Cut(method.Text, "#")
					pub, err := trust.ParseMultikey(fragment)
					if err != nil {
						v.Check(t, name, false, err.Error())
						continue
					}
					previous, err := chain(p, all)
					if err == nil {
						err = verifyProof(document, p, previous, pub, contexts)
					}
					v.Check(t, name, err == nil, why(err))
					if len(all) == 1 {
						steps(t, v, file, document, p, s, pub, contexts)
					}
					changed := document.With("name", jcs.Value{Kind: jcs.String, Text: "changed"})
					if err := verifyProof(changed, p, previous, pub, contexts); err == nil {
						t.Errorf("%s: a changed document verifies", name)
					}
				}
			}
		})
	}
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// steps compares the intermediate values beside a signed document.
func steps(t *testing.T, v *credentialtest.Vectors, file string, document, proof jcs.Value, s suite, pub crypto.PublicKey, contexts func(string) ([]byte, bool)) {
	t.Helper()
	digest := func() func() hash.Hash {
		if key, ok := pub.(*ecdsa.PublicKey); ok && key.Curve == elliptic.P384() {
			return sha512.New384
		}
		return sha256.New
	}()
	unsecured, config, err := canonical(document, proof, nil, s, digest, contexts)
	if err != nil {
		v.Check(t, v.Name(file), false, err.Error())
		return
	}
	sum := func(b []byte) string { h := digest(); h.Write(b); return hex.EncodeToString(h.Sum(nil)) }
	value, _ := proof.Get("proofValue")
	signature, _ := multibase.Decode(value.Text)
	suffix := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "signed"), ".json")
	for step, got := range map[string]string{
		"canonDoc": string(unsecured), "proofCanon": string(config), "docHash": sum(unsecured), "proofHash": sum(config),
		"combinedHash": hex.EncodeToString(hashPair(unsecured, config, digest)), "sigHex": hex.EncodeToString(signature),
	} {
		want, err := os.ReadFile(filepath.Join(filepath.Dir(file), step+suffix+".txt"))
		if err != nil {
			continue
		}
		v.Check(t, v.Name(file)+" "+step, strings.TrimSpace(string(want)) == strings.TrimSpace(got), "another value")
	}
}

// secureWith signs a document with any suite, for the test.
func secureWith(t testing.TB, document string, name string, key crypto.Signer, contexts func(string) ([]byte, bool)) string {
	t.Helper()
	v, err := jcs.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	own, _ := v.Get("@context")
	config, err := json.Marshal(map[string]string{
		"type": proofType, "cryptosuite": name, "created": "2026-11-22T06:40:05Z", "proofPurpose": proofPurpose, "verificationMethod": "did:web:example.org#key",
	})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := jcs.Parse(config)
	if err != nil {
		t.Fatal(err)
	}
	if isJCS(name) {
		proof = proof.With("@context", own)
	}
	s, ok := suiteOf(proof)
	if !ok {
		t.Fatal(name)
	}
	digest := sha256.New
	if k, ok := key.(*ecdsa.PrivateKey); ok && k.Curve == elliptic.P384() {
		digest = sha512.New384
	}
	unsecured, options, err := canonical(v, proof, nil, s, digest, contexts)
	if err != nil {
		t.Fatal(err)
	}
	data := hashPair(unsecured, options, digest)
	var signature []byte
	switch k := key.(type) {
	case ed25519.PrivateKey:
		signature = ed25519.Sign(k, data)
	case *ecdsa.PrivateKey:
		h := digest()
		h.Write(data)
		r, v, err := ecdsa.Sign(rand.Reader, k, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		size := k.Curve.Params().BitSize / 8
		signature = append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
	}
	proof = proof.With("proofValue", jcs.Value{Kind: jcs.String, Text: multibase.Encode(signature)})
	return string(v.With("proof", proof).Append(nil))
}

const foreign = `{"@context":["https://www.w3.org/ns/credentials/v2"],"id":"urn:uuid:1","type":["VerifiableCredential"],"issuer":"did:web:example.org","validFrom":"2023-01-01T00:00:00Z","validUntil":"2030-01-01T00:00:00+01:00","name":"N","credentialSubject":{"id":"did:example:a"}}`

// Every suite verifies what it signed, nothing else, and with no other key.
func TestEverySuite(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]crypto.Signer{
		"eddsa-jcs-2022": {ed}, "eddsa-rdfc-2022": {ed}, "ecdsa-jcs-2019": {p256, p384}, "ecdsa-rdfc-2019": {p256, p384},
	} {
		for _, key := range keys {
			signed := secureWith(t, foreign, name, key, known)
			d, err := ParseDocument([]byte(signed))
			if err != nil || len(d.Methods()) != 1 || d.Issuer != "did:web:example.org" || d.ValidUntil.Format("15") != "23" {
				t.Fatal(name, d, err)
			}
			m := d.Methods()[0]
			if err := d.Verify(m, key.Public()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, other := range []crypto.Signer{ed, p256, p384} {
				if trust.Fingerprint(other.Public()) != trust.Fingerprint(key.Public()) && d.Verify(m, other.Public()) == nil {
					t.Errorf("%s verifies with a key of another", name)
				}
			}
			for _, change := range [][2]string{{`"name":"N"`, `"name":"M"`}, {"did:example:a", "did:example:b"}, {"2023-01-01", "2022-01-01"}, {"2026-11-22T06", "2026-11-22T07"}, {"assertionMethod", "authentication"}} {
				d, err := ParseDocument([]byte(strings.Replace(signed, change[0], change[1], 1)))
				if err == nil && d.Verify(m, key.Public()) == nil {
					t.Errorf("%s verifies with %s for %s", name, change[1], change[0])
				}
			}
			// SafeMode's pitfall: what no context defines would be dropped by RDF, so
			// it must not pass unsigned.
			smuggled := strings.Replace(signed, `"name":"N"`, `"name":"N","secret":"added after signing"`, 1)
			d, err = ParseDocument([]byte(smuggled))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Verify(m, key.Public()); !errors.Is(err, ErrProof) && !errors.Is(err, ErrSignature) {
				t.Errorf("%s: a member that is not signed passes", name)
			}
			// Another suite's name over the same signature.
			for other := range map[string]bool{"eddsa-jcs-2022": true, "eddsa-rdfc-2022": true, "ecdsa-jcs-2019": true, "ecdsa-rdfc-2019": true} {
				if other == name {
					continue
				}
				if d, err := ParseDocument([]byte(strings.Replace(signed, name, other, 1))); err == nil && d.Verify(m, key.Public()) == nil {
					t.Errorf("%s verifies as %s", name, other)
				}
			}
		}
	}
}

// A document of ours may be secured by any of the suites.
func TestOursWithEverySuite(t *testing.T) {
	c := credentialtest.Jamaica()
	issued, err := Issue(c, status(), signer(1), created)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jcs.Parse(issued)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eddsa-jcs-2022", "eddsa-rdfc-2022"} {
		signed := secureWith(t, string(v.Without("proof").Append(nil)), name, ed, known)
		got, err := Parse([]byte(signed))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := got.Verify(ed.Public()); err != nil || got.Certificate().Name != c.Name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := secureWith(t, foreign, "eddsa-jcs-2022", ed, known)
	for name, tc := range map[string]struct {
		old, with string
		want      error
	}{
		"no credential":         {"VerifiableCredential", "Other", ErrType},
		"another first context": {"https://www.w3.org/ns/credentials/v2", "urn:x", ErrType},
		"another suite":         {"eddsa-jcs-2022", "bbs-2023", ErrType},
		"no issuer":             {`"issuer":"did:web:example.org",`, "", ErrMalformed},
		"a time that is none":   {`"2023-01-01T00:00:00Z"`, `"soon"`, ErrMalformed},
	} {
		if _, err := ParseDocument(bytes.ReplaceAll([]byte(signed), []byte(tc.old), []byte(tc.with))); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	// A context that nobody knows: it cannot be told whether the proof is good.
	rdf := secureWith(t, foreign, "eddsa-rdfc-2022", ed, known)
	other, err := ParseDocument([]byte(strings.Replace(rdf, `credentials/v2"]`, `credentials/v2","urn:x"]`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(other.Methods()[0], ed.Public()); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	// A proof that builds upon one that was taken away.
	d, err := ParseDocument([]byte(strings.Replace(signed, `"proofPurpose"`, `"previousProof":"urn:uuid:9","proofPurpose"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Verify(d.Methods()[0], ed.Public()); !errors.Is(err, ErrProof) {
		t.Error(err)
	}
}
