package hcert_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// TestVectorsEUVerified verifies the code of each file of the EU's test data as a whole,
// with its certificate as the only trusted signer and by its clock: valid where every
// step that the file names must succeed, and not where one of them must fail. Files
// that leave the signature or the time out are not asked.
func TestVectorsEUVerified(t *testing.T) {
	v := credentialtest.NewVectors(t, "eu-dcc-testdata", "verified")
	names, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range v.Files(t, ".json") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			PREFIX          string
			TESTCTX         struct{ CERTIFICATE, VALIDATIONCLOCK string }
			EXPECTEDRESULTS map[string]*bool
		}
		err = json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &c)
		says := func(step string) (good, asked bool) {
			if f := c.EXPECTEDRESULTS["EXPECTED"+step]; f != nil {
				return *f, true
			}
			return true, false
		}
		signature, askedA := says("VERIFY")
		inTime, askedB := says("EXPIRATIONCHECK")
		usage, askedC := says("KEYUSAGE")
		schema, _ := says("SCHEMAVALIDATION")
		clock, late := time.Parse(time.RFC3339, c.TESTCTX.VALIDATIONCLOCK)
		if late != nil {
			clock, late = time.Parse("2006-01-02T15:04:05", c.TESTCTX.VALIDATIONCLOCK)
		}
		der, bad := base64.StdEncoding.DecodeString(c.TESTCTX.CERTIFICATE)
		if err != nil || c.PREFIX == "" || late != nil || bad != nil || !askedA && !askedB && !askedC {
			continue // another test says so
		}
		var list *trust.List
		if b, err := trust.ParseNamed(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err == nil {
			list = trust.New(b)
		} else {
			list = trust.New()
		}
		s := verify.Text(t.Context(), c.PREFIX, verify.Options{Trust: list, At: clock, Catalogue: names})
		var why []string
		for _, r := range s.Reasons {
			why = append(why, r.Code)
		}
		said := strings.Join(why, " ")
		switch {
		case !signature || !inTime || !usage:
			v.Check(t, v.Name(file), s.Verdict != verify.Valid, "it is valid")
		case signature && inTime && askedA && askedB && schema:
			if fault := hcert.EUFault(raw); fault != "" && s.Verdict != verify.Valid {
				v.Fault(t, v.Name(file), fault)
				continue
			}
			v.Check(t, v.Name(file), s.Verdict == verify.Valid, said)
		}
	}
}
