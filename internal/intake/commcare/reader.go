// Package commcare takes what CommCare HQ forwards and asks it for what
// forwarding lost. Bodies and status codes follow CommCare HQ's documentation of
// form and case forwarding and of the case API, version 2.
package commcare

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// Headers and parameters of a forwarder that matter to read a body; the door
// hands them on as hints of the arrival.
const (
	HintServerModified = "server-modified-on" // header of a forwarded case
	HintReceivedOn     = "received-on"        // header of a forwarded form
)

// Hints lists the names of headers to keep with a body.
func Hints() []string { return []string{HintServerModified, HintReceivedOn} }

// Reader reads forwarded cases (JSON, XML), forms (JSON, XML), form stubs and
// answers of the case API.
type Reader struct{}

// change is what one body says of one case. A partial one is what a form changed:
// it does not say what the rest of the case is, nor of which type, so that the
// case itself must be asked for.
type change struct {
	id       string
	caseType string
	at       time.Time // when the server took it; the phone's time where that is all
	closed   bool
	fields   mapping.Fields
	parents  []parent
	partial  bool
	deleted  bool
}

// parent is one index of a case.
type parent struct{ name, id, caseType string }

// Read returns the people and doses of a body. What is neither by the mapping
// (person.types and stages are case types) is left out.
func (Reader) Read(a intake.Arrival, m *mapping.Mapping) (intake.Reading, error) {
	body := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\ufeff")))
	if len(body) == 0 {
		return intake.Reading{}, vaccination.Errorf(vaccination.Invalid, "the body is empty")
	}
	var (
		changes []change
		needs   []string
		err     error
	)
	if body[0] == '<' {
		changes, err = readXML(body)
	} else {
		changes, needs, err = readJSON(body)
	}
	if err != nil {
		return intake.Reading{}, err
	}
	reading := intake.Reading{Needs: needs}
	for _, c := range changes {
		if c.partial {
			reading.Needs = append(reading.Needs, c.id)
			continue
		}
		if t := serverTime(a.Hints); c.at.IsZero() || !t.IsZero() && body[0] == '<' {
			c.at = t // XML has the phone's clock alone
		}
		reading.Fragments = append(reading.Fragments, fragments(c, m)...)
	}
	return reading, nil
}

// serverTime is when the server changed or received what is forwarded.
func serverTime(hints map[string]string) time.Time {
	for _, name := range []string{HintServerModified, HintReceivedOn} {
		if t := parseTime(hints[name]); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// parseTime reads a time of CommCare's; one without a zone is UTC. Zero for what
// is none.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// fragments are the person or the doses that a case is by the mapping.
func fragments(c change, m *mapping.Mapping) []intake.Fragment {
	f := intake.Fragment{ID: c.id, Version: c.at, Fields: c.fields, Status: "open", Deleted: c.deleted}
	if c.closed {
		f.Status = "closed"
	}
	_, stage := m.Stages[c.caseType]
	switch {
	case stage:
		f.Kind, f.Stage = intake.DoseFragment, c.caseType
		f.Person = person(c.parents, m)
		return []intake.Fragment{f}
	case slices.Contains(m.Ignore, c.caseType), len(m.Person.Types) > 0 && !slices.Contains(m.Person.Types, c.caseType):
		return nil
	}
	f.Kind = intake.PersonFragment
	doses := slots(&f, c, m)
	return append([]intake.Fragment{f}, doses...)
}

// slots takes the doses that are kept in a person's case out of it.
func slots(person *intake.Fragment, c change, m *mapping.Mapping) []intake.Fragment {
	rest, doses := m.Split(c.fields)
	person.Fields = rest
	var out []intake.Fragment
	for _, d := range doses {
		out = append(out, intake.Fragment{
			Kind: intake.DoseFragment, ID: c.id + "#" + d.Slot.Prefix, Person: c.id, Version: c.at, Stage: d.Slot.Prefix,
			Status: person.Status, Deleted: d.Fields == nil, Fields: d.Fields,
		})
	}
	return out
}

// person is the case that a dose belongs to: the index of a person's type, else
// the one named parent, else the only one.
func person(parents []parent, m *mapping.Mapping) string {
	of := func(p parent) int {
		switch {
		case slices.Contains(m.Person.Types, p.caseType):
			return 0
		case p.name == "parent":
			return 1
		}
		return 2
	}
	if len(parents) == 0 {
		return ""
	}
	return slices.MinFunc(parents, func(a, b parent) int {
		return cmp.Or(cmp.Compare(of(a), of(b)), strings.Compare(a.name, b.name))
	}).id
}
