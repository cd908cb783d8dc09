package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// Metadata is what a source says of itself.
type Metadata struct {
	Builtin []string // names that every record has: "occurredAt", "orgUnit"
	Person  []Field
	Stages  map[string]StageMetadata // by id
}

// StageMetadata is what a source says of one kind of dose.
type StageMetadata struct {
	Name   string
	Fields []Field
}

// Field is one field of a source.
type Field struct {
	ID      string
	Name    string
	Options []Option // the codes it may have; none where it is free
}

// Option is one code of a field.
type Option struct{ Code, Name string }

// Check is what comparing a mapping with a source's metadata found.
type Check struct {
	// Missing are rules and stages that the source has nothing for. A mapping
	// with one must not run.
	Missing []string `json:"missing"`
	// Unmapped are codes of the source that the mapping does not know yet.
	Unmapped []UnmappedCode `json:"unmapped"`
	// Unused are names in rules that the source does not have, beside others
	// that it has.
	Unused []string `json:"unused"`
}

// UnmappedCode is a code of a source that a mapping does not know.
type UnmappedCode struct {
	Rule  string `json:"rule"`
	Field string `json:"field"` // the source's id
	Code  string `json:"code"`
	Name  string `json:"name"`
}

// Err says which ids the source does not have, nil when it has all it needs.
func (c Check) Err() error {
	if len(c.Missing) == 0 {
		return nil
	}
	return vaccination.Errorf(vaccination.Invalid, "the source does not have what the mapping names: %s", strings.Join(c.Missing, "; "))
}

// Against compares the mapping with what the source says of itself.
func (m *Mapping) Against(meta Metadata) Check {
	known := map[string]Field{}
	for _, name := range meta.Builtin {
		known[name] = Field{ID: name}
	}
	for _, f := range meta.Person {
		known[f.ID] = f
	}
	var c Check
	for _, id := range slices.Sorted(maps.Keys(m.Stages)) {
		if _, ok := meta.Stages[id]; !ok {
			c.Missing = append(c.Missing, "stage "+id)
		}
	}
	for id, s := range meta.Stages {
		if _, counts := m.Stages[id]; len(m.Stages) > 0 && !counts || slices.Contains(m.Ignore, id) {
			continue
		}
		for _, f := range s.Fields {
			known[f.ID] = f
		}
	}
	for f := range m.fields() {
		m.against(f, known, &c)
	}
	return c
}

func (m *Mapping) against(f field, known map[string]Field, c *Check) {
	var found, absent []string
	for _, name := range f.rule.From {
		if _, ok := known[name]; ok {
			found = append(found, name)
		} else {
			absent = append(absent, name)
		}
	}
	if len(found) == 0 {
		if len(absent) > 0 && f.rule.Constant == "" {
			c.Missing = append(c.Missing, fmt.Sprintf("%s (%s)", f.path, strings.Join(absent, ", ")))
		}
		return
	}
	for _, name := range absent {
		c.Unused = append(c.Unused, f.path+": "+name)
	}
	for _, name := range found {
		for _, o := range known[name].Options {
			if !m.knows(f, o.Code) {
				c.Unmapped = append(c.Unmapped, UnmappedCode{Rule: f.path, Field: name, Code: o.Code, Name: o.Name})
			}
		}
	}
}

// knows reports whether a rule understands a code of the source.
func (m *Mapping) knows(f field, code string) bool {
	switch f.kind {
	case textValue, dateValue, flagValue:
		return true
	}
	if len(f.rule.Codes) > 0 {
		for c := range f.rule.Codes {
			if strings.EqualFold(c, code) {
				return true
			}
		}
		return false
	}
	return m.checkValue(f.kind, code) == ""
}
