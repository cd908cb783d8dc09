package subject_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/issuance/issuancetest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// photograph is one that a request may have.
func photograph(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for x := range 640 {
		for y := range 480 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestErasedInEveryRoom erases somebody who has a request with a photograph, and
// was sent a message; before, the export holds both.
func TestErasedInEveryRoom(t *testing.T) {
	w := newWorld(t)
	ids := w.issue(event("CODE-ONE", 1), event("CODE-TWO", 1))
	outbox := deliver.New(deliver.Options{
		Store: w.Store, Box: w.Box, Profile: w.Profile, PublicURL: issuancetest.PublicURL, Now: w.Now, Random: w.Random, Log: w.Log, Contacts: w.Service.ContactsOf,
	})
	who, err := w.Service.WhomOf(t.Context(), w.Admin, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	other, err := w.Service.WhomOf(t.Context(), w.Admin, ids[1])
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range []deliver.Person{{Bucket: who.Bucket, ID: who.Person}, {Bucket: other.Bucket, ID: other.Person}} {
		err := w.Store.Tx(t.Context(), func(q *query.Queries) error {
			return outbox.Queue(t.Context(), q, deliver.Message{Template: profile.MessageReady, Class: deliver.Notice, Person: p, To: "+18765550142", Once: ids[i].String(), Certificate: ids[i][:]})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.check(ids...)
	ticket, err := w.cases.Open(t.Context(), w.Admin, casework.Request{
		Kind: casework.Correction, Certificate: ids[0], Message: "My name is Marcia Campbell-Brown by now.", Once: "form",
		Changes: []casework.Change{{Field: "person.name", Value: "Marcia Campbell-Brown"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.cases.AddEvidence(t.Context(), w.Admin, ticket, photograph(t)); err != nil {
		t.Fatal(err)
	}
	d, err := w.subject.Export(t.Context(), w.Admin, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "Campbell-Brown by now") || len(d.Rows["message"]) != 1 || len(d.Rows["case_file"]) != 1 {
		t.Errorf("the export lacks the request or the message: %d, %d rows", len(d.Rows["message"]), len(d.Rows["case_file"]))
	}
	if _, err := w.subject.EraseNow(t.Context(), w.Admin, ids[0], "keep", "asked in writing"); err != nil {
		t.Fatal(err)
	}
	w.fsck()
	dump := w.dump()
	for _, value := range append(personal(), "Campbell-Brown") {
		if strings.Contains(dump, value) {
			t.Errorf("%q is readable in the database", value)
		}
	}
	for sql, want := range map[string]int{
		"message":                                    1, // of the other
		"certificate_check":                          1,
		"case_evidence WHERE sealed IS NOT NULL":     0,
		"case_file WHERE octet_length(sealed) > 0":   0,
		"person WHERE octet_length(key) > 0":         1,
		"certificate WHERE octet_length(sealed) > 0": 1,
	} {
		var n int
		if err := w.Store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+sql).Scan(&n); err != nil || n != want {
			t.Errorf("%d rows of %s, want %d: %v", n, sql, want, err)
		}
	}
	if _, err := w.cases.Get(t.Context(), w.Admin, ticket); err == nil {
		c, _ := w.cases.Get(t.Context(), w.Admin, ticket)
		if text, _ := json.Marshal(c); strings.Contains(string(text), "Marcia") {
			t.Error("the request still says who asked")
		}
	}
}
