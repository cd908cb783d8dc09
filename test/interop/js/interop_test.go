// Package interop holds the tests in which third-party software from npm judges
// what divoc issues.
package interop

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
)

// packages installs the locked npm packages where they are missing.
func packages(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: third-party verifiers were not run", tool)
		}
	}
	if _, err := os.Stat("node_modules/.package-lock.json"); err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts").CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// node runs a script with in on its standard input and reads its answer.
func node[T any](t *testing.T, script string, in any) (out T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", script)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), &stderr
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.Bytes())
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, answer)
	}
	return out
}

type documentKey struct {
	did string
	key ed25519.PrivateKey
}

func (k documentKey) text() string                    { return vc.EncodeKey(k.key.Public().(ed25519.PublicKey)) }
func (k documentKey) ID() string                      { return k.did + "#" + k.text() }
func (k documentKey) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.key, msg), nil }

// didDocument is as an issuer publishes it.
func (k documentKey) didDocument() map[string]any {
	return map[string]any{
		"@context": []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"},
		"id":       k.did,
		"verificationMethod": []any{map[string]any{
			"id": k.ID(), "type": "Multikey", "controller": k.did, "publicKeyMultibase": k.text(),
		}},
		"assertionMethod": []string{k.ID()},
	}
}

func TestDigitalBazaarJudgesOurCredential(t *testing.T) {
	packages(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := credentialtest.Jamaica()
	key := documentKey{c.Info.Issuer.ID, private}
	now := time.Now().UTC().Truncate(time.Second)
	c.Info.Period.Start, c.Info.Period.End = now.Add(-time.Hour), now.Add(time.Hour)
	status := []vc.StatusEntry{
		{Purpose: "revocation", List: "https://certificates.moh.gov.jm/status/revocation/0", Index: 94567},
		{Purpose: "suspension", List: "https://certificates.moh.gov.jm/status/suspension/0", Index: 94567},
	}
	good, err := vc.Issue(c, status, key, now)
	if err != nil {
		t.Fatal(err)
	}
	list, err := vc.IssueStatusList(vc.ListInfo{URL: status[0].List, Purpose: "revocation", Issuer: key.did, ValidUntil: now.Add(time.Hour)}, &vc.StatusList{}, key, now)
	if err != nil {
		t.Fatal(err)
	}
	type verdict struct {
		Verified bool
		Error    string
	}
	for name, test := range map[string]struct {
		credential string
		want       bool
		reason     string
	}{
		"as issued":             {string(good), true, ""},
		"the status list":       {string(list), true, ""},
		"another lot":           {strings.Replace(string(good), `"lot":"PF1234"`, `"lot":"PF1235"`, 1), false, "Invalid signature"},
		"another dose":          {strings.Replace(string(good), `"dose":1`, `"dose":2`, 1), false, "Invalid signature"},
		"lot and product moved": {strings.NewReplacer(`"lot":"PF1234"`, `"lot":"comirnaty"`, `"product":"comirnaty"`, `"product":"PF1234"`).Replace(string(good)), false, "Invalid signature"},
		"another status index":  {strings.ReplaceAll(string(good), "94567", "94568"), false, "Invalid signature"},
		"a later proof":         {strings.Replace(string(good), `"created":"`+now.Format("2006"), `"created":"`+now.AddDate(-1, 0, 0).Format("2006"), 1), false, "Invalid signature"},
	} {
		t.Run(name, func(t *testing.T) {
			if !test.want && (test.credential == string(good) || !json.Valid([]byte(test.credential))) {
				t.Fatal("the test changes nothing, or too much")
			}
			got := node[verdict](t, "verify-vc.mjs", map[string]any{
				"credential": json.RawMessage(test.credential),
				"context":    map[string]any{"url": vc.ContextURL, "document": json.RawMessage(vc.Context())},
				"did":        key.didDocument(),
			})
			if got.Verified != test.want || !strings.Contains(got.Error, test.reason) {
				t.Errorf("verified %v (%s), want %v (%s)", got.Verified, got.Error, test.want, test.reason)
			}
		})
	}
}

// Digital Bazaar's suites take what is secured by each other cryptosuite, with the DID
// document as an issuer publishes it, and refuse it with one value changed.
func TestDigitalBazaarJudgesEveryCryptosuite(t *testing.T) {
	packages(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, codes := credentialtest.Jamaica(), newCodeKey(t)
	key := documentKey{c.Info.Issuer.ID, private}
	method := key.did + "#" + base64.StdEncoding.EncodeToString(codes.KeyID())
	certificate, err := x509.ParseCertificate(codes.certificate)
	if err != nil {
		t.Fatal(err)
	}
	published, err := trust.Issuer{ID: key.did, Keys: []trust.Key{
		{ID: key.ID(), Public: private.Public()},
		{ID: method, Public: codes.key.Public(), KeyID: codes.KeyID(), Certificate: certificate},
	}}.DIDDocument()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	c.Info.Period.Start, c.Info.Period.End = now.Add(-time.Hour), now.Add(time.Hour)
	plain, err := vc.Issue(c, nil, key, now)
	if err != nil {
		t.Fatal(err)
	}
	for suite, by := range map[string]vc.Signer{vc.EdDSARDFC: key, vc.ECDSARDFC: methodKey{codes, method}, vc.ECDSAJCS: methodKey{codes, method}} {
		good, err := vc.Secure(plain, suite, by, now)
		if err != nil {
			t.Fatal(suite, err)
		}
		for name, test := range map[string]struct {
			credential string
			want       bool
		}{
			"as issued":   {string(good), true},
			"another lot": {strings.Replace(string(good), `"lot":"PF1234"`, `"lot":"PF1235"`, 1), false},
		} {
			t.Run(suite+" "+name, func(t *testing.T) {
				got := node[struct {
					Verified bool
					Error    string
				}](t, "verify-vc.mjs", map[string]any{
					"credential": json.RawMessage(test.credential),
					"context":    map[string]any{"url": vc.ContextURL, "document": json.RawMessage(vc.Context())},
					"did":        json.RawMessage(published),
				})
				if got.Verified != test.want || !test.want && !strings.Contains(got.Error, "Invalid signature") {
					t.Errorf("verified %v (%s), want %v", got.Verified, got.Error, test.want)
				}
			})
		}
	}
}

// methodKey signs credentials by a key of codes.
type methodKey struct {
	codeKey
	id string
}

func (k methodKey) ID() string { return k.id }

// codeKey is a P-256 key with a signer certificate.
type codeKey struct {
	key         *ecdsa.PrivateKey
	certificate []byte
}

func newCodeKey(t *testing.T) codeKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test DSC", Country: []string{"JM"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return codeKey{key, der}
}

func (k codeKey) KeyID() []byte {
	sum := sha256.Sum256(k.certificate)
	return sum[:8]
}

func (k codeKey) Sign(msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	der, err := k.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	v.R.FillBytes(out[:32])
	v.S.FillBytes(out[32:])
	return out, nil
}

func (k codeKey) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.certificate}))
}

func TestCoseJSJudgesOurCode(t *testing.T) {
	packages(t)
	key, other := newCodeKey(t), newCodeKey(t)
	c := credentialtest.Tamil()
	c.Vaccination.Date.Estimated = false
	cose, err := hcert.Encode(c, hcert.DDCC, key, hcert.Centre)
	if err != nil {
		t.Fatal(err)
	}
	text := func(cose []byte) string {
		text, err := hcert.Text(cose)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	forged := bytes.Replace(cose, []byte(c.Vaccination.Lot), []byte("9999Z999"), 1)
	relabelled := codeKey{other.key, key.certificate} // another key behind our key id
	stolen, err := hcert.Encode(c, hcert.DDCC, relabelled)
	if err != nil {
		t.Fatal(err)
	}
	type verdict struct {
		Verified bool
		Error    string
		Issuer   string
		IssuedAt int64
		Content  struct {
			Name        string
			Certificate struct{ HCID, Version, Issuer string }
			Vaccination struct {
				Vaccine, Country struct{ Code string }
				Lot, Date        string
				Centre           string
				Dose             int
			}
		}
	}
	for name, test := range map[string]struct {
		text        string
		certificate string
		want        bool
	}{
		"as issued":           {text(cose), key.pem(), true},
		"another lot":         {text(forged), key.pem(), false},
		"another certificate": {text(cose), other.pem(), false},
		"another key":         {text(stolen), key.pem(), false},
	} {
		t.Run(name, func(t *testing.T) {
			got := node[verdict](t, "verify-hcert.mjs", map[string]any{"text": test.text, "certificate": test.certificate})
			if got.Verified != test.want {
				t.Fatalf("verified %v (%s), want %v", got.Verified, got.Error, test.want)
			}
			if !test.want {
				return
			}
			v := got.Content.Vaccination
			if got.Issuer != "LK" || got.IssuedAt != c.Info.Period.Start.Unix() || got.Content.Name != c.Name || got.Content.Certificate.HCID != c.Info.HCID ||
				got.Content.Certificate.Version != c.Info.Version || v.Vaccine.Code != c.Vaccination.Vaccine.Code || v.Country.Code != "LKA" ||
				v.Lot != c.Vaccination.Lot || v.Date != c.Vaccination.Date.String() || v.Centre != c.Vaccination.Centre || v.Dose != c.Vaccination.Number {
				t.Errorf("reads %+v", got)
			}
		})
	}
}
