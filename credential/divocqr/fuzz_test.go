package divocqr_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"os"
	"path/filepath"
	"testing"

	"github.com/opendivoc/divoc/credential/divocqr"
)

// FuzzDecode checks that whatever decodes is the same credential when its JSON
// is put into each of the containers again, and that nothing panics.
func FuzzDecode(f *testing.F) {
	text := marshal(sample())
	f.Add(text)
	f.Add(marshal(sampleOfTest()))
	f.Add(zipped(text))
	f.Add(expand(zipped(text)))
	f.Add(pack(entry{name: "certificate.json", data: text, method: 8, descriptor: true}))
	if files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "vectors", "divoc", "*.json")); err == nil {
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cred, err := divocqr.Decode(data)
		if err != nil {
			return
		}
		for _, again := range [][]byte{cred.JSON(), zipped(cred.JSON()), expand(zipped(cred.JSON()))} {
			c, err := divocqr.Decode(again)
			if err != nil {
				t.Fatalf("decoding again: %v", err)
			}
			if !bytes.Equal(c.JSON(), cred.JSON()) || !bytes.Equal(c.NQuads(), cred.NQuads()) {
				t.Fatal("decoding again gives another credential")
			}
		}
		cred.Certificate()
		cred.Weaknesses()
		if cred.Verify(ed25519.PublicKey(make([]byte, 32))) == nil {
			t.Fatal("verifies under a key nobody has")
		}
	})
}

func published(b *testing.B, file string, key crypto.PublicKey) {
	text := vector(b, file)
	for _, form := range []struct {
		name string
		data []byte
	}{{"JSON", text}, {"QR", expand(zipped(text))}} {
		b.Run(form.name, func(b *testing.B) {
			for b.Loop() {
				cred, err := divocqr.Decode(form.data)
				if err != nil {
					b.Fatal(err)
				}
				if err := cred.Verify(key); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verify/s")
		})
	}
}

// BenchmarkTable_VerifyDIVOC decodes and verifies a certificate, on one core.
func BenchmarkTable_VerifyDIVOC(b *testing.B) {
	b.Run("RSA", func(b *testing.B) { published(b, "rsa-v2-valid.json", demoRSA(b).(*rsa.PublicKey)) })
	b.Run("Ed25519", func(b *testing.B) { published(b, "ed25519-valid.json", demoEd25519()) })
}

// BenchmarkDecode is parsing, canonicalising and hashing, without the signature.
func BenchmarkDecode(b *testing.B) {
	text := vector(b, "rsa-v2-valid.json")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := divocqr.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
