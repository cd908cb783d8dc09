package dhis2

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// The names under which a mapping finds what is no attribute or data element,
// the same in every version of DHIS2.
const (
	OccurredAt = "occurredAt" // when the dose was given
	OrgUnit    = "orgUnit"    // id of where
)

// The hints of an arrival.
const (
	hintProgram = "program" // enrolments in others are none of ours
	hintZone    = "zone"    // of the server's timestamps
)

// entity is one person as DHIS2 sends them, under the older or newer names.
type entity struct {
	TrackedEntity         string
	TrackedEntityInstance string
	OrgUnit               string
	UpdatedAt             string
	LastUpdated           string
	Deleted               bool
	Attributes            []struct{ Attribute, Value string }
	Enrollments           []struct {
		Enrollment, Program, OrgUnit string
		Deleted                      bool
		Attributes                   []struct{ Attribute, Value string }
		Events                       []struct {
			Event, ProgramStage, Status, OrgUnit          string
			OccurredAt, EventDate, UpdatedAt, LastUpdated string
			Deleted                                       bool
			DataValues                                    []struct{ DataElement, Value string }
		}
	}
}

func readEntity(raw []byte) (*entity, error) {
	var e entity
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, strange("a person is no object of a tracker")
	}
	if !uid.MatchString(e.id()) {
		return nil, strange("a person has no id")
	}
	return &e, nil
}

func (e *entity) id() string { return cmp.Or(e.TrackedEntity, e.TrackedEntityInstance) }

func (e *entity) attribute(id string) string {
	for _, a := range e.Attributes {
		if a.Attribute == id {
			return a.Value
		}
	}
	return ""
}

// Reader reads people with all their doses, as every version of DHIS2 sends
// them: one, or a list.
type Reader struct{}

// Read implements [intake.Reader].
func (Reader) Read(a intake.Arrival, m *mapping.Mapping) (intake.Reading, error) {
	var out intake.Reading
	if a.Channel == intake.Push {
		id, err := hint(a)
		if err != nil {
			return out, err
		}
		return intake.Reading{Needs: []string{id}}, nil
	}
	rows, err := people(a.Body)
	if err != nil {
		return out, err
	}
	where := zone(a.Hints[hintZone])
	for _, raw := range rows {
		e, err := readEntity(raw)
		if err != nil {
			return out, vaccination.Errorf(vaccination.Invalid, "this is no person of a DHIS2 tracker")
		}
		fragments, err := e.fragments(a.Hints[hintProgram], where, m)
		if err != nil {
			return out, err
		}
		out.Fragments = append(out.Fragments, fragments...)
	}
	return out, nil
}

// hint is whom a notification of DHIS2's is about. Nothing in it is believed: it
// names somebody who is to be fetched.
func hint(a intake.Arrival) (string, error) {
	values := map[string]any{}
	if json.Unmarshal(a.Body, &values) != nil {
		form, err := url.ParseQuery(string(a.Body))
		if err != nil {
			form = nil
		}
		for name := range form {
			values[name] = form.Get(name)
		}
	}
	for _, name := range []string{"tracked_entity_id", "trackedEntity", "trackedEntityInstance"} {
		if id, ok := values[name].(string); ok && uid.MatchString(id) {
			return id, nil
		}
	}
	return "", vaccination.Errorf(vaccination.Invalid, "send the id of a person as tracked_entity_id: what is posted to a DHIS2 source only says whom to look at")
}

// people cuts a body into people: it is one, or a list in any version's form.
func people(body []byte) ([]json.RawMessage, error) {
	var l list
	if err := json.Unmarshal(body, &l); err != nil {
		return nil, vaccination.Errorf(vaccination.Invalid, "this is no JSON of a DHIS2 tracker")
	}
	if rows := slices.Concat(l.Instances, l.TrackedEntities, l.TrackedEntityInstances); len(rows) > 0 {
		return rows, nil
	}
	return []json.RawMessage{bytes.TrimSpace(body)}, nil
}

func (e *entity) fragments(program string, where *time.Location, m *mapping.Mapping) ([]intake.Fragment, error) {
	version, err := instant(cmp.Or(e.UpdatedAt, e.LastUpdated), where)
	if err != nil {
		return nil, err
	}
	person := intake.Fragment{Kind: intake.PersonFragment, ID: e.id(), Version: version, Deleted: e.Deleted, Fields: mapping.Fields{}}
	for _, a := range e.Attributes {
		person.Fields[a.Attribute] = a.Value
	}
	out := []intake.Fragment{person}
	for _, n := range e.Enrollments {
		if program != "" && n.Program != program {
			continue
		}
		for _, a := range n.Attributes { // those of the programme, in older versions
			if person.Fields[a.Attribute] == "" {
				person.Fields[a.Attribute] = a.Value
			}
		}
		for _, v := range n.Events {
			if slices.Contains(m.Ignore, v.ProgramStage) {
				continue
			}
			if v.Event == "" {
				return nil, vaccination.Errorf(vaccination.Invalid, "a dose of this person has no id")
			}
			f := intake.Fragment{
				Kind: intake.DoseFragment, ID: v.Event, Person: e.id(), Deleted: v.Deleted || n.Deleted || e.Deleted,
				Stage: v.ProgramStage, Status: v.Status, Facility: cmp.Or(v.OrgUnit, n.OrgUnit), Fields: mapping.Fields{},
			}
			if f.Version, err = instant(cmp.Or(v.UpdatedAt, v.LastUpdated), where); err != nil {
				return nil, err
			}
			// Where a person or an enrolment is deleted, its events may not say when.
			if f.Deleted && !v.Deleted && version.After(f.Version) {
				f.Version = version
			}
			for _, d := range v.DataValues {
				f.Fields[d.DataElement] = d.Value
			}
			f.Fields[OccurredAt] = cmp.Or(v.OccurredAt, v.EventDate)
			f.Fields[OrgUnit] = f.Facility
			out = append(out, f)
		}
	}
	return out, nil
}

// instant reads a timestamp of the server.
func instant(text string, where *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := stamp(text)
	if err != nil {
		return time.Time{}, vaccination.Errorf(vaccination.Invalid, "a timestamp of this person cannot be read")
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), where).UTC(), nil
}
