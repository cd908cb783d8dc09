package intake

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/opendivoc/divoc/internal/intake/mapping"
)

// SourceKind is how a source delivers.
type SourceKind string

// The kinds of sources.
const (
	API      SourceKind = "api" // posts events that need no mapping; it has no reader
	DHIS2    SourceKind = "dhis2"
	CommCare SourceKind = "commcare"
	FHIR     SourceKind = "fhir"
	FileKind SourceKind = "file" // files with a mapping of their columns
)

// State says whether a source's records are taken.
type State string

// The states of a source. What it sends is stored in each of them.
const (
	Active State = "active"
	// Paused: nothing is asked of the source and what it sent waits, until a
	// person resumes it.
	Paused State = "paused"
	// Stopped: the source refused us (its credentials); nothing is asked of it
	// until a person mends it. What was received is processed.
	Stopped State = "stopped"
)

// Source is a source with everything that its kind needs to work with it.
// Config holds credentials: it is never logged and never shown.
type Source struct {
	Name      string
	Kind      SourceKind
	Programme string
	State     State
	Problem   string          // why it is paused or stopped, or what failed last
	Config    json.RawMessage // of the kind: its URL, its credentials
	Mapping   *mapping.Mapping
	// Cursor is how far a poll has come, in the kind's own words; "" at first.
	Cursor      string
	HourlyLimit int      // certificates an hour; 0 is no limit
	Scope       []string // beginnings of facility paths or ids; none takes every facility
}

// Kind is what package intake must know of a kind of source. cmd hands them in.
type Kind struct {
	Reader  Reader  // reads what was delivered; required but for Files
	Fetcher Fetcher // nil where the source cannot be asked
	Tester  Tester  // nil where there is nothing to test
	// Mapping is the text of the mapping of a source that has none of its own;
	// "" where each must have one.
	Mapping string
	// CheckConfig refuses settings of a source that cannot work
	// ([vaccination.Invalid] with the settings' names, never their values). Nil
	// takes none but "" or "{}".
	CheckConfig func(config json.RawMessage) error
	// CheckMapping refuses a mapping that the kind cannot read with
	// ([vaccination.Invalid]). Nil takes every one.
	CheckMapping func(m *mapping.Mapping) error
	// Files says that uploads settle what comes: nothing is held, so the source
	// has neither an hourly limit nor a scope.
	Files bool
}

// Fetcher asks a source for things by id: the person of a dose, the cases of a
// stub. It is called by a job, beside nothing else of the source.
type Fetcher interface {
	// Fetch returns what the source holds under these ids of kind, as one or
	// several deliveries. Ids it does not have are left out. It returns within
	// the time that ctx gives. A source whose settings do not say how to ask it
	// is [ErrNotAsked].
	Fetch(ctx context.Context, source Source, kind FragmentKind, ids []string) ([]Arrival, error)
}

// ErrNotAsked says that a source only sends: what it does not send waits.
var ErrNotAsked = errors.New("intake: this source cannot be asked")

// Tester asks a source whether it answers.
type Tester interface {
	// Test signs in and returns what the source says of itself, which a mapping
	// is checked against; empty [mapping.Metadata] where it cannot tell. The
	// error says what to do ([*vaccination.Error]).
	Test(ctx context.Context, source Source) (mapping.Metadata, error)
}

// SourceInfo is what may be shown of a source.
type SourceInfo struct {
	Name           string     `json:"name"`
	Kind           SourceKind `json:"kind" enum:"api,dhis2,commcare,fhir,file"`
	Programme      string     `json:"programme,omitempty"`
	State          State      `json:"state" enum:"active,paused,stopped"`
	Problem        string     `json:"problem,omitempty" doc:"why it is paused or stopped, or what failed last"`
	MappingVersion int        `json:"mappingVersion"`
	HourlyLimit    int        `json:"hourlyLimit" doc:"certificates an hour; 0 is no limit"`
	Scope          []string   `json:"scope,omitempty" doc:"facilities whose records count: beginnings of paths"`
	Created        time.Time  `json:"created"`
	LastContact    time.Time  `json:"lastContact,omitzero" doc:"when it was last asked or last sent something"`
	LastOK         time.Time  `json:"lastOK,omitzero" doc:"when that last succeeded"`
	LagSeconds     int64      `json:"lagSeconds" doc:"how far what was read is behind the source"`
	Breaker        bool       `json:"breaker,omitempty" doc:"paused because it deleted too much at once"`
	Counts         Counts     `json:"counts"`
	Hour           int        `json:"hour" doc:"certificates in the current hour"`
}

// Counts is the ledger of a source: what came in is the sum of the states.
type Counts struct {
	In        int64 `json:"in"`
	Waiting   int64 `json:"waiting"`
	Issued    int64 `json:"issued"`
	Unchanged int64 `json:"unchanged"`
	Held      int64 `json:"held"`
	Rejected  int64 `json:"rejected"`
}

// NewSource says what source to create.
type NewSource struct {
	Name        string          `json:"name"`
	Kind        SourceKind      `json:"kind"`
	Programme   string          `json:"programme,omitempty"`
	Config      json.RawMessage `json:"config,omitempty"`
	Mapping     string          `json:"mapping,omitempty"` // YAML
	HourlyLimit int             `json:"hourlyLimit,omitempty"`
	Scope       []string        `json:"scope,omitempty"`
}
