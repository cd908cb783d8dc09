package jcs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/jcs"
)

// TestVectorsJCS compares the canonical form of every input with its output.
func TestVectorsJCS(t *testing.T) {
	v := credentialtest.NewVectors(t, "jcs-rfc8785", "")
	for _, file := range v.Files(t, ".json") {
		if filepath.Base(filepath.Dir(file)) != "input" {
			continue
		}
		in, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "output", filepath.Base(file)))
		if err != nil {
			v.Skip(t, v.Name(file), "no output beside it")
			continue
		}
		got, err := jcs.Canonical(in)
		v.Check(t, v.Name(file), err == nil && string(got) == strings.TrimRight(string(want), "\r\n"), "another form")
	}
}
