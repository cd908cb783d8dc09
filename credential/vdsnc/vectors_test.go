package vdsnc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/vdsnc"
)

// must not verify, by their files' names.
var badSeals = regexp.MustCompile(`(?i)tamper|altered|invalid|wrong|must|bad`)

// TestVectorsVDSNC verifies every seal of the set by the signer in it, and under its
// authority where that is in the set too. A file holds one seal or a list of them, as
// JSON or as a text of it.
func TestVectorsVDSNC(t *testing.T) {
	v := credentialtest.NewVectors(t, "icao-vds-nc", "").Optional()
	var authorities []*x509.Certificate
	for _, file := range v.Files(t, ".pem", ".crt", ".cer", ".der") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if block, _ := pem.Decode(data); block != nil {
			data = block.Bytes
		}
		if c, err := x509.ParseCertificate(data); err == nil && c.IsCA {
			authorities = append(authorities, c)
		}
	}
	for _, file := range v.Files(t, ".json", ".txt") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []json.RawMessage
		if json.Unmarshal(data, &list) != nil {
			list = []json.RawMessage{data}
		}
		for _, text := range list {
			seal(t, v, file, text, authorities)
		}
	}
}

func seal(t *testing.T, v *credentialtest.Vectors, file string, text []byte, authorities []*x509.Certificate) {
	t.Helper()
	s, err := vdsnc.Decode(text)
	if errors.Is(err, vdsnc.ErrNotVDS) {
		v.Skip(t, v.Name(file), "no seal")
		return
	}
	want := !badSeals.MatchString(filepath.Base(file))
	if err == nil {
		err = s.VerifyBy(s.Signer)
	}
	if err == nil {
		for _, a := range authorities {
			if string(a.RawSubject) == string(s.Signer.RawIssuer) {
				err = s.Verify(a)
			}
		}
		if err == nil {
			_, err = s.Certificates()
		}
	}
	if want && err != nil {
		if why := otherSeal(text); why != "" {
			v.Fault(t, v.Name(file), why)
			return
		}
	}
	why := "it verifies"
	if err != nil {
		why = err.Error()
	}
	v.Check(t, v.Name(file), (err == nil) == want, why)
}

// otherSeal reads a seal without this package: why nobody can take it for one.
func otherSeal(text []byte) string {
	var s struct {
		Data json.RawMessage
		Sig  struct{ Alg, Cer, Sigvl string }
	}
	if json.Unmarshal(text, &s) != nil {
		return "it is not JSON"
	}
	der, err := base64any(s.Sig.Cer)
	if err != nil {
		return "its certificate is not base64"
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "its certificate is not readable"
	}
	signer := false
	for _, u := range c.UnknownExtKeyUsage {
		signer = signer || u.String() == "2.23.136.1.1.14.2"
	}
	signature, err := base64any(s.Sig.Sigvl)
	canonical, errJCS := jcs.Canonical(s.Data)
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	digest := sha256.Sum256(canonical)
	switch {
	case !signer:
		return "its certificate is of no signer of seals (ICAO 9303-13: extended key usage 2.23.136.1.1.14.2)"
	case s.Sig.Alg != "ES256" && s.Sig.Alg != "ES384" && s.Sig.Alg != "ES512":
		return "it names no algorithm of seals"
	case err != nil || errJCS != nil || !ok:
		return "its signature is not readable"
	case key.Curve == elliptic.P256() && len(signature) != 64:
		return "its signature is not r || s"
	case key.Curve == elliptic.P256() && !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])):
		return "its signature is not of its certificate"
	}
	return ""
}

// base64any reads base64 of either alphabet, with or without padding.
func base64any(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(s), "="))
}
