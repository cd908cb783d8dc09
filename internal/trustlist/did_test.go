package trustlist

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/trust"
)

func testDocument(t testing.TB, id string, methods ...map[string]any) []byte {
	t.Helper()
	return asJSON(t, map[string]any{"@context": []string{"https://www.w3.org/ns/did/v1"}, "id": id, "verificationMethod": methods, "proof": map[string]any{"type": "JsonWebSignature2020"}})
}

// method is an entry as WHO's lists have them: coordinates as Java's BigInteger
// writes them, 33 bytes with a sign byte where the first bit is set.
func method(id string, chain ...*x509.Certificate) map[string]any {
	public, _ := chain[0].PublicKey.(*ecdsa.PublicKey)
	raw, err := public.Bytes()
	if err != nil {
		panic(err)
	}
	java := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(append([]byte{0}, b...)) }
	var x5c []string
	for _, c := range chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
	}
	kid := base64.StdEncoding.EncodeToString(trust.CertificateKeyID(chain[0]))
	return map[string]any{"id": id + "#" + kid, "type": "JsonWebKey2020", "controller": id, "publicKeyJwk": map[string]any{
		"kty": "EC", "crv": "P-256", "x": java(raw[1:33]), "y": java(raw[33:]), "kid": kid, "x5c": x5c,
	}}
}

func TestDIDLists(t *testing.T) {
	const id = "did:web:tng-cdn.example:v2:trustlist:DDCC:-:DSC"
	xa, xb := newAuthority(t, "Health XA", "XA"), newAuthority(t, "Health XB", "XB")
	rogue := newAuthority(t, "Health XA", "XA")
	one, two := xa.signer(t), xb.signer(t)
	change := func(m map[string]any, f func(m, jwk map[string]any)) map[string]any {
		f(m, m["publicKeyJwk"].(map[string]any))
		return m
	}
	other := newKey(t)
	otherRaw := must(other.PublicKey.Bytes())(t)
	for name, tc := range map[string]struct {
		methods []map[string]any
		anchors []*x509.Certificate
		issuer  string
		keys    int
		out     string
		refused string
	}{
		"two countries, coordinates of 33 bytes": {methods: []map[string]any{method(id, one, xa.cert), method(id, two, xb.cert)}, keys: 2},
		"pinned to their authorities":            {methods: []map[string]any{method(id, one, xa.cert), method(id, two, xb.cert)}, anchors: []*x509.Certificate{xa.cert, xb.cert}, keys: 2},
		"without the authority in x5c":           {methods: []map[string]any{method(id, one)}, anchors: []*x509.Certificate{xa.cert}, keys: 1},
		"x5c over JWK: another bare key beside it": {methods: []map[string]any{change(method(id, one, xa.cert), func(_, j map[string]any) {
			j["x"], j["y"] = base64.RawURLEncoding.EncodeToString(otherRaw[1:33]), base64.RawURLEncoding.EncodeToString(otherRaw[33:])
		})}, keys: 1},
		"x5c trusted blindly: a rogue authority in it": {methods: []map[string]any{method(id, rogue.signer(t), rogue.cert), method(id, two, xb.cert)}, anchors: []*x509.Certificate{xa.cert, xb.cert}, keys: 1, out: "none of the pinned"},
		"x5c that is no chain":                         {methods: []map[string]any{method(id, one, xb.cert), method(id, two, xb.cert)}, keys: 1, out: "chain"},
		"a bare key where authorities are pinned": {methods: []map[string]any{change(method(id, one, xa.cert), func(_, j map[string]any) { delete(j, "x5c") }), method(id, two, xb.cert)},
			anchors: []*x509.Certificate{xa.cert, xb.cert}, keys: 1, out: "no certificate"},
		"kid collision: the id of another certificate": {methods: []map[string]any{change(method(id, one, xa.cert), func(m, _ map[string]any) { m["id"] = method(id, two)["id"] }), method(id, two, xb.cert)}, keys: 1, out: "its id"},
		"an authority as a signer":                     {methods: []map[string]any{method(id, xa.cert), method(id, two, xb.cert)}, keys: 1, out: "anchor"},
		"another subject than pinned":                  {methods: []map[string]any{method(id, one, xa.cert)}, issuer: "did:web:else", refused: "another subject"},
		"references alone":                             {methods: []map[string]any{}, refused: "names no key"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := reading{Settings: Settings{Kind: DID, Issuer: tc.issuer, Anchors: string(pems(tc.anchors...))}}.of(t, testDocument(t, id, tc.methods...))
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("%v, want %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Keys() != tc.keys || (tc.out == "") != (len(c.LeftOut) == 0) || !strings.Contains(strings.Join(c.LeftOut, ""), tc.out) {
				t.Errorf("%d keys, left out %v", c.Keys(), c.LeftOut)
			}
			for _, iss := range c.Issuers {
				for _, k := range iss.Keys {
					for _, cert := range []*x509.Certificate{one, two} {
						if hex.EncodeToString(k.KeyID) == hex.EncodeToString(trust.CertificateKeyID(cert)) && trust.Fingerprint(k.Public) != trust.Fingerprint(cert.PublicKey) {
							t.Error("the bare key counts, not the certificate")
						}
					}
				}
			}
		})
	}
}
