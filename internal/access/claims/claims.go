// Package claims reads what an identity provider says of somebody: values at a
// path of keys in the claims of a token.
package claims

import (
	"slices"
	"strings"
)

// Path is where a value stands: keys, of which "*" is every one.
type Path []string

// ParsePath reads names of claims with dots between them. It is false for a path
// with an empty name.
func ParsePath(text string) (Path, bool) {
	parts := strings.Split(text, ".")
	return parts, !slices.Contains(parts, "")
}

// String is the path as [ParsePath] reads it.
func (p Path) String() string { return strings.Join(p, ".") }

// At returns what stands at the path.
func (p Path) At(v any) []any {
	if len(p) == 0 {
		return []any{v}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if p[0] != "*" {
		inner, ok := object[p[0]]
		if !ok {
			return nil
		}
		return p[1:].At(inner)
	}
	var out []any
	for _, inner := range object {
		out = append(out, p[1:].At(inner)...)
	}
	return out
}

// Text is the one text at the path, "" where there is none, several, or something
// else. Some providers give an attribute of several values as a list.
func (p Path) Text(all map[string]any) string {
	values := p.At(all)
	if len(values) != 1 {
		return ""
	}
	value := values[0]
	if list, ok := value.([]any); ok && len(list) == 1 {
		value = list[0]
	}
	s, _ := value.(string)
	return strings.TrimSpace(s)
}

// Texts are all texts at the path, one by one or in lists.
func (p Path) Texts(all map[string]any) (out []string) {
	for _, v := range p.At(all) {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, x := range list {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}
