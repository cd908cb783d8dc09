package vdsnc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/vdsnc"
)

// TestVectorsWHOSeals reads what the seals among WHO's fixtures say. Their certificates
// and signatures are cut short there, so ones of the test stand in for them.
func TestVectorsWHOSeals(t *testing.T) {
	v := credentialtest.NewVectors(t, "who-ddcc-fixtures", "icao")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "BSC"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) jcs.Value { return jcs.Value{Kind: jcs.String, Text: s} }
	for _, file := range v.Files(t, ".json") {
		if filepath.Base(filepath.Dir(file)) != "icao" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jcs.Parse(data)
		sig, ok := value.Get("sig")
		if err != nil || !ok {
			v.Skip(t, v.Name(file), "no seal")
			continue
		}
		sig = sig.With("cer", text(base64.RawURLEncoding.EncodeToString(der))).With("sigvl", text("AA"))
		s, err := vdsnc.Decode(value.With("sig", sig).Append(nil))
		if err != nil {
			v.Check(t, v.Name(file), false, err.Error())
			continue
		}
		all, err := s.Certificates()
		good := err == nil && len(all) > 0 && all[0].Name != "" && !all[0].BirthDate.IsZero()
		for _, c := range all {
			test := s.Type == "icao.test"
			good = good && c.Test.IsZero() != test && c.Vaccination.Date.IsZero() == test && (test || c.Vaccination.Lot != "" && c.Vaccination.Number > 0)
		}
		v.Check(t, v.Name(file), good, "read otherwise than it says")
		if s.Verify(nil) == nil || s.VerifyBy(s.Signer) == nil {
			t.Errorf("%s: a signature that is none verifies", v.Name(file))
		}
	}
}
