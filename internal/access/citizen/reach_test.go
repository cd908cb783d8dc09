package citizen_test

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestWhatWasOpenedIsReachedAtEveryMoment: what opens cases is asked of the number
// and of the last use of a session each time, not of its beginning.
func TestWhatWasOpenedIsReachedAtEveryMoment(t *testing.T) {
	w := &world{}
	exec := func(sql string, args ...any) {
		w.t.Helper()
		if _, err := w.h.Store.Pool().Exec(w.ctx, sql, args...); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, end := range map[string]func(s *citizen.Session, p citizen.Person){
		"it was not used for long": func(*citizen.Session, citizen.Person) { w.h.Pass(citizen.SessionIdle) },
		"it is too old": func(s *citizen.Session, _ citizen.Person) {
			w.h.Pass(citizen.SessionLife)
			exec("UPDATE citizen_session SET seen_at = $1", w.h.Now())
		},
		"the source says another number": func(*citizen.Session, citizen.Person) {
			_, err := w.h.Service.Issue(w.ctx, w.h.Admin, issuance.Correct, []vaccination.Event{{
				Programme: "covid-19", EnrolmentCode: "OTHER", Person: vaccination.Person{Name: "Delroy Other", BirthDate: vaccination.Date{Year: 1990, Month: 1, Day: 2}, Sex: "female"}, Contacts: []string{"tel:8765550188"},
				Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 6, Day: 16}, Number: 1, Total: 2, Centre: "Falmouth Health Centre"},
			}})
			if err != nil {
				t.Fatal(err)
			}
		},
		"they died": func(_ *citizen.Session, p citizen.Person) {
			exec(`INSERT INTO case_file (bucket, id, turn, kind, state, person_id, programme, opened_as, opened_by, opened_at, deadline, once, asked, sealed)
				VALUES ($1::smallint, $1::smallint::bigint << 45, 1, 'death', 'approved', $2, 'covid-19', 'facility-staff', 'staff:1', now(), now(), decode(md5('a'), 'hex'), decode(md5('a'), 'hex'), '')`, p.Bucket, p.ID)
			exec("INSERT INTO deceased (bucket, person_id, case_id, at) VALUES ($1::smallint, $2, $1::smallint::bigint << 45, now())", p.Bucket, p.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w = newWorld(t)
			s := w.enter(other)
			p := w.reach(s)[0].Ref
			if err := w.OpenRecord(w.ctx, s, p, true); err != nil {
				t.Fatal(err)
			}
			w.h.Pass(time.Minute)
			if ok, err := w.Opened(w.ctx, s.Caller, p); err != nil || !ok {
				t.Fatalf("it is opened: %t, %v", ok, err)
			}
			end(s, p)
			if ok, err := w.Opened(w.ctx, s.Caller, p); err != nil || ok {
				t.Errorf("it counts still: %t, %v", ok, err)
			}
		})
	}
}

// TestAGuardianReachesAChildWhileTheyAreOne asks at each look, not at the sign-in.
func TestAGuardianReachesAChildWhileTheyAreOne(t *testing.T) {
	w := newWorld(t)
	s := w.enter(family)
	var child citizen.Person
	for _, p := range w.reach(s) {
		if p.EnrolmentCode() == "DEVON" {
			child = p.Ref
		}
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := w.h.Store.Pool().Exec(w.ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO case_file (bucket, id, turn, kind, state, person_id, programme, opened_as, opened_by, opened_at, deadline, once, asked, sealed)
		VALUES ($1::smallint, $1::smallint::bigint << 45, 1, 'guardian', 'approved', $2, 'covid-19', 'facility-staff', 'staff:1', now(), now(), decode(md5('a'), 'hex'), decode(md5('a'), 'hex'), '')`, child.Bucket, child.ID)
	guardian := w.enter(other)
	exec("INSERT INTO guardian (bucket, person_id, case_id, mobile, made_at, made_by, until) VALUES ($1::smallint, $2, $1::smallint::bigint << 45, $3, now(), 'staff:2', 'infinity')", child.Bucket, child.ID, guardian.Number)
	if n := len(w.reach(guardian)); n != 2 {
		t.Fatalf("the guardian reaches %d people", n)
	}
	if err := w.OpenRecord(w.ctx, guardian, child, true); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Opened(w.ctx, guardian.Caller, child); err != nil || !ok {
		t.Fatalf("it is opened: %t, %v", ok, err)
	}
	exec("UPDATE guardian SET ended_at = now()")
	if n := len(w.reach(guardian)); n != 1 {
		t.Errorf("after the end they reach %d people", n)
	}
	if ok, err := w.Opened(w.ctx, guardian.Caller, child); err != nil || ok {
		t.Errorf("after the end it counts still: %t, %v", ok, err)
	}
}
