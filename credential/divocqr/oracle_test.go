package divocqr_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/piprate/json-gold/ld"
	"pgregory.net/rapid"
)

const w3cV1 = "https://www.w3.org/2018/credentials/v1"

// contexts are the context URLs that are read, and what defines them here.
var contexts = map[string]string{
	"https://divoc.dev/credentials/vaccination/v1":          "vaccination-v1.jsonld",
	"https://cowin.gov.in/credentials/vaccination/v1":       "vaccination-v1.jsonld",
	"https://cowin.gov.in/credentials/vaccination/v2":       "vaccination-v2.jsonld",
	"https://divoc.prod/vaccine/credentials/vaccination/v1": "vaccination-v2.jsonld",
	"https://divoc.lgcc.gov.lk/credentials/vaccination/v1":  "vaccination-v2-sex.jsonld",
	divocqr.TestContext: "test-v1.jsonld",
}

// oracle canonicalises with json-gold, an independent implementation of
// JSON-LD 1.1 and URDNA2015.
type oracle struct{ documents map[string]any }

func newOracle(t testing.TB) *oracle {
	t.Helper()
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	o := &oracle{map[string]any{}}
	load := func(url, path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Skipf("the context %s is not here; set DIVOC_VECTORS", url)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		o.documents[url] = doc
	}
	load(w3cV1, filepath.Join(root, "vc-contexts", "w3c+vc-data-model", "contexts", "credentials", "v1"))
	for url, file := range contexts {
		load(url, filepath.Join("testdata", file))
	}
	return o
}

func (o *oracle) LoadDocument(url string) (*ld.RemoteDocument, error) {
	if doc, ok := o.documents[url]; ok {
		return &ld.RemoteDocument{DocumentURL: url, Document: doc}, nil
	}
	return nil, fmt.Errorf("no such context: %s", url)
}

// canonical returns the canonical statements of a credential without its
// proof. SafeMode, which makes undefined members an error, is heeded by ToRDF
// and not by Normalize.
func (o *oracle) canonical(credential []byte) (string, error) {
	var doc map[string]any
	if err := json.Unmarshal(credential, &doc); err != nil {
		return "", err
	}
	delete(doc, "proof")
	opts := ld.NewJsonLdOptions("")
	opts.DocumentLoader = o
	opts.SafeMode = true
	opts.Algorithm = ld.AlgorithmURDNA2015
	opts.Format = ""
	dataset, err := ld.NewJsonLdProcessor().ToRDF(doc, opts)
	if err != nil {
		return "", err
	}
	opts.Format = "application/n-quads"
	out, err := ld.NewJsonLdApi().Normalize(dataset.(*ld.RDFDataset), opts)
	if err != nil {
		return "", err
	}
	return out.(string), nil
}

func TestVectorsMatchTheOracle(t *testing.T) {
	o := newOracle(t)
	for _, name := range []string{
		"rsa-valid.json", "rsa-v2-valid.json", "ed25519-valid.json",
		"rsa-tampered-must-fail.json", "rsa-v2-subject-not-signed-must-be-refused.json",
	} {
		matches(t, o, vector(t, name))
	}
}

func matches(t rapid.TB, o *oracle, credential []byte) {
	t.Helper()
	want, err := o.canonical(credential)
	if err != nil {
		t.Fatalf("oracle: %v\n%s", err, credential)
	}
	got, err := divocqr.Decode(credential)
	if err != nil {
		t.Fatalf("Decode: %v\n%s", err, credential)
	}
	if d := cmp.Diff(want, string(got.NQuads())); d != "" {
		t.Fatalf("%s\n%s", d, credential)
	}
}

// TestRandomCredentialsMatchTheOracle draws credentials of the shape, with
// members missing, empty, null, numbers, booleans, relative ids, controls and
// equal addresses, and compares the canonical statements byte for byte.
func TestRandomCredentialsMatchTheOracle(t *testing.T) {
	o := newOracle(t)
	rapid.Check(t, func(t *rapid.T) { matches(t, o, drawCredential(t)) })
}

// TestUndefinedMembersAreErrorsAsForTheOracle puts a member that the context
// does not define somewhere into a credential.
func TestUndefinedMembersAreErrorsAsForTheOracle(t *testing.T) {
	o := newOracle(t)
	rapid.Check(t, func(t *rapid.T) {
		doc := object(drawCredential(t))
		doc["@context"].([]any)[1] = "https://divoc.dev/credentials/vaccination/v1" // no dob, icd11Code, prophylaxis, sex
		subject, evidence := doc["credentialSubject"].(map[string]any), doc["evidence"].([]any)[0].(map[string]any)
		for _, name := range []string{"dob", "sex"} {
			delete(subject, name)
		}
		for _, name := range []string{"icd11Code", "prophylaxis"} {
			delete(evidence, name)
		}
		matches(t, o, marshal(doc))
		nodes := []map[string]any{doc, subject, evidence}
		for _, nested := range []any{subject["address"], evidence["verifier"], evidence["facility"]} {
			if m, ok := nested.(map[string]any); ok {
				nodes = append(nodes, m)
			}
		}
		node := rapid.SampledFrom(nodes).Draw(t, "node")
		name := rapid.SampledFrom([]string{"dob", "sex", "icd11Code", "prophylaxis", "mobile", "refID"}).Draw(t, "name")
		node[name] = rapid.SampledFrom([]any{"x", 1, true, map[string]any{}}).Draw(t, "value")
		if out, err := o.canonical(marshal(doc)); err == nil {
			t.Fatalf("the oracle takes %s:\n%s", name, out)
		}
		if _, err := divocqr.Decode(marshal(doc)); !errors.Is(err, divocqr.ErrMalformed) {
			t.Fatalf("Decode: %v", err)
		}
	})
}

// dummyProof has the form of a proof over nothing.
func dummyProof() map[string]any {
	return map[string]any{
		"type": "RsaSignature2018", "created": "2021-08-28T11:35:43Z", "verificationMethod": "did:india", "proofPurpose": "assertionMethod",
		"jws": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PS256","b64":false,"crit":["b64"]}`)) + "..AAAA",
	}
}

func object(data []byte) map[string]any {
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		panic(err)
	}
	return doc
}

func marshal(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(buf.Bytes())
}

func drawCredential(t *rapid.T) []byte {
	words := rapid.SampledFrom([]any{
		"", "x", "2021-02-17", "2021-02-17T05:30:28.187Z", "O\"Neil\\", "a\r\nb\x01\b\f", "பிரியா", "නිමල්", "😀", " ", "true", "1", "\u007f", "\ufffe",
	})
	scalar := rapid.OneOf(words, words, rapid.Map(rapid.String(), func(s string) any {
		return strings.ReplaceAll(s, "\t", " ") // json-gold writes \t; the processors that signed did not
	}),
		rapid.SampledFrom([]any{0, 1, 2, -3, 1.5, 1e21, 0.1, 123456789, -0.25, true, false, nil}))
	fill := func(node map[string]any, names ...string) map[string]any {
		for _, name := range names {
			if rapid.IntRange(0, 4).Draw(t, name+" present") > 0 {
				node[name] = scalar.Draw(t, name)
			}
		}
		return node
	}
	drawAddress := func() map[string]any {
		return fill(map[string]any{}, "streetAddress", "streetAddress2", "city", "district", "addressRegion", "postalCode", "addressCountry")
	}
	maybe := func(node map[string]any, name string, v any) {
		switch rapid.IntRange(0, 9).Draw(t, name+" present") {
		case 0:
		case 1:
			node[name] = nil
		case 2:
			node[name] = map[string]any{}
		default:
			node[name] = v
		}
	}
	context := rapid.SampledFrom([]string{
		"https://divoc.dev/credentials/vaccination/v1", "https://cowin.gov.in/credentials/vaccination/v1",
		"https://cowin.gov.in/credentials/vaccination/v2", "https://divoc.prod/vaccine/credentials/vaccination/v1",
		"https://divoc.lgcc.gov.lk/credentials/vaccination/v1",
	}).Draw(t, "context")
	address := drawAddress()
	other := address // a tie between the two blank nodes
	if rapid.Bool().Draw(t, "addresses differ") {
		other = drawAddress()
	}
	person := fill(map[string]any{"type": "Person"}, "refId", "uhid", "name", "age", "gender", "nationality")
	evidence := fill(map[string]any{"id": "https://divoc.dev/vaccine/303232161", "type": []any{"Vaccination"}},
		"certificateId", "feedbackUrl", "infoUrl", "batch", "vaccine", "manufacturer", "date", "effectiveStart", "effectiveUntil", "dose", "totalDoses")
	if contexts[context] != "vaccination-v1.jsonld" {
		fill(person, "dob")
		fill(evidence, "icd11Code", "prophylaxis")
	}
	if contexts[context] == "vaccination-v2-sex.jsonld" {
		fill(person, "sex")
	}
	if id := rapid.SampledFrom([]string{"", "did:india:1", "872550100V", "", "urn:x:ü", "did:india:1", "1:2"}).Draw(t, "holder"); id != "" {
		person["id"] = id
	}
	maybe(person, "address", address)
	facility := fill(map[string]any{}, "name", "seal-image")
	maybe(facility, "address", other)
	maybe(evidence, "facility", facility)
	maybe(evidence, "verifier", fill(map[string]any{}, "id", "name", "sign-image"))
	doc := map[string]any{
		"@context": []any{w3cV1, context}, "type": []any{"VerifiableCredential", "ProofOfVaccinationCredential"},
		"credentialSubject": person, "evidence": []any{evidence}, "proof": dummyProof(),
	}
	fill(doc, "nonTransferable")
	if rapid.Bool().Draw(t, "dates") {
		doc["issuanceDate"] = words.Draw(t, "issuanceDate")
		doc["expirationDate"] = "2031-10-18T09:10:11Z"
	}
	if iss := rapid.SampledFrom([]string{"", "https://divoc.dev/", "did:india", "relative"}).Draw(t, "issuer"); iss != "" {
		doc["issuer"] = iss
	}
	if id := rapid.SampledFrom([]string{"", "", "urn:uuid:7"}).Draw(t, "id"); id != "" {
		doc["id"] = id
	}
	return marshal(doc)
}
