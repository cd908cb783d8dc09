package issuance_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a service on a database of its own, with a clock that can be set.
type world struct {
	*issuance.Service
	t     testing.TB
	ctx   context.Context
	store *registry.Store
	now   time.Time
	by    access.Caller
	key   []byte // the seal key
	keys  string // the folder of the keys
}

func newWorld(t testing.TB, country string) *world {
	t.Helper()
	return newWorldOn(t, country, pgtest.URL(t))
}

// newWorldOn is newWorld on a database that has its tables.
func newWorldOn(t testing.TB, country, url string) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, ctx: ctx, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	store, err := registry.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	w.store = store
	p, err := profile.Open(country)
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w.key, w.keys = key, dir
	box, err := seal.Open(key, dir, seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	const publicURL = "https://certificates.example.org"
	did, err := trust.DIDWeb(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(ctx, keyring.Options{
		Dir: dir, Box: box, Create: true, Now: clock, Random: rand.Reader,
		Identity: keyring.Identity{DID: did, Country: p.Country.Alpha2, Name: p.IssuerName("en")},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Service = issuance.New(issuance.Options{
		Store: store, Box: box, Keys: ring, Profile: p, PublicURL: publicURL,
		Now: clock, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	w.by = w.source("check")
	return w
}

// source is a caller with the rights of a source's token.
func (w *world) source(name string) access.Caller {
	w.t.Helper()
	if err := w.store.Read().EnsureSource(w.ctx, query.EnsureSourceParams{Name: name, CreatedAt: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return access.Caller{Actor: "token:1 " + name, Role: access.SourceRole, Source: name}
}

func (w *world) sources() access.Sources {
	return access.Sources{Store: w.store, Now: func() time.Time { return w.now }}
}

// event is a record that has no fault.
func event(code string, dose int) vaccination.Event {
	return vaccination.Event{
		EnrolmentCode: code,
		Person: vaccination.Person{
			Name: "Marcia Ann-Louise Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale,
			Nationality: "JAM", Identifier: vaccination.Identifier{Value: "123456789"},
		},
		Contacts: []string{"tel:8765550142"},
		Vaccination: vaccination.Dose{
			Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: dose, Total: 2,
			Centre: "Falmouth Health Centre", Practitioner: "N. Brown",
		},
	}
}

func with(e vaccination.Event, change func(*vaccination.Event)) vaccination.Event {
	change(&e)
	return e
}

func lot(lot string) func(*vaccination.Event) {
	return func(e *vaccination.Event) { e.Vaccination.Lot = lot }
}

func (w *world) issue(action issuance.Action, events ...vaccination.Event) ([]issuance.Result, error) {
	return w.Issue(w.ctx, w.by, action, events)
}

func (w *world) must(action issuance.Action, e vaccination.Event) issuance.Result {
	w.t.Helper()
	r, err := w.issue(action, e)
	if err != nil {
		w.t.Fatalf("issuing: %v", err)
	}
	return r[0]
}

func (w *world) fails(code vaccination.Code, action issuance.Action, e vaccination.Event) *vaccination.Error {
	w.t.Helper()
	_, err := w.issue(action, e)
	var shown *vaccination.Error
	if !errors.As(err, &shown) || shown.Code != code {
		w.t.Fatalf("error = %v, want %s", err, code)
	}
	return shown
}

// checked fails the test when what is stored does not agree with itself.
func (w *world) checked() {
	w.t.Helper()
	report, err := w.Check(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Error(p)
	}
}

func paths(e *vaccination.Error) []string {
	var out []string
	for _, f := range e.Faults {
		out = append(out, f.Path)
	}
	return out
}

func TestARecordIsCertifiedOnce(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.must(issuance.Certify, event("A-1", 1))
	if first.Outcome != issuance.Issued || first.Version != 1 || first.Status != vaccination.StatusValid {
		t.Errorf("first = %+v", first)
	}
	again := w.must(issuance.Certify, event("A-1", 1))
	want := first
	want.Outcome = issuance.Unchanged
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the same again (-want +got):\n%s", diff)
	}
	e := w.fails(vaccination.Conflict, issuance.Certify, with(event("A-1", 1), func(e *vaccination.Event) {
		e.Vaccination.Lot, e.Person.Name = "PF2", "Marcia Campbell"
	}))
	if diff := cmp.Diff([]string{"person.name", "vaccination.lot"}, paths(e)); diff != "" {
		t.Errorf("fields of the conflict (-want +got):\n%s", diff)
	}
	w.checked()
}

func TestACorrectionSupersedes(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.must(issuance.Certify, event("A-1", 1))
	second := w.must(issuance.Correct, with(event("A-1", 1), lot("PF2")))
	if second.Outcome != issuance.Corrected || second.Version != 2 || second.Replaces != first.ID {
		t.Errorf("second = %+v", second)
	}
	third := w.must(issuance.Correct, with(event("A-1", 1), lot("PF3")))
	if third.Version != 3 || third.Replaces != second.ID {
		t.Errorf("third = %+v", third)
	}
	for id, want := range map[vaccination.CertificateID]vaccination.Status{
		first.ID: vaccination.StatusSuperseded, second.ID: vaccination.StatusSuperseded, third.ID: vaccination.StatusValid,
	} {
		if got, known, err := w.Status(w.ctx, id); err != nil || !known || got != want {
			t.Errorf("status = %s, %t, %v; want %s", got, known, err, want)
		}
	}
	// What a source sends again after a correction is the same record still.
	again := w.must(issuance.Certify, event("A-1", 1))
	if again.Outcome != issuance.Unchanged || again.ID != third.ID {
		t.Errorf("the first content again = %+v, want the current version", again)
	}
	if same := w.must(issuance.Correct, with(event("A-1", 1), lot("PF3"))); same.Outcome != issuance.Unchanged {
		t.Errorf("correcting to the current content = %+v", same)
	}
	w.fails(vaccination.NotFound, issuance.Correct, event("A-1", 2))
	w.checked()
}

func TestNewContactsLeaveTheCertificate(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.must(issuance.Certify, event("A-1", 1))
	moved := with(event("A-1", 1), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550199"} })
	if e := w.fails(vaccination.Conflict, issuance.Certify, moved); len(e.Faults) != 1 || e.Faults[0].Path != "contacts" {
		t.Errorf("faults = %+v", e.Faults)
	}
	r := w.must(issuance.Correct, moved)
	if r.Outcome != issuance.Updated || r.ID != first.ID || r.Version != 1 {
		t.Errorf("result = %+v", r)
	}
	for _, e := range []vaccination.Event{moved, event("A-1", 1)} {
		if r := w.must(issuance.Certify, e); r.Outcome != issuance.Unchanged || r.ID != first.ID {
			t.Errorf("sent again = %+v", r)
		}
	}
	w.checked()
}

func TestAfterARevocation(t *testing.T) {
	w := newWorld(t, "jamaica")
	first := w.must(issuance.Certify, event("A-1", 1))
	if _, err := w.Change(w.ctx, w.by, first.ID, vaccination.ActRevoke, "issued in error"); err != nil {
		t.Fatal(err)
	}
	w.fails(vaccination.Revoked, issuance.Certify, event("A-1", 1))
	w.fails(vaccination.Revoked, issuance.Correct, event("A-1", 1))
	second := w.must(issuance.Certify, with(event("A-1", 1), lot("PF2")))
	if second.Outcome != issuance.Issued || second.Version != 2 || second.Replaces != first.ID {
		t.Errorf("changed content = %+v", second)
	}
	if _, err := w.Change(w.ctx, w.by, second.ID, vaccination.ActRevoke, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReissueByID(w.ctx, w.by, second.ID, ""); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("a source issues again: %v", err)
	}
	third, err := w.ReissueByID(w.ctx, access.System("test"), second.ID, "")
	if err != nil || third.Version != 3 || third.Replaces != second.ID {
		t.Errorf("issued again = %+v, %v", third, err)
	}
	if r := w.must(issuance.Certify, with(event("A-1", 1), lot("PF2"))); r.ID != third.ID {
		t.Errorf("the same again = %+v", r)
	}
	w.checked()
}

func TestRequestsAreWholeOrNothing(t *testing.T) {
	w := newWorld(t, "jamaica")
	bad := with(event("A-3", 1), func(e *vaccination.Event) { e.Person.Name, e.Vaccination.Product = "", "Covid vaccine" })
	_, err := w.issue(issuance.Certify, event("A-1", 1), event("A-2", 1), bad)
	var item *issuance.ItemError
	var shown *vaccination.Error
	if !errors.As(err, &item) || item.Item != 2 || !errors.As(err, &shown) {
		t.Fatalf("error = %v, want one of item 2", err)
	}
	if diff := cmp.Diff([]string{"person.name", "vaccination.product"}, paths(shown)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if _, err := w.ByCode(w.ctx, w.by, "", "A-1", "test"); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("the first of a refused request exists: %v", err)
	}
	results, err := w.issue(issuance.Certify, event("A-1", 1), event("A-1", 2), event("A-2", 1), event("A-1", 1))
	if err != nil {
		t.Fatal(err)
	}
	if results[3].ID != results[0].ID || results[3].Outcome != issuance.Unchanged {
		t.Errorf("the same record twice in one request = %+v", results[3])
	}
	if _, err := w.issue(issuance.Certify, event("B", 1), with(event("B", 1), lot("other"))); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("two contents of one record in one request: %v", err)
	}
	w.checked()
}

func TestASourceSeesOnlyItsOwn(t *testing.T) {
	w := newWorld(t, "jamaica")
	mine := w.must(issuance.Certify, event("A-1", 1))
	other := w.source("other")
	ask := func(what string, err error) {
		t.Helper()
		if vaccination.ErrorCode(err) != vaccination.NotFound {
			t.Errorf("%s by a foreign source: %v, want not-found", what, err)
		}
	}
	_, err := w.ByID(w.ctx, other, mine.ID, "test")
	ask("reading", err)
	_, err = w.ByCode(w.ctx, other, "", "A-1", "test")
	ask("reading by code", err)
	_, _, err = w.Page(w.ctx, other, mine.ID, "test")
	ask("printing", err)
	_, err = w.Versions(w.ctx, other, mine.ID, "test")
	ask("versions", err)
	_, err = w.Change(w.ctx, other, mine.ID, vaccination.ActRevoke, "")
	ask("revoking", err)
	_, err = w.RevokeDoses(w.ctx, other, "", "A-1", nil, "")
	ask("revoking by code", err)
	_, err = w.Issue(w.ctx, other, issuance.Correct, []vaccination.Event{with(event("A-1", 1), lot("X"))})
	ask("correcting", err)
	// Certifying other content must not tell which field differs.
	_, err = w.Issue(w.ctx, other, issuance.Certify, []vaccination.Event{with(event("A-1", 1), lot("X"))})
	var shown *vaccination.Error
	if !errors.As(err, &shown) || shown.Code != vaccination.Conflict || len(shown.Faults) != 0 {
		t.Errorf("certifying a foreign record = %v", err)
	}
	for i := range 10_000 {
		if _, err := w.ByCode(w.ctx, other, "", fmt.Sprintf("A-%d", i), "test"); vaccination.ErrorCode(err) != vaccination.NotFound {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
}

func TestRevokingDoses(t *testing.T) {
	w := newWorld(t, "jamaica")
	for dose := 1; dose <= 3; dose++ {
		w.must(issuance.Certify, event("A-1", dose))
	}
	for name, doses := range map[string][]int{"not the highest": {1, 2}, "with a gap": {1, 3}, "never certified": {3, 4}} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", doses, ""); err == nil {
				t.Error("revoked")
			}
		})
	}
	ids, err := w.RevokeDoses(w.ctx, w.by, "", "A-1", []int{2, 3}, "")
	if err != nil || len(ids) != 2 {
		t.Fatalf("revoked %v, %v", ids, err)
	}
	doses, _, err := w.PageByCode(w.ctx, w.by, "", "A-1", "test")
	if err != nil || len(doses) != 1 || doses[0].Dose != 1 {
		t.Errorf("what stands = %v, %v", doses, err)
	}
	w.checked()
}
