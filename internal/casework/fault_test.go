package casework_test

import (
	"context"
	"errors"
	"testing"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// act is one act on a case, with the writes it is made of. again is what the same
// act is answered with when it was done: "" where it is done or found done.
type act struct {
	before func(w *world) casework.Ticket
	do     func(w *world, s *casework.Service, t casework.Ticket) error
	writes []string
	again  vaccination.Code
}

func acts() map[string]act {
	correction := func(w *world) casework.Ticket {
		return w.correction(w.certify(event("A", 1)).ID, "person.name", "Marcia Brown")
	}
	approve := func(w *world, s *casework.Service, t casework.Ticket) error {
		_, err := s.Approve(w.t.Context(), w.one, t, casework.Approval{Note: "as on your card"})
		return err
	}
	with := func(r casework.Request, e vaccination.Event) func(w *world) casework.Ticket {
		return func(w *world) casework.Ticket {
			r.Certificate = w.certify(e).ID
			t := w.open(r)
			w.evidence(t)
			return t
		}
	}
	child := event("CHILD", 1)
	child.Person.BirthDate = vaccination.Date{Year: 2015}
	abroad := event("", 2)
	abroad.Vaccination.Country.Code = "CAN"
	guardian := with(casework.Request{Kind: casework.Guardian, Contact: newNumber, Name: "Ann Grant"}, child)
	contact := with(casework.Request{Kind: casework.ContactChange, Contact: newNumber}, event("A", 1))
	notMine := with(casework.Request{Kind: casework.NotMine, Contact: oldNumber}, event("A", 1))
	death := with(casework.Request{Kind: casework.Death}, event("A", 1))
	return map[string]act{
		"open a case": {
			before: func(w *world) casework.Ticket { w.certify(event("A", 1)); return 0 },
			do: func(w *world, s *casework.Service, _ casework.Ticket) error {
				all, err := w.House.Service.ByCode(w.t.Context(), w.Admin, "covid-19", "A", "test")
				if err != nil {
					return err
				}
				_, err = s.Open(w.t.Context(), w.desk, casework.Request{Kind: casework.Correction, Certificate: all[0].ID, Message: "wrong", Once: "1"})
				return err
			},
			writes: []string{"INSERT ON case_file", "INSERT ON case_event"},
		},
		"add a photograph": {
			before: correction,
			do: func(w *world, s *casework.Service, t casework.Ticket) error {
				_, err := s.AddEvidence(w.t.Context(), w.desk, t, picture(40, 30))
				return err
			},
			writes: []string{"INSERT ON case_evidence", "UPDATE ON case_file", "INSERT ON case_event", "INSERT ON audit"},
		},
		"refuse a case": {
			before: correction,
			do: func(w *world, s *casework.Service, t casework.Ticket) error {
				return s.Refuse(w.t.Context(), w.one, t, "no")
			},
			writes: []string{"UPDATE ON case_file", "INSERT ON case_event", "INSERT ON audit"},
			again:  vaccination.Conflict,
		},
		"approve a correction": {
			before: correction, do: approve, again: vaccination.Conflict,
			writes: []string{"UPDATE ON case_file", "INSERT ON case_event", "INSERT ON certificate", "UPDATE ON certificate", "UPDATE ON person"},
		},
		"approve a dose abroad": {
			before: with(casework.Request{Kind: casework.DoseAbroad, Event: &abroad}, event("A", 1)), do: approve, again: vaccination.Conflict,
			writes: []string{"UPDATE ON case_file", "INSERT ON case_event", "INSERT ON certificate"},
		},
		"approve a guardian": {
			before: guardian, do: approve, again: vaccination.Conflict,
			writes: []string{"INSERT ON guardian", "UPDATE ON case_file", "INSERT ON case_event"},
		},
		"end a guardian": {
			before: func(w *world) casework.Ticket { t := guardian(w); w.approve(t); w.session(t); return t },
			do: func(w *world, s *casework.Service, t casework.Ticket) error {
				return s.EndGuardian(w.t.Context(), w.desk, t)
			},
			writes: []string{"UPDATE ON guardian", "DELETE ON citizen_opened", "UPDATE ON case_file", "INSERT ON case_event", "INSERT ON audit"},
			again:  vaccination.Conflict,
		},
		"record a death": {
			before: func(w *world) casework.Ticket { t := death(w); w.session(t); return t }, do: approve, again: vaccination.Conflict,
			writes: []string{"INSERT ON deceased", "DELETE ON citizen_opened", "UPDATE ON case_file", "INSERT ON case_event"},
		},
		"take a number away": {
			before: func(w *world) casework.Ticket { t := notMine(w); w.session(t); return t }, do: approve, again: vaccination.Conflict,
			writes: []string{"UPDATE ON person", "DELETE ON person_index", "DELETE ON citizen_opened", "UPDATE ON case_file", "INSERT ON case_event", "INSERT ON audit"},
		},
		"a new number takes effect": {
			before: func(w *world) casework.Ticket { t := contact(w); w.approve(t); w.Pass(2 * day); w.session(t); return t },
			do:     dueNow,
			writes: []string{"UPDATE ON person", "DELETE ON person_index", "INSERT ON person_index", "DELETE ON citizen_opened", "UPDATE ON case_file", "INSERT ON case_event", "INSERT ON audit"},
		},
	}
}

// dueNow runs the job, and says whether the change is pending still.
func dueNow(w *world, s *casework.Service, t casework.Ticket) error {
	if err := s.Due(w.t.Context()); err != nil {
		return err
	}
	f, err := w.Follow(context.WithoutCancel(w.t.Context()), t)
	if err == nil && f.Effect == casework.Pending {
		err = registry.ErrChanged // it is in the log, and taken up again
	}
	return err
}

func (w *world) state() string {
	w.t.Helper()
	return pgtest.State(w.t, w.House.Store.Pool(), "case_file", "case_event", "case_evidence", "guardian", "deceased", "certificate", "person", "person_index", "citizen_opened")
}

// TestFailedAndNotPersisted lets each single write of each act fail: nothing of it
// remains, and the same again is done.
func TestFailedAndNotPersisted(t *testing.T) {
	for name, a := range acts() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ticket := a.before(w)
			pgtest.FailEach(t, w.House.Store.Pool(), a.writes, func() error { return a.do(w, w.Service, ticket) }, w.state, w.checked)
			if err := a.do(w, w.Service, ticket); err != nil {
				t.Errorf("the same again: %v", err)
			}
			refused(t, "once more", a.do(w, w.Service, ticket), a.again)
			w.checked()
		})
	}
}

// TestTheConnectionBreaksAtTheCommit cuts the connection before and after the
// commit of each act.
func TestTheConnectionBreaksAtTheCommit(t *testing.T) {
	for name, a := range acts() {
		for _, cut := range []pgtest.Cut{pgtest.BeforeCommit, pgtest.AfterCommit} {
			t.Run(name+", cut "+string(cut), func(t *testing.T) {
				w := newWorld(t)
				ticket := a.before(w)
				before := w.state()
				p := pgtest.NewProxy(t, w.House.Store.Pool().Config().ConnString())
				store, err := registry.Open(t.Context(), p.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				o, i := w.o, w.House.Options
				i.Store = store
				o.Store, o.Issuance = store, issuance.New(i)
				behind := casework.New(o)
				p.Cut(cut)
				err = a.do(w, behind, ticket)
				p.Cut(pgtest.Never)
				if err == nil && cut == pgtest.BeforeCommit || err != nil && !registry.IsDown(err) && !errors.Is(err, registry.ErrChanged) {
					t.Errorf("the connection broke: %v", err)
				}
				if persisted := w.state() != before; persisted != (cut == pgtest.AfterCommit) {
					t.Errorf("persisted: %t", persisted)
				}
				w.checked()
				want := a.again
				if cut == pgtest.BeforeCommit {
					want = ""
				}
				refused(t, "the same again", a.do(w, behind, ticket), want)
				w.checked()
			})
		}
	}
}

// TestTheTableOfFaults compares docs/faults.md with what the tests above do.
func TestTheTableOfFaults(t *testing.T) {
	writes := map[string][]string{}
	for name, a := range acts() {
		writes[name] = a.writes
	}
	pgtest.CheckActs(t, "internal/casework", writes)
}
