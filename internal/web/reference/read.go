package reference

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/web/api"
)

// description is the API as the page shows it.
type description struct {
	Version, URL string
	Groups       []group
	Types        []typ
}

// group is operations that belong together.
type group struct {
	ID, Name, Text string
	Operations     []operation
}

type operation struct {
	ID, Method, Path, Summary, Text string
	Token                           bool
	place                           int
	Parameters                      []field
	Bodies                          []content
	Answers                         []content // of 200
	Errors                          []string  // statuses
	Curl                            string
}

// content is what is sent or answered: a kind of media with what it holds.
type content struct {
	Kind, Text string
	Type       ref
	Example    string
}

// field is a parameter, or a property of a type.
type field struct {
	Name, In, Text, Values string
	Required               bool
	Type                   ref
}

// ref is a type in words; To is the id of its section where it has one.
type ref struct{ Word, Name, To string }

type typ struct {
	ID, Name string
	Fields   []field
}

type reader struct {
	o   *huma.OpenAPI
	url string
}

func read(o *huma.OpenAPI, url string) description {
	r := reader{o, url}
	d := description{Version: o.Info.Version, URL: url}
	groups := map[string]*group{}
	var order []string
	for _, tag := range o.Tags {
		groups[tag.Name] = &group{ID: id(tag.Name), Name: tag.Name, Text: tag.Description}
		order = append(order, tag.Name)
	}
	for _, path := range slices.Sorted(maps.Keys(o.Paths)) {
		item := o.Paths[path]
		for _, op := range []*huma.Operation{item.Post, item.Get, item.Put, item.Patch, item.Delete} {
			if op == nil || op.Hidden {
				continue
			}
			name := "Other"
			if len(op.Tags) > 0 {
				name = op.Tags[0]
			}
			if groups[name] == nil {
				groups[name] = &group{ID: id(name), Name: name}
				order = append(order, name)
			}
			groups[name].Operations = append(groups[name].Operations, r.operation(path, op))
		}
	}
	for _, name := range order {
		slices.SortStableFunc(groups[name].Operations, func(a, b operation) int { return a.place - b.place })
		if len(groups[name].Operations) > 0 {
			d.Groups = append(d.Groups, *groups[name])
		}
	}
	for name, s := range o.Components.Schemas.Map() {
		if s.Type == huma.TypeObject {
			d.Types = append(d.Types, typ{ID: "type-" + name, Name: name, Fields: r.fields(s)})
		}
	}
	slices.SortFunc(d.Types, func(a, b typ) int { return strings.Compare(a.Name, b.Name) })
	return d
}

// id is a name as the id of a section.
func id(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

func (r reader) operation(path string, op *huma.Operation) operation {
	out := operation{ID: op.OperationID, Method: op.Method, Path: path, Summary: op.Summary, Text: op.Description, Token: len(op.Security) > 0}
	out.place, _ = op.Metadata[api.Order].(int) // first where nothing is said
	for _, p := range op.Parameters {
		f := r.field(p.Name, p.Schema, p.Required)
		if f.In = p.In; f.Text == "" {
			f.Text = p.Description
		}
		out.Parameters = append(out.Parameters, f)
	}
	if op.RequestBody != nil {
		out.Bodies = r.contents(op.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if strings.HasPrefix(status, "2") {
			out.Answers = append(out.Answers, r.contents(op.Responses[status].Content)...)
		} else {
			out.Errors = append(out.Errors, status)
		}
	}
	out.Curl = r.curl(out)
	return out
}

// contents are the kinds of a body, JSON first.
func (r reader) contents(of map[string]*huma.MediaType) (out []content) {
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		m := of[kind]
		c := content{Kind: kind}
		if m.Schema != nil {
			c.Type, c.Text = r.ref(m.Schema), m.Schema.Description
		}
		isJSON := kind == "application/json"
		switch {
		case m.Example != nil:
			c.Example = pretty(m.Example)
		case isJSON && m.Schema != nil:
			c.Example = pretty(r.sample(m.Schema, 0))
		}
		if isJSON {
			out = slices.Insert(out, 0, c)
		} else {
			out = append(out, c)
		}
	}
	return out
}

// fields are the properties of an object, those that must be there first.
func (r reader) fields(s *huma.Schema) (out []field) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		out = append(out, r.field(name, s.Properties[name], slices.Contains(s.Required, name)))
	}
	slices.SortStableFunc(out, func(a, b field) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

func (r reader) field(name string, s *huma.Schema, required bool) field {
	f := field{Name: name, Required: required, Type: r.ref(s), Text: s.Description}
	var values []string
	for _, v := range s.Enum {
		if text, ok := v.(string); ok {
			values = append(values, text)
		}
	}
	f.Values = strings.Join(values, ", ")
	return f
}

func (r reader) ref(s *huma.Schema) ref {
	if s.Ref != "" {
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return ref{Name: name, To: "#type-" + name}
	}
	switch {
	case len(s.OneOf) > 0:
		one := r.ref(s.OneOf[0])
		one.Word = "one or several: "
		return one
	case s.Type == huma.TypeArray && s.Items != nil:
		items := r.ref(s.Items)
		items.Word = "list of " + items.Word
		return items
	case s.Format == "date-time":
		return ref{Word: "time (RFC 3339)"}
	case s.Format == "binary" || s.Type == "":
		return ref{Word: "a file"}
	case s.Type == huma.TypeString:
		return ref{Word: "text"}
	case s.Type == huma.TypeInteger:
		return ref{Word: "whole number"}
	case s.Type == huma.TypeBoolean:
		return ref{Word: "true or false"}
	}
	return ref{Word: s.Type}
}

// deepest bounds examples of types within types.
const deepest = 5

// sample is a value as a type may have it: of the fields those that must be
// there or have an example. Nil is none.
func (r reader) sample(s *huma.Schema, depth int) any {
	if s.Ref != "" {
		s = r.o.Components.Schemas.SchemaFromRef(s.Ref)
	}
	switch {
	case s == nil || depth > deepest:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return r.sample(s.OneOf[0], depth)
	case s.Type == huma.TypeArray:
		if v := r.sample(s.Items, depth+1); v != nil {
			return []any{v}
		}
		return []any{}
	case s.Type == huma.TypeObject:
		out := map[string]any{}
		for name, p := range s.Properties {
			must := slices.Contains(s.Required, name)
			if v := r.sample(p, depth+1); v != nil && (must || telling(p, v)) {
				out[name] = v
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case s.Format == "date-time":
		return "2026-11-22T12:00:00Z"
	case s.Type == huma.TypeString:
		return "…"
	case s.Type == huma.TypeInteger:
		return 1
	case s.Type == huma.TypeBoolean:
		return false
	}
	return nil
}

// telling reports whether an example of an optional field says anything.
func telling(s *huma.Schema, v any) bool {
	_, object := v.(map[string]any)
	return object || len(s.Examples) > 0 || len(s.Enum) > 0
}

// pretty is a value as indented JSON.
func pretty(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if v == nil || e.Encode(v) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// curl is how to ask for it from a shell.
func (r reader) curl(op operation) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name))
		}
	}
	lines := []string{"curl " + strconv.Quote(r.url+path)}
	if op.Method != "GET" && (len(op.Bodies) == 0 || op.Method != "POST") {
		lines[0] = "curl -X " + op.Method + " " + strconv.Quote(r.url+path)
	}
	if op.Token {
		lines = append(lines, `-H "Authorization: Bearer $TOKEN"`)
	}
	if len(op.Bodies) > 0 {
		switch body := op.Bodies[0]; body.Kind {
		case "application/json":
			lines = append(lines, "--json @request.json")
		default:
			lines = append(lines, `-H "Content-Type: `+body.Kind+`"`, "--data-binary @file")
		}
	}
	return strings.Join(lines, " \\\n  ")
}
