package casework_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/vaccination"
)

// TestAnyOrderOfActs does acts in any order by anybody: what the state machine
// does not have is refused, what is decided stays decided, nobody decides what
// they opened, name and birth date are never changed by one, and fsck agrees.
func TestAnyOrderOfActs(t *testing.T) {
	w := newWorld(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		if round > 12 {
			return // each costs a database's time
		}
		first := w.certify(event(string(rune('A'+round)), 1))
		w.opened[first.ID] = true
		changes := []casework.Change{{Field: "person.name", Value: "Ann Grant"}, {Field: "person.birthDate", Value: "1990-01-02"}}
		opener := rapid.SampledFrom([]access.Caller{w.desk, w.citizen, w.one}).Draw(t, "opener")
		ticket, err := w.Open(w.t.Context(), opener, casework.Request{Kind: casework.Correction, Certificate: first.ID, Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		state, approvals := casework.Open, map[string]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "acts") {
			by := rapid.SampledFrom([]access.Caller{w.one, w.two, w.desk, w.citizen}).Draw(t, "by")
			act := rapid.SampledFrom([]string{"take", "ask", "evidence", "approve", "refuse", "withdraw"}).Draw(t, "act")
			switch act {
			case "take":
				err = w.Take(w.t.Context(), by, ticket)
			case "ask":
				err = w.Ask(w.t.Context(), by, ticket, "a photograph of your card")
			case "evidence":
				_, err = w.AddEvidence(w.t.Context(), by, ticket, picture(8+rapid.IntRange(0, 40).Draw(t, "width"), 8))
			case "approve":
				_, err = w.Approve(w.t.Context(), by, ticket, casework.Approval{})
			case "refuse":
				err = w.Refuse(w.t.Context(), by, ticket, "no")
			case "withdraw":
				err = w.Withdraw(w.t.Context(), by, ticket)
			}
			now, followErr := w.Follow(w.t.Context(), ticket)
			if followErr != nil {
				t.Fatal(followErr)
			}
			switch code := vaccination.ErrorCode(err); {
			case code != "" && now.State != state:
				t.Fatalf("%s by %s was refused (%v) and the case is %s instead of %s", act, by.Actor, err, now.State, state)
			case code != "" && code != vaccination.Conflict && code != vaccination.Forbidden && code != vaccination.NotFound && code != vaccination.TooMany:
				t.Fatalf("%s by %s in %s: %v", act, by.Actor, state, err)
			case code == "" && state.Final() && !(act == "take" && now.State == state):
				t.Fatalf("%s by %s after it was %s", act, by.Actor, state)
			case code == "" && (act == "approve" || act == "refuse") && (by.Actor == opener.Actor || by.Role != access.ProgrammeAdmin):
				t.Fatalf("%s decided what %s opened", by.Actor, opener.Actor)
			}
			if now.State != casework.SecondApproval && now.State != casework.Approved {
				clear(approvals)
			}
			if err == nil && act == "approve" {
				approvals[by.Actor] = true
			}
			if now.State == casework.Approved && len(approvals) != 2 {
				t.Fatalf("approved by %v alone", approvals)
			}
			if corrected := w.current(first.ID).Version == 2; corrected != (now.State == casework.Approved) {
				t.Fatalf("it is %s, and corrected: %t", now.State, corrected)
			}
			state = now.State
		}
	})
	w.checked()
}
