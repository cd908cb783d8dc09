package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// The dump is a zstd stream of
//
//	"divoc-dump/1\n"
//	for each table: its header, then blocks of rows, then an empty block
//	the end
//
// Header and end are a length of 4 bytes, big-endian, and so many of JSON. A
// block is a length of 4 bytes and so many of whole rows in PostgreSQL's text
// format for COPY, which no version of it has changed. Tables come after those
// they refer to. A header without a table is the end.
const (
	dumpMark  = "divoc-dump/1\n"
	blockSize = 1 << 20   // a block ends with the first row beyond it
	maxBlock  = 256 << 20 // as large as one row may be
	maxHeader = 1 << 20
)

// header begins a table, or ends the dump.
type header struct {
	Table     string           `json:"table,omitempty"`
	Columns   []string         `json:"columns,omitempty"`
	Sequences map[string]int64 `json:"sequences,omitempty"` // at the end: the last value given out, by name
}

// sessionText makes values look alike whatever the server is set to.
const sessionText = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8'"

// left are the tables that are not of the backup: the migrations make them, or
// they say which processes work just now.
func left(table string) bool {
	return slices.Contains([]string{"goose_db_version", "river_migration", "river_leader", "river_client", "river_client_queue"}, table)
}

// dump writes every row that tx sees.
func dump(ctx context.Context, tx pgx.Tx, w io.Writer) ([]Table, error) {
	if _, err := tx.Exec(ctx, sessionText); err != nil {
		return nil, err
	}
	tables, err := schemaOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(z, dumpMark); err != nil {
		return nil, err
	}
	var out []Table
	for _, t := range tables {
		if err := writeHeader(z, t); err != nil {
			return nil, err
		}
		blocks := &blockWriter{w: z}
		sql := fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", columns(t), pgx.Identifier{t.Table}.Sanitize())
		tag, err := tx.Conn().PgConn().CopyTo(ctx, blocks, sql)
		if err == nil {
			err = blocks.end()
		}
		if err != nil {
			return nil, fmt.Errorf("reading table %s: %w", t.Table, err)
		}
		out = append(out, Table{t.Table, tag.RowsAffected()})
	}
	// Sequences stand outside of every snapshot: read last, they are beyond every
	// row that was.
	end := header{Sequences: map[string]int64{}}
	if err := sequences(ctx, tx, end.Sequences); err != nil {
		return nil, err
	}
	return out, errors.Join(writeHeader(z, end), z.Close())
}

// schemaOf lists the tables with their columns, each after those it refers to.
func schemaOf(ctx context.Context, tx pgx.Tx) ([]header, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum),
		coalesce((SELECT array_agg(DISTINCT f.relname::text) FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid WHERE k.conrelid = c.oid AND k.contype = 'f' AND f.oid <> c.oid), '{}')
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
		AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		GROUP BY c.oid, c.relname ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	type found struct {
		header
		refers []string
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f found, err error) {
		return f, row.Scan(&f.Table, &f.Columns, &f.refers)
	})
	if err != nil {
		return nil, err
	}
	var out []header
	placed := map[string]bool{}
	for len(all) > 0 {
		rest := slices.DeleteFunc(slices.Clone(all), func(f found) bool {
			if slices.ContainsFunc(f.refers, func(t string) bool { return !placed[t] }) {
				return false
			}
			placed[f.Table] = true
			if !left(f.Table) {
				out = append(out, f.header)
			}
			return true
		})
		if len(rest) == len(all) {
			return nil, errors.New("tables refer to each other in a circle")
		}
		all = rest
	}
	return out, nil
}

func sequences(ctx context.Context, tx pgx.Tx, into map[string]int64) error {
	rows, err := tx.Query(ctx, "SELECT sequencename::text, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = current_schema() ORDER BY 1")
	if err != nil {
		return err
	}
	var name string
	var last int64
	_, err = pgx.ForEachRow(rows, []any{&name, &last}, func() error {
		if !slices.Contains([]string{"goose_db_version_id_seq"}, name) {
			into[name] = last
		}
		return nil
	})
	return err
}

func columns(h header) string {
	var b bytes.Buffer
	for i, c := range h.Columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pgx.Identifier{c}.Sanitize())
	}
	return b.String()
}

func writeHeader(w io.Writer, h header) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return writeBlock(w, text)
}

func writeBlock(w io.Writer, data []byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data)))); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// blockWriter gathers rows into blocks.
type blockWriter struct {
	w   io.Writer
	buf []byte
}

func (b *blockWriter) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p...)
	if len(b.buf) < blockSize {
		return len(p), nil
	}
	end := bytes.LastIndexByte(b.buf, '\n') + 1
	if end == 0 {
		if len(b.buf) > maxBlock {
			return 0, errors.New("a row is too large")
		}
		return len(p), nil
	}
	if err := writeBlock(b.w, b.buf[:end]); err != nil {
		return 0, err
	}
	b.buf = append(b.buf[:0], b.buf[end:]...)
	return len(p), nil
}

// end writes what is left, and the empty block.
func (b *blockWriter) end() error {
	if len(b.buf) > 0 {
		if b.buf[len(b.buf)-1] != '\n' {
			return errors.New("the last row is not whole")
		}
		if err := writeBlock(b.w, b.buf); err != nil {
			return err
		}
	}
	return writeBlock(b.w, nil)
}
