package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// TestASuperuserWhoMakesTheChainsAnew is somebody who may write every table, and
// hides what they did: only what was published shows it.
func TestASuperuserWhoMakesTheChainsAnew(t *testing.T) {
	tests := map[string]func(w *world){
		"an entry is taken out": func(w *world) {
			w.exec("DELETE FROM audit WHERE actor = 'staff:7'")
			w.rehash()
		},
		"the tail is taken off": func(w *world) {
			w.exec("DELETE FROM audit a WHERE actor = 'staff:7' AND seq = (SELECT max(seq) FROM audit b WHERE b.chain = a.chain)")
			w.rehash()
		},
		"somebody else is said to have done it": func(w *world) {
			w.exec("UPDATE audit SET actor = 'staff:8' WHERE actor = 'staff:7'")
			w.rehash()
		},
	}
	for name, forge := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, audit.Rules{})
			w.issue("A", "B", "C")
			for _, id := range w.ids {
				w.read("staff:7", id)
			}
			text := w.publish().Text
			if c := w.compare(text); len(c.Problems) > 0 || c.Held != registry.AdminChain+1 {
				t.Fatalf("before: %+v", c)
			}
			forge(w)
			if p := w.problems(); len(p) > 0 {
				t.Errorf("the chains are whole in themselves, and fsck says %q", p)
			}
			if c := w.compare(text); len(c.Problems) == 0 {
				t.Errorf("what was published says nothing: %+v", c)
			}
		})
	}
}

func TestAnHonestDatabaseHoldsWhatWasPublished(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	first := w.publish() // of empty chains
	w.issue("A")
	w.Pass(time.Hour)
	second := w.publish()
	w.issue("B", "C")
	w.read("staff:1", w.ids[0])
	for _, p := range []audit.Published{first, second} {
		if c := w.compare(p.Text); len(c.Problems) > 0 || c.Held != registry.AdminChain+1 {
			t.Errorf("statement %d: %+v", p.Number, c)
		}
	}
	st, err := audit.ParseStatement(second.Text)
	if err != nil || st.Number != 2 || st.Previous != fmt.Sprintf("%x", first.Hash) {
		t.Errorf("second = %+v, %v", st, err)
	}
	// One that was taken out of the list, or replaced.
	w.exec("DELETE FROM audit_statement WHERE number = 2")
	if c := w.compare(second.Text); !slices.Contains(c.Problems, "statement 2, which was published, is missing") {
		t.Errorf("a statement is missing: %q", c.Problems)
	}
}

func TestAStatementOfNobody(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	w.issue("A")
	good := string(w.publish().Text)
	other := newWorld(t, audit.Rules{})
	tests := map[string]string{
		"a head was changed":   strings.Replace(good, `"seq": 1`, `"seq": 2`, 1),
		"the time was changed": strings.Replace(good, "2026-11-22", "2026-11-21", 1),
		"no signature":         strings.Replace(good, `"signature": "`, `"signature": "x`, 1),
		"another issuer's":     string(other.publish().Text),
		"a chain is missing":   strings.Replace(good, `"chain": 16`, `"chain": 15`, 1),
		"something added":      strings.Replace(good, `"number"`, `"note": "x", "number"`, 1),
		"said twice":           strings.Replace(good, `"number": 1`, `"number": 2, "number": 1`, 1),
		"nothing":              "",
		"another document":     `{"type": "divoc-audit-heads/2"}`,
		"very long":            good + strings.Repeat(" ", 1<<16),
	}
	for name, text := range tests {
		if _, err := w.audit.Compare(t.Context(), []byte(text)); vaccination.ErrorCode(err) != vaccination.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeadsArePublishedOnceADayAndSentOnce(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	var sent []int64
	fail := true
	o := w.audit.Options
	o.Send = func(_ context.Context, _ *query.Queries, number int64, text []byte) error {
		if fail {
			return fmt.Errorf("no mail today")
		}
		if _, err := audit.ParseStatement(text); err != nil {
			t.Error(err)
		}
		sent = append(sent, number)
		return nil
	}
	w.audit = audit.New(o)
	for range 3 {
		if err := w.audit.PublishDue(t.Context()); err == nil {
			t.Error("it was not sent, and nobody says so")
		}
	}
	fail = false
	w.Pass(23 * time.Hour)
	for range 2 {
		if err := w.audit.PublishDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.Pass(time.Hour)
	if err := w.audit.PublishDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sent, []int64{1, 2}) {
		t.Errorf("sent %v", sent)
	}
	list, err := w.audit.Statements(t.Context(), 0, 10)
	if err != nil || len(list) != 2 || list[0].Number != 2 {
		t.Errorf("statements = %+v, %v", list, err)
	}
}

func TestOnHoldNothingIsPublished(t *testing.T) {
	w := newWorld(t, audit.Rules{})
	w.exec("INSERT INTO setting (name, value) VALUES ('hold', '{}')")
	if _, err := w.audit.Publish(t.Context(), w.Admin); vaccination.ErrorCode(err) != vaccination.Unavailable {
		t.Errorf("after a restore: %v", err)
	}
}

// faults are the steps of publishing, which is all or nothing.
func TestAStatementThatIsNotPersisted(t *testing.T) {
	for _, step := range []string{"INSERT ON audit", "INSERT ON audit_statement"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t, audit.Rules{})
			w.publish()
			heal := pgtest.Fail(t, w.Store.Pool(), step)
			if _, err := w.audit.Publish(t.Context(), w.Admin); err == nil {
				t.Fatal("it did not fail")
			}
			heal()
			if n := w.count("SELECT count(*) FROM audit WHERE act = 'audit.heads'"); n != 1 {
				t.Errorf("%d entries of heads", n)
			}
			if p := w.publish(); p.Number != 2 {
				t.Errorf("the next is number %d", p.Number)
			}
			if p := w.problems(); len(p) > 0 {
				t.Errorf("fsck: %q", p)
			}
		})
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add([]byte(`{"type":"divoc-audit-heads/1","issuer":"did:web:x","number":1,"at":"2026-11-22T12:00:00Z","chains":[],"proof":{"key":"","signature":""}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := audit.ParseStatement(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.ParseStatement(again); err != nil {
			t.Errorf("%s is read, and as it is written again: %v", data, err)
		}
	})
}
