package ondemand_test

import (
	"context"
	"testing"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/test/dhis2/replay"
)

// TestATicketThatIsNotPersisted lets each write of a ticket fail once, and
// compares docs/faults.md with it.
func TestATicketThatIsNotPersisted(t *testing.T) {
	w := newWorld(t, replay.Options{})
	told := 0
	w.Ready = func(context.Context, *query.Queries, string, string, string) error { told++; return nil }
	var ticket string
	keep := func() (err error) {
		ticket, err = w.Later(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal}, "1987")
		return err
	}
	answer := func() error { return w.AskAgain(w.Ctx) }
	tested := map[string]string{}
	for _, step := range []struct {
		act    string
		do     func() error
		writes []string
	}{
		{"keep a question", keep, []string{"INSERT ON on_demand_ticket", "INSERT ON audit"}},
		{"answer it", answer, []string{"UPDATE OF state ON on_demand_ticket"}},
	} {
		for _, write := range step.writes {
			tested[step.act+" | "+write+" | not persisted"] = t.Name()
			heal := pgtest.Fail(t, w.Store.Pool(), write)
			if err := step.do(); err == nil {
				t.Errorf("%s, %s: it succeeds", step.act, write)
			}
			heal()
			var waiting, all int
			if err := w.Store.Pool().QueryRow(w.Ctx, "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FROM on_demand_ticket").Scan(&waiting, &all); err != nil || waiting != all || told != 0 {
				t.Errorf("%s, %s: %d of %d tickets wait, %d were told, %v", step.act, write, waiting, all, told, err)
			}
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s afterwards: %v", step.act, err)
		}
	}
	if f, err := w.Follow(w.Ctx, ticket, "1987"); err != nil || f.State != ondemand.TicketReady || told != 1 {
		t.Errorf("%+v, %v; %d were told", f, err, told)
	}
	if c := w.Counts(); c.Issued != 2 {
		t.Errorf("the ledger: %+v", c)
	}
	pgtest.CheckFaultTable(t, "internal/intake/ondemand", tested)
}
