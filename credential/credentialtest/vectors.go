package credentialtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Vectors is a set of outside test vectors: a folder of $DIVOC_VECTORS, or of
// shared/vectors beside the checkout. A larger collection of the same layout runs
// as it is.
type Vectors struct {
	Dir  string
	name string

	mu             sync.Mutex
	passed, failed int
}

// NewVectors finds a set by the name of its folder, and skips the test without
// it. When the test ends it prints one line: the set, step where it is not "",
// and how many cases passed and failed.
func NewVectors(t testing.TB, set, step string) *Vectors {
	t.Helper()
	v := &Vectors{Dir: filepath.Join(root(t), set), name: set}
	if _, err := os.Stat(v.Dir); err != nil {
		t.Skipf("no test vectors %s: set DIVOC_VECTORS to the folder that has them", set)
	}
	if step != "" {
		v.name += " " + step
	}
	t.Cleanup(func() {
		fmt.Printf("vectors %-45s %5d passed %5d failed\n", v.name, v.passed, v.failed)
		if v.passed+v.failed == 0 {
			t.Errorf("%s: no case was found", v.name)
		}
	})
	return v
}

// root is the folder of all sets.
func root(t testing.TB) string {
	if dir := os.Getenv("DIVOC_VECTORS"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "..", "shared", "vectors")
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("the test does not run in its module")
		}
		dir = up
	}
}

// Files returns the files of the set, in any folder, whose names end with one of
// suffixes, sorted.
func (v *Vectors) Files(t testing.TB, suffixes ...string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(v.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Name is how a case is called: its path within the set.
func (v *Vectors) Name(path string) string {
	name, err := filepath.Rel(v.Dir, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(name)
}

// Check counts one case and fails the test where it failed, saying why.
func (v *Vectors) Check(t testing.TB, name string, passed bool, why string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if passed {
		v.passed++
		return
	}
	v.failed++
	t.Errorf("%s: %s", name, why)
}
