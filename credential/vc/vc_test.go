package vc

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
	"github.com/opendivoc/divoc/vaccination"
)

var created = time.Date(2026, 11, 22, 6, 40, 5, 0, time.UTC)

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

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type testSigner struct{ key ed25519.PrivateKey }

// signer has a key that depends on n alone.
func signer(n byte) testSigner {
	return testSigner{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))}
}

func (s testSigner) ID() string                      { return "did:web:example.org#" + EncodeKey(s.public()) }
func (s testSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
func (s testSigner) public() ed25519.PublicKey       { return s.key.Public().(ed25519.PublicKey) }

func status() []StatusEntry {
	return []StatusEntry{
		{"revocation", "https://certificates.moh.gov.jm/status/revocation/0", 94567},
		{"suspension", "https://certificates.moh.gov.jm/status/suspension/0", 94567},
	}
}

func issue(t testing.TB, c vaccination.Certificate) []byte {
	t.Helper()
	data, err := Issue(c, status(), signer(1), created)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestW3CVectorAtEveryStep(t *testing.T) {
	dir := filepath.Join(vectors(t, "w3c-vc-di-eddsa"))
	suite := filepath.Join(dir, "eddsa-jcs-2022")
	line := func(name string) string { return strings.TrimRight(string(read(t, suite, name)), "\n") }
	canonical := func(v []byte) []byte {
		c, err := jcs.Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	document := canonical(read(t, dir, "unsigned.json"))
	if got := string(document); got != line("canonDocJCS.txt") {
		t.Error(cmp.Diff(line("canonDocJCS.txt"), got))
	}
	config := canonical(read(t, suite, "proofConfigJCS.json"))
	if got := string(config); got != line("proofCanonJCS.txt") {
		t.Error(cmp.Diff(line("proofCanonJCS.txt"), got))
	}
	hashed := hex.EncodeToString(hashData(document, config))
	if want := line("proofHashJCS.txt") + line("docHashJCS.txt"); hashed != want || hashed != line("combinedHashJCS.txt") {
		t.Errorf("hash data %s, want %s", hashed, want)
	}
	var keys struct{ PublicKeyMultibase, PrivateKeyMultibase string }
	if err := json.Unmarshal(read(t, dir, "keyPair.json"), &keys); err != nil {
		t.Fatal(err)
	}
	pub, err := DecodeKey(keys.PublicKeyMultibase)
	if err != nil || EncodeKey(pub) != keys.PublicKeyMultibase {
		t.Fatal("public key", err)
	}
	seed, ok := multibase.Decode(keys.PrivateKeyMultibase)
	if !ok || len(seed) != 34 {
		t.Fatal("private key")
	}
	signature := ed25519.Sign(ed25519.NewKeyFromSeed(seed[2:]), hashData(document, config))
	if got := hex.EncodeToString(signature); got != line("sigHexJCS.txt") {
		t.Errorf("signature %s", got)
	}
	if got := multibase.Encode(signature); got != line("sigBTC58JCS.txt") {
		t.Errorf("proofValue %s", got)
	}
	signed, err := jcs.Parse(read(t, suite, "signedJCS.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyOne(signed, pub); err != nil {
		t.Error(err)
	}
	if _, err := Parse(read(t, suite, "signedJCS.json")); !errors.Is(err, ErrType) {
		t.Errorf("a foreign credential: %v", err)
	}
	changed := signed.With("name", jcs.Value{Kind: jcs.String, Text: "x"})
	if err := verifyOne(changed, pub); !errors.Is(err, ErrSignature) {
		t.Errorf("changed document: %v", err)
	}
}

func TestWhatIsIssuedReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SampledFrom([]func(*rapid.T) vaccination.Certificate{credentialtest.Draw, credentialtest.DrawTest}).Draw(t, "kind")
		want := draw(t)
		data, err := Issue(want, status(), signer(1), created)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := jcs.Canonical(data); err != nil || !bytes.Equal(data, again) {
			t.Fatalf("not canonical: %v\n%s\n%s", err, data, again)
		}
		c, err := Parse(data)
		if err != nil {
			t.Fatal(err, string(data))
		}
		if err := c.Verify(signer(1).public()); err != nil {
			t.Fatal(err)
		}
		want.Info.KeyID = signer(1).ID()
		if diff := cmp.Diff(want, c.Certificate()); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(status(), c.Status()); diff != "" {
			t.Fatal(diff)
		}
		if c.VerificationMethod() != signer(1).ID() || !c.Created().Equal(created) {
			t.Fatal("proof", c.VerificationMethod(), c.Created())
		}
	})
}

func TestVerifyIgnoresOrderAndSpaceOnly(t *testing.T) {
	data := issue(t, credentialtest.Jamaica())
	var loose map[string]any
	if err := json.Unmarshal(data, &loose); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(loose, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(pretty)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(signer(1).public()); err != nil {
		t.Error(err)
	}
	if err := c.Verify(signer(2).public()); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if err := c.Verify(nil); !errors.Is(err, ErrProof) {
		t.Errorf("no key: %v", err)
	}
}

func TestOneChangedByteNeverVerifies(t *testing.T) {
	data := issue(t, credentialtest.Jamaica())
	pub := signer(1).public()
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		c, err := Parse(changed)
		if err == nil && c.Verify(pub) == nil {
			t.Fatalf("byte %d: %q verifies", i, changed[max(0, i-20):i+1])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(issue(t, credentialtest.Jamaica()))
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"no JSON":                      {`{"@context"`, `"@context"`, ErrMalformed},
		"a member twice":               {`"hcid":`, `"hcid":"x","hcid":`, ErrMalformed},
		"an unknown member":            {`"hcid":`, `"evidence":"x","hcid":`, ErrMalformed},
		"an unknown subject member":    {`"nationality":`, `"age":"x","nationality":`, ErrMalformed},
		"an unknown dose member":       {`"lot":`, `"batch":"x","lot":`, ErrMalformed},
		"an unknown status member":     {`"statusListIndex":`, `"statusSize":2,"statusListIndex":`, ErrMalformed},
		"an unknown proof member":      {`"created":`, `"domain":"x","created":`, ErrMalformed},
		"another context":              {ContextURL, "https://example.org/v1", ErrType},
		"a context redefined":          {`"` + ContextURL + `"]`, `"` + ContextURL + `",{"name":"x"}]`, ErrType},
		"another type":                 {Type, "Other", ErrType},
		"a shorter context in proof":   {`"proof":{"@context":["` + ContextV2 + `","` + ContextURL + `"]`, `"proof":{"@context":["` + ContextV2 + `"]`, ErrProof},
		"no context in proof":          {`"proof":{"@context":["` + ContextV2 + `","` + ContextURL + `"],`, `"proof":{`, ErrProof},
		"another suite":                {cryptosuite, "bbs-2023", ErrProof},
		"another proof type":           {proofType, "Ed25519Signature2020", ErrProof},
		"another purpose":              {proofPurpose, "authentication", ErrProof},
		"a number as text":             {`"dose":1`, `"dose":"1"`, ErrMalformed},
		"a dose of zero":               {`"dose":1`, `"dose":0`, ErrMalformed},
		"a dose that is a fraction":    {`"dose":1`, `"dose":1.5`, ErrMalformed},
		"a dose beyond reason":         {`"dose":1`, `"dose":1e9`, ErrMalformed},
		"a date that is none":          {`"date":"2021-11-30"`, `"date":"2021-11-31"`, ErrMalformed},
		"a time without zone":          {`"validUntil":"2027-11-22T06:40:03Z"`, `"validUntil":"2027-11-22T06:40:03"`, ErrMalformed},
		"an empty text":                {`"lot":"PF1234"`, `"lot":""`, ErrMalformed},
		"a null":                       {`"lot":"PF1234"`, `"lot":null`, ErrMalformed},
		"a false specimen":             {`"type":["V`, `"specimen":false,"type":["V`, ErrMalformed},
		"an id that is not the hcid's": {`"id":"urn:uvci:01:JM:`, `"id":"urn:uvci:01:LK:`, ErrMalformed},
		"an hcid of another system":    {`"hcid":"URN:UVCI:01:JM:`, `"hcid":"URN:UVCI:02:JM:`, ErrMalformed},
		"a status id of another index": {`revocation/0#94567`, `revocation/0#94568`, ErrMalformed},
		"a status index out of range":  {`"statusListIndex":"94567"`, `"statusListIndex":"94567000000000"`, ErrMalformed},
		"a status of another type":     {`"BitstringStatusListEntry"`, `"StatusList2021Entry"`, ErrMalformed},
		"an empty status":              {`"credentialStatus":[`, `"credentialStatus":[],"x":[`, ErrMalformed},
		"a subject of another type":    {`"type":"Person"`, `"type":"Organization"`, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, c.old, c.new, 1)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			if _, err := Parse([]byte(bad)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	test := string(issue(t, credentialtest.Tested()))
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"a test of the type of a dose":    {TestType, Type, ErrType},
		"a test in the context of a dose": {TestContextURL, ContextURL, ErrType},
		"a dose beside the test":          {`"test":{`, `"vaccination":{"dose":1},"test":{`, ErrMalformed},
		"a dose in place of the test":     {`"test":{`, `"vaccination":{`, ErrMalformed},
		"an unknown member of the test":   {`"lot":`, `"dose":1,"lot":`, ErrMalformed},
		"a day where a time is":           {`"date":"2026-11-21T14:05:00Z"`, `"date":"2026-11-21"`, ErrMalformed},
		"a time of another zone":          {`"date":"2026-11-21T14:05:00Z"`, `"date":"2026-11-21T14:05:00+01:00"`, ErrMalformed},
		"a number of zero":                {`"number":1`, `"number":0`, ErrMalformed},
		"a result that is a text":         {`"result":{`, `"result":"QA02","x":{`, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(test, c.old, c.new, 1)
			if bad == test {
				t.Fatal("the test changes nothing")
			}
			if _, err := Parse([]byte(bad)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	if _, err := Parse([]byte(good + strings.Repeat(" ", maxCredential))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
	if _, err := Parse([]byte(strings.Repeat("[", 1000))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too deep: %v", err)
	}
}

// A proof whose @context is only the first of the document's would leave the
// meaning of the rest open; the generic check follows the specification.
func TestProofContextMustBeginTheDocuments(t *testing.T) {
	document, err := jcs.Parse([]byte(`{"@context":["a","b"],"x":1,"proof":{"@context":["b"],"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod","proofValue":"` + multibase.Encode(make([]byte, 64)) + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyOne(document, signer(1).public()); !errors.Is(err, ErrProof) {
		t.Errorf("error %v, want %v", err, ErrProof)
	}
}

func TestIssueRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*vaccination.Certificate){
		"no id":                   func(c *vaccination.Certificate) { c.Info.HCID = "" },
		"an id of another system": func(c *vaccination.Certificate) { c.Info.HCID = "URN:UVCI:01:NL:187/37512422923" },
		"no issuer":               func(c *vaccination.Certificate) { c.Info.Issuer.ID = "" },
		"no time of issue":        func(c *vaccination.Certificate) { c.Info.Period.Start = time.Time{} },
		"a name that is no UTF-8": func(c *vaccination.Certificate) { c.Name = "\xff" },
		"a negative dose":         func(c *vaccination.Certificate) { c.Vaccination.Number = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := credentialtest.Jamaica()
			spoil(&c)
			if _, err := Issue(c, nil, signer(1), created); err == nil {
				t.Error("issued")
			}
		})
	}
}

func TestDecodeKeyRefuses(t *testing.T) {
	good := EncodeKey(signer(1).public())
	if !strings.HasPrefix(good, "z6Mk") {
		t.Fatal(good)
	}
	for name, text := range map[string]string{
		"nothing": "", "no multibase letter": good[1:], "another letter": "u" + good[1:], "a letter outside base58": good[:5] + "0" + good[6:],
		"another kind of key": multibase.Encode(append([]byte{0x80, 0x24}, make([]byte, 33)...)), "cut short": good[:len(good)-2], "endless": "z" + strings.Repeat("2", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeKey(text); err == nil {
				t.Error("read")
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(issue(f, credentialtest.Jamaica()))
	f.Add(issue(f, credentialtest.Tamil()))
	f.Add(issue(f, credentialtest.Tested()))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		// What is read can be issued again and says the same.
		data, err = Issue(c.Certificate(), c.Status(), signer(1), c.Created())
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		want := c.Certificate()
		want.Info.KeyID = signer(1).ID()
		if diff := cmp.Diff(want, again.Certificate()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkTable_IssueVC(b *testing.B) {
	c, s, entries := credentialtest.Jamaica(), signer(1), status()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Issue(c, entries, s, created); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTable_VerifyVC(b *testing.B) {
	data, pub := issue(b, credentialtest.Jamaica()), signer(1).public()
	b.ReportAllocs()
	for b.Loop() {
		c, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Verify(pub); err != nil {
			b.Fatal(err)
		}
	}
}
