package keyring_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// clock is a clock that tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func newBox(t testing.TB) *seal.Box {
	t.Helper()
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.Open(key, t.TempDir(), seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func options(t testing.TB, c *clock) keyring.Options {
	t.Helper()
	return keyring.Options{
		Dir: t.TempDir(), Box: newBox(t), Create: true, Now: c.now, Random: rand.Reader,
		Identity: keyring.Identity{DID: "did:web:certificates.jamaica.example", Country: "JM", Name: "Ministry of Health & Wellness"},
	}
}

func open(t testing.TB, o keyring.Options) *keyring.Ring {
	t.Helper()
	r, err := keyring.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verifyES256(public any, message, sig []byte) bool {
	digest := sha256.Sum256(message)
	return len(sig) == 64 && ecdsa.Verify(public.(*ecdsa.PublicKey), digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func TestFirstKeysFollowTheTrustNetworksRules(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	dsc := r.QR().Certificate()
	sca := r.Issuer().Keys[0].Chain[0]
	if err := dsc.CheckSignatureFrom(sca); err != nil {
		t.Error(err)
	}
	if !sca.IsCA || sca.MaxPathLen != 0 || !sca.MaxPathLenZero || sca.KeyUsage&x509.KeyUsageCertSign == 0 || sca.CheckSignatureFrom(sca) != nil {
		t.Errorf("SCA: CA %v, path length %d, usage %v", sca.IsCA, sca.MaxPathLen, sca.KeyUsage)
	}
	if dsc.IsCA || dsc.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("DSC: CA %v, usage %v", dsc.IsCA, dsc.KeyUsage)
	}
	if len(sca.SubjectKeyId) == 0 || !bytes.Equal(dsc.AuthorityKeyId, sca.SubjectKeyId) {
		t.Errorf("AKI %x, SKI of the SCA %x", dsc.AuthorityKeyId, sca.SubjectKeyId)
	}
	for _, cert := range []*x509.Certificate{dsc, sca} {
		if s := cert.Subject; s.CommonName == "" || s.Country[0] != "JM" || s.Organization[0] != "Ministry of Health & Wellness" {
			t.Errorf("subject %v", s)
		}
		if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() < 64 {
			t.Errorf("serial number %v", cert.SerialNumber)
		}
	}
	day := 24 * time.Hour
	if life := sca.NotAfter.Sub(c.now()); life != 4*365*day {
		t.Errorf("the SCA lives %v", life)
	}
	if life := dsc.NotAfter.Sub(c.now()); life != 2*365*day || dsc.NotAfter.After(sca.NotAfter) || !r.QR().NotAfter().Equal(dsc.NotAfter) {
		t.Errorf("the DSC lives %v", life)
	}
	sum := sha256.Sum256(dsc.Raw)
	if !bytes.Equal(r.QR().KeyID(), sum[:8]) {
		t.Errorf("key id %x", r.QR().KeyID())
	}
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSignatures(t *testing.T) {
	c := newClock()
	r := open(t, options(t, c))
	message := []byte("message")
	a, err := r.QR().Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := r.QR().Sign(message)
	if !bytes.Equal(a, b) {
		t.Error("ES256 is not deterministic")
	}
	if !verifyES256(r.QR().Certificate().PublicKey, message, a) || verifyES256(r.QR().Certificate().PublicKey, []byte("other"), a) {
		t.Error("ES256 does not verify as it should")
	}
	// r or s begins with a zero byte once in 128 signatures.
	for i := range 600 {
		m := fmt.Append(nil, i)
		if sig, err := r.QR().Sign(m); err != nil || !verifyES256(r.QR().Certificate().PublicKey, m, sig) {
			t.Fatalf("signature %d: %x, %v", i, sig, err)
		}
	}
	sig, err := r.Document().Sign(message)
	if err != nil || !ed25519.Verify(r.Document().Public(), message, sig) {
		t.Errorf("Ed25519 does not verify: %v", err)
	}
	if want := "did:web:certificates.jamaica.example#z6Mk"; !strings.HasPrefix(r.Document().ID(), want) {
		t.Errorf("document key %s", r.Document().ID())
	}
	for name, d := range map[string]time.Duration{"before": -2 * time.Hour, "after": 2 * 366 * 24 * time.Hour} {
		t.Run("none "+name+" the signer certificate's time", func(t *testing.T) {
			c := newClock()
			r := open(t, options(t, c))
			c.advance(d)
			if _, err := r.QR().Sign(message); err == nil {
				t.Error("signed")
			}
			if err := r.Check(t.Context()); err == nil {
				t.Error("the health check passed")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	c := newClock()
	t.Run("missing keys", func(t *testing.T) {
		o := options(t, c)
		o.Create = false
		if _, err := keyring.Open(t.Context(), o); vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), "missing") {
			t.Errorf("error = %v", err)
		}
		if _, err := os.Stat(filepath.Join(o.Dir, keyring.File)); err == nil {
			t.Error("keys were made")
		}
	})
	for name, demo := range map[string]bool{"a demonstration's keys in production": true, "production's keys in a demonstration": false} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c)
			o.Demo = demo
			if r := open(t, o); r.Demo() != demo {
				t.Errorf("demo = %v", r.Demo())
			}
			o.Demo = !demo
			if _, err := keyring.Open(t.Context(), o); vaccination.ErrorCode(err) != vaccination.Forbidden {
				t.Errorf("error = %v", err)
			}
		})
	}
	t.Run("keys of another installation", func(t *testing.T) {
		o := options(t, c)
		open(t, o)
		o.Box = newBox(t)
		if _, err := keyring.Open(t.Context(), o); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("a damaged file, and leaves it", func(t *testing.T) {
		o := options(t, c)
		open(t, o)
		path := filepath.Join(o.Dir, keyring.File)
		data, _ := os.ReadFile(path)
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Open(t.Context(), o); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("error = %v", err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
			t.Error("the file was replaced")
		}
	})
	t.Run("an identity without name", func(t *testing.T) {
		o := options(t, c)
		o.Identity.Name = ""
		if _, err := keyring.Open(t.Context(), o); err == nil {
			t.Error("opened")
		}
	})
}

func TestDemoSaysSpecimen(t *testing.T) {
	o := options(t, newClock())
	o.Demo = true
	iss := open(t, o).Issuer()
	if !iss.Specimen || !strings.HasPrefix(iss.Name, "SPECIMEN ") {
		t.Errorf("issuer %q, specimen %v", iss.Name, iss.Specimen)
	}
	for _, cert := range []*x509.Certificate{iss.Keys[0].Certificate, iss.Keys[0].Chain[0]} {
		if !strings.HasPrefix(cert.Subject.Organization[0], "SPECIMEN ") {
			t.Errorf("subject %v", cert.Subject)
		}
	}
}

func TestNothingIsReadableInTheFile(t *testing.T) {
	o := options(t, newClock())
	r := open(t, o)
	data, err := os.ReadFile(filepath.Join(o.Dir, keyring.File))
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{"a certificate": r.QR().Certificate().Raw[:64], "the public key": r.Document().Public(), "the format": []byte("divoc-keyring")} {
		if bytes.Contains(data, secret) {
			t.Errorf("%s is readable", name)
		}
	}
	if info, _ := os.Stat(filepath.Join(o.Dir, keyring.File)); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestRotationUnderLoadFailsNoVerification(t *testing.T) {
	c := newClock()
	o := options(t, c)
	server, cli := open(t, o), open(t, o)
	type signature struct{ kid, sig []byte }
	var signed []signature
	message := []byte("message")
	kids := map[string]bool{}
	for range 5 {
		qr := server.QR()
		sig, err := qr.Sign(message)
		if err != nil {
			t.Fatal(err)
		}
		signed = append(signed, signature{qr.KeyID(), sig})
		kids[string(qr.KeyID())] = true
		doc := server.Document().ID()
		if err := cli.Rotate(t.Context(), "signing"); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(server.QR().KeyID(), qr.KeyID()) {
			t.Error("the file was looked at before a second had passed")
		}
		c.advance(time.Second)
		if bytes.Equal(server.QR().KeyID(), qr.KeyID()) || server.Document().ID() == doc {
			t.Error("the server did not see the rotation")
		}
	}
	if len(kids) != 5 {
		t.Errorf("%d different keys signed, want 5", len(kids))
	}
	list := trust.New(&trust.Bundle{Issuers: []trust.Issuer{server.Issuer()}})
	for i, s := range signed {
		found := list.ByKeyID(s.kid)
		if len(found) != 1 || !verifyES256(found[0].Key.Public, message, s.sig) || found[0].Key.Retired.IsZero() {
			t.Errorf("signature %d does not verify under a retired key", i)
		}
	}
	if got := len(list.ByMethod(server.Document().ID())); got != 1 {
		t.Errorf("%d current document keys", got)
	}
}

func TestConcurrentWritersLoseNoKey(t *testing.T) {
	c := newClock()
	o := options(t, c)
	open(t, o)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			r, err := keyring.Open(context.Background(), o) // as another process would
			if err == nil {
				err = errors.Join(r.Rotate(context.Background(), "document"), second(r.CSR(context.Background())))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, k := range open(t, o).List() {
		count[string(k.Kind)+" "+string(k.State)]++
	}
	if count["document retired"] != 6 || count["document current"] != 1 || count["qr pending"] != 6 {
		t.Errorf("keys: %v", count)
	}
}

func second[T any](_ T, err error) error { return err }

func TestABrokenFileLeavesTheKeysInUse(t *testing.T) {
	c := newClock()
	o := options(t, c)
	r := open(t, o)
	before := r.QR().KeyID()
	if err := os.WriteFile(filepath.Join(o.Dir, keyring.File), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Second)
	if !bytes.Equal(r.QR().KeyID(), before) {
		t.Error("the keys in use changed")
	}
	if err := r.Check(t.Context()); err == nil {
		t.Error("the health check says nothing")
	}
	if err := r.Rotate(t.Context(), "signing"); err == nil {
		t.Error("a broken file was overwritten")
	}
}

func TestTheLockWaitsNoLongerThanItsContext(t *testing.T) {
	c := newClock()
	o := options(t, c)
	holder := o
	holder.Random = blocking{} // holds the lock while making keys
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	go func() { _, _ = keyring.Open(context.Background(), holder) }()
	time.Sleep(20 * time.Millisecond)
	if _, err := keyring.Open(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}

type blocking struct{}

func (blocking) Read([]byte) (int, error) {
	time.Sleep(300 * time.Millisecond)
	return 0, errors.New("no randomness")
}

func BenchmarkSignQR(b *testing.B) {
	r := open(b, options(b, newClock()))
	k, message := r.QR(), make([]byte, 400)
	for b.Loop() {
		if _, err := k.Sign(message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignDocument(b *testing.B) {
	r := open(b, options(b, newClock()))
	message := make([]byte, 64)
	for b.Loop() {
		if _, err := r.Document().Sign(message); err != nil {
			b.Fatal(err)
		}
	}
}
