package intake

import (
	"maps"
	"time"

	"github.com/opendivoc/divoc/internal/intake/mapping"
)

// newest returns what is known of a thing after next arrived, in whatever order
// its states arrive, and whether that says something else than before. Every
// field has the value it was given last: a whole state gives every field one, or
// takes it away; a partial one those it has. At the same time the later arrival
// counts, and one that does not say when it was is new.
func newest(known *Fragment, next Fragment) (now Fragment, changed bool) {
	if known != nil && next.Version.IsZero() {
		next.Version = known.Version
	}
	switch {
	case known == nil && !next.Partial:
		return next, true
	case known != nil && !next.Partial && known.Times == nil:
		if next.Version.Before(known.Version) {
			return *known, false
		}
		return next, !next.same(*known)
	}
	m := merge{values: map[string]string{}, times: map[string]time.Time{}}
	now = next
	if known != nil {
		m.values, m.times = known.values(), maps.Clone(known.Times)
		if m.times == nil {
			m.times = map[string]time.Time{whole: known.Version}
		}
		if known.Version.After(next.Version) {
			now.Version = known.Version
		}
	}
	m.add(next)
	now.take(m)
	return now, known == nil || !now.same(*known)
}

// Names for what a fragment says beside its fields, and for the time of the
// newest whole state, in Times. No source has a field of these names.
const (
	whole      = "\x00"
	isPerson   = "\x00person"
	isStage    = "\x00stage"
	isStatus   = "\x00status"
	isFacility = "\x00facility"
	isDeleted  = "\x00deleted"
)

// values is everything a fragment says, as fields.
func (f Fragment) values() map[string]string {
	out := map[string]string{}
	maps.Copy(out, f.Fields)
	for name, value := range map[string]string{isPerson: f.Person, isStage: f.Stage, isStatus: f.Status, isFacility: f.Facility} {
		if value != "" {
			out[name] = value
		}
	}
	if f.Deleted {
		out[isDeleted] = "true"
	}
	return out
}

// take sets what f says from a merge.
func (f *Fragment) take(m merge) {
	f.Person, f.Stage, f.Status, f.Facility = m.values[isPerson], m.values[isStage], m.values[isStatus], m.values[isFacility]
	f.Deleted = m.values[isDeleted] != ""
	f.Times = m.times
	_, f.Partial = m.times[whole]
	f.Partial = !f.Partial
	f.Fields = mapping.Fields{}
	for name, value := range m.values {
		if name[0] != whole[0] {
			f.Fields[name] = value
		}
	}
}

// merge is a thing that is put together: each value with the time it was given.
// What has no time of its own is as old as the newest whole state.
type merge struct {
	values map[string]string
	times  map[string]time.Time
}

func (m merge) when(name string) time.Time {
	if t, ok := m.times[name]; ok {
		return t
	}
	return m.times[whole]
}

func (m merge) add(next Fragment) {
	at, said := next.Version, next.values()
	if !next.Partial {
		if _, had := m.times[whole]; had && at.Before(m.times[whole]) {
			return
		}
		for name := range m.values {
			if !m.when(name).After(at) {
				delete(m.values, name)
			}
		}
		for name, t := range m.times {
			if !t.After(at) {
				delete(m.times, name)
			}
		}
	} else if _, gone := said[isDeleted]; !gone {
		said[isDeleted] = "" // who changes a thing says that it is there
	}
	for name, value := range said {
		if m.when(name).After(at) {
			continue
		}
		if m.values[name] = value; value == "" {
			delete(m.values, name)
		}
		if next.Partial {
			m.times[name] = at
		}
	}
	if !next.Partial {
		m.times[whole] = at
	}
}

// same reports whether two states say the same, whenever they were.
func (f Fragment) same(g Fragment) bool {
	return f.Kind == g.Kind && f.ID == g.ID && maps.Equal(f.values(), g.values())
}
