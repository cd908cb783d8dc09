package registry

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// How a migration waits for tables that others use. While it waits for a lock,
// everybody who comes later waits behind it; so it waits briefly, lets them
// pass, and tries again.
const (
	migrationLockWait = time.Second // so long others are held up at most
	migrationPause    = 500 * time.Millisecond
	migrationTries    = 40
)

// migrationLock is the advisory lock of whoever migrates.
const migrationLock = 727362001

// settingSchemaNeeds is the setting that a migration writes when older programs
// must not work on what it made: the number of the migration they have to know.
const settingSchemaNeeds = "schema_needs"

// Versions are the numbers of the newest migrations of a database.
type Versions struct {
	Schema int64 `json:"schema"` // ours
	Jobs   int   `json:"jobs"`   // the job queue's
}

// Migrate brings the schema to this program's version: ours, then the job
// queue's. Concurrent callers wait for one another.
//
// Each migration is one transaction, or statements that can each be run again.
// When one fails the error names it, and a program of the version before works
// on. A migration only adds
// (tables, columns with a default, indexes), so that the version before works
// beside this one; one that cannot do so writes its number to the setting
// schema_needs, and older programs then refuse to start.
func Migrate(ctx context.Context, url string) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrate(ctx, url, dir, Versions{})
}

// MigrateTo makes the schema as it was in the given versions, for what was
// written then. A version this program does not know is an error.
func MigrateTo(ctx context.Context, url string, to Versions) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrate(ctx, url, dir, to)
}

// migrate applies the migrations of dir, up to to or, where that is zero, all.
func migrate(ctx context.Context, url string, dir fs.FS, to Versions) (err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return errURL()
	}
	cfg.RuntimeParams["lock_timeout"] = fmt.Sprint(migrationLockWait.Milliseconds())
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close()
	if err := awaitLock(ctx, conn); err != nil {
		return err
	}
	defer func() {
		_, unlock := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("SELECT pg_advisory_unlock(%d)", migrationLock))
		err = errors.Join(err, unlock)
	}()
	if err := migrateOurs(ctx, db, conn, dir, to.Schema); err != nil {
		return err
	}
	return migrateJobs(ctx, url, to.Jobs)
}

// awaitLock waits for another that migrates, for as long as it takes. It asks
// again and again: a statement that waits has a snapshot, for whose end an index
// that is built beside writers waits in turn. The lock goes with the connection.
func awaitLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got bool
		if err := conn.QueryRowContext(ctx, fmt.Sprintf("SELECT pg_try_advisory_lock(%d)", migrationLock)).Scan(&got); err != nil || got {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrationPause / 5):
		}
	}
}

func migrateOurs(ctx context.Context, db *sql.DB, conn *sql.Conn, dir fs.FS, to int64) error {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, dir)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	if to == 0 {
		to = newest
	}
	if to > newest {
		return fmt.Errorf("this needs a newer divoc: it is of schema %d, and this one knows %d", to, newest)
	}
	if err := refuseOlder(ctx, conn, newest); err != nil {
		return err
	}
	for try := 1; ; try++ {
		_, err := provider.UpTo(ctx, to)
		if err == nil {
			return nil
		}
		var busy *pgconn.PgError
		if !errors.As(err, &busy) || busy.Code != "55P03" || try == migrationTries { // lock_not_available
			return failedMigration(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrationPause):
		}
	}
}

// refuseOlder refuses to work on a database that says this program is too old
// for it.
func refuseOlder(ctx context.Context, conn *sql.Conn, newest int64) error {
	var exists bool
	if err := conn.QueryRowContext(ctx, "SELECT to_regclass('setting') IS NOT NULL").Scan(&exists); err != nil || !exists {
		return err
	}
	var needs int64
	err := conn.QueryRowContext(ctx, "SELECT coalesce(max(value::bigint), 0) FROM setting WHERE name = $1", settingSchemaNeeds).Scan(&needs)
	if err == nil && needs > newest {
		err = fmt.Errorf("a newer divoc changed this database in a way that this one does not understand (schema %d is needed, this one knows %d): use the newer one", needs, newest)
	}
	return err
}

// failedMigration says which migration failed and what that means.
func failedMigration(err error) error {
	var partial *goose.PartialError
	if !errors.As(err, &partial) {
		return fmt.Errorf("migrating the database: %w", err)
	}
	why := partial.Err
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		why = pg
		if pg.Code == "55P03" {
			why = errors.New("others used the tables all the time, a backup perhaps; start again when that is over")
		}
	}
	return fmt.Errorf("migrating the database: %s failed, and a divoc of the version before works on as it did: %w", path.Base(partial.Failed.Source.Path), why)
}

func migrateJobs(ctx context.Context, url string, to int) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	jobs, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if to > 0 {
		if _, err := jobs.GetVersion(to); err != nil {
			return fmt.Errorf("this needs a newer divoc: its job queue is of schema %d", to)
		}
		existing, err := jobs.ExistingVersions(ctx)
		if err == nil && len(existing) > 0 && existing[len(existing)-1].Version >= to {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if _, err := jobs.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: to}); err != nil {
		return fmt.Errorf("migrating the job queue: %w", err)
	}
	return nil
}

// ReadVersions reads which migrations a database has.
func ReadVersions(ctx context.Context, tx pgx.Tx) (v Versions, err error) {
	err = tx.QueryRow(ctx, "SELECT (SELECT max(version_id) FROM goose_db_version WHERE is_applied), (SELECT max(version) FROM river_migration WHERE line = 'main')").Scan(&v.Schema, &v.Jobs)
	return v, err
}
