package matching

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/vaccination"
)

// posted certifies a dose of somebody whom a caller of the API names by a code.
func (w *world) posted(code string, dose int, change func(*vaccination.Event)) vaccination.CertificateID {
	w.t.Helper()
	e := vaccination.Event{
		EnrolmentCode: code, Contacts: []string{"tel:+94712345678"},
		Person: vaccination.Person{Name: "Nimal Perera", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexMale,
			Identifier: vaccination.Identifier{Kind: "national-id", Value: "198711200156"}},
		Vaccination: vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: dose, Total: 2},
	}
	if change != nil {
		change(&e)
	}
	r, err := w.Service.Issue(w.t.Context(), access.Caller{Actor: "token:1 hospital", Role: access.SourceRole, Source: "hospital"}, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		w.t.Fatal(err)
	}
	return r[0].ID
}

// looked runs a [Watch] and returns what waits then.
func (w *world) looked() []issuance.Likeness {
	w.t.Helper()
	if _, err := (Watch{Issuance: w.Service, Log: slog.New(slog.DiscardHandler)}).Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	list, err := w.Service.Likenesses(w.t.Context(), w.Admin, 0, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func somebodyElse(e *vaccination.Event) {
	e.Person.Name, e.Person.Identifier, e.Contacts = "Kamala Silva", vaccination.Identifier{}, nil
}

func TestWhoIsNamedByTheirCallerIsComparedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		first  func(*vaccination.Event)
		second func(*vaccination.Event)
		dose   int
		want   string // of the pair, "" for none
	}{
		"the same number and all else":    {nil, nil, 1, "covid-19 1 same"},
		"another dose of the same person": {nil, nil, 2, " 0 same"},
		"the same number, another name":   {nil, func(e *vaccination.Event) { e.Person.Name = "Kamala Silva" }, 1, "covid-19 1 person.name"},
		"name, birth date and sex":        {nil, func(e *vaccination.Event) { e.Person.Identifier, e.Contacts = vaccination.Identifier{}, nil }, 1, "covid-19 1"},
		"a birth date alone":              {nil, somebodyElse, 1, ""},
		"a family's telephone": {nil, func(e *vaccination.Event) {
			somebodyElse(e)
			e.Contacts = []string{"tel:+94712345678"}
			e.Person.BirthDate.Year = 1990
		}, 1, ""},
		"two people without anything else": {somebodyElse, nil, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.posted("H-1", 1, test.first)
			if list := w.looked(); len(list) != 0 {
				t.Fatalf("alone: %+v", list)
			}
			b := w.posted("H-2", test.dose, test.second)
			list := w.looked()
			if test.want == "" {
				if len(list) != 0 {
					t.Errorf("%+v", list)
				}
				return
			}
			if len(list) != 1 {
				t.Fatalf("%+v", list)
			}
			l := list[0]
			got := strings.TrimRight(l.Programme+" "+string(rune('0'+l.Dose))+" "+strings.Join(l.Differs, " "), " ")
			if l.Same {
				got += " same"
			}
			if got != test.want || !slices.Contains(l.Certificates[:], a) || !slices.Contains(l.Certificates[:], b) {
				t.Errorf("%q of %v, want %q of %s and %s", got, l.Certificates, test.want, a, b)
			}
			if again := w.looked(); len(again) != 1 {
				t.Errorf("looked at again: %+v", again)
			}
		})
	}
}

func TestAPairWaitsUntilSomebodySaysWhatTheyAre(t *testing.T) {
	by := access.Caller{Actor: "staff:9", Role: access.SystemAdmin}
	for name, decide := range map[string]func(w *world, l issuance.Likeness) error{
		"they are one": func(w *world, l issuance.Likeness) error {
			return w.Service.Merge(w.t.Context(), by, l.Certificates[0], l.Certificates[1], "same card")
		},
		"they are two": func(w *world, l issuance.Likeness) error {
			return w.Service.CloseLikeness(w.t.Context(), by, l.ID, "father and son")
		},
		"they were one": func(w *world, l issuance.Likeness) error {
			if err := w.Service.Merge(w.t.Context(), by, l.Certificates[0], l.Certificates[1], "same card"); err != nil {
				return err
			}
			return w.Service.Unmerge(w.t.Context(), by, l.Certificates[0], l.Certificates[1], "father and son")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.posted("H-1", 1, nil)
			w.posted("H-2", 1, nil)
			list := w.looked()
			if n, err := w.Service.CountLikenesses(t.Context()); err != nil || n != 1 || len(list) != 1 {
				t.Fatalf("%d pairs, %v, %v", n, list, err)
			}
			if err := decide(w, list[0]); err != nil {
				t.Fatal(err)
			}
			w.posted("H-1", 2, nil) // compared anew
			if left := w.looked(); len(left) != 0 {
				t.Errorf("after it was decided: %+v", left)
			}
			if err := w.Service.CloseLikeness(t.Context(), by, 999, "x"); vaccination.ErrorCode(err) != vaccination.NotFound {
				t.Errorf("a pair that is not there: %v", err)
			}
			if r, err := w.Service.Check(t.Context()); err != nil || len(r.Problems) > 0 {
				t.Errorf("%v, %v", r, err)
			}
		})
	}
}

func TestWhoMaySayWhatPeopleAre(t *testing.T) {
	w := newWorld(t)
	for _, role := range []access.Role{access.SourceRole, access.FacilityStaff, access.Auditor, access.Citizen, ""} {
		by := access.Caller{Actor: "x", Role: role}
		if _, err := w.Service.Likenesses(t.Context(), by, 0, 1); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s reads: %v", role, err)
		}
		if err := w.Service.CloseLikeness(t.Context(), by, 1, "x"); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s closes: %v", role, err)
		}
	}
}

// TestWhatSourcesDeliverIsNotFlaggedToo has the intake hold somebody, and a person
// release them: who compared them is not asked again.
func TestWhatSourcesDeliverIsNotFlaggedToo(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued", "1; dose=1")
	items := w.sent("camp", "held:possible-duplicate", "2; nic=; dose=1")
	if _, err := w.intake.Decide(t.Context(), access.Caller{Actor: "staff:9", Role: access.SystemAdmin}, intake.HoldFilter{IDs: []int64{items[0].ID}}, intake.Decision{Action: intake.Release}); err != nil {
		t.Fatal(err)
	}
	if list := w.looked(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	// A caller of the API brings the same person: that nobody compared.
	w.posted("H-1", 1, nil)
	if list := w.looked(); len(list) == 0 {
		t.Error("somebody who is known to a source was not noticed")
	}
}

// TestAnErasedPersonIsComparedWithNobody erases somebody between their certificate
// and the look.
func TestAnErasedPersonIsComparedWithNobody(t *testing.T) {
	w := newWorld(t)
	w.posted("H-1", 1, nil)
	w.posted("H-2", 1, nil)
	if _, err := w.Store.Pool().Exec(t.Context(), "UPDATE person SET key = '', sealed = ''; UPDATE certificate SET sealed = ''; DELETE FROM person_index"); err != nil {
		t.Fatal(err)
	}
	if list := w.looked(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

// TestALookThatIsNotPersisted lets each write of a look, and of what is said of a
// pair, fail once, and compares docs/faults.md with it.
func TestALookThatIsNotPersisted(t *testing.T) {
	w := newWorld(t)
	w.posted("H-1", 1, nil)
	w.posted("H-2", 1, nil)
	by := access.Caller{Actor: "staff:9", Role: access.SystemAdmin}
	look := func() error {
		_, err := Watch{Issuance: w.Service, Log: slog.New(slog.DiscardHandler)}.Look(t.Context())
		return err
	}
	waits := func() int64 {
		n, err := w.Service.CountLikenesses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	tested := map[string]string{}
	for _, step := range []struct {
		act    string
		do     func() error
		writes []string
		before int64
		after  int64
	}{
		{"note who may be known", look, []string{"INSERT ON likeness", "UPDATE OF seq ON likeness_seen"}, 0, 1},
		{"say that they are two", func() error { return w.Service.CloseLikeness(t.Context(), by, w.looked()[0].ID, "father and son") }, []string{"UPDATE OF closed_at ON likeness", "INSERT ON audit"}, 1, 0},
	} {
		for _, write := range step.writes {
			tested[step.act+" | "+write+" | not persisted"] = t.Name()
			heal := pgtest.Fail(t, w.Store.Pool(), write)
			if err := step.do(); err == nil {
				t.Errorf("%s, %s: it succeeds", step.act, write)
			}
			heal()
			if n := waits(); n != step.before {
				t.Errorf("%s, %s: %d pairs wait", step.act, write, n)
			}
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s afterwards: %v", step.act, err)
		}
		if n := waits(); n != step.after {
			t.Errorf("%s afterwards: %d pairs wait", step.act, n)
		}
	}
	w.checked()
	pgtest.CheckFaultTable(t, "internal/intake/matching", tested)
}
