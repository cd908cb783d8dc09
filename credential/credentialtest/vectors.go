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

// sets are the sets that tests read, by the name of their folder, with other names
// that the same set goes by where its publisher's folder is taken as it is.
var sets = map[string][]string{
	"certlogic":            {"eu-dcc-business-rules", "dgc-business-rules"},
	"divoc":                nil,
	"eu-dcc-schema":        {"ehn-dcc-schema"},
	"eu-dcc-testdata":      {"dgc-testdata", "dcc-testdata"},
	"eu-dcc-valuesets":     {"ehn-dcc-valuesets"},
	"hcert-testdata":       nil,
	"icao-vds-nc":          {"vds-nc", "vdsnc"},
	"jcs-rfc8785":          {"json-canonicalization"},
	"smart-health-cards":   {"health-cards", "health-cards-dev-tools"},
	"token-status-list":    {"draft-ietf-oauth-status-list"},
	"vc-contexts":          nil,
	"w3c-bitstring-status": {"bitstring-status-list", "vc-bitstring-status-list", "w3c-vc-bitstring-status-list"},
	"w3c-rdf-canon":        {"rdf-canon"},
	"w3c-vc-di-ecdsa":      {"vc-di-ecdsa"},
	"w3c-vc-di-eddsa":      {"vc-di-eddsa"},
	"who-ddcc-fixtures":    {"ddcc"},
	"who-ddcc-gdhcn":       {"gdhcn", "gdhcn-validator", "tng-cdn"},
}

// Vectors is a set of outside test vectors: a folder of $DIVOC_VECTORS, or of
// shared/vectors beside the checkout. A larger collection of the same layout runs
// as it is.
type Vectors struct {
	Dir  string
	name string

	mu                            sync.Mutex
	passed, failed, faults, other int
	optional                      bool
}

// Optional says that the set may hold nothing of this kind, which its line then says.
func (v *Vectors) Optional() *Vectors {
	v.optional = true
	return v
}

// NewVectors finds a set by the name of its folder, and skips the test without
// it. When the test ends it prints one line: the set, step where it is not "",
// and how many cases passed and failed; and how many contradict themselves or are
// not read, where there are any.
func NewVectors(t testing.TB, set, step string) *Vectors {
	t.Helper()
	others, ok := sets[set]
	if !ok {
		t.Fatalf("%s is not among the sets that are read", set)
	}
	v := &Vectors{name: set}
	for _, name := range append([]string{set}, others...) {
		if dir := filepath.Join(Root(t), name); v.Dir == "" && isDir(dir) {
			v.Dir = dir
		}
	}
	if v.Dir == "" {
		t.Skipf("no test vectors %s: set DIVOC_VECTORS to the folder that has them", set)
	}
	if step != "" {
		v.name += " " + step
	}
	t.Cleanup(func() {
		if v.passed+v.failed+v.faults+v.other == 0 && !v.optional {
			t.Errorf("%s: no case was found", v.name)
		}
		line := fmt.Sprintf("vectors %-45s %5d passed %5d failed", v.name, v.passed, v.failed)
		if v.faults > 0 {
			line += fmt.Sprintf(" %5d at fault themselves", v.faults)
		}
		if v.other > 0 {
			line += fmt.Sprintf(" %5d not read", v.other)
		}
		fmt.Println(line)
	})
	return v
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Unread returns the folders of all sets that no test reads.
func Unread(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(Root(t))
	if err != nil {
		t.Skip("no test vectors: set DIVOC_VECTORS to the folder that has them")
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		known := false
		for set, others := range sets {
			known = known || name == set || slices.Contains(others, name)
		}
		if !known && isDir(filepath.Join(Root(t), name)) {
			out = append(out, name)
		}
	}
	return out
}

// Root is the folder of all sets.
func Root(t testing.TB) string {
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

// Fault counts one case whose file says of itself what it is not, as an independent
// reading of it shows: nobody can give the result that it expects.
func (v *Vectors) Fault(t testing.TB, name, why string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults++
	t.Logf("%s: at fault itself: %s", name, why)
}

// Skip counts one case that is not read, saying why.
func (v *Vectors) Skip(t testing.TB, name, why string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.other++
	t.Logf("%s: not read: %s", name, why)
}
