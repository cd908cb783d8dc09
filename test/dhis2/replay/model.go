package replay

import "time"

type pair struct{ id, value string }

type entity struct {
	id, kind, unit   string
	created, updated time.Time
	deleted          bool
	protected        bool // another unit owns it in the program
	attributes       []pair
	enrollments      []*enrollment
}

type enrollment struct {
	id, program, status, unit string
	enrolled                  string
	deleted                   bool
	events                    []*event
}

type event struct {
	id, program, stage, status, unit string
	occurred, scheduled              string
	updated                          time.Time
	deleted                          bool
	values                           []pair
	of                               *entity
	in                               *enrollment
}

type unit struct {
	ID, Code, Name, Path string
	Translations         []map[string]string
}

func (u unit) json() map[string]any {
	return map[string]any{"id": u.ID, "code": u.Code, "name": u.Name, "path": u.Path, "translations": u.Translations}
}

// get is the value of an attribute, "" when it has none.
func (e *entity) get(id string) string {
	for _, a := range e.attributes {
		if a.id == id {
			return a.value
		}
	}
	return ""
}

func set(list []pair, id, value string) []pair {
	for i := range list {
		if list[i].id == id {
			list[i].value = value
			return list
		}
	}
	return append(list, pair{id, value})
}

// typeAttributes are those of the tracked entity type: the others come back
// only to whoever names the program.
func typeAttributes() []string {
	return []string{"sB1IHYu2xQT", "ENRjVGxVL6l", "NI0QRzJvQ0k", "oindugucx72", "TfdH5KvFmMy", "aW66s2QSosT", "mAWcalQYYyk", "CklPZdOd6H1"}
}

// names are the words that differ between the older and the newer API.
type names struct{ entity, occurred, scheduled, created, updated, enrolled string }

func (s *Server) names() names {
	if s.minor < 36 {
		return names{"trackedEntityInstance", "eventDate", "dueDate", "created", "lastUpdated", "enrollmentDate"}
	}
	return names{"trackedEntity", "occurredAt", "scheduledAt", "createdAt", "updatedAt", "enrolledAt"}
}

func (s *Server) entityJSON(e *entity, program string, withDeleted bool) map[string]any {
	n := s.names()
	attributes := []any{}
	for _, a := range e.attributes {
		visible := program != ""
		for _, t := range typeAttributes() {
			visible = visible || a.id == t
		}
		if visible {
			attributes = append(attributes, map[string]any{"attribute": a.id, "value": a.value})
		}
	}
	enrollments := []any{}
	for _, x := range e.enrollments {
		if (program != "" && x.program != program) || x.deleted && !withDeleted {
			continue
		}
		events := []any{}
		for _, v := range x.events {
			if !v.deleted || withDeleted {
				events = append(events, s.eventJSON(v))
			}
		}
		enrollments = append(enrollments, map[string]any{
			"enrollment": x.id, n.entity: e.id, "program": x.program, "status": x.status, "orgUnit": x.unit,
			n.enrolled: x.enrolled, "deleted": x.deleted, "events": events,
		})
	}
	return map[string]any{
		n.entity: e.id, "trackedEntityType": e.kind, "orgUnit": e.unit, n.created: s.stamp(e.created), n.updated: s.stamp(e.updated),
		"inactive": false, "deleted": e.deleted, "attributes": attributes, "enrollments": enrollments,
	}
}

func (s *Server) eventJSON(v *event) map[string]any {
	n := s.names()
	values := []any{}
	for _, d := range v.values {
		values = append(values, map[string]any{"dataElement": d.id, "value": d.value})
	}
	m := map[string]any{
		"event": v.id, "program": v.program, "programStage": v.stage, "status": v.status, "orgUnit": v.unit,
		"enrollment": v.in.id, n.entity: v.of.id, n.updated: s.stamp(v.updated), "deleted": v.deleted, "dataValues": values,
	}
	if v.occurred != "" {
		m[n.occurred] = v.occurred
	}
	if v.scheduled != "" {
		m[n.scheduled] = v.scheduled
	}
	return m
}
