package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/trust"
)

const (
	sampleList   = "did:web:tng-cdn.example:v2:trustlist:DDCC:-:DSC"
	sampleSigner = "did:web:who.example:signing"
)

// provedBy signs a list as WHO's service does. What it signs is written here by hand,
// not made of the contexts: five statements about the proof, then four about each
// key, seven with what the key is for.
func provedBy(t testing.TB, k *ecdsa.PrivateKey, raw bool, environment string, methods ...map[string]any) []byte {
	t.Helper()
	const (
		rdf     = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
		header  = `{"b64":false,"crit":["b64"],"alg":"ES256"}`
		created = "2026-09-26T18:00:15Z"
		nonce   = "zQOYz4xUXCGI"
	)
	contexts := []string{didContext, jwsContext}
	if environment != "-" {
		contexts = append(contexts, tngContext+environment+".jsonld")
	}
	lines := []string{fmt.Sprintf("<%s> <%scontroller> <%s:parent> .\n", sampleList, security, sampleList)}
	for _, m := range methods {
		m["domain"], m["participant"] = "DCC", "XAA"
		id := m["id"].(string)
		if environment != "-" {
			m["domain"], m["participant"], m["keyusage"] = map[string]string{"code": "#DCC"}, map[string]string{"code": "#XAA"}, map[string]string{"code": "#DSC"}
			for name, code := range map[string]string{"Domains": "DCC", "Participants": "XAA", "KeyUsage": "DSC"} {
				values := "https://smart.who.int/trust/ValueSet-" + name + environment + ".jsonld"
				lines = append(lines, fmt.Sprintf("<%s> <%s> <%s#%s> .\n", id, values, values, code))
			}
		}
		jwk := string(must(jcs.Canonical(asJSON(t, m["publicKeyJwk"])))(t))
		lines = append(lines,
			fmt.Sprintf("<%s> <%sverificationMethod> <%s> .\n", sampleList, security, id),
			fmt.Sprintf("<%s> <%stype> <%sJsonWebKey2020> .\n", id, rdf, security),
			fmt.Sprintf("<%s> <%scontroller> <%s> .\n", id, security, sampleList),
			fmt.Sprintf("<%s> <%spublicKeyJwk> \"%s\"^^<%sJSON> .\n", id, security, strings.ReplaceAll(jwk, `"`, `\"`), rdf))
	}
	slices.Sort(lines)
	options := []string{
		fmt.Sprintf("_:c14n0 <http://purl.org/dc/terms/created> \"%s\"^^<http://www.w3.org/2001/XMLSchema#dateTime> .\n", created),
		fmt.Sprintf("_:c14n0 <%stype> <%sJsonWebSignature2020> .\n", rdf, security),
		fmt.Sprintf("_:c14n0 <%snonce> \"%s\" .\n", security, nonce),
		fmt.Sprintf("_:c14n0 <%sproofPurpose> <%sassertionMethod> .\n", security, security),
		fmt.Sprintf("_:c14n0 <%sverificationMethod> <%s> .\n", security, sampleSigner),
	}
	said, list := sha256.Sum256([]byte(strings.Join(options, ""))), sha256.Sum256([]byte(strings.Join(lines, "")))
	encoded := base64.RawURLEncoding.EncodeToString([]byte(header))
	digest := sha256.Sum256(slices.Concat([]byte(encoded+"."), said[:], list[:]))
	signature := must(ecdsa.SignASN1(rand.Reader, k, digest[:]))(t)
	if raw {
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	return asJSON(t, map[string]any{
		"@context": contexts, "id": sampleList, "controller": sampleList + ":parent", "verificationMethod": methods,
		"proof": map[string]any{
			"type": "JsonWebSignature2020", "created": created, "nonce": nonce, "proofPurpose": "assertionMethod", "verificationMethod": sampleSigner,
			"jws": encoded + ".." + base64.RawURLEncoding.EncodeToString(signature),
		},
	})
}

func publicPEM(t testing.TB, k *ecdsa.PrivateKey) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.Public()))(t)}))
}

// signerDocument is the DID document in which a signer's bare key stands.
func signerDocument(t testing.TB, k *ecdsa.PrivateKey) string {
	t.Helper()
	raw := must(k.PublicKey.Bytes())(t)
	return string(asJSON(t, map[string]any{"@context": []string{didContext, jwsContext}, "id": sampleSigner, "verificationMethod": []map[string]any{{
		"id": sampleSigner, "type": "JsonWebKey2020", "controller": sampleSigner,
		"publicKeyJwk": map[string]string{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(raw[1:33]), "y": base64.RawURLEncoding.EncodeToString(raw[33:])},
	}}}))
}

func TestProofsOfLists(t *testing.T) {
	k, other := newKey(t), newKey(t)
	xa, xb := newAuthority(t, "Health XA", "XA"), newAuthority(t, "Health XB", "XB")
	one, two := xa.signer(t), xb.signer(t)
	methods := func() []map[string]any {
		return []map[string]any{method(sampleList, one, xa.cert), method(sampleList, two, xb.cert)}
	}
	list := func(environment string) []byte { return provedBy(t, k, false, environment, methods()...) }
	swap := func(data []byte, old, with string) []byte {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("nothing to change: %s", old)
		}
		return bytes.ReplaceAll(data, []byte(old), []byte(with))
	}
	pin := publicPEM(t, k)
	before := &Content{Issuers: []trust.Issuer{{ID: sampleList}}}
	for name, tc := range map[string]struct {
		data    []byte
		anchors string
		last    *Content
		refused string
		signed  bool
	}{
		"a production list":                                    {data: list("-"), anchors: pin, signed: true},
		"a list of the test environment":                       {data: list("-DEV"), anchors: pin, signed: true},
		"with WHO's own context of production":                 {data: list(""), anchors: pin, signed: true},
		"r || s in place of DER":                               {data: provedBy(t, k, true, "-", methods()...), anchors: pin, signed: true},
		"the key pinned as a DID document":                     {data: list("-"), anchors: signerDocument(t, k), signed: true},
		"authorities and the key pinned":                       {data: list("-"), anchors: pin + string(pems(xa.cert, xb.cert)), signed: true},
		"the list that counts is of the same subject":          {data: list("-"), anchors: pin, last: before, signed: true},
		"a genuine list in another one's place":                {data: list("-"), anchors: pin, last: &Content{Issuers: []trust.Issuer{{ID: "did:web:other"}}}},
		"nobody pinned: a person decides":                      {data: list("-")},
		"another key":                                          {data: list("-"), anchors: publicPEM(t, other), refused: "not signed with the key"},
		"no proof":                                             {data: swap(list("-"), `"proof"`, `"proven"`), anchors: pin, refused: "not signed"},
		"made at another time":                                 {data: swap(list("-"), "18:00:15Z", "18:00:16Z"), anchors: pin, refused: "not signed with the key"},
		"another nonce":                                        {data: swap(list("-"), "zQOYz4xUXCGI", "aQOYz4xUXCGI"), anchors: pin, refused: "not signed with the key"},
		"another purpose":                                      {data: swap(list("-"), "assertionMethod", "authentication"), anchors: pin, refused: "kind that is not read"},
		"another kind of proof":                                {data: swap(list("-"), "JsonWebSignature2020", "RsaSignature2018"), anchors: pin, refused: "kind that is not read"},
		"another subject":                                      {data: swap(list("-"), "DDCC:-:DSC", "DDCC:-:SCA"), anchors: pin, refused: "not signed with the key"},
		"another controller":                                   {data: swap(list("-"), ":parent", ":parents"), anchors: pin, refused: "not signed with the key"},
		"another use in a context that defines it":             {data: swap(list("-DEV"), "#DSC", "#SCA"), anchors: pin, refused: "not signed with the key"},
		"a use that no context defines":                        {data: swap(list("-"), `"DCC"`, `"ICVP"`), anchors: pin, signed: true},
		"a member that no context defines":                     {data: swap(list("-"), `"nonce"`, `"secret":"x","nonce"`), anchors: pin, refused: "no context defines"},
		"a context that is not known":                          {data: swap(list("-DEV"), "v1-DEV", "v2-DEV"), anchors: pin, refused: "context that is not known"},
		"algorithm confusion: a header that says another":      {data: swap(list("-"), base64.RawURLEncoding.EncodeToString([]byte(`{"b64":false,"crit":["b64"],"alg":"ES256"}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"b64":false,"crit":["b64"],"alg":"none"}`))), anchors: pin, refused: "kind that is not read"},
		"algorithm confusion: a header with more":              {data: swap(list("-"), base64.RawURLEncoding.EncodeToString([]byte(`{"b64":false,"crit":["b64"],"alg":"ES256"}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"b64":false,"crit":["b64"],"alg":"ES256","jwk":{}}`))), anchors: pin, refused: "kind that is not read"},
		"algorithm confusion: the JWS carries its own payload": {data: swap(list("-"), "..", ".e30."), anchors: pin, refused: "kind that is not read"},
		"a certificate exchanged":                              {data: swap(list("-"), base64.StdEncoding.EncodeToString(one.Raw), base64.StdEncoding.EncodeToString(xa.signer(t).Raw)), anchors: pin, refused: "not signed with the key"},
		"the pinned key's private half is published":           {data: list("-"), anchors: signerDocument(t, published(t)), refused: "anybody can sign with"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := reading{Settings: Settings{Kind: DID, Anchors: tc.anchors}, last: tc.last}.of(t, tc.data)
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("%v, want %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Keys() != 2 || c.Signed != tc.signed || c.Issued.IsZero() != (tc.anchors == "") {
				t.Errorf("%d keys, signed %v at %v, left out %v", c.Keys(), c.Signed, c.Issued, c.LeftOut)
			}
		})
	}
}

// published is a key that everybody has: that of the vectors.
func published(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	v := credentialtest.NewVectors(quiet{t}, "smart-health-cards", "")
	files := v.Files(t, "issuer.jwks.private.json")
	if len(files) == 0 {
		t.Skip("no published private key is here")
	}
	var set struct{ Keys []struct{ D string } }
	if err := json.Unmarshal(must(os.ReadFile(files[0]))(t), &set); err != nil {
		t.Fatal(err)
	}
	d := must(base64.RawURLEncoding.DecodeString(set.Keys[0].D))(t)
	return must(ecdsa.ParseRawPrivateKey(newKey(t).Curve, new(big.Int).SetBytes(d).FillBytes(make([]byte, 32))))(t)
}

type quiet struct{ testing.TB }

func (quiet) Cleanup(func()) {}

// TestVectorsGDHCN checks the proof of every DID list of the set by the key of its
// signer, whose own document is in the set too.
func TestVectorsGDHCN(t *testing.T) {
	v := credentialtest.NewVectors(t, "who-ddcc-gdhcn", "did proofs").Optional()
	type document struct {
		ID    string
		Proof *struct{ VerificationMethod string }
	}
	files, signers := map[string][]byte{}, map[string][]byte{}
	docs := map[string]document{}
	for _, file := range v.Files(t, ".json") {
		data := must(os.ReadFile(file))(t)
		var d document
		if json.Unmarshal(data, &d) != nil || !strings.HasPrefix(d.ID, "did:") {
			continue
		}
		if d.Proof == nil {
			signers[d.ID] = data
			continue
		}
		files[file], docs[file] = data, d
	}
	for _, file := range v.Files(t, ".json") {
		d, ok := docs[file]
		if !ok {
			continue
		}
		by, _, _ := strings.Cut(d.Proof.VerificationMethod, "#")
		if signers[by] == nil {
			v.Skip(t, v.Name(file), "the document of its signer is not in the set")
			continue
		}
		_, _, pins, err := parseAnchors(signers[by])
		if err == nil {
			_, err = (&reading{pins: pins}).proved(files[file])
		}
		v.Check(t, v.Name(file), err == nil, fmt.Sprint(err))
	}
}
