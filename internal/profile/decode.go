package profile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the form of profile.yaml. Every key is explained in
// docs/new-country.md; a test compares the two.
type document struct {
	Country      string                    `yaml:"country"`
	Issuer       issuerDocument            `yaml:"issuer"`
	PublicURL    string                    `yaml:"publicUrl"`
	TimeZone     string                    `yaml:"timeZone"`
	Languages    []string                  `yaml:"languages"`
	Phone        phoneDocument             `yaml:"phone"`
	Identities   []IdentityKind            `yaml:"identities"`
	IdentityInQR bool                      `yaml:"identityInQr"`
	Programmes   map[string]*programmeYAML `yaml:"programmes"`
	Default      string                    `yaml:"defaultProgramme"`
	Sources      map[string]string         `yaml:"sourceProgrammes"`
	MaxStatusAge int                       `yaml:"maxStatusAgeHours"`
	Messages     map[string]Messages       `yaml:"messages"`
	Theme        themeDocument             `yaml:"theme"`
}

type issuerDocument struct {
	ID   string            `yaml:"id"`
	Name map[string]string `yaml:"name"`
}

type phoneDocument struct {
	CountryCode string   `yaml:"countryCode"`
	Trunk       string   `yaml:"trunk"`
	National    []string `yaml:"national"`
	Shared      string   `yaml:"shared"`
	Example     string   `yaml:"example"`
	Unreachable string   `yaml:"unreachable"`
}

type programmeYAML struct {
	Names         map[string]string `yaml:"names"`
	Disease       string            `yaml:"disease"`
	Doses         int               `yaml:"doses"`
	Products      []string          `yaml:"products"`
	Payloads      []string          `yaml:"payloads"`
	Incomplete    string            `yaml:"incomplete"`
	ValidYears    int               `yaml:"validYears"`
	ValidFromDays int               `yaml:"validFromDays"`
	Layout        string            `yaml:"layout"`
}

type themeDocument struct {
	Primary string `yaml:"primary"`
	Accent  string `yaml:"accent"`
	Emblem  string `yaml:"emblem"`
}

// faults collects everything that is wrong with a profile, with file and line.
type faults struct {
	file  string
	lines map[string]int // path of a key → line
	all   []fault
}

type fault struct {
	line int
	text string
}

// at reports a fault of the key at path, or of its nearest parent that is there.
func (f *faults) at(path, format string, args ...any) {
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

// err returns every fault, one on a line, in the order of the file.
func (f *faults) err() error {
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

// decode reads profile.yaml into doc, reporting every unknown key and wrong
// value. It returns false when the file is no YAML at all.
func (f *faults) decode(text []byte, doc *document) bool {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		f.addYAML(err)
		return false
	}
	if len(root.Content) != 1 {
		f.at("", "the file is empty")
		return false
	}
	f.walk(root.Content[0], reflect.TypeOf(*doc), "")
	if err := root.Decode(doc); err != nil {
		f.addYAML(err)
	}
	return true
}

// addYAML takes over the decoder's own faults, which begin "line 12: ".
func (f *faults) addYAML(err error) {
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
func (f *faults) walk(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind == yaml.AliasNode {
		f.at(path, "write the values out: references (*name) are not read")
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
				f.at(at, "there is no such key here%s", nearest(key.Value, keysOf(t)))
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

// nearest says which of the known keys is most like key.
func nearest(key string, known []string) string {
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
