package trustlist

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/opendivoc/divoc/trust"
)

// The EU's list has some 1,500 signers. With all of them a trust bundle stays what
// a mobile network carries, and is read in a fraction of a second.
func TestABundleWithAllSignersOfTheEU(t *testing.T) {
	var certs []*x509.Certificate
	for _, country := range []string{"AT", "BE", "DE", "ES", "FR", "IT", "NL", "PL", "PT", "SE"} {
		a := newAuthority(t, "Ministry of Health of a country with a long name", country)
		certs = append(certs, a.cert)
		for range 150 {
			certs = append(certs, a.signer(t))
		}
	}
	began := time.Now()
	c := reading{Settings: Settings{Kind: Certificates}}.good(t, pems(certs...))
	read := time.Since(began)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := bundleKey{"did:web:own.example#1", private}
	own := trust.Issuer{ID: "did:web:own.example", Keys: []trust.Key{{ID: key.id, Public: private.Public()}}}
	b := &trust.Bundle{Version: 1, Issued: from, Issuers: append([]trust.Issuer{own}, c.Issuers...)}
	data := must(b.Sign(key))(t)
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	parsed := must(trust.Parse(data))(t)
	if n := trust.New(parsed).Len(); n != 1501 {
		t.Errorf("%d keys", n)
	}
	t.Logf("1,500 signers: imported in %v; bundle %d kB, %d kB packed, read in %v", read.Round(time.Millisecond), len(data)>>10, small.Len()>>10, time.Since(began).Round(time.Millisecond))
	if len(data) > 700<<10 {
		t.Errorf("the bundle has %d bytes", len(data))
	}
}
