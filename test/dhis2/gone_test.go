package main

import (
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/test/dhis2/house"
	"github.com/opendivoc/divoc/test/dhis2/replay"
)

// TestWhoIsGoneIsReviewed: a person who was taken out of DHIS2 without a trace is
// found by the nightly walk; their certificates stand until somebody decides.
func TestWhoIsGoneIsReviewed(t *testing.T) {
	h := house.New(t, replay.Options{})
	if err := h.Poll(); err != nil {
		t.Fatal(err)
	}
	before := h.Counts()
	p := h.Replay.People()[0]
	h.Replay.Purge(p.ID)
	h.Pass(25 * time.Hour)
	if err := h.Poll(); err != nil {
		t.Fatal(err)
	}
	held, err := h.Intake.Holds(h.Ctx, h.Admin, intake.HoldFilter{Source: house.Source, Class: intake.Deleted})
	if err != nil || len(held) != len(p.Events) {
		t.Errorf("%d of %d doses are held as deleted, %v", len(held), len(p.Events), err)
	}
	if after := h.Counts(); after.Issued != before.Issued {
		t.Errorf("%+v, before %+v", after, before)
	}
	report, err := h.Issuance.Check(h.Ctx, h.Intake.NewCheck())
	if err != nil || report.ByStatus["revoked"] != 0 || len(report.Problems) > 0 {
		t.Errorf("%v: %+v", err, report)
	}
}
