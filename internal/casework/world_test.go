package casework_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is cases of a house, with who works there.
type world struct {
	*casework.Service
	*issuancetest.House
	t       testing.TB
	o       casework.Options
	desk    access.Caller // opens cases at a facility
	one     access.Caller // decides them
	two     access.Caller // too
	citizen access.Caller
	source  access.Caller

	mu     sync.Mutex
	opened map[vaccination.CertificateID]bool // by the citizen
	told   []casework.Notice
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		House: issuancetest.New(t, "jamaica"), t: t, opened: map[vaccination.CertificateID]bool{},
		desk:    access.Caller{Actor: "staff:1", Role: access.FacilityStaff, Facility: "FAL", Source: access.AdminDoor},
		one:     access.Caller{Actor: "staff:2", Role: access.ProgrammeAdmin, Source: access.AdminDoor},
		two:     access.Caller{Actor: "staff:3", Role: access.ProgrammeAdmin, Source: access.AdminDoor},
		citizen: access.Caller{Actor: "citizen:7", Role: access.Citizen},
		source:  access.Caller{Actor: "token:1 commcare", Role: access.SourceRole, Source: "commcare"},
	}
	w.o = casework.Options{
		Store: w.House.Store, Box: w.House.Box, Issuance: w.House.Service, Profile: w.House.Profile, Now: w.House.Now, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler),
		Opened: func(_ context.Context, _ access.Caller, id vaccination.CertificateID) (bool, error) {
			return w.opened[id], nil
		},
		Tell: func(_ context.Context, _ *query.Queries, n casework.Notice) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, n)
			return nil
		},
	}
	w.Service = casework.New(w.o)
	return w
}

const (
	oldNumber = "tel:+18765550142"
	newNumber = "tel:+18765550177"
)

func event(code string, dose int) vaccination.Event {
	return vaccination.Event{
		Programme: "covid-19", EnrolmentCode: code,
		Person:   vaccination.Person{Name: "Marcia Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale},
		Contacts: []string{oldNumber},
		Vaccination: vaccination.Dose{
			Product: "comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 20 + dose}, Number: dose,
			Country: vaccination.Coding{Code: "JAM"}, Centre: "Falmouth Health Centre",
		},
	}
}

// certify has the source certify an event.
func (w *world) certify(e vaccination.Event) issuance.Result {
	w.t.Helper()
	r, err := w.House.Service.Issue(w.t.Context(), w.source, issuance.Certify, []vaccination.Event{e})
	if err != nil {
		w.t.Fatal(err)
	}
	return r[0]
}

// open opens a case at the desk.
func (w *world) open(r casework.Request) casework.Ticket {
	w.t.Helper()
	t, err := w.Open(w.t.Context(), w.desk, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// correction opens one of a name.
func (w *world) correction(id vaccination.CertificateID, changes ...string) casework.Ticket {
	w.t.Helper()
	r := casework.Request{Kind: casework.Correction, Certificate: id}
	for i := 0; i < len(changes); i += 2 {
		r.Changes = append(r.Changes, casework.Change{Field: changes[i], Value: changes[i+1]})
	}
	return w.open(r)
}

func (w *world) evidence(t casework.Ticket) {
	w.t.Helper()
	if _, err := w.AddEvidence(w.t.Context(), w.desk, t, picture(40, 30)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) approve(t casework.Ticket) {
	w.t.Helper()
	if _, err := w.Approve(w.t.Context(), w.one, t, casework.Approval{}); err != nil {
		w.t.Fatal(err)
	}
}

// is checks in which state a case is.
func (w *world) is(t casework.Ticket, want casework.State) casework.Followed {
	w.t.Helper()
	f, err := w.Follow(w.t.Context(), t)
	if err != nil || f.State != want {
		w.t.Errorf("the case is %s, %v; want %s", f.State, err, want)
	}
	return f
}

// refused checks the code of an error.
func refused(t testing.TB, what string, err error, want vaccination.Code) {
	t.Helper()
	if got := vaccination.ErrorCode(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

// checked runs fsck, which must find nothing.
func (w *world) checked() {
	w.t.Helper()
	report, err := w.House.Service.Check(w.t.Context(), w.NewCheck())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		w.t.Errorf("fsck:\n%s", strings.Join(report.Problems, "\n"))
	}
}

// current is the newest version of a certificate's record.
func (w *world) current(id vaccination.CertificateID) *issuance.Record {
	w.t.Helper()
	all, err := w.House.Service.Versions(w.t.Context(), w.Admin, id, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return all[len(all)-1]
}

func (w *world) person(id vaccination.CertificateID) casework.Person {
	w.t.Helper()
	s, err := w.House.Service.Subject(w.t.Context(), w.Admin, access.Read, id, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	return casework.Person{Bucket: s.Bucket, ID: s.Person}
}

func (w *world) contacts(id vaccination.CertificateID) string {
	w.t.Helper()
	p := w.person(id)
	c, err := w.House.Service.Contacts(w.t.Context(), p.Bucket, p.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(c, " ")
}

// session is a citizen's that has opened the record of the person of a case.
func (w *world) session(t casework.Ticket) {
	w.t.Helper()
	_, err := w.House.Store.Pool().Exec(w.t.Context(), `WITH s AS (INSERT INTO citizen_session (id, seen_at, ends_at) VALUES (decode(md5(random()::text), 'hex'), $2, $3) RETURNING id)
		INSERT INTO citizen_opened (bucket, person_id, session) SELECT c.bucket, c.person_id, s.id FROM case_file c, s WHERE c.id = $1`, int64(t), w.House.Now(), w.House.Now().Add(2*time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
}

// sessions are how many records are opened by citizens.
func (w *world) sessions() int { w.t.Helper(); return w.number("SELECT count(*) FROM citizen_opened") }

func (w *world) number(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.House.Store.Pool().QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// picture is a JPEG, dark in its upper left corner.
func picture(width, height int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{200, 200, 200, 255}
			if x < width/2 && y < height/2 {
				c = color.RGBA{10, 10, 10, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const day = 24 * time.Hour
