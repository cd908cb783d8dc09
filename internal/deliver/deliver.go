// Package deliver brings messages to people: SMS and e-mail.
//
// A message is a row of an outbox, written in the transaction of whatever it is
// about ([Service.Queue], [Service.Tell]), so that it is sent if and only if that
// happened, and once ever. Workers hand it to a gateway, at the gateway's rate
// and in order, and write down what became of it:
//
//	queued -> accepted -> unknown -> expired -> failed -> delivered
//
// A state only moves to the right, whatever is heard in whatever order; another
// attempt by hand begins anew. A gateway that fails holds up messages and nothing
// else. docs/messages.md tells operators what follows from this.
package deliver

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/deliver/budget"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
)

// Class is what a message is for, and so how urgent.
type Class string

// The classes.
const (
	Notice Class = "notice" // rests at night, and where somebody wants none
	Code   Class = "code"   // somebody waits for it now
)

// Person is whom a message is about; zero for nobody known.
type Person struct {
	Bucket int16
	ID     int64
}

// Message is a message to be sent.
type Message struct {
	Template string // of the profile's messages
	Class    Class
	Person   Person
	To       string // E.164, or an e-mail address
	Language string // of the profile's; another one or none is its first
	Values   map[string]string
	// Once is what is sent once, ever: the same again with the same Once changes
	// nothing. It may hold anything, as only its keyed hash is kept; it must not be
	// empty.
	Once string
	// Expires is when it is of no use any more; zero for the profile's usual time.
	Expires time.Time
	// After has it wait; zero sends it at once.
	After time.Time
	// Certificate is what it is about, where it is about one (15 bytes).
	Certificate []byte
}

// Options are what a Service needs; all are required except Sleep
// and Transports.
type Options struct {
	Store     *registry.Store
	Box       *seal.Box
	Profile   *profile.Profile
	PublicURL string // where links in messages lead
	Demo      bool   // messages go to a file, and codes can be looked up
	Outbox    string // that file; only in a demonstration
	Now       func() time.Time
	Random    io.Reader
	Log       *slog.Logger
	// Contacts is how a person is reached, and the key of what is sent to them.
	Contacts func(query.Person) ([]string, *seal.PersonKey, error)
	// Sleep waits between two messages; nil is by the clock on the wall.
	Sleep func(context.Context, time.Duration)
	// Transports makes the transport of a gateway's settings; nil is the real one.
	Transports func(Settings) (transport.Transport, error)
}

// Service keeps the outbox. It is safe for concurrent use.
type Service struct {
	Options
	// Budget counts codes. Whoever sends one asks it first, also when the code
	// goes nowhere.
	Budget *budget.Budget

	later func(ctx context.Context, tx pgx.Tx, class Class) error

	mu       sync.Mutex
	open     map[string]gateway // by name, as far as they were opened
	channels map[string]bool    // that have a gateway, as of read
	read     time.Time
	lanes    map[Class]*lane
	counting chan struct{} // wakes who counts campaigns
	stop     chan struct{}
	stopOnce sync.Once
	keeping  sync.WaitGroup
}

// New returns a Service. Until [Service.Start] it queues and sends nothing.
func New(o Options) *Service {
	s := &Service{Options: o, open: map[string]gateway{}, lanes: map[Class]*lane{Notice: {wake: make(chan struct{}, 1)}, Code: {wake: make(chan struct{}, 1)}}, counting: make(chan struct{}, 1), stop: make(chan struct{})}
	if s.Sleep == nil {
		s.Sleep = s.sleep
	}
	if s.Transports == nil {
		s.Transports = s.transport
	}
	s.Budget = budget.New(budget.Options{
		Hash: func(v string) []byte { return o.Box.Index(seal.Content, "send budget "+v) }, Store: o.Store, Now: o.Now, Log: o.Log,
		Alarm: o.Profile.Messaging.CodesAlarm, Stop: o.Profile.Messaging.CodesStop,
	})
	return s
}

// queries is where a lookup goes that belongs to no transaction.
func (s *Service) queries() *query.Queries { return s.Store.Read() }
