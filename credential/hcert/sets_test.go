package hcert

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
)

// TestVectorsHCERTTestData: key ids of its issuers, as derived from certificates,
// are those of its key lists, and its early message decodes in the outer form.
func TestVectorsHCERTTestData(t *testing.T) {
	v := credentialtest.NewVectors(t, "hcert-testdata", "")
	for _, file := range v.Files(t, "jwks.json") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []json.RawMessage }
		if err := json.Unmarshal(data, &set); err != nil {
			t.Fatal(err)
		}
		for i, key := range set.Keys {
			_, err := trust.ParseNamed(key)
			v.Check(t, v.Name(file)+" key", err == nil, "key "+string(rune('1'+i))+" is not read: "+why(err))
		}
	}
	for _, file := range v.Files(t, ".crt") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		if block == nil {
			block = &pem.Block{Bytes: data}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			v.Check(t, v.Name(file), false, err.Error())
			continue
		}
		_, err = trust.ParseNamed(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
		v.Check(t, v.Name(file), err == nil, why(err))
	}
	for _, file := range v.Files(t, ".bin") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if inflated, err := inflate(data); err == nil {
			data = inflated
		}
		m, err := DecodeCOSE(bytes.TrimSpace(data))
		v.Check(t, v.Name(file), err == nil && len(m.KeyIDs) == 1, why(err))
	}
}

// TestVectorsWHOFixtures reads the payloads of EU DCC among WHO's fixtures. Their
// signatures are placeholders, and the EU's schema would not allow their names.
func TestVectorsWHOFixtures(t *testing.T) {
	v := credentialtest.NewVectors(t, "who-ddcc-fixtures", "eu dcc")
	for _, file := range v.Files(t, ".json") {
		if filepath.Base(filepath.Dir(file)) != "eudcc" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		top, err := contentOfJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		sub, _ := top["-260"].(map[any]any)
		content, _ := sub["1"].(map[any]any)
		if content == nil {
			content = top
		}
		m := &Message{Payload: EUDCC, content: content}
		c, err := m.Certificate()
		good := err == nil && c.Name != "" && (c.Test.Date.IsZero() == (m.Subject() != Test))
		v.Check(t, v.Name(file), good, why(err))
	}
}

// TestVectorsWHOCodes reads every code of HCERT in the texts of WHO's set: as what it is,
// or as a health link, which is refused by name.
func TestVectorsWHOCodes(t *testing.T) {
	v := credentialtest.NewVectors(t, "who-ddcc-gdhcn", "codes").Optional()
	for _, file := range v.Files(t, ".txt") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimRight(line, "\r\n")
			if !strings.HasPrefix(line, "HC1:") {
				continue
			}
			m, err := Decode(line)
			if err == nil && m.Payload != HealthLink {
				_, err = m.Certificate()
			}
			v.Check(t, v.Name(file), err == nil, why(err))
		}
	}
}
