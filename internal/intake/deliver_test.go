package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestDeliver moves a poll's position with what it brought.
func TestDeliver(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	to := func(s string) *string { return &s }
	a := delivery(person("p1"), dose("d1", "p1", 1))
	a.Channel = intake.Poll
	refs, err := w.Deliver(w.ctx, "clinic", intake.Delivery{Arrivals: []intake.Arrival{a, a, delivery(person("p2"))}, Cursor: to("monday"), Lag: 90 * time.Second})
	if err != nil || len(refs) != 3 || refs[0] != refs[1] || refs[0] == refs[2] {
		t.Fatalf("%q, %v", refs, err)
	}
	if _, err := w.Deliver(w.ctx, "clinic", intake.Delivery{Arrivals: []intake.Arrival{delivery(person("p3"))}, Cursor: to("tuesday")}); !errors.Is(err, intake.ErrMoved) {
		t.Errorf("from where it stood before: %v", err)
	}
	src, err := w.Source(w.ctx, "clinic")
	if err != nil || src.Cursor != "monday" {
		t.Errorf("%q, %v", src.Cursor, err)
	}
	if i, err := w.Get(w.ctx, w.admin, "clinic"); err != nil || i.LagSeconds != 90 || !i.LastOK.Equal(w.now) {
		t.Errorf("%+v, %v", i, err)
	}
	w.process("clinic")
	w.counted("clinic", "3 in = 0 waiting + 1 issued + 2 unchanged + 0 held + 0 rejected")
	if _, err := w.Deliver(w.ctx, "clinic", intake.Delivery{Cursor: to("tuesday"), From: "monday"}); err != nil {
		t.Errorf("nothing new: %v", err)
	}
	known, err := w.Known(w.ctx, "clinic", intake.DoseFragment, []string{"d1", "d2"})
	if err != nil || len(known) != 1 || known["d1"].Hash != w.Hash(dose("d1", "p1", 1)) || known["d1"].Hash == w.Hash(dose("d1", "p1", 1, "lot=x")) {
		t.Errorf("%+v, %v", known, err)
	}
}

// fetcher is a source that can be asked.
type fetcher struct {
	asked []string
	gives map[string]intake.Arrival
	err   error
}

func (f *fetcher) Fetch(_ context.Context, _ intake.Source, kind intake.FragmentKind, ids []string) (out []intake.Arrival, err error) {
	for _, id := range ids {
		f.asked = append(f.asked, string(kind)+" "+id)
		if a, ok := f.gives[id]; ok && f.err == nil {
			a.Channel = intake.Poll
			out = append(out, a)
		}
	}
	return out, f.err
}

// TestWhatIsMissingIsAskedFor: the person of a dose, the cases of a stub.
func TestWhatIsMissingIsAskedFor(t *testing.T) {
	w := newWorld(t)
	from := &fetcher{gives: map[string]intake.Arrival{"p1": delivery(person("p1")), "c1": delivery(person("p2"), dose("d2", "p2", 1))}}
	w.o.Kinds[plain] = intake.Kind{Reader: plainReader{}, Fetcher: from}
	w.source("clinic")
	w.sent("issued", dose("d1", "p1", 1))
	stub, err := w.Receive(w.ctx, "clinic", intake.Arrival{Channel: intake.Push, Body: []byte("stub c1 c2")})
	if err != nil {
		t.Fatal(err)
	}
	w.process("clinic")
	if got := w.told("clinic", stub); got != "unchanged:fetched" {
		t.Errorf("the stub became %s", got)
	}
	w.certified("clinic:p1", "1 PF1 Marcia Campbell")
	w.certified("clinic:p2", "1 PF1 Marcia Campbell")
	if want := []string{"person p1", "dose c1", "dose c2"}; !slices.Equal(from.asked, want) {
		t.Errorf("asked for %q", from.asked)
	}
	w.counted("clinic", "4 in = 0 waiting + 2 issued + 2 unchanged + 0 held + 0 rejected")
	// What the source does not have stays held, and is asked for later.
	from.err = errTest
	ref := w.sent("held:waiting-for-person", dose("d3", "p3", 1))
	if i, err := w.Get(w.ctx, w.admin, "clinic"); err != nil || i.Problem == "" || i.State != intake.Active {
		t.Errorf("after it could not be asked: %+v, %v", i, err)
	}
	if got := w.told("clinic", ref); got != "held:waiting-for-person" {
		t.Errorf("became %s", got)
	}
}

// matcher answers as it is told.
type matcher map[string]intake.Match

func (m matcher) Match(_ context.Context, _ string, asks []issuance.Ask) ([]intake.Match, error) {
	out := make([]intake.Match, len(asks))
	for i, a := range asks {
		out[i] = m[a.Event.EnrolmentCode]
	}
	return out, nil
}

func TestPeopleWhoAreKnown(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("first"), dose("d0", "first", 3))
	one := issuance.One{EnrolmentCode: "clinic:first", Reason: "a test"}
	stands := &intake.Candidate{EnrolmentCode: "clinic:first", Certificate: vaccination.CertificateID{1}}
	w.o.Matcher = matcher{"clinic:same": {Same: one}, "clinic:has": {Stands: stands}, "clinic:like": {Hold: intake.PossibleDuplicate, Candidates: []intake.Candidate{*stands}}}
	w.Service = intake.New(w.o)
	// Each keeps a code of their own, and they are one.
	w.sent("issued issued", person("same"), dose("d1", "same", 1, "@=1"), dose("d2", "same", 2, "@=1"))
	w.certified("clinic:same", "1 PF1 Marcia Campbell", "2 PF1 Marcia Campbell")
	for _, code := range []string{"clinic:same", "clinic:first"} {
		if doses, _, err := w.issuance.PageByCode(w.ctx, w.admin, "", code, "test"); err != nil || len(doses) != 3 {
			t.Errorf("the page of %s has %d doses, %v", code, len(doses), err)
		}
	}
	w.sent("issued", dose("d1", "same", 1, "@=2", "lot=PF9"))
	w.certified("clinic:same", "1 PF9 Marcia Campbell", "2 PF1 Marcia Campbell")
	w.sent("unchanged:elsewhere", person("has"), dose("h1", "has", 1))

	w.sent("held:possible-duplicate", person("like"), dose("d3", "like", 1))
	done, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic", Class: intake.PossibleDuplicate}, intake.Decision{Action: intake.Release})
	if err != nil || done.Issued != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	w.sent("issued", dose("d4", "like", 2)) // it is not asked again
	w.certified("clinic:like", "1 PF1 Marcia Campbell", "2 PF1 Marcia Campbell")
}

// TestAnotherSource has certified a dose already.
func TestAnotherSource(t *testing.T) {
	w := newWorld(t)
	mapping := strings.Replace(mappingText, "  name: name", "  name: name\n  code: code", 1)
	w.source("clinic", func(n *intake.NewSource) { n.Mapping = mapping })
	w.source("other", func(n *intake.NewSource) { n.Mapping = mapping })
	w.sent("issued", person("p1", "code=C1"), dose("d1", "p1", 1))
	for want, lot := range map[string]string{"held:conflict": "ELSE", "unchanged:same": "PF1"} {
		ref := w.send("other", person("x"+lot, "code=C1"), dose("y"+lot, "x"+lot, 1, "lot="+lot))
		w.process("other")
		if got := w.told("other", ref); got != want {
			t.Errorf("%s became %s, want %s", lot, got, want)
		}
	}
	w.certified("C1", "1 PF1 Marcia Campbell")
	// Two records of one source are not one dose either.
	w.sent("held:same-dose", person("p2", "code=C1"), dose("d2", "p2", 1, "lot=PF2"))
}

// TestSettle answers for one delivery at once, before what waits longer.
func TestSettle(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for i := range 600 {
		w.send("clinic", person(fmt.Sprint("q", i)))
	}
	a := delivery(person("p1"), dose("d1", "p1", 1))
	a.Channel = intake.Demand
	ref, err := w.Receive(w.ctx, "clinic", a)
	if err != nil {
		t.Fatal(err)
	}
	items, err := w.Settle(w.ctx, "clinic", ref)
	if err != nil || told(items) != "issued" || items[0].Certificate.IsZero() {
		t.Fatalf("%+v, %v", items, err)
	}
	w.counted("clinic", "601 in = 600 waiting + 1 issued + 0 unchanged + 0 held + 0 rejected")
	trace, err := w.Trace(w.ctx, w.admin, items[0].Certificate)
	if err != nil || len(trace) != 1 || trace[0].Reference != ref {
		t.Errorf("%+v, %v", trace, err)
	}
	for _, no := range []string{"", "x", strings.Repeat("0", 26)} {
		if _, err := w.Settle(w.ctx, "clinic", no); !isCode(err, vaccination.NotFound) {
			t.Errorf("%q: %v", no, err)
		}
	}
}

// TestSettleBesideTheQueue answers for a delivery that somebody else settles meanwhile.
func TestSettleBesideTheQueue(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	for i := range 40 {
		id := fmt.Sprint("p", i)
		ref := w.send("clinic", person(id), dose("d"+id, id, 1))
		var queue sync.WaitGroup
		for range 3 {
			queue.Go(func() {
				if err := w.Process(w.ctx, "clinic"); err != nil {
					t.Error(err)
				}
			})
		}
		items, err := w.Settle(w.ctx, "clinic", ref)
		queue.Wait()
		if err != nil || told(items) != "issued" {
			t.Fatalf("delivery %d: %+v, %v", i, items, err)
		}
	}
}

// TestACorrectionByHand stands when the source says the same again.
func TestACorrectionByHand(t *testing.T) {
	w := newWorld(t)
	w.source("clinic")
	w.sent("issued", person("p1"), dose("d1", "p1", 1, "@=1"))
	e := vaccination.Event{EnrolmentCode: "clinic:p1", Person: vaccination.Person{Name: "Marcia Campbell-Brown"}}
	r, err := w.issuance.ByCode(w.ctx, w.admin, "covid-19", "clinic:p1", "test")
	if err != nil {
		t.Fatal(err)
	}
	e.Person.BirthDate, e.Person.Sex, e.Vaccination = r[0].Certificate.BirthDate, r[0].Certificate.Sex, vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: r[0].Certificate.Vaccination.Date, Number: 1}
	if _, err := w.issuance.Issue(w.ctx, w.admin, issuance.Correct, []vaccination.Event{e}); err != nil {
		t.Fatal(err)
	}
	w.sent("unchanged:same", dose("d1", "p1", 1, "@=2", "x=1"))
	w.certified("clinic:p1", "1 PF1 Marcia Campbell-Brown")
}
