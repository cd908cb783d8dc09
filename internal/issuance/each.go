package issuance

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Each is what became of one event of [Service.IssueEach]: a result, or the
// reason why nothing was issued for it.
type Each struct {
	Result Result
	Err    error
}

// Also writes more in the transaction of [Service.IssueEach], which is undone
// when it returns an error. It may run more than once, each time in a new
// transaction, and is told what each event becomes.
type Also func(ctx context.Context, tx pgx.Tx, q *query.Queries, each []Each) error

// IssueEach is [Service.Issue] for events that do not hang together: a wrong one
// is left out and the others are issued, in one transaction, together with what
// also writes. The error is one that concerns them all; then nothing was
// written.
func (s *Service) IssueEach(ctx context.Context, by access.Caller, action Action, events []vaccination.Event, also Also) ([]Each, error) {
	return s.issueEach(ctx, request{by: by, action: action, events: events}, also)
}

// request is what is asked for events.
type request struct {
	by     access.Caller
	action Action
	events []vaccination.Event
	asOf   []time.Time // of each event, see [Service.Settle]; nil for none
	reason string      // why a certificate is issued again
	told   []Told      // whom each is one with, see [Service.Settle]; nil for nobody
	once   bool        // what is told as of one time is told once, see [Service.SettleFile]
	second bool        // two people approved it, see [Service.Amend]
}

func (s *Service) issueEach(ctx context.Context, r request, also Also) ([]Each, error) {
	refused := make([]error, len(r.events)) // when they were to be signed
	var each []Each
	for {
		err := s.retry(ctx, func() (err error) {
			each, err = s.issueEachOnce(ctx, r, refused, also)
			return err
		})
		var item *ItemError
		if !errors.As(err, &item) || refused[item.Item] != nil {
			return each, err
		}
		refused[item.Item] = item.Err // and the others again without it
	}
}

func (s *Service) issueEachOnce(ctx context.Context, r request, refused []error, also Also) ([]Each, error) {
	drafts, errs, err := s.prepareEach(ctx, r, refused)
	if err != nil {
		return nil, err
	}
	var good []*Draft
	var places []int // of good among events
	for i, d := range drafts {
		if errs[i] == nil {
			good, places = append(good, d), append(places, i)
		}
	}
	signed, err := s.Sign(ctx, good)
	if err != nil {
		var item *ItemError
		if errors.As(err, &item) {
			err = &ItemError{Item: places[item.Item], Err: item.Err}
		}
		return nil, err
	}
	each := make([]Each, len(r.events))
	for i, err := range errs {
		each[i].Err = err
	}
	_, err = s.commit(ctx, r.by, signed, func(tx pgx.Tx, q *query.Queries, results []Result) error {
		for i, r := range results {
			each[places[i]].Result = r
		}
		if also == nil {
			return nil
		}
		return also(ctx, tx, q, each)
	})
	return each, err
}

// prepareEach is [Service.Prepare] that leaves out what is wrong.
func (s *Service) prepareEach(ctx context.Context, r request, refused []error) (drafts []*Draft, errs []error, err error) {
	ctx, span := tracing.Step(ctx, "Prepare", len(r.events))
	defer func() { span.End(err) }()
	drafts, errs, err = s.checkEach(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	for i, err := range refused {
		if err != nil {
			errs[i] = err
		}
	}
	return drafts, errs, s.decideEach(ctx, r, drafts, errs)
}
