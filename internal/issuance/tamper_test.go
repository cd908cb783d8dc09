package issuance_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// tables are those that Check answers for.
func tables() []string {
	return []string{"person", "person_index", "certificate", "bucket_group", "audit", "status_list", "suspension", "told", "token", "source", "setting"}
}

// populated is a world with certificates in every state, published, and a copy
// of every table.
func populated(t *testing.T) *world {
	w := newWorld(t, "jamaica")
	for code, dose := range map[string]int{"A-1": 2, "B-1": 1, "C-1": 1, "D-1": 1, "E-1": 1} {
		for n := 1; n <= dose; n++ {
			w.must(issuance.Certify, event(code, n))
		}
	}
	w.must(issuance.Correct, with(event("A-1", 1), lot("PF2")))
	w.must(issuance.Correct, with(event("D-1", 1), func(e *vaccination.Event) { e.Contacts = []string{"tel:6585550199"} }))
	if _, err := w.RevokeDoses(w.ctx, w.by, "", "B-1", nil, "issued in error"); err != nil {
		t.Fatal(err)
	}
	suspended := w.must(issuance.Certify, event("C-1", 1)).ID
	for _, act := range []vaccination.Act{vaccination.ActSuspend, vaccination.ActLift, vaccination.ActSuspend} {
		if _, err := w.Change(w.ctx, w.by, suspended, act, "looked into"); err != nil {
			t.Fatal(err)
		}
	}
	second, err := w.ReissueByID(w.ctx, access.System("test"), vaccination.CertificateID(w.bytes("SELECT id FROM certificate WHERE status = 3")), "")
	if err != nil || second.Version != 2 {
		t.Fatalf("issued again: %+v, %v", second, err)
	}
	if _, err := w.RevokeDoses(w.ctx, w.by, "", "E-1", nil, ""); err != nil {
		t.Fatal(err)
	}
	until := w.must(issuance.Certify, event("F-1", 1)).ID
	if err := w.Suspend(w.ctx, w.by, until, w.now.Add(time.Hour), "looked into"); err != nil {
		t.Fatal(err)
	}
	w.administered()
	told := []issuance.Told{{Event: event("G-1", 1), AsOf: w.now}, {Event: event("G-1", 2), AsOf: w.now}}
	if _, err := w.Settle(w.ctx, w.source("feed"), told, nil); err != nil {
		t.Fatal(err)
	}
	rows, err := w.store.Pool().Query(w.ctx, "SELECT DISTINCT status_list FROM certificate")
	if err != nil {
		t.Fatal(err)
	}
	lists, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if err := w.PublishList(w.ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables() {
		w.exec("CREATE TABLE kept_" + table + " AS TABLE " + table)
	}
	// Foreign keys stand in the way of whoever has the database in hand no more
	// than here.
	w.exec("ALTER TABLE person_index DROP CONSTRAINT person_index_bucket_person_id_fkey")
	w.exec("ALTER TABLE certificate DROP CONSTRAINT certificate_bucket_person_id_fkey")
	w.exec("ALTER TABLE suspension DROP CONSTRAINT suspension_bucket_id_fkey")
	w.exec("ALTER TABLE told DROP CONSTRAINT told_bucket_person_id_fkey")
	w.exec("ALTER TABLE token DROP CONSTRAINT token_source_fkey")
	w.checked()
	return w
}

// administered makes tokens, an authoritative source and a setting.
func (w *world) administered() {
	w.t.Helper()
	tokens := access.Tokens{Store: w.store, Now: func() time.Time { return w.now }, Random: rand.Reader}
	admin := access.System("test")
	for range 2 {
		if _, err := tokens.Create(w.ctx, admin, access.NewToken{Role: access.SourceRole, Source: "feed", For: time.Hour}); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := tokens.Revoke(w.ctx, admin, 1); err != nil {
		w.t.Fatal(err)
	}
	if err := w.sources().SetAuthoritative(w.ctx, admin, "feed", true); err != nil {
		w.t.Fatal(err)
	}
	err := w.store.Tx(w.ctx, func(q *query.Queries) error {
		if err := q.PutSetting(w.ctx, query.PutSettingParams{Name: "mode", Value: "production"}); err != nil {
			return err
		}
		return registry.Audit(w.ctx, q, w.now, admin.Actor, registry.Entry{Chain: registry.AdminChain, Act: registry.ActSetting, Object: "mode", Detail: "production"})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) bytes(q string) (b []byte) {
	w.t.Helper()
	if err := w.store.Pool().QueryRow(w.ctx, q).Scan(&b); err != nil {
		w.t.Fatalf("%s: %v", q, err)
	}
	return b
}

// restore puts every table back.
func (w *world) restore() {
	w.t.Helper()
	w.exec("TRUNCATE " + strings.Join(tables(), ", ") + " CASCADE")
	for _, table := range tables() {
		w.exec("INSERT INTO " + table + " OVERRIDING SYSTEM VALUE SELECT * FROM kept_" + table)
	}
}

// tampered runs a statement and says what Check finds. refused is the constraint
// that stands in its way.
func (w *world) tampered(statement string) (problems []string, refused error) {
	w.t.Helper()
	tag, err := w.store.Pool().Exec(w.ctx, statement)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23"):
		return nil, err
	case err != nil || tag.RowsAffected() == 0:
		w.t.Fatalf("%s: %v, %s", statement, err, tag)
	}
	report, err := w.Check(w.ctx)
	if err != nil {
		return []string{"Check: " + err.Error()}, nil
	}
	return report.Problems, nil
}

// TestCheckSeesEveryColumn changes each column of each table a little, in
// some rows, one at a time.
func TestCheckSeesEveryColumn(t *testing.T) {
	w := populated(t)
	// What says nothing that could be wrong.
	free := map[string]bool{
		"status_list.version": true, "bucket_group.status_next": true, "told.as_of": true,
		"token.name": true, "token.hash": true, "source.programme": true, "source.created_at": true,
	}
	for _, table := range tables() {
		rows, err := w.store.Pool().Query(w.ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position", table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Type string }])
		if err != nil || len(columns) == 0 {
			t.Fatalf("columns of %s: %v, %v", table, columns, err)
		}
		w.restore() // in order, so that places stay
		rows, err = w.store.Pool().Query(w.ctx, "SELECT ctid::text FROM "+table+" ORDER BY ctid")
		if err != nil {
			t.Fatal(err)
		}
		places, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if len(places) > 3 {
			places = slices.Concat(places[:1], places[len(places)-2:])
		}
		for _, c := range columns {
			if free[table+"."+c.Name] {
				continue
			}
			for i, place := range places {
				w.restore()
				value := map[string]string{
					"smallint": c.Name + " + 1", "integer": c.Name + " + 1", "bigint": c.Name + " + 1", "text": c.Name + " || 'x'",
					"bytea":                    "coalesce(set_byte(" + c.Name + ", 0, get_byte(" + c.Name + ", 0) # 1), decode(repeat('07', 15), 'hex'))",
					"boolean":                  "NOT " + c.Name,
					"timestamp with time zone": c.Name + " + interval '1 second'",
				}[c.Type]
				problems, refused := w.tampered(fmt.Sprintf("UPDATE %s SET %s = %s WHERE ctid = '%s'", table, c.Name, value, place))
				if refused == nil && len(problems) == 0 {
					t.Errorf("%s.%s of row %d was changed, and Check finds nothing", table, c.Name, i)
				}
			}
		}
	}
	w.restore()
	w.checked()
}

// TestCheckSeesWhatWasTakenAwayOrMoved does what somebody with the database in
// hand might.
func TestCheckSeesWhatWasTakenAwayOrMoved(t *testing.T) {
	w := populated(t)
	const swap = `UPDATE %[1]s x SET %[2]s = y.%[2]s FROM (SELECT row_number() OVER (ORDER BY %[3]s) AS n, *, lead(%[2]s) OVER (ORDER BY %[3]s) AS l FROM %[1]s) z,
		LATERAL (SELECT coalesce(l, (SELECT %[2]s FROM %[1]s ORDER BY %[3]s LIMIT 1)) AS %[2]s) y WHERE x.bucket = z.bucket AND x.id = z.id`
	for name, statement := range map[string]string{
		"people's keys swapped":                  fmt.Sprintf(swap, "person", "key", "bucket, id"),
		"people's particulars swapped":           fmt.Sprintf(swap, "person", "sealed", "bucket, id"),
		"what was signed swapped":                fmt.Sprintf(swap, "certificate", "sealed", "bucket, id"),
		"revoked made valid":                     "UPDATE certificate SET status = 0, reason = '', status_at = issued_at WHERE status = 3 AND reason = 'revoke'",
		"suspended made valid":                   "UPDATE certificate SET status = 0, reason = '', status_at = issued_at WHERE status = 1",
		"superseded made revoked":                "UPDATE certificate SET status = 3 WHERE status = 2",
		"valid made revoked":                     "UPDATE certificate SET status = 3, reason = 'x' WHERE status = 0 AND dose = 2",
		"a certificate deleted":                  "DELETE FROM certificate WHERE dose = 2",
		"all certificates of a person deleted":   "DELETE FROM certificate WHERE version = 1 AND status = 0",
		"a person deleted":                       "DELETE FROM person WHERE id = (SELECT person_id FROM certificate WHERE dose = 2)",
		"a person without certificates":          "INSERT INTO person SELECT bucket, 5, '\\x01', key, sealed, updated_at, source FROM person LIMIT 1",
		"a search index deleted":                 "DELETE FROM person_index WHERE ctid = (SELECT min(ctid) FROM person_index)",
		"a search index of nobody":               "INSERT INTO person_index VALUES ('\\x00', 1, 1)",
		"the audit's last entry deleted":         "DELETE FROM audit a USING bucket_group g WHERE a.chain = g.id AND a.seq = g.audit_seq",
		"an entry deleted":                       "DELETE FROM audit WHERE act = 'suspend'",
		"an entry inserted":                      "INSERT INTO audit SELECT chain, seq + 1, at, actor, 'read', object, '', hash FROM audit a WHERE seq = (SELECT max(seq) FROM audit b WHERE b.chain = a.chain)",
		"an entry in a chain of its own":         "INSERT INTO audit VALUES (99, 1, now(), '', 'read', '', '', '\\x00')",
		"a chain's end deleted with its head":    "WITH d AS (DELETE FROM audit WHERE act = 'revoke' RETURNING *) UPDATE bucket_group g SET audit_seq = p.seq, audit_head = p.hash FROM audit p, d WHERE p.chain = d.chain AND p.seq = d.seq - 1 AND g.id = d.chain",
		"a group's counters deleted":             "DELETE FROM bucket_group WHERE id = 3",
		"positions handed out again":             "UPDATE bucket_group SET status_next = 0",
		"the end of a suspension deleted":        "DELETE FROM suspension",
		"a suspension given an end":              "INSERT INTO suspension SELECT bucket, id, status_list, status_at, now() FROM certificate WHERE status = 1 AND id NOT IN (SELECT id FROM suspension)",
		"a token deleted":                        "DELETE FROM token WHERE id = 2",
		"a token nobody made":                    "INSERT INTO token (name, role, hash, created_at, expires_at) VALUES ('x', 'system-admin', '\\x00', now(), now())",
		"a revoked token made good":              "UPDATE token SET revoked_at = NULL WHERE id = 1",
		"a source made authoritative":            "UPDATE source SET authoritative = true WHERE name = 'check'",
		"a source deleted":                       "DELETE FROM source WHERE name = 'feed'",
		"a setting deleted":                      "DELETE FROM setting WHERE name = 'mode'",
		"a revoked certificate published as not": "UPDATE status_list SET credential = (SELECT credential FROM status_list WHERE purpose = 'suspension' LIMIT 1)",
	} {
		t.Run(name, func(t *testing.T) {
			w.restore()
			problems, refused := w.tampered(statement)
			switch {
			case refused != nil:
				t.Errorf("the database refused it: %v", refused)
			case len(problems) == 0:
				t.Error("Check finds nothing")
			case strings.HasPrefix(problems[0], "Check: "):
				t.Error(problems[0])
			}
		})
	}
	w.restore()
	if _, refused := w.tampered("UPDATE certificate SET status = 9 WHERE dose = 2"); refused == nil {
		t.Error("a state that does not exist can be stored")
	}
	w.checked()
}
