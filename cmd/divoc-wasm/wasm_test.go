package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/rules"
	"github.com/opendivoc/divoc/verify/verifytest"
	"golang.org/x/text/unicode/norm"
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
    const s = globalThis.divoc.verify(code, c.trust, c.at ?? "no number", c.lang, null, c.rules, c.country);
    console.log(JSON.stringify({ s: JSON.parse(s), text: globalThis.divoc.text(s, c.lang) }));
  }
  process.exit(0);
};
WebAssembly.instantiate(fs.readFileSync(process.argv[3]), go.importObject).then((r) => go.run(r.instance));
`

type call struct {
	Code    string `json:"code"`
	Bytes   bool   `json:"bytes"`
	Trust   any    `json:"trust"`
	At      any    `json:"at"`
	Lang    string `json:"lang"`
	Rules   any    `json:"rules"`
	Country string `json:"country"`
}

// answer is what a call gave.
type answer struct {
	S struct {
		verify.Statement
		Error string `json:"error"`
	}
	Text string
}

// built compiles the verifier once for all tests of a run.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "divoc-wasm-")
	if err != nil {
		return "", err
	}
	module := filepath.Join(dir, "divoc.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", module, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return module, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if module, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(module))
	}
	os.Exit(code)
}

// inNode runs calls in Node, with the verifier as browsers get it.
func inNode(t *testing.T, calls []call) []answer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine")
	}
	dir := t.TempDir()
	module, err := built()
	if err != nil {
		t.Fatal(err)
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
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

	var got []answer
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	if len(got) != len(calls) {
		t.Fatalf("%d answers to %d calls: the verifier ended", len(got), len(calls))
	}
	return got
}

func TestVerifiesInNodeWithoutNetwork(t *testing.T) {
	x := certificate(t, credentialtest.Jamaica())
	code, doc, list, at, now := x.code, x.doc, x.list, x.at, x.at.UnixMilli()
	forged := strings.Replace(doc, "Marcia", "Martha", 1)
	got := inNode(t, []call{
		{Code: code, Trust: list, At: now, Lang: "en"},
		{Code: doc, Bytes: true, Trust: []string{list}, At: now, Lang: "ta"},
		{Code: forged, Trust: list, At: now, Lang: "si"},
		{Code: code, Trust: list, At: at.Add(5 * 365 * 24 * time.Hour).UnixMilli(), Lang: "en"},
		{Code: code, At: now, Lang: "en"},
		{Code: "hello", Trust: list, At: now, Lang: "en"},
		{Code: code, Trust: "{", At: now, Lang: "en"},
	})
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

// Names in every script come out as they were signed, in normal form C: the browser
// normalises them, and a wrong call of it once ended the verifier.
func TestNamesInOtherScriptsAreVerified(t *testing.T) {
	names := map[string]string{
		"Sinhala":                     "වර්ණකුලසූරිය මුදියන්සේලාගේ ක්‍රිෂාන්ත චන්ද්‍රසිරි",
		"Tamil":                       "கிருஷ்ணமூர்த்தி ஸ்ரீநிவாசன்",
		"Latin with accents":          "José Núñez Ålesund",
		"combining marks":             "José Núñez Ålesund",
		"marks in the wrong order":    "ậ q̣̇",
		"Tamil vowel in two parts":    "கொ",
		"Khmer, Arabic, Amharic, Han": "សុខ محمد አበበ 山田",
		"beyond the basic plane":      "𠀀𝒜 😀",
	}
	var calls []call
	var want []string
	for _, name := range names {
		c := credentialtest.Jamaica()
		c.Name = name
		x := certificate(t, c)
		calls = append(calls,
			call{Code: x.code, Trust: x.list, At: x.at.UnixMilli(), Lang: "si"},
			call{Code: x.forged, Trust: x.list, At: x.at.UnixMilli(), Lang: "ta"},
			call{Code: x.doc, Trust: x.list, At: x.at.UnixMilli(), Lang: "en"})
		want = append(want, name)
	}
	for i, g := range inNode(t, calls) {
		name := want[i/3]
		switch i % 3 {
		case 0:
			if g.S.Verdict != verify.Valid || g.S.Content == nil || g.S.Content.Name != norm.NFC.String(name) {
				t.Errorf("%q in a code: %+v", name, g.S)
			}
		case 1:
			if g.S.Verdict != verify.NotValid || !g.S.Has(verify.BadSignature) || g.S.Content != nil {
				t.Errorf("%q in a forged code: %+v", name, g.S)
			}
		default:
			if g.S.Verdict != verify.Valid || g.S.Content == nil || g.S.Content.Name != name {
				t.Errorf("%q in a credential: %+v", name, g.S)
			}
		}
	}
}

// Whatever comes, the next certificate is checked.
func TestNothingEndsTheVerifier(t *testing.T) {
	x := certificate(t, credentialtest.Jamaica())
	code, list, now := x.code, x.list, x.at.UnixMilli()
	hostile := []call{
		{Code: code, Trust: list, At: nil, Lang: "en"},   // a time that is no number: a panic, caught
		{Code: code, Trust: list, At: now, Lang: "\x00"}, // no language
		{Code: code, Trust: 7, At: now, Lang: "en"},      // no list
		{Code: code, Trust: list, At: 9e300, Lang: "en"}, // beyond all time
		{Code: code, Trust: list, At: now, Lang: "en", Rules: "{"},
		{Code: code, Trust: list, At: now, Lang: "en", Rules: `[{"Identifier":"X","Logic":` + strings.Repeat("[", 9000) + "]}]"},
	}
	for _, nested := range []string{
		strings.Repeat("[", 200_000), strings.Repeat(`{"a":`, 40_000), `{"@context":` + strings.Repeat("[", 100_000),
		"HC1:" + strings.Repeat("Z", 200_000), "shc:/" + strings.Repeat("56", 100_000), "PK\x03\x04" + strings.Repeat("\x00", 100_000),
		strings.Repeat("x", 300_000), "", "\ufeff", "HC1:", "shc:/", "PK", "{}", "\x00",
	} {
		hostile = append(hostile, call{Code: nested, Trust: list, At: now, Lang: "en"}, call{Code: nested, Bytes: true, Trust: list, At: now, Lang: "en"})
	}
	got := inNode(t, append(hostile, call{Code: code, Trust: list, At: now, Lang: "en"}))
	for i, g := range got[:len(got)-1] {
		if i > 1 && g.S.Verdict == verify.Valid {
			t.Errorf("call %d is %+v", i, g.S)
		}
	}
	if got[0].S.Error == "" {
		t.Errorf("a time that is none gives %+v", got[0].S)
	}
	if last := got[len(got)-1].S; last.Verdict != verify.Valid {
		t.Errorf("the certificate after them: %+v", last)
	}
}

func TestRulesAreAskedInTheBrowser(t *testing.T) {
	c := credentialtest.Jamaica()
	c.Vaccination.Disease = vaccination.Coding{Code: "1D47", System: vaccination.SystemICD11}
	x := certificate(t, c)
	code, list, at := x.code, x.list, x.at
	given, _ := c.Vaccination.Date.Earliest()
	soon := `{"products":[{"Identifier":"SOON","Country":"JM","Disease":"1D47","AfterDays":3000}]}`
	days := int(at.Sub(given).Hours()) / 24
	if days < 10 || days > 2999 {
		t.Fatalf("the dose is %d days old", days)
	}
	got := inNode(t, []call{
		{Code: code, Trust: list, At: at.UnixMilli(), Lang: "ta", Rules: rules.YellowFever},
		{Code: code, Trust: list, At: at.UnixMilli(), Lang: "en", Rules: soon, Country: "JAM"},
		{Code: code, Trust: list, At: at.UnixMilli(), Lang: "en", Rules: []string{soon}, Country: "LK"},
		{Code: code, Trust: list, At: at.UnixMilli(), Lang: "en"},
		{Code: code, At: at.UnixMilli(), Lang: "en", Rules: rules.YellowFever},
	})
	for i, want := range []rules.Outcome{rules.Passed, rules.Failed, rules.Open, "", ""} {
		if g := got[i].S; g.Accepted != want {
			t.Errorf("call %d: %q, want %q: %+v", i, g.Accepted, want, g)
		}
	}
}

// issued is a certificate as code and as credential, its code with another lot, the
// trust list for it and a time at which it is valid.
type issued struct {
	code, forged, doc, list string
	at                      time.Time
}

// certificate issues c.
func certificate(t *testing.T, c vaccination.Certificate) (out issued) {
	t.Helper()
	start, end := c.Info.Period.Start, c.Info.Period.End
	out.at = start.Add(time.Hour)
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	key, d := verifytest.NewCodeKey(t, "JM", start.Add(-time.Hour), end.Add(time.Hour)), verifytest.NewDocumentKey(t, c.Info.Issuer.ID)
	cose, err := hcert.Encode(c, hcert.DDCC, key)
	must(err)
	out.code, err = hcert.Text(cose)
	must(err)
	out.forged, err = hcert.Text(bytes.Replace(cose, []byte(c.Vaccination.Lot), []byte("ZZ9999"), 1))
	must(err)
	if len(c.Vaccination.Lot) != 6 || out.forged == out.code {
		t.Fatal("the forged code is not another one")
	}
	signed, err := vc.Issue(c, nil, d, start)
	must(err)
	b := &trust.Bundle{
		Version: 1, Issued: start,
		Issuers: []trust.Issuer{{ID: c.Info.Issuer.ID, Name: c.Info.Issuer.Name, Country: "JM", Keys: []trust.Key{
			key.Trusted(), d.Trusted(),
		}}},
		Status: []trust.Snapshot{{Issuer: c.Info.Issuer.ID, AsOf: start, NextUpdate: start.Add(24 * time.Hour)}},
	}
	data, err := b.Sign(d)
	must(err)
	out.doc, out.list = string(signed), string(data)
	return out
}
