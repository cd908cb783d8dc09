package desk_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/desk"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/render/printer"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a desk in Jamaica with people who were vaccinated.
type world struct {
	*desk.Service
	t     testing.TB
	house *issuancetest.House
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	p, err := printer.New(h.Profile, h.PublicURL)
	if err != nil {
		t.Skipf("the fonts are not there: %v", err)
	}
	return &world{t: t, house: h, Service: desk.New(desk.Options{
		Store: h.Store, Box: h.Box, Issuance: h.Service, Printer: p, Now: h.Now, Random: rand.Reader, Log: h.Log,
		Allow: audit.New(audit.Options{Store: h.Store, Keys: h.Keys, Now: h.Now, Log: h.Log}).Allow,
	})}
}

// clerk works at a facility.
func clerk(n int, facility string) access.Caller {
	return access.Caller{Actor: fmt.Sprintf("staff:%d", n), Role: access.FacilityStaff, Facility: facility}
}

func date(s string) vaccination.Date {
	d, err := vaccination.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// event is a first dose; all people are made up.
func event(code, name, birth, phone string) vaccination.Event {
	e := vaccination.Event{
		EnrolmentCode: code, Person: vaccination.Person{Name: name, BirthDate: date(birth)},
		Vaccination: vaccination.Dose{Product: "vaxzevria", Number: 1, Lot: "ABV7764", Date: date("2021-04-09"), Centre: "Saint Jago Park Health Centre"},
	}
	if phone != "" {
		e.Contacts = []string{"tel:" + phone}
	}
	return e
}

// issue certifies events and returns their certificates.
func (w *world) issue(events ...vaccination.Event) []vaccination.CertificateID {
	w.t.Helper()
	results, err := w.house.Service.Issue(w.t.Context(), w.house.Admin, issuance.Certify, events)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []vaccination.CertificateID
	for _, r := range results {
		ids = append(ids, r.ID)
	}
	return ids
}

// search looks and fails the test where that fails.
func (w *world) search(by access.Caller, q desk.Question) (string, desk.Found) {
	w.t.Helper()
	name, found, err := w.Search(w.t.Context(), by, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return name, found
}

// opened opens the record of a certificate, as if it was scanned.
func (w *world) opened(by access.Caller, id vaccination.CertificateID) string {
	w.t.Helper()
	name, found := w.search(by, desk.Question{Text: id.UVCI("JM"), Reason: "training"})
	if len(found.Matches) != 1 {
		w.t.Fatalf("found %+v", found)
	}
	record, err := w.Open(w.t.Context(), by, name, found.Matches[0].ID, "", "", "training")
	if err != nil {
		w.t.Fatal(err)
	}
	return record
}

// act draws the name of a form.
func (w *world) act() string {
	w.t.Helper()
	name, err := w.NewName()
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

// count counts entries of the audit.
func (w *world) count(act string) (n int) {
	w.t.Helper()
	if err := w.house.Store.Pool().QueryRow(w.t.Context(), "SELECT count(*) FROM audit WHERE act = $1", act).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// is fails the test where an error has another code; "" is none.
func is(t testing.TB, err error, code vaccination.Code) {
	t.Helper()
	if err == nil && code == "" {
		return
	}
	if got := vaccination.ErrorCode(err); got != code || err == nil {
		t.Errorf("error = %v (%s), want %s", err, got, code)
	}
}
