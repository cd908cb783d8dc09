package trust_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/trust"
)

// Every signer certificate of the EU test data is a trust file.
func TestCertificatesOfTheEUTestData(t *testing.T) {
	n := 0
	err := filepath.WalkDir(vectors(t)+"/eu-dcc-testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var file struct {
			TestCtx struct {
				Certificate string `json:"CERTIFICATE"`
			} `json:"TESTCTX"`
		}
		if json.Unmarshal(data, &file) != nil || file.TestCtx.Certificate == "" {
			return nil
		}
		der, err := base64.StdEncoding.DecodeString(file.TestCtx.Certificate)
		if err != nil {
			t.Logf("%s: %v", filepath.Base(path), err)
			return nil
		}
		b, err := trust.Parse(der)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		n++
		if k := b.Issuers[0].Keys[0]; !bytes.Equal(k.KeyID, trust.CertificateKeyID(k.Certificate)) || len(trust.New(b).ByKeyID(k.KeyID)) != 1 {
			t.Errorf("%s: not found by its key id", path)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d certificates, %v", n, err)
	}
	t.Logf("%d certificates", n)
}
