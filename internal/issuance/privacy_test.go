package issuance_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// marked is an event in which every personal value can be found again.
func marked() (vaccination.Event, []string) {
	e := event("ENROLMARK77", 1)
	e.Person.Name = "Zerubbabel Markedname"
	e.Person.BirthDate = vaccination.Date{Year: 1931, Month: 7, Day: 19}
	e.Person.Identifier = vaccination.Identifier{Kind: "passport", Value: "QX7788991"}
	e.Contacts = []string{"tel:8765550177", "mailto:marked@example.org"}
	e.Address = vaccination.Address{Line1: "77 Markedstreet"}
	e.Vaccination.Practitioner = "Dr Markeddoctor"
	return e, []string{"ENROLMARK77", "Zerubbabel", "Markedname", "1931-07-19", "QX7788991", "8765550177", "5550177", "marked@example", "Markedstreet", "Markeddoctor"}
}

// TestADumpShowsNoPerson reads every table as text and looks for what was sent.
func TestADumpShowsNoPerson(t *testing.T) {
	w := newWorld(t, "jamaica")
	e, secrets := marked()
	w.must(issuance.Certify, e)
	w.must(issuance.Correct, with(e, lot("PF9")))
	if _, err := w.RevokeDoses(w.ctx, w.by, "", e.EnrolmentCode, nil, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByCode(w.ctx, w.by, "", e.EnrolmentCode, "test"); err != nil {
		t.Fatal(err)
	}
	dump := dumpAll(t, w)
	if !strings.Contains(dump, "covid-19") {
		t.Fatal("the dump holds nothing that was written")
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret)} {
			if strings.Contains(dump, form) {
				t.Errorf("the dump shows %q", form)
			}
		}
	}
}

// dumpAll returns every row of every table as text.
func dumpAll(t *testing.T, w *world) string {
	t.Helper()
	rows, err := w.store.Pool().Query(w.ctx, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	var dump strings.Builder
	for _, table := range tables {
		rows, err := w.store.Pool().Query(w.ctx, "SELECT t::text FROM "+table+" t")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			dump.WriteString(row + "\n")
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
	return dump.String()
}

// TestACopyWithoutTheSealingKeyOpensNothing opens the keys of a copied folder
// with another sealing key.
func TestACopyWithoutTheSealingKeyOpensNothing(t *testing.T) {
	dir := t.TempDir()
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(key, dir, seal.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	other, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(other, dir, seal.Options{}); err == nil {
		t.Error("another sealing key opens the folder")
	}
}

// TestACertificateTakesThreeKilobytes measures the whole database, indexes
// included, per certificate: the bound is 3 kB.
func TestACertificateTakesThreeKilobytes(t *testing.T) {
	for _, country := range []string{"jamaica", "sri-lanka"} {
		t.Run(country, func(t *testing.T) {
			w := newWorld(t, country)
			size := func() (n int64) {
				if err := w.store.Pool().QueryRow(context.Background(), "SELECT pg_database_size(current_database())").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := size()
			const n = 4000
			for i := 0; i < n; i += 500 {
				var events []vaccination.Event
				for j := range 500 {
					e := event(fmt.Sprintf("ENROL-%08d", i+j), 1)
					e.Person.Name = fmt.Sprintf("Person %x Number %d", (i+j)*7919, i+j)
					if country == "sri-lanka" {
						e.Person.Name = fmt.Sprintf("ශ්\u200dරී ලංකා පුරවැසි %d", i+j)
						e.Contacts = []string{"tel:0711234567"}
					}
					e.Person.Identifier.Value = fmt.Sprintf("%09d", (i+j)*104729%1000000000)
					events = append(events, e)
				}
				if _, err := w.issue(issuance.Certify, events...); err != nil {
					t.Fatal(err)
				}
			}
			perCertificate := (size() - before) / n
			t.Logf("%d bytes per certificate", perCertificate)
			if perCertificate > 3000 {
				t.Errorf("a certificate takes %d bytes, more than 3000", perCertificate)
			}
		})
	}
}
