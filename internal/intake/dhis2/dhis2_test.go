package dhis2

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/profiles"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

func TestEveryVersionIsRead(t *testing.T) {
	for _, version := range []string{"2.35.14", "2.38.4", "2.40.4", "2.41.0", "2.42.1"} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, replay.Options{Version: version, People: 300})
			w.polled()
			w.complete()
			if len(w.store.units) < 5 {
				t.Errorf("%d facilities", len(w.store.units))
			}
			// what changes later comes with the next poll
			person := w.replay.People()[3].ID
			w.replay.Vaccinate(person, 2, "2021-11-20")
			w.clock.pass(5 * time.Minute)
			w.polled()
			w.complete()
		})
	}
}

func TestNothingIsLost(t *testing.T) {
	steps := []struct {
		name   string
		faults replay.Faults
		fails  bool // the poll ends with an error, and the next one goes on
	}{
		{"nothing wrong", replay.Faults{}, false},
		{"rows that move while pages are read", replay.Faults{Drift: true}, false},
		{"rows twice", replay.Faults{Duplicate: true}, false},
		{"rows in any order", replay.Faults{Reorder: true}, false},
		{"a clock that is an hour ahead", replay.Faults{Clock: time.Hour}, false},
		{"a clock that is an hour behind", replay.Faults{Clock: -time.Hour}, false},
		{"one answer that breaks off", replay.Faults{Drop: true, Times: 1}, false},
		{"answers that all break off", replay.Faults{Drop: true, Times: -1}, true},
		{"two answers with status 502", replay.Faults{Status: 502, Times: 2}, false},
		{"status 503 for long", replay.Faults{Status: 503, Times: -1}, true},
		{"a limit lower than our page", replay.Faults{Status: 409, Times: 1}, true},
		{"slow answers", replay.Faults{Delay: 20 * time.Millisecond}, false},
		{"events that do not move their person (DHIS2-11761)", replay.Faults{NoBump: true}, false},
	}
	for _, version := range []string{"2.35.14", "2.40.4", "2.41.0"} {
		for _, step := range steps {
			t.Run(version+" "+step.name, func(t *testing.T) {
				w := newWorld(t, replay.Options{Version: version, People: 30})
				w.polled()
				w.replay.SetFaults(step.faults)
				for i, p := range w.replay.People()[:12] {
					switch i % 4 {
					case 0:
						w.replay.Vaccinate(p.ID, 4, "2021-12-01")
					case 1:
						w.replay.Delete(p.Events[0])
					case 2:
						w.replay.SetValue(p.Events[0], replay.Batch, "CHANGED")
					case 3:
						w.replay.SetAttribute(p.ID, replay.GivenName, "Changed")
					}
				}
				w.clock.pass(4 * time.Minute)
				if err := w.poll(); (err != nil) != step.fails {
					t.Fatalf("the poll: %v", err)
				}
				w.replay.SetFaults(replay.Faults{})
				for range 20 { // the clock that was ahead is right again after an hour
					w.clock.pass(4 * time.Minute)
					w.polled()
				}
				w.complete()
				for i, p := range w.replay.People()[:12] {
					person := w.store.fragments["person"+p.ID]
					if i%4 == 3 && person.Fields[replay.GivenName] != "Changed" {
						t.Errorf("%s: a changed name did not arrive", p.ID)
					}
					if i%4 == 2 && w.store.fragments["dose"+p.Events[0]].Fields[replay.Batch] != "CHANGED" {
						t.Errorf("%s: a changed batch did not arrive", p.ID)
					}
				}
			})
		}
	}
}

func TestManyRowsInOneSecondAreAllRead(t *testing.T) {
	// 700 people made within 0.8 s: more than a page in the smallest window.
	w := newWorld(t, replay.Options{People: 700})
	w.replay.SetFaults(replay.Faults{Drift: true})
	w.polled()
	for range 3 {
		w.clock.pass(5 * time.Minute)
		w.polled()
	}
	w.complete()
}

func TestTombstonesArrive(t *testing.T) {
	w := newWorld(t, replay.Options{People: 250})
	w.polled()
	before := len(w.store.doses())
	people := w.replay.People()
	for _, p := range people[:120] {
		w.replay.Delete(p.ID)
	}
	w.clock.pass(5 * time.Minute)
	w.polled()
	w.complete()
	deleted := 0
	for _, f := range w.store.fragments {
		if f.Deleted {
			deleted++
		}
	}
	if after := len(w.store.doses()); after >= before || deleted < 120 {
		t.Errorf("%d of %d doses stand, %d things are deleted", after, before, deleted)
	}
}

func TestRefusedCredentialsStopTheSource(t *testing.T) {
	w := newWorld(t, replay.Options{People: 3})
	w.polled()
	w.replay.SetToken("d2pat_another")
	asked := total(w.replay.Requests())
	schedule := w.service.Schedule()
	for range 6 {
		if err := schedule.Round(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.clock.pass(time.Hour)
	}
	if n := total(w.replay.Requests()) - asked; n != 1 {
		t.Errorf("%d requests with credentials that were refused", n)
	}
	if w.store.state != intake.Stopped || vaccination.ErrorCode(w.store.problem) != vaccination.Unauthorized {
		t.Errorf("the source is %s: %v", w.store.state, w.store.problem)
	}
}

func TestATokenThatDiesIsTold(t *testing.T) {
	w := newWorld(t, replay.Options{})
	var c map[string]any
	_ = json.Unmarshal(w.store.config, &c)
	c["tokenExpires"] = "2026-11-26"
	w.store.config, _ = json.Marshal(c)
	w.polled()
	if w.store.problem == nil || !strings.Contains(w.store.problem.Error(), "2026-11-26") || w.store.state != intake.Active {
		t.Errorf("%s: %v", w.store.state, w.store.problem)
	}
}

func TestWhoMayNotBeSeenIsNotForgotten(t *testing.T) {
	for _, version := range []string{"2.38.4", "2.41.0"} {
		w := newWorld(t, replay.Options{Version: version, People: 5})
		w.polled()
		p := w.replay.People()[0]
		w.replay.SetFaults(replay.Faults{NoBump: true})
		added := w.replay.Vaccinate(p.ID, 3, "2021-12-24")
		w.clock.pass(5 * time.Minute)
		// The list of events still has it; the person is closed before we ask.
		src, _ := w.store.Source(context.Background(), "")
		o, _ := w.service.open(src)
		info, _ := o.poll.Info(context.Background())
		polling := &polling{s: w.service, o: o, src: src, info: info, cursor: src.Cursor}
		polling.p, _ = readProgress(src.Cursor)
		w.replay.Protect(p.ID, true)
		if err := polling.take(context.Background(), []row{{entity: p.ID, event: added, stage: replay.VaccinationStage}}, info.Now); err != nil {
			t.Fatal(err)
		}
		w.polled()
		if vaccination.ErrorCode(w.store.problem) != vaccination.Forbidden || w.store.state != intake.Active {
			t.Errorf("%s: %s, %v", version, w.store.state, w.store.problem)
		}
		w.replay.Protect(p.ID, false)
		w.clock.pass(time.Hour)
		w.polled()
		w.complete()
		if w.store.problem != nil {
			t.Errorf("%s: still told: %v", version, w.store.problem)
		}
	}
}

func TestAPollThatIsCutShortIsTakenUp(t *testing.T) {
	for after := range 4 {
		w := newWorld(t, replay.Options{People: 450})
		w.store.fail, w.store.failAfter = fmt.Errorf("killed"), after
		if err := w.poll(); err == nil {
			t.Fatalf("after %d: the poll ended well", after)
		}
		got := len(w.store.doses())
		w.store.fail = nil
		w.polled()
		w.complete()
		if after > 1 && got == 0 {
			t.Errorf("after %d deliveries nothing was kept", after)
		}
	}
}

func TestThePeopleReturnedAreThoseAsked(t *testing.T) {
	for _, version := range []string{"2.35.14", "2.40.4", "2.41.0"} {
		w := newWorld(t, replay.Options{Version: version, People: 40})
		ctx := context.Background()
		people := w.replay.People()
		if got, err := w.client.Entities(ctx, []string{people[0].ID, people[5].ID}); err != nil || len(got) != 2 {
			t.Errorf("%s: %d people, %v", version, len(got), err)
		}
		w.replay.SetFaults(replay.Faults{Leak: true})
		if got, err := w.client.Entities(ctx, []string{people[5].ID}); err == nil || got != nil {
			t.Errorf("%s: %d people who were not asked for were taken", version, len(got))
		}
	}
	// The words of another version are ignored by this one.
	w := newWorld(t, replay.Options{Version: "2.41.0", People: 40})
	w.client.api = words(40)
	if got, err := w.client.Entities(context.Background(), []string{w.replay.People()[0].ID}); err == nil {
		t.Errorf("%d people who were not asked for were taken", len(got))
	}
}

func TestTheServersWindowIsChecked(t *testing.T) {
	w := newWorld(t, replay.Options{Version: "2.41.0", People: 3})
	a := *words(41)
	a.after, a.before = "lastUpdatedStartDate", "lastUpdatedEndDate" // ignored by this version
	w.client.api = &a
	from := w.clock.now().Add(-time.Minute)
	if rows, err := w.client.changed(context.Background(), true, from, from, 1, 50, false); err == nil {
		t.Errorf("%d rows of another time were taken", len(rows))
	}
}

func TestAMappingThatDoesNotFitStopsTheSource(t *testing.T) {
	w := newWorld(t, replay.Options{})
	text, _ := profiles.FS.ReadFile("sri-lanka/sources/dhis2-covac.yaml")
	changed := strings.ReplaceAll(string(text), "bbnyNYD1wgS", "zzzzzzzzzzz")
	p, _ := profile.Open("sri-lanka")
	m, err := mapping.Parse("changed", []byte(changed), p)
	if err != nil {
		t.Fatal(err)
	}
	w.store.mapping = m
	if err := w.poll(); err == nil || !strings.Contains(err.Error(), "zzzzzzzzzzz") || w.store.state != intake.Stopped || w.store.arrivals != 0 {
		t.Errorf("state %s, %d arrivals: %v", w.store.state, w.store.arrivals, err)
	}
	meta, err := w.client.Metadata(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, u := range covac(t).Against(meta).Unmapped {
		codes = append(codes, u.Code)
	}
	if want := []string{"BOOSTER", "another_vaccine"}; !slices.Equal(codes, want) {
		t.Errorf("codes without a word: %v, want %v", codes, want)
	}
}

func TestQuietHours(t *testing.T) {
	w := newWorld(t, replay.Options{People: 3})
	var c map[string]any
	_ = json.Unmarshal(w.store.config, &c)
	c["quiet"] = []string{"15:00-16:00"} // in Colombo, where it is 15:30
	w.store.config, _ = json.Marshal(c)
	w.polled()
	if w.store.arrivals != 0 {
		t.Errorf("%d arrivals in quiet hours", w.store.arrivals)
	}
	w.clock.pass(time.Hour)
	w.polled()
	w.complete()
}

func TestOnDemandReadsOnlyThoseWhoAsked(t *testing.T) {
	w := newWorld(t, replay.Options{People: 30})
	var c map[string]any
	_ = json.Unmarshal(w.store.config, &c)
	c["onDemand"] = true
	w.store.config, _ = json.Marshal(c)
	w.polled()
	if w.store.arrivals != 0 {
		t.Fatalf("%d people were read and none had asked", w.store.arrivals)
	}
	src, _ := w.store.Source(context.Background(), "")
	people := w.replay.People()
	asked, err := w.service.Find(context.Background(), src, "national-id", []string{"198711200015", "871120015V"})
	if err != nil || len(asked) != 1 {
		t.Fatalf("found %d, %v", len(asked), err)
	}
	_, _ = w.store.Deliver(context.Background(), "dhis2", intake.Delivery{Arrivals: asked})
	w.replay.SetValue(people[0].Events[0], replay.Batch, "CHANGED")
	w.replay.SetValue(people[1].Events[0], replay.Batch, "CHANGED")
	for _, wait := range []time.Duration{5 * time.Minute, 24 * time.Hour} {
		w.clock.pass(wait)
		w.polled()
	}
	if w.store.arrivals != 2 || w.store.fragments["dose"+people[0].Events[0]].Fields[replay.Batch] != "CHANGED" {
		t.Errorf("%d arrivals, want one when asked and one when it changed", w.store.arrivals)
	}
}

func TestHints(t *testing.T) {
	for body, want := range map[string]string{
		`{"tracked_entity_id":"tReplay0001","program_id":"x"}`: "tReplay0001",
		`{"trackedEntity":"tReplay0001","attributes":[]}`:      "tReplay0001",
		`tracked_entity_id=tReplay0001&event_date=2021`:        "tReplay0001",
		`{"tracked_entity_id":"../system"}`:                    "",
		`{"tracked_entity_id":7}`:                              "",
		`{}`:                                                   "",
		``:                                                     "",
	} {
		r, err := Reader{}.Read(intake.Arrival{Channel: intake.Push, Body: []byte(body)}, covac(t))
		if got := strings.Join(r.Needs, ","); got != want || (err == nil) != (want != "") || len(r.Fragments) > 0 {
			t.Errorf("%s names %q, %v", body, got, err)
		}
	}
	w := newWorld(t, replay.Options{People: 3})
	src, _ := w.store.Source(context.Background(), "")
	got, err := w.service.Fetch(context.Background(), src, intake.PersonFragment, []string{w.replay.People()[1].ID, "nobodyHere1", "no id"})
	if err != nil || len(got) != 1 || got[0].Channel != intake.Demand {
		t.Errorf("%d people, %v", len(got), err)
	}
}

func TestOwnWritesAreNoChanges(t *testing.T) {
	w := newWorld(t, replay.Options{People: 3})
	var c map[string]any
	_ = json.Unmarshal(w.store.config, &c)
	c["certificates"] = WriteBack{Stage: replay.CertificateStage, ID: "DvcCertId01", Version: "DvcCertVer1", Status: "DvcCertSta1", Issued: "DvcCertIss1", Link: "DvcCertLnk1"}
	w.store.config, _ = json.Marshal(c)
	p := w.replay.People()[0]
	list := issuedList{{Person: p.ID, ID: "URN:UVCI:01:LKA:A", Version: 1, Status: "valid", Issued: w.clock.now(), Link: "https://c.example/A"},
		{Person: "goneReplay1", ID: "URN:UVCI:01:LKA:B", Version: 1, Status: "valid", Issued: w.clock.now()}}
	w.service.Issued = list
	w.polled()
	written := w.replay.Written()
	if len(written) != 1 {
		t.Fatalf("written: %v", written)
	}
	for id, v := range written {
		if !uid.MatchString(id) || v["DvcCertId01"] != "URN:UVCI:01:LKA:A" || v["DvcCertSta1"] != "valid" || v["DvcCertLnk1"] != "https://c.example/A" {
			t.Errorf("%s: %v", id, v)
		}
	}
	before := maps.Clone(w.store.fragments)
	w.service.Issued = append(list, Certificate{Person: p.ID, ID: "URN:UVCI:01:LKA:A", Version: 1, Status: "revoked", Issued: w.clock.now()})
	for range 3 {
		w.clock.pass(5 * time.Minute)
		w.polled()
	}
	if n := len(w.replay.Written()); n != 1 {
		t.Errorf("%d events for one certificate", n)
	}
	if len(before) != len(w.store.fragments) {
		t.Errorf("%d things are known, %d before: what we wrote was read back", len(w.store.fragments), len(before))
	}
}
