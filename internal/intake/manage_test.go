package intake_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// tester is a source that says of itself what the test wants.
type tester struct {
	meta mapping.Metadata
	err  error
}

func (s *tester) Test(context.Context, intake.Source) (mapping.Metadata, error) { return s.meta, s.err }

func TestSourcesThatAreNotMade(t *testing.T) {
	w := newWorld(t)
	w.o.Kinds[intake.FHIR] = intake.Kind{Reader: plainReader{}, CheckConfig: func(c json.RawMessage) error {
		if !strings.Contains(string(c), "url") {
			return vaccination.Errorf(vaccination.Invalid, "give its url")
		}
		return nil
	}}
	good := intake.NewSource{Name: "clinic", Kind: plain, Mapping: mappingText, Programme: "covid-19", Scope: []string{"/a"}}
	for name, change := range map[string]func(*intake.NewSource){
		"no name":                    func(n *intake.NewSource) { n.Name = "" },
		"a name in capitals":         func(n *intake.NewSource) { n.Name = "Clinic" },
		"the administrators' door":   func(n *intake.NewSource) { n.Name = "admin" },
		"an unknown kind":            func(n *intake.NewSource) { n.Kind = "fax" },
		"a kind that is not wired":   func(n *intake.NewSource) { n.Kind = intake.DHIS2 },
		"no mapping":                 func(n *intake.NewSource) { n.Mapping = "" },
		"a mapping with a wrong key": func(n *intake.NewSource) { n.Mapping = "persons: {}" },
		"an unknown programme":       func(n *intake.NewSource) { n.Programme = "flu" },
		"a limit below zero":         func(n *intake.NewSource) { n.HourlyLimit = -1 },
		"an empty scope":             func(n *intake.NewSource) { n.Scope = []string{""} },
		"settings for nothing":       func(n *intake.NewSource) { n.Config = json.RawMessage(`{"url":"x"}`) },
		"settings that cannot work":  func(n *intake.NewSource) { n.Kind, n.Config = intake.FHIR, json.RawMessage(`{}`) },
		"settings of any size": func(n *intake.NewSource) {
			n.Kind, n.Config = intake.FHIR, json.RawMessage(strings.Repeat(" ", 64<<10+1))
		},
	} {
		n := good
		change(&n)
		if err := w.Create(w.ctx, w.admin, n); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	if list, err := w.List(w.ctx, w.admin); err != nil || len(list) != 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
	if err := w.Create(w.ctx, w.admin, good); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(w.ctx, w.admin, good); !isCode(err, vaccination.Conflict) {
		t.Errorf("made twice: %v", err)
	}
	w.audited("source.create", 1)
}

// TestTheLifeOfASource: its settings are sealed, it is tested, paused and
// resumed, and it stops where it is refused.
func TestTheLifeOfASource(t *testing.T) {
	w := newWorld(t)
	says := &tester{meta: mapping.Metadata{Person: []mapping.Field{{ID: "name"}, {ID: "dob"}, {ID: "sex"}, {ID: "phone"}, {ID: "number"}, {ID: "vaccine", Options: []mapping.Option{{Code: "PF"}, {Code: "JAN"}}}, {ID: "lot"}, {ID: "date"}}}}
	w.o.Kinds[plain] = intake.Kind{Reader: plainReader{}, Tester: says, CheckConfig: func(json.RawMessage) error { return nil }}
	w.source("clinic", func(n *intake.NewSource) { n.Config = json.RawMessage(`{"token":"hunter2"}`) })
	tested, err := w.Test(w.ctx, w.admin, "clinic")
	if err != nil || len(tested.Check.Unmapped) != 1 || tested.Check.Unmapped[0].Code != "JAN" {
		t.Errorf("%+v, %v", tested, err)
	}
	src, err := w.Source(w.ctx, "clinic")
	if err != nil || string(src.Config) != `{"token":"hunter2"}` || src.Mapping == nil || src.State != intake.Active {
		t.Errorf("%+v, %v", src, err)
	}
	var text string
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT string_agg(s::text, ' ') || (SELECT string_agg(a::text, ' ') FROM audit a) FROM source s").Scan(&text); err != nil || strings.Contains(text, "hunter2") {
		t.Errorf("a credential is stored in clear: %v", err)
	}
	if b, err := json.Marshal(w.info("clinic")); err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("a credential is shown: %s, %v", b, err)
	}

	if err := w.Pause(w.ctx, w.admin, "clinic", "maintenance"); err != nil {
		t.Fatal(err)
	}
	w.send("clinic", person("p1"), dose("d1", "p1", 1))
	w.process("clinic")
	w.counted("clinic", "1 in = 1 waiting + 0 issued + 0 unchanged + 0 held + 0 rejected")
	if list, err := w.OfKind(w.ctx, plain); err != nil || len(list) != 0 {
		t.Errorf("a paused source is asked: %v, %v", list, err)
	}
	says.err = vaccination.Errorf(vaccination.Unauthorized, "it refuses the token")
	if err := w.Resume(w.ctx, w.admin, "clinic"); err == nil {
		t.Error("resumed a source that refuses us")
	}
	says.err = nil
	says.meta.Person = says.meta.Person[1:]
	if err := w.Resume(w.ctx, w.admin, "clinic"); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("resumed a source that lacks what the mapping names: %v", err)
	}
	if _, err := w.SetMapping(w.ctx, w.admin, "clinic", mappingText); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("took a mapping that names what the source lacks: %v", err)
	}
	says.meta = mapping.Metadata{}
	if err := w.Resume(w.ctx, w.admin, "clinic"); err != nil {
		t.Fatal(err)
	}
	w.process("clinic")
	w.certified("clinic:p1", "1 PF1 Marcia Campbell")

	if err := w.Contact(w.ctx, "clinic", vaccination.Errorf(vaccination.Unauthorized, "it refuses the token"), true); err != nil {
		t.Fatal(err)
	}
	if i := w.info("clinic"); i.State != intake.Stopped || !strings.Contains(i.Problem, "refuses") {
		t.Errorf("%+v", i)
	}
	if list, err := w.OfKind(w.ctx, plain); err != nil || len(list) != 0 {
		t.Errorf("a stopped source is asked: %v, %v", list, err)
	}
	w.sent("issued", person("p2"), dose("d2", "p2", 1)) // what it sends is taken
	if err := w.Contact(w.ctx, "clinic", nil, false); err != nil {
		t.Fatal(err)
	}
	if i := w.info("clinic"); i.State != intake.Stopped || i.Problem == "" {
		t.Errorf("an answer mends what a person must: %+v", i)
	}
	if err := w.Resume(w.ctx, w.admin, "clinic"); err != nil {
		t.Fatal(err)
	}
	if err := w.Contact(w.ctx, "clinic", errTest, false); err != nil {
		t.Fatal(err)
	}
	if i := w.info("clinic"); i.State != intake.Active || i.Problem == "" || strings.Contains(i.Problem, errTest.Error()) {
		t.Errorf("%+v", i)
	}
	if err := w.Contact(w.ctx, "clinic", nil, false); err != nil {
		t.Fatal(err)
	}
	if i := w.info("clinic"); i.Problem != "" {
		t.Errorf("after it answered: %+v", i)
	}
	if err := w.Set(w.ctx, w.admin, "clinic", intake.Settings{HourlyLimit: 5, Scope: []string{"/a"}}); err != nil {
		t.Fatal(err)
	}
	if src, err := w.Source(w.ctx, "clinic"); err != nil || src.HourlyLimit != 5 || len(src.Config) != 0 || len(src.Scope) != 1 {
		t.Errorf("%+v, %v", src, err)
	}
	w.audited("source.pause", 1)
	w.audited("source.resume", 2)
	w.audited("source.stop", 1)
	w.audited("source.settings", 1)
	if report, err := w.issuance.Check(w.ctx); err != nil || len(report.Problems) > 0 {
		t.Errorf("the check finds: %v, %v", report, err)
	}
}

func (w *world) info(source string) intake.SourceInfo {
	w.t.Helper()
	i, err := w.Get(w.ctx, w.admin, source)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func TestSourcesThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	for act, err := range map[string]error{
		"source": second(w.Source(w.ctx, "x")), "get": second(w.Get(w.ctx, w.admin, "x")), "test": second(w.Test(w.ctx, w.admin, "x")),
		"pause": w.Pause(w.ctx, w.admin, "x", "y"), "resume": w.Resume(w.ctx, w.admin, "x"), "set": w.Set(w.ctx, w.admin, "x", intake.Settings{}),
		"mapping": second(w.SetMapping(w.ctx, w.admin, "x", mappingText)), "process": w.Process(w.ctx, "x"),
	} {
		if !isCode(err, vaccination.NotFound) {
			t.Errorf("%s: %v", act, err)
		}
	}
}
