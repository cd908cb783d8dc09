package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// sequenceMargin is how far numbers given out one after the other (of tokens,
// uploads) are moved on: some were given out after the backup, and stand in
// audits and in the hands of others.
const sequenceMargin = 1000

// Load brings the database of b, which was checked, into the empty one at url,
// puts it on hold and brings its schema to this program's version. actor is who
// does it, for the audit.
//
// All rows come in one transaction, together with the hold: a Load that was
// killed has left a database without a row, and can be run again. Run again
// after it has succeeded it changes nothing. A database that holds anything else
// is [vaccination.Conflict].
func (b *Backup) Load(ctx context.Context, url, actor string, now time.Time) error {
	if err := registry.MigrateTo(ctx, url, b.Manifest.Schema); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	done, err := b.loaded(ctx, tx)
	if err != nil {
		return err
	}
	if !done {
		if err := b.load(ctx, tx); err != nil {
			return err
		}
		if err := b.hold(ctx, query.New(tx), actor, now); err != nil {
			return err
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
	}
	if err := conn.Close(ctx); err != nil {
		return err
	}
	return registry.Migrate(ctx, url)
}

// Empty says whether nothing was ever made in the database at url.
func Empty(ctx context.Context, url string) (bool, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var n int
	err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')").Scan(&n)
	return n == 0, err
}

// loaded reports whether the database holds this backup already, and refuses one
// that holds anything else. Two that load at once come one after the other.
func (b *Backup) loaded(ctx context.Context, tx pgx.Tx) (bool, error) {
	if _, err := tx.Exec(ctx, "LOCK TABLE setting, audit IN ACCESS EXCLUSIVE MODE"); err != nil {
		return false, err
	}
	hold, err := registry.ReadHold(ctx, query.New(tx))
	if err != nil {
		return false, err
	}
	if hold != nil && hold.Backup == b.Manifest.ID() {
		return true, nil
	}
	var used bool
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM setting) OR EXISTS (SELECT FROM audit)").Scan(&used)
	if err == nil && used {
		err = vaccination.Errorf(vaccination.Conflict, "the database is not empty: a backup is restored into an empty one only")
	}
	return false, err
}

func (b *Backup) load(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sessionText); err != nil {
		return err
	}
	tables, err := schemaOf(ctx, tx)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tables {
		names = append(names, pgx.Identifier{t.Table}.Sanitize())
	}
	// What migrations put there is in the backup too.
	if _, err := tx.Exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	// What triggers wrote then is in the backup: it is not written again.
	if err := triggers(ctx, tx, "DISABLE"); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(b.dir, DatabaseFile))
	if err != nil {
		return err
	}
	defer f.Close()
	in, done, err := newReader(f)
	if err != nil {
		return err
	}
	defer done()
	for i := 0; ; i++ {
		h, err := in.header()
		if err != nil {
			return err
		}
		if h.Table == "" {
			if i != len(b.Manifest.Tables) {
				return errDump
			}
			if err := moveSequences(ctx, tx, h.Sequences); err != nil {
				return err
			}
			if err := triggers(ctx, tx, "ENABLE"); err != nil {
				return err
			}
			return b.agrees(ctx, query.New(tx))
		}
		// No name reaches a statement that is not one of this schema.
		known := slices.ContainsFunc(tables, func(t header) bool {
			return t.Table == h.Table && slices.Equal(t.Columns, h.Columns)
		})
		if !known {
			return fmt.Errorf("the backup's table %.60q is not one of its schema", h.Table)
		}
		rows, err := loadTable(ctx, tx, h, in)
		if err != nil {
			return fmt.Errorf("writing table %s: %w", h.Table, err)
		}
		if i >= len(b.Manifest.Tables) || b.Manifest.Tables[i] != (Table{h.Table, rows}) {
			return errDump
		}
	}
}

// triggers has those of the schema, not the constraints', work or not until the
// transaction says otherwise.
func triggers(ctx context.Context, tx pgx.Tx, change string) error {
	rows, err := tx.Query(ctx, "SELECT DISTINCT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY 1")
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, table := range tables {
		if err == nil {
			_, err = tx.Exec(ctx, "ALTER TABLE "+pgx.Identifier{table}.Sanitize()+" "+change+" TRIGGER USER")
		}
	}
	return err
}

// loadTable copies one table, block by block: what PostgreSQL has to check at a
// statement's end it keeps in memory until then.
func loadTable(ctx context.Context, tx pgx.Tx, h header, in *reader) (rows int64, err error) {
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN", pgx.Identifier{h.Table}.Sanitize(), columns(h))
	for {
		block, _, err := in.block()
		if err != nil || len(block) == 0 {
			return rows, err
		}
		tag, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(block), sql)
		if err != nil {
			return rows, err
		}
		rows += tag.RowsAffected()
	}
}

func moveSequences(ctx context.Context, tx pgx.Tx, last map[string]int64) error {
	for name, n := range last {
		tag, err := tx.Exec(ctx, "SELECT setval(quote_ident(sequencename)::regclass, $2::bigint) FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = $1", name, n+sequenceMargin)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("the backup's sequence %.60q is not one of its schema", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// agrees compares counters and chains with the manifest.
func (b *Backup) agrees(ctx context.Context, q *query.Queries) error {
	got, err := groups(ctx, q)
	if err == nil && !slices.Equal(got, b.Manifest.Groups) {
		err = errors.New("counters or audit chains of the backup are not those of its manifest")
	}
	return err
}

// hold puts the database on hold, and says so in the audit.
func (b *Backup) hold(ctx context.Context, q *query.Queries, actor string, now time.Time) error {
	hold, err := json.Marshal(registry.Hold{Backup: b.Manifest.ID(), Made: b.Manifest.Made, Restored: now.UTC()})
	if err != nil {
		return err
	}
	if err := q.PutSetting(ctx, query.PutSettingParams{Name: registry.SettingHold, Value: string(hold)}); err != nil {
		return err
	}
	if err := b.pass(ctx, q, actor, now.UTC()); err != nil {
		return err
	}
	return registry.Audit(ctx, q, now.UTC(), actor, registry.Entry{
		Chain: registry.AdminChain, Act: "restore", Object: b.Manifest.ID(), Detail: "backup of " + b.Manifest.Made.Format(time.RFC3339),
	})
}

// The versions of the schema that brought what [Backup.pass] settles.
const (
	schemaMessages = 12
	schemaPrints   = 15
)

// pass settles what went on after the backup and nobody knows of: numbers of prints
// that were given, and messages that were sent. A notice that waited then is for
// somebody to decide about; a code is of no use any more; a campaign that ran is
// stopped where it stood.
func (b *Backup) pass(ctx context.Context, q *query.Queries, actor string, now time.Time) error {
	if b.Manifest.Schema.Schema >= schemaPrints {
		if err := q.PassPrints(ctx); err != nil {
			return err
		}
	}
	if b.Manifest.Schema.Schema < schemaMessages {
		return nil
	}
	notices, err := q.SettleRestoredNotices(ctx, now)
	if err != nil {
		return err
	}
	codes, err := q.ExpireRestoredCodes(ctx, now)
	if err != nil {
		return err
	}
	campaigns, err := q.StopRestoredCampaigns(ctx)
	if err != nil || notices+codes+campaigns == 0 {
		return err
	}
	return registry.Audit(ctx, q, now, actor, registry.Entry{
		Chain: registry.AdminChain, Act: "restore.messages", Object: b.Manifest.ID(),
		Detail: fmt.Sprintf("%d notices may have been sent, %d codes expired, %d campaigns stopped", notices, codes, campaigns),
	})
}
