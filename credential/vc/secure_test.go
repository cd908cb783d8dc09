package vc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/credentialtest"
)

// curveSigner signs as ECDSA on P-256.
type curveSigner struct{ key *ecdsa.PrivateKey }

func (curveSigner) ID() string { return "did:web:example.org#p256" }

func (s curveSigner) Sign(msg []byte) ([]byte, error) {
	sum := sha256.Sum256(msg)
	a, b, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return nil, err
	}
	return append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...), nil
}

type shortSigner struct{ testSigner }

func (shortSigner) Sign([]byte) ([]byte, error) { return make([]byte, 63), nil }

func TestSecureWithEachSuite(t *testing.T) {
	curve := curveSigner{credentialtest.Key(t, elliptic.P256())}
	one, other := signer(1), signer(2)
	plain := issue(t, credentialtest.Jamaica())
	want, err := Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	for suite, by := range map[string]struct {
		s   Signer
		pub crypto.PublicKey
	}{EdDSARDFC: {one, one.public()}, ECDSARDFC: {curve, curve.key.Public()}, ECDSAJCS: {curve, curve.key.Public()}} {
		data, err := Secure(plain, suite, by.s, created)
		if err != nil {
			t.Fatal(suite, err)
		}
		got, err := Parse(data)
		if err != nil {
			t.Fatal(suite, err)
		}
		content := got.Certificate()
		content.Info.KeyID = want.Certificate().Info.KeyID
		if diff := cmp.Diff(want.Certificate(), content); diff != "" || got.VerificationMethod() != by.s.ID() || !got.Created().Equal(created) || len(got.Status()) != len(want.Status()) {
			t.Errorf("%s reads back as another: %s", suite, diff)
		}
		if err := got.Verify(by.pub); err != nil {
			t.Errorf("%s: %v", suite, err)
		}
		if err := got.Verify(other.public()); err == nil {
			t.Errorf("%s verifies with another key", suite)
		}
		changed, err := Parse(bytes.Replace(data, []byte(`"dose":1`), []byte(`"dose":2`), 1))
		if err != nil {
			t.Fatal(suite, err)
		}
		if err := changed.Verify(by.pub); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, with another dose: %v", suite, err)
		}
	}
	for name, test := range map[string]struct {
		credential, suite string
		s                 Signer
		want              error
	}{
		"a suite that nobody has":  {string(plain), "none-2026", one, ErrProof},
		"no credential of ours":    {`{"@context":[]}`, ECDSAJCS, curve, ErrType},
		"a signature cut short":    {string(plain), EdDSARDFC, shortSigner{one}, ErrSignature},
		"a credential without end": {string(plain[:len(plain)-1]), ECDSAJCS, curve, ErrMalformed},
	} {
		if _, err := Secure([]byte(test.credential), test.suite, test.s, created); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}
