package claims

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestPaths(t *testing.T) {
	var all map[string]any
	if err := json.Unmarshal([]byte(`{"a":{"b":["x","y",3]},"c":" one ","d":["one"],"e":["one","two"],"f":{"p":{"r":["q"]},"o":{"r":"s"}},"n":5}`), &all); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		text  string
		texts []string
	}{
		"a.b": {"", []string{"x", "y"}}, "c": {"one", []string{" one "}}, "d": {"one", []string{"one"}}, "e": {"", []string{"one", "two"}},
		"f.*.r": {"", []string{"q", "s"}}, "n": {"", nil}, "none": {"", nil}, "c.d": {"", nil}, "a": {"", nil},
	} {
		p, ok := ParsePath(path)
		texts := p.Texts(all)
		slices.Sort(texts)
		if !ok || p.Text(all) != want.text || !slices.Equal(texts, want.texts) || p.String() != path {
			t.Errorf("%s: %q, %q", path, p.Text(all), texts)
		}
	}
	for _, wrong := range []string{"", ".", "a.", ".a", "a..b"} {
		if _, ok := ParsePath(wrong); ok {
			t.Errorf("%q is a path", wrong)
		}
	}
}
