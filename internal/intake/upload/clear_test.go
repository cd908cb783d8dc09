package upload_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opendivoc/divoc/internal/intake/upload"
)

func (w *world) number(q string) (n int) {
	w.t.Helper()
	if err := w.store.Pool().QueryRow(w.ctx, q).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestWrongRowsAreRemovedInTime lets the time pass for which the text of wrong
// rows is kept.
func TestWrongRowsAreRemovedInTime(t *testing.T) {
	w := newWorld(t)
	wrong := row(2)
	wrong["recipientName"] = ""
	w.Keep = 10 * 24 * time.Hour
	u := w.done(w.csv(header() + line(row(1)) + line(wrong)))
	asJSON := w.done(w.receive(w.by, upload.File{Name: "x.json", Format: upload.JSON, Body: strings.NewReader(`[{"enrolmentCode":"J-1"}]`)}))
	clear := func() {
		t.Helper()
		if err := w.Clear(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(w.Keep)
	clear()
	if file := w.errorFile(w.get(u.ID)); !strings.Contains(file, "BULK-0000002") {
		t.Errorf("removed before its time: %q", file)
	}
	w.now = w.now.Add(time.Second)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(clear)
	}
	wg.Wait()
	if n := w.number("SELECT count(*) FROM upload_row WHERE sealed IS NOT NULL"); n != 0 {
		t.Errorf("%d rows are still there", n)
	}
	if n := w.number("SELECT count(*) FROM audit WHERE act = 'upload.cleared'"); n != 2 {
		t.Errorf("%d entries in the audit for 2 uploads", n)
	}
	file := w.errorFile(w.get(u.ID))
	if lines := strings.Split(strings.TrimSpace(file), "\n"); len(lines) != 2 || strings.Contains(file, "BULK") ||
		!strings.Contains(lines[1], "recipientName: ") || !strings.Contains(lines[1], "find row 2 in your own file") {
		t.Errorf("the error file: %q", file)
	}
	if file := w.errorFile(w.get(asJSON.ID)); !strings.Contains(file, `"event":null`) || !strings.Contains(file, "find row 1 in your own file") {
		t.Errorf("the error file of JSON: %q", file)
	}
	if u, err := w.Get(w.ctx, w.by, u.ID); err != nil || u.Cleared == nil || !u.Cleared.Equal(w.now) || u.Wrong != 1 {
		t.Errorf("afterwards: %+v, %v", u, err)
	}
	w.agrees()
}

func TestWrongRowsAreKeptForNinetyDays(t *testing.T) {
	w := newWorld(t)
	wrong := row(1)
	wrong["recipientName"] = ""
	w.done(w.csv(header() + line(wrong)))
	kept := func() int { return w.number("SELECT count(*) FROM upload_row WHERE sealed IS NOT NULL") }
	began := w.now
	for _, day := range []int{1, 89, 90} {
		w.now = began.AddDate(0, 0, day)
		if err := w.Clear(w.ctx); err != nil || kept() != 1 {
			t.Errorf("day %d: %d kept, %v", day, kept(), err)
		}
	}
	w.now = began.AddDate(0, 0, 91)
	if err := w.Clear(w.ctx); err != nil || kept() != 0 {
		t.Errorf("day 91: %d kept, %v", kept(), err)
	}
}

// TestCheckSeesEveryColumnOfUploads changes each column of the tables of uploads
// a little, one at a time.
func TestCheckSeesEveryColumnOfUploads(t *testing.T) {
	w := newWorld(t)
	wrong := row(2)
	wrong["recipientName"] = ""
	w.done(w.csv(header() + line(row(1)) + line(wrong) + line(row(3))))
	w.now = w.now.AddDate(0, 0, 100)
	if err := w.Clear(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.done(w.csv(header() + line(row(1)) + line(wrong)))
	w.agrees()
	// What the audit does not tell, and its owner sees: how it was read, its name,
	// who sent it, times, reasons.
	free := map[string]bool{
		"upload.actor": true, "upload.role": true, "upload.problem": true, "upload.encoding": true, "upload.date_order": true, "upload.columns": true,
		"upload.filename": true, "upload.bytes_read": true, "upload.created_at": true, "upload.touched_at": true, "upload_row.reasons": true,
		"upload.mapping_version": true, "upload.not_read": true, "upload.rows_read": true, "upload.hash": true, "upload_row.file_row": true, "upload_row.slot": true,
		"upload_row.sealed": true, // does not open then; that it is there is checked
	}
	w.exec("ALTER TABLE upload ALTER id DROP IDENTITY")
	w.exec("ALTER TABLE upload_row DROP CONSTRAINT upload_row_upload_id_fkey")
	w.exec("ALTER TABLE upload_chunk DROP CONSTRAINT upload_chunk_upload_id_fkey")
	w.exec("ALTER TABLE upload_trial DROP CONSTRAINT upload_trial_upload_id_fkey")
	tampered := func(statement string) {
		t.Helper()
		tx, err := w.store.Pool().Begin(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(w.ctx, statement)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23") {
			_ = tx.Rollback(w.ctx)
			return // a constraint stands in its way
		}
		if err == nil {
			err = tx.Commit(w.ctx)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		report, err := w.issuance.Check(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Problems) == 0 {
			t.Errorf("%s: Check finds nothing", statement)
		}
	}
	for _, table := range []string{"upload", "upload_row"} {
		w.exec("CREATE TABLE kept_" + table + " AS TABLE " + table)
	}
	restore := func() {
		w.exec("TRUNCATE upload, upload_row")
		w.exec("INSERT INTO upload SELECT * FROM kept_upload")
		w.exec("INSERT INTO upload_row SELECT * FROM kept_upload_row")
	}
	for _, table := range []string{"upload", "upload_row"} {
		rows, err := w.store.Pool().Query(w.ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1", table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Type string }])
		if err != nil || len(columns) == 0 {
			t.Fatal(columns, err)
		}
		for _, c := range columns {
			if free[table+"."+c.Name] {
				continue
			}
			value := map[string]string{
				"bigint": c.Name + " + 1", "text": "CASE " + c.Name + " WHEN 'done' THEN 'failed' WHEN 'csv' THEN 'json' WHEN 'issued' THEN 'unchanged' WHEN 'unchanged' THEN 'issued' ELSE 'x' END",
				"bytea": "set_byte(" + c.Name + ", 5, get_byte(" + c.Name + ", 5) # 1)", "timestamp with time zone": "coalesce(" + c.Name + ", now()) + interval '1 second'",
			}[c.Type]
			for _, n := range []int{0, 1, 2} {
				restore()
				if w.number(fmt.Sprintf("SELECT count(*) FROM %s", table)) <= n || w.number(fmt.Sprintf("SELECT count(*) FROM (SELECT %s AS c FROM %s LIMIT 1 OFFSET %d) t WHERE c IS NOT NULL OR %t", c.Name, table, n, c.Type != "bytea")) == 0 {
					continue
				}
				tampered(fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[3]s WHERE ctid = (SELECT ctid FROM %[1]s LIMIT 1 OFFSET %[4]d)", table, c.Name, value, n))
			}
		}
	}
	for _, statement := range []string{
		"DELETE FROM upload WHERE id = 1", "DELETE FROM upload_row WHERE row = 3", "INSERT INTO upload_row (upload_id, row, state, certificate, reasons, sealed) SELECT upload_id, 9, state, certificate, reasons, sealed FROM upload_row WHERE row = 3",
		"UPDATE upload_row SET sealed = NULL", "UPDATE upload_row SET sealed = '\\x00' WHERE state = 'wrong'",
		"INSERT INTO upload (id, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, rows_done, rows_issued, rows_wrong, created_at, touched_at) SELECT 77, source, actor, role, state, problem, format, encoding, date_order, columns, filename, bytes, bytes_read, 0, 0, 0, created_at, touched_at FROM upload WHERE id = 1",
	} {
		restore()
		tampered(statement)
	}
	restore()
	w.agrees()
}

// done processes an upload.
func (w *world) done(u upload.Info) upload.Info { return w.process(u.ID) }

func (w *world) exec(statement string) {
	w.t.Helper()
	if _, err := w.store.Pool().Exec(w.ctx, statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// agrees fails the test when what is stored does not agree with itself.
func (w *world) agrees() {
	w.t.Helper()
	report, err := w.issuance.Check(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Error(p)
	}
}
