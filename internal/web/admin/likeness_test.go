package admin_test

import (
	"log/slog"
	"net/url"
	"strconv"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/matching"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// TestWhoMayBeOneIsListedAndDecided has a caller of the API name one person twice.
func TestWhoMayBeOneIsListedAndDecided(t *testing.T) {
	w := newWorld(t)
	w.ask("anna", "/admin/likenesses", nil).is(t, 200, "Nobody looks like somebody else.")
	by := access.Caller{Actor: "token:1 hospital", Role: access.SourceRole, Source: "hospital"}
	for _, code := range []string{"H-1", "H-2", "H-3"} {
		_, err := w.house.Service.Issue(t.Context(), by, issuance.Certify, []vaccination.Event{{
			EnrolmentCode: code,
			Person:        vaccination.Person{Name: "Marcia Campbell", BirthDate: vaccination.Date{Year: 1987, Month: 4, Day: 21}, Sex: vaccination.SexFemale, Nationality: "JAM"},
			Vaccination:   vaccination.Dose{Product: "Comirnaty", Lot: "PF1", Date: vaccination.Date{Year: 2021, Month: 11, Day: 30}, Number: 1, Total: 2},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (matching.Watch{Issuance: w.house.Service, Log: slog.New(slog.DiscardHandler)}).Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := w.house.Service.Likenesses(t.Context(), w.house.Admin, 0, 10)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	number := func(i int) string { return strconv.FormatInt(list[i].ID, 10) }
	w.ask("anna", "/admin/likenesses", nil).is(t, 200, list[0].Certificates[0].String(), list[0].Certificates[1].String(), "covid-19 1", "They are alike.")
	decide := func(pair, decision, reason string) reply {
		return w.ask("anna", "/admin/likenesses", url.Values{"pair": {pair}, "decision": {decision}, "reason": {reason}})
	}
	decide("", "one", "x").is(t, 422, "Nothing waits under this number.")
	decide(number(0), "", "x").is(t, 422)
	decide("9999", "two", "x").is(t, 422, "Nothing waits under this number.")
	decide(number(0), "two", "mother and daughter").is(t, 200, "It is noted.")
	decide(number(1), "one", "same card").is(t, 200, "It is noted.")
	left, err := w.house.Service.Likenesses(t.Context(), w.house.Admin, 0, 10)
	if err != nil || len(left) != 1 || left[0].ID != list[2].ID {
		t.Errorf("left: %+v, %v", left, err)
	}
	links, err := w.house.Service.Links(t.Context(), w.house.Admin, list[1].Certificates[0])
	if err != nil || len(links) != 1 {
		t.Errorf("links: %+v, %v", links, err)
	}
}
