package ondemand

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// TicketState says how far a question is that could not be answered at once.
type TicketState string

// The states.
const (
	TicketWaiting  TicketState = "waiting"   // the source is asked again and again
	TicketReady    TicketState = "ready"     // there are certificates: they are given to who asks with a code
	TicketNotFound TicketState = "not-found" // the source answered, and has nobody with the number
	TicketLook     TicketState = "look"      // a person must look at the record
)

// How long tickets are kept, tried and retried.
const (
	ticketLife  = 30 * 24 * time.Hour
	ticketTries = 10 // wrong years; a right one clears them
	ticketsOnce = 50 // of one round
	ticketSize  = 12 // characters
)

const ticketLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// later is what is kept of a question, sealed.
type later struct{ Kind, Number, Language, Ticket string }

// Followed is where a ticket stands.
type Followed struct {
	State TicketState
	Asked time.Time
	Since time.Time // of the state
}

// Later takes a question that [Service.Start] answered with [Unreachable]: the
// source is asked again until it answers. It returns a ticket, which is followed
// with the year of birth.
func (s *Service) Later(ctx context.Context, a Ask, year string) (ticket string, err error) {
	if !s.Open() {
		return "", errClosed()
	}
	if _, err := s.number(a); err != nil {
		return "", err
	}
	if len(year) != 4 || strings.Trim(year, "0123456789") != "" {
		return "", vaccination.Errorf(vaccination.Invalid, "a year has four digits")
	}
	var b [ticketSize]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = ticketLetters[b[i]&31]
	}
	ticket = string(b[:])
	id := s.ticketKey(ticket)
	text, err := json.Marshal(later{a.Kind, a.Number, a.Language, shownTicket(ticket)})
	if err != nil {
		return "", err
	}
	sealed, err := s.Box.Seal(text, id)
	if err != nil {
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.ForgetOnDemandTickets(ctx, s.Now().UTC().Add(-ticketLife)); err != nil {
			return err
		}
		if err := q.InsertOnDemandTicket(ctx, query.InsertOnDemandTicketParams{ID: id, Year: s.ticketYear(ticket, year), Sealed: sealed, At: s.Now().UTC()}); err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), caller().Actor, registry.Entry{Chain: registry.AdminChain, Act: "on-demand.later"})
	})
	return shownTicket(ticket), err
}

// shownTicket is a ticket as people write it down.
func shownTicket(t string) string { return t[:4] + "-" + t[4:8] + "-" + t[8:] }

// Follow says where a ticket stands, to who knows the year that was given with it.
// A wrong year and a ticket that does not exist are [vaccination.NotFound]; so is
// a ticket whose year was guessed too often.
func (s *Service) Follow(ctx context.Context, ticket, year string) (Followed, error) {
	none := vaccination.Errorf(vaccination.NotFound, "no request has this ticket number and year of birth")
	ticket = plainTicket(ticket)
	if len(ticket) != ticketSize {
		return Followed{}, none
	}
	id := s.ticketKey(ticket)
	row, err := s.Store.Read().TryOnDemandTicket(ctx, query.TryOnDemandTicketParams{ID: id, MaxTries: ticketTries})
	if registry.IsNone(err) {
		return Followed{}, none
	}
	if err != nil {
		return Followed{}, err
	}
	if subtle.ConstantTimeCompare(row.Year, s.ticketYear(ticket, strings.TrimSpace(year))) != 1 {
		return Followed{}, none
	}
	return Followed{TicketState(row.State), row.MadeAt, row.ChangedAt}, s.Store.Read().ClearOnDemandTicket(ctx, id)
}

// plainTicket reads a ticket as it is typed: in any case, with or without dashes.
func plainTicket(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'O':
			return '0'
		case r == 'I' || r == 'L':
			return '1'
		case strings.ContainsRune(ticketLetters, r):
			return r
		}
		return -1
	}, strings.ToUpper(text[:min(len(text), 60)]))
}

func (s *Service) ticketKey(ticket string) []byte {
	return s.Box.Index(seal.Content, "on-demand ticket "+ticket)
}

func (s *Service) ticketYear(ticket, year string) []byte {
	return s.Box.Index(seal.Content, "on-demand year "+ticket+" "+year)
}

// AskAgain asks the sources for every ticket that waits. What they have is issued,
// and given to nobody: who holds the ticket proves who they are as everybody does.
func (s *Service) AskAgain(ctx context.Context) error {
	if !s.Open() {
		return nil
	}
	rows, err := s.Store.Read().WaitingOnDemandTickets(ctx, ticketsOnce)
	if err != nil {
		return err
	}
	for _, row := range rows {
		text, err := s.Box.Unseal(row.Sealed, row.ID)
		if err != nil {
			return err
		}
		var l later
		if err := json.Unmarshal(text, &l); err != nil {
			return err
		}
		state, phone, err := s.askAgain(ctx, Ask{Kind: l.Kind, Number: l.Number, Language: l.Language})
		if err != nil {
			s.Log.Warn("on demand: a request that waits was not answered", slog.String("error", err.Error()))
			continue
		}
		if state == TicketWaiting {
			return nil // the source is still away: nobody else's would be answered
		}
		if err := s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := q.SetOnDemandTicket(ctx, query.SetOnDemandTicketParams{State: string(state), At: s.Now().UTC(), ID: row.ID}); err != nil {
				return err
			}
			if err := registry.Audit(ctx, q, s.Now().UTC(), caller().Actor, registry.Entry{Chain: registry.AdminChain, Act: "on-demand.answered", Detail: string(state)}); err != nil {
				return err
			}
			if state != TicketReady || phone == "" || s.Ready == nil {
				return nil
			}
			return s.Ready(ctx, q, phone, l.Language, l.Ticket)
		}); err != nil {
			return err
		}
	}
	return nil
}

// askAgain asks once, and says whom to tell.
func (s *Service) askAgain(ctx context.Context, a Ask) (state TicketState, phone string, err error) {
	id, err := s.number(a)
	if err != nil {
		return "", "", err
	}
	records, down, err := s.found(ctx, a.Kind, id)
	switch {
	case err != nil:
		return "", "", err
	case len(records) == 0 && down:
		return TicketWaiting, "", nil
	case len(records) == 0:
		return TicketNotFound, "", nil
	case len(records) > 1 || len(records[0].doses) == 0 && records[0].partial:
		_, err := s.hand(ctx, records)
		return TicketLook, "", err
	case len(records[0].doses) == 0:
		return TicketNotFound, "", nil
	}
	given, err := s.deliver(ctx, records[0].source, *records[0].arrival)
	if err != nil {
		return "", "", err
	}
	if len(given.Certificates) == 0 {
		return TicketLook, "", nil
	}
	return TicketReady, s.phone(records[0]), nil
}
