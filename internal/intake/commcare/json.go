package commcare

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// maxDepth bounds how deep a body is nested; forms nest groups and repeats.
const maxDepth = 64

// maxCases bounds the cases of one body.
const maxCases = 5000

// caseJSON is a case as the forwarder and the first case API write it, and as
// version 2 of the API does, which has other names for the times and has type
// and name beside the properties.
type caseJSON struct {
	ID             string               `json:"case_id"`
	Type           string               `json:"case_type"`
	Name           string               `json:"case_name"`
	ExternalID     string               `json:"external_id"`
	OwnerID        string               `json:"owner_id"`
	UserID         string               `json:"user_id"`
	Domain         string               `json:"domain"`
	Opened         string               `json:"date_opened"`
	Closed         bool                 `json:"closed"`
	Modified       string               `json:"date_modified"`
	LastModified   string               `json:"last_modified"`
	ServerModified string               `json:"server_date_modified"`
	ServerLast     string               `json:"server_last_modified"`
	Properties     map[string]any       `json:"properties"`
	Indices        map[string]indexJSON `json:"indices"`
	Error          string               `json:"error"` // of a bulk fetch: there is no such case
}

type indexJSON struct {
	ID   string `json:"case_id"`
	Type string `json:"case_type"`
}

// bodyJSON tells what a body is by the names in it.
type bodyJSON struct {
	caseJSON
	Cases    []caseJSON     `json:"cases"`    // the case API, version 2
	Objects  []objectJSON   `json:"objects"`  // the case API before it, and the form API
	Form     map[string]any `json:"form"`     // a form
	FormID   string         `json:"form_id"`  // a stub
	CaseIDs  []string       `json:"case_ids"` // of it
	Received string         `json:"received_on"`
}

// objectJSON is a case or a form of a list.
type objectJSON struct {
	caseJSON
	Form     map[string]any `json:"form"`
	Received string         `json:"received_on"`
	Archived bool           `json:"archived"` // what the form changed was taken back
}

// notFound is what a bulk fetch says of a case that there is not. In a body of ours,
// beside the type of the case, it says that the case was deleted; by itself it says
// nothing of what we know.
const notFound = "not found"

var errJSON = vaccination.Errorf(vaccination.Invalid, "the body is no JSON of a case, a form, a form stub or a list of cases")

// readJSON reads any JSON body. needs are the cases that a stub names.
func readJSON(body []byte) (changes []change, needs []string, err error) {
	if intake.Depth(body) > maxDepth {
		return nil, nil, vaccination.Errorf(vaccination.Invalid, "the body is nested deeper than %d levels", maxDepth)
	}
	var b bodyJSON
	if body[0] == '[' {
		err = json.Unmarshal(body, &b.Cases)
	} else {
		err = json.Unmarshal(body, &b)
	}
	if err != nil {
		return nil, nil, errJSON
	}
	cases := b.Cases
	for _, o := range b.Objects {
		if o.Form == nil {
			cases = append(cases, o.caseJSON)
			continue
		}
		of, _, err := readForm(o.Form, o.Received)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range of {
			c.partial = c.partial || o.Archived
			changes = append(changes, c)
		}
	}
	switch {
	case b.Form != nil:
		return readForm(b.Form, b.Received)
	case b.FormID != "" && b.CaseIDs != nil:
		return nil, b.CaseIDs, tooMany(len(b.CaseIDs))
	case b.ID != "":
		cases = []caseJSON{b.caseJSON}
	case b.Cases == nil && b.Objects == nil:
		return nil, nil, errJSON
	}
	if err := tooMany(len(cases) + len(changes)); err != nil {
		return nil, nil, err
	}
	for _, c := range cases {
		switch {
		case c.ID == "" && c.Error == "":
			return nil, nil, errJSON
		case c.Error == "":
			changes = append(changes, c.change())
		case c.Error == notFound && c.Type != "":
			deleted := c.change()
			deleted.deleted = true
			changes = append(changes, deleted)
		}
	}
	return changes, nil, nil
}

func tooMany(n int) error {
	if n > maxCases {
		return vaccination.Errorf(vaccination.Invalid, "a body holds at most %d cases", maxCases)
	}
	return nil
}

func (c caseJSON) change() change {
	fields := mapping.Fields{}
	for name, value := range map[string]string{
		"case_id": c.ID, "case_type": c.Type, "case_name": c.Name, "external_id": c.ExternalID,
		"owner_id": c.OwnerID, "user_id": c.UserID, "domain": c.Domain, "date_opened": c.Opened,
	} {
		if value != "" {
			fields[name] = value
		}
	}
	for name, value := range c.Properties {
		if text := textOf(value); text != "" {
			fields[name] = text
		}
	}
	out := change{id: c.ID, caseType: fields["case_type"], closed: c.Closed, fields: fields}
	for _, t := range []string{c.ServerModified, c.ServerLast, c.Modified, c.LastModified} {
		if out.at = parseTime(t); !out.at.IsZero() {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Indices)) {
		if i := c.Indices[name]; i.ID != "" {
			out.parents = append(out.parents, parent{name, i.ID, i.Type})
		}
	}
	return out
}

// textOf is a property's value, which is a string but for a few apps' numbers.
// Lists and objects have no text.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// readForm finds the case blocks of a form, wherever its groups and repeats put
// them (a block may be a list of blocks).
func readForm(form map[string]any, received string) (changes []change, needs []string, err error) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if id, ok := v["@case_id"].(string); ok && id != "" && len(changes) <= maxCases {
				changes = append(changes, formChange(id, v, received))
				return
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name])
			}
		}
	}
	walk(form)
	return changes, nil, tooMany(len(changes))
}

func formChange(id string, block map[string]any, received string) change {
	c := change{id: id, fields: mapping.Fields{"case_id": id}}
	if c.at = parseTime(received); c.at.IsZero() {
		modified, _ := block["@date_modified"].(string)
		c.at = parseTime(modified)
	}
	_, created := block["create"].(map[string]any)
	c.partial = !created
	for _, part := range []string{"create", "update"} {
		values, _ := block[part].(map[string]any)
		for name, value := range values {
			c.fields[name] = formText(value)
		}
	}
	_, c.closed = block["close"]
	indices, _ := block["index"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(indices)) {
		p := parent{name: name, id: formText(indices[name])}
		if attributes, ok := indices[name].(map[string]any); ok {
			p.caseType, _ = attributes["@case_type"].(string)
		}
		if p.id != "" {
			c.parents = append(c.parents, p)
		}
	}
	c.caseType = c.fields["case_type"]
	return c
}

// formText is a value of a form: a text, or an object that has attributes beside
// its text.
func formText(v any) string {
	if o, ok := v.(map[string]any); ok {
		v = o["#text"]
	}
	return textOf(v)
}
