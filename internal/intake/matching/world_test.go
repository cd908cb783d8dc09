package matching

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

const mappingText = `
person:
  name: name
  birthDate: dob
  sex: sex
  phone: phone
  identifiers: {national-id: nic}
dose:
  number: number
  product: {from: [vaccine], codes: {PF: Comirnaty, AZ: Vaxzevria}}
  lot: lot
  date: date
statuses: [done]
`

type plainReader struct{}

func (plainReader) Read(a intake.Arrival, _ *mapping.Mapping) (r intake.Reading, err error) {
	return r, json.Unmarshal(a.Body, &r)
}

// world is Sri Lanka's register with two sources.
type world struct {
	*issuancetest.House
	t      testing.TB
	intake *intake.Service
	n      int
}

func newWorld(t testing.TB) *world {
	w := &world{House: issuancetest.New(t, "sri-lanka"), t: t}
	w.intake = intake.New(intake.Options{
		Store: w.Store, Box: w.Box, Issuance: w.Service, Profile: w.Profile, Now: w.Now, Log: slog.New(slog.DiscardHandler),
		Kinds: map[intake.SourceKind]intake.Kind{intake.CommCare: {Reader: plainReader{}}}, Matcher: Matcher{Issuance: w.Service},
	})
	for _, name := range []string{"clinic", "camp"} {
		if err := w.intake.Create(t.Context(), w.Admin, intake.NewSource{Name: name, Kind: intake.CommCare, Mapping: mappingText}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// fragments are a person and doses: "id; name=…; dose=1; dose=2 date=2021-12-30".
func (w *world) fragments(text string) []intake.Fragment {
	parts := strings.Split(text, ";")
	id := strings.TrimSpace(parts[0])
	person := intake.Fragment{Kind: intake.PersonFragment, ID: id, Fields: mapping.Fields{
		"name": "Nimal Perera", "dob": "1987-04-21", "sex": "male", "phone": "071 234 5678", "nic": "198711200156",
	}}
	var out []intake.Fragment
	for _, p := range parts[1:] {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if k != "dose" {
			person.Fields[k] = v
			continue
		}
		words := strings.Fields(v)
		d := intake.Fragment{Kind: intake.DoseFragment, ID: id + "-" + words[0], Person: id, Status: "done", Fields: mapping.Fields{
			"number": words[0], "vaccine": "PF", "lot": "PF1", "date": "2021-11-30",
		}}
		for _, f := range words[1:] {
			k, v, _ := strings.Cut(f, "=")
			d.Fields[k] = v
		}
		out = append(out, d)
	}
	return append([]intake.Fragment{person}, out...)
}

// send delivers people in one delivery.
func (w *world) send(source string, people ...string) string {
	w.t.Helper()
	var r intake.Reading
	for _, p := range people {
		r.Fragments = append(r.Fragments, w.fragments(p)...)
	}
	w.n++
	body, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	ref, err := w.intake.Receive(context.Background(), source, intake.Arrival{Channel: intake.Push, ContentType: "application/json", Body: body})
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

// sent delivers, settles, and checks what became of it. The items come back in
// the order of the doses.
func (w *world) sent(source, want string, people ...string) []intake.Item {
	w.t.Helper()
	ref := w.send(source, people...)
	if err := w.intake.Process(w.t.Context(), source); err != nil {
		w.t.Fatal(err)
	}
	items, err := w.intake.Outcomes(w.t.Context(), source, ref)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, i := range items {
		s := string(i.State)
		if i.Class != "" {
			s += ":" + string(i.Class)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	if got := strings.Join(out, " "); got != want {
		w.t.Fatalf("became %q, want %q: %+v", got, want, items)
	}
	return items
}

func (w *world) decide(want string, d intake.Decision, items ...intake.Item) {
	w.t.Helper()
	var f intake.HoldFilter
	for _, i := range items {
		if i.State == intake.Held {
			f.IDs = append(f.IDs, i.ID)
		}
	}
	done, err := w.intake.Decide(w.t.Context(), w.Admin, f, d)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := fmt.Sprintf("%d issued, %d closed, %d held", done.Issued, done.Closed, done.Held); got != want {
		w.t.Fatalf("%s, want %s", got, want)
	}
}

// page is what the page of an enrolment code lists: "1 clinic, 2 camp".
func (w *world) page(code string) string {
	w.t.Helper()
	doses, _, err := w.Service.PageByCode(w.t.Context(), w.Admin, "", code, "test")
	if vaccination.ErrorCode(err) == vaccination.NotFound {
		return "none"
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, d := range doses {
		out = append(out, fmt.Sprintf("%d %s", d.Dose, d.Enrolment))
	}
	return strings.Join(out, ", ")
}

func (w *world) shows(code, want string) {
	w.t.Helper()
	if got := w.page(code); got != want {
		w.t.Errorf("the page of %s lists %s, want %s", code, got, want)
	}
}

// certificate is the id of a current dose.
func (w *world) certificate(code string, dose int) vaccination.CertificateID {
	w.t.Helper()
	records, err := w.Service.ByCode(w.t.Context(), w.Admin, "", code, "test")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		if r.Dose == dose && !r.Status.Final() {
			return r.ID
		}
	}
	w.t.Fatalf("%s has no dose %d", code, dose)
	return vaccination.CertificateID{}
}

func (w *world) checked() {
	w.t.Helper()
	report, err := w.Service.Check(w.t.Context())
	if err != nil || len(report.Problems) > 0 {
		w.t.Errorf("the check: %v, %q", err, report.Problems)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.Store.Pool().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// candidates are those that an item names.
func candidates(i intake.Item) (out []string) {
	for _, p := range i.Problems {
		if p.Path == "candidate" {
			out = append(out, p.Message)
		}
	}
	return out
}
