// Package registry is what divoc remembers, in PostgreSQL: people,
// certificates, their states, tokens, the audit. It stores what it is given;
// sealing and signing happen above it.
//
// Every table about a person is keyed by its [vaccination.Bucket] first. The
// unique constraints of the schema are the law of sameness; callers rely on
// them, not on having looked before. SQL lives in queries/, migrations in
// migrations/; package query is generated from both.
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/tracing"
)

// Store is the database. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
}

// Open connects to the database at url and checks that it answers and is new
// enough (PostgreSQL 15). The caller closes it.
func Open(ctx context.Context, url string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errURL()
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.Tracer = tracing.Database{}
	if cfg.MaxConns < 16 {
		cfg.MaxConns = 16
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var version int
	if err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		pool.Close()
		return nil, unreachable(err)
	}
	if version < 150000 {
		pool.Close()
		return nil, fmt.Errorf("the database is PostgreSQL %d; divoc needs 15 or newer", version/10000)
	}
	return &Store{pool: pool}, nil
}

// errURL repeats nothing of the URL, which may hold a password.
func errURL() error {
	return errors.New("the database URL cannot be read: it looks like postgres://user@host/divoc")
}

// unreachable is err in one line: the driver writes one for each address tried.
func unreachable(err error) error {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return fmt.Errorf("the database cannot be reached; check its URL and that it runs: %s", strings.Join(lines, " "))
}

// Close ends all connections.
func (s *Store) Close() { s.pool.Close() }

// Pool is the connection pool, for the job queue.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping checks that the database answers. When it does not, the connections that
// are not in use are given up.
func (s *Store) Ping(ctx context.Context) error {
	err := s.pool.Ping(ctx)
	if IsDown(err) {
		s.Reconnect()
	}
	return err
}

// Reconnect gives up connections that are not in use: after the database ended
// all of them are broken, and the next one asked for is a new one.
func (s *Store) Reconnect() { s.pool.Reset() }

// Read returns queries outside a transaction.
func (s *Store) Read() *query.Queries { return query.New(s.pool) }

// Tx runs f in one transaction: what f did is durable when Tx returns nil, and
// undone when it returns an error, with one exception the caller must expect of
// every database: when the connection breaks during the commit, the outcome is
// not known.
func (s *Store) Tx(ctx context.Context, f func(*query.Queries) error) error {
	return s.TxRaw(ctx, func(_ pgx.Tx, q *query.Queries) error { return f(q) })
}

// TxRaw is [Store.Tx] for callers that also need the transaction itself, to put
// a job in it.
func (s *Store) TxRaw(ctx context.Context, f func(pgx.Tx, *query.Queries) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := f(tx, query.New(tx)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Snapshot runs f on the database as it is at one moment. f reads only.
func (s *Store) Snapshot(ctx context.Context, f func(*query.Queries) error) error {
	return s.snapshot(ctx, func(tx pgx.Tx) error { return f(query.New(tx)) })
}

func (s *Store) snapshot(ctx context.Context, f func(pgx.Tx) error) error {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return f(tx)
}

// View runs f on the database as it was at the moment of a snapshot, on a
// connection of its own. It is safe for concurrent use.
type View func(ctx context.Context, f func(*query.Queries) error) error

// Shared is [Store.Snapshot] for several readers at once: each call of view sees
// the moment that q sees. view works until f returns.
func (s *Store) Shared(ctx context.Context, f func(q *query.Queries, view View) error) error {
	return s.snapshot(ctx, func(tx pgx.Tx) error {
		var moment string
		if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&moment); err != nil {
			return err
		}
		return f(query.New(tx), func(ctx context.Context, f func(*query.Queries) error) error {
			return s.snapshot(ctx, func(tx pgx.Tx) error {
				// A name of PostgreSQL's own: digits and hyphens. It takes no parameter.
				if _, err := tx.Exec(ctx, "SET TRANSACTION SNAPSHOT '"+moment+"'"); err != nil {
					return err
				}
				return f(query.New(tx))
			})
		})
	})
}

// IsRace reports whether err says that another transaction was first: a unique
// constraint held, or the database chose a victim of a deadlock. Reading again
// and trying again is the right answer.
func IsRace(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return errors.Is(err, ErrChanged)
	}
	switch pg.Code {
	case "23505", "40001", "40P01":
		return true
	}
	return false
}

// IsDown reports whether err says that the database is not there just now: it
// ended, starts, recovers, or the connection broke. What was asked may have been
// done all the same; asking again in a moment is the right answer.
func IsDown(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// Connection exceptions, too many connections, shut down or crashed.
		return strings.HasPrefix(pg.Code, "08") || pg.Code == "53300" || strings.HasPrefix(pg.Code, "57P")
	}
	var network *net.OpError
	return errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// IsNone reports whether err says that a query found no row.
func IsNone(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// ErrChanged says that a row was not in the state it was read in.
var ErrChanged = errors.New("registry: the record changed meanwhile")

// Acts on the settings of the system, in whose entries the object is the name of
// a setting or source and the detail its value; [MarkUntil] stands before the
// time a token ends.
const (
	ActSetting = "setting"
	ActSource  = "source.set"

	// Whose signatures count beside ours: the object is the name of a trust source,
	// the detail its settings, or the version and the hash of its list as it is stored.
	ActTrustSource = "trust.source"
	ActTrustImport = "trust.import"
	ActTrustApply  = "trust.apply"
	ActTrustRevert = "trust.revert"
	ActTrustRefuse = "trust.refuse"
	ActTrustRemove = "trust.remove"

	MarkUntil = ", until "
)

// TokenScope is how the audit tells what a token is for: its role, and the source
// or facility, and the one programme, that it has.
func TokenScope(role, source, facility, programme string) string {
	said := role
	for _, x := range []string{source, facility} {
		if x != "" {
			said += " " + x
		}
	}
	if programme != "" {
		said += " for " + programme
	}
	return said
}

// AdminChain is the audit chain of acts that concern no one record.
const AdminChain = 16

// GroupOf returns the group of buckets that a bucket's counters and audit chain
// belong to.
func GroupOf(bucket int16) int16 { return bucket >> 6 }

// Entry is one line of the audit. It holds no personal value: Object is the id
// of a certificate or of a thing of administration.
type Entry struct {
	Chain  int16
	Act    string
	Object string
	Detail string
}

// Audit writes entries in the caller's transaction. When it fails, the act must
// fail.
func Audit(ctx context.Context, q *query.Queries, at time.Time, actor string, entries ...Entry) error {
	p := query.AppendAuditParams{At: at, Actor: actor}
	for _, e := range entries {
		p.Chains = append(p.Chains, e.Chain)
		p.Acts = append(p.Acts, e.Act)
		p.Objects = append(p.Objects, e.Object)
		p.Details = append(p.Details, e.Detail)
	}
	return q.AppendAudit(ctx, p)
}
