package divocqr_test

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/divocqr"
)

// TestVectorsDIVOC verifies every certificate of the set with the demo keys: those
// whose name says so must fail.
func TestVectorsDIVOC(t *testing.T) {
	v := credentialtest.NewVectors(t, "divoc", "")
	for _, file := range v.Files(t, ".json") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte(`"proof"`)) {
			v.Skip(t, v.Name(file), "it has no proof")
			continue
		}
		want := !strings.Contains(filepath.Base(file), "must")
		good := false
		if c, err := divocqr.Decode(data); err == nil {
			for _, key := range []crypto.PublicKey{demoRSA(t), demoEd25519()} {
				good = good || c.Verify(key) == nil
			}
		}
		v.Check(t, v.Name(file), good == want, "verifies otherwise than it should")
	}
}
