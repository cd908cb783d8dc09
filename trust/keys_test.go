package trust_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func parse(t testing.TB, data []byte) *trust.Bundle {
	t.Helper()
	b, err := trust.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABareKeyIsTriedOnEverything(t *testing.T) {
	key := newKey(t)
	l := trust.New(parse(t, keyPEM(t, key.Public())))
	for _, got := range [][]trust.Candidate{l.ByKeyID([]byte("12345678")), l.ByMethod("did:india"), l.ByKeyID(nil), l.ByMethod("")} {
		if len(got) != 1 || trust.Fingerprint(got[0].Key.Public) != trust.Fingerprint(key.Public()) || got[0].Issuer.Name == "" {
			t.Errorf("candidates %v", got)
		}
	}
}

func TestAKeyWithANameIsFoundByItAlone(t *testing.T) {
	sca := newAuthority(t, "Ministry", "JM")
	dsc := sca.signer(t)
	document := newDocumentKey(t)
	l := trust.New(parse(t, certPEM(dsc)), &trust.Bundle{Issuers: []trust.Issuer{{ID: did, Keys: []trust.Key{document.key()}}}})
	if got := l.ByKeyID(trust.CertificateKeyID(dsc)); len(got) != 1 || got[0].Key.Certificate == nil || got[0].Issuer.Country != "JM" {
		t.Errorf("by key id: %v", got)
	}
	if got := l.ByMethod(document.ID()); len(got) != 1 || got[0].Issuer.ID != did {
		t.Errorf("by method: %v", got)
	}
	for name, got := range map[string][]trust.Candidate{
		"another key id": l.ByKeyID([]byte("12345678")), "no key id": l.ByKeyID(nil), "a key id cut off": l.ByKeyID(trust.CertificateKeyID(dsc)[:7]),
		"another method": l.ByMethod(document.ID() + "x"), "no method": l.ByMethod(""), "the DID alone": l.ByMethod(did),
	} {
		if len(got) != 0 {
			t.Errorf("%s finds %v", name, got)
		}
	}
}

func TestKeysThatShareAKeyIDAreAllCandidates(t *testing.T) {
	a, b := newKey(t), newKey(t)
	kid := []byte("same-kid")
	l := trust.New(&trust.Bundle{Issuers: []trust.Issuer{
		{Name: "a", Keys: []trust.Key{{KeyID: kid, Public: a.Public()}}}, {Name: "b", Keys: []trust.Key{{KeyID: kid, Public: b.Public()}}},
	}})
	if got := l.ByKeyID(kid); len(got) != 2 || got[0].Issuer.Name != "a" || got[1].Issuer.Name != "b" {
		t.Errorf("candidates %v", got)
	}
}

func TestUsageOfCertificates(t *testing.T) {
	sca := newAuthority(t, "Ministry", "JM")
	oid := func(last ...int) asn1.ObjectIdentifier {
		return append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1}, last...)
	}
	for name, c := range map[string]struct {
		oids []asn1.ObjectIdentifier
		want []trust.Usage // allowed of test, vaccination, recovery
	}{
		"none means any":           {nil, []trust.Usage{trust.Test, trust.Vaccination, trust.Recovery}},
		"others count for nothing": {[]asn1.ObjectIdentifier{oid(99999, 1)}, []trust.Usage{trust.Test, trust.Vaccination, trust.Recovery}},
		"vaccination":              {[]asn1.ObjectIdentifier{oid(1847, 2021, 1, 2)}, []trust.Usage{trust.Vaccination}},
		"the other arc":            {[]asn1.ObjectIdentifier{oid(0, 1847, 2021, 1, 1), oid(99999, 1)}, []trust.Usage{trust.Test}},
		"two":                      {[]asn1.ObjectIdentifier{oid(1847, 2021, 1, 1), oid(1847, 2021, 1, 3)}, []trust.Usage{trust.Test, trust.Recovery}},
	} {
		t.Run(name, func(t *testing.T) {
			k := parse(t, certPEM(sca.signer(t, c.oids...))).Issuers[0].Keys[0]
			for _, u := range []trust.Usage{trust.Test, trust.Vaccination, trust.Recovery} {
				if k.Allows(u) != slices.Contains(c.want, u) {
					t.Errorf("%s: allowed %v", u, k.Allows(u))
				}
			}
		})
	}
}

func TestPEM(t *testing.T) {
	sca, other := newAuthority(t, "SPECIMEN Ministry", "JM"), newAuthority(t, "SPECIMEN Ministry", "JM")
	dsc, document := sca.signer(t), newDocumentKey(t)
	b := parse(t, slices.Concat(certPEM(sca.cert, dsc), []byte("# words between\n"), keyPEM(t, document.public())))
	if len(b.Issuers) != 2 || len(b.Issuers[0].Keys) != 1 || !b.Issuers[1].Specimen {
		t.Fatalf("issuers %+v", b.Issuers)
	}
	if k := b.Issuers[1].Keys[0]; !k.Certificate.Equal(dsc) || len(k.Chain) != 1 || !k.NotAfter.Equal(dsc.NotAfter) || !k.NotBefore.Equal(dsc.NotBefore) {
		t.Errorf("key %+v", k)
	}
	if k := parse(t, certPEM(sca.cert)).Issuers[0].Keys[0]; !k.Certificate.Equal(sca.cert) {
		t.Error("an authority named alone is not taken as signer")
	}
	if k := parse(t, dsc.Raw).Issuers[0].Keys[0]; !k.Certificate.Equal(dsc) {
		t.Error("a DER certificate is not read")
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("no small RSA keys here:", err)
	}
	large := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8191), E: 65537}
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	private, _ := x509.MarshalPKCS8PrivateKey(document.private)
	for name, data := range map[string][]byte{
		"another authority of that name": certPEM(other.cert, dsc),
		"a private key":                  slices.Concat(certPEM(dsc), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"a block of another kind":        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{1}}),
		"a block cut off":                certPEM(dsc)[:200],
		"a second block cut off":         append(certPEM(dsc), certPEM(dsc)[:200]...),
		"a certificate not to be read":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}),
		"a key not to be read":           pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{0x30, 0}}),
		"RSA of 1024 bits":               keyPEM(t, weak.Public()),
		"RSA of 8192 bits":               keyPEM(t, large),
		"a key on P-521":                 keyPEM(t, p521.Public()),
		"nothing":                        nil,
		"words":                          []byte("trust me"),
		"no JSON we know":                []byte(`{"a":1}`),
		"a JSON array":                   []byte(`[]`),
		"a JWK set without keys":         []byte(`{"keys":[]}`),
		"base 58 of another length":      []byte("DaipNW4xaH2bh1XGNNdqjnSYyru3hLnUgTBSfSvmZ2"),
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := trust.Parse(data); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("read %v, error = %v", b, err)
			}
		})
	}
}

func TestDIDWeb(t *testing.T) {
	for url, want := range map[string]string{
		"https://certificates.jamaica.example":      "did:web:certificates.jamaica.example",
		"https://Certificates.Jamaica.Example/":     "did:web:certificates.jamaica.example",
		"http://localhost:8080":                     "did:web:localhost%3A8080",
		"https://health.example/vaccination/certs/": "did:web:health.example:vaccination:certs",
		"":                              "",
		"certificates.jamaica.example":  "",
		"ftp://jamaica.example":         "",
		"https://u:p@jamaica.example":   "",
		"https://jamaica.example/?a=b":  "",
		"https://jamaica.example/#main": "",
	} {
		if got, err := trust.DIDWeb(url); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", url, got, err)
		}
	}
}

func TestMultikeysReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed")
		ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append([]byte{1}, seed[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		for _, public := range []crypto.PublicKey{ed25519.PublicKey(seed), ec.Public()} {
			text := trust.Multikey(public)
			got, err := trust.ParseMultikey(text)
			if err != nil || trust.Fingerprint(got) != trust.Fingerprint(public) {
				t.Fatalf("%s read back as %v, %v", text, got, err)
			}
		}
	})
	for name, s := range map[string]string{
		"empty": "", "another base": "u6Mk", "one byte": "z2", "another codec": "z" + "3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq",
		"a letter that does not belong": "z6Mk0", "cut off": "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ",
	} {
		if k, err := trust.ParseMultikey(s); err == nil {
			t.Errorf("%s: read as %v", name, k)
		}
	}
}

func TestPublishedKeysOfTheVectors(t *testing.T) {
	dir := vectors(t)
	var files [][]byte
	for _, f := range []string{
		"divoc/demo-rsa-public.pem", "hcert-testdata/testdata/jwks.json", "hcert-testdata/testdata/jwks_signer_public.json",
		"smart-health-cards/spec-examples/issuer.jwks.private.json", "hcert-testdata/testdata/issuer1.crt",
		"hcert-testdata/testdata/issuer2.crt", "hcert-testdata/testdata/issuer3.crt", "hcert-testdata/testdata/issuer4.crt",
	} {
		files = append(files, read(t, dir+"/"+f))
	}
	files = append(files, []byte("DaipNW4xaH2bh1XGNNdqjnSYyru3hLnUgTBSfSvmZ2hi\n"))
	for _, key := range []string{"zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP", "z82LkuBieyGShVBhvtE2zoiD6Kma4tJGFtkAhxR5pfkp5QPw4LutoYWhvQCnGjdVn14kujQ"} { // of W3C's ECDSA vectors
		files = append(files, []byte(key))
	}
	pairs := map[string]struct{ PublicKeyMultibase string }{}
	if err := json.Unmarshal(read(t, dir+"/w3c-vc-di-eddsa/proof-set-chain/multiKeyPairs.json"), &pairs); err != nil {
		t.Fatal(err)
	}
	one := pairs["keyPair1"]
	if err := json.Unmarshal(read(t, dir+"/w3c-vc-di-eddsa/keyPair.json"), &one); err != nil {
		t.Fatal(err)
	}
	pairs["keyPair"] = one
	for _, p := range pairs {
		files = append(files, []byte(p.PublicKeyMultibase))
	}
	for i, data := range files {
		if _, err := trust.Parse(data); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("file %d: error = %v", i, err)
		}
		b, err := trust.ParseNamed(data)
		if err != nil {
			t.Errorf("file %d, named by somebody: %v", i, err)
			continue
		}
		for _, iss := range b.Issuers {
			for _, k := range iss.Keys {
				if where, ok := trust.Published(k.Public); !ok || where == "" {
					t.Errorf("file %d: a key is not listed", i)
				}
			}
		}
	}
	if _, ok := trust.Published(newKey(t).Public()); ok {
		t.Error("a fresh key counts as published")
	}
	if _, ok := trust.Published("no key"); ok {
		t.Error("what is no key counts as published")
	}
	t.Run("also inside a bundle", func(t *testing.T) {
		b, err := trust.ParseNamed(files[0])
		if err != nil {
			t.Fatal(err)
		}
		key := newDocumentKey(t)
		bundle := sample(t, key)
		bundle.Issuers = append(bundle.Issuers, b.Issuers...)
		data := signed(t, bundle, key)
		if _, err := trust.Parse(data); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("error = %v", err)
		}
	})
}

func TestSignersUnderAPublishedKeyAreRefused(t *testing.T) {
	data := read(t, vectors(t)+"/hcert-testdata/testdata/issuer1.key")
	var key *ecdsa.PrivateKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			key = k
		} else if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			key = k.(*ecdsa.PrivateKey)
		}
	}
	template := newAuthority(t, "Ministry", "JM").cert
	template.PublicKey, template.SubjectKeyId, template.AuthorityKeyId = nil, nil, nil
	sca := authority{credentialtest.X509(t, template, template, key.Public(), key), key}
	if _, err := trust.Parse(certPEM(sca.signer(t), sca.cert)); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("error = %v", err)
	}
}

func TestKeyIDsOfTheHCERTTestData(t *testing.T) {
	dir := vectors(t) + "/hcert-testdata/testdata/"
	set, err := trust.ParseNamed(read(t, dir+"jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		cert, err := trust.ParseNamed(read(t, fmt.Sprintf("%sissuer%d.crt", dir, i+1)))
		if err != nil {
			t.Fatal(err)
		}
		a, b := set.Issuers[0].Keys[i], cert.Issuers[0].Keys[0]
		if !bytes.Equal(a.KeyID, b.KeyID) || trust.Fingerprint(a.Public) != trust.Fingerprint(b.Public) {
			t.Errorf("issuer %d: %x and %x", i+1, a.KeyID, b.KeyID)
		}
	}
}

func TestKeysOfTheBundleAreTheOnesOfTheFiles(t *testing.T) {
	// Whatever a key file gave can be published in a bundle and comes out alike.
	key := newDocumentKey(t)
	sca := newAuthority(t, "Ministry", "JM")
	for name, data := range map[string][]byte{
		"certificates": certPEM(sca.signer(t), sca.cert), "a bare key": keyPEM(t, newKey(t).Public()),
		"a JWK set": toJSON(t, map[string]any{"keys": []any{jwkOf(t, &newKey(t).PublicKey, same)}}),
	} {
		b := sample(t, key)
		b.Issuers = append(b.Issuers, parse(t, data).Issuers...)
		if diff := cmp.Diff(b.Issuers, parse(t, signed(t, b, key)).Issuers); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A key that says what it is for counts for that alone.
func TestKeysForAnotherUse(t *testing.T) {
	const x, y = "TQMO8KVXl_VLepw6HWwsoTOjXx-6YxXWRFDJIqcC6ZA", "TBYkc0vnSscRuxpNlD773kw-1TrYh4n4gqTAsepV2Bw"
	for members, counts := range map[string]bool{
		``:                           true,
		`,"use":"sig","alg":"ES256"`: true,
		`,"alg":"ES256"`:             true,
		`,"use":"enc"`:               false,
		`,"alg":"ES384"`:             false,
		`,"alg":"ECDH-ES"`:           false,
		`,"alg":"RS256"`:             false,
		`,"alg":"none"`:              false,
	} {
		b, err := trust.ParseNamed([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"` + members + `}]}`))
		got := err == nil && len(b.Issuers) == 1 && len(b.Issuers[0].Keys) == 1
		if got != counts {
			t.Errorf("a key with %q counts: %v, want %v (%v)", members, got, counts, err)
		}
	}
}
