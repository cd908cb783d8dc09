package deliver

import (
	"context"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Reason is why somebody gets no messages.
type Reason string

// The reasons. Who wants no notices still gets the codes they ask for.
const (
	OptedOut    Reason = "opted-out"    // whoever has the number wants none
	WrongNumber Reason = "wrong-number" // the number is not that person's
	Died        Reason = "died"
	Unreachable Reason = "unreachable" // the number does not exist
)

func reasons() []Reason { return []Reason{OptedOut, WrongNumber, Died, Unreachable} }

// Suppression says who gets no messages: a number or address, one person at it
// (both are given), or one person wherever (To is empty).
type Suppression struct {
	To     string
	Person Person
	Reason Reason
}

// Suppress stops messages in the caller's transaction, whoever by is. What was
// queued for them fails when its turn comes.
func (s *Service) Suppress(ctx context.Context, q *query.Queries, by access.Caller, x Suppression) error {
	p, err := s.suppression(x)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	p.Reason, p.At, p.MadeBy = string(x.Reason), now, by.Actor
	if _, err := q.PutSuppression(ctx, p); err != nil {
		return err
	}
	return registry.Audit(ctx, q, now, by.Actor, s.suppressionEntry("message.suppress", x))
}

// Unsuppress is the inverse of Suppress.
func (s *Service) Unsuppress(ctx context.Context, q *query.Queries, by access.Caller, x Suppression) error {
	p, err := s.suppression(x)
	if err != nil {
		return err
	}
	n, err := q.DeleteSuppression(ctx, query.DeleteSuppressionParams{Recipient: p.Recipient, Bucket: p.Bucket, PersonID: p.PersonID})
	if err == nil && n == 0 {
		err = vaccination.Errorf(vaccination.NotFound, "messages to them are not stopped")
	}
	if err != nil {
		return err
	}
	return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, s.suppressionEntry("message.unsuppress", x))
}

func (s *Service) suppression(x Suppression) (p query.PutSuppressionParams, err error) {
	if x.To == "" && x.Person == (Person{}) || !slices.Contains(reasons(), x.Reason) {
		return p, vaccination.Errorf(vaccination.Invalid, "say who gets no messages, and why: opted-out, wrong-number, died or unreachable")
	}
	p = query.PutSuppressionParams{Bucket: x.Person.Bucket, PersonID: x.Person.ID, Recipient: []byte{}}
	if x.To != "" {
		p.Recipient = s.recipient(x.To)
	}
	return p, nil
}

func (s *Service) suppressionEntry(act string, x Suppression) registry.Entry {
	if x.Person == (Person{}) {
		return registry.Entry{Chain: registry.AdminChain, Act: act, Detail: string(x.Reason)}
	}
	return registry.Entry{Chain: registry.GroupOf(x.Person.Bucket), Act: act, Detail: string(x.Reason)}
}

// SuppressNumber is Suppress for whoever runs the messages: a number as people
// type it, or an address.
func (s *Service) SuppressNumber(ctx context.Context, by access.Caller, to string, reason Reason, lift bool) error {
	if err := may(by); err != nil {
		return err
	}
	if channelOf(to) == SMS || s.checkRecipient(to) != nil {
		number, err := s.Profile.Phone(to)
		if err != nil {
			return err
		}
		to = number
	}
	do := s.Suppress
	if lift {
		do, reason = s.Unsuppress, OptedOut
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error { return do(ctx, q, by, Suppression{To: to, Reason: reason}) })
}

// Suppressed counts who gets no messages, by reason.
func (s *Service) Suppressed(ctx context.Context, by access.Caller) (map[Reason]int, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	rows, err := s.queries().CountSuppressions(ctx)
	out := map[Reason]int{}
	for _, row := range rows {
		out[Reason(row.Reason)] = int(row.N)
	}
	return out, err
}

// suppressed says why a message does not go, "" where it does.
func (s *Service) suppressed(ctx context.Context, m query.ClaimMessagesRow) (string, error) {
	found, err := s.queries().SuppressionsOf(ctx, query.SuppressionsOfParams{Recipient: m.Recipient, Bucket: m.Bucket, PersonID: m.PersonID})
	if err != nil {
		return "", err
	}
	for _, reason := range found {
		if Class(m.Class) == Notice || Reason(reason) != OptedOut {
			return reason, nil
		}
	}
	return "", nil
}
