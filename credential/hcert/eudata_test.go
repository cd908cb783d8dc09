package hcert

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
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

// euCase is a file of the EU's certificate test data. A member that is not of the
// type its description says is as if it were not there.
type euCase struct {
	JSON, CBOR, COSE, COMPRESSED, BASE45, PREFIX string

	Clock, Certificate string
	x5c                []string
	expected           map[string]bool
}

// euRead reads a file; why says what it is where it is no case, "" for none of this
// kind at all.
func euRead(data []byte) (c euCase, why string) {
	var file, context, expected map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &file) != nil {
		return c, "not JSON"
	}
	part := func(m map[string]json.RawMessage, name string) map[string]json.RawMessage {
		var out map[string]json.RawMessage
		_ = json.Unmarshal(m[name], &out) // stays empty
		return out
	}
	context, expected = part(file, "TESTCTX"), part(file, "EXPECTEDRESULTS")
	if len(expected) == 0 {
		return c, "it expects no results"
	}
	text := func(m map[string]json.RawMessage, name string) string {
		var s string
		_ = json.Unmarshal(m[name], &s) // stays empty
		return strings.TrimSpace(s)
	}
	c = euCase{
		CBOR: text(file, "CBOR"), COSE: text(file, "COSE"), COMPRESSED: text(file, "COMPRESSED"),
		Clock: text(context, "VALIDATIONCLOCK"), Certificate: text(context, "CERTIFICATE"), expected: map[string]bool{},
	}
	for name, to := range map[string]*string{"BASE45": &c.BASE45, "PREFIX": &c.PREFIX} { // a space may be part of these
		_ = json.Unmarshal(file[name], to)
	}
	if c.JSON = text(file, "JSON"); c.JSON == "" && file["JSON"] != nil { // some have it as a text
		c.JSON = string(file["JSON"])
	}
	var jwk struct {
		X5C []string `json:"x5c"`
	}
	_ = json.Unmarshal(context["JWK"], &jwk)
	c.x5c = jwk.X5C
	for name, value := range expected {
		var want bool
		if json.Unmarshal(value, &want) == nil && string(value) != "null" {
			c.expected[name] = want
		}
	}
	return c, ""
}

// euSteps are the steps of the test data's own description. needs names the members
// that a step works on: without them it is not asked for, as in the publisher's runner.
// contradicts is an independent reading: why nobody can come to what the file expects.
var euSteps = []struct {
	flag, name  string
	needs       string
	step        func(euCase) (bool, string)
	contradicts func(c euCase, want bool) string
}{
	{"EXPECTEDUNPREFIX", "prefix", "PREFIX BASE45", euUnprefix, nil},
	{"EXPECTEDB45DECODE", "base45", "BASE45 COMPRESSED", euBase45, nil},
	{"EXPECTEDCOMPRESSION", "zlib", "COMPRESSED COSE", euInflate, nil},
	{"EXPECTEDVERIFY", "signature", "COSE CERTIFICATE", euVerify, otherVerify},
	{"EXPECTEDDECODE", "decode", "CBOR", euDecode, otherDecode},
	{"EXPECTEDENCODE", "encode", "JSON CBOR", euEncode, otherEncode},
	{"EXPECTEDEXPIRATIONCHECK", "time", "COSE CLOCK", euExpiry, otherExpiry},
	{"EXPECTEDKEYUSAGE", "key usage", "COSE CERTIFICATE", euUsage, otherUsage},
	{"EXPECTEDSCHEMAVALIDATION", "schema", "CONTENT", euSchema, otherSchema},
	{"EXPECTEDVALIDJSON", "valid json", "JSON CONTENT", euJSON, otherJSON},
	{"EXPECTEDVALIDOBJECT", "valid object", "CONTENT", euObject, otherSchema},
}

// lacks is a member that the case does not have of those that a step needs, "" for
// none. CONTENT is any member that the content can be read from.
func (c euCase) lacks(needs string) string {
	have := map[string]bool{
		"JSON": c.JSON != "", "CBOR": c.CBOR != "", "COSE": c.COSE != "", "COMPRESSED": c.COMPRESSED != "", "BASE45": c.BASE45 != "", "PREFIX": c.PREFIX != "",
		"CLOCK": c.Clock != "", "CERTIFICATE": c.Certificate != "" || len(c.x5c) > 0, "CONTENT": c.JSON+c.CBOR+c.COSE != "",
	}
	for _, name := range strings.Fields(needs) {
		if !have[name] {
			return name
		}
	}
	return ""
}

// TestVectorsEUTestData performs, for each expected result of a file, just that
// step: it must succeed, and give the file's next field, or must fail.
func TestVectorsEUTestData(t *testing.T) {
	for _, s := range euSteps {
		t.Run(s.name, func(t *testing.T) {
			v := credentialtest.NewVectors(t, "eu-dcc-testdata", s.name)
			for _, file := range v.Files(t, ".json") {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				c, no := euRead(raw)
				if no != "" {
					if s.flag == "EXPECTEDDECODE" { // say it once
						v.Skip(t, v.Name(file), no)
					}
					continue
				}
				want, asked := c.expected[s.flag]
				if !asked {
					continue
				}
				if name := c.lacks(s.needs); name != "" {
					v.Skip(t, v.Name(file), "it has no "+name)
					continue
				}
				got, why := s.step(c)
				if got != want && s.contradicts != nil {
					if fault := s.contradicts(c, want); fault != "" {
						v.Fault(t, v.Name(file), fault)
						continue
					}
				}
				v.Check(t, v.Name(file), got == want, why)
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

func (c euCase) message() (*Message, error) {
	raw, err := hex.DecodeString(c.COSE)
	if err != nil {
		return nil, err
	}
	return DecodeCOSE(raw)
}

// certificate is the only trusted signer: base64 of DER, in lines or in PEM too.
func (c euCase) certificate() (*x509.Certificate, error) {
	text := c.Certificate
	if text == "" {
		text = c.x5c[0]
	}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return x509.ParseCertificate(block.Bytes)
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func euVerify(c euCase) (bool, string) {
	m, err := c.message()
	if err != nil {
		return false, why(err)
	}
	cert, err := c.certificate()
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

// euDecode compares the EU payload by value with the CBOR field; where there is no
// message, that with the JSON.
func euDecode(c euCase) (bool, string) {
	raw, err := hex.DecodeString(c.CBOR)
	if err != nil {
		return false, why(err)
	}
	if c.COSE == "" {
		top, err := contentOfCBOR(raw)
		if err != nil || c.JSON == "" {
			return err == nil, why(err)
		}
		want, err := contentOfJSON([]byte(c.JSON))
		return err == nil && sameContent(top, want), why(err)
	}
	m, err := c.message()
	if err != nil {
		return false, why(err)
	}
	if m.Payload != EUDCC {
		return false, "payload " + m.Payload.Name()
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

// euEncode writes the JSON as CBOR, and reads that as the CBOR field is read.
func euEncode(c euCase) (bool, string) {
	top, err := contentOfJSON([]byte(c.JSON))
	if err != nil {
		return false, why(err)
	}
	raw, err := cbor.Marshal(top)
	if err != nil {
		return false, why(err)
	}
	ours, err := contentOfCBOR(raw)
	if err != nil {
		return false, why(err)
	}
	theirs, err := hex.DecodeString(c.CBOR)
	if err != nil {
		return false, why(err)
	}
	want, err := contentOfCBOR(theirs)
	if err != nil {
		return false, why(err)
	}
	return sameContent(ours, want), "another content"
}

// euClock reads a clock; without a zone it is UTC, as in Greece.
func euClock(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("the clock is not readable")
}

func euExpiry(c euCase) (bool, string) {
	m, err := c.message()
	if err != nil {
		return false, why(err)
	}
	clock, err := euClock(c.Clock)
	if err != nil {
		return false, why(err)
	}
	return !clock.Before(m.IssuedAt) && !clock.After(m.ExpiresAt), "outside iat and exp"
}

// euUsage compares the extended key usages of the signer with the content.
func euUsage(c euCase) (bool, string) {
	m, err := c.message()
	if err != nil {
		return false, why(err)
	}
	cert, err := c.certificate()
	if err != nil {
		return false, why(err)
	}
	key := trust.Key{Usage: trust.CertificateUsage(cert)}
	return key.Allows(trust.Usage(m.Subject())), "the signer may not certify a " + string(m.Subject())
}

// content is what the case is about: of the signed message, else of the CBOR field,
// else of the JSON.
func (c euCase) content() (map[any]any, error) {
	if c.COSE != "" {
		if m, err := c.message(); err == nil {
			top, ok := m.content.(map[any]any)
			if !ok {
				return nil, ErrPayload
			}
			return top, nil
		}
	}
	if raw, err := hex.DecodeString(c.CBOR); c.CBOR != "" && err == nil {
		return contentOfCBOR(raw)
	}
	return contentOfJSON([]byte(c.JSON))
}

// contentOfCBOR reads a payload, or all claims with one.
func contentOfCBOR(raw []byte) (map[any]any, error) {
	var top map[any]any
	if err := cose.Unmarshal("content", raw, &top); err != nil {
		return nil, err
	}
	if claims, ok := top[int64(claimHCERT)].(map[any]any); ok {
		top, ok = claims[int64(subEUDCC)].(map[any]any)
		if !ok {
			return nil, ErrPayload
		}
	}
	return top, nil
}

// euSchema checks the content against the schema.
func euSchema(c euCase) (bool, string) {
	top, err := c.content()
	if err != nil {
		return false, why(err)
	}
	bad := checkDCC(top)
	return bad == "", "schema: " + bad
}

// euJSON compares what was read with the JSON.
func euJSON(c euCase) (bool, string) {
	top, err := c.content()
	if err != nil {
		return false, why(err)
	}
	want, err := contentOfJSON([]byte(c.JSON))
	if err != nil {
		return false, why(err)
	}
	return sameContent(top, want), "the JSON says something else"
}

// euObject reads the content into a certificate.
func euObject(c euCase) (bool, string) {
	top, err := c.content()
	if err != nil {
		return false, why(err)
	}
	if bad := checkDCC(top); bad != "" {
		return false, "schema: " + bad
	}
	_, err = (&Message{Payload: EUDCC, content: top}).Certificate()
	return err == nil, why(err)
}

// sameContent compares two contents by value: numbers however they are written, times
// by their moment.
func sameContent(a, b any) bool {
	switch a := a.(type) {
	case map[any]any:
		b, ok := b.(map[any]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if other, there := b[k]; !there || !sameContent(v, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameContent(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		if !ok || a == b {
			return ok
		}
		at, ok := sampleTime(a)
		bt, okToo := sampleTime(b)
		return ok && okToo && at.Equal(bt)
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

func why(err error) string {
	if err == nil {
		return "a result that differs"
	}
	return err.Error()
}
