package upload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/dates"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// kindFile is the kind of sources whose files have columns of their own, as
// package intake names it.
const kindFile = "file"

// mappingOf returns the mapping that files of a source are read with, and its
// version; nil where they have DIVOC's columns. A source that takes nothing now
// is [vaccination.Conflict].
func (s *Service) mappingOf(ctx context.Context, source string) (*mapping.Mapping, int32, error) {
	row, err := s.Store.Read().IntakeSource(ctx, source)
	if registry.IsNone(err) || err == nil && row.Kind != kindFile {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if row.State != "active" {
		return nil, 0, vaccination.Errorf(vaccination.Conflict, "source %s is %s and takes no files: an administrator lets it go on by `divoc source resume %[1]s`", source, row.State)
	}
	m, err := s.mapping(ctx, source, row.MappingVersion)
	return m, row.MappingVersion, err
}

// mapping reads one version of a source's mapping.
func (s *Service) mapping(ctx context.Context, source string, version int32) (*mapping.Mapping, error) {
	text, err := s.Store.Read().MappingText(ctx, query.MappingTextParams{Source: source, Version: version})
	if err != nil {
		return nil, fmt.Errorf("reading version %d of the mapping of source %s: %w", version, source, err)
	}
	m, err := mapping.Parse("mapping of "+source, []byte(text), s.Issuance.Profile)
	if err == nil {
		err = m.CheckFile()
	}
	if err != nil {
		return nil, vaccination.Errorf(vaccination.Conflict, "the mapping of source %s, version %d, cannot be used: %s", source, version, err)
	}
	return m, nil
}

// mappedHeader reads the header of a table with a mapping: its columns, and those
// that the mapping does not name. A rule that the file has no column for is a
// [*csv.HeaderError], which names what the mapping looks for and nothing of the
// file.
func mappedHeader(m *mapping.Mapping, head []byte, encoding string) (columns, notRead []string, err error) {
	names := m.FileNames()
	if columns, err = csv.InspectTable(head, encoding, names.Count); err != nil {
		return nil, nil, err
	}
	found, check, err := names.Columns(columns)
	if err != nil {
		return nil, nil, err
	}
	if len(check.Missing) > 0 {
		e := vaccination.Errorf(vaccination.Invalid, "Missing Headers: the first line has no column for what the source's mapping names")
		for _, rule := range check.Missing {
			rule, names, _ := strings.Cut(rule, " (")
			e.Faults = append(e.Faults, vaccination.Fault{Path: rule, Code: "missing-column", Message: "looked for " + strings.TrimSuffix(names, ")")})
		}
		return nil, nil, &csv.HeaderError{Err: e}
	}
	notRead = []string{}
	for i, name := range columns {
		if len(found.Names(i)) == 0 {
			notRead = append(notRead, name)
		}
	}
	return columns, notRead, nil
}

// mapped makes records of what a file of a source holds.
type mapped struct {
	m      *mapping.Mapping
	source string
}

// newMapped reads files with a mapping. An order of dates that was declared with
// the file counts for more than that of the mapping.
func newMapped(m *mapping.Mapping, source string, order dates.Order) mapped {
	own := *m
	if order != dates.Undeclared {
		own.DateOrder = string(order)
	}
	return mapped{&own, source}
}

// records are the doses of one row or item. has returns the file's own name of a
// name of the mapping, "" where it is not there.
func (r mapped) records(fields mapping.Fields, has func(name string) string) []record {
	person, slots := r.m.Split(fields)
	if len(slots) == 0 {
		return []record{r.dose("", person, nil, has)}
	}
	var out []record
	for _, s := range slots {
		if s.Fields != nil {
			out = append(out, r.dose(s.Slot.Prefix, person, s.Fields, has))
		}
	}
	if len(out) == 0 {
		return []record{{none: true}}
	}
	return out
}

// dose maps one dose of a row.
func (r mapped) dose(slot string, person, dose mapping.Fields, has func(string) string) record {
	out := r.m.Event(mapping.Input{Source: r.source, Person: person, Stage: slot, Dose: dose})
	rec := record{slot: slot, event: out.Event}
	// column is the file's name of what a field of the event was read from: the
	// one that has a value, else the first that is there.
	rec.column = func(path string) string {
		first := ""
		for _, name := range r.m.Sources(path) {
			for _, in := range []struct {
				name   string
				fields mapping.Fields
			}{{slot + name, dose}, {name, person}} {
				column := has(in.name)
				if column != "" && strings.TrimSpace(in.fields[name]) != "" {
					return column
				}
				if first == "" {
					first = column
				}
			}
		}
		if first == "" {
			return path
		}
		return first
	}
	if len(out.Problems) > 0 {
		rec.event = out.Partial
	}
	for _, p := range out.Problems {
		path := rec.column(p.Field)
		for _, name := range []string{p.From, slot + p.From} {
			if column := has(name); p.From != "" && column != "" {
				path = column
			}
		}
		rec.faults = append(rec.faults, vaccination.Fault{Path: path, Code: string(p.Class), Message: p.Message})
	}
	if rec.event.EnrolmentCode == r.source+":" { // a file has no ids of its own
		rec.event.EnrolmentCode = ""
		rec.faults = append(rec.faults, vaccination.Fault{Path: rec.column("enrolmentCode"), Code: vaccination.FaultRequired, Message: "the code by which the person is recognised is missing"})
	}
	for _, f := range csv.Suspicious(rec.event) {
		f.Path = rec.column(f.Path)
		rec.faults = append(rec.faults, f)
	}
	return rec
}

// mappedTable reads a table of a source with a mapping.
type mappedTable struct {
	mapped

	t       *csv.Table
	columns *mapping.Columns
}

func newMappedTable(m mapped, file io.Reader, encoding string) (*mappedTable, error) {
	names := m.m.FileNames()
	t, err := csv.NewTable(file, encoding, names.Count)
	if err != nil {
		return nil, err
	}
	columns, _, err := names.Columns(t.Columns())
	if err != nil {
		return nil, err
	}
	return &mappedTable{m, t, columns}, nil
}

func (r *mappedTable) skip(n int64) error { return r.t.Skip(int(n)) }

func (r *mappedTable) next() ([]record, error) {
	row, err := r.t.Read()
	if err != nil {
		return nil, err
	}
	if row.Broken {
		return []record{{faults: row.Faults, broken: true, cells: row.Cells}}, nil
	}
	fields := mapping.Fields{}
	for i, cell := range row.Cells {
		for _, name := range r.columns.Names(i) {
			fields[name] = cell
		}
	}
	out := r.records(fields, r.has)
	for i := range out {
		out[i].cells = row.Cells
	}
	return out, nil
}

func (r *mappedTable) has(name string) string {
	if i := r.columns.At(name); i >= 0 {
		return r.t.Columns()[i]
	}
	return ""
}

// mappedItems reads JSON of a source with a mapping: objects, whose members'
// members are named with dots between ("doses.0.date").
type mappedItems struct {
	mapped
	*items

	names *mapping.FileNames
}

func newMappedItems(m mapped, file io.Reader) *mappedItems {
	return &mappedItems{m, newItems(file), m.m.FileNames()}
}

func (r *mappedItems) next() ([]record, error) {
	item, err := r.raw()
	if err != nil {
		return nil, err
	}
	flat := flattening{names: r.names, fields: mapping.Fields{}, as: map[string]string{}}
	dec := json.NewDecoder(bytes.NewReader(item))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err // it was read as JSON before
	}
	object, ok := value.(map[string]any)
	if !ok {
		return []record{{item: item, broken: true, faults: []vaccination.Fault{{Code: vaccination.FaultFormat, Message: "an object is expected: one record, with a member for each field"}}}}, nil
	}
	flat.add("", object)
	if flat.twice != "" {
		return []record{{item: item, broken: true, faults: []vaccination.Fault{{Path: flat.twice, Code: "duplicate-column", Message: "two members have this name: leave one"}}}}, nil
	}
	out := r.records(flat.fields, func(name string) string { return flat.as[name] })
	for i := range out {
		out[i].item = item
	}
	return out, nil
}

// flattening gathers the values of an object by the mapping's names.
type flattening struct {
	names  *mapping.FileNames
	fields mapping.Fields
	as     map[string]string // the file's own name of one of the mapping
	twice  string            // a name that two members have
}

func (f *flattening) add(name string, value any) {
	below := func(key string) string { return strings.TrimPrefix(name+"."+key, ".") }
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			f.add(below(key), inner)
		}
	case []any:
		for i, inner := range v {
			f.add(below(fmt.Sprint(i)), inner)
		}
	case string:
		f.put(name, v)
	case json.Number:
		f.put(name, v.String())
	case bool:
		f.put(name, fmt.Sprint(v))
	}
}

func (f *flattening) put(name, value string) {
	for _, as := range f.names.Find(name) {
		if other, ok := f.as[as]; ok && other != name {
			f.twice = as
		}
		f.fields[as], f.as[as] = value, name
	}
}
