package admin_test

import (
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/web/admin"
)

// TestTheHistoryTellsAboutHowOftenItWasChecked, without a number that grows by one.
func TestTheHistoryTellsAboutHowOftenItWasChecked(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/certificates/" + w.issue("A", "Marcia Campbell", "PF1").String()
	w.ask("ben", at, nil).is(t, 200, "How often it was checked here", "are not counted", "Checked 0 What happened")
	for n, want := range map[int]string{3: "1–9", 41: "10–99", 12345: "100+"} {
		if _, err := w.house.Store.Pool().Exec(t.Context(), "INSERT INTO certificate_check AS c SELECT bucket, id, $1 FROM certificate ON CONFLICT (bucket, certificate) DO UPDATE SET n = $1", n); err != nil {
			t.Fatal(err)
		}
		w.ask("ben", at, nil).is(t, 200, "Checked "+want+" What happened")
	}
}

// TestTheHistoryOfACertificateIsWhole has its messages, prints and requests, and
// those of no other.
func TestTheHistoryOfACertificateIsWhole(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id, other := w.issue("A", "Marcia Campbell", "PF1"), w.issue("B", "Other Person", "PF1")
	at := admin.Path + "/certificates/" + id.String()
	w.ask("ben", at, nil).is(t, 200, "No message was sent about this certificate", "It was not printed at a desk", "There are none")
	person := int64(w.count("SELECT person_id FROM certificate WHERE bucket = $1 AND id = $2", id.Bucket(), id[:]))
	if err := w.messages.Queue(ctx, w.house.Store.Read(), deliver.Message{
		Template: "ready", Class: deliver.Notice, To: "+18765550142", Language: "en", Values: map[string]string{}, Once: "one", Certificate: id[:], Person: deliver.Person{Bucket: int16(id.Bucket()), ID: person},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.house.Store.Pool().Exec(ctx, "INSERT INTO print (bucket, certificate, copy, serial, facility, act, at, actor, size, languages) VALUES ($1, $2, 1, 7, 'FAL', decode(repeat('00', 16), 'hex'), now(), 'staff:4', 'card', 'en')", id.Bucket(), id[:]); err != nil {
		t.Fatal(err)
	}
	ticket, err := w.cases.Open(ctx, access.Caller{Actor: "staff:4", Role: access.FacilityStaff, Facility: "FAL"}, casework.Request{Kind: casework.Correction, Certificate: id, Changes: []casework.Change{{Field: "vaccination.lot", Value: "PF2"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := w.ask("ben", at, nil).is(t, 200, "Certificate is ready", "•••42", "Waiting", "Card, two sides", "staff:4", ticket.String(), "Correction", "Open")
	if strings.Contains(got.text, "5550142") {
		t.Error("the whole number is there")
	}
	if got := words(w.ask("ben", admin.Path+"/certificates/"+other.String(), nil).is(t, 200).text); strings.Contains(got, "•••42") || strings.Contains(got, ticket.String()) {
		t.Error("another's messages or requests are there")
	}
	if _, err := w.house.Store.Pool().Exec(ctx, "UPDATE message SET sealed = NULL, state = 5"); err != nil {
		t.Fatal(err)
	}
	if got := w.ask("ben", at, nil).is(t, 200, "Delivered"); strings.Contains(got.text, "•••42") {
		t.Error("it tells to whom a message went that is not kept")
	}
}
