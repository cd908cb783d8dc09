package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// forbidden is what would make the browser's verifier large, or give it a way
// to reach a network.
var forbidden = []string{
	"net/http", "regexp", "text/template", "html/template", "image", "golang.org/x/text",
	"github.com/piprate/json-gold", "github.com/makiuchi-d/gozxing",
}

func TestTheBrowsersVerifierNeedsLittle(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, f := range forbidden {
			if dep == f || strings.HasPrefix(dep, f+"/") {
				t.Errorf("it imports %s", dep)
			}
		}
		if strings.HasPrefix(dep, "github.com/opendivoc/divoc/internal/") {
			t.Errorf("it imports %s of the server", dep)
		}
	}
}

// script runs the module in Node without any network and prints one JSON line
// for each of the calls.
const script = `
const fs = require("fs");
for (const m of ["fetch", "WebSocket", "XMLHttpRequest"]) globalThis[m] = () => { throw new Error(m + " called") };
globalThis.require = undefined;
globalThis.crypto ??= require("crypto").webcrypto;
require(process.argv[2]);
const calls = JSON.parse(fs.readFileSync(process.argv[4]));
const go = new Go();
globalThis.divocReady = () => {
  for (const c of calls) {
    const code = c.bytes ? new TextEncoder().encode(c.code) : c.code;
    const s = globalThis.divoc.verify(code, c.trust, c.at, c.lang);
    console.log(JSON.stringify({ s: JSON.parse(s), text: globalThis.divoc.text(s, c.lang) }));
  }
  process.exit(0);
};
WebAssembly.instantiate(fs.readFileSync(process.argv[3]), go.importObject).then((r) => go.run(r.instance));
`

type call struct {
	Code  string `json:"code"`
	Bytes bool   `json:"bytes"`
	Trust any    `json:"trust"`
	At    int64  `json:"at"`
	Lang  string `json:"lang"`
}

func TestVerifiesInNodeWithoutNetwork(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine")
	}
	dir := t.TempDir()
	module := filepath.Join(dir, "divoc.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", module, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	code, doc, list, at := certificate(t)
	forged := strings.Replace(doc, "Marcia", "Martha", 1)
	now := at.UnixMilli()
	calls := []call{
		{code, false, list, now, "en"},
		{doc, true, []string{list}, now, "ta"},
		{forged, false, list, now, "si"},
		{code, false, list, at.Add(5 * 365 * 24 * time.Hour).UnixMilli(), "en"},
		{code, false, nil, now, "en"},
		{"hello", false, list, now, "en"},
		{code, false, "{", now, "en"},
	}
	input, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"run.js": []byte(script), "calls.json": input} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	run := exec.CommandContext(t.Context(), node, filepath.Join(dir, "run.js"),
		filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"), module, filepath.Join(dir, "calls.json"))
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("from cold to all results: %v", time.Since(start))

	type answer struct {
		S struct {
			verify.Statement
			Error string `json:"error"`
		}
		Text string
	}
	var got []answer
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	if len(got) != len(calls) {
		t.Fatalf("%d answers to %d calls", len(got), len(calls))
	}
	for i, want := range []struct {
		verdict verify.Verdict
		reason  string
		words   string
	}{
		{verify.Valid, "", "VALID"},
		{verify.Valid, "", "செல்லுபடியாகும்"},
		{verify.NotValid, verify.BadSignature, "වලංගු නැත"},
		{verify.NotValid, verify.Expired, "NOT VALID"},
		{verify.CannotTell, verify.NoTrustList, "CANNOT TELL"},
		{verify.NotValid, verify.NotACertificate, "NOT VALID"},
	} {
		g := got[i]
		if g.S.Verdict != want.verdict || want.reason != "" && !g.S.Has(want.reason) || !strings.HasPrefix(g.Text, want.words) {
			t.Errorf("call %d: %+v\n%s\nwant %+v", i, g.S, g.Text, want)
		}
	}
	if got[6].S.Error == "" || got[6].S.Verdict != "" {
		t.Errorf("a broken trust list gives %+v", got[6].S)
	}
	if c := got[0].S.Content; c == nil || c.Name != "Marcia Ann-Louise Campbell" {
		t.Errorf("content: %+v", c)
	}
}

type qrSigner struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func (s qrSigner) KeyID() []byte { return trust.CertificateKeyID(s.cert) }
func (s qrSigner) Sign(structure []byte) ([]byte, error) {
	sum := sha256.Sum256(structure)
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...), nil
}

type docSigner struct {
	id  string
	key ed25519.PrivateKey
}

func (s docSigner) ID() string                      { return s.id }
func (s docSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// certificate returns a certificate in both forms, the trust list for it and a
// time at which it is valid.
func certificate(t *testing.T) (code, doc, list string, at time.Time) {
	t.Helper()
	c := credentialtest.Jamaica()
	start, end := c.Info.Period.Start, c.Info.Period.End
	at = start.Add(time.Hour)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer", Country: []string{"JM"}},
		NotBefore: start.Add(-time.Hour), NotAfter: end.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	d := docSigner{c.Info.Issuer.ID + "#" + vc.EncodeKey(public), private}

	cose, err := hcert.Encode(c, hcert.DDCC, qrSigner{key, cert})
	must(err)
	code, err = hcert.Text(cose)
	must(err)
	signed, err := vc.Issue(c, nil, d, start)
	must(err)
	b := &trust.Bundle{
		Version: 1, Issued: start,
		Issuers: []trust.Issuer{{ID: c.Info.Issuer.ID, Name: c.Info.Issuer.Name, Country: "JM", Keys: []trust.Key{
			{ID: c.Info.Issuer.ID + "#qr", KeyID: trust.CertificateKeyID(cert), Public: key.Public(), Certificate: cert, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter},
			{ID: d.id, Public: public, NotBefore: start},
		}}},
		Status: []trust.Snapshot{{Issuer: c.Info.Issuer.ID, AsOf: start, NextUpdate: start.Add(24 * time.Hour)}},
	}
	data, err := b.Sign(d)
	must(err)
	return code, string(signed), string(data), at
}
