package intake

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// stored is one fragment as the database has it, and as a batch changes it.
type stored struct {
	row   query.Fragment
	state sealedState
	fresh bool // not in the database yet
	dirty bool // to be written
	place int  // among the states that a batch took over
}

// sealedState is what is sealed in a fragment's row.
type sealedState struct {
	Fragment Fragment `json:"fragment"`
	// Place is the name of the facility PlaceOf when the dose was certified: it
	// is kept for as long as the facility is the same.
	Place   string `json:"place,omitempty"`
	PlaceOf string `json:"placeOf,omitempty"`
	// Told is the time by which issuance orders what it was told of this dose;
	// it only grows.
	Told time.Time `json:"told,omitzero"`
	// As is the enrolment code of whom this person is one with, as somebody
	// decided; AsWhy is the reason.
	As    string `json:"as,omitempty"`
	AsWhy string `json:"asWhy,omitempty"`
	// Distinct says that somebody decided that this person is nobody else.
	Distinct bool `json:"distinct,omitempty"`
	// Edits are what people corrected, by the event's field.
	Edits map[string]edit `json:"edits,omitempty"`
}

// key names a thing of a source.
func (s *Service) key(source string, kind FragmentKind, id string) []byte {
	return s.index("fragment", source, string(kind), id)
}

// Hash is a keyed hash of what a fragment says, without when it said so: two
// states with one hash are the same.
func (s *Service) Hash(f Fragment) string { return string(s.hash(f)) }

func (s *Service) hash(f Fragment) []byte {
	f.Version = time.Time{}
	f.Fields = maps.Clone(f.Fields)
	maps.DeleteFunc(f.Fields, func(_, v string) bool { return v == "" }) // missing and empty mean the same
	if len(f.Fields) == 0 {
		f.Fields = nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic("intake: a fragment cannot be written as JSON: " + err.Error())
	}
	return s.index("content", string(b))
}

// open reads a row of the database.
func (s *Service) open(row query.Fragment) (*stored, error) {
	b, err := s.Box.Unseal(row.Sealed, fragmentAAD(row.Key))
	if err != nil {
		return nil, fmt.Errorf("opening a fragment of %s: %w", row.Source, err)
	}
	f := &stored{row: row}
	if err := json.Unmarshal(b, &f.state); err != nil {
		return nil, fmt.Errorf("reading a fragment of %s: %w", row.Source, err)
	}
	return f, nil
}

// seal makes the row of f say what its state says.
func (s *Service) seal(f *stored) error {
	b, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	f.row.Sealed, err = s.Box.Seal(b, fragmentAAD(f.row.Key))
	return err
}

// newer reports whether a state of f that came with an arrival is newer than
// what is stored. The order is the source's; where it gives none, ours of
// receiving.
func (f *stored) newer(version time.Time, arrival int64) bool {
	if f.fresh {
		return true
	}
	if c := version.Compare(f.row.Version); c != 0 {
		return c > 0
	}
	return arrival >= f.row.Arrival
}

// put takes a newer state over.
func (f *stored) put(n Fragment, version time.Time, arrival int64, hash, person []byte) {
	r := &f.row
	f.state.Fragment, f.dirty = n, true
	r.Version, r.Arrival, r.Hash, r.Person = version, arrival, hash, person
	r.Deleted, r.Settled, r.Facility = n.Deleted, false, n.Facility
}

// putFragments writes what a batch changed.
func putParams(source string, list []*stored) query.PutFragmentsParams {
	p := query.PutFragmentsParams{Source: source}
	for _, f := range list {
		r := f.row
		p.Buckets, p.Keys, p.Kinds, p.Persons = append(p.Buckets, r.Bucket), append(p.Keys, r.Key), append(p.Kinds, r.Kind), append(p.Persons, r.Person)
		p.Versions, p.Arrivals, p.Hashes, p.Deleteds = append(p.Versions, r.Version), append(p.Arrivals, r.Arrival), append(p.Hashes, r.Hash), append(p.Deleteds, r.Deleted)
		p.Settleds, p.Facilities, p.Records = append(p.Settleds, r.Settled), append(p.Facilities, r.Facility), append(p.Records, r.Record)
		p.Contents, p.Certificates, p.Sealeds = append(p.Contents, r.Content), append(p.Certificates, r.Certificate), append(p.Sealeds, r.Sealed)
	}
	return p
}
