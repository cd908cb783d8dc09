package divocqr_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/divocqr"
)

func TestShapesRefused(t *testing.T) {
	type m = map[string]any
	const v1, v2 = "https://divoc.dev/credentials/vaccination/v1", "https://cowin.gov.in/credentials/vaccination/v2"
	for _, c := range []struct {
		name   string
		change func(doc m)
		want   error
	}{
		{"another credential", func(d m) { d["type"] = []any{"VerifiableCredential"} }, divocqr.ErrNotDIVOC},
		{"no type", func(d m) { delete(d, "type") }, divocqr.ErrNotDIVOC},
		{"the type of a test", func(d m) { d["type"] = []any{"VerifiableCredential", "ProofOfTestCertificateCredential"} }, divocqr.ErrUnsupported},
		{"the context of a test", func(d m) { d["@context"] = []any{w3cV1, divocqr.TestContext} }, divocqr.ErrUnsupported},
		{"both types", func(d m) { d["type"] = append(d["type"].([]any), "ProofOfTestCertificateCredential") }, divocqr.ErrUnsupported},
		{"a type missing", func(d m) { d["type"] = "ProofOfVaccinationCredential" }, divocqr.ErrMalformed},
		{"a type more", func(d m) { d["type"] = append(d["type"].([]any), "Person") }, divocqr.ErrMalformed},
		{"a type twice", func(d m) { d["type"] = []any{"ProofOfVaccinationCredential", "ProofOfVaccinationCredential"} }, divocqr.ErrMalformed},
		{"no context", func(d m) { delete(d, "@context") }, divocqr.ErrUnsupported},
		{"an unknown context", func(d m) { d["@context"] = []any{w3cV1, "https://example.org/v1"} }, divocqr.ErrUnsupported},
		{"contexts in another order", func(d m) { d["@context"] = []any{v2, w3cV1} }, divocqr.ErrUnsupported},
		{"another first context", func(d m) { d["@context"] = []any{"https://www.w3.org/ns/credentials/v2", v2} }, divocqr.ErrUnsupported},
		{"a third context", func(d m) { d["@context"] = []any{w3cV1, v2, v1} }, divocqr.ErrUnsupported},
		{"a context inside", func(d m) { d["@context"] = []any{w3cV1, m{"name": "https://schema.org/id"}} }, divocqr.ErrUnsupported},
		{"an older context than its members", func(d m) { d["@context"] = []any{w3cV1, v1} }, divocqr.ErrMalformed},
		{"no holder", func(d m) { delete(d, "credentialSubject") }, divocqr.ErrMalformed},
		{"holder null", func(d m) { d["credentialSubject"] = nil }, divocqr.ErrMalformed},
		{"two holders", func(d m) { d["credentialSubject"] = []any{subjectOf(d), subjectOf(d)} }, divocqr.ErrMalformed},
		{"holder of no type", func(d m) { delete(subjectOf(d), "type") }, divocqr.ErrMalformed},
		{"holder of another type", func(d m) { subjectOf(d)["type"] = "Vaccination" }, divocqr.ErrMalformed},
		{"no vaccination", func(d m) { delete(d, "evidence") }, divocqr.ErrMalformed},
		{"an empty list of vaccinations", func(d m) { d["evidence"] = []any{} }, divocqr.ErrMalformed},
		{"two vaccinations", func(d m) { d["evidence"] = []any{evidenceOf(d), evidenceOf(d)} }, divocqr.ErrUnsupported},
		{"vaccination without id", func(d m) { delete(evidenceOf(d), "id") }, divocqr.ErrMalformed},
		{"vaccination with a relative id", func(d m) { evidenceOf(d)["id"] = "123456789" }, divocqr.ErrMalformed},
		{"credential with a relative id", func(d m) { d["id"] = "123456789" }, divocqr.ErrMalformed},
		{"an id that is no text", func(d m) { subjectOf(d)["id"] = 7 }, divocqr.ErrMalformed},
		{"an id null", func(d m) { subjectOf(d)["id"] = nil }, divocqr.ErrMalformed},
		{"an id that names a blank node", func(d m) { subjectOf(d)["id"] = "_:b" }, divocqr.ErrMalformed},
		{"an id that spells statements", func(d m) { subjectOf(d)["id"] = "did:x> <https://schema.org/name> \"Y\" .\n<did:x" }, divocqr.ErrMalformed},
		{"an id with a line end", func(d m) { subjectOf(d)["id"] = "did:x\n" }, divocqr.ErrMalformed},
		{"an issuer that spells statements", func(d m) { d["issuer"] = "did:x> <did:y" }, divocqr.ErrMalformed},
		{"an issuer that is an object", func(d m) { d["issuer"] = m{"id": "did:x"} }, divocqr.ErrMalformed},
		{"a date that is a number", func(d m) { d["issuanceDate"] = 2021 }, divocqr.ErrMalformed},
		{"an end that is no time", func(d m) { d["expirationDate"] = "never" }, divocqr.ErrMalformed},
		{"a status that nobody reads", func(d m) { d["credentialStatus"] = m{"id": "did:x"} }, divocqr.ErrMalformed},
		{"an undefined member", func(d m) { subjectOf(d)["mobile"] = "x" }, divocqr.ErrMalformed},
		{"an undefined member, null", func(d m) { subjectOf(d)["mobile"] = nil }, divocqr.ErrMalformed},
		{"a member under its IRI", func(d m) { subjectOf(d)["https://schema.org/name"] = "x" }, divocqr.ErrMalformed},
		{"a keyword", func(d m) { subjectOf(d)["@id"] = "did:x" }, divocqr.ErrMalformed},
		{"an inner context", func(d m) { subjectOf(d)["@context"] = v2 }, divocqr.ErrMalformed},
		{"an inner proof", func(d m) { subjectOf(d)["proof"] = dummyProof() }, divocqr.ErrMalformed},
		{"an id where nodes have none", func(d m) { subjectOf(d)["address"] = m{"id": "did:x"} }, divocqr.ErrMalformed},
		{"the holder's members in the address", func(d m) { subjectOf(d)["address"] = m{"name": "x"} }, divocqr.ErrMalformed},
		{"an address that is a text", func(d m) { subjectOf(d)["address"] = "x" }, divocqr.ErrMalformed},
		{"several names", func(d m) { subjectOf(d)["name"] = []any{"x", "y"} }, divocqr.ErrMalformed},
		{"a list of one dose", func(d m) { evidenceOf(d)["dose"] = []any{1} }, divocqr.ErrMalformed},
		{"a name in a language", func(d m) { subjectOf(d)["name"] = m{"@value": "x"} }, divocqr.ErrMalformed},
	} {
		doc := sample()
		c.change(doc)
		_, err := divocqr.Decode(marshal(doc))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "Marcia") {
			t.Errorf("%s: the error repeats a value: %v", c.name, err)
		}
	}
}

func TestJSONRefused(t *testing.T) {
	text := string(marshal(sample()))
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", divocqr.ErrNotDIVOC},
		{"a text", `"x"`, divocqr.ErrNotDIVOC},
		{"a list", "[" + text + "]", divocqr.ErrNotDIVOC},
		{"another QR code", "HC1:6BF+70790T9WJWG.FKY*4GO0", divocqr.ErrNotDIVOC},
		{"an empty object", "{}", divocqr.ErrNotDIVOC},
		{"cut off", text[:len(text)-1], divocqr.ErrMalformed},
		{"something after it", text + "{}", divocqr.ErrMalformed},
		{"a member twice", strings.Replace(text, `"age":`, `"name":"Y","age":`, 1), divocqr.ErrMalformed},
		{"a member twice, once escaped", strings.Replace(text, `"age":`, `"n\u0061me":"Y","age":`, 1), divocqr.ErrMalformed},
		{"the proof twice", strings.Replace(text, `"proof":`, `"proof":{},"proof":`, 1), divocqr.ErrMalformed},
		{"bytes that are no UTF-8", strings.Replace(text, "Marcia", "Marci\xff", 1), divocqr.ErrMalformed},
		{"a number out of range", strings.Replace(text, `"dose":1`, `"dose":1e999`, 1), divocqr.ErrMalformed},
		{"too deep", strings.Replace(text, `"41"`, strings.Repeat("[", 100)+strings.Repeat("]", 100), 1), divocqr.ErrTooLarge},
		{"too many members", strings.Replace(text, `"age":`, manyMembers()+`"age":`, 1), divocqr.ErrTooLarge},
		{"too long", strings.Replace(text, "Marcia", strings.Repeat("x", divocqr.MaxSize), 1), divocqr.ErrTooLarge},
		{"far too long", strings.Repeat(" ", 8*divocqr.MaxSize) + text, divocqr.ErrTooLarge},
	} {
		if _, err := divocqr.Decode([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := divocqr.Decode([]byte(" \n" + text + "\n")); err != nil {
		t.Errorf("white space around it: %v", err)
	}
}

func manyMembers() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

// TestExchanges swaps every two members of the holder and of the vaccination.
// Where the statements stay the same, the signature does not tell them apart,
// and the credential must say so; where it does not say so they must change.
func TestExchanges(t *testing.T) {
	silent := []string{"certificateId", "feedbackUrl", "infoUrl", "refId"} // not shown, or read from elsewhere
	swaps := 0
	for _, node := range []func(map[string]any) map[string]any{subjectOf, evidenceOf} {
		var names []string
		for name := range node(sample()) {
			if name != "type" && name != "id" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for i, a := range names {
			for _, b := range names[i+1:] {
				doc := sample()
				before, err := divocqr.Decode(marshal(doc))
				if err != nil {
					t.Fatal(err)
				}
				n := node(doc)
				n[a], n[b] = n[b], n[a]
				after, err := divocqr.Decode(marshal(doc))
				if errors.Is(err, divocqr.ErrMalformed) {
					continue // an address where a text has to be
				} else if err != nil {
					t.Fatal(err)
				}
				open := string(before.NQuads()) == string(after.NQuads())
				reported := slices.ContainsFunc(before.Unbound(), func(g divocqr.Group) bool {
					return slices.Contains(g.Fields, "evidence."+a) && slices.Contains(g.Fields, "evidence."+b)
				})
				hidden := slices.Contains(silent, a) || slices.Contains(silent, b)
				if open != reported && !hidden {
					t.Errorf("%s and %s: exchangeable %v, reported %v", a, b, open, reported)
				}
				if open {
					swaps++
					if hidden && (a == "certificateId" || b == "certificateId") && !slices.Contains(after.Weaknesses(), divocqr.ValuesMoved) {
						t.Errorf("%s and %s: %v", a, b, after.Weaknesses())
					}
					if after.CertificateID() != before.CertificateID() {
						t.Errorf("%s and %s: the certificate id changed", a, b)
					}
				}
			}
		}
	}
	if swaps < 10 {
		t.Errorf("only %d exchanges leave the statements as they are", swaps)
	}
}

func TestUnbound(t *testing.T) {
	const date, dose = "https://schema.org/date", "https://schema.org/doseValue"
	for _, c := range []struct {
		name   string
		change func(e map[string]any)
		iri    string
		want   []string
	}{
		{"unequal doses", func(map[string]any) {}, dose, []string{"evidence.dose", "evidence.totalDoses"}},
		{"equal doses", func(e map[string]any) { e["dose"] = 2 }, dose, nil},
		{"a number and a text", func(e map[string]any) { e["dose"] = "2" }, dose, []string{"evidence.dose", "evidence.totalDoses"}},
		{"one dose number missing", func(e map[string]any) { delete(e, "dose") }, dose, []string{"evidence.totalDoses"}},
		{"both missing", func(e map[string]any) { delete(e, "dose"); e["totalDoses"] = nil }, dose, nil},
		{"two dates of three equal", func(e map[string]any) { e["date"] = e["effectiveStart"] }, date, []string{"evidence.date", "evidence.effectiveStart", "evidence.effectiveUntil"}},
		{"three equal dates", func(e map[string]any) { e["date"], e["effectiveUntil"] = e["effectiveStart"], e["effectiveStart"] }, date, nil},
	} {
		doc := sample()
		c.change(evidenceOf(doc))
		cred, err := divocqr.Decode(marshal(doc))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range cred.Unbound() {
			if g.IRI == c.iri {
				got = slices.Sorted(slices.Values(g.Fields))
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
	doc := sample()
	e := evidenceOf(doc)
	e["vaccine"], e["manufacturer"], e["icd11Code"], e["totalDoses"] = e["batch"], e["batch"], e["batch"], 1
	e["date"], e["effectiveUntil"] = e["effectiveStart"], e["effectiveStart"]
	cred, err := divocqr.Decode(marshal(doc))
	if err != nil {
		t.Fatal(err)
	}
	if w := cred.Weaknesses(); len(w) != 0 {
		t.Errorf("nothing to exchange, and yet: %v", w)
	}
}
