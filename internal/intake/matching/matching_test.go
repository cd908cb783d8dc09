package matching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

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

func TestOneNumberIsOnePerson(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued", "p1; dose=1")
	first := w.certificate("clinic:p1", 1)
	// The old form of the number, another spelling, another telephone, and nobody
	// has to look.
	w.sent("camp", "issued", "q7; name=Perera, Nimal; nic=871120156v; phone=077 111 2222; dose=2")
	both := "1 clinic:p1, 2 camp:q7"
	w.shows("clinic:p1", both)
	w.shows("camp:q7", both)
	second := w.certificate("camp:q7", 2)
	if doses, index, err := w.Service.Page(t.Context(), w.Admin, first, "test"); err != nil || len(doses) != 2 || doses[index].ID != first {
		t.Errorf("the page of the first: %d of %d, %v", index, len(doses), err)
	}
	if records, err := w.Service.Search(t.Context(), w.Admin, "", "camp:q7", "test"); err != nil || len(records) != 2 || records[0].ID != second {
		t.Errorf("searched: %d, %v", len(records), err)
	}
	// A source sees what it delivered, linked or not.
	camp := access.Caller{Actor: "token:1 camp", Role: access.SourceRole, Source: "camp"}
	if records, err := w.Service.Search(t.Context(), camp, "", "camp:q7", "test"); err != nil || len(records) != 1 {
		t.Errorf("the camp sees %d, %v", len(records), err)
	}
	links, err := w.Service.Links(t.Context(), w.Admin, first)
	if err != nil || len(links) != 1 || links[0].Certificate != second || links[0].By != "intake:camp" || !links[0].Ended.IsZero() {
		t.Fatalf("links: %+v, %v", links, err)
	}
	w.checked()

	// Apart again: the certificates stay, and so does the history.
	if err := w.Service.Unmerge(t.Context(), w.Admin, second, first, "father and son"); err != nil {
		t.Fatal(err)
	}
	w.shows("clinic:p1", "1 clinic:p1")
	w.shows("camp:q7", "2 camp:q7")
	links, err = w.Service.Links(t.Context(), w.Admin, second)
	if err != nil || len(links) != 1 || links[0].Ended.IsZero() || links[0].EndReason != "father and son" {
		t.Fatalf("links: %+v, %v", links, err)
	}
	// What comes later does not link them again.
	w.sent("camp", "issued", "q7; name=Perera, Nimal; nic=871120156v; phone=077 111 2222; dose=3")
	w.shows("camp:q7", "2 camp:q7, 3 camp:q7")
	if err := w.Service.Merge(t.Context(), w.Admin, first, second, "one card shown"); err != nil {
		t.Fatal(err)
	}
	w.shows("clinic:p1", "1 clinic:p1, 2 camp:q7, 3 camp:q7")
	w.checked()
}

func TestTwoFirstDoses(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued", "p1; dose=1")
	stands := w.certificate("clinic:p1", 1)
	items := w.sent("camp", "unchanged:elsewhere", "same; dose=1 lot=X")
	if items[0].Certificate != stands {
		t.Errorf("it does not say which certificate stands: %+v", items[0])
	}
	w.shows("camp:same", "none")
	for name, dose := range map[string]string{"date": "dose=1 date=2021-12-01", "product": "dose=1 vaccine=AZ"} {
		items := w.sent("camp", "held:second-dose", name+"; "+dose)
		if got := candidates(items[0]); !slices.Equal(got, []string{stands.String()}) {
			t.Errorf("another %s: candidates %q", name, got)
		}
	}
	// Of somebody who is linked and known already, too.
	w.sent("camp", "issued", "q; dose=2")
	w.sent("camp", "held:second-dose unchanged:same", "q; dose=2; dose=1 date=2021-12-01")
	w.sent("clinic", "held:second-dose unchanged:same", "p1; dose=1; dose=2 date=2022-02-02")
	// Both were given: they are one person all the same.
	w.decide("1 issued, 0 closed, 0 held", intake.Decision{Action: intake.Release}, w.holds("camp", intake.SecondDose)[0])
	if got := w.page("clinic:p1"); !strings.Contains(got, "camp:") || !strings.HasPrefix(got, "1 ") {
		t.Errorf("after the release: %s", got)
	}
	w.checked()
}

func (w *world) holds(source string, class intake.HoldClass) []intake.Item {
	w.t.Helper()
	list, err := w.intake.Holds(w.t.Context(), w.Admin, intake.HoldFilter{Source: source, Class: class})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestWhatAPersonDecides(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued", "p1; nic=; dose=1")
	first := w.certificate("clinic:p1", 1)
	same := w.sent("camp", "held:possible-duplicate held:possible-duplicate", "same; nic=; name=N. Perera; dose=2; dose=3")
	if got := candidates(same[0]); !slices.Equal(got, []string{first.String()}) {
		t.Errorf("candidates: %q", got)
	}
	for _, p := range same[0].Problems {
		if strings.Contains(p.Message, "Perera") || strings.Contains(p.Message, "1987") {
			t.Errorf("a person's values are in a hold: %s", p.Message)
		}
	}
	if _, err := w.intake.Decide(t.Context(), w.Admin, intake.HoldFilter{IDs: []int64{same[0].ID}}, intake.Decision{Action: intake.Merge}); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("merged without a reason: %v", err)
	}
	w.decide("2 issued, 0 closed, 0 held", intake.Decision{Action: intake.Merge, Reason: "one card shown"}, same...)
	w.shows("clinic:p1", "1 clinic:p1, 2 camp:same, 3 camp:same")
	w.sent("camp", "issued", "same; nic=; name=N. Perera; dose=4") // nobody is asked again

	other := w.sent("camp", "held:possible-duplicate", "other; nic=; name=Nimali Perera; dose=1 date=2022-01-01")
	w.decide("1 issued, 0 closed, 0 held", intake.Decision{Action: intake.Release}, other...)
	w.shows("camp:other", "1 camp:other")
	w.sent("camp", "issued", "other; nic=; name=Nimali Perera; dose=2")

	// Two candidates: which?
	third := w.sent("clinic", "held:possible-duplicate", "third; nic=; dose=5")
	if got := candidates(third[0]); len(got) < 2 {
		t.Fatalf("candidates: %q", got)
	}
	which := intake.Decision{Action: intake.Merge, Reason: "asked"}
	if _, err := w.intake.Decide(t.Context(), w.Admin, intake.HoldFilter{IDs: []int64{third[0].ID}}, which); vaccination.ErrorCode(err) != vaccination.Invalid {
		t.Errorf("merged with one of several: %v", err)
	}
	which.As = w.certificate("camp:other", 1)
	w.decide("1 issued, 0 closed, 0 held", which, third...)
	w.shows("clinic:third", "1 camp:other, 2 camp:other, 5 clinic:third")
	w.checked()
}

func TestOneNumberThatDoesNotAgree(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued", "p1; dose=1")
	for name, who := range map[string]string{
		"a child with a parent's card": "c1; name=Sunil Fernando; dob=2012-01-01; phone=; dose=1",
		"a name in another script":     "c2; name=නිමල් පෙරේරා; dose=2",
	} {
		items := w.sent("camp", "held:possible-duplicate", who)
		if len(candidates(items[0])) != 1 {
			t.Errorf("%s: %+v", name, items[0].Problems)
		}
	}
	// A second person with the number stands: who comes third is not either.
	w.decide("1 issued, 0 closed, 0 held", intake.Decision{Action: intake.Release}, w.holds("camp", intake.PossibleDuplicate)[0])
	w.sent("camp", "held:possible-duplicate", "c3; dose=2")
	// What clerks type for no number is nobody's.
	w.sent("camp", "issued issued", "n1; nic=0000000000; name=Anil Bandara; dob=1960-01-01; phone=; dose=1", "n2; nic=0000000000; name=Kamala Fonseka; dob=1961-01-01; phone=; dose=1")
	w.checked()
}

// TestInOneDelivery: people who are new at the same time are compared too.
func TestInOneDelivery(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued issued", "p1; dose=1", "p2; dose=2")
	w.shows("clinic:p1", "1 clinic:p1, 2 clinic:p2")
	items := w.sent("clinic", "issued unchanged:elsewhere", "r1; nic=199011200156; dose=1", "r2; nic=901120156V; dose=1 lot=Y")
	if items[0].Certificate != items[1].Certificate || items[0].Certificate.IsZero() {
		t.Errorf("it does not say which certificate stands: %+v", items)
	}
	items = w.sent("clinic", "held:possible-duplicate issued", "s1; nic=; phone=077 999 8888; name=Anil Bandara; dose=1", "s2; nic=; phone=077 999 8888; name=A. Bandara; dose=1")
	for _, i := range items {
		if i.State == intake.Held && (len(candidates(i)) != 1 || candidates(i)[0] != w.certificate("clinic:s1", 1).String()) {
			t.Errorf("candidates: %q", candidates(i))
		}
	}
	w.checked()
}

// TestTwoSourcesAtOnce bring the same people, each once: nobody may end with two
// certificates of one dose that nothing connects.
func TestTwoSourcesAtOnce(t *testing.T) {
	w := newWorld(t)
	const people = 60
	for round := range 3 {
		for i := range people {
			n := round*people + i
			who := fmt.Sprintf("p%d; phone=07%08d; dob=%d-%02d-11; nic=%d; dose=1", n, 10000000+n*37, 1930+n%80, 1+n%12, 193000100000+n*7)
			w.send("clinic", who)
			w.send("camp", who)
		}
		var both sync.WaitGroup
		for _, source := range []string{"clinic", "camp"} {
			both.Go(func() {
				if err := w.intake.Process(context.Background(), source); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
	counts, err := w.intake.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := counts["clinic"], counts["camp"]; a.Issued+b.Issued != 3*people || a.Unchanged+b.Unchanged != 3*people {
		t.Errorf("clinic %+v, camp %+v: want %d certificates, each once", a, b, 3*people)
	}
	found := 0
	if err := (Matcher{Issuance: w.Service}).Duplicates(t.Context(), w.Admin, func(Duplicate) error { found++; return nil }); err != nil || found > 0 {
		t.Errorf("%d duplicates, %v", found, err)
	}
	w.checked()
}

// TestWhoComesMeanwhile is seen when the certificate is written.
func TestWhoComesMeanwhile(t *testing.T) {
	w := newWorld(t)
	event := func(code string) vaccination.Event {
		return vaccination.Event{EnrolmentCode: code, Person: recordOf(t, "").person, Vaccination: vaccination.Dose{
			Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Centre: "Colombo",
		}}
	}
	by := access.Caller{Actor: "intake:clinic", Role: access.SourceRole, Source: "clinic"}
	looks, err := w.Service.Look(t.Context(), "clinic", []issuance.Ask{{Event: event("A")}})
	if err != nil || looks[0].Seen == nil || len(looks[0].Like) != 0 {
		t.Fatalf("%+v, %v", looks, err)
	}
	if _, err := w.Service.Settle(t.Context(), by, []issuance.Told{{Event: event("B")}}, nil); err != nil {
		t.Fatal(err)
	}
	told := []issuance.Told{{Event: event("A"), Seen: looks[0].Seen}}
	if _, err := w.Service.Settle(t.Context(), by, told, nil); !errors.Is(err, issuance.ErrMet) {
		t.Errorf("issued beside somebody alike: %v", err)
	}
	w.shows("A", "none")
	if looks, err = w.Service.Look(t.Context(), "clinic", []issuance.Ask{{Event: event("A")}}); err != nil || len(looks[0].Like) != 1 {
		t.Fatalf("%+v, %v", looks, err)
	}
	told[0].Seen = looks[0].Seen
	if each, err := w.Service.Settle(t.Context(), by, told, nil); err != nil || each[0].Err != nil {
		t.Errorf("%+v, %v", each, err)
	}
	// Neither had a link: the nightly look finds them.
	var found []Duplicate
	if err := (Matcher{Issuance: w.Service}).Duplicates(t.Context(), w.Admin, func(d Duplicate) error { found = append(found, d); return nil }); err != nil || len(found) != 1 || !found[0].Same {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := w.Service.Merge(t.Context(), w.Admin, found[0].Certificates[0], found[0].Certificates[1], "one card shown"); err != nil {
		t.Fatal(err)
	}
	w.shows("A", "1 A, 1 B")
	if err := (Matcher{Issuance: w.Service}).Duplicates(t.Context(), w.Admin, func(d Duplicate) error { return errors.New("again") }); err != nil {
		t.Error(err)
	}
	w.checked()
}

// TestHalfALink is what a crash leaves between the two rows, where they are not
// written together.
func TestHalfALink(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued issued", "a; nic=; phone=; dose=1", "b; nic=; phone=; name=Anil Bandara; dose=2")
	a, b := w.certificate("clinic:a", 1), w.certificate("clinic:b", 2)
	const pointer, counts = "(bucket, person_id) > (other_bucket, other_id)", "(bucket, person_id) < (other_bucket, other_id)"
	merge := func() {
		t.Helper()
		if err := w.Service.Merge(t.Context(), w.Admin, a, b, "a test"); err != nil {
			t.Fatal(err)
		}
		w.shows("clinic:a", "1 clinic:a, 2 clinic:b")
		w.shows("clinic:b", "1 clinic:a, 2 clinic:b")
	}
	merge()
	w.checked()
	// Made halfway: the row that counts is not there.
	w.exec("DELETE FROM person_link WHERE " + counts)
	w.shows("clinic:a", "1 clinic:a")
	w.shows("clinic:b", "2 clinic:b")
	if report, err := w.Service.Check(t.Context()); err != nil || len(report.Problems) == 0 {
		t.Errorf("the check says nothing: %v", err)
	}
	merge() // goes on with it
	// Ended halfway: the row that points stands still.
	w.exec("UPDATE person_link SET ended_at = now(), ended_by = 'x', ended_why = 'x' WHERE " + counts)
	w.shows("clinic:a", "1 clinic:a")
	w.shows("clinic:b", "2 clinic:b")
	if err := w.Service.Unmerge(t.Context(), w.Admin, a, b, "a test"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM person_link WHERE ended_at IS NULL AND "+pointer).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows stand, %v", n, err)
	}
}

func TestLinksThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.sent("clinic", "issued issued issued", "a; nic=; phone=; dose=1; dose=2", "b; nic=; phone=; name=Anil Bandara; dose=1")
	a, b := w.certificate("clinic:a", 1), w.certificate("clinic:b", 1)
	is := func(what string, err error, want vaccination.Code) {
		t.Helper()
		if vaccination.ErrorCode(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	is("one person", w.Service.Merge(t.Context(), w.Admin, a, w.certificate("clinic:a", 2), "x"), vaccination.Invalid)
	is("no reason", w.Service.Merge(t.Context(), w.Admin, a, b, ""), vaccination.Invalid)
	is("nobody", w.Service.Merge(t.Context(), w.Admin, a, vaccination.CertificateID{9}, "x"), vaccination.NotFound)
	is("not linked", w.Service.Unmerge(t.Context(), w.Admin, a, b, "x"), vaccination.NotFound)
	source := access.Caller{Actor: "token:1 clinic", Role: access.SourceRole, Source: "clinic"}
	is("a source", w.Service.Merge(t.Context(), source, a, b, "x"), vaccination.Forbidden)
	is("a source", w.Service.Unmerge(t.Context(), source, a, b, "x"), vaccination.Forbidden)
	_, err := w.Service.Links(t.Context(), source, a)
	is("a source", err, vaccination.Forbidden)
	for i := range 9 {
		w.sent("clinic", "issued", fmt.Sprintf("n%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=1", i, 'a'+i, i))
		err := w.Service.Merge(t.Context(), w.Admin, a, w.certificate(fmt.Sprintf("clinic:n%d", i), 1), "x")
		is("a person more", err, "")
	}
	is("too many", w.Service.Merge(t.Context(), w.Admin, a, b, "x"), vaccination.Conflict)
	is("by way of others", w.Service.Unmerge(t.Context(), w.Admin, w.certificate("clinic:n1", 1), w.certificate("clinic:n2", 1), "x"), vaccination.Conflict)
	w.checked()
}

// TestMergeAndUnmergeIsAsBefore makes and ends links at random and compares what
// is shown with a model; in the end all are ended, and all is as it was.
func TestMergeAndUnmergeIsAsBefore(t *testing.T) {
	w := newWorld(t)
	const people = 5
	var ids []vaccination.CertificateID
	for i := range people {
		w.sent("clinic", "issued", fmt.Sprintf("m%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=%d", i, 'a'+i, i, i+1))
		ids = append(ids, w.certificate(fmt.Sprintf("clinic:m%d", i), i+1))
	}
	type edge [2]int
	rapid.Check(t, func(rt *rapid.T) {
		edges := map[edge]bool{}
		group := func(i int) []int {
			out := []int{i}
			for k := 0; k < len(out); k++ {
				for e := range edges {
					for side := range 2 {
						if e[side] == out[k] && !slices.Contains(out, e[1-side]) {
							out = append(out, e[1-side])
						}
					}
				}
			}
			slices.Sort(out)
			return out
		}
		shown := func() {
			for i := range people {
				var want []string
				for _, k := range group(i) {
					want = append(want, fmt.Sprintf("%d clinic:m%d", k+1, k))
				}
				if got := w.page(fmt.Sprintf("clinic:m%d", i)); got != strings.Join(want, ", ") {
					rt.Fatalf("the page of m%d lists %s, want %s", i, got, want)
				}
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "acts") {
			x, y := rapid.IntRange(0, people-1).Draw(rt, "x"), rapid.IntRange(0, people-1).Draw(rt, "y")
			e := edge{min(x, y), max(x, y)}
			switch {
			case x == y:
			case rapid.Bool().Draw(rt, "merge"):
				if err := w.Service.Merge(w.t.Context(), w.Admin, ids[x], ids[y], "a test"); err != nil {
					rt.Fatal(err)
				}
				if !slices.Contains(group(x), y) {
					edges[e] = true
				}
			default:
				err := w.Service.Unmerge(w.t.Context(), w.Admin, ids[x], ids[y], "a test")
				if (err == nil) != edges[e] {
					rt.Fatalf("unmerged %v: %v", e, err)
				}
				delete(edges, e)
			}
			shown()
		}
		for e := range edges {
			if err := w.Service.Unmerge(w.t.Context(), w.Admin, ids[e[1]], ids[e[0]], "a test"); err != nil {
				rt.Fatal(err)
			}
		}
		clear(edges)
		shown()
	})
	w.checked()
}

// TestLinksAtOnce: acts on links of the same people at the same time leave no
// ring, so that each link can be ended.
func TestLinksAtOnce(t *testing.T) {
	w := newWorld(t)
	var ids []vaccination.CertificateID
	for i := range 4 {
		w.sent("clinic", "issued", fmt.Sprintf("m%d; nic=; phone=; name=Person Number%c; dob=19%d0-01-01; dose=1", i, 'a'+i, i))
		ids = append(ids, w.certificate(fmt.Sprintf("clinic:m%d", i), 1))
	}
	for range 5 {
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				if err := w.Service.Merge(context.Background(), w.Admin, ids[i], ids[(i+1)%4], "a test"); err != nil && vaccination.ErrorCode(err) != vaccination.Unavailable {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var n int
		if err := w.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM person_link WHERE ended_at IS NULL").Scan(&n); err != nil || n != 6 {
			t.Fatalf("%d rows of links between four people, %v", n, err)
		}
		for i := range ids {
			_ = w.Service.Unmerge(t.Context(), w.Admin, ids[i], ids[(i+1)%4], "a test") // one of them there is not
		}
	}
	w.checked()
}
