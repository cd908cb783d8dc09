package backup_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestEveryTableComesBack gives every table of the schema a row, whatever it holds,
// and compares all of them after a restore: a new table is in it without being named.
func TestEveryTableComesBack(t *testing.T) {
	h := newHouse(t)
	fill(t, h.url)
	before := rows(t, h.url)
	for table, all := range before {
		if len(all) == 0 && !slices.Contains(processes(), table) {
			t.Errorf("table %s has no row: nothing is shown of it", table)
		}
	}
	url := emptyDatabase(t)
	b := open(t, h.write())
	if err := b.Load(t.Context(), url, "system:test", made); err != nil {
		t.Fatal(err)
	}
	after := rows(t, url)
	for table, all := range before {
		if !slices.Contains(processes(), table) && b.Manifest.Rows(table) != int64(len(all)) {
			t.Errorf("the manifest says that table %s has %d rows, it has %d", table, b.Manifest.Rows(table), len(all))
		}
	}
	for table, what := range settled() {
		if len(after[table]) != 1 || !strings.Contains(after[table][0], what) {
			t.Errorf("of table %s is restored: %q, want %s", table, after[table], what)
		}
		delete(before, table)
		delete(after, table)
	}
	for table := range touched() {
		if len(after[table]) < len(before[table]) {
			t.Errorf("table %s had %d rows and has %d", table, len(before[table]), len(after[table]))
		}
		delete(before, table)
		delete(after, table)
	}
	for _, table := range processes() {
		delete(before, table)
		delete(after, table)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var working, still int
	err = conn.QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE tgenabled = 'O'), count(*) FILTER (WHERE tgenabled <> 'O') FROM pg_trigger WHERE NOT tgisinternal").Scan(&working, &still)
	if err != nil || working == 0 || still > 0 {
		t.Errorf("after a restore %d triggers work and %d do not, %v", working, still, err)
	}
}

// processes are tables that say which processes work just now.
func processes() []string { return []string{"river_leader", "river_client", "river_client_queue"} }

// touched are tables that the restore itself writes to, and what.
func touched() map[string]string {
	return map[string]string{"audit": "an entry", "bucket_group": "its chain", "setting": "the hold"}
}

// settled are tables whose row says after a restore what nobody knows of the time
// since the backup.
func settled() map[string]string {
	return map[string]string{"message": ",restored,", "print_counter": ",100001)"}
}

// fill gives each table without rows one, those that others refer to first.
func fill(t *testing.T, url string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	query := func(sql string, args ...any) [][]string {
		r, err := conn.Query(ctx, sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(r, func(row pgx.CollectableRow) ([]string, error) {
			values, err := row.Values()
			out := make([]string, len(values))
			for i, v := range values {
				out[i] = fmt.Sprint(v)
			}
			return out, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	var left []string
	for _, r := range query(`SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 1`) {
		left = append(left, r[0])
	}
	var refused map[string]error
	for len(left) > 0 {
		before := len(left)
		refused = map[string]error{}
		left = slices.DeleteFunc(left, func(table string) bool {
			if slices.Contains(processes(), table) || query("SELECT EXISTS (SELECT FROM " + table + ")")[0][0] == "true" {
				return true
			}
			_, err := conn.Exec(ctx, rowOf(t, table, query))
			if err != nil {
				refused[table] = fmt.Errorf("%w: %s", err, rowOf(t, table, query))
			}
			return err == nil
		})
		if len(left) == before { // some wait for each other, or a check is not understood
			t.Fatalf("no row can be made for these tables: say in rowOf what their columns need: %v", refused)
		}
	}
}

// particular are values of columns whose checks are about more than one of them.
func particular() map[string]string {
	return map[string]string{
		"case_file.id":         "(SELECT (bucket::bigint << 45) + 1 FROM person ORDER BY ctid LIMIT 1)",
		"item.id":              "1024", // of bucket 0
		"person_link.other_id": "-7",
		"upload_row.state":     "'issued'", // of a certificate
		"item.state":           "'held'",   // which a trigger counts
	}
}

// rowOf is the statement that gives a table a row.
func rowOf(t *testing.T, table string, query func(string, ...any) [][]string) string {
	t.Helper()
	parents := map[string]string{} // where the value of a column comes from
	for _, r := range query(`SELECT a.attname::text, c.confrelid::regclass::text, f.attname::text
		FROM pg_constraint c, unnest(c.conkey, c.confkey) AS k (own, other), pg_attribute a, pg_attribute f
		WHERE c.conrelid = $1::text::regclass AND c.contype = 'f' AND a.attrelid = c.conrelid AND a.attnum = k.own AND f.attrelid = c.confrelid AND f.attnum = k.other`, table) {
		parents[r[0]] = fmt.Sprintf("(SELECT %s FROM %s ORDER BY ctid LIMIT 1)", r[2], r[1])
	}
	var names, values []string
	for _, r := range query(`SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), y.typtype = 'e', a.attnotnull, a.atthasdef,
			coalesce((SELECT string_agg(pg_get_constraintdef(c.oid), ' AND ') FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY (c.conkey)), '')
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = '' AND a.attgenerated = '' ORDER BY a.attnum`, table) {
		name, kind, enum, required, hasDefault, check := r[0], r[1], r[2] == "true", r[3] == "true", r[4] == "true", r[5]
		value, known := particular()[table+"."+name]
		if !known {
			value, known = parents[name]
		}
		switch {
		case known:
		case strings.HasPrefix(table, "river_") && (hasDefault || !required): // another's: as it makes them
			continue
		default:
			value = valueOf(name, kind, enum, check)
		}
		names, values = append(names, `"`+name+`"`), append(values, value)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(values, ", "))
}

var (
	lengthIs = regexp.MustCompile(`octet_length\((\w+)\) = (\d+)`)
	firstOf  = regexp.MustCompile(`\(?(\w+)\)? = ANY \(\(?ARRAY\[('[^']*'|\d+)`)
	atLeast  = regexp.MustCompile(`\((\w+) (>=|>) (\d+)`)
)

// valueOf is a value of a column that its checks let pass, with all that could come
// back otherwise in it.
func valueOf(name, kind string, enum bool, check string) string {
	of := func(form *regexp.Regexp) []string {
		for _, m := range form.FindAllStringSubmatch(check, -1) {
			if m[1] == name {
				return m
			}
		}
		return nil
	}
	if m := of(firstOf); m != nil {
		return m[2]
	}
	if m := of(lengthIs); m != nil {
		return "decode(repeat('5c', " + m[2] + "), 'hex')" // backslashes
	}
	if m := of(atLeast); m != nil && m[2] == ">" {
		return m[3] + " + 1"
	} else if m != nil {
		return m[3]
	}
	switch {
	case enum:
		return "(enum_range(NULL::" + kind + "))[1]"
	case strings.Contains(check, name+" ~ "): // short names
		return "'a-1'"
	case strings.HasSuffix(kind, "[]"):
		return "ARRAY[" + valueOf(name, strings.TrimSuffix(kind, "[]"), enum, "") + "]::" + kind
	}
	switch kind {
	case "date":
		return "'2026-11-22'"
	case "smallint", "integer", "bigint":
		return "1"
	case "boolean":
		return "true"
	case "timestamp with time zone":
		return "'2026-11-22T12:34:56.789012Z'"
	case "bytea":
		return `'\x00ff5c0a09'`
	case "jsonb":
		return `'{"a": [1, "é\t\\"]}'`
	}
	return `E'\tb\n\\N é'`
}
