package issuance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// jumping is a service whose clock is right until it was asked a number of
// times, and wrong by a while from then on.
func (w *world) jumping(after int, by time.Duration) *issuance.Service {
	o, asked := w.Options, 0
	o.Now = func() time.Time {
		if asked++; asked > after {
			return w.now.Add(by)
		}
		return w.now
	}
	return issuance.New(o)
}

// jumps are what clocks do.
func jumps() map[string]time.Duration {
	return map[string]time.Duration{"an hour ahead": time.Hour, "an hour back": -time.Hour, "a year ahead": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour}
}

// TestTheClockJumpsWhilePublishing lets the clock jump between any two looks at
// it while a list and a bundle are made. With the right clock, both are made
// anew at once and say what is so.
func TestTheClockJumpsWhilePublishing(t *testing.T) {
	for name, by := range jumps() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			id := w.must(issuance.Certify, event("A-1", 1)).ID
			w.flagged(id, "revocation")
			until := w.suspended("B-1", 30*time.Minute)
			if _, err := w.Change(w.ctx, w.by, id, vaccination.ActRevoke, ""); err != nil {
				t.Fatal(err)
			}
			list := int32(w.count("SELECT status_list FROM certificate WHERE status = 3"))
			version := w.bundle().Version
			for after := range 5 {
				s := w.jumping(after, by)
				if err := s.PublishList(w.ctx, list); err != nil {
					t.Fatal(err)
				}
				wrong := (&world{Service: w.jumping(after, by), t: t, ctx: w.ctx}).bundle()
				if wrong.Version <= version {
					t.Errorf("jump after %d looks: version %d after %d", after, wrong.Version, version)
				}
				w.now = w.now.Add(time.Second)
				if !w.flagged(id, "revocation") {
					t.Errorf("jump after %d looks: the revocation is not in the list", after)
				}
				_, at, err := w.StatusList(w.ctx, "revocation", list)
				if err != nil || at.Sub(w.now).Abs() > 24*time.Hour {
					t.Errorf("jump after %d looks: the list is of %v, %v", after, at, err)
				}
				right := (&world{Service: issuance.New(w.Options), t: t, ctx: w.ctx}).bundle()
				if right.Version <= wrong.Version || !right.Issued.Equal(w.now) || right.Status[0].Revoked.Len() != 1 || right.Status[0].Suspended.Len() != 1 {
					t.Errorf("jump after %d looks: the next bundle: version %d after %d, %+v", after, right.Version, wrong.Version, right.Status[0])
				}
				version = right.Version
			}
			w.says("when the clock is right", until, true)
			w.checked()
		})
	}
}

// TestTheClockJumpsWhileIssuing lets the clock jump between any two looks at it
// while a record is certified, corrected and revoked.
func TestTheClockJumpsWhileIssuing(t *testing.T) {
	for name, by := range jumps() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "jamaica")
			for after := range 5 {
				code := fmt.Sprint("A-", after)
				e := with(event(code, 1), func(e *vaccination.Event) { e.Vaccination.Date = vaccination.Date{Year: 2021, Month: 6, Day: 1} })
				for action, e := range map[issuance.Action]vaccination.Event{issuance.Certify: e, issuance.Correct: with(e, lot("PF2"))} {
					w.jumped(t, w.jumping(after, by), action, e)
				}
				if _, err := w.jumping(after, by).RevokeDoses(w.ctx, w.by, "", code, nil, ""); err != nil {
					t.Errorf("revoke, jump after %d looks: %v", after, err)
				}
				w.checked()
			}
		})
	}
}

// jumped issues with a clock that jumps: it succeeds, or is refused and succeeds
// with the right one; the same again is the same certificate.
func (w *world) jumped(t *testing.T, s *issuance.Service, action issuance.Action, e vaccination.Event) {
	t.Helper()
	if action == issuance.Correct { // in whatever order they come
		w.must(issuance.Certify, with(e, lot("PF1")))
	}
	first, err := s.Issue(w.ctx, w.by, action, []vaccination.Event{e})
	switch vaccination.ErrorCode(err) {
	case "":
	case vaccination.Unavailable: // outside the time of the signer
		if first, err = w.issue(action, e); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("%v: %v", action, err)
	}
	again, err := w.issue(action, e)
	if err != nil || again[0].ID != first[0].ID || again[0].Outcome != issuance.Unchanged {
		t.Errorf("the same again: %+v, %v; first %s", again, err, first[0].ID)
	}
}
