package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// jwkOf is the JWK of a P-256 key, its coordinates as f makes them.
func jwkOf(t testing.TB, k *ecdsa.PublicKey, f func([]byte) []byte) map[string]any {
	t.Helper()
	raw, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": "qzdNABzMSjM", "x": enc.EncodeToString(f(raw[1:33])), "y": enc.EncodeToString(f(raw[33:]))}
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func same(b []byte) []byte { return b }

func TestJWKCoordinates(t *testing.T) {
	key := newKey(t).PublicKey
	// A coordinate that begins with a zero byte occurs once in 128 keys.
	short := key
	for range 10_000 {
		if raw, _ := short.Bytes(); raw[1] == 0 || raw[33] == 0 {
			break
		}
		short = newKey(t).PublicKey
	}
	for name, c := range map[string]struct {
		key *ecdsa.PublicKey
		f   func([]byte) []byte
		ok  bool
	}{
		"of 32 bytes":                     {&key, same, true},
		"with a sign byte in front":       {&key, func(b []byte) []byte { return append([]byte{0}, b...) }, true},
		"without leading zeros":           {&short, func(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }, true},
		"with another byte in front":      {&key, func(b []byte) []byte { return append([]byte{1}, b...) }, false},
		"cut off":                         {&key, func(b []byte) []byte { return b[:31] }, false},
		"empty":                           {&key, func(b []byte) []byte { return nil }, false},
		"that make no point on the curve": {&key, func(b []byte) []byte { return bytes.Repeat([]byte{7}, 32) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := trust.Parse(toJSON(t, map[string]any{"keys": []any{jwkOf(t, c.key, c.f)}}))
			if (err == nil) != c.ok {
				t.Fatalf("error = %v", err)
			}
			if c.ok && trust.Fingerprint(b.Issuers[0].Keys[0].Public) != trust.Fingerprint(c.key) {
				t.Error("another key was read")
			}
		})
	}
}

func TestCertificatesGoBeforeTheKeyBesideThem(t *testing.T) {
	sca := newAuthority(t, "Ministry", "JM")
	dsc := sca.signer(t)
	x5c := []string{base64.StdEncoding.EncodeToString(dsc.Raw), base64.StdEncoding.EncodeToString(sca.cert.Raw)}
	jwk := jwkOf(t, dsc.PublicKey.(*ecdsa.PublicKey), same)
	jwk["x5c"] = x5c
	k := parse(t, toJSON(t, jwk)).Issuers[0].Keys[0]
	if !k.Certificate.Equal(dsc) || len(k.Chain) != 1 || !bytes.Equal(k.KeyID, trust.CertificateKeyID(dsc)) {
		t.Errorf("key %+v", k)
	}
	stranger := jwkOf(t, &newKey(t).PublicKey, same)
	stranger["x5c"] = x5c
	broken := jwkOf(t, dsc.PublicKey.(*ecdsa.PublicKey), same)
	broken["x5c"] = []string{x5c[0], base64.StdEncoding.EncodeToString(newAuthority(t, "Ministry", "JM").cert.Raw)}
	for name, j := range map[string]map[string]any{"another key beside it": stranger, "a chain that was not so signed": broken} {
		if _, err := trust.Parse(toJSON(t, j)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestDIDDocuments(t *testing.T) {
	document := newDocumentKey(t)
	jm, lk := newAuthority(t, "Jamaica's Ministry", "JM"), newAuthority(t, "Sri Lanka's Ministry", "LK")
	method := func(id string, extra map[string]any) map[string]any {
		m := map[string]any{"id": id, "type": "any", "controller": did}
		for k, v := range extra {
			m[k] = v
		}
		return m
	}
	withCertificate := func(a authority) map[string]any {
		dsc := a.signer(t)
		j := jwkOf(t, dsc.PublicKey.(*ecdsa.PublicKey), func(b []byte) []byte { return append([]byte{0}, b...) })
		j["x5c"] = []string{base64.StdEncoding.EncodeToString(dsc.Raw), base64.StdEncoding.EncodeToString(a.cert.Raw)}
		return method(did+"#"+base64.StdEncoding.EncodeToString(trust.CertificateKeyID(dsc)), map[string]any{"publicKeyJwk": j})
	}
	b := parse(t, toJSON(t, map[string]any{"@context": "x", "id": did, "verificationMethod": []any{
		method(did+"#multi", map[string]any{"publicKeyMultibase": trust.Multikey(document.public())}),
		method("#relative", map[string]any{"publicKeyBase58": "9XnZvbLDqUFU1MDxNpwEn7ohhz9ouYFrrGhq7jvjFsPd"}),
		method(did+"#pem", map[string]any{"publicKeyPem": string(keyPEM(t, newKey(t).Public()))}),
		withCertificate(jm), withCertificate(lk), withCertificate(jm),
	}}))
	l := trust.New(b)
	for _, id := range []string{did + "#multi", did + "#relative", did + "#pem"} {
		if got := l.ByMethod(id); len(got) != 1 || got[0].Issuer.ID != did {
			t.Errorf("%s: %v", id, got)
		}
	}
	if len(b.Issuers) != 2 || b.Issuers[0].Country != "JM" || len(b.Issuers[0].Keys) != 5 || b.Issuers[1].Country != "LK" || len(b.Issuers[1].Keys) != 1 {
		t.Errorf("issuers %+v", b.Issuers)
	}
	multikey := trust.Multikey(document.public())
	if _, err := trust.Parse([]byte(`{"id":"did:web:x","verificationMethod":[{"id":"#a","publicKeyMultibase":"` + multikey + `"}]}`)); err != nil {
		t.Errorf("the document of the refusals below, without their mistakes: %v", err)
	}
	for name, text := range map[string]string{
		"a method without key":      `{"id":"did:web:x","verificationMethod":[{"id":"#a","type":"X"}]}`,
		"a Multikey that is none":   `{"id":"did:web:x","verificationMethod":[{"id":"#a","publicKeyMultibase":"z6Mk0"}]}`,
		"a PEM text that is none":   `{"id":"did:web:x","verificationMethod":[{"id":"#a","publicKeyPem":"hello"}]}`,
		"no method":                 `{"id":"did:web:x","verificationMethod":[]}`,
		"a member twice":            `{"id":"did:web:x","id":"did:web:y","verificationMethod":[{"id":"#a","publicKeyMultibase":"` + multikey + `"}]}`,
		"nested too deeply":         `{"id":"did:web:x","verificationMethod":[{"id":"#a","publicKeyMultibase":"` + multikey + `"}],"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"members of another kind":   `{"id":7,"verificationMethod":{}}`,
		"an unbounded base 58 text": `{"id":"did:web:x","verificationMethod":[{"id":"#a","publicKeyBase58":"` + strings.Repeat("z", 4<<20) + `"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := trust.Parse([]byte(text)); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestOurDIDDocumentReadsBack(t *testing.T) {
	iss := sample(t, newDocumentKey(t)).Issuers[0]
	doc, err := iss.DIDDocument()
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, doc).Issuers
	if len(got) != 1 || got[0].ID != iss.ID || len(got[0].Keys) != len(iss.Keys) {
		t.Fatalf("issuers %+v", got)
	}
	for i, k := range got[0].Keys {
		if k.ID != iss.Keys[i].ID || trust.Fingerprint(k.Public) != trust.Fingerprint(iss.Keys[i].Public) {
			t.Errorf("key %d: %s", i, k.ID)
		}
	}
	var members map[string]any
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatal(err)
	}
	if n := len(members["assertionMethod"].([]any)); n != 3 {
		t.Errorf("%d assertion methods: retired keys must stay", n)
	}
	iss.Keys[2].ID = iss.Keys[1].ID
	if _, err := iss.DIDDocument(); err == nil {
		t.Error("two keys of one id were published")
	}
	if _, err := (trust.Issuer{}).DIDDocument(); err == nil {
		t.Error("a document without id was made")
	}
}
