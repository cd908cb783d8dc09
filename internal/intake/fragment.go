// Package intake takes what source systems deliver and loses none of it.
//
// A delivery is stored raw and sealed, as an [Arrival], before it is answered.
// A job then reads it into [Fragment]s (a person, a dose), keeps the newest of
// each, joins them, maps them to events with the source's mapping, and issues.
// Every dose that arrived is an item of the ledger and ends in one state:
//
//	waiting    stored, not looked at yet
//	issued     it made, corrected or updated a certificate
//	unchanged  it changed nothing: the same again, an older state, no dose in it
//	held       it waits for a person's decision, with a reason and what would help
//	rejected   a person decided that nothing comes of it
//
// so that, for each source, what came in is the sum of the states. What a source
// says is its newest word: its records correct certificates, and what it deletes
// is flagged for review, never revoked by itself.
package intake

import (
	"time"

	"github.com/opendivoc/divoc/internal/intake/mapping"
)

// What a [Fragment] is about.
type FragmentKind string

// The kinds of fragments.
const (
	PersonFragment FragmentKind = "person"
	DoseFragment   FragmentKind = "dose"
)

// Fragment is one thing a source keeps under an id of its own: a person, or one
// dose. A delivery holds one or several; DHIS2 sends a person with all doses,
// CommCare a person's case and a dose's case each by itself, in any order.
type Fragment struct {
	Kind FragmentKind `json:"kind"`
	// ID is the source's lasting id of the thing: tracked entity or event,
	// case id, logical id of a resource. Where one case holds several doses, the
	// case's id, "#" and the name of the slot.
	ID string `json:"id"`
	// Person is the ID of the person a dose belongs to; empty for a person.
	Person string `json:"person,omitempty"`
	// Version orders states of one thing: when the source's server last changed
	// it. Zero where the source does not say: then the later arrival is newer.
	Version time.Time `json:"version,omitzero"`
	// Deleted says that the source no longer has it, or says that it was
	// entered in error.
	Deleted bool `json:"deleted,omitempty"`
	// Create says that this is news only if the thing is not known yet.
	Create bool `json:"create,omitempty"`
	// Stage is the kind of dose in the source's terms, which the mapping knows:
	// a programme stage, a case type, a slot. Empty for a person.
	Stage string `json:"stage,omitempty"`
	// Status is the source's own ("COMPLETED", "closed"); the mapping says
	// which of them count.
	Status string `json:"status,omitempty"`
	// Facility is the source's id of where it was done; [Facility] gives its
	// name.
	Facility string `json:"facility,omitempty"`
	// Fields are the values by the source's names.
	Fields mapping.Fields `json:"fields,omitempty"`
}

// Facility is a place of vaccination as a source knows it. A certificate keeps
// the name of the time it was issued.
type Facility struct {
	ID   string
	Code string
	Name string
	Path string // of the source's hierarchy, "/country/district/id"; scopes are its beginnings
}

// Channel is the way an arrival came.
type Channel string

// The channels.
const (
	Push   Channel = "push"   // the source sent it
	Poll   Channel = "poll"   // we asked for what changed
	Demand Channel = "demand" // we asked for one person, who asked us
	File   Channel = "file"   // somebody brought a file
)

// Arrival is one delivery, as it came.
type Arrival struct {
	Channel     Channel
	ContentType string // as the sender named it; the reader of the kind decides what it is
	Body        []byte
	Received    time.Time
	// Hints are what came beside the body and matters to read it: selected
	// headers ("received-on", "server-modified-on") and query parameters.
	Hints map[string]string
}

// Reader turns a delivery into fragments. It is a pure function of the arrival
// and the mapping: the same arrival is read again after a mapping was mended.
type Reader interface {
	// Read returns what stands in the arrival. An error is one that a person
	// can act on ([*vaccination.Error], without a value of the person); the
	// arrival is held as unreadable with it. Needs names ids that must be
	// fetched from the source before the arrival means something (a stub).
	Read(a Arrival, m *mapping.Mapping) (Reading, error)
}

// Reading is what a delivery says.
type Reading struct {
	Fragments  []Fragment
	Facilities []Facility
	Needs      []string // ids to fetch: the cases of a form stub, or that a form changed
}
