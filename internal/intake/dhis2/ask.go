package dhis2

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// list is an answer with a list, in any version's form.
type list struct {
	Instances              []json.RawMessage // below 2.41
	TrackedEntities        []json.RawMessage
	TrackedEntityInstances []json.RawMessage // the older names
	Events                 []json.RawMessage
	OrganisationUnits      []json.RawMessage
}

func (l list) rows() []json.RawMessage {
	return slices.Concat(l.Instances, l.TrackedEntities, l.TrackedEntityInstances, l.Events, l.OrganisationUnits)
}

// row is one line of a list of what changed.
type row struct {
	entity  string // id of the person
	event   string // id of the event, "" in a list of people
	stage   string
	updated time.Time
	deleted bool
}

// changed asks for one page of what changed in a window, both ends included:
// events, or people.
func (c *Client) changed(ctx context.Context, events bool, from, to time.Time, page, size int, ordered bool) ([]row, error) {
	a, err := c.words(ctx)
	if err != nil {
		return nil, err
	}
	q := url.Values{
		"program": {c.config.Program}, a.mode: {c.config.OrgUnitMode}, "includeDeleted": {"true"},
		a.after: {from.Format(stampForm)}, a.before: {to.Format(stampForm)},
		"page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(size)},
	}
	if ordered {
		q.Set("order", a.order)
	}
	path := a.entities
	q.Set("fields", a.entityKey+","+a.updated+",deleted")
	if events {
		path = a.events
		q.Set("fields", "event,programStage,"+a.entityKey+","+a.updated+",deleted")
	}
	var l list
	if err := c.get(ctx, path, q, &l); err != nil {
		return nil, err
	}
	out := make([]row, 0, len(l.rows()))
	for _, raw := range l.rows() {
		var v struct {
			Event, ProgramStage                  string
			TrackedEntity, TrackedEntityInstance string
			UpdatedAt, LastUpdated               string
			Deleted                              bool
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, strange("a row of a list is no object")
		}
		r := row{entity: cmp.Or(v.TrackedEntity, v.TrackedEntityInstance), event: v.Event, stage: v.ProgramStage, deleted: v.Deleted}
		if r.entity == "" || events && r.event == "" {
			return nil, strange("a row of a list has no id")
		}
		if r.updated, err = stamp(cmp.Or(v.UpdatedAt, v.LastUpdated)); err != nil {
			return nil, strange("a row of a list does not say when it changed")
		}
		// A parameter that the server does not know is ignored in silence: then
		// the rows are not those that were asked for.
		if r.updated.Before(from) || r.updated.After(to) {
			return nil, strange("it lists what changed at another time than asked for")
		}
		out = append(out, r)
	}
	return out, nil
}

// entityFields asks for whole people and nothing more.
func (a *api) entityFields() string {
	return a.entityKey + ",orgUnit," + a.updated + ",deleted,attributes[attribute,value],enrollments[enrollment,program,status,deleted,orgUnit,events[event,programStage,status," +
		a.occurred + "," + a.updated + ",deleted,orgUnit,dataValues[dataElement,value]]]"
}

// maxIDs is how many people are asked for at once.
const maxIDs = 50

// Entities returns whole people by id, deleted ones as what is left of them. Ids
// that our user may not see are not in the answer. It never returns somebody
// who was not asked for.
func (c *Client) Entities(ctx context.Context, ids []string) (map[string]json.RawMessage, error) {
	a, err := c.words(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for part := range slices.Chunk(ids, maxIDs) {
		q := url.Values{
			"program": {c.config.Program}, a.mode: {c.config.OrgUnitMode}, "includeDeleted": {"true"}, "fields": {a.entityFields()},
			a.ids: {strings.Join(part, a.sep)}, "pageSize": {strconv.Itoa(2 * maxIDs)},
		}
		found, err := c.people(ctx, a, q)
		if err != nil {
			return nil, err
		}
		for id, raw := range found {
			if !slices.Contains(part, id) {
				return nil, strange("it returned people who were not asked for; nothing of the answer was kept")
			}
			out[id] = raw
		}
	}
	return out, nil
}

// Gone reports whether the server says that it has nobody under an id. Somebody
// whom our user may not see is not gone.
func (c *Client) Gone(ctx context.Context, id string) (bool, error) {
	a, err := c.words(ctx)
	if err != nil {
		return false, err
	}
	var one struct{}
	err = c.get(ctx, a.entities+"/"+id, url.Values{"program": {c.config.Program}, "fields": {a.entityKey}}, &one)
	switch vaccination.ErrorCode(err) {
	case vaccination.NotFound:
		return true, nil
	case vaccination.Forbidden:
		return false, nil
	}
	return false, err
}

func (c *Client) people(ctx context.Context, a *api, q url.Values) (map[string]json.RawMessage, error) {
	var l list
	if err := c.get(ctx, a.entities, q, &l); err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for _, raw := range l.rows() {
		e, err := readEntity(raw)
		if err != nil {
			return nil, err
		}
		if out[e.id()], err = canonical(raw); err != nil {
			return nil, strange("a person is no JSON")
		}
	}
	return out, nil
}

// maxFound bounds the people a search looks at: more than a few with one number
// are none.
const maxFound = 10

// Find returns the people who have one of values in an attribute, by id. It
// never returns somebody who has not.
func (c *Client) Find(ctx context.Context, attribute string, values []string) (map[string]json.RawMessage, error) {
	a, err := c.words(ctx)
	if err != nil {
		return nil, err
	}
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = strings.NewReplacer("/", "//", ":", "/:", ",", "/,", ";", "/;").Replace(v)
	}
	filter := attribute + ":eq:" + escaped[0]
	if len(values) > 1 {
		filter = attribute + ":in:" + strings.Join(escaped, ";")
	}
	found, err := c.people(ctx, a, url.Values{
		"program": {c.config.Program}, a.mode: {c.config.OrgUnitMode}, "fields": {a.entityFields()},
		"filter": {filter}, "pageSize": {strconv.Itoa(maxFound)},
	})
	if err != nil {
		return nil, err
	}
	for _, raw := range found {
		e, err := readEntity(raw)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(e.attribute(attribute), v) }) {
			return nil, strange("a search found people who do not have the number; nothing of the answer was kept")
		}
	}
	return found, nil
}

// Facilities returns the organisation units.
func (c *Client) Facilities(ctx context.Context) ([]intake.Facility, error) {
	const size = 500
	var out []intake.Facility
	seen := map[string]bool{}
	for page := 1; ; page++ {
		var l list
		q := url.Values{"fields": {"id,code,name,path"}, "order": {"id:asc"}, "page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(size)}}
		if err := c.get(ctx, "organisationUnits", q, &l); err != nil {
			return nil, err
		}
		added := false
		for _, raw := range l.rows() {
			var f intake.Facility
			if err := json.Unmarshal(raw, &f); err != nil || f.ID == "" {
				return nil, strange("an organisation unit has no id")
			}
			if !seen[f.ID] {
				seen[f.ID], added = true, true
				out = append(out, f)
			}
		}
		if len(l.rows()) < size || !added {
			return out, nil
		}
	}
}

const programFields = "id,name,trackedEntityType,programTrackedEntityAttributes[trackedEntityAttribute[id,name,valueType,unique,optionSet[options[code,name]]]]," +
	"programStages[id,name,repeatable,programStageDataElements[dataElement[id,name,valueType,optionSet[options[code,name]]]]]"

// Metadata returns what the server says of the programme, for
// [mapping.Mapping.Against].
func (c *Client) Metadata(ctx context.Context) (mapping.Metadata, error) {
	type field struct {
		ID, Name  string
		OptionSet *struct{ Options []mapping.Option }
	}
	var p struct {
		ProgramTrackedEntityAttributes []struct{ TrackedEntityAttribute field }
		ProgramStages                  []struct {
			ID, Name                 string
			ProgramStageDataElements []struct{ DataElement field }
		}
	}
	if err := c.get(ctx, "programs/"+url.PathEscape(c.config.Program), url.Values{"fields": {programFields}}, &p); err != nil {
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			err = vaccination.Errorf(vaccination.Invalid, "DHIS2 has no programme %s, or our user may not see it", c.config.Program)
		}
		return mapping.Metadata{}, err
	}
	take := func(f field) mapping.Field {
		out := mapping.Field{ID: f.ID, Name: f.Name}
		if f.OptionSet != nil {
			out.Options = f.OptionSet.Options
		}
		return out
	}
	m := mapping.Metadata{Builtin: []string{OccurredAt, OrgUnit}, Stages: map[string]mapping.StageMetadata{}}
	for _, x := range p.ProgramTrackedEntityAttributes {
		m.Person = append(m.Person, take(x.TrackedEntityAttribute))
	}
	for _, s := range p.ProgramStages {
		stage := mapping.StageMetadata{Name: s.Name}
		for _, d := range s.ProgramStageDataElements {
			stage.Fields = append(stage.Fields, take(d.DataElement))
		}
		m.Stages[s.ID] = stage
	}
	return m, nil
}

// canonical writes JSON in one way: members by name, the parts of a person by
// their ids, so that the same state is the same bytes.
func canonical(raw json.RawMessage) (json.RawMessage, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	order(v)
	return json.Marshal(v)
}

func order(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			order(x)
		}
	case []any:
		for _, x := range v {
			order(x)
		}
		slices.SortStableFunc(v, func(a, b any) int { return cmp.Compare(idOf(a), idOf(b)) })
	}
}

func idOf(v any) string {
	m, _ := v.(map[string]any)
	for _, name := range []string{"attribute", "dataElement", "event", "enrollment"} {
		// an event names its enrollment too: its own id comes first
		if s, ok := m[name].(string); ok {
			return s
		}
	}
	return ""
}
