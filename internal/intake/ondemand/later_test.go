package ondemand_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/intake/ondemand"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/test/dhis2/replay"
	"github.com/opendivoc/divoc/vaccination"
)

// TestATicketIsFollowedToItsEnd: what cannot be asked at once is asked again.
func TestATicketIsFollowedToItsEnd(t *testing.T) {
	w := newWorld(t, replay.Options{})
	var told []string
	w.Ready = func(_ context.Context, _ *query.Queries, number, language, ticket string) error {
		told = append(told, number+" "+language+" "+ticket)
		return nil
	}
	tickets := map[string]string{}
	for _, number := range []string{nimal, rohan, "198012300000"} {
		ticket, err := w.Later(w.Ctx, ondemand.Ask{Kind: "national-id", Number: number, Language: "ta"}, "1987")
		if err != nil || len(ticket) != 14 {
			t.Fatalf("ticket %q, %v", ticket, err)
		}
		tickets[number] = ticket
	}
	want := func(states ...ondemand.TicketState) {
		t.Helper()
		for i, number := range []string{nimal, rohan, "198012300000"} {
			f, err := w.Follow(w.Ctx, strings.ToLower(strings.ReplaceAll(tickets[number], "-", " ")), " 1987")
			if err != nil || f.State != states[i] {
				t.Errorf("%s: %+v, %v; want %s", number, f, err, states[i])
			}
		}
	}
	w.Replay.SetFaults(replay.Faults{Status: 503, Times: -1})
	if err := w.AskAgain(w.Ctx); err != nil {
		t.Fatal(err)
	}
	want(ondemand.TicketWaiting, ondemand.TicketWaiting, ondemand.TicketWaiting)
	w.Pass(time.Hour)
	w.Replay.SetFaults(replay.Faults{})
	for range 2 { // once more changes nothing
		if err := w.AskAgain(w.Ctx); err != nil {
			t.Fatal(err)
		}
	}
	want(ondemand.TicketReady, ondemand.TicketLook, ondemand.TicketNotFound)
	if len(told) != 1 || told[0] != "+94700000001 ta "+tickets[nimal] {
		t.Errorf("told %q", told)
	}
	if c := w.Counts(); c.Issued != 2 {
		t.Errorf("the ledger: %+v", c)
	}
	// Nothing is given away: who asks proves who they are.
	if a := w.start(nimal); a.Outcome != ondemand.CodeSent {
		t.Errorf("asked again: %+v", a)
	}
}

// TestATicketIsNotGuessed: its number alone tells nothing, and years are tried so
// often and no more.
func TestATicketIsNotGuessed(t *testing.T) {
	w := newWorld(t, replay.Options{})
	ticket, err := w.Later(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal}, "1987")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{{ticket, "1986"}, {ticket, ""}, {"", "1987"}, {"AAAA-AAAA-AAAA", "1987"}, {ticket + "A", "1987"}, {strings.Repeat("é", 100), "1987"}} {
		_, err := w.Follow(w.Ctx, wrong[0], wrong[1])
		refused(t, wrong[0]+" "+wrong[1], err, vaccination.NotFound)
	}
	if _, err := w.Follow(w.Ctx, ticket, "1987"); err != nil { // clears what was tried
		t.Fatal(err)
	}
	for range 10 {
		_, err := w.Follow(w.Ctx, ticket, "1900")
		refused(t, "a guess", err, vaccination.NotFound)
	}
	_, err = w.Follow(w.Ctx, ticket, "1987")
	refused(t, "the right year after ten guesses", err, vaccination.NotFound)
	for _, year := range []string{"", "87", "19x7", "19877"} {
		_, err := w.Later(w.Ctx, ondemand.Ask{Kind: "national-id", Number: nimal}, year)
		refused(t, "the year "+year, err, vaccination.Invalid)
	}
	_, err = w.Later(w.Ctx, ondemand.Ask{Kind: "national-id", Number: "12"}, "1987")
	refused(t, "no number", err, vaccination.Invalid)
	// Nothing that was typed is readable in the table.
	var text string
	if err := w.Store.Pool().QueryRow(w.Ctx, "SELECT string_agg(t::text, ' ') FROM on_demand_ticket t").Scan(&text); err != nil || strings.Contains(text, "871120015") || strings.Contains(text, strings.ReplaceAll(ticket, "-", "")) {
		t.Errorf("the table holds %s, %v", text, err)
	}
}
