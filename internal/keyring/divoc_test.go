package keyring_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// divocRing is a ring of a profile that asks for DIVOC's format.
func divocRing(t *testing.T, c *clock, a keyring.DIVOCAlgorithm) (*keyring.Ring, keyring.Options) {
	t.Helper()
	o := options(t, c)
	o.DIVOC = a
	r := open(t, o)
	if r.DIVOC() != nil || !r.NeedsDIVOC() {
		t.Fatal("there is a key before anybody made one")
	}
	if err := r.EnsureDIVOC(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, o
}

func verifiesDIVOC(public crypto.PublicKey, message, sig []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(message)
		return key.N.BitLen() == 2048 && rsa.VerifyPSS(key, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32}) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	}
	return false
}

func TestTheKeyOfDIVOCsFormatIsMadeOnlyWhereAskedFor(t *testing.T) {
	r := open(t, options(t, newClock()))
	if err := r.EnsureDIVOC(t.Context()); err != nil || r.DIVOC() != nil || len(r.List()) != 3 {
		t.Errorf("nobody asked: %v, %v", r.List(), err)
	}
	if err := r.Rotate(t.Context(), "divoc"); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("rotated: %v", err)
	}
	if data, err := r.ExportDIVOC(); data != nil || err != nil {
		t.Errorf("exported %q, %v", data, err)
	}
}

func TestTheLifeOfAKeyOfDIVOCsFormat(t *testing.T) {
	for _, a := range []keyring.DIVOCAlgorithm{keyring.DIVOCRSA, keyring.DIVOCEd25519} {
		t.Run(string(a), func(t *testing.T) {
			c := newClock()
			r, o := divocRing(t, c, a)
			first := r.DIVOC()
			if err := r.EnsureDIVOC(t.Context()); err != nil || r.DIVOC().Method() != first.Method() || len(r.List()) != 4 {
				t.Errorf("asked for again: %v, %v", r.List(), err)
			}
			message := []byte("message")
			sig, err := first.Sign(message)
			if err != nil || !verifiesDIVOC(first.Public(), message, sig) {
				t.Errorf("the signature does not verify: %v", err)
			}
			if err := r.Check(t.Context()); err != nil {
				t.Error(err)
			}

			// It is published, for nothing but its format, and signs no bundle.
			iss := r.Issuer()
			published := iss.Keys[len(iss.Keys)-1]
			if published.ID != first.Method() || trust.Fingerprint(published.Public) != trust.Fingerprint(first.Public()) || published.Allows(trust.Vaccination) || !published.Allows(trust.DIVOC) {
				t.Errorf("published as %+v", published)
			}
			document, err := iss.DIDDocument()
			if err != nil {
				t.Fatal(err)
			}
			read, err := trust.Parse(document)
			if err != nil || len(trust.New(read).ByMethod(first.Method())) != 1 {
				t.Errorf("not in the DID document: %v\n%s", err, document)
			}
			bundle := &trust.Bundle{Version: 1, Issued: c.now(), Issuers: []trust.Issuer{iss}}
			if _, err := bundle.Sign(bundleSigner{first}); err == nil {
				t.Error("it signs a trust bundle")
			}
			data, err := bundle.Sign(r.BundleSigners()...)
			if err != nil {
				t.Fatal(err)
			}
			if read, err = trust.Parse(data); err != nil || len(trust.New(read).ByMethod(first.Method())) != 1 {
				t.Errorf("not in the trust bundle: %v", err)
			}

			// It is renewed only by name; then the one before verifies only.
			c.advance(400 * 24 * time.Hour)
			if _, err := r.RotateIfDue(t.Context()); err != nil || r.DIVOC().Method() != first.Method() {
				t.Errorf("renewed by itself: %v", err)
			}
			if err := r.Rotate(t.Context(), "divoc"); err != nil {
				t.Fatal(err)
			}
			second := current(t, r, keyring.KindDIVOC)
			if states(r)[id(first)] != keyring.StateRetired || second.ID != id(r.DIVOC()) {
				t.Error("was not rotated")
			}
			if err := r.Retire(t.Context(), second.ID); err != nil {
				t.Fatal(err)
			}
			if states(r)[second.ID] != keyring.StateRetired || r.DIVOC() == nil || id(r.DIVOC()) == second.ID {
				t.Error("was not replaced when it was retired")
			}
			for _, k := range open(t, o).Issuer().Keys {
				if k.ID == first.Method() && k.Retired.IsZero() {
					t.Error("a retired key is published as one that signs")
				}
			}
			o.DIVOC = "" // the profile does not ask any more
			r = open(t, o)
			last := id(r.DIVOC())
			if err := r.Retire(t.Context(), last); err != nil || r.DIVOC() != nil || states(r)[last] != keyring.StateRetired {
				t.Errorf("the last one was not retired: %v", err)
			}
		})
	}
}

func TestAnotherKindOfKeyIsNotMadeInSilence(t *testing.T) {
	r, o := divocRing(t, newClock(), keyring.DIVOCRSA)
	before := r.DIVOC().Method()
	o.DIVOC = keyring.DIVOCEd25519
	r = open(t, o)
	if err := r.EnsureDIVOC(t.Context()); vaccination.ErrorCode(err) != vaccination.Conflict || r.DIVOC().Method() != before {
		t.Errorf("another kind: %v", err)
	}
	if err := r.Rotate(t.Context(), "divoc"); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.DIVOC().Public().(ed25519.PublicKey); !ok {
		t.Error("rotated to the old kind")
	}
	if err := r.EnsureDIVOC(t.Context()); err != nil {
		t.Error(err)
	}
	o.DIVOC = "dsa"
	if err := open(t, o).Rotate(t.Context(), "divoc"); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("a kind that there is not: %v", err)
	}
}

func TestAnImportedSignerLeavesTheKeyOfDIVOCsFormat(t *testing.T) {
	c := newClock()
	r, _ := divocRing(t, c, keyring.DIVOCEd25519)
	before := r.DIVOC().Method()
	sca := newCountry(t, c)
	if err := r.Import(t.Context(), chain(credentialtest.X509(t, template(c), sca.cert, request(t, r).PublicKey, sca.key), sca.cert)); err != nil {
		t.Fatal(err)
	}
	if r.DIVOC() == nil || r.DIVOC().Method() != before {
		t.Error("it was retired")
	}
}

// TestALostKeyOfDIVOCsFormatGoesOnVerifying brings back a key that a backup does
// not have.
func TestALostKeyOfDIVOCsFormatGoesOnVerifying(t *testing.T) {
	for _, a := range []keyring.DIVOCAlgorithm{keyring.DIVOCRSA, keyring.DIVOCEd25519} {
		c := newClock()
		lost, _ := divocRing(t, c, a)
		published := lost.Issuer().Keys
		r := open(t, options(t, c))
		if err := r.Adopt(t.Context(), published[len(published)-1:]); err != nil {
			t.Fatal(err)
		}
		keys := r.Issuer().Keys
		if k := keys[len(keys)-1]; k.ID != lost.DIVOC().Method() || k.Retired.IsZero() || !k.Allows(trust.DIVOC) || k.Allows(trust.Vaccination) || r.DIVOC() != nil {
			t.Errorf("%s: %+v", a, k)
		}
	}
}

func TestExportDIVOC(t *testing.T) {
	for a, begin := range map[keyring.DIVOCAlgorithm]string{keyring.DIVOCRSA: "-----BEGIN PUBLIC KEY-----\n", keyring.DIVOCEd25519: ""} {
		r, _ := divocRing(t, newClock(), a)
		data, err := r.ExportDIVOC()
		if err != nil {
			t.Fatal(err)
		}
		method, key, _ := strings.Cut(string(data), "\n")
		if method != r.DIVOC().Method() || !strings.HasPrefix(key, begin) {
			t.Errorf("%s:\n%s", a, data)
		}
		bundle, err := trust.Parse([]byte(key))
		if err != nil || trust.Fingerprint(bundle.Issuers[0].Keys[0].Public) != trust.Fingerprint(r.DIVOC().Public()) {
			t.Errorf("%s: the key does not read: %v", a, err)
		}
	}
}

func TestSignaturesOfDIVOCsFormatNeedRandomness(t *testing.T) {
	_, o := divocRing(t, newClock(), keyring.DIVOCRSA)
	o.Random = broken{}
	if sig, err := open(t, o).DIVOC().Sign([]byte("message")); err == nil {
		t.Errorf("signed %x", sig)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, context.Canceled }

type bundleSigner struct{ *keyring.DIVOCKey }

func (s bundleSigner) ID() string { return s.Method() }

func id(k *keyring.DIVOCKey) string {
	_, fragment, _ := strings.Cut(k.Method(), "#")
	return fragment
}

// vector is a file of the shared test vectors.
func vector(t *testing.T, path ...string) []byte {
	t.Helper()
	dir := os.Getenv("DIVOC_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	data, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Skipf("no test vectors: set DIVOC_VECTORS (%v)", err)
	}
	return data
}

// TestPublishedKeysOfDIVOCsFormatAreRefused puts the demonstration key of DIVOC,
// whose private half is in its documentation, into a ring.
func TestPublishedKeysOfDIVOCsFormatAreRefused(t *testing.T) {
	bundle, err := trust.ParseNamed(vector(t, "divoc", "demo-rsa-public.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, demo := range []bool{false, true} {
		o := options(t, newClock())
		o.Demo = demo
		r := open(t, o)
		if err := keyring.AddDIVOC(t.Context(), r, bundle.Issuers[0].Keys[0].Public); (vaccination.ErrorCode(err) == vaccination.Forbidden) == demo {
			t.Errorf("demonstration %t: %v", demo, err)
		}
	}
}
