package casework

import (
	"context"
	"strings"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// checkPage is how many cases of a check are held in memory at once.
const checkPage = 200

// Check is the part of [issuance.Service.Check] that knows cases: each opens, is in
// the state that its timeline leads to, and has the acts that the audit says; its
// photographs open; guardians and deaths have an approved case; and what was issued
// for a case is there. It does not answer for deadlines, nor for who took a case.
type Check struct {
	*Service
	acts map[Ticket][]Act // by the audit
}

// NewCheck returns a check for one run of [issuance.Service.Check].
func (s *Service) NewCheck() *Check { return &Check{Service: s, acts: map[Ticket][]Act{}} }

// Entries implements [issuance.Beside].
func (c *Check) Entries(_ context.Context, _ *query.Queries, entries []query.Audit, problem func(string, ...any)) error {
	for _, e := range entries {
		act, isCase := strings.CutPrefix(e.Act, markAct)
		text, named := strings.CutPrefix(e.Object, "case ")
		if !isCase || !named {
			continue
		}
		t, err := ParseTicket(text)
		if err != nil {
			problem("audit chain %d: entry %d is about no case", e.Chain, e.Seq)
			continue
		}
		c.acts[t] = append(c.acts[t], Act(act))
	}
	return nil
}

// Certificates implements [issuance.Beside].
func (*Check) Certificates(context.Context, *query.Queries, []issuance.Certified, func(string, ...any)) error {
	return nil
}

// End implements [issuance.Beside].
func (c *Check) End(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	after := query.CasesBetweenParams{Bucket: -1, MaxRows: checkPage}
	for {
		rows, err := q.CasesBetween(ctx, after)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := c.one(ctx, q, r.CaseFile, problem); err != nil {
				return err
			}
			after.Bucket, after.ID = r.CaseFile.Bucket, r.CaseFile.ID
		}
		if len(rows) < checkPage {
			break
		}
	}
	for t := range c.acts {
		problem("%s: the audit knows it, and it is missing", t.object())
	}
	strays, err := q.CaseStrays(ctx)
	for what, n := range map[string]int64{"guardians": strays.Guardians, "deaths": strays.Deaths, "certificates of cases": strays.Results} {
		if n > 0 {
			problem("there are %d %s that no approved case stands for, or that are missing", n, what)
		}
	}
	return err
}

func (c *Check) one(ctx context.Context, q *query.Queries, row query.CaseFile, problem func(string, ...any)) error {
	t := Ticket(row.ID)
	acts := c.acts[t]
	delete(c.acts, t)
	f, err := c.open(ctx, row, 0)
	if err != nil {
		problem("%s: it does not open", t.object())
		return nil //nolint:nilerr // it is told
	}
	events, err := q.CaseEvents(ctx, query.CaseEventsParams{Bucket: row.Bucket, CaseID: row.ID})
	if err != nil {
		return err
	}
	state := Open
	missing := len(events) - len(acts) // of the audit, whose old entries may have been cut off
	if missing > 0 {
		cuts, err := q.CutsOfChain(ctx, registry.GroupOf(row.Bucket))
		if err != nil {
			return err
		}
		if len(cuts) == 0 {
			problem("%s: the audit does not know all that was done to it", t.object())
		}
	}
	for i, e := range events {
		if i > 0 {
			if state, err = state.After(Act(e.Act)); err != nil {
				problem("%s: its timeline does what cannot be done", t.object())
				break
			}
		}
		if int(e.Turn) != i+1 || i >= missing && acts[i-missing] != Act(e.Act) {
			problem("%s: its timeline is not what the audit says", t.object())
			break
		}
	}
	if missing < 0 || int(row.Turn) != len(events) || string(state) != row.State {
		problem("%s: it is %s, and its timeline says otherwise", t.object(), row.State)
	}
	files, err := q.CaseEvidenceOf(ctx, query.CaseEvidenceOfParams{Bucket: row.Bucket, CaseID: row.ID})
	if err != nil {
		return err
	}
	for _, e := range files {
		if e.Gone || f.seal == nil {
			continue
		}
		sealed, err := q.CaseEvidenceByN(ctx, query.CaseEvidenceByNParams{Bucket: row.Bucket, CaseID: row.ID, N: e.N})
		if err != nil {
			return err
		}
		if plain, err := f.seal.Unseal(sealed, t.fileColumn(int(e.N))); err != nil || len(plain) != int(e.Size) {
			problem("%s: photograph %d does not open", t.object(), e.N)
		}
	}
	return nil
}
