package divocqr_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/divocqr"
)

var salt32 = &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}

func TestVerify(t *testing.T) {
	rsaKey, edKey := newRSA(t, 2048), newEd25519(t)
	short := newRSA(t, 1024)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := func(input []byte) []byte {
		digest := sha256.Sum256(input)
		sig, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	const rsaSuite, edSuite = "RsaSignature2018", "Ed25519Signature2018"
	for _, c := range []struct {
		name          string
		suite, header string
		sign          signFunc
		key           crypto.PublicKey
		want          error
	}{
		{"RSA", rsaSuite, ps256, signRSA(t, rsaKey, salt32), rsaKey.Public(), nil},
		{"Ed25519", edSuite, eddsa, signEd25519(edKey), edKey.Public(), nil},
		{"an Ed25519 signature under RSA's suite", rsaSuite, ps256, signEd25519(edKey), edKey.Public(), divocqr.ErrSignature},
		{"an RSA signature under Ed25519's suite", edSuite, eddsa, signRSA(t, rsaKey, salt32), rsaKey.Public(), divocqr.ErrSignature},
		{"PSS with the longest salt", rsaSuite, ps256, signRSA(t, rsaKey, &rsa.PSSOptions{SaltLength: 222, Hash: crypto.SHA256}), rsaKey.Public(), divocqr.ErrSignature},
		{"PKCS #1 1.5 padding", rsaSuite, ps256, pkcs1, rsaKey.Public(), divocqr.ErrSignature},
		{"a key of 1024 bits", rsaSuite, ps256, signRSA(t, short, salt32), short.Public(), divocqr.ErrSignature},
		{"an elliptic curve key", rsaSuite, ps256, signRSA(t, rsaKey, salt32), ecKey.Public(), divocqr.ErrSignature},
		{"a key by value", rsaSuite, ps256, signRSA(t, rsaKey, salt32), rsaKey.PublicKey, divocqr.ErrSignature},
		{"an RSA key of nothing", rsaSuite, ps256, signRSA(t, rsaKey, salt32), &rsa.PublicKey{}, divocqr.ErrSignature},
		{"an Ed25519 key cut off", edSuite, eddsa, signEd25519(edKey), edKey.Public().(ed25519.PublicKey)[:31], divocqr.ErrSignature},
		{"no key", edSuite, eddsa, signEd25519(edKey), nil, divocqr.ErrSignature},
	} {
		cred, err := divocqr.Decode(seal(t, sample(), c.suite, c.header, c.sign))
		if err != nil {
			t.Errorf("%s: Decode: %v", c.name, err)
			continue
		}
		if err := cred.Verify(c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestEveryMemberOfTheProofIsSigned changes the proof of a genuine certificate.
func TestEveryMemberOfTheProofIsSigned(t *testing.T) {
	key := newEd25519(t)
	for name, change := range map[string]func(proof map[string]any){
		"created":            func(p map[string]any) { p["created"] = "2021-08-28T11:35:44Z" },
		"verificationMethod": func(p map[string]any) { p["verificationMethod"] = "did:other" },
		"signature": func(p map[string]any) {
			head, sig, _ := strings.Cut(p["jws"].(string), "..")
			first := "A"
			if sig[0] == 'A' {
				first = "B"
			}
			p["jws"] = head + ".." + first + sig[1:]
		},
	} {
		doc := object(seal(t, sample(), "Ed25519Signature2018", eddsa, signEd25519(key)))
		change(proofOf(doc))
		cred, err := divocqr.Decode(marshal(doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := cred.Verify(key.Public()); !errors.Is(err, divocqr.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProofsRefused(t *testing.T) {
	edKey := newEd25519(t)
	for name, header := range map[string]string{
		"no algorithm":                  `{"alg":"none","b64":false,"crit":["b64"]}`,
		"another suite's algorithm":     ps256,
		"a shared secret":               `{"alg":"HS256","b64":false,"crit":["b64"]}`,
		"alg missing":                   `{"b64":false,"crit":["b64"]}`,
		"alg a list":                    `{"alg":["EdDSA"],"b64":false,"crit":["b64"]}`,
		"an encoded payload":            `{"alg":"EdDSA","b64":true,"crit":["b64"]}`,
		"b64 not there":                 `{"alg":"EdDSA","crit":["b64"]}`,
		"b64 null":                      `{"alg":"EdDSA","b64":null,"crit":["b64"]}`,
		"b64 a text":                    `{"alg":"EdDSA","b64":"false","crit":["b64"]}`,
		"crit not there":                `{"alg":"EdDSA","b64":false}`,
		"crit of something unknown":     `{"alg":"EdDSA","b64":false,"crit":["exp"]}`,
		"crit of more":                  `{"alg":"EdDSA","b64":false,"crit":["b64","exp"]}`,
		"crit a text":                   `{"alg":"EdDSA","b64":false,"crit":"b64"}`,
		"a parameter more":              `{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"x"}`,
		"a key of its own":              `{"alg":"EdDSA","b64":false,"crit":["b64"],"jwk":{}}`,
		"alg twice":                     `{"alg":"PS256","alg":"EdDSA","b64":false,"crit":["b64"]}`,
		"not an object":                 `["EdDSA"]`,
		"not JSON":                      `{"alg":"EdDSA"`,
		"algorithm in another spelling": `{"alg":"eddsa","b64":false,"crit":["b64"]}`,
	} {
		data := seal(t, sample(), "Ed25519Signature2018", header, signEd25519(edKey))
		if _, err := divocqr.Decode(data); !errors.Is(err, divocqr.ErrMalformed) {
			t.Errorf("header with %s: %v", name, err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(doc map[string]any)
		want   error
	}{
		{"no proof", func(d map[string]any) { delete(d, "proof") }, divocqr.ErrMalformed},
		{"proof null", func(d map[string]any) { d["proof"] = nil }, divocqr.ErrMalformed},
		{"two proofs", func(d map[string]any) { d["proof"] = []any{dummyProof(), dummyProof()} }, divocqr.ErrMalformed},
		{"a list of one proof", func(d map[string]any) { d["proof"] = []any{dummyProof()} }, divocqr.ErrMalformed},
		{"an unknown member", func(d map[string]any) { proofOf(d)["domain"] = "x" }, divocqr.ErrMalformed},
		{"a context of its own", func(d map[string]any) { proofOf(d)["@context"] = "https://w3id.org/security/v2" }, divocqr.ErrMalformed},
		{"another suite", func(d map[string]any) { proofOf(d)["type"] = "EcdsaSecp256k1Signature2019" }, divocqr.ErrUnsupported},
		{"the suite a list", func(d map[string]any) { proofOf(d)["type"] = []any{"RsaSignature2018"} }, divocqr.ErrMalformed},
		{"another purpose", func(d map[string]any) { proofOf(d)["proofPurpose"] = "authentication" }, divocqr.ErrMalformed},
		{"no purpose", func(d map[string]any) { delete(proofOf(d), "proofPurpose") }, divocqr.ErrMalformed},
		{"created not a time", func(d map[string]any) { proofOf(d)["created"] = "yesterday" }, divocqr.ErrMalformed},
		{"a relative method", func(d map[string]any) { proofOf(d)["verificationMethod"] = "india" }, divocqr.ErrMalformed},
		{"a method that closes its bracket", func(d map[string]any) { proofOf(d)["verificationMethod"] = "did:x> .\n<did:y" }, divocqr.ErrMalformed},
		{"no signature", func(d map[string]any) { delete(proofOf(d), "jws") }, divocqr.ErrMalformed},
		{"an empty signature", func(d map[string]any) { proofOf(d)["jws"] = cut(proofOf(d), "..") + ".." }, divocqr.ErrMalformed},
		{"a payload inside", func(d map[string]any) { proofOf(d)["jws"] = cut(proofOf(d), "..") + ".AAAA.AAAA" }, divocqr.ErrMalformed},
		{"padding", func(d map[string]any) { proofOf(d)["jws"] = cut(proofOf(d), "..") + "..AAA=" }, divocqr.ErrMalformed},
		{"loose bits at the end", func(d map[string]any) { proofOf(d)["jws"] = cut(proofOf(d), "..") + "..AB" }, divocqr.ErrMalformed},
	} {
		doc := sample()
		c.change(doc)
		if _, err := divocqr.Decode(marshal(doc)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func cut(proof map[string]any, sep string) string {
	head, _, _ := strings.Cut(proof["jws"].(string), sep)
	return head
}
