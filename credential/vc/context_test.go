package vc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/piprate/json-gold/ld"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

const vocab = "https://opendivoc.github.io/vocab#"

// terms walks a context and gives each term of it, with the path of scopes.
func terms(t *testing.T, scope string, context jcs.Value, each func(path string, definition jcs.Value)) {
	t.Helper()
	if v, _ := context.Get("@protected"); v.Kind != jcs.True {
		t.Errorf("the context of %q is not protected", scope)
	}
	for _, m := range context.Members {
		if strings.HasPrefix(m.Name, "@") {
			continue
		}
		each(scope+m.Name, m.Value)
		if inner, ok := m.Value.Get("@context"); ok {
			terms(t, scope+m.Name+".", inner, each)
		}
	}
}

func TestNoTwoTermsShareAnIRI(t *testing.T) {
	seen := map[string]string{}
	for name, text := range map[string]string{"dose ": Context(), "test ": TestContext()} {
		own := map[string]bool{}
		terms(t, "", contextOf(t, text), func(path string, d jcs.Value) {
			iri := d
			if d.Kind == jcs.Object {
				iri, _ = d.Get("@id")
				if typ, _ := d.Get("@type"); typ.Text != "@id" && !strings.HasPrefix(typ.Text, "http://www.w3.org/2001/XMLSchema#") {
					t.Errorf("%s has no type", path)
				}
			} else if strings.ToUpper(path[:1]) != path[:1] {
				t.Errorf("%s is no class and has no type", path)
			}
			if !strings.HasPrefix(iri.Text, vocab) || len(iri.Text) == len(vocab) {
				t.Errorf("%s has the IRI %q", path, iri.Text)
			}
			// What both contexts say of a certificate is the same; what they say of
			// a dose and of a test never is.
			if other, ok := seen[iri.Text]; ok && other != path || own[iri.Text] {
				t.Errorf("%s%s and %s share %s", name, path, other, iri.Text)
			}
			seen[iri.Text], own[iri.Text] = path, true
		})
		if len(own) < 35 {
			t.Errorf("only %d terms of a %s", len(own), name)
		}
	}
}

func contextOf(t *testing.T, text string) jcs.Value {
	t.Helper()
	root, err := jcs.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	context, _ := root.Get("@context")
	return context
}

// loader serves the two contexts of our credentials and nothing else.
type loader map[string]any

func (l loader) LoadDocument(url string) (*ld.RemoteDocument, error) {
	doc, ok := l[url]
	if !ok {
		return nil, fmt.Errorf("no context %s here", url)
	}
	return &ld.RemoteDocument{DocumentURL: url, Document: doc}, nil
}

func newLoader(t *testing.T) loader {
	t.Helper()
	l := loader{}
	for url, text := range map[string]string{
		ContextV2:      string(read(t, vectors(t, "vc-contexts"), "w3c+vc-data-model", "contexts", "credentials", "v2")),
		ContextURL:     Context(),
		TestContextURL: TestContext(),
	} {
		doc, err := ld.DocumentFromReader(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		l[url] = doc
	}
	return l
}

// quads returns the canonical RDF of a document. Safe mode makes a member that
// no context maps, and so no RDF signature would cover, an error.
func quads(l loader, document jcs.Value) (string, error) {
	var tree any
	if err := json.Unmarshal(document.Append(nil), &tree); err != nil {
		return "", err
	}
	o := ld.NewJsonLdOptions("")
	o.DocumentLoader, o.SafeMode, o.Algorithm, o.Format = l, true, ld.AlgorithmURDNA2015, "application/n-quads"
	dataset, err := ld.NewJsonLdProcessor().ToRDF(tree, &ld.JsonLdOptions{DocumentLoader: l, SafeMode: true, ProcessingMode: ld.JsonLd_1_1})
	if err != nil {
		return "", err
	}
	canonical, err := ld.NewJsonLdApi().Normalize(dataset.(*ld.RDFDataset), o)
	if err != nil {
		return "", err
	}
	return canonical.(string), nil
}

// leaf is the path to a single value in a document.
type leaf struct {
	path  []any
	value jcs.Value
}

// leaves gives each single value of v but those that make the vocabulary:
// @context and type.
func leaves(v jcs.Value, path []any) (out []leaf) {
	switch v.Kind {
	case jcs.Object:
		for _, m := range v.Members {
			if m.Name != "@context" && m.Name != "type" {
				out = append(out, leaves(m.Value, append(slices.Clone(path), m.Name))...)
			}
		}
	case jcs.Array:
		for i, item := range v.Items {
			out = append(out, leaves(item, append(slices.Clone(path), i))...)
		}
	default:
		out = append(out, leaf{path, v})
	}
	return out
}

func set(v jcs.Value, path []any, to jcs.Value) jcs.Value {
	if len(path) == 0 {
		return to
	}
	if name, ok := path[0].(string); ok {
		inner, _ := v.Get(name)
		return v.With(name, set(inner, path[1:], to))
	}
	v.Items = slices.Clone(v.Items)
	v.Items[path[0].(int)] = set(v.Items[path[0].(int)], path[1:], to)
	return v
}

func lexical(v jcs.Value) string { return strings.Trim(string(v.Append(nil)), `"`) }

// checkSwap swaps two values of a document: both the RDF and the proof must
// notice.
func checkSwap(t interface{ Fatalf(string, ...any) }, l loader, document jcs.Value, before string, a, b leaf) {
	swapped := set(set(document, a.path, b.value), b.path, a.value)
	if err := verifyOne(swapped, signer(1).public()); err == nil {
		t.Fatalf("%v and %v swapped: the proof still verifies", a.path, b.path)
	}
	after, err := quads(l, swapped.Without("proof"))
	if err == nil && after == before {
		t.Fatalf("%v and %v swapped: the RDF is the same", a.path, b.path)
	}
}

func TestSwappingAnyTwoValuesIsNoticed(t *testing.T) {
	for name, c := range fulls() {
		t.Run(name, func(t *testing.T) { swapAny(t, c) })
	}
}

func swapAny(t *testing.T, c vaccination.Certificate) {
	l := newLoader(t)
	document, err := jcs.Parse(issue(t, c))
	if err != nil {
		t.Fatal(err)
	}
	before, err := quads(l, document.Without("proof"))
	if err != nil {
		t.Fatal(err)
	}
	all := leaves(document.Without("proof"), nil)
	swaps := 0
	for i, a := range all {
		for _, b := range all[i+1:] {
			if lexical(a.value) == lexical(b.value) {
				continue
			}
			if swaps++; testing.Short() && swaps%10 != 0 {
				continue
			}
			checkSwap(t, l, document, before, a, b)
		}
	}
	t.Logf("%d values, %d swaps", len(all), swaps)
}

func TestSwappingValuesOfAnyCertificateIsNoticed(t *testing.T) {
	l := newLoader(t)
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SampledFrom([]func(*rapid.T) vaccination.Certificate{credentialtest.Draw, credentialtest.DrawTest}).Draw(t, "kind")
		data, err := Issue(draw(t), status(), signer(1), created)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jcs.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		all := leaves(document.Without("proof"), nil)
		i := rapid.IntRange(0, len(all)-2).Draw(t, "one")
		j := rapid.IntRange(i+1, len(all)-1).Draw(t, "other")
		if lexical(all[i].value) == lexical(all[j].value) {
			return
		}
		before, err := quads(l, document.Without("proof"))
		if err != nil {
			t.Fatal(err)
		}
		checkSwap(t, l, document, before, all[i], all[j])
	})
}

// Every value of a credential is in its RDF under its own property.
func TestEveryValueIsInTheRDF(t *testing.T) {
	properties := map[string][]string{
		"dose": {"lot", "vaccinationDate", "doseNumber", "totalDoses", "issuerCountry", "vaccinationCountry", "addressCountry"},
		"test": {"testLot", "sampleDate", "resultDate", "testNumber", "testResult", "issuerCountry", "testCountry", "testAddressCountry"},
	}
	for name, c := range fulls() {
		document, err := jcs.Parse(issue(t, c))
		if err != nil {
			t.Fatal(err)
		}
		rdf, err := quads(newLoader(t), document.Without("proof"))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves(document.Without("proof"), nil) {
			if !strings.Contains(rdf, lexical(l.value)) {
				t.Errorf("%s: %v is not there", name, l.path)
			}
		}
		for _, iri := range properties[name] {
			if !strings.Contains(rdf, "<"+vocab+iri+">") {
				t.Errorf("%s: no property %s", name, iri)
			}
		}
	}
}

// fulls are certificates with every member that a credential can have.
func fulls() map[string]vaccination.Certificate {
	test := credentialtest.Tested()
	test.Test.CentreAddress.Line2, test.Test.Brand.Code, test.Test.Brand.System = "Market Square", "PB", "urn:tests"
	test.Domestic, test.Specimen = true, true
	return map[string]vaccination.Certificate{"dose": full(), "test": test}
}

// full returns a certificate with every member that a credential can have.
func full() vaccination.Certificate {
	c := credentialtest.Jamaica()
	c.Vaccination.NextDose = vaccination.Date{Year: 2022, Month: 1}
	c.Vaccination.CentreAddress.Line2 = "Market Square"
	c.Domestic, c.Specimen, c.Vaccination.FromEvidence = true, true, true
	return c
}

func TestFullHasEveryTerm(t *testing.T) {
	texts := map[string]string{"dose": Context(), "test": TestContext()}
	for name, c := range fulls() {
		data := string(issue(t, c))
		terms(t, "", contextOf(t, texts[name]), func(path string, _ jcs.Value) {
			term := path[strings.LastIndex(path, ".")+1:]
			if !strings.Contains(data, `"`+term+`"`) {
				t.Errorf("no %s in a %s", path, name)
			}
		})
	}
}
