package citizen_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
)

// faults are the writes of each act.
func faults() map[string][]string {
	return map[string][]string{
		"ask for a code": {"INSERT ON citizen_challenge", "INSERT ON audit"},
		"sign in":        {"UPDATE OF tries ON citizen_challenge", "DELETE ON citizen_challenge", "INSERT ON citizen_session", "INSERT ON audit"},
		"open a record":  {"INSERT ON citizen_person", "INSERT ON citizen_opened", "UPDATE OF tries ON citizen_person", "INSERT ON audit"},
		"leave":          {"DELETE ON citizen_session", "INSERT ON audit"},
	}
}

// TestFailedAndNotPersisted lets each write fail once: nothing is so then, and the
// same act succeeds afterwards.
func TestFailedAndNotPersisted(t *testing.T) {
	for act, writes := range faults() {
		t.Run(act, func(t *testing.T) {
			w := newWorld(t)
			w.Budget = nil
			do, number := w.act(act), 0
			for _, write := range writes {
				before := w.rows()
				heal := pgtest.Fail(t, w.h.Store.Pool(), write)
				if err := do(); err == nil {
					t.Errorf("%s: it succeeds", write)
				}
				heal()
				if diff := cmp.Diff(before, w.rows()); diff != "" {
					t.Errorf("%s (-before +while it fails):\n%s", write, diff)
				}
				number++
			}
			if err := do(); err != nil || number == 0 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// act makes everything ready for an act, which can be done once.
func (w *world) act(name string) func() error {
	w.t.Helper()
	if name == "ask for a code" {
		return func() error {
			_, err := w.Start(w.ctx, citizen.Ask{Number: "8765550142"}, "")
			return err
		}
	}
	secret := w.ask("8765550142")
	code := w.sent.last().code
	if name == "sign in" {
		return func() error {
			_, err := w.Prove(w.ctx, secret, code, "")
			return err
		}
	}
	session, err := w.Prove(w.ctx, secret, code, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if name == "leave" {
		return func() error { return w.End(w.ctx, session) }
	}
	s := w.session(session)
	person := w.reach(s)[0].Ref
	return func() error { return w.OpenRecord(w.ctx, s, person, true) }
}

// rows are the rows of the tables that the acts write.
func (w *world) rows() []string {
	w.t.Helper()
	var out []string
	for _, table := range []string{"citizen_challenge", "citizen_session", "citizen_opened", "citizen_person", "audit"} {
		var n, tries int
		column := "0"
		if table == "citizen_challenge" || table == "citizen_person" {
			column = "tries"
		}
		if err := w.h.Store.Pool().QueryRow(w.ctx, "SELECT count(*), coalesce(sum("+column+"), 0) FROM "+table).Scan(&n, &tries); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, fmt.Sprint(table, " ", n, " rows, ", tries, " tries"))
	}
	return out
}

// TestTheTableOfFaults compares docs/faults.md with what the tests do.
func TestTheTableOfFaults(t *testing.T) {
	tested := map[string]string{}
	for act, writes := range faults() {
		for _, write := range writes {
			tested[act+" | "+write+" | not persisted"] = "TestFailedAndNotPersisted"
		}
	}
	for act, writes := range providerFaults() {
		for _, write := range writes {
			tested[act+" | "+write+" | not persisted"] = "TestASignInAtTheProviderFails"
		}
	}
	for _, write := range leftFaults() {
		tested["sign out at the identity provider | "+write+" | not persisted"] = "TestSigningOutAtTheProviderFails"
	}
	pgtest.CheckFaultTable(t, "internal/access/citizen", tested)
}
