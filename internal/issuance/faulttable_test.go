package issuance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
)

// TestTheTableOfFaults compares docs/faults.md with what the tests do.
func TestTheTableOfFaults(t *testing.T) {
	writes := map[string][]string{}
	for name, a := range acts() {
		writes[name] = a.writes
	}
	pgtest.CheckActs(t, "internal/issuance", writes)
}

var namedTest = regexp.MustCompile("`([a-z/]+)` `(Test[A-Za-z]+)`")

// TestEveryTestOfTheTableExists looks for the tests that docs/faults.md names
// with their package.
func TestEveryTestOfTheTableExists(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllStringSubmatch(string(text), -1)
	if len(named) < 10 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		files, err := filepath.Glob(filepath.Join(root, m[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			code, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(code), "\nfunc "+m[2]+"(")
		}) {
			t.Errorf("there is no test %s in %s", m[2], m[1])
		}
	}
	_, others, _ := strings.Cut(string(text), "## Clocks")
	for line := range strings.Lines(others) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && !strings.Contains(line, "---") && cells[1] != " fault " && !namedTest.MatchString(cells[3]) {
			t.Errorf("a row without its test: %s", line)
		}
	}
}
