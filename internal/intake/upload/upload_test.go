package upload_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func TestAThousandRowsOfWhichFiftyAreWrong(t *testing.T) {
	w := newWorld(t)
	file, want := spoiled(1000)
	u := w.process(w.csv(file).ID)
	w.totals(u, "done: 1000 rows, 950 issued, 0 unchanged, 50 wrong")
	if diff := cmp.Diff(map[string]int{"issued": 950, "wrong": 50}, w.states(u.ID)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	rows, err := w.Rows(w.ctx, w.by, u.ID, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	for _, r := range rows {
		got[r.Row] = r.Reasons[0].Path + " " + r.Reasons[0].Code
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if kinds := slices.Compact(slices.Sorted(maps.Values(got))); len(kinds) != 25 {
		t.Errorf("%d kinds of reasons: %q", len(kinds), kinds)
	}
	w.checked(950)
	if n := w.count("upload_chunk"); n != 0 {
		t.Errorf("%d pieces of the file are kept after the end", n)
	}

	// The same file again issues nothing.
	again := w.process(w.csv(file).ID)
	w.totals(again, "done: 1000 rows, 0 issued, 950 unchanged, 50 wrong")

	// The corrected file issues only what is missing.
	var b strings.Builder
	b.WriteString(header())
	for i := range 1000 {
		b.WriteString(line(row(i)))
	}
	corrected := w.process(w.csv(b.String()).ID)
	w.totals(corrected, "done: 1000 rows, 50 issued, 950 unchanged, 0 wrong")
	w.checked(1000)
}

func TestTheErrorFileIsCorrectedAndUploadedAgain(t *testing.T) {
	w := newWorld(t)
	bad := row(2)
	bad["recipientDOB"], bad["recipientMobileNumber"] = "03/04/1987", "+18765550142"
	u := w.process(w.csv(header() + line(row(1)) + line(bad)).ID)
	w.totals(u, "done: 2 rows, 1 issued, 0 unchanged, 1 wrong")
	file := w.errorFile(u)
	for _, want := range []string{"facilityPincode,errors\n", ",'+18765550142,", "recipientDOB: this can be two different days"} {
		if !strings.Contains(file, want) {
			t.Errorf("%q is not in the error file:\n%s", want, file)
		}
	}
	again := w.process(w.csv(strings.Replace(file, "03/04/1987", "1987-04-03", 1)).ID)
	w.totals(again, "done: 1 rows, 1 issued, 0 unchanged, 0 wrong")
	if n, err := w.store.Read().CountAudit(w.ctx, query.CountAuditParams{Chain: registry.AdminChain, Act: "upload.errors", Object: fmt.Sprintf("upload %d", u.ID)}); err != nil || n != 1 {
		t.Errorf("%d entries in the audit for the download, %v", n, err)
	}
	w.checked(2)
}

func TestALostPieceIsNoEnd(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString(header())
	for i := range 3000 {
		b.WriteString(line(row(i)))
	}
	id := w.csv(b.String()).ID
	if _, err := w.store.Pool().Exec(w.ctx, "DELETE FROM upload_chunk WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	u := w.process(id)
	if u.State != upload.Failed || !strings.Contains(u.Problem, "missing") || u.Rows == 0 || u.Rows >= 3000 {
		t.Errorf("%s, %q", totals(u), u.Problem)
	}
}

func TestRowsThatContradict(t *testing.T) {
	w := newWorld(t)
	other := row(1)
	other["vaccinationBatch"] = "PF2"
	u := w.process(w.csv(header() + line(row(1)) + line(row(1)) + line(other)).ID)
	w.totals(u, "done: 3 rows, 1 issued, 1 unchanged, 1 wrong")
	u = w.process(w.csv(header() + line(other)).ID)
	w.totals(u, "done: 1 rows, 0 issued, 0 unchanged, 1 wrong")
	rows, err := w.Rows(w.ctx, w.by, u.ID, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range rows[0].Reasons {
		got = append(got, f.Path+" "+f.Code)
	}
	if diff := cmp.Diff([]string{"preEnrollmentCode conflict", "vaccinationBatch differs"}, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	w.checked(1)
}

// interrupted ends the program's work in a batch's transaction: what a kill does,
// seen from the database.
func TestAKillInTheMiddle(t *testing.T) {
	w := newWorld(t)
	file, _ := spoiled(3000)
	id := w.csv(file).ID
	ctx, kill := context.WithCancel(w.ctx)
	err := w.Process(ctx, id, func(u upload.Info) {
		if u.Rows == 1000 {
			kill()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	w.totals(w.get(id), "processing: 1000 rows, 950 issued, 0 unchanged, 50 wrong")

	// The next program takes it up by itself.
	w.now = w.now.Add(time.Minute)
	next := upload.New(w.o)
	queue, err := issuance.NewQueue(w.store, w.issuance, slog.New(slog.DiscardHandler), next.Work())
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	next.Start(w.ctx, queue)
	defer func() {
		next.Stop()
		if err := queue.Stop(w.ctx); err != nil {
			t.Error(err)
		}
	}()
	deadline := time.Now().Add(time.Minute)
	for w.get(id).State == upload.Processing {
		if time.Now().After(deadline) {
			t.Fatalf("not taken up: %s", totals(w.get(id)))
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.totals(w.get(id), "done: 3000 rows, 2850 issued, 0 unchanged, 150 wrong")
	if diff := cmp.Diff(map[string]int{"issued": 2850, "wrong": 150}, w.states(id)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	w.checked(2850)

	// What is received now goes through the queue too.
	w.Service = next
	second := w.csv(header() + line(row(9_000_001))).ID
	for w.get(second).State == upload.Processing {
		if time.Now().After(deadline) {
			t.Fatal("the queue does not process what is received")
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.totals(w.get(second), "done: 1 rows, 1 issued, 0 unchanged, 0 wrong")
}

func TestStoppingGoesOnLater(t *testing.T) {
	w := newWorld(t)
	file, _ := spoiled(1500)
	id := w.csv(file).ID
	err := w.Process(w.ctx, id, func(upload.Info) { w.Stop() })
	if !errors.Is(err, upload.ErrStopped) {
		t.Fatalf("stopped: %v", err)
	}
	w.totals(w.get(id), "processing: 500 rows, 475 issued, 0 unchanged, 25 wrong")
	w.Service = upload.New(w.o)
	w.totals(w.process(id), "done: 1500 rows, 1425 issued, 0 unchanged, 75 wrong")
	w.checked(1425)
}

func TestTwoWorkersOnOneUpload(t *testing.T) {
	w := newWorld(t)
	file, _ := spoiled(2000)
	id := w.csv(file).ID
	errs := make(chan error)
	for range 2 {
		go func() { errs <- w.Process(w.ctx, id, nil) }()
	}
	gaveUp := 0
	for range 2 {
		switch err := <-errs; {
		case errors.Is(err, upload.ErrElsewhere):
			gaveUp++
		case err != nil:
			t.Errorf("processing: %v", err)
		}
	}
	if gaveUp != 1 {
		t.Errorf("%d of two gave up", gaveUp)
	}
	w.totals(w.get(id), "done: 2000 rows, 1900 issued, 0 unchanged, 100 wrong")
	w.states(id)
	w.checked(1900)
}

func TestABatchIsOneTransactionWithItsStates(t *testing.T) {
	w := newWorld(t)
	id := w.csv(header() + line(row(1)) + line(row(2))).ID
	for _, table := range []string{"upload_row", "certificate"} {
		if _, err := w.store.Pool().Exec(w.ctx, "ALTER TABLE "+table+" ADD CONSTRAINT broken CHECK (false) NOT VALID"); err != nil {
			t.Fatal(err)
		}
		if err := w.Process(w.ctx, id, nil); err == nil {
			t.Errorf("%s cannot be written, and nothing is said", table)
		}
		w.totals(w.get(id), "processing: 0 rows, 0 issued, 0 unchanged, 0 wrong")
		if n := w.count("certificate") + w.count("upload_row") + w.count("person"); n != 0 {
			t.Errorf("%s cannot be written, and %d rows of a batch were", table, n)
		}
		if _, err := w.store.Pool().Exec(w.ctx, "ALTER TABLE "+table+" DROP CONSTRAINT broken"); err != nil {
			t.Fatal(err)
		}
	}
	w.totals(w.process(id), "done: 2 rows, 2 issued, 0 unchanged, 0 wrong")
}

func TestOnlyItsSourceSeesAnUpload(t *testing.T) {
	w := newWorld(t)
	u := w.process(w.csv(header() + line(row(1))).ID)
	other := w.source("other")
	if _, err := w.Get(w.ctx, other, u.ID); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("seeing a foreign upload: %v", err)
	}
	if _, err := w.Rows(w.ctx, other, u.ID, 0, true); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("rows of a foreign upload: %v", err)
	}
	if err := w.WriteErrors(w.ctx, other, u, io.Discard); vaccination.ErrorCode(err) != vaccination.NotFound {
		t.Errorf("errors of a foreign upload: %v", err)
	}
	if list, err := w.List(w.ctx, other, 0); err != nil || len(list) != 0 {
		t.Errorf("a foreign list: %v, %v", list, err)
	}
	for _, by := range []access.Caller{w.by, {Actor: "admin", Role: access.SystemAdmin, Source: "admin"}} {
		if list, err := w.List(w.ctx, by, 0); err != nil || len(list) != 1 || list[0].Filename != "people.csv" {
			t.Errorf("%s's list: %+v, %v", by.Role, list, err)
		}
	}
	auditor := access.Caller{Actor: "auditor", Role: access.Auditor}
	if _, err := w.List(w.ctx, auditor, 0); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("an auditor's list: %v", err)
	}
	if _, err := w.Receive(w.ctx, auditor, upload.File{Format: upload.CSV, Body: strings.NewReader(header())}); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("an auditor's upload: %v", err)
	}
}

func TestWhatIsRefusedAtOnceLeavesNothing(t *testing.T) {
	w := newWorld(t)
	tests := map[string]io.Reader{
		"no header":        strings.NewReader("a,b,c\n1,2,3\n"),
		"nothing":          strings.NewReader(""),
		"a strange coding": strings.NewReader(header() + strings.Repeat("\x81\x81\x81\n", 10)),
		"a sender who goes away": io.MultiReader(strings.NewReader(header()+strings.Repeat(line(row(1)), 5000)),
			errReader{errors.New("connection reset")}),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			if u, err := w.Receive(w.ctx, w.by, upload.File{Name: "x", Format: upload.CSV, Body: body}); err == nil {
				t.Errorf("received: %+v", u)
			}
			if n := w.count("upload") + w.count("upload_chunk"); n != 0 {
				t.Errorf("%d rows are kept", n)
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestNothingOfAPersonIsReadable(t *testing.T) {
	w := newWorld(t)
	bad := row(1)
	bad["vaccinationDose"], bad["recipientName"] = "eins", "Quetzalcoatl Secretname"
	u := w.receive(w.by, upload.File{Name: "Secretname.csv", Format: upload.CSV, Body: strings.NewReader(header() + line(bad))})
	look := func(when string) {
		t.Helper()
		for _, table := range []string{"upload", "upload_chunk", "upload_row", "audit", "river_job"} {
			rows, err := w.store.Pool().Query(w.ctx, "SELECT x::text FROM "+table+" AS x")
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var text string
				if err := rows.Scan(&text); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(text, "Secretname") || strings.Contains(text, fmt.Sprintf("%x", "Secretname")) {
					t.Errorf("%s, %s shows the name: %s", when, table, text)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	look("stored")
	u = w.process(u.ID)
	look("done")
	if file := w.errorFile(u); !strings.Contains(file, "Quetzalcoatl Secretname") {
		t.Errorf("the error file lacks the row:\n%s", file)
	}
}

const jsonEvent = `{"enrolmentCode":"J-%d","person":{"name":"Marcia Campbell","birthDate":"1987-04-21"},"vaccination":{"product":"Comirnaty","date":"2021-11-30","dose":1}}`

func TestJSON(t *testing.T) {
	one, two := fmt.Sprintf(jsonEvent, 1), fmt.Sprintf(jsonEvent, 2)
	wrong := strings.Replace(one, "2021-11-30", "2036-11-30", 1)
	tests := []struct {
		name, file, want, problem string
	}{
		{"an array", "[" + one + ",\n" + two + "," + wrong + "]", "done: 3 rows, 2 issued, 0 unchanged, 1 wrong", ""},
		{"lines", one + "\n" + two + "\n" + wrong + "\n", "done: 3 rows, 2 issued, 0 unchanged, 1 wrong", ""},
		{"a byte order mark", "\xef\xbb\xbf [" + one + "]\n", "done: 1 rows, 1 issued, 0 unchanged, 0 wrong", ""},
		{"an empty array", "[]", "done: 0 rows, 0 issued, 0 unchanged, 0 wrong", ""},
		{"items that are no events", `[1,null,"x",{"name":2},{"person":{"name":3}},` + one + `]`, "done: 6 rows, 1 issued, 0 unchanged, 5 wrong", ""},
		{"broken off", "[" + one + `,{"enrol`, "failed: 1 rows, 1 issued, 0 unchanged, 0 wrong", "stops being JSON after the first 1"},
		{"not closed", "[" + one, "failed: 1 rows, 1 issued, 0 unchanged, 0 wrong", "stops being JSON"},
		{"no JSON", "enrolmentCode", "failed: 0 rows, 0 issued, 0 unchanged, 0 wrong", "stops being JSON after the first 0"},
		{"an item of any size", "[" + one + `,{"enrolmentCode":"` + strings.Repeat("x", 1<<20) + `"}]`, "failed: 1 rows, 1 issued, 0 unchanged, 0 wrong", "larger than 256 kB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			u := w.receive(w.by, upload.File{Name: "x.json", Format: upload.JSON, Body: strings.NewReader(tt.file)})
			u = w.process(u.ID)
			w.totals(u, tt.want)
			if !strings.Contains(u.Problem, tt.problem) || (u.Problem == "") != (tt.problem == "") {
				t.Errorf("problem %q, want %q", u.Problem, tt.problem)
			}
		})
	}
	w := newWorld(t)
	u := w.process(w.receive(w.by, upload.File{Name: "x.json", Format: upload.JSON, Body: strings.NewReader(wrong)}).ID)
	want := `{"row":1,"errors":[{"path":"vaccination.date","code":"in-future","message":"the dose lies in the future"}],"event":` + wrong + "}\n"
	if diff := cmp.Diff(want, w.errorFile(u)); diff != "" {
		t.Errorf("error file (-want +got):\n%s", diff)
	}
}
