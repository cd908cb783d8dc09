package intake_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opendivoc/divoc/internal/intake"
)

// problems is what `divoc fsck` finds.
func (w *world) problems() []string {
	w.t.Helper()
	report, err := w.issuance.Check(w.ctx, w.NewCheck())
	if err != nil {
		w.t.Fatal(err)
	}
	return report.Problems
}

// checked fails the test where `divoc fsck` finds something.
func (w *world) checked() {
	w.t.Helper()
	if found := w.problems(); len(found) > 0 {
		w.t.Errorf("fsck: %s", strings.Join(found, "\n"))
	}
}

// script runs statements in one transaction.
func (w *world) script(statements ...string) error {
	text := "BEGIN; " + strings.Join(statements, "; ") + "; COMMIT"
	conn, err := w.store.Pool().Acquire(w.ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(w.ctx, text).ReadAll()
	if err != nil {
		_, _ = conn.Exec(w.ctx, "ROLLBACK") // what failed is told
	}
	return err
}

// intakeTables are those that intake's part of the check answers for.
func intakeTables() []string {
	return []string{"arrival", "fragment", "item", "tally", "source_mapping", "source"}
}

// delivered is a world with deliveries in every state, and a copy of its tables.
func delivered(t *testing.T) (w *world, restore func()) {
	w = newWorld(t)
	w.source("clinic", func(n *intake.NewSource) { n.Scope = []string{"north"} })
	w.source("other")
	ok := "facility=north"
	w.sent("issued issued", person("p1"), dose("d1", "p1", 1, ok, "@=1"), dose("d2", "p1", 2, ok))
	w.sent("issued issued", person("p1", "name=Ann Lee"), dose("d1", "p1", 1, ok, "@=2", "lot=PF2"))
	w.sent("unchanged:older", dose("d1", "p1", 1, ok, "@=1", "lot=OLD"))
	w.sent("held:unmapped-code", person("p2"), dose("d3", "p2", 1, ok, "vaccine=secret"))
	w.sent("held:waiting-for-person", dose("d4", "p9", 1, ok))
	w.sent("held:out-of-scope", person("p3"), dose("d5", "p3", 1, "facility=south"))
	w.sent("issued", person("p4"), dose("d6", "p4", 1, ok, "@=1"))
	w.sent("held:deleted", dose("d6", "p4", 1, ok, "@=2", "deleted"))
	w.sent("issued", person("p5"), dose("d7", "p5", 1, ok, "@=1"))
	w.sent("held:deleted", dose("d7", "p5", 1, ok, "@=2", "deleted"))
	w.sent("held:missing-field", person("p6"), dose("d8", "p6", 1, ok, "date="))
	for class, d := range map[intake.HoldClass]intake.Decision{
		intake.OutOfScope: {Action: intake.Release}, intake.MissingField: {Action: intake.Reject, Reason: "a test"},
	} {
		if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic", Class: class}, d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Decide(w.ctx, w.admin, intake.HoldFilter{Source: "clinic", Class: intake.Deleted, Max: 1}, intake.Decision{Action: intake.Revoke, Reason: "in error"}); err != nil {
		t.Fatal(err)
	}
	w.send("other", person("q1"), dose("e1", "q1", 1))
	w.process("other")
	if _, err := w.Receive(w.ctx, "other", intake.Arrival{Channel: intake.Push, Body: []byte("not JSON")}); err != nil {
		t.Fatal(err)
	}
	w.process("other")
	if _, err := w.SetMapping(w.ctx, w.admin, "other", mappingText+"# again\n"); err != nil {
		t.Fatal(err)
	}
	w.send("other", person("q2"))
	if err := w.Pause(w.ctx, w.admin, "other", "a test"); err != nil {
		t.Fatal(err)
	}
	// Neither triggers nor foreign keys stand in the way of whoever has the
	// database in hand.
	keep, back := []string{
		"DROP TRIGGER tally_insert ON item", "DROP TRIGGER tally_update ON item", "DROP TRIGGER tally_delete ON item",
		`DO $$ DECLARE r record; BEGIN FOR r IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'f'
			LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname); END LOOP; END $$`,
	}, []string{}
	for _, table := range intakeTables() {
		keep = append(keep, "CREATE TABLE kept_"+table+" AS TABLE "+table)
		back = append(back, "DELETE FROM "+table, "INSERT INTO "+table+" OVERRIDING SYSTEM VALUE SELECT * FROM kept_"+table)
	}
	if err := w.script(keep...); err != nil {
		t.Fatal(err)
	}
	w.checked()
	return w, func() {
		t.Helper()
		if err := w.script(back...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFsckSeesEveryColumn changes each column of some rows of each table.
func TestFsckSeesEveryColumn(t *testing.T) {
	w, restore := delivered(t)
	// What harms nobody, and what nothing else tells.
	free := map[string]bool{
		"arrival.channel": true, "arrival.times": true, "arrival.cleared_at": true, "arrival.received_at": true, "arrival.latest_at": true,
		"fragment.version": true, "fragment.arrival": true, "fragment.settled": true, "fragment.content": true,
		"item.class": true, "item.facility": true, "item.received_at": true, "item.asked_at": true, "item.decided_at": true, "item.note": true, "item.arrival": true,
		"source_mapping.text": true, "source_mapping.made_at": true, "source_mapping.made_by": true,
	}
	for _, table := range intakeTables() {
		if table == "source" {
			continue // package issuance changes its columns
		}
		rows, err := w.store.Pool().Query(w.ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1", table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Type string }])
		if err != nil || len(columns) == 0 {
			t.Fatalf("columns of %s: %v, %v", table, columns, err)
		}
		for _, c := range columns {
			if free[table+"."+c.Name] {
				continue
			}
			value := map[string]string{
				"smallint": c.Name + " + 1", "integer": c.Name + " + 1", "bigint": c.Name + " + 1", "text": c.Name + " || 'x'", "boolean": "NOT " + c.Name,
				"bytea": "set_byte(" + c.Name + ", 0, get_byte(" + c.Name + ", 0) # 1)", "timestamp with time zone": c.Name + " + interval '1 second'",
			}[c.Type]
			where := c.Name + " IS NOT NULL"
			if c.Name == "decided_by" {
				where = "state <> 'held'" // of one that is held, it harms nobody
			}
			for _, last := range []string{"", " DESC"} {
				restore()
				err := w.script(fmt.Sprintf("UPDATE %s SET %s = %s WHERE ctid = (SELECT ctid FROM %[1]s WHERE %[4]s ORDER BY 1%[5]s LIMIT 1)", table, c.Name, value, where, last))
				var pg *pgconn.PgError
				if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "23") || pg.Code == "428C9") {
					continue // a constraint stands in the way
				}
				if err != nil {
					t.Fatalf("%s.%s: %v", table, c.Name, err)
				}
				if len(w.problems()) == 0 {
					t.Errorf("%s.%s was changed, and fsck finds nothing", table, c.Name)
				}
			}
		}
	}
	restore()
	w.checked()
}

// TestFsckSeesWhatWasTakenAwayOrMoved does what somebody with the database in
// hand might.
func TestFsckSeesWhatWasTakenAwayOrMoved(t *testing.T) {
	w, restore := delivered(t)
	const other = "(SELECT certificate FROM fragment g WHERE g.certificate IS NOT NULL AND g.certificate <> fragment.certificate LIMIT 1)"
	for name, statements := range map[string][]string{
		"a delivery deleted":                     {"DELETE FROM arrival WHERE id = (SELECT min(arrival) FROM item WHERE state = 'issued')"},
		"a text removed that is there":           {"UPDATE arrival SET cleared_at = now() WHERE state = 'done'"},
		"a text removed before anybody looked":   {"UPDATE arrival SET cleared_at = now(), sealed = '' WHERE state = 'waiting'"},
		"a text removed and not said":            {"UPDATE arrival SET sealed = '' WHERE id = (SELECT min(arrival) FROM item WHERE state = 'issued')"},
		"a delivery that nobody looked at":       {"UPDATE arrival SET state = 'done' WHERE state = 'waiting'"},
		"two deliveries swapped":                 {"UPDATE arrival a SET sealed = b.sealed FROM arrival b WHERE a.source = 'clinic' AND b.source = 'clinic' AND b.id = (SELECT min(id) FROM arrival) AND a.id <> b.id"},
		"a dose deleted":                         {"DELETE FROM fragment WHERE key = (SELECT fragment FROM item WHERE state = 'issued' LIMIT 1)"},
		"a dose given another's certificate":     {"UPDATE fragment SET certificate = " + other + " WHERE key = (SELECT fragment FROM item WHERE state = 'issued' LIMIT 1)"},
		"a dose without its certificate":         {"UPDATE fragment SET certificate = NULL, record = NULL, content = NULL WHERE certificate IS NOT NULL", "UPDATE item SET certificate = NULL, state = 'unchanged' WHERE state = 'issued'", "DELETE FROM tally", "INSERT INTO tally SELECT source, state, count(*) FROM item GROUP BY source, state"},
		"a held item gone":                       {"DELETE FROM item WHERE state = 'held' AND class = 'unmapped-code'"},
		"a held item gone with its count":        {"DELETE FROM item WHERE state = 'held' AND class = 'unmapped-code'", "UPDATE tally SET n = n - 1 WHERE source = 'clinic' AND state = 'held'"},
		"a held item rejected by nobody":         {"UPDATE item SET state = 'rejected', decided_by = 'x', decided_at = now() WHERE class = 'unmapped-code'", "DELETE FROM tally", "INSERT INTO tally SELECT source, state, count(*) FROM item GROUP BY source, state"},
		"a rejection that was another":           {"UPDATE item SET state = 'unchanged' WHERE state = 'rejected'", "DELETE FROM tally", "INSERT INTO tally SELECT source, state, count(*) FROM item GROUP BY source, state"},
		"an item issued as another's":            {"UPDATE item SET certificate = NULL WHERE state = 'issued'"},
		"a count of nothing":                     {"INSERT INTO tally VALUES ('clinic', 'lost', 3)"},
		"a mapping deleted":                      {"DELETE FROM source_mapping WHERE version = 2"},
		"a mapping nobody made":                  {"INSERT INTO source_mapping VALUES ('clinic', 2, 'x', now(), '')", "UPDATE source SET mapping_version = 2 WHERE name = 'clinic'"},
		"a paused source made active":            {"UPDATE source SET state = 'active' WHERE name = 'other'"},
		"a source's kind changed":                {"UPDATE source SET kind = 'fhir' WHERE name = 'other'"},
		"settings that are not the source's own": {"UPDATE source SET config = '\\x00' WHERE name = 'other'"},
	} {
		t.Run(name, func(t *testing.T) {
			restore()
			if err := w.script(statements...); err != nil {
				t.Fatal(err)
			}
			if len(w.problems()) == 0 {
				t.Error("fsck finds nothing")
			}
		})
	}
	restore()
	w.checked()
}
