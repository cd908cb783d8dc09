package jsonld_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/piprate/json-gold/ld"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/jsonld"
	"github.com/opendivoc/divoc/credential/rdfc"
	"github.com/opendivoc/divoc/credential/vc"
)

// contexts are the known ones, ours, and W3C's of examples.
func contexts(t testing.TB) jsonld.Contexts {
	t.Helper()
	v := credentialtest.NewVectors(t, "vc-contexts", "")
	examples, err := os.ReadFile(filepath.Join(v.Dir, "w3c+vc-data-model", "contexts", "credentials", "examples", "v2"))
	if err != nil {
		t.Fatal(err)
	}
	v.Check(t, "examples/v2", true, "")
	return func(url string) ([]byte, bool) {
		switch url {
		case "https://www.w3.org/ns/credentials/examples/v2":
			return examples, true
		case vc.ContextURL:
			return []byte(vc.Context()), true
		}
		return jsonld.Known(url)
	}
}

func canonical(document string, c jsonld.Contexts) (string, error) {
	v, err := jcs.Parse([]byte(document))
	if err != nil {
		return "", err
	}
	quads, err := jsonld.ToRDF(v, c)
	if err != nil {
		return "", err
	}
	out, _, err := rdfc.Canonicalize(quads, rdfc.Options{})
	return string(out), err
}

// loader gives json-gold the same contexts.
type loader struct{ contexts jsonld.Contexts }

func (l loader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	text, ok := l.contexts(url)
	if !ok {
		return nil, ld.NewJsonLdError(ld.LoadingDocumentFailed, url)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return &ld.RemoteDocument{DocumentURL: url, Document: doc}, nil
}

// oracle is what json-gold says. SafeMode is honoured by ToRDF alone: Normalize
// would drop an undefined member in silence, and it would go unsigned.
func oracle(document string, c jsonld.Contexts) (string, error) {
	var doc any
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return "", err
	}
	o := ld.NewJsonLdOptions("")
	o.DocumentLoader, o.SafeMode, o.Algorithm, o.ProcessingMode = loader{c}, true, ld.AlgorithmURDNA2015, ld.JsonLd_1_1
	data, err := ld.NewJsonLdProcessor().ToRDF(doc, o)
	if err != nil {
		return "", err
	}
	o.Format = "application/n-quads"
	out, err := ld.NewJsonLdApi().Normalize(data.(*ld.RDFDataset), o)
	if err != nil {
		return "", err
	}
	return out.(string), nil
}

const good = `{"@context":["https://www.w3.org/ns/credentials/v2","https://www.w3.org/ns/credentials/examples/v2"],"id":"urn:uuid:1","type":["VerifiableCredential","AlumniCredential"],
"issuer":{"id":"https://vc.example/5678","name":"X"},"validFrom":"2023-01-01T00:00:00Z","credentialSubject":{"id":"did:example:a","alumniOf":"The School","n":[1,2.5,true],"deep":{"type":"Thing","x":{"y":"z"}}},
"credentialStatus":{"id":"https://example.org/1#2","type":"BitstringStatusListEntry","statusPurpose":"revocation","statusListIndex":"2","statusListCredential":"https://example.org/1"},
"credentialSchema":{"id":"https://example.org/s","type":"JsonSchema"},"evidence":[{"type":"E","a":"1"},{"type":"E","a":"2"}],
"proof":{"type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022","created":"2023-02-24T23:36:38Z","verificationMethod":"did:key:z#z","proofPurpose":"assertionMethod","proofValue":"z1"}}`

func TestSameAsJSONGold(t *testing.T) {
	c := contexts(t)
	for _, document := range []string{
		good,
		strings.Replace(good, `"The School"`, `{"@value":"L'école","@language":"fr"}`, 1),
		`{"@context":["https://www.w3.org/2018/credentials/v1","https://www.w3.org/ns/credentials/examples/v2"],"type":"VerifiableCredential","issuer":"did:example:i","issuanceDate":"2020-01-01T00:00:00Z","credentialSubject":[{"id":"did:example:a"},{"id":"did:example:b","q":"r"}]}`,
	} {
		want, err := oracle(document, c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := canonical(document, c)
		if err != nil || got != want {
			t.Errorf("%v:\n%s\nwant\n%s", err, got, want)
		}
	}
}

// Our own documents, of any content.
func TestOursAreTheSameAsJSONGold(t *testing.T) {
	c := contexts(t)
	rapid.Check(t, func(t *rapid.T) {
		doc, err := vc.Issue(credentialtest.Draw(t), nil, nobody{}, credentialtest.Jamaica().Info.Period.Start)
		if err != nil {
			t.Skip()
		}
		want, wantErr := oracle(string(doc), c)
		got, err := canonical(string(doc), c)
		if strings.ContainsFunc(want, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
			return // json-gold does not escape them as RDFC-1.0 asks
		}
		if wantErr == nil && (err != nil || got != want) {
			t.Errorf("%v:\n%s\nwant\n%s", err, got, want)
		}
	})
}

type nobody struct{}

func (nobody) ID() string                  { return "did:example:a#b" }
func (nobody) Sign([]byte) ([]byte, error) { return make([]byte, 64), nil }

// What would not be signed is an error, where many processors drop it.
func TestNothingIsDropped(t *testing.T) {
	c := contexts(t)
	replace := func(old, with string) string {
		out := strings.Replace(good, old, with, 1)
		if out == good {
			t.Fatalf("no %s in the document", old)
		}
		return out
	}
	noVocab := strings.Replace(good, `,"https://www.w3.org/ns/credentials/examples/v2"`, "", 1)
	for name, tc := range map[string]struct {
		document string
		want     error
	}{
		"a member that no context defines": {noVocab, jsonld.ErrUndefined},
		"a type that no context defines":   {`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":["VerifiableCredential","Secret"]}`, jsonld.ErrUndefined},
		"a relative id":                    {replace(`"did:example:a"`, `"a"`), jsonld.ErrRelative},
		"a blank node as id":               {replace(`"did:example:a"`, `"_:b0"`), jsonld.ErrRelative},
		"an id that ends its brackets":     {replace(`"did:example:a"`, `"did:example:a> <x"`), jsonld.ErrRelative},
		"a context of its own":             {replace(`"https://www.w3.org/ns/credentials/examples/v2"]`, `{"alumniOf":"urn:x"}]`), jsonld.ErrContext},
		"a context nobody knows":           {replace("examples/v2", "examples/v9"), jsonld.ErrContext},
		"a context that is null":           {replace(`"https://www.w3.org/ns/credentials/examples/v2"]`, `null]`), jsonld.ErrContext},
		"a context within":                 {replace(`"alumniOf":"The School"`, `"@context":{"x":"urn:x"}`), jsonld.ErrContext},
		"a text with a direction":          {replace(`"The School"`, `{"@value":"x","@direction":"rtl"}`), jsonld.ErrUnreadable},
		"a graph of its own":               {replace(`"alumniOf":`, `"@graph":`), jsonld.ErrUnreadable},
		"a reverse property":               {replace(`"alumniOf":"The School"`, `"@reverse":{}`), jsonld.ErrUnreadable},
	} {
		if _, err := canonical(tc.document, c); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	// What protects v2's terms is held: a context that means others by them is refused.
	hostile := func(url string) ([]byte, bool) {
		if url == "urn:hostile" {
			return []byte(`{"@context":{"VerifiableCredential":"urn:other"}}`), true
		}
		return c(url)
	}
	if _, err := canonical(replace(`examples/v2"]`, `examples/v2","urn:hostile"]`), hostile); !errors.Is(err, jsonld.ErrProtected) {
		t.Error("a protected term was redefined:", err)
	}
}

func FuzzToRDF(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, document string) {
		v, err := jcs.Parse([]byte(document))
		if err != nil {
			return
		}
		quads, err := jsonld.ToRDF(v, jsonld.Known)
		if err != nil {
			return
		}
		out, _, err := rdfc.Canonicalize(quads, rdfc.Options{})
		if err != nil {
			return
		}
		if _, err := rdfc.Parse(string(out)); err != nil {
			t.Errorf("%q gives no N-Quads: %v", document, err)
		}
	})
}

// A base counts where a definition has it, and there for fragments alone; that of a
// context that was loaded does not.
func TestFragmentsOfABase(t *testing.T) {
	terms := func(url string) ([]byte, bool) {
		switch url {
		case "urn:within":
			return []byte(`{"@context":{"id":"@id","use":{"@id":"urn:use","@type":"@id","@context":{"@base":"https://a.example/set.jsonld#","code":{"@id":"@id","@type":"@id"}}},"plain":{"@id":"urn:plain","@type":"@id"}}}`), true
		case "urn:loaded":
			return []byte(`{"@context":{"@base":"https://a.example/","id":"@id","plain":{"@id":"urn:plain","@type":"@id"}}}`), true
		case "urn:relative":
			return []byte(`{"@context":{"id":"@id","use":{"@id":"urn:use","@type":"@id","@context":{"@base":"set","code":"@id"}}}}`), true
		}
		return nil, false
	}
	for document, want := range map[string]string{
		`{"@context":"urn:within","id":"urn:x","use":{"code":"#A"}}`: "<urn:x> <urn:use> <https://a.example/set.jsonld#A> .\n",
		`{"@context":"urn:within","id":"urn:x","use":"#A"}`:          "<urn:x> <urn:use> <https://a.example/set.jsonld#A> .\n",
	} {
		got, err := canonical(document, terms)
		if err != nil || got != want {
			t.Errorf("%s: %v %s", document, err, got)
		}
		if gold, err := oracle(document, terms); err != nil || gold != want {
			t.Errorf("%s: by json-gold %v %s", document, err, gold)
		}
	}
	for document, want := range map[string]error{
		`{"@context":"urn:within","id":"urn:x","use":{"code":"other"}}`: jsonld.ErrRelative,
		`{"@context":"urn:within","id":"urn:x","use":{"code":"#a b"}}`:  jsonld.ErrRelative,
		`{"@context":"urn:within","id":"urn:x","plain":"#A"}`:           jsonld.ErrRelative,
		`{"@context":"urn:loaded","id":"urn:x","plain":"#A"}`:           jsonld.ErrRelative,
		`{"@context":"urn:relative","id":"urn:x","use":{"code":"#A"}}`:  jsonld.ErrUnreadable,
	} {
		if _, err := canonical(document, terms); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", document, err, want)
		}
	}
}

// What a credential may be is bounded, and a list of keys may be longer.
func TestStatementsAreBounded(t *testing.T) {
	terms := func(string) ([]byte, bool) {
		return []byte(`{"@context":{"id":"@id","n":"urn:n"}}`), true
	}
	document := `{"@context":"urn:x","id":"urn:x","n":["1"` + strings.Repeat(`,"1"`, 2000) + `]}`
	v, err := jcs.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jsonld.ToRDF(v, terms); !errors.Is(err, jsonld.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := jsonld.ListToRDF(v, terms, 2000); !errors.Is(err, jsonld.ErrTooLarge) {
		t.Error(err)
	}
	if quads, err := jsonld.ListToRDF(v, terms, 2001); err != nil || len(quads) != 2001 {
		t.Error(len(quads), err)
	}
}
