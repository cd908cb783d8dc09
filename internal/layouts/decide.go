package layouts

import (
	"context"
	"fmt"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Ask has a draft wait for somebody else's approval. From then on it does not
// change.
func (s *Service) Ask(ctx context.Context, by access.Caller, name string, number int, seen string) error {
	return s.locked(ctx, by, name, number, func(q *query.Queries, v Version) error {
		switch {
		case v.State == Asked && v.AskedBy == by.Actor:
			return nil // the form came twice
		case v.State != Draft:
			return errState(v)
		case v.Hash != seen:
			return vaccination.Errorf(vaccination.Conflict, "somebody changed this draft meanwhile: look at it again")
		case v.Why == "":
			e := vaccination.Errorf(vaccination.Invalid, "")
			e.Faults = []vaccination.Fault{{Path: "why", Code: vaccination.FaultRequired, Message: "write first what changes, and why"}}
			return e
		}
		if err := q.AskForLayout(ctx, query.AskForLayoutParams{AskedBy: by.Actor, At: s.Now().UTC(), Name: name, Number: int32(number)}); err != nil {
			return err
		}
		return s.audit(ctx, q, by, "layout.ask", name, number, v.Hash)
	})
}

// Approve puts a version in force. seen is the hash of what was looked at. Who
// asked for it cannot approve it ([vaccination.Forbidden]).
func (s *Service) Approve(ctx context.Context, by access.Caller, name string, number int, seen string) error {
	err := s.locked(ctx, by, name, number, func(q *query.Queries, v Version) error {
		switch {
		case v.State == InForce && v.Decider == by.Actor:
			return nil
		case v.State != Asked:
			return errState(v)
		case !by.Second(v.AskedBy):
			return vaccination.Errorf(vaccination.Forbidden, "you asked for this, or somebody at another door did who may be you: somebody else has to approve it where it was asked for")
		case v.Hash != seen:
			return vaccination.Errorf(vaccination.Conflict, "this is not what you looked at: look at it again")
		}
		if err := q.EndLayoutInForce(ctx, name); err != nil {
			return err
		}
		if err := s.decide(ctx, q, by, v, InForce); err != nil {
			return err
		}
		return s.audit(ctx, q, by, "layout.approve", name, number, v.Hash+", asked by "+v.AskedBy)
	})
	if err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// Refuse ends a draft, or what waits for approval, also by who made it.
func (s *Service) Refuse(ctx context.Context, by access.Caller, name string, number int) error {
	return s.locked(ctx, by, name, number, func(q *query.Queries, v Version) error {
		switch v.State {
		case Refused:
			return nil
		case Draft, Asked:
		default:
			return errState(v)
		}
		if err := s.decide(ctx, q, by, v, Refused); err != nil {
			return err
		}
		return s.audit(ctx, q, by, "layout.refuse", name, number, v.Hash)
	})
}

func errState(v Version) error {
	return vaccination.Errorf(vaccination.Conflict, "version %d of this layout is %s now: look at it again", v.Number, strings.ReplaceAll(string(v.State), "-", " "))
}

func (s *Service) decide(ctx context.Context, q *query.Queries, by access.Caller, v Version, to State) error {
	return q.DecideLayout(ctx, query.DecideLayoutParams{State: string(to), DecidedBy: by.Actor, At: s.Now().UTC(), Name: v.Name, Number: int32(v.Number)})
}

// tries is how often something is begun again that somebody else was quicker with.
const tries = 5

// locked runs f with a version that nobody else changes meanwhile, once more where
// another version of the layout was decided about at the same time.
func (s *Service) locked(ctx context.Context, by access.Caller, name string, number int, f func(*query.Queries, Version) error) error {
	if err := by.Can(access.ManageProgrammes); err != nil {
		return err
	}
	return s.again(ctx, func(q *query.Queries) error {
		row, err := q.LockLayoutVersion(ctx, query.LockLayoutVersionParams{Name: name, Number: int32(number)})
		if registry.IsNone(err) {
			return errNone()
		}
		if err != nil {
			return err
		}
		v, err := versionOf(row)
		if err != nil {
			return err
		}
		return f(q, v)
	})
}

func (s *Service) audit(ctx context.Context, q *query.Queries, by access.Caller, act, name string, number int, detail string) error {
	return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: fmt.Sprintf("layout %s %d", name, number), Detail: detail})
}
