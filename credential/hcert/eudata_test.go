package hcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
)

// vectors returns the folder of outside test vectors, or skips.
func vectors(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test vectors %s: set DIVOC_VECTORS to their folder", name)
	}
	return dir
}

type euCase struct {
	JSON       json.RawMessage
	CBOR       string
	COSE       string
	COMPRESSED string
	BASE45     string
	PREFIX     string
	TESTCTX    struct {
		CERTIFICATE     string
		VALIDATIONCLOCK string
	}
	EXPECTEDRESULTS map[string]*bool
}

func TestEUCertificateDataPassesEachContainerStep(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors(t, "eu-dcc-testdata"), "*", "2DCode", "raw", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	done := map[string]int{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c euCase
		if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		parts := strings.Split(filepath.ToSlash(file), "/")
		name := parts[len(parts)-4] + "/" + parts[len(parts)-1]
		for flag, step := range map[string]func(euCase) (bool, string){
			"EXPECTEDUNPREFIX":        euUnprefix,
			"EXPECTEDB45DECODE":       euBase45,
			"EXPECTEDCOMPRESSION":     euInflate,
			"EXPECTEDVERIFY":          euVerify,
			"EXPECTEDDECODE":          euDecode,
			"EXPECTEDEXPIRATIONCHECK": euExpiry,
		} {
			want := c.EXPECTEDRESULTS[flag]
			if want == nil {
				continue
			}
			done[flag]++
			t.Run(name+"/"+flag, func(t *testing.T) {
				if got, why := step(c); got != *want {
					t.Errorf("passes: %v, want %v: %s", got, *want, why)
				}
			})
		}
	}
	t.Log("steps:", done)
}

func euUnprefix(c euCase) (bool, string) {
	body, err := cutPrefix(c.PREFIX)
	return err == nil && body == c.BASE45, why(err)
}

func euBase45(c euCase) (bool, string) {
	got, err := decodeBase45(c.BASE45)
	return err == nil && strings.EqualFold(hex.EncodeToString(got), c.COMPRESSED), why(err)
}

func euInflate(c euCase) (bool, string) {
	in, err := hex.DecodeString(c.COMPRESSED)
	if err != nil {
		return false, why(err)
	}
	got, err := inflate(in)
	return err == nil && strings.EqualFold(hex.EncodeToString(got), c.COSE), why(err)
}

func euMessage(c euCase) (*Message, *x509.Certificate, error) {
	cose, err := hex.DecodeString(c.COSE)
	if err != nil {
		return nil, nil, err
	}
	m, err := DecodeCOSE(cose)
	if err != nil {
		return nil, nil, err
	}
	der, err := base64.StdEncoding.DecodeString(c.TESTCTX.CERTIFICATE)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return m, cert, err
}

func euVerify(c euCase) (bool, string) {
	m, cert, err := euMessage(c)
	if err != nil {
		return false, why(err)
	}
	kid := sha256.Sum256(cert.Raw)
	if len(m.KeyIDs) != 1 || !bytes.Equal(m.KeyIDs[0], kid[:8]) {
		return false, "another key id"
	}
	err = m.Verify(cert.PublicKey)
	return err == nil, why(err)
}

// euDecode compares the EU payload by value with the CBOR field.
func euDecode(c euCase) (bool, string) {
	m, _, err := euMessage(c)
	if err != nil {
		return false, why(err)
	}
	if m.Payload != EUDCC {
		return false, "payload " + m.Payload.Name()
	}
	raw, err := hex.DecodeString(c.CBOR)
	if err != nil {
		return false, why(err)
	}
	var want any
	if err := cbor.Unmarshal(raw, &want); err != nil {
		return false, why(err)
	}
	if claims, ok := want.(map[any]any); ok { // some files hold all claims
		if hcert, ok := claims[int64(claimHCERT)].(map[any]any); ok {
			want = hcert[uint64(subEUDCC)]
		}
	}
	var loose struct {
		HCERT map[int]any `cbor:"-260,keyasint"`
	}
	if err := cbor.Unmarshal(m.payload, &loose); err != nil {
		return false, why(err)
	}
	diff := cmp.Diff(want, loose.HCERT[subEUDCC])
	return diff == "", diff
}

func euExpiry(c euCase) (bool, string) {
	m, _, err := euMessage(c)
	if err != nil {
		return false, why(err)
	}
	clock, err := time.Parse(time.RFC3339, c.TESTCTX.VALIDATIONCLOCK)
	if err != nil { // Greece gives no zone
		clock, err = time.Parse("2006-01-02T15:04:05", c.TESTCTX.VALIDATIONCLOCK)
	}
	if err != nil {
		return false, why(err)
	}
	return !clock.Before(m.IssuedAt) && !clock.After(m.ExpiresAt), "outside iat and exp"
}

func why(err error) string {
	if err == nil {
		return "a result that differs"
	}
	return err.Error()
}
