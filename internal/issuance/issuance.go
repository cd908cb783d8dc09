// Package issuance turns events into certificates and keeps them right. It
// reads as a numbered procedure:
//
//  1. [Service.Prepare] resolves an event against profile and catalogue, checks
//     it, finds the person and earlier versions, and decides what is to happen.
//     The answer is a [Draft], which nothing else can make.
//  2. [Service.Sign] takes only drafts, reserves a status position and signs
//     the document and the code.
//  3. [Service.Commit] writes person, certificate, superseded version and audit
//     entry in one transaction. What it acknowledged is durable.
//
// [Service.Issue] runs the three for many events at once, all or none.
//
// A record is known by programme, enrolment code and dose number, across
// sources; unique constraints in the database make it so. See [Action] for the
// rules of sameness, [Service.Settle] for sources that know best, and
// [Service.Suspend] for suspensions that end by themselves.
package issuance

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs; all are required except Rules, Traces, Later, Tell
// and Trusted.
type Options struct {
	Store     *registry.Store
	Box       *seal.Box
	Keys      *keyring.Ring
	Profile   *profile.Profile
	PublicURL string // permanent, without a slash at the end
	// VerifierHash returns the hash of the verifier for browsers that this program
	// serves, for trust bundles; nil for none. It is asked for each bundle.
	VerifierHash func() []byte
	// Rules is the file of acceptance rules that is published, for trust bundles to
	// name; nil for none.
	Rules []byte
	// Trusted, where set, returns whose keys count beside ours and what they withdrew,
	// for trust bundles. They may change between calls; see [Service.Refresh].
	Trusted  func(context.Context) (*trust.Bundle, error)
	Specimen bool // a demonstration: everything issued says so
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
	Traces   *tracing.Tracing // of the jobs; nil makes none
	// Later puts the publishing of a status list into the transaction that made
	// it necessary. Nil publishes when the list is asked for next, by whichever
	// process.
	Later func(ctx context.Context, tx pgx.Tx, list int32) error
	// Tell puts messages to the people concerned into the transaction. Nil tells
	// nobody.
	Tell Tell
}

// Service issues, corrects, revokes and finds certificates. It is safe for
// concurrent use.
type Service struct {
	Options
	issuer    vaccination.Issuer
	positions positions
	together  together
	bundles   bundleCache
	published exportCache
	free      atomic.Int64 // connections there had been when there was no hold, see notHeld
}

// New returns a Service. It reads nothing yet.
func New(o Options) *Service {
	s := &Service{Options: o}
	signer := o.Keys.Issuer()
	s.issuer = vaccination.Issuer{ID: signer.ID, Name: signer.Name, Country: o.Profile.Country.Alpha3}
	s.positions.reserve = s.reservePositions
	return s
}

// Issuer is who signs, as certificates name it.
func (s *Service) Issuer() vaccination.Issuer { return s.issuer }

// Action is what a caller asks for an event.
type Action int

// The actions and their rules of sameness. "The same" compares the whole event
// with every version of its record.
const (
	// Certify issues a certificate for a new record. The same again answers
	// with the current version, also after a correction. Other content is a
	// [vaccination.Conflict] naming the fields, or, from an authoritative source
	// about its own record, a correction: see [Service.Settle] for the order of
	// its states. After a revocation the same content is [vaccination.Revoked],
	// other content a new certificate.
	Certify Action = iota
	// Correct issues a new version and supersedes the current one. The current
	// content again changes nothing. Where only how to reach the person
	// differs, that is updated and the certificate stands. No record is
	// [vaccination.NotFound].
	Correct
	// Reissue issues again what was revoked, with the content of the event.
	Reissue
)

// Outcome says what became of an event.
type Outcome string

// The outcomes.
const (
	Issued    Outcome = "issued"    // a new certificate
	Corrected Outcome = "corrected" // a new version; the old one is superseded
	Updated   Outcome = "updated"   // contacts changed, the certificate stands
	Unchanged Outcome = "unchanged" // the same as before
)

// Result is what became of one event.
type Result struct {
	Outcome   Outcome
	ID        vaccination.CertificateID
	HCID      string
	Programme string
	Dose      int
	Version   int
	Status    vaccination.Status
	Replaces  vaccination.CertificateID // zero when there is none
}

// ItemError says which of several events an error is about.
type ItemError struct {
	Item int // counted from 0
	Err  error
}

// Error names the item and what is wrong with it.
func (e *ItemError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the item.
func (e *ItemError) Unwrap() error { return e.Err }

// attempts bounds how often a lost race is run again. Each try reads what the
// winner wrote, so a second one nearly always decides; only many callers at one
// record need more.
const attempts = 10

// retry runs f until it has lost no race. Losers wait a little, each for another
// time, so that they do not meet again. Who lost every time hears
// [vaccination.Unavailable]: nothing was written.
func (s *Service) retry(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil || !registry.IsRace(err) {
			return err
		}
		if try == attempts-1 {
			return vaccination.Errorf(vaccination.Unavailable, "others are changing the same record at this moment: send the same request again")
		}
		var b [1]byte
		if _, err := io.ReadFull(s.Random, b[:]); err != nil {
			return err
		}
		wait := time.Duration(b[0]) * 20 * time.Microsecond << min(try, 5) // 5 to 160 ms at most
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Issue prepares, signs and commits events, all or none. The error is an
// [*ItemError] where one event is to blame; then nothing was written.
func (s *Service) Issue(ctx context.Context, by access.Caller, action Action, events []vaccination.Event) (results []Result, err error) {
	if len(events) == 1 {
		return s.issueOne(ctx, by, action, events[0])
	}
	err = s.retry(ctx, func() error {
		results, err = s.issueOnce(ctx, by, action, events)
		return err
	})
	return results, err
}

func (s *Service) issueOnce(ctx context.Context, by access.Caller, action Action, events []vaccination.Event) ([]Result, error) {
	drafts, err := s.Prepare(ctx, by, action, events)
	if err != nil {
		return nil, err
	}
	signed, err := s.Sign(ctx, drafts)
	if err != nil {
		return nil, err
	}
	return s.Commit(ctx, by, signed)
}

// positionBlock is how many status positions are reserved at once for a bucket
// group. What is not used when the program ends stays unused for ever.
const positionBlock = 64

// positions hands out status positions from blocks reserved durably before use,
// so that none is ever used twice, whatever fails between.
type positions struct {
	mu      sync.Mutex
	free    [16]struct{ next, end int64 }
	reserve func(ctx context.Context, group int16, n int64) (end int64, err error)
}

// take returns the next unused position of a group.
func (p *positions) take(ctx context.Context, group int16) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.free[group]
	if b.next == b.end {
		end, err := p.reserve(ctx, group, positionBlock)
		if err != nil {
			return 0, err
		}
		b.next, b.end = end-positionBlock, end
	}
	b.next++
	return b.next - 1, nil
}

func (s *Service) reservePositions(ctx context.Context, group int16, n int64) (int64, error) {
	if err := s.notHeld(ctx, s.Store.Read()); err != nil {
		return 0, err
	}
	return s.Store.Read().ReserveStatusPositions(ctx, query.ReserveStatusPositionsParams{ID: group, N: n})
}
