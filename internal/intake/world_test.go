package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// plain is a kind of source that sends fragments as they are, as JSON: what the
// tests are about is what happens to them.
const plain = intake.CommCare

type plainReader struct{}

func (plainReader) Read(a intake.Arrival, _ *mapping.Mapping) (r intake.Reading, err error) {
	switch {
	case string(a.Body) == "panic":
		panic("a value of a person")
	case strings.HasPrefix(string(a.Body), "stub "):
		return intake.Reading{Needs: strings.Fields(string(a.Body))[1:]}, nil
	}
	if err := json.Unmarshal(a.Body, &r); err != nil {
		return r, vaccination.Errorf(vaccination.Invalid, "this is not JSON")
	}
	return r, nil
}

const mappingText = `
person:
  name: name
  birthDate: dob
  sex: sex
  phone: phone
dose:
  number: number
  product: {from: [vaccine], codes: {PF: Comirnaty, AZ: Vaxzevria}}
  lot: lot
  date: date
statuses: [done]
`

// world is a service on a database of its own, with a clock that can be set.
type world struct {
	*intake.Service
	t        testing.TB
	ctx      context.Context
	store    *registry.Store
	issuance *issuance.Service
	o        intake.Options
	now      time.Time
	admin    access.Caller
	issue    issuance.Options
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := issuancetest.New(t, "jamaica")
	w := &world{t: t, ctx: context.Background(), store: h.Store, issue: h.Options, now: h.Now(), admin: h.Admin}
	clock := func() time.Time { return w.now }
	w.issue.Now = clock
	w.issuance = issuance.New(w.issue)
	w.o = intake.Options{
		Store: w.store, Box: h.Box, Issuance: w.issuance, Profile: h.Profile, Now: clock, Log: h.Log,
		Kinds: map[intake.SourceKind]intake.Kind{plain: {Reader: plainReader{}}},
	}
	w.Service = intake.New(w.o)
	return w
}

// source makes a source of the plain kind.
func (w *world) source(name string, change ...func(*intake.NewSource)) {
	w.t.Helper()
	n := intake.NewSource{Name: name, Kind: plain, Mapping: mappingText}
	for _, f := range change {
		f(&n)
	}
	if err := w.Create(w.ctx, w.admin, n); err != nil {
		w.t.Fatal(err)
	}
}

// person and dose are fragments without fault.
func person(id string, change ...string) intake.Fragment {
	return changed(intake.Fragment{Kind: intake.PersonFragment, ID: id, Fields: mapping.Fields{
		"name": "Marcia Campbell", "dob": "1987-04-21", "sex": "female", "phone": "876 555 0142",
	}}, change)
}

func dose(id, of string, number int, change ...string) intake.Fragment {
	return changed(intake.Fragment{Kind: intake.DoseFragment, ID: id, Person: of, Status: "done", Fields: mapping.Fields{
		"number": fmt.Sprint(number), "vaccine": "PF", "lot": "PF1", "date": "2021-11-30",
	}}, change)
}

// changed sets fields: "lot=PF2". "@" is the version, in seconds; "deleted",
// "status", "facility" and "stage" are the fragment's own.
func changed(f intake.Fragment, change []string) intake.Fragment {
	for _, c := range change {
		name, value, _ := strings.Cut(c, "=")
		switch name {
		case "@":
			var n int64
			fmt.Sscan(value, &n)
			f.Version = time.Unix(1_600_000_000+n, 0)
		case "deleted":
			f.Deleted = true
		case "status":
			f.Status = value
		case "facility":
			f.Facility = value
		case "stage":
			f.Stage = value
		default:
			f.Fields[name] = value
		}
	}
	return f
}

func delivery(f ...intake.Fragment) intake.Arrival {
	body, err := json.Marshal(intake.Reading{Fragments: f})
	if err != nil {
		panic(err)
	}
	return intake.Arrival{Channel: intake.Push, ContentType: "application/json", Body: body}
}

// send receives what a source sends, and returns its reference.
func (w *world) send(source string, f ...intake.Fragment) string {
	w.t.Helper()
	ref, err := w.Receive(w.ctx, source, delivery(f...))
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func (w *world) process(source string) {
	w.t.Helper()
	if err := w.Process(w.ctx, source); err != nil {
		w.t.Fatal(err)
	}
}

// told is what became of a delivery, "issued held:unmapped-code".
func (w *world) told(source, ref string) string {
	w.t.Helper()
	items, err := w.Outcomes(w.ctx, source, ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return told(items)
}

func told(items []intake.Item) string {
	var out []string
	for _, i := range items {
		s := string(i.State)
		if i.Class != "" {
			s += ":" + string(i.Class)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// sent sends, settles, and checks what became of it.
func (w *world) sent(want string, f ...intake.Fragment) string {
	w.t.Helper()
	ref := w.send("clinic", f...)
	w.process("clinic")
	if got := w.told("clinic", ref); got != want {
		w.t.Errorf("became %q, want %q", got, want)
	}
	return ref
}

func (w *world) counts(source string) string {
	w.t.Helper()
	all, err := w.Counts(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	c := all[source]
	if c.In != c.Waiting+c.Issued+c.Unchanged+c.Held+c.Rejected {
		w.t.Errorf("the counts of %s do not add up: %+v", source, c)
	}
	// And they are what the rows say.
	var rows, waiting int64
	for sql, to := range map[string]*int64{"SELECT count(*) FROM item WHERE source = $1": &rows, "SELECT count(*) FROM arrival WHERE source = $1 AND state = 'waiting'": &waiting} {
		if err := w.store.Pool().QueryRow(w.ctx, sql, source).Scan(to); err != nil {
			w.t.Fatal(err)
		}
	}
	if c.In != rows+waiting || c.Waiting != waiting {
		w.t.Errorf("counts of %s: %+v, but %d items and %d waiting", source, c, rows, waiting)
	}
	return fmt.Sprintf("%d in = %d waiting + %d issued + %d unchanged + %d held + %d rejected", c.In, c.Waiting, c.Issued, c.Unchanged, c.Held, c.Rejected)
}

func (w *world) counted(source, want string) {
	w.t.Helper()
	if got := w.counts(source); got != want {
		w.t.Errorf("counts of %s: %s\nwant %s", source, got, want)
	}
}

// certificates are the current certificates of a person: "1 PF1 Marcia Campbell".
func (w *world) certificates(code string) []string {
	w.t.Helper()
	records, err := w.issuance.ByCode(w.ctx, w.admin, "covid-19", code, "test")
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, r := range records {
		if r.Status.Final() {
			continue
		}
		v := r.Certificate.Vaccination
		out = append(out, fmt.Sprintf("%d %s %s", v.Number, v.Lot, r.Certificate.Name))
	}
	return out
}

func (w *world) certified(code string, want ...string) {
	w.t.Helper()
	if got := w.certificates(code); !slices.Equal(got, want) {
		w.t.Errorf("certificates of %s: %q, want %q", code, got, want)
	}
}

func isCode(err error, code vaccination.Code) bool {
	return err != nil && vaccination.ErrorCode(err) == code
}

type mappingOf = mapping.Mapping

var errTest = errors.New("as the test wants it")
