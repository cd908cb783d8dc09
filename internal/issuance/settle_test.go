package issuance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// authoritative makes the caller's source one that knows best.
func (w *world) authoritative(name string) access.Caller {
	w.t.Helper()
	by := w.source(name)
	if err := w.sources().SetAuthoritative(w.ctx, access.System("test"), name, true); err != nil {
		w.t.Fatal(err)
	}
	return by
}

// at is a time of a source's clock, in seconds.
func at(seconds int) time.Time { return time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC) }

// tell settles one event as of a time, zero for none.
func (w *world) tell(by access.Caller, e vaccination.Event, asOf time.Time) (issuance.Result, error) {
	w.t.Helper()
	each, err := w.Settle(w.ctx, by, []issuance.Told{{Event: e, AsOf: asOf}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return each[0].Result, each[0].Err
}

// TestASourcesClockWasWrong tells a state as of next year, and after the clock was
// put right another one: it must not wait for that year.
func TestASourcesClockWasWrong(t *testing.T) {
	w := newWorld(t, "jamaica")
	by := w.authoritative("feed")
	tell := func(code string, asOf time.Time) issuance.Outcome {
		t.Helper()
		r, err := w.tell(by, with(event("A-1", 1), lot(code)), asOf)
		if err != nil {
			t.Fatal(err)
		}
		return r.Outcome
	}
	tell("L1", w.now.AddDate(1, 0, 0))
	w.now = w.now.Add(time.Hour)
	if got := tell("L2", w.now.Add(-time.Minute)); got != issuance.Corrected {
		t.Errorf("the next change is %s", got)
	}
	if got := tell("L1", w.now.Add(-2*time.Hour)); got != issuance.Unchanged {
		t.Errorf("what is late is %s", got)
	}
	// A clock a little ahead of ours keeps its order.
	tell("L3", w.now.Add(3*time.Minute))
	if got := tell("L2", w.now.Add(2*time.Minute)); got != issuance.Unchanged {
		t.Errorf("told out of order: %s", got)
	}
}

// TestSettling tells the states of one record in many orders. A step is a
// content and, after @, the time as of which it is told; after : what becomes of
// it, and after = the content that is certified then. "certify", "correct" and
// "admin" are said by these names, "revoke" is done by the source.
func TestSettling(t *testing.T) {
	tests := map[string]string{
		"without times, other content is a correction":      "A:issued=A B:corrected=B C:corrected=C",
		"without times, the past again changes nothing":     "A:issued=A B:corrected=B A:unchanged=B B:unchanged=B",
		"certified without Settle":                          "certify/A:issued=A certify/B:corrected=B certify/A:unchanged=B",
		"in order":                                          "A@1:issued=A B@2:corrected=B C@3:corrected=C",
		"the same again":                                    "A@1:issued=A A@1:unchanged=A A@2:unchanged=A",
		"late":                                              "B@2:issued=B A@1:unchanged=B",
		"late and never seen":                               "A@1:issued=A C@3:corrected=C B@2:unchanged=C",
		"back to what it was":                               "A@1:issued=A B@2:corrected=B A@3:corrected=A",
		"back and the rest again":                           "A@1:issued=A B@2:corrected=B A@3:corrected=A A@1:unchanged=A B@2:unchanged=A A@3:unchanged=A",
		"a touch without a change is remembered":            "A@1:issued=A B@2:corrected=B B@5:unchanged=B A@3:unchanged=B",
		"of one time, the first of what was heard stands":   "A@1:issued=A B@1:corrected=B A@1:unchanged=B",
		"a correction here stands when nothing changed":     "A@1:issued=A admin/C:corrected=C A@2:unchanged=C A@1:unchanged=C",
		"a correction here gives way to a change":           "A@1:issued=A admin/C:corrected=C B@2:corrected=B",
		"a correction here that the source takes over":      "A@1:issued=A admin/C:corrected=C C@2:unchanged=C A@3:corrected=A",
		"a correction by the source counts as told":         "A@1:issued=A correct/B:corrected=B A@2:corrected=A",
		"told without a time in between":                    "A@1:issued=A B:corrected=B A@1:unchanged=B A@2:corrected=A",
		"with times after years without":                    "A:issued=A B:corrected=B A@5:unchanged=B B@6:unchanged=B C@7:corrected=C",
		"only how to reach the person":                      "A@1:issued=A a@2:updated=A A@1:unchanged=A a@3:unchanged=A A@4:updated=A",
		"revoked, the same":                                 "A@1:issued=A revoke A@1:revoked= A@2:revoked= certify/A:revoked=",
		"revoked, late":                                     "A@1:issued=A C@3:corrected=C revoke B@2:revoked= A@4:revoked=",
		"revoked, other content is a new certificate":       "A@1:issued=A revoke B@2:issued=B A@1:unchanged=B",
		"half a second newer":                               "A@1:issued=A B@1.5:corrected=B A@1.2:unchanged=B",
		"a source that is not authoritative hears conflict": "plain/A@1:issued=A plain/B@2:conflict=A plain/A@3:unchanged=A",
		"another source's record":                           "plain/A@1:issued=A B@2:conflict=A",
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			by := w.authoritative("feed")
			for i, step := range strings.Fields(steps) {
				if step == "revoke" {
					if _, err := w.RevokeDoses(w.ctx, by, "", "R-1", nil, ""); err != nil {
						t.Fatal(err)
					}
					continue
				}
				told, want, _ := strings.Cut(step, ":")
				outcome, content, _ := strings.Cut(want, "=")
				if got := w.step(by, told); got != outcome {
					t.Errorf("step %d, %s: %s", i+1, step, got)
				}
				if got := w.certified("R-1"); got != content {
					t.Errorf("step %d, %s: %q is certified", i+1, step, got)
				}
			}
			w.checked()
		})
	}
}

// step does one step of TestSettling and says what became of it.
func (w *world) step(by access.Caller, told string) string {
	w.t.Helper()
	how, what, named := strings.Cut(told, "/")
	if !named {
		how, what = "", told
	}
	what, when, _ := strings.Cut(what, "@")
	e := with(event("R-1", 1), lot(strings.ToUpper(what)))
	if strings.ToUpper(what) != what {
		e.Contacts = []string{"tel:6585550199"}
	}
	var asOf time.Time
	if when != "" {
		seconds, err := strconv.ParseFloat(when, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		asOf = at(0).Add(time.Duration(seconds * float64(time.Second)))
	}
	var r issuance.Result
	var err error
	one := func(by access.Caller, action issuance.Action) {
		var rs []issuance.Result
		if rs, err = w.Issue(w.ctx, by, action, []vaccination.Event{e}); err == nil {
			r = rs[0]
		}
	}
	switch how {
	case "certify":
		one(by, issuance.Certify)
	case "correct":
		one(by, issuance.Correct)
	case "admin":
		one(access.System("admin"), issuance.Correct)
	case "plain":
		r, err = w.tell(w.by, e, asOf)
	default:
		r, err = w.tell(by, e, asOf)
	}
	if err != nil {
		return string(vaccination.ErrorCode(err))
	}
	return string(r.Outcome)
}

// certified is the lot that the standing certificate of dose 1 says, "" for
// none.
func (w *world) certified(code string) string {
	w.t.Helper()
	records, err := w.ByCode(w.ctx, access.System("test"), "", code, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		if !r.Status.Final() {
			return r.Certificate.Vaccination.Lot
		}
	}
	return ""
}

// TestAnyOrderSettlesToTheNewest tells the states of a record in any order, any
// of them more than once, alone and together with other records: the newest is
// certified, and what is told after it changes nothing.
func TestAnyOrderSettlesToTheNewest(t *testing.T) {
	w := newWorld(t, "jamaica")
	by := w.authoritative("feed")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		code := fmt.Sprint("P-", n)
		contents := rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C"}), 1, 6).Draw(t, "contents by time")
		order := rapid.Permutation(doubled(len(contents))).Draw(t, "order")
		for _, i := range order {
			if _, err := w.tell(by, with(event(code, 1), lot(contents[i])), at(i)); err != nil {
				t.Fatalf("state %d: %v", i, err)
			}
		}
		if got, want := w.certified(code), contents[len(contents)-1]; got != want {
			t.Fatalf("%v told in the order %v ends at %s", contents, order, got)
		}
	})
	w.checked()
}

func doubled(n int) []int {
	out := make([]int, 2*n)
	for i := range out {
		out[i] = i % n
	}
	return out
}

// TestSettlingAtOnce tells the states of some records from many sides at once.
func TestSettlingAtOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	by := w.authoritative("feed")
	const records, states, workers = 4, 12, 6
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for _, state := range rand.New(rand.NewPCG(3, uint64(i))).Perm(states) {
				var told []issuance.Told
				for r := range records {
					e := with(event(fmt.Sprint("R-", r), 1), lot(fmt.Sprint("L", state%3)))
					told = append(told, issuance.Told{Event: e, AsOf: at(state)})
				}
				for {
					each, err := w.Settle(w.ctx, by, told, nil)
					if vaccination.ErrorCode(err) == vaccination.Unavailable {
						continue // as it says: again
					}
					if err != nil {
						t.Error(err)
					}
					for _, e := range each {
						if e.Err != nil {
							t.Error(e.Err)
						}
					}
					break
				}
			}
		})
	}
	wg.Wait()
	for r := range records {
		if got, want := w.certified(fmt.Sprint("R-", r)), fmt.Sprint("L", (states-1)%3); got != want {
			t.Errorf("record %d ends at %s, want %s", r, got, want)
		}
	}
	if n := w.count("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	w.checked()
}

// TestWhatIsToldIsWrittenWithTheRest undoes the transaction that Settle shares.
func TestWhatIsToldIsWrittenWithTheRest(t *testing.T) {
	w := newWorld(t, "jamaica")
	by := w.authoritative("feed")
	told := []issuance.Told{{Event: event("R-1", 1), AsOf: at(1)}}
	undo := func(context.Context, pgx.Tx, *query.Queries, []issuance.Each) error { return context.Canceled }
	if _, err := w.Settle(w.ctx, by, told, undo); err == nil {
		t.Error("settled although the transaction was undone")
	}
	if n := w.count("SELECT (SELECT count(*) FROM told) + (SELECT count(*) FROM certificate)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestManyNewContacts corrects only how to reach people, many at once.
func TestManyNewContacts(t *testing.T) {
	w := newWorld(t, "jamaica")
	var before, after []vaccination.Event
	for i := range 50 {
		e := event(fmt.Sprint("C-", i), 1)
		before = append(before, e)
		after = append(after, with(e, func(e *vaccination.Event) { e.Contacts = []string{fmt.Sprintf("tel:6585550%03d", i)} }))
	}
	if _, err := w.issue(issuance.Certify, before...); err != nil {
		t.Fatal(err)
	}
	results, err := w.issue(issuance.Correct, after...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome != issuance.Updated {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	w.checked()
}
