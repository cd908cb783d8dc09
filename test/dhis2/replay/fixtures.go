package replay

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// recorded is one tracked entity as a file has it, under the older or the newer
// names.
type recorded struct {
	TrackedEntity         string
	TrackedEntityInstance string
	TrackedEntityType     string
	OrgUnit               string
	Created, CreatedAt    string
	LastUpdated           string
	UpdatedAt             string
	Deleted               bool
	Attributes            []struct{ Attribute, Value string }
	Enrollments           []struct {
		Enrollment, Program, Status, OrgUnit string
		EnrollmentDate, EnrolledAt           string
		Deleted                              bool
		Events                               []struct {
			Event, Program, ProgramStage, Status, OrgUnit string
			EventDate, OccurredAt, DueDate, ScheduledAt   string
			LastUpdated, UpdatedAt                        string
			Deleted                                       bool
			DataValues                                    []struct{ DataElement, Value string }
		}
	}
}

// load takes over the persons of a folder of fixtures: one recorded from a real
// server under the older names, and three whose rows are real and whose form was
// rebuilt.
func (s *Server) load(dir string) error {
	var one recorded
	if err := read(filepath.Join(dir, "dhis2-covac", "tei-v8rH0S3UZLE-legacy-api.json"), &one); err != nil {
		return err
	}
	var list struct{ TrackedEntities []recorded }
	if err := read(filepath.Join(dir, "dhis2-covac", "hispvn-demo-trackedEntities-reshaped.json"), &list); err != nil {
		return err
	}
	for _, r := range append(list.TrackedEntities, one) {
		s.entities = append(s.entities, s.take(r))
	}
	return nil
}

func read(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("fixtures: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("fixtures: %s: %w", filepath.Base(path), err)
	}
	return nil
}

func (s *Server) take(r recorded) *entity {
	at := func(texts ...string) time.Time {
		t, _ := s.instant(first(texts...))
		return t
	}
	e := &entity{
		id: first(r.TrackedEntity, r.TrackedEntityInstance), kind: r.TrackedEntityType, unit: r.OrgUnit, deleted: r.Deleted,
		created: at(r.Created, r.CreatedAt), updated: at(r.LastUpdated, r.UpdatedAt),
	}
	for _, a := range r.Attributes {
		e.attributes = append(e.attributes, pair{a.Attribute, a.Value})
	}
	for _, n := range r.Enrollments {
		x := &enrollment{id: n.Enrollment, program: n.Program, status: n.Status, unit: n.OrgUnit, deleted: n.Deleted, enrolled: first(n.EnrollmentDate, n.EnrolledAt)}
		for _, v := range n.Events {
			ev := &event{
				id: v.Event, program: v.Program, stage: v.ProgramStage, status: v.Status, unit: v.OrgUnit, deleted: v.Deleted,
				occurred: first(v.EventDate, v.OccurredAt), scheduled: first(v.DueDate, v.ScheduledAt),
				updated: at(v.LastUpdated, v.UpdatedAt), of: e, in: x,
			}
			for _, d := range v.DataValues {
				ev.values = append(ev.values, pair{d.DataElement, d.Value})
			}
			x.events = append(x.events, ev)
		}
		e.enrollments = append(e.enrollments, x)
	}
	return e
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
