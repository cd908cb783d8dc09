package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/intake/dhis2"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/test/dhis2/house"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

var update = flag.Bool("update", false, "write the golden files anew")

// fixtures is the folder of recorded answers, or skips the test.
func fixtures(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("DIVOC_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no fixtures: set DIVOC_FIXTURES to the folder of recorded answers")
	}
	return dir
}

// TestEveryPersonEndsInACertificateOrAHold lists what becomes of every dose of
// the recorded person (interop.dhis2.org, March 2021), of the reshaped persons of
// HISP Vietnam's demonstration, and of the invented cast. The list was read by
// eye; -update writes it anew, to be read again.
func TestEveryPersonEndsInACertificateOrAHold(t *testing.T) {
	h := house.New(t, replay.Options{Fixtures: fixtures(t)})
	src, err := h.Intake.Source(h.Ctx, house.Source)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Poll(); err != nil { // the names of the facilities
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range h.Replay.People() {
		arrivals, err := h.DHIS2.Fetch(h.Ctx, src, intake.PersonFragment, []string{p.ID})
		if err != nil || len(arrivals) != 1 {
			t.Fatalf("%s: %d, %v", p.ID, len(arrivals), err)
		}
		arrivals[0].Received = arrivals[0].Received.Add(time.Second)
		refs, err := h.Intake.Deliver(h.Ctx, house.Source, intake.Delivery{Arrivals: arrivals})
		if err != nil {
			t.Fatal(err)
		}
		items, err := h.Intake.Settle(h.Ctx, house.Source, refs[0])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s: %d doses\n", p.ID, p.Name, len(p.Events))
		var lines []string
		for _, i := range items {
			if i.Class == intake.Same && i.Certificate.IsZero() {
				continue // held since the poll
			}
			lines = append(lines, line(t, h, i))
		}
		slices.Sort(lines)
		fmt.Fprint(&b, strings.Join(slices.Compact(lines), ""))
	}
	h.Counts()
	golden := filepath.Join("testdata", "people.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("another outcome than the one that was read by eye (- before, + now):\n%s", diff)
	}
}

// line is what became of one dose.
func line(t *testing.T, h *house.House, i intake.Item) string {
	t.Helper()
	if i.State == intake.Held {
		out := fmt.Sprintf("  held, %s %s\n", i.Class, i.Field)
		for _, p := range i.Problems {
			out += fmt.Sprintf("    %s: %s\n", p.Path, p.Message)
		}
		return out
	}
	if i.Certificate.IsZero() {
		return fmt.Sprintf("  %s, %s\n", i.State, i.Class)
	}
	r, err := h.Issuance.ByID(h.Ctx, h.Admin, i.Certificate, "test")
	if err != nil {
		t.Fatal(err)
	}
	c, v := r.Certificate, r.Certificate.Vaccination
	domestic := ""
	if c.Domestic {
		domestic = ", domestic"
	}
	return fmt.Sprintf("  certificate: %s, born %q, %s, %s %q; dose %d of %d, %s, lot %q, %s, %q%s\n",
		c.Name, c.BirthDate, c.Sex, c.Identifier.Kind, c.Identifier.Value, v.Number, v.Total, v.Product, v.Lot, v.Date, v.Centre, domestic)
}

func TestCertificatesAreWrittenBack(t *testing.T) {
	h := house.New(t, replay.Options{})
	h.DHIS2.Issued = dhis2.Back{Intake: h.Intake, Issuance: h.Issuance, By: h.Admin}
	h.Configure(func(c *dhis2.Config) {
		c.Certificates = &dhis2.WriteBack{Stage: replay.CertificateStage, ID: "DvcCertId01", Version: "DvcCertVer1", Status: "DvcCertSta1"}
	})
	poll := func() (statuses []string) {
		h.Pass(5 * time.Minute)
		for range 2 { // what is settled after the first is written with the second
			if err := h.Poll(); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range h.Replay.Written() {
			statuses = append(statuses, v["DvcCertSta1"]+" "+v["DvcCertVer1"])
		}
		slices.Sort(statuses)
		return statuses
	}
	first := poll()
	before := h.Counts()
	if int64(len(first)) != before.Issued || slices.ContainsFunc(first, func(s string) bool { return s != "valid 1" }) {
		t.Fatalf("%d certificates, written: %v", before.Issued, first)
	}
	poll()
	if after := h.Counts(); after.Issued != before.Issued {
		t.Errorf("what was written made certificates: %+v, before %+v", after, before)
	}
	h.Replay.SetValue(h.Replay.People()[0].Events[0], replay.Batch, "CORRECTED")
	again := poll()
	if len(again) != len(first)+1 || !slices.Contains(again, "superseded 1") || !slices.Contains(again, "valid 2") {
		t.Errorf("after a correction, written: %v", again)
	}

	// What is decided about certificates here is told too, without anything new
	// from the source.
	doses, _, _, err := h.Intake.IssuedSince(h.Ctx, house.Source, "", 2)
	if err != nil || len(doses) != 2 {
		t.Fatalf("%d doses, %v", len(doses), err)
	}
	change := func(n int, act vaccination.Act) {
		t.Helper()
		h.Pass(time.Second)
		if _, err := h.Issuance.Change(h.Ctx, h.Admin, doses[n].Certificate, act, "a test"); err != nil {
			t.Fatal(err)
		}
	}
	told := func(what string, want map[string]int) {
		t.Helper()
		got := map[string]int{}
		for _, s := range poll() {
			got[s]++
		}
		for s, n := range want {
			if got[s] != n {
				t.Errorf("%s: %q is written %d times, want %d: %v", what, s, got[s], n, got)
			}
		}
	}
	change(1, vaccination.ActSuspend)
	told("one was suspended", map[string]int{"suspended 1": 1})
	change(1, vaccination.ActLift)
	told("and lifted", map[string]int{"suspended 1": 0})
	change(1, vaccination.ActRevoke)
	told("and revoked", map[string]int{"revoked 1": 1, "valid 2": 1})
	h.Pass(time.Second)
	if _, err := h.Issuance.ReissueByID(h.Ctx, h.Admin, doses[1].Certificate, "a test"); err != nil {
		t.Fatal(err)
	}
	told("and issued again", map[string]int{"revoked 1": 1, "valid 2": 2})
}

// TestTheLedgerAddsUp lets anything happen at a source, with any fault, and looks
// that no dose is lost: every one of the server's is certified or held, what came
// in is the sum of its states, and every certificate has its raw record.
func TestTheLedgerAddsUp(t *testing.T) {
	walks := 4
	if os.Getenv("DIVOC_SOAK") != "" {
		walks = 200
	}
	for seed := range walks {
		t.Run(fmt.Sprint("walk ", seed), func(t *testing.T) { walk(t, rand.New(rand.NewPCG(uint64(seed), 4))) })
	}
}

func walk(t *testing.T, r *rand.Rand) {
	coin := func() bool { return r.IntN(2) == 0 }
	h := house.New(t, replay.Options{People: 5, Version: []string{"2.35.1", "2.40.1", "2.42.0"}[r.IntN(3)]})
	for range 10 {
		for range r.IntN(5) {
			people := h.Replay.People()
			p := people[r.IntN(len(people))]
			switch act := r.IntN(6); {
			case act == 0:
				h.Replay.Vaccinate(p.ID, 1+r.IntN(4), "2021-12-01")
			case act == 1:
				h.Replay.SetAttribute(p.ID, replay.GivenName, []string{"", "Kamala", "Nimal"}[r.IntN(3)])
			case act == 2 && len(p.Events) > 0:
				h.Replay.SetValue(p.Events[0], replay.Batch, []string{"A1", "B2"}[r.IntN(2)])
			case act == 3 && len(p.Events) > 0:
				h.Replay.Delete(p.Events[0])
			case act == 4:
				h.Replay.Touch(p.ID)
			case act == 5:
				h.Replay.Add("Somebody New", "1999-09-09", "", "0719999999")
			}
		}
		h.Replay.SetFaults(replay.Faults{
			Drop: coin(), Times: r.IntN(3), Duplicate: coin(), Reorder: coin(), Drift: coin(), NoBump: coin(),
			Clock: []time.Duration{0, time.Hour, -time.Hour}[r.IntN(3)],
		})
		h.Pass(5 * time.Minute)
		ctx, kill := context.WithCancel(h.Ctx)
		if coin() { // the program ends in the middle of it
			after := time.Duration(r.IntN(30)) * time.Millisecond
			time.AfterFunc(after, kill)
		}
		h.Ctx, ctx = ctx, h.Ctx
		_ = h.Poll() // may fail; the next one goes on
		h.Ctx = ctx
		kill()
		h.Counts()
	}
	h.Replay.SetFaults(replay.Faults{})
	for range 16 {
		h.Pass(5 * time.Minute)
		if err := h.Poll(); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, p := range h.Replay.People() {
		ids = append(ids, p.Events...)
	}
	known, err := h.Intake.Known(h.Ctx, house.Source, intake.DoseFragment, ids)
	if err != nil || len(known) != len(ids) {
		t.Errorf("%d of %d doses are known, %v", len(known), len(ids), err)
	}
	if c := h.Counts(); c.Waiting != 0 || c.Issued == 0 {
		t.Errorf("at the end: %+v", c)
	}
	var lost int
	if err := h.Store.Pool().QueryRow(h.Ctx, `SELECT count(*) FROM certificate c WHERE NOT EXISTS (
		SELECT 1 FROM item i JOIN arrival a ON a.id = i.arrival WHERE i.certificate = c.id AND a.source = c.source)`).Scan(&lost); err != nil || lost != 0 {
		t.Errorf("%d certificates without a raw record, %v", lost, err)
	}
}
