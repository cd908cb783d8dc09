package issuancetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Fill adds n slim certificates of a source to a database that has none: filler
// where something is sealed, tables, constraints and indexes as in the schema. The
// rows are made without indexes and constraints, and then those as they were: made
// at once they cost minutes, kept up row by row hours.
func Fill(t testing.TB, pool *pgxpool.Pool, source string, n int) {
	t.Helper()
	fill(t, pool, n, []string{"person", "person_index", "certificate"}, func(exec execute) {
		for first := 1; first <= n; first += 1_000_000 {
			last := min(first+999_999, n)
			for _, sql := range fillers() {
				exec(sql, first, last, source)
			}
		}
	})
}

// execute runs a statement, which has to succeed.
type execute func(sql string, args ...any)

// fill has rows added to tables of certificates that have no indexes meanwhile, on
// one connection, and reserves the positions of n certificates.
func fill(t testing.TB, pool *pgxpool.Pool, n int, tables []string, add func(execute)) {
	t.Helper()
	ctx := context.Background()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%.100s: %v", sql, err)
		}
	}
	restore := unindex(t, conn.Conn(), tables...)
	add(exec)
	exec("UPDATE bucket_group SET status_next = $1 WHERE id < 16", n/16+1)
	restore()
	exec("VACUUM ANALYZE " + strings.Join(tables, ", "))
}

// FillAudit adds n entries of a year to the audit: nine of ten that something was
// issued, by three systems, the others by a hundred people. Their chains hold no
// hash that is right. It returns an object that has a few entries.
func FillAudit(t testing.TB, pool *pgxpool.Pool, n int) (object string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	restore := unindex(t, conn.Conn(), "audit")
	for first := 1; first <= n; first += 1_000_000 {
		_, err = conn.Exec(ctx, `INSERT INTO audit (chain, seq, at, actor, act, object, detail, hash)
			SELECT i % 16, 1000000000 + i, '2025-11-22T12:00:00Z'::timestamptz + (i / 40) * (40 * interval '1 year' / $3::int),
				CASE WHEN i % 10 > 0 THEN 'intake:source-' || i % 3 ELSE 'staff:' || (i / 10) % 100 END,
				CASE WHEN i % 10 > 0 THEN 'issued' WHEN i % 100 = 0 THEN 'revoke' ELSE 'read' END,
				upper(substring(md5((CASE WHEN i % 10 > 0 THEN i ELSE i / 10 % 100000 END)::text) FOR 24)), 'covid-19 dose 1 version 1 by source-' || i % 3, sha256(i::text::bytea)
			FROM generate_series($1::int, $2::int) AS i`, first, min(first+999_999, n), n)
		if err != nil {
			t.Fatal(err)
		}
	}
	restore()
	if _, err := conn.Exec(ctx, "VACUUM ANALYZE audit"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, "SELECT object FROM audit WHERE act = 'read' LIMIT 1").Scan(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

// unindex drops indexes and constraints of tables and returns what makes them
// again.
func unindex(t testing.TB, conn *pgx.Conn, tables ...string) (restore func()) {
	t.Helper()
	ctx := context.Background()
	texts := func(sql string) []string {
		rows, err := conn.Query(ctx, sql, tables)
		if err != nil {
			t.Fatal(err)
		}
		out, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const (
		of          = "(SELECT unnest($1::text[])::regclass)"
		constraints = " FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND (conrelid IN " + of + " OR confrelid IN " + of + ") ORDER BY "
		indexes     = " FROM pg_index WHERE indrelid IN " + of + " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)"
	)
	again := slices.Concat(
		texts("SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))"+constraints+"contype = 'f'"),
		texts("SELECT pg_get_indexdef(indexrelid)"+indexes))
	drop := slices.Concat(
		texts("SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"+constraints+"contype <> 'f'"),
		texts("SELECT format('DROP INDEX %s', indexrelid::regclass)"+indexes))
	run := func(all []string) {
		for _, sql := range all {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%.100s: %v", sql, err)
			}
		}
	}
	run(drop)
	return func() {
		run([]string{"SET maintenance_work_mem = '1GB'"})
		run(again)
		run([]string{"RESET maintenance_work_mem"})
	}
}

// fillers make the rows $1 to $2 of source $3: a hundredth revoked, as many
// suspended as a country has in a bad week.
func fillers() []string {
	const rows = `(SELECT i, id, (get_byte(id, 0) << 2) | (get_byte(id, 1) >> 6) AS bucket
		FROM (SELECT i, decode(md5('id' || i), 'hex') AS id FROM generate_series($1::int, $2::int) AS i OFFSET 0) AS d) AS k`
	return []string{
		`INSERT INTO person (bucket, id, code_index, key, sealed, updated_at, source)
		SELECT bucket, i, decode(md5('code' || i), 'hex'), substring(decode(repeat(md5(i::text), 5), 'hex') FOR 65), decode(repeat(md5(i::text), 3), 'hex'), now(), $3::text FROM ` + rows,
		`INSERT INTO person_index (value, bucket, person_id)
		SELECT decode(md5(v.kind || CASE v.kind WHEN 'birth' THEN i % 25000 ELSE i END), 'hex'), bucket, i
		FROM ` + rows + `, (VALUES ('mobile'), ('birth'), ('national')) AS v(kind) WHERE $3::text <> ''`,
		`INSERT INTO certificate (bucket, dose, version, status, status_list, status_index, person_id, issued_at, status_at, id, content, programme, source, sealed)
		SELECT bucket, 1, 1, CASE WHEN i % 100 = 0 THEN 3 WHEN i % 5000 = 1 THEN 1 ELSE 0 END, ((bucket >> 6) << 16) | (i / 16 / 131072), i / 16 % 131072, i,
			'2026-01-01'::timestamptz + i * interval '1 second', now(), substring(id FOR 15), decode(md5('content' || i), 'hex'), 'covid-19', $3::text, decode(repeat(md5(i::text), 4), 'hex') FROM ` + rows,
	}
}
