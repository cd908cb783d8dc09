package rdfc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/rdfc"
	"pgregory.net/rapid"
)

// TestLabelsAndOrderDoNotMatter relabels and shuffles random datasets: the
// canonical form stays the same.
func TestLabelsAndOrderDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.Custom(func(t *rapid.T) rdfc.Term {
			return rdfc.Term{Kind: rdfc.Blank, Value: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "node")}
		})
		iri := rapid.Custom(func(t *rapid.T) rdfc.Term {
			return rdfc.Term{Kind: rdfc.IRI, Value: rapid.SampledFrom([]string{"x:p", "x:q"}).Draw(t, "iri")}
		})
		literal := rapid.Custom(func(t *rapid.T) rdfc.Term {
			return rdfc.Term{Kind: rdfc.Literal, Value: rapid.StringN(0, 3, -1).Draw(t, "value")}
		})
		quad := rapid.Custom(func(t *rapid.T) rdfc.Quad {
			q := rdfc.Quad{
				Subject: rapid.OneOf(node, iri).Draw(t, "s"), Predicate: iri.Draw(t, "p"),
				Object: rapid.OneOf(node, node, iri, literal).Draw(t, "o"),
			}
			if rapid.IntRange(0, 3).Draw(t, "named") == 0 {
				q.Graph = rapid.OneOf(node, iri).Draw(t, "g")
			}
			return q
		})
		quads := rapid.SliceOfN(quad, 1, 12).Draw(t, "quads")
		want, _, err := rdfc.Canonicalize(quads, rdfc.Options{Work: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		names := rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "labels")
		relabel := func(x *rdfc.Term) {
			if x.Kind == rdfc.Blank {
				x.Value = "n" + names[x.Value[0]-'a']
			}
		}
		for i := range quads {
			relabel(&quads[i].Subject)
			relabel(&quads[i].Object)
			relabel(&quads[i].Graph)
		}
		quads = append(rapid.Permutation(quads).Draw(t, "order"), quads[0])
		got, _, err := rdfc.Canonicalize(quads, rdfc.Options{Work: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Fatal(d)
		}
		again, err := rdfc.Parse(string(got))
		if err != nil {
			t.Fatalf("own output: %v", err)
		}
		twice, _, err := rdfc.Canonicalize(again, rdfc.Options{Work: 1e6})
		if err != nil || string(twice) != string(got) {
			t.Fatalf("canonicalising again changes it: %v", err)
		}
	})
}

// TestPoisonGraphsEnd gives complete graphs, whose nodes nothing tells apart.
func TestPoisonGraphsEnd(t *testing.T) {
	for _, n := range []int{7, 10, 40} {
		start := time.Now()
		if _, _, err := rdfc.Canonicalize(complete(n), rdfc.Options{}); !errors.Is(err, rdfc.ErrWork) {
			t.Errorf("complete graph of %d: error = %v, want ErrWork", n, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("complete graph of %d took %v to be refused", n, d)
		}
	}
	if _, _, err := rdfc.Canonicalize(complete(3), rdfc.Options{}); err != nil {
		t.Errorf("complete graph of 3: %v", err)
	}
}

func complete(n int) (quads []rdfc.Quad) {
	for i := range n {
		for j := range n {
			if i != j {
				quads = append(quads, rdfc.Quad{Subject: blank(i), Predicate: rdfc.Term{Kind: rdfc.IRI, Value: "x:p"}, Object: blank(j)})
			}
		}
	}
	return quads
}

func blank(i int) rdfc.Term { return rdfc.Term{Kind: rdfc.Blank, Value: fmt.Sprint("e", i)} }

func TestEscapes(t *testing.T) {
	in := "\x00\b\t\n\v\f\r\"\\\x1f\x7fé\uFFFD\uFFFE\uFFFF😀"
	quads := []rdfc.Quad{{
		Subject: rdfc.Term{Kind: rdfc.IRI, Value: "x:s"}, Predicate: rdfc.Term{Kind: rdfc.IRI, Value: "x:p"},
		Object: rdfc.Term{Kind: rdfc.Literal, Value: in},
	}}
	for name, c := range map[string]struct {
		o    rdfc.Options
		want string
	}{
		"RDFC-1.0 escapes every control": {rdfc.Options{}, `\u0000\b\t\n\u000B\f\r\"\\\u001F\u007Fé` + "\uFFFD" + `\uFFFE\uFFFF😀`},
		"URDNA2015 escapes four":         {rdfc.Options{URDNA2015: true}, "\x00\b\t" + `\n` + "\v\f" + `\r\"\\` + "\x1f\x7fé\uFFFD\uFFFE\uFFFF😀"},
	} {
		got, _, err := rdfc.Canonicalize(quads, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(`<x:s> <x:p> "`+c.want+"\" .\n", string(got)); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"a literal as subject":            `"a" <x:p> <x:o> .`,
		"a literal as graph":              `<x:s> <x:p> <x:o> "g" .`,
		"a blank node as predicate":       `<x:s> _:p <x:o> .`,
		"no end":                          `<x:s> <x:p> <x:o>`,
		"something after the end":         `<x:s> <x:p> <x:o> . <x:t>`,
		"five terms":                      `<x:s> <x:p> <x:o> <x:g> <x:h> .`,
		"two terms":                       `<x:s> <x:p> .`,
		"an open IRI":                     `<x:s> <x:p> <x:o .`,
		"a space in an IRI":               `<x:s> <x:p> <x: o> .`,
		"a bracket spelled by an escape":  `<x:s> <x:p> <x:\u003E> .`,
		"a character escape in an IRI":    `<x:s> <x:p> <x:\n> .`,
		"an open literal":                 `<x:s> <x:p> "o .`,
		"an unknown escape":               `<x:s> <x:p> "\q" .`,
		"half an escape":                  `<x:s> <x:p> "\u12" .`,
		"a surrogate":                     `<x:s> <x:p> "\uD800" .`,
		"beyond Unicode":                  `<x:s> <x:p> "\U00110000" .`,
		"no hexadecimal digit":            "<x:s> <x:p> \"\\u00\x111\" .",
		"a language tag with a digit":     `<x:s> <x:p> "o"@e1 .`,
		"an empty language tag":           `<x:s> <x:p> "o"@ .`,
		"a blank node without label":      `_: <x:p> <x:o> .`,
		"a blank node label with a slash": `_:a/b <x:p> <x:o> .`,
		"bytes that are no UTF-8":         "<x:s> <x:p> \"\xff\" .",
	} {
		if q, err := rdfc.Parse(line); !errors.Is(err, rdfc.ErrSyntax) {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
}

// FuzzParse checks that what parses is written again as something that parses
// to the same.
func FuzzParse(f *testing.F) {
	f.Add("<x:s> <x:p> \"a\\tb\"@en <x:g> . # c\n_:a <x:p> _:b .")
	f.Add(`_:a.b <x:\u00e9> "1"^^<http://www.w3.org/2001/XMLSchema#string>.`)
	f.Fuzz(func(t *testing.T, text string) {
		quads, err := rdfc.Parse(text)
		if err != nil {
			return
		}
		var out []byte
		for _, q := range quads {
			out = rdfc.AppendQuad(out, q)
		}
		again, err := rdfc.Parse(string(out))
		if err != nil {
			t.Fatalf("own output %q: %v", out, err)
		}
		if d := cmp.Diff(quads, again); d != "" {
			t.Fatal(d)
		}
	})
}

// BenchmarkTies canonicalises two pairs of blank nodes that only their
// neighbours tell apart.
func BenchmarkTies(b *testing.B) {
	quads, err := rdfc.Parse(strings.Join([]string{
		`_:a <x:p> _:b .`, `_:c <x:p> _:d .`, `_:b <x:q> "1" .`, `_:d <x:q> "1" .`, `_:a <x:r> _:c .`,
	}, "\n"))
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	quads = slices.Clone(quads)
	rng.Shuffle(len(quads), func(i, j int) { quads[i], quads[j] = quads[j], quads[i] })
	for b.Loop() {
		if _, _, err := rdfc.Canonicalize(quads, rdfc.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
