package divocqr

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opendivoc/divoc/credential/rdfc"
)

// BenchmarkCanonicalise is RDFC-1.0 over the statements of one certificate.
func BenchmarkCanonicalise(b *testing.B) {
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	text, err := os.ReadFile(filepath.Join(root, "divoc", "rsa-v2-valid.json"))
	if err != nil {
		b.Skip("the test vectors are not here; set DIVOC_VECTORS")
	}
	cred, err := Decode(text)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := rdfc.Canonicalize(cred.statements.quads, rdfc.Options{URDNA2015: true}); err != nil {
			b.Fatal(err)
		}
	}
}
