package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// warnings are the messages that the program logs as warnings and errors.
func warnings(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	look := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			var message ast.Expr
			switch args := call.Args; method.Sel.Name {
			case "Warn", "Error":
				if len(args) > 0 {
					message = args[0]
				}
			case "WarnContext", "ErrorContext":
				if len(args) > 1 {
					message = args[1]
				}
			case "LogAttrs", "Log":
				if len(args) > 2 {
					if level, ok := args[1].(*ast.SelectorExpr); ok && (level.Sel.Name == "LevelWarn" || level.Sel.Name == "LevelError") {
						message = args[2]
					}
				}
			}
			if text, ok := message.(*ast.BasicLit); ok && text.Kind == token.STRING {
				value, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Error(err)
				}
				found[value] = path
			}
			return true
		})
		return nil
	}
	for _, dir := range []string{"../internal", "../cmd"} {
		if err := filepath.WalkDir(dir, look); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

var (
	row     = regexp.MustCompile(`(?m)^\| (?:ERROR|WARN) \| (.*?) \|`)
	measure = regexp.MustCompile(`"(divoc_[a-z_]+)"`)
	named   = regexp.MustCompile("`(divoc_[a-z_]+)`")
	linked  = regexp.MustCompile(`\]\(#([^)]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestThePageForOperatorsNamesEverything ties docs/operations.md to the program:
// every warning it may log and every measure is there, and no other.
func TestThePageForOperatorsNamesEverything(t *testing.T) {
	text, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var said []string
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		said = append(said, m[1])
	}
	logged := warnings(t)
	if len(logged) < 10 {
		t.Errorf("only %d warnings were found in the program", len(logged))
	}
	for message, path := range logged {
		if !slices.Contains(said, message) {
			t.Errorf("%s may log %q: say in operations.md what it means and what to do", path, message)
		}
	}
	for _, message := range said {
		if logged[message] == "" {
			t.Errorf("operations.md tells of %q, which nothing logs", message)
		}
	}
	measures := map[string]bool{}
	for _, dir := range []string{"../internal/*/*.go", "../internal/*/*/*.go", "../cmd/*/*.go"} {
		files, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(source), "prometheus") {
				continue
			}
			for _, m := range measure.FindAllStringSubmatch(string(source), -1) {
				measures[m[1]] = true
				if !strings.Contains(page, "`"+m[1]+"`") {
					t.Errorf("%s measures %s: say in operations.md what it means", file, m[1])
				}
			}
		}
	}
	for _, m := range named.FindAllStringSubmatch(page, -1) {
		if !measures[m[1]] {
			t.Errorf("operations.md tells of %s, which nothing measures", m[1])
		}
	}
	var anchors []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		anchors = append(anchors, strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"))
	}
	for _, m := range linked.FindAllStringSubmatch(page, -1) {
		if !slices.Contains(anchors, m[1]) {
			t.Errorf("a link to no section: %s", m[1])
		}
	}
}
