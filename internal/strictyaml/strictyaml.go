// Package strictyaml reads configuration that people write: every unknown key and
// every wrong value is named with file and line, all of them at once, and with the
// key that was probably meant. References (*name) are not read.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is one file on its way to being understood: it collects everything
// that is wrong with it, with file and line.
type Document struct {
	file  string
	lines map[string]int // path of a key → line
	all   []fault
}

// New returns a Document for a file, as errors are to name it.
func New(file string) *Document { return &Document{file: file, lines: map[string]int{}} }

type fault struct {
	line int
	text string
}

// At reports a fault of the key at path, or of its nearest parent that is there.
func (f *Document) At(path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	for p := path; ; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
		if line, ok := f.lines[p]; ok || p == "" {
			f.all = append(f.all, fault{max(line, 1), text})
			return
		}
	}
}

// Err returns every fault, one on a line, in the order of the file.
func (f *Document) Err() error {
	if len(f.all) == 0 {
		return nil
	}
	slices.SortStableFunc(f.all, func(a, b fault) int { return a.line - b.line })
	var out []error
	for _, x := range f.all {
		out = append(out, fmt.Errorf("%s:%d: %s", f.file, x.line, x.text))
	}
	return errors.Join(out...)
}

// Decode reads text into what into points to, reporting every unknown key and
// wrong value. It returns false when the file is no YAML at all.
func (f *Document) Decode(text []byte, into any) bool {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		f.addYAML(err)
		return false
	}
	if len(root.Content) != 1 {
		f.At("", "the file is empty")
		return false
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		f.At("", "the file has a second document (---): only one is read")
		return false
	}
	f.walk(root.Content[0], reflect.TypeOf(into), "")
	if err := root.Decode(into); err != nil {
		f.addYAML(err)
	}
	return true
}

// addYAML takes over the decoder's own faults, which begin "line 12: ".
func (f *Document) addYAML(err error) {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		texts = several.Errors
	}
	for _, t := range texts {
		line := 1
		if n, err := fmt.Sscanf(t, "line %d:", &line); err == nil && n == 1 {
			_, t, _ = strings.Cut(t, ": ")
		}
		f.all = append(f.all, fault{line, t})
	}
}

// walk notes the line of every key of n and reports those that t has not.
func (f *Document) walk(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind == yaml.AliasNode {
		f.At(path, "write the values out: references (*name) are not read")
		return
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Kind == yaml.MappingNode && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map):
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			at := key.Value
			if path != "" {
				at = path + "." + at
			}
			f.lines[at] = key.Line
			inner, ok := child(t, key.Value)
			if !ok {
				f.At(at, "there is no such key here%s", Nearest(key.Value, keysOf(t)))
				continue
			}
			f.walk(n.Content[i+1], inner, at)
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range n.Content {
			at := fmt.Sprintf("%s.%d", path, i+1)
			f.lines[at] = item.Line
			f.walk(item, t.Elem(), at)
		}
	}
}

func child(t reflect.Type, key string) (reflect.Type, bool) {
	if t.Kind() == reflect.Map {
		return t.Elem(), true
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}

func keysOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("yaml"))
	}
	return out
}

// Nearest says which of the known keys is most like key, to stand at the end of
// a sentence: `: did you mean "name"?`, "" when there is none to name.
func Nearest(key string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, best) > max(len(key), len(best))/2 {
		return ": use one of " + strings.Join(known, ", ")
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is the number of letters to change, add or drop between a and b, in
// any case.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
