package divoc_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"image"
	_ "image/png"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/internal/render/qr"
	"github.com/opendivoc/divoc/vaccination"
)

const method = "did:web:certificates.moh.gov.jm#0123456789abcdef"

var signedAt = time.Date(2026, 11, 23, 8, 0, 1, 0, time.UTC)

// signer is one of our keys.
type signer struct{ key crypto.Signer }

func (s signer) Method() string           { return method }
func (s signer) Public() crypto.PublicKey { return s.key.Public() }
func (s signer) Sign(input []byte) ([]byte, error) {
	if _, ok := s.key.(*rsa.PrivateKey); ok {
		digest := sha256.Sum256(input)
		return s.key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256})
	}
	return s.key.Sign(nil, input, crypto.Hash(0))
}

// ours makes a key of ours, and the job of a verifier that was built with it.
func ours(t testing.TB, algorithm string) (signer, job) {
	t.Helper()
	if algorithm == "RSA" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		j := rsaJob(t, key)
		j.DID = method
		return signer{key}, j
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}, job{KeyType: "ED25519", DID: method, PublicKeyBase58: base58(key.Public().(ed25519.PublicKey)), PrivateKeyBase58: base58(key)}
}

// certificates are what our issuer makes certificates of.
func certificates() map[string]vaccination.Certificate {
	out := map[string]vaccination.Certificate{
		"Jamaica": credentialtest.Jamaica(), "Sinhala": credentialtest.SriLanka(), "Tamil": credentialtest.Tamil(),
		"controls and quotes": credentialtest.Jamaica(), "beyond the basic plane": credentialtest.Jamaica(),
		"the least": credentialtest.Jamaica(), "no end": credentialtest.Jamaica(), "a specimen": credentialtest.Jamaica(),
		"a test": credentialtest.Tested(), "a test in Sinhala": credentialtest.Tested(),
	}
	change := func(name string, f func(c *vaccination.Certificate)) {
		c := out[name]
		f(&c)
		out[name] = c
	}
	birth := vaccination.Date{Year: 1961, Month: 2, Day: 28}
	change("Sinhala", func(c *vaccination.Certificate) { c.BirthDate = birth })
	change("Tamil", func(c *vaccination.Certificate) { c.BirthDate = birth })
	change("controls and quotes", func(c *vaccination.Certificate) { c.Name = "A\t\"B\"\\C\r\nD\u0001\b\f\u007f<b>&amp;\u2028" })
	change("beyond the basic plane", func(c *vaccination.Certificate) { c.Name = "𝒜😀" })
	change("the least", func(c *vaccination.Certificate) {
		v := &c.Vaccination
		*v = vaccination.Dose{Brand: v.Brand, Manufacturer: v.Manufacturer, Date: v.Date, Number: 1, Total: 1}
		c.Sex, c.Nationality = "", ""
	})
	change("no end", func(c *vaccination.Certificate) { c.Info.Period.End = time.Time{} })
	change("a test in Sinhala", func(c *vaccination.Certificate) {
		c.Name, c.Test.Centre = "අනුලා", "කොළඹ මහ රෝහල"
	})
	change("a specimen", func(c *vaccination.Certificate) { c.Specimen = true })
	return out
}

// TestOurIssuerToDIVOCsVerifier puts certificates of ours into codes, draws and
// scans them, and gives what was scanned to DIVOC's published verifier.
func TestOurIssuerToDIVOCsVerifier(t *testing.T) {
	for _, algorithm := range []string{"RSA", "Ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			s, j := ours(t, algorithm)
			var names []string
			var issued [][]byte
			for name, c := range certificates() {
				for _, identifier := range []bool{false, true} {
					data, err := divocqr.Issue(c, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify", Identifier: identifier}, s, signedAt)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					code, err := divocqr.Code(data)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					names, issued = append(names, name), append(issued, data)
					j.Open = append(j.Open, scanned(t, code))
				}
			}
			a := run(t, j)
			for i, name := range names {
				if !a.Verified[i] {
					t.Errorf("%s: refused\n%s", name, issued[i])
				}
				var want, got any
				if err := json.Unmarshal(issued[i], &want); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(a.Opened[i], &got); err != nil {
					t.Fatal(err)
				}
				if w, g := text(t, want), text(t, got); w != g {
					t.Errorf("%s: read as\n%s\nnot\n%s", name, g, w)
				}
			}
		})
	}
}

// TestDIVOCsVerifierRefusesChanges changes every text and number of a
// certificate of ours, one at a time. What the signature does not bind to its
// member is not changed here but exchanged, which the format allows.
func TestDIVOCsVerifierRefusesChanges(t *testing.T) {
	for _, algorithm := range []string{"RSA", "Ed25519"} {
		for what, c := range map[string]vaccination.Certificate{"vaccination": credentialtest.Jamaica(), "test": credentialtest.Tested()} {
			t.Run(algorithm+" "+what, func(t *testing.T) {
				s, j := ours(t, algorithm)
				data, err := divocqr.Issue(c, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}, s, signedAt)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				var doc map[string]any
				if err := json.Unmarshal(data, &doc); err != nil {
					t.Fatal(err)
				}
				each(doc, "", func(path string) {
					switch path {
					case ".@context.0", ".@context.1", ".type.0", ".type.1", ".credentialSubject.type", ".evidence.0.type.0":
						return // then it is no such certificate at all
					}
					names = append(names, path)
					j.Verify = append(j.Verify, clone(t, doc))
				})
				j.Verify = append(j.Verify, doc)
				verified := run(t, j).Verified
				for i, name := range names {
					if verified[i] {
						t.Errorf("%s: accepted with another value", name)
					}
				}
				if !verified[len(names)] || len(names) < 30 {
					t.Errorf("unchanged: %t, with %d changes", verified[len(names)], len(names))
				}
				_, other := ours(t, algorithm)
				other.Verify = []map[string]any{doc}
				if run(t, other).Verified[0] {
					t.Error("accepted under another key")
				}
			})
		}
	}
}

// each calls f with every leaf of v changed, one after the other.
func each(v any, path string, f func(path string)) {
	set := func(at string, old any, put func(any)) {
		switch x := old.(type) {
		case string:
			changed := x + "1"
			if at == ".proof.jws" { // another signature of the right form
				b := []byte(x)
				b[len(b)-10] ^= 1
				changed = string(b)
			}
			put(changed)
			f(at)
			put(old)
		case float64:
			put(x + 7)
			f(at)
			put(old)
		default:
			each(old, at, f)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, old := range v {
			set(path+"."+name, old, func(x any) { v[name] = x })
		}
	case []any:
		for i, old := range v {
			set(path+"."+string(rune('0'+i)), old, func(x any) { v[i] = x })
		}
	}
}

func clone(t testing.TB, doc map[string]any) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text(t, doc)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// scanned is a code drawn as an image and read by a scanner.
func scanned(t testing.TB, code string) string {
	t.Helper()
	drawn, err := qr.Encode(code, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	data, err := drawn.PNG(4)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, img)
}

// processorTime is what this process used of the processors, as Node's
// process.cpuUsage counts it for DIVOC's signer.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// signing measures our signer, then DIVOC's, both per second of one core.
func signing(b *testing.B, algorithm string) {
	s, j := ours(b, algorithm)
	c := credentialtest.Jamaica()
	start, n := processorTime(b), 0
	for b.Loop() {
		if _, err := divocqr.Issue(c, divocqr.Options{VerifyURL: "https://certificates.moh.gov.jm/verify"}, s, signedAt); err != nil {
			b.Fatal(err)
		}
		n++
	}
	rate := float64(n) / (processorTime(b) - start).Seconds()
	b.ReportMetric(rate, "sign/s")
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Logf("skipped: DIVOC's signer beside ours: %s is not installed", tool)
			return
		}
	}
	j.Sign, j.Rounds = []map[string]any{credential("v2")}, 200
	theirs := run(b, j)
	b.ReportMetric(rate/theirs.SignPerSecond, "x-DIVOC")
	b.ReportMetric(theirs.SignPerSecond, "DIVOC-sign/s")
	b.ReportMetric(theirs.VerifyPerSecond, "DIVOC-verify/s")
}

// BenchmarkTable_SignDIVOC_RSA signs in DIVOC's format with RSA-2048, beside
// DIVOC's own signer.
func BenchmarkTable_SignDIVOC_RSA(b *testing.B) { signing(b, "RSA") }

// BenchmarkTable_SignDIVOC_Ed25519 is the same with Ed25519.
func BenchmarkTable_SignDIVOC_Ed25519(b *testing.B) { signing(b, "Ed25519") }
