package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// SetFaults switches faults on and, with the zero value, off.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// SetToken replaces the token: the old one is no longer known.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Token = token
}

// Requests counts the requests that came, by "METHOD /path".
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for k, n := range s.requests {
		out[k] = n
	}
	return out
}

// People lists the people that are not deleted, in the order of their making.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Person
	for _, e := range s.entities {
		if e.deleted {
			continue
		}
		p := Person{ID: e.id, NationalID: e.get(NationalID), SystemID: e.get(SystemID), Phone: e.get(Phone), BirthDate: e.get(BirthDate),
			Name: strings.TrimSpace(e.get(GivenName) + " " + e.get(FamilyName))}
		for _, x := range e.enrollments {
			for _, v := range x.events {
				if v.stage == VaccinationStage && !v.deleted {
					p.Events = append(p.Events, v.id)
				}
			}
		}
		out = append(out, p)
	}
	return out
}

// Add registers a person with one dose and returns their id.
func (s *Server) Add(name, birthDate, nationalID, phone string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	given, family, _ := strings.Cut(name, " ")
	return s.add(50000+s.made, somebody{given, family, "Female", birthDate, nationalID, phone, 1, []string{"2021-09-01"}, "sinopharm", "sinopharm", false}).id
}

// Vaccinate adds a dose to a person and returns the event's id.
func (s *Server) Vaccinate(person string, dose int, day string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(person)
	x := e.enrollments[0]
	v := &event{id: s.uid("v"), program: Program, stage: VaccinationStage, status: "COMPLETED", unit: e.unit, occurred: day + "T00:00:00.000",
		updated: s.tick(), of: e, in: x,
		values: []pair{{DoseNumber, fmt.Sprintf("DOSE%d", dose)}, {TotalDoses, "2"}, {Vaccine, "sinopharm"}, {Maker, "sinopharm"}, {Batch, "DEMO-9" + v3(s.made)}}}
	x.events = append(x.events, v)
	s.bump(e, v.updated)
	return v.id
}

func v3(n int) string { return fmt.Sprintf("%03d", n%1000) }

// SetAttribute changes one attribute of a person; "" takes it away.
func (s *Server) SetAttribute(person, attribute, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(person)
	e.attributes = set(e.attributes, attribute, value)
	e.attributes = slices.DeleteFunc(e.attributes, func(p pair) bool { return p.value == "" })
	e.updated = s.tick()
}

// SetValue changes one data value of an event.
func (s *Server) SetValue(id, element, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.findEvent(id)
	v.values = set(v.values, element, value)
	v.updated = s.tick()
	s.bump(v.of, v.updated)
}

// SetStatus changes the status of an event.
func (s *Server) SetStatus(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.findEvent(id)
	v.status, v.updated = status, s.tick()
	s.bump(v.of, v.updated)
}

// Delete deletes an event or a person, softly, as DHIS2 does.
func (s *Server) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.tick()
	for _, e := range s.entities {
		for _, x := range e.enrollments {
			for _, v := range x.events {
				if v.id == id || e.id == id {
					v.deleted, v.updated = true, at
					s.bump(e, at)
				}
			}
		}
		if e.id == id {
			e.deleted, e.updated = true, at
		}
	}
}

// Purge takes a person away with everything, so that nothing says they were there,
// as maintenance and a restored database do.
func (s *Server) Purge(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entities = slices.DeleteFunc(s.entities, func(e *entity) bool { return e.id == person })
}

// Touch moves a person's updatedAt and changes nothing, as maintenance does.
func (s *Server) Touch(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(person).updated = s.tick()
}

// Protect gives a person's ownership to a unit that the user may not see.
func (s *Server) Protect(person string, protected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(person).protected = protected
}

// Rename changes an organisation unit's name.
func (s *Server) Rename(unit, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.units {
		if s.units[i].ID == unit {
			s.units[i].Name = name
		}
	}
}

// Written are the events of the certificate stage: id → data values.
func (s *Server) Written() map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]map[string]string{}
	for _, e := range s.entities {
		for _, x := range e.enrollments {
			for _, v := range x.events {
				if v.stage == CertificateStage {
					out[v.id] = map[string]string{}
					for _, d := range v.values {
						out[v.id][d.id] = d.value
					}
				}
			}
		}
	}
	return out
}

func (s *Server) bump(e *entity, at time.Time) {
	if !s.faults.NoBump {
		e.updated = at
	}
}

func (s *Server) find(id string) *entity {
	i := slices.IndexFunc(s.entities, func(e *entity) bool { return e.id == id })
	return s.entities[i]
}

func (s *Server) findEvent(id string) *event {
	for _, e := range s.entities {
		for _, x := range e.enrollments {
			for _, v := range x.events {
				if v.id == id {
					return v
				}
			}
		}
	}
	return nil
}

// importTracker takes events with async=false and importStrategy
// CREATE_AND_UPDATE: all of them or, with a report, none.
func (s *Server) importTracker(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Events []struct {
			Event, Program, ProgramStage, Enrollment, TrackedEntity, OrgUnit, Status, OccurredAt string
			DataValues                                                                           []struct{ DataElement, Value string }
		}
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 8<<20)).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "", "the payload is no JSON")
		return
	}
	var faults []any
	created, updated := 0, 0
	for _, b := range body.Events {
		i := slices.IndexFunc(s.entities, func(e *entity) bool { return e.id == b.TrackedEntity })
		x := -1
		if i >= 0 {
			x = slices.IndexFunc(s.entities[i].enrollments, func(n *enrollment) bool { return n.id == b.Enrollment })
		}
		if x < 0 || b.Program != Program || len(b.Event) != 11 {
			faults = append(faults, map[string]any{"message": "Could not find enrollment of the event", "errorCode": "E1081", "trackerType": "EVENT", "uid": b.Event})
			continue
		}
		e, at := s.entities[i], s.tick()
		v := s.findEvent(b.Event)
		if v == nil {
			v = &event{id: b.Event, of: e, in: e.enrollments[x]}
			e.enrollments[x].events = append(e.enrollments[x].events, v)
			created++
		} else {
			updated++
		}
		v.program, v.stage, v.status, v.unit, v.occurred, v.updated = b.Program, b.ProgramStage, b.Status, b.OrgUnit, b.OccurredAt, at
		v.values = nil
		for _, d := range b.DataValues {
			v.values = append(v.values, pair{d.DataElement, d.Value})
		}
		s.bump(e, at)
	}
	status, word := http.StatusOK, "OK"
	if len(faults) > 0 {
		status, word = http.StatusConflict, "ERROR"
	}
	if faults == nil {
		faults = []any{}
	}
	answer(w, status, map[string]any{"status": word, "validationReport": map[string]any{"errorReports": faults},
		"stats": map[string]any{"created": created, "updated": updated, "deleted": 0, "ignored": len(faults), "total": len(body.Events)}})
}

// control switches faults by hand and lists the people: /_replay/faults (GET,
// PUT) and /_replay/people.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_replay/people":
		answer(w, http.StatusOK, s.People())
	case "PUT /_replay/faults":
		var f Faults
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&f); err != nil {
			refuse(w, http.StatusBadRequest, "", "faults are JSON: "+err.Error())
			return
		}
		s.SetFaults(f)
		answer(w, http.StatusOK, f)
	case "GET /_replay/faults":
		s.mu.Lock()
		f := s.faults
		s.mu.Unlock()
		answer(w, http.StatusOK, f)
	default:
		refuse(w, http.StatusNotFound, "", "there are /_replay/people and /_replay/faults")
	}
}
