package hcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/cose"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
)

// euCase is a file of the EU's certificate test data.
type euCase struct {
	JSON       json.RawMessage
	CBOR       string
	COSE       string
	COMPRESSED string
	BASE45     string
	PREFIX     string
	TESTCTX    struct {
		SCHEMA          string
		CERTIFICATE     string
		VALIDATIONCLOCK string
	}
	EXPECTEDRESULTS map[string]*bool
}

// TestVectorsEUTestData performs, for each expected result of a file, just that
// step: it must succeed, and give the file's next field, or must fail.
func TestVectorsEUTestData(t *testing.T) {
	steps := []struct {
		flag, name string
		step       func(euCase) (bool, string)
	}{
		{"EXPECTEDUNPREFIX", "prefix", euUnprefix},
		{"EXPECTEDB45DECODE", "base45", euBase45},
		{"EXPECTEDCOMPRESSION", "zlib", euInflate},
		{"EXPECTEDVERIFY", "signature", euVerify},
		{"EXPECTEDDECODE", "decode", euDecode},
		{"EXPECTEDEXPIRATIONCHECK", "time", euExpiry},
		{"EXPECTEDKEYUSAGE", "key usage", euUsage},
		{"EXPECTEDSCHEMAVALIDATION", "schema", euSchema},
		{"EXPECTEDVALIDJSON", "valid json", euJSON},
		{"EXPECTEDVALIDOBJECT", "valid object", euObject},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			v := credentialtest.NewVectors(t, "eu-dcc-testdata", s.name)
			for _, file := range v.Files(t, ".json") {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var c euCase
				if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &c); err != nil || c.EXPECTEDRESULTS == nil {
					continue // not a case
				}
				want := c.EXPECTEDRESULTS[s.flag]
				if want == nil {
					continue
				}
				got, why := s.step(c)
				v.Check(t, v.Name(file), got == *want, why)
			}
		})
	}
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
	cose, err := hex.DecodeString(c.COSE)
	if err != nil {
		return false, why(err)
	}
	m, err := DecodeCOSE(cose)
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
	if err := cbor.Unmarshal(m.signed.Payload, &loose); err != nil {
		return false, why(err)
	}
	diff := cmp.Diff(want, loose.HCERT[subEUDCC])
	return diff == "", diff
}

func euExpiry(c euCase) (bool, string) {
	cose, err := hex.DecodeString(c.COSE)
	if err != nil {
		return false, why(err)
	}
	m, err := DecodeCOSE(cose)
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

// euUsage compares the extended key usages of the signer with the content.
func euUsage(c euCase) (bool, string) {
	m, cert, err := euMessage(c)
	if err != nil {
		return false, why(err)
	}
	key := trust.Key{Usage: trust.CertificateUsage(cert)}
	return key.Allows(trust.Usage(m.Subject())), "the signer may not certify a " + string(m.Subject())
}

// euSchema checks the content against the schema: that of the signed message,
// else that of the CBOR or the JSON field.
func euSchema(c euCase) (bool, string) {
	if raw, err := hex.DecodeString(c.CBOR); c.COSE == "" && c.CBOR != "" && err == nil {
		var top map[any]any
		if err := cose.Unmarshal("content", raw, &top); err != nil {
			return false, why(err)
		}
		if claims, ok := top[int64(claimHCERT)].(map[any]any); ok {
			top, _ = claims[int64(subEUDCC)].(map[any]any)
		}
		bad := checkDCC(top)
		return bad == "", "schema: " + bad
	}
	if c.COSE != "" {
		cose, err := hex.DecodeString(c.COSE)
		if err != nil {
			return false, why(err)
		}
		m, err := DecodeCOSE(cose)
		if err == nil {
			top, ok := m.content.(map[any]any)
			if !ok {
				return false, "no content"
			}
			bad := checkDCC(top)
			return bad == "", "schema: " + bad
		}
	}
	return euJSON(c)
}

func euJSON(c euCase) (bool, string) {
	top, err := contentOfJSON(c.JSON)
	if err != nil {
		return false, why(err)
	}
	bad := checkDCC(top)
	return bad == "", "schema: " + bad
}

// euObject reads the content that was signed into a certificate.
func euObject(c euCase) (bool, string) {
	if c.COSE == "" {
		return euJSON(c)
	}
	cose, err := hex.DecodeString(c.COSE)
	if err != nil {
		return false, why(err)
	}
	m, err := DecodeCOSE(cose)
	if err != nil {
		return false, why(err)
	}
	top, _ := m.content.(map[any]any)
	if bad := checkDCC(top); bad != "" {
		return false, "schema: " + bad
	}
	_, err = m.Certificate()
	return err == nil, why(err)
}

// contentOfJSON turns a payload in JSON into what decoding CBOR gives.
func contentOfJSON(data []byte) (map[any]any, error) {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	top, ok := ofJSON(v).(map[any]any)
	if !ok {
		return nil, ErrMalformed
	}
	return top, nil
}

func ofJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[any]any{}
		for k, e := range v {
			out[k] = ofJSON(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, ofJSON(e))
		}
		return out
	case float64:
		if v == math.Trunc(v) {
			return int64(v)
		}
	}
	return v
}

func why(err error) string {
	if err == nil {
		return "a result that differs"
	}
	return err.Error()
}

// TestVectorsEUSchema runs the schema's own examples, good and bad.
func TestVectorsEUSchema(t *testing.T) {
	v := credentialtest.NewVectors(t, "eu-dcc-schema", "")
	for _, file := range v.Files(t, ".json") {
		name := v.Name(file)
		if strings.Contains(name, "schema.json") || strings.Contains(name, "valuesets/") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bad := ""
		top, err := contentOfJSON(raw)
		if err != nil {
			bad = err.Error()
		} else {
			bad = checkDCC(top)
		}
		want := !strings.Contains(name, "invalid")
		v.Check(t, name, (bad == "") == want, "schema: "+bad)
		if bad != "" {
			continue
		}
		m := &Message{Payload: EUDCC, content: top}
		if _, err := m.Certificate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
