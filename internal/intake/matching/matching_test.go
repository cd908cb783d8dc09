package matching

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

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
