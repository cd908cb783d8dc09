package subject_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/subject"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

type world struct {
	*issuancetest.House
	t       testing.TB
	subject *subject.Service
	cases   *casework.Service
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	log := slog.New(slog.DiscardHandler)
	cases := casework.New(casework.Options{Store: h.Store, Box: h.Box, Issuance: h.Service, Profile: h.Profile, Now: h.Now, Random: h.Random, Log: log})
	sources := intake.New(intake.Options{Store: h.Store, Box: h.Box, Issuance: h.Service, Now: h.Now, Log: log})
	return &world{h, t, subject.New(subject.Options{Store: h.Store, Issuance: h.Service, Intake: sources, Cases: cases, Profile: h.Profile, Now: h.Now}), cases}
}

func event(code string, dose int) vaccination.Event {
	return vaccination.Event{
		EnrolmentCode: code,
		Person: vaccination.Person{
			Name: "Marcia Ann-Louise Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale,
			Nationality: "JAM", Identifier: vaccination.Identifier{Value: "A7654321"},
		},
		Contacts: []string{"tel:8765550142"},
		Vaccination: vaccination.Dose{
			Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: dose, Total: 2,
			Centre: "Falmouth Health Centre", Practitioner: "N. Brown",
		},
	}
}

func (w *world) issue(events ...vaccination.Event) (ids []vaccination.CertificateID) {
	w.t.Helper()
	for _, e := range events {
		r, err := w.Service.Issue(w.t.Context(), w.Admin, issuance.Certify, []vaccination.Event{e})
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, r[0].ID)
	}
	return ids
}

// check has each certificate checked by a verifier three times.
func (w *world) check(ids ...vaccination.CertificateID) {
	w.t.Helper()
	for _, id := range ids {
		if _, err := w.Store.Pool().Exec(w.t.Context(), "INSERT INTO certificate_check (bucket, certificate, n) VALUES ($1, $2, 3)", id.Bucket(), id[:]); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) fsck() {
	w.t.Helper()
	r, err := w.Service.Check(w.t.Context(), w.cases.NewCheck())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(r.Problems) > 0 {
		w.t.Errorf("fsck: %q", r.Problems)
	}
}

// dump is everything that stands in the database, as text.
func (w *world) dump() string {
	w.t.Helper()
	var out string
	err := w.Store.Pool().QueryRow(w.t.Context(), `SELECT string_agg(query_to_xml(format('SELECT * FROM %I', table_name), true, true, '')::text, ' ')
		FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`).Scan(&out)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// personal are values of the person of event.
func personal() []string {
	return []string{"Marcia", "Campbell", "1987-04-21", "A7654321", "5550142", "CODE-ONE"}
}

// TestEveryTableOfPeopleIsKnown fails for a new table that can say whom its rows
// are about and that nobody exports or forgets.
func TestEveryTableOfPeopleIsKnown(t *testing.T) {
	w := newWorld(t)
	rows, err := w.Store.Pool().Query(t.Context(), `SELECT DISTINCT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.column_name IN ('bucket', 'person_id', 'certificate', 'person')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	known := append(subject.Opened(), subject.Passing()...)
	for _, table := range subject.Tables() {
		known = append(known, table.Name)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(known, name) {
			t.Errorf("table %s says whom its rows are about: name it in subject.Tables, and forget it in an erasure", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	ids := w.issue(event("CODE-ONE", 1), event("CODE-ONE", 2), event("CODE-TWO", 1))
	if _, err := w.Service.ByID(t.Context(), access.Caller{Actor: "staff:7", Role: access.SystemAdmin}, ids[1], "at a desk"); err != nil {
		t.Fatal(err)
	}
	w.check(ids...)
	d, err := w.subject.Export(t.Context(), w.Admin, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range append(personal(), ids[0].String(), ids[1].String(), "staff:7", "at a desk") {
		if !strings.Contains(string(text), value) {
			t.Errorf("the export lacks %q", value)
		}
	}
	if strings.Contains(string(text), ids[2].String()) || strings.Contains(string(text), "CODE-TWO") {
		t.Error("somebody else is in it")
	}
	for _, table := range []string{"person", "person_index", "certificate", "certificate_check"} {
		if len(d.Rows[table]) == 0 {
			t.Errorf("no rows of %s", table)
		}
	}
	var page bytes.Buffer
	if err := d.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"Marcia Ann-Louise Campbell", "staff:7", ids[1].String(), "Falmouth Health Centre"} {
		if !strings.Contains(page.String(), value) {
			t.Errorf("the page lacks %q", value)
		}
	}
	for _, role := range []access.Role{access.SourceRole, access.Auditor, access.ProgrammeAdmin, access.FacilityAdmin, ""} {
		if _, err := w.subject.Export(t.Context(), access.Caller{Actor: "x", Role: role}, ids[0]); vaccination.ErrorCode(err) != vaccination.Forbidden {
			t.Errorf("%s exports: %v", role, err)
		}
	}
}

func TestErased(t *testing.T) {
	for _, choice := range []string{"keep", "revoke"} {
		t.Run(choice, func(t *testing.T) {
			w := newWorld(t)
			ids := w.issue(event("CODE-ONE", 1), event("CODE-ONE", 2), event("CODE-TWO", 1))
			if err := w.Service.Merge(t.Context(), w.Admin, ids[0], ids[2], "one card shown"); err != nil {
				t.Fatal(err)
			}
			who, err := w.subject.EraseNow(t.Context(), w.Admin, ids[0], choice, "asked in writing")
			if err != nil || len(who.Certificates) != 2 {
				t.Fatalf("%+v, %v", who, err)
			}
			w.fsck()
			dump := w.dump()
			for _, value := range personal() {
				if strings.Contains(dump, value) {
					t.Errorf("%q is readable in the database", value)
				}
			}
			for _, id := range ids[:2] {
				if _, err := w.Service.ByID(t.Context(), w.Admin, id, "test"); vaccination.ErrorCode(err) != vaccination.NotFound {
					t.Errorf("it opens: %v", err)
				}
				status, known, err := w.Service.Status(t.Context(), id)
				want := map[string]vaccination.Status{"keep": vaccination.StatusValid, "revoke": vaccination.StatusRevoked}[choice]
				if err != nil || !known || status != want {
					t.Errorf("its state is %s, %v, %v", status, known, err)
				}
			}
			// Who was linked to them is shown alone.
			if doses, _, err := w.Service.Page(t.Context(), w.Admin, ids[2], "test"); err != nil || len(doses) != 1 {
				t.Errorf("the other's page: %d doses, %v", len(doses), err)
			}
			if _, err := w.Service.Latest(t.Context(), w.Admin, 10); err != nil {
				t.Errorf("the newest: %v", err)
			}
			if _, err := w.subject.EraseNow(t.Context(), w.Admin, ids[1], choice, "again"); vaccination.ErrorCode(err) != vaccination.NotFound {
				t.Errorf("again: %v", err)
			}
			// Delivered again, they are somebody new.
			again := w.issue(event("CODE-ONE", 1))
			if again[0] == ids[0] {
				t.Error("the old certificate came back")
			}
			w.fsck()
		})
	}
}

func TestTwoPeopleErase(t *testing.T) {
	w := newWorld(t)
	ids := w.issue(event("CODE-ONE", 1))
	one, two := access.Caller{Actor: "staff:1", Role: access.SystemAdmin}, access.Caller{Actor: "staff:2", Role: access.SystemAdmin}
	n, err := w.subject.Ask(t.Context(), one, ids[0], "", "asked in writing")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.subject.Ask(t.Context(), two, ids[0], "", "again"); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("asked twice: %v", err)
	}
	if err := w.subject.Decide(t.Context(), one, n, true); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("one person alone: %v", err)
	}
	if err := w.subject.Decide(t.Context(), access.Caller{Actor: "staff:3", Role: access.ProgrammeAdmin}, n, true); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("who may not: %v", err)
	}
	if err := w.subject.Decide(t.Context(), one, n, false); err != nil { // thought better of it
		t.Fatal(err)
	}
	if err := w.subject.Decide(t.Context(), two, n, true); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("what was refused is approved: %v", err)
	}
	if n, err = w.subject.Ask(t.Context(), one, ids[0], "keep", "asked in writing"); err != nil {
		t.Fatal(err)
	}
	if err := w.subject.Decide(t.Context(), two, n, true); err != nil {
		t.Fatal(err)
	}
	list, err := w.subject.Erasures(t.Context(), two, 10)
	if err != nil || len(list) != 2 || !list[0].Done && !list[1].Done || list[0].Ended.IsZero() {
		t.Errorf("erasures = %+v, %v", list, err)
	}
	w.fsck()
}

func TestAnErasureThatIsNotPersisted(t *testing.T) {
	for _, step := range []string{"DELETE ON person_index", "UPDATE ON certificate", "UPDATE ON person", "INSERT ON erasure", "UPDATE ON erasure", "INSERT ON audit"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			ids := w.issue(event("CODE-ONE", 1))
			heal := pgtest.Fail(t, w.Store.Pool(), step)
			if _, err := w.subject.EraseNow(t.Context(), w.Admin, ids[0], "keep", "asked"); err == nil {
				t.Fatal("it did not fail")
			}
			heal()
			if _, err := w.Service.ByID(t.Context(), w.Admin, ids[0], "test"); err != nil {
				t.Errorf("it is erased in part: %v", err)
			}
			w.fsck()
		})
	}
}

func TestErasedWithoutTheAudit(t *testing.T) {
	w := newWorld(t)
	w.issue(event("CODE-ONE", 1))
	if _, err := w.Store.Pool().Exec(t.Context(), "UPDATE person SET key = '', sealed = ''; UPDATE certificate SET sealed = ''; DELETE FROM person_index"); err != nil {
		t.Fatal(err)
	}
	r, err := w.Service.Check(t.Context())
	if err != nil || !strings.Contains(strings.Join(r.Problems, "\n"), "was erased") {
		t.Errorf("fsck: %+v, %v", r, err)
	}
}
