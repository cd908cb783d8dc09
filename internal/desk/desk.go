// Package desk is the facility desk: how staff find a person, open their record,
// and print it, with the bounds that keep a desk from being a place to browse.
//
// Nothing of a person stands in an address: what a member of staff is in the
// middle of is a draft, sealed in the database for some hours, whose name only
// their browser has ([Service.Found], [Service.Record]). A record that was found
// by something other than the certificate itself opens with a second fact.
//
// Every search and every opened record is counted and recorded without personal
// values; above a bound a reason is asked for, and above another nothing more is
// opened that day. The acts in the audit are [ActSearch], [ActOpen], [ActRefused],
// [ActPrint] and [ActFetch].
package desk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The acts of a desk in the audit. The object of a search is the facility, of the
// others the certificate; the details hold kinds, numbers and codes of reasons.
const (
	ActSearch  = "desk.search"
	ActOpen    = "desk.open"    // a record was opened
	ActRefused = "desk.refused" // the second fact was wrong
	ActPrint   = "desk.print"   // a numbered print was made
	ActFetch   = "desk.fetch"   // its file was fetched
	ActDose    = "desk.dose"    // a dose was written down by form
)

// Options are what a Service needs; all are required except OnDemand.
type Options struct {
	// Allow says, in the transaction that records it, whether somebody may open
	// one more record: [vaccination.TooMany] where they opened many and printed
	// none.
	Allow    func(ctx context.Context, q *query.Queries, actor string) error
	Store    *registry.Store
	Box      *seal.Box
	Issuance *issuance.Service
	Printer  Printer
	OnDemand *ondemand.Service // nil asks no source
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
}

// Printer makes the file of prints: [printer.Printer].
type Printer interface {
	Prints(papers []printer.Paper) ([]byte, error)
	ICVP(r *issuance.Record, e *issuance.Exported, size render.Size) ([]byte, error)
}

// Service is the desk. It is safe for concurrent use.
type Service struct{ Options }

// New returns a Service.
func New(o Options) *Service { return &Service{o} }

// The bounds of one member of staff in one day (UTC). A desk that prints for a
// hundred people an hour stays below them: a print takes back what it opened, once
// for each person.
const (
	maxSearches = 600
	maxOpened   = 400
	maxRefused  = 20 // wrong second facts
	// From here on a reason is asked for: so many records opened, or searches
	// made, beyond what was printed.
	freeOpened   = 15
	freeSearches = 40
)

// Reasons are the codes of why somebody searches or opens more than they print.
func Reasons() []string {
	return []string{"many-people", "by-telephone", "correction", "records-check", "training"}
}

// ErrReason says that a reason has to be given first.
var ErrReason = vaccination.Errorf(vaccination.Invalid, "you have opened more records than you printed today: say what this is for")

// Today is what a member of staff did today; Printed are the people that they
// printed for, each once.
type Today struct{ Searches, Opened, Refused, Printed int }

// browsing reports whether a reason is due.
func (t Today) browsing() bool {
	return t.Opened-t.Printed > freeOpened || t.Searches-t.Printed > freeSearches
}

// count adds to what the caller did today and says what it comes to.
func (s *Service) count(ctx context.Context, q *query.Queries, by access.Caller, add Today) (Today, error) {
	row, err := q.CountDesk(ctx, query.CountDeskParams{
		Actor: by.Actor, Day: day(s.Now()),
		Searches: int32(add.Searches), Opened: int32(add.Opened), Refused: int32(add.Refused), Printed: int32(add.Printed),
	})
	return Today{int(row.Searches), int(row.Opened), int(row.Refused), int(row.Printed)}, err
}

// day is the day (UTC) of an instant.
func day(t time.Time) pgtype.Date { return pgtype.Date{Time: t.UTC(), Valid: true} }

// allow counts an act before it is done and refuses it above the bounds.
func (s *Service) allow(ctx context.Context, by access.Caller, add Today, reason string) error {
	if reason != "" && !slices.Contains(Reasons(), reason) {
		return vaccination.Errorf(vaccination.Invalid, "there is no such reason")
	}
	t, err := s.count(ctx, s.Store.Read(), by, add)
	if err != nil {
		return err
	}
	switch {
	case t.Searches > maxSearches || t.Opened > maxOpened:
		return vaccination.Errorf(vaccination.TooMany, "you have searched or opened as many records as anybody may in a day: ask your facility's administrator")
	case t.Refused >= maxRefused:
		return vaccination.Errorf(vaccination.TooMany, "too many answers about people were wrong today: ask your facility's administrator")
	case t.browsing() && reason == "":
		return ErrReason
	}
	return nil
}

// audit writes one entry of an act on a certificate.
func (s *Service) audit(ctx context.Context, q *query.Queries, by access.Caller, act string, id vaccination.CertificateID, detail string) error {
	return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(int16(id.Bucket())), Act: act, Object: id.String(), Detail: detail})
}

// withReason is a detail with the reason behind it.
func withReason(detail, reason string) string {
	if reason == "" {
		return detail
	}
	return fmt.Sprintf("%s, reason %s", detail, reason)
}

// Forget forgets everything that somebody was in the middle of: they signed out.
func (s *Service) Forget(ctx context.Context, by access.Caller) error {
	return s.Store.Read().ForgetDeskDraftsOf(ctx, by.Actor)
}

// Clear forgets drafts that ended and counts of days before yesterday.
func (s *Service) Clear(ctx context.Context) error {
	now := s.Now().UTC()
	if err := s.Store.Read().ForgetDeskDrafts(ctx, now); err != nil {
		return err
	}
	return s.Store.Read().ForgetDeskDays(ctx, day(now.Add(-48*time.Hour)))
}
