// Package ondemand gives a person their certificates when they ask, from the
// source that holds their record.
//
// Somebody types a number ([Service.Start]); the record is looked for in the
// sources; a code goes to the telephone number that the source holds, never to
// one that was typed; who gives the code back, and one thing more that the
// record knows ([Service.Prove]), gets the certificates, issued at once.
//
// Each answer is one of its own, as what to do next differs: nobody was found,
// several were, the record has no number, the source cannot be asked.
package ondemand

import (
	"context"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Intake is what this package needs of [intake.Service].
type Intake interface {
	OfKind(ctx context.Context, kind intake.SourceKind) ([]intake.Source, error)
	Deliver(ctx context.Context, source string, d intake.Delivery) ([]string, error)
	Settle(ctx context.Context, source, reference string) ([]intake.Item, error)
}

// Finder looks for people in a source.
type Finder interface {
	// Find returns the people who have one of these forms of a number, whole, as
	// one arrival each. kind is one of the profile's kinds of identity documents
	// or [SystemID]. A source that cannot be asked just now is
	// [vaccination.Unavailable].
	Find(ctx context.Context, source intake.Source, kind string, forms []string) ([]intake.Arrival, error)
}

// Sender sends a code to a telephone number.
type Sender interface {
	// SendCode sends code to a number in E.164, in a text of a language. It
	// returns when somebody took it over, in at most some seconds.
	SendCode(ctx context.Context, number, language, code string) error
}

// SystemID is the kind of a number that is the source's own of a person.
const SystemID = "system-id"

// Options are what a Service needs; all are required except Sender, Carries
// and Ready.
type Options struct {
	Store    *registry.Store
	Box      *seal.Box
	Issuance *issuance.Service
	Intake   Intake
	Kind     intake.SourceKind // of the sources that are asked
	Finder   Finder
	Reader   intake.Reader // of that kind
	// Sender sends codes. Without one a demonstration shows the code, and
	// nothing else is done on demand.
	Sender Sender
	Demo   bool
	// Carries reports whether somebody carries what Sender sends. Nil means that
	// somebody does.
	Carries func(context.Context) (bool, error)
	// Ready queues a message, in the transaction of q, that a request that waited is
	// ready; ticket names it. Nil tells nobody.
	Ready  func(ctx context.Context, q *query.Queries, number, language, ticket string) error
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Service gives certificates on demand. It is safe for concurrent use.
type Service struct{ Options }

// New returns a Service.
func New(o Options) *Service { return &Service{Options: o} }

// Open reports whether anything can be asked: codes can be sent, or it is a
// demonstration.
func (s *Service) Open() bool { return s != nil && (s.Sender != nil || s.Demo) }

// CanSend reports whether codes can be sent just now. Somebody who cannot be sent
// one is told so before they type anything.
func (s *Service) CanSend(ctx context.Context) (bool, error) {
	if !s.Open() || s.Demo || s.Carries == nil {
		return s.Open(), nil
	}
	return s.Carries(ctx)
}

// The bounds of codes and tries. They count per record, whoever asks from
// wherever, so that nobody gets more by asking anew. A stranger who types
// somebody's number must not keep them out for long: what comes too often is
// answered by a pause that grows, never by a lock, and one right code clears the
// counts. A code that is out keeps its tries meanwhile. In the long run a record
// has 30 tries and 12 codes a day; a code has a million values.
const (
	codeLife   = 5 * time.Minute
	codeTries  = 5
	triesFree  = 10 // tries that fail before there is a pause
	triesPause = 4 * time.Hour
	sendFree   = 3 // codes before there is a pause
	sendPause  = 2 * time.Hour
	firstPause = 15 * time.Minute // it doubles with every five more, up to the longest
	quiet      = 24 * time.Hour   // after which counts begin anew
	provenLife = 15 * time.Minute // how long certificates may be fetched with a proven challenge
	findTime   = 10 * time.Second
)

// pause is how long after the last of n acts the next may follow.
func pause(n, free int32, longest time.Duration) time.Duration {
	if n < free {
		return 0
	}
	return min(longest, firstPause<<min((n-free)/5, 10))
}

// Outcome says what came of a question.
type Outcome string

// The outcomes of [Service.Start].
const (
	CodeSent    Outcome = "code-sent"
	NobodyFound Outcome = "not-found"   // no source has the number
	Ambiguous   Outcome = "ambiguous"   // several records have it; a person looks at them
	NoNumber    Outcome = "no-number"   // the record has no number to send a code to
	Incomplete  Outcome = "incomplete"  // the record lacks what a certificate needs; a person looks at it
	NoFactor    Outcome = "no-factor"   // the record knows nothing that could be asked beside the code
	Unreachable Outcome = "unreachable" // the source cannot be asked, and we have no copy
)

// Answer is what somebody who asked is told. Nothing in it is the record's but
// the end of the telephone number.
type Answer struct {
	Outcome   Outcome   `json:"outcome" enum:"code-sent,not-found,ambiguous,no-number,no-factor,incomplete,unreachable"`
	Challenge string    `json:"challenge,omitempty" doc:"to be given back with the code; keep it to yourself"`
	Phone     string    `json:"phone,omitempty" doc:"the last digits of the number the code went to"`
	Factor    string    `json:"factor,omitempty" enum:"birth-date,dose-date,lot,none" doc:"what to give beside the code"`
	Expires   time.Time `json:"expires,omitzero"`
	// CopyOf says that the source cannot be asked and how old what we have is.
	CopyOf    time.Time `json:"copyOf,omitzero" doc:"the source cannot be reached: what is shown is our copy of this time"`
	Reference string    `json:"reference,omitempty" doc:"of what a person looks at; say it when you ask about it"`
	// Specimen is the code itself, in a demonstration.
	Specimen string `json:"specimenCode,omitempty" doc:"in a demonstration, the code that would have been sent"`
}

// Ask is a question for certificates.
type Ask struct {
	Kind     string // of the number: a kind of the profile, or SystemID
	Number   string // as typed
	Language string // of the message
}

// caller is who does what is done on demand, in the audit.
func caller() access.Caller { return access.System("on-demand") }

// errEnded says that a challenge is not there any more. Every reason is told
// alike.
func errEnded() error {
	return vaccination.Errorf(vaccination.NotFound, "this code has ended: it counts for five minutes, five tries and one use; ask for a new one")
}

func errClosed() error {
	return vaccination.Errorf(vaccination.Unavailable, "certificates on demand are not switched on here: no way to send codes is set up")
}

func errTried(wait time.Duration) error {
	return vaccination.Errorf(vaccination.TooMany, "too many codes were asked for or tried for this record: try again in %d minutes, or go to the place where you were vaccinated", int(math.Ceil(wait.Minutes())))
}
