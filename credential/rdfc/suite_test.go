package rdfc_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/rdfc"
)

// TestVectorsRDFC runs the W3C test suite for RDFC-1.0.
func TestVectorsRDFC(t *testing.T) {
	set := credentialtest.NewVectors(t, "w3c-rdf-canon", "")
	manifests := set.Files(t, "manifest.jsonld")
	if len(manifests) == 0 {
		t.Fatal("the set has no manifest.jsonld")
	}
	dir := filepath.Dir(manifests[0])
	data, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Entries []struct{ ID, Type, Name, Action, Result, HashAlgorithm string }
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	passed := map[string]int{}
	for _, e := range manifest.Entries {
		if !strings.HasPrefix(e.Type, "rdfc:RDFC10") {
			set.Skip(t, e.ID, "a test of the kind "+e.Type)
			continue
		}
		good := t.Run(e.ID+" "+e.Name, func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join(dir, e.Action))
			if err != nil {
				t.Fatal(err)
			}
			quads, err := rdfc.Parse(string(in))
			if err != nil {
				t.Fatal(err)
			}
			var o rdfc.Options
			if e.HashAlgorithm == "SHA384" {
				o.Hash = func() hash.Hash { return sha512.New384() }
			}
			got, labels, err := rdfc.Canonicalize(quads, o)
			if e.Type == "rdfc:RDFC10NegativeEvalTest" {
				if !errors.Is(err, rdfc.ErrWork) {
					t.Fatalf("error = %v, want ErrWork", err)
				}
				passed[e.Type]++
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, e.Result))
			if err != nil {
				t.Fatal(err)
			}
			switch e.Type {
			case "rdfc:RDFC10EvalTest":
				if !bytes.Equal(got, want) {
					t.Fatal(cmp.Diff(string(want), string(got)))
				}
			case "rdfc:RDFC10MapTest":
				var m map[string]string
				if err := json.Unmarshal(want, &m); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(m, labels); d != "" {
					t.Fatal(d)
				}
			default:
				t.Fatalf("unknown kind of test %s", e.Type)
			}
			passed[e.Type]++
		})
		set.Check(t, e.ID, good, "failed")
	}
	t.Logf("passed: %d canonical forms, %d label maps, %d refused",
		passed["rdfc:RDFC10EvalTest"], passed["rdfc:RDFC10MapTest"], passed["rdfc:RDFC10NegativeEvalTest"])
	if passed["rdfc:RDFC10EvalTest"] < 64 || passed["rdfc:RDFC10NegativeEvalTest"] < 1 {
		t.Errorf("the suite has 64 canonical forms and 1 poison graph")
	}
}
