package upload_test

import (
	"bytes"
	"context"
	"crypto/rand"
	stdcsv "encoding/csv"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/csv"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/keyring"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is a service on a database of its own, with a clock that can be set.
type world struct {
	*upload.Service
	t        testing.TB
	ctx      context.Context
	store    *registry.Store
	issuance *issuance.Service
	o        upload.Options
	now      time.Time
	by       access.Caller
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, ctx: ctx, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	var err error
	if w.store, err = registry.Open(ctx, pgtest.URL(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.store.Close)
	p, err := profile.Open("jamaica")
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	box, err := seal.Open(key, dir, seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	const publicURL = "https://certificates.example.org"
	did, err := trust.DIDWeb(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(ctx, keyring.Options{
		Dir: dir, Box: box, Create: true, Now: clock, Random: rand.Reader,
		Identity: keyring.Identity{DID: did, Country: p.Country.Alpha2, Name: p.IssuerName("en")},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.issuance = issuance.New(issuance.Options{
		Store: w.store, Box: box, Keys: ring, Profile: p, PublicURL: publicURL, Now: clock, Random: rand.Reader, Log: log,
	})
	w.o = upload.Options{Store: w.store, Box: box, Issuance: w.issuance, Zone: p.TimeZone, Now: clock, Log: log}
	w.Service = upload.New(w.o)
	w.by = w.source("clinic")
	return w
}

func (w *world) source(name string) access.Caller {
	w.t.Helper()
	if err := w.store.Read().EnsureSource(w.ctx, query.EnsureSourceParams{Name: name, CreatedAt: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return access.Caller{Actor: "token:1 " + name, Role: access.SourceRole, Source: name}
}

// row is a record without fault, by column.
func row(n int) map[string]string {
	return map[string]string{
		"preEnrollmentCode": fmt.Sprintf("BULK-%07d", n), "recipientName": "Marcia Campbell", "recipientMobileNumber": "876 555 0142",
		"recipientDOB": "1987-04-21", "recipientGender": "Female", "recipientNationality": "JAM", "recipientIdentity": fmt.Sprintf("did:Passport:P%d", n),
		"vaccinationBatch": "PF1", "vaccinationDate": "2021-11-30T15:00:00Z", "vaccinationDose": "1", "vaccinationTotalDoses": "2",
		"vaccinationManufacturer": "Pfizer", "vaccinationName": "Comirnaty", "vaccinatorName": "N. Brown", "facilityName": "Falmouth Health Centre",
	}
}

func set(column, value string) func(map[string]string) {
	return func(r map[string]string) { r[column] = value }
}

// line writes a row of a table.
func line(r map[string]string) string {
	var b strings.Builder
	w := stdcsv.NewWriter(&b)
	var cells []string
	for _, c := range csv.Columns() {
		cells = append(cells, r[c])
	}
	_ = w.Write(cells) // to memory
	w.Flush()
	return b.String()
}

func header() string { return strings.Join(csv.Columns(), ",") + "\n" }

// slip is one way in which a row goes wrong.
type slip struct {
	name   string
	change func(map[string]string)
	line   func(string) string // of the whole line, where it is its form
	want   string              // column and code of the first reason
}

func slips() []slip {
	long := strings.Repeat("x", 300)
	return []slip{
		{"no name", set("recipientName", ""), nil, "recipientName required"},
		{"a name of digits", set("recipientName", "12345"), nil, "recipientName format"},
		{"a formula for a name", set("recipientName", "=1+1"), nil, "recipientName formula"},
		{"a name too long", set("recipientName", long), nil, "recipientName too-long"},
		{"an invisible letter", set("recipientName", "Mar\u200bcia"), nil, "recipientName character"},
		{"no enrolment code", set("preEnrollmentCode", ""), nil, "preEnrollmentCode required"},
		{"a shortened code", set("preEnrollmentCode", "1.2E+11"), nil, "preEnrollmentCode spreadsheet"},
		{"no birth date and no age", set("recipientDOB", ""), nil, "recipientDOB required"},
		{"an ambiguous birth date", set("recipientDOB", "03/04/1987"), nil, "recipientDOB ambiguous"},
		{"a birth date to come", set("recipientDOB", "2087-04-21"), nil, "recipientDOB in-future"},
		{"a birth date of another age", set("recipientDOB", "1787-04-21"), nil, "recipientDOB too-old"},
		{"no such birth day", set("recipientDOB", "1987-02-30"), nil, "recipientDOB not-a-date"},
		{"a birth after the dose", set("recipientDOB", "2022-01-01"), nil, "vaccinationDate before-birth"},
		{"an age in words", set("recipientAge", "old"), nil, "recipientAge format"},
		{"an unknown sex", set("recipientGender", "lady"), nil, "recipientGender format"},
		{"no date", set("vaccinationDate", ""), nil, "vaccinationDate required"},
		{"a date to come", set("vaccinationDate", "2036-11-30"), nil, "vaccinationDate in-future"},
		{"a month for a date", set("vaccinationDate", "2021-11"), nil, "vaccinationDate precision"},
		{"no dose", set("vaccinationDose", ""), nil, "vaccinationDose required"},
		{"dose zero", set("vaccinationDose", "0"), nil, "vaccinationDose out-of-range"},
		{"dose in words", set("vaccinationDose", "erste"), nil, "vaccinationDose format"},
		{"too many doses", set("vaccinationTotalDoses", "1000"), nil, "vaccinationTotalDoses out-of-range"},
		{"an unknown vaccine", set("vaccinationName", "Placebo 3000"), nil, "vaccinationName unknown"},
		{"a validity that ends first", func(r map[string]string) {
			r["vaccinationEffectiveStart"], r["vaccinationEffectiveEnd"] = "2022-01-02", "2022-01-01"
		}, nil, "vaccinationEffectiveEnd out-of-order"},
		{"a cell too many", nil, func(l string) string { return "," + l }, "row columns"},
	}
}

// spoiled is a file of n rows, of which every twentieth is wrong, each time in
// another way, and the row of each way by its number.
func spoiled(n int) (file string, want map[int64]string) {
	var b strings.Builder
	b.WriteString(header())
	want = map[int64]string{}
	ways := slips()
	for i := range n {
		r := row(i)
		if i%20 != 7 {
			b.WriteString(line(r))
			continue
		}
		way := ways[i/20%len(ways)]
		if way.change != nil {
			way.change(r)
		}
		l := line(r)
		if way.line != nil {
			l = way.line(l)
		}
		b.WriteString(l)
		want[int64(i)+1] = way.want
	}
	return b.String(), want
}

func (w *world) receive(by access.Caller, f upload.File) upload.Info {
	w.t.Helper()
	u, err := w.Receive(w.ctx, by, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) csv(file string) upload.Info {
	w.t.Helper()
	return w.receive(w.by, upload.File{Name: "people.csv", Format: upload.CSV, Body: strings.NewReader(file)})
}

func (w *world) process(id int64) upload.Info {
	w.t.Helper()
	if err := w.Process(w.ctx, id, nil); err != nil {
		w.t.Fatal(err)
	}
	return w.get(id)
}

func (w *world) get(id int64) upload.Info {
	w.t.Helper()
	u, err := w.Get(w.ctx, w.by, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func totals(u upload.Info) string {
	return fmt.Sprintf("%s: %d rows, %d issued, %d unchanged, %d wrong", u.State, u.Rows, u.Issued, u.Unchanged, u.Wrong)
}

func (w *world) totals(u upload.Info, want string) {
	w.t.Helper()
	if got := totals(u); got != want {
		w.t.Errorf("%s; want %s", got, want)
	}
}

// states are all rows of an upload; each must be there once.
func (w *world) states(id int64) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	var after int64
	for {
		rows, err := w.Rows(w.ctx, w.by, id, after, false)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rows {
			if after++; r.Row != after {
				w.t.Fatalf("row %d comes after row %d", r.Row, after-1)
			}
			if (r.State == upload.Wrong) != (r.Certificate == "") || (r.State == upload.Wrong) != (len(r.Reasons) > 0) {
				w.t.Errorf("row %+v", r)
			}
			out[r.State]++
		}
		if len(rows) == 0 {
			return out
		}
	}
}

func (w *world) checked(certificates int) {
	w.t.Helper()
	report, err := w.issuance.Check(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Error(p)
	}
	if report.Certificates != certificates {
		w.t.Errorf("%d certificates, want %d", report.Certificates, certificates)
	}
}

func (w *world) count(table string) (n int) {
	w.t.Helper()
	if err := w.store.Pool().QueryRow(w.ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// errorFile is the error file of an upload.
func (w *world) errorFile(u upload.Info) string {
	w.t.Helper()
	var b bytes.Buffer
	if err := w.WriteErrors(w.ctx, w.by, u, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}
