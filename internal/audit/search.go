package audit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// Filter says which entries are asked for. What is empty asks for all.
type Filter struct {
	From   time.Time // not before
	Until  time.Time // before
	Actor  string    // as the audit names them
	Act    string
	Object string // the id of a certificate, in any spelling, or another object as the audit names it
}

// Entry is one entry of the audit.
type Entry struct {
	Chain  int16     `json:"chain"`
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Act    string    `json:"act"`
	Object string    `json:"object,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// Cursor is where a page ended; the zero Cursor is before the newest entry.
type Cursor struct {
	At    time.Time
	Chain int16
	Seq   int64
}

// String writes a cursor for an address; it says nothing but a place.
func (c Cursor) String() string {
	if c.At.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", c.At.UnixMicro(), c.Chain, c.Seq))
}

// ParseCursor is the inverse of [Cursor.String].
func ParseCursor(text string) (c Cursor, err error) {
	if text == "" {
		return c, nil
	}
	wrong := vaccination.Errorf(vaccination.Invalid, "this is no place in the audit: take one that a page gave")
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	var micro int64
	if err != nil || len(plain) > 60 {
		return c, wrong
	}
	if n, err := fmt.Sscanf(string(plain), "%d.%d.%d", &micro, &c.Chain, &c.Seq); err != nil || n != 3 {
		return Cursor{}, wrong
	}
	if c.At = time.UnixMicro(micro).UTC(); c.At.Year() > 9999 || c.At.Year() < 1970 || c.String() != text {
		return Cursor{}, wrong
	}
	return c, nil
}

// maxFilter bounds each text of a filter, in bytes; MaxPage how many entries are
// given at once.
const (
	maxFilter = 200
	MaxPage   = 500
)

// clean puts a filter into the form in which entries are written.
func (f Filter) clean() (Filter, error) {
	for _, text := range []*string{&f.Actor, &f.Act, &f.Object} {
		*text = strings.TrimSpace(*text)
		if len(*text) > maxFilter || strings.ContainsAny(*text, "\x00\x1f\n") {
			return f, vaccination.Errorf(vaccination.Invalid, "a text to search by is too long, or holds what no entry holds")
		}
	}
	if id, err := vaccination.ParseCertificateID(f.Object); err == nil {
		f.Object = id.String()
	}
	if !f.From.IsZero() && !f.Until.IsZero() && !f.From.Before(f.Until) {
		return f, vaccination.Errorf(vaccination.Invalid, "the time from which to search is not before the time until which")
	}
	return f, nil
}

// String says what was searched for, as the audit keeps it.
func (f Filter) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("actor", f.Actor)
	add("act", f.Act)
	add("object", f.Object)
	if !f.From.IsZero() {
		add("from", f.From.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.UTC().Format(time.RFC3339))
	}
	if parts == nil {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// Search returns entries, the newest first, at most max (and [MaxPage]), from a
// cursor on, and where the next page begins: a zero cursor where this was the
// last. It costs the same wherever the page is. That somebody searched is an
// entry itself.
func (s *Service) Search(ctx context.Context, by access.Caller, f Filter, from Cursor, max int) ([]Entry, Cursor, error) {
	f, err := s.searching(ctx, by, "audit.search", f)
	if err != nil {
		return nil, Cursor{}, err
	}
	max = min(max, MaxPage)
	entries, err := s.page(ctx, f, from, max+1)
	if err != nil || len(entries) <= max {
		return entries, Cursor{}, err
	}
	last := entries[max-1]
	return entries[:max], Cursor{last.At, last.Chain, last.Seq}, nil
}

// Export hands all entries to write, the newest first; it holds a page of them in
// memory at a time. An error of write ends it.
func (s *Service) Export(ctx context.Context, by access.Caller, f Filter, write func([]Entry) error) error {
	f, err := s.searching(ctx, by, "audit.export", f)
	if err != nil {
		return err
	}
	// What is written while it runs, its own entry too, is not of it.
	if now := s.Now().UTC(); f.Until.IsZero() || f.Until.After(now) {
		f.Until = now
	}
	var from Cursor
	for {
		entries, err := s.page(ctx, f, from, MaxPage)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := write(entries); err != nil {
			return err
		}
		last := entries[len(entries)-1]
		from = Cursor{last.At, last.Chain, last.Seq}
	}
}

// searching says whether somebody may search, and records it.
func (s *Service) searching(ctx context.Context, by access.Caller, act string, f Filter) (Filter, error) {
	if err := by.Can(access.ReadAudit); err != nil {
		return f, err
	}
	f, err := f.clean()
	if err != nil {
		return f, err
	}
	return f, registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Detail: f.String()})
}

// actIssued is what most entries are.
const actIssued = "issued"

// page reads entries. The statement is put together, so that each kind of search
// has the index that serves it; every value is a parameter.
func (s *Service) page(ctx context.Context, f Filter, from Cursor, max int) ([]Entry, error) {
	var where []string
	var args []any
	and := func(text string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, text)
	}
	if !f.From.IsZero() {
		and("a.at >= ?", f.From)
	}
	if !f.Until.IsZero() {
		and("a.at < ?", f.Until)
	}
	if !from.At.IsZero() {
		and("(a.at, a.chain, a.seq) < (?, ?, ?)", from.At, from.Chain, from.Seq)
	}
	if f.Actor != "" {
		and("a.actor = ?", f.Actor)
	}
	if f.Act != "" {
		and("a.act = ?", f.Act)
		if f.Act != actIssued { // said, so that the index of all other acts can be used
			and("a.act <> 'issued'")
		}
	}
	sql := ""
	const columns = "SELECT a.chain, a.seq, a.at, a.actor, a.act, a.object, a.detail FROM "
	if f.Object == "" {
		sql = columns + "audit a" + all(where)
	} else {
		and("a.object = ?", f.Object)
		sql = columns + "audit a" + all(append(where, "a.act <> 'issued'"))
		if id, err := vaccination.ParseCertificateID(f.Object); err == nil {
			// That it was issued is not in the index of objects: it stands right
			// after the certificate's own time, as long as signing and writing a
			// batch takes.
			args = append(args, int16(id.Bucket()), id[:], registry.GroupOf(int16(id.Bucket())))
			n := len(args)
			issued := fmt.Sprintf("(SELECT i.* FROM certificate c CROSS JOIN LATERAL (SELECT e.* FROM audit e WHERE e.at >= c.issued_at AND e.at < c.issued_at + interval '2 minutes' AND e.chain = $%d AND e.act = 'issued' AND e.object = $%d ORDER BY e.at LIMIT 1) AS i WHERE c.bucket = $%d AND c.id = $%d) AS a",
				n, n-3, n-2, n-1)
			sql = "SELECT * FROM (" + sql + " UNION ALL " + columns + issued + all(where) + ") AS a"
		}
	}
	args = append(args, max)
	sql += fmt.Sprintf(" ORDER BY a.at DESC, a.chain DESC, a.seq DESC LIMIT $%d", len(args))
	return s.read(ctx, sql, args)
}

// searchTime is how long the database may look for one page: an index serves
// every search, and what two fields have in common may be far apart all the same.
const searchTime = 5 * time.Second

// read runs the statement of a page, for as long as [searchTime].
func (s *Service) read(ctx context.Context, sql string, args []any) (out []Entry, err error) {
	limit := s.SearchTime
	if limit == 0 {
		limit = searchTime
	}
	err = pgx.BeginTxFunc(ctx, s.Store.Pool(), pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", limit.Milliseconds())); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
			err = row.Scan(&e.Chain, &e.Seq, &e.At, &e.Actor, &e.Act, &e.Object, &e.Detail)
			e.At = e.At.UTC()
			return e, err
		})
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "57014" && ctx.Err() == nil { // query_canceled
		return nil, vaccination.Errorf(vaccination.Unavailable, "this search takes too long: give a shorter time, or search by actor, act or object alone")
	}
	return out, err
}

func all(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(where, " AND ")
}

// State is how one chain stands.
type State struct {
	Chain   int16  `json:"chain"`
	Entries int64  `json:"entries"` // so far
	Hash    []byte `json:"-"`       // of the last one
	CutAt   int64  `json:"cutAt"`   // up to which entries of who saw what were removed; 0 for none
}

// Chains says how each chain stands.
func (s *Service) Chains(ctx context.Context, by access.Caller) ([]State, error) {
	if err := by.Can(access.ReadAudit); err != nil {
		return nil, err
	}
	q := s.Store.Read()
	heads, err := q.AuditHeads(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]State, len(heads))
	for i, h := range heads {
		out[i] = State{Chain: h.ID, Entries: h.AuditSeq, Hash: h.AuditHead}
		cuts, cerr := q.CutsOfChain(ctx, h.ID)
		if err = errors.Join(err, cerr); len(cuts) > 0 {
			out[i].CutAt = cuts[len(cuts)-1].Seq
		}
	}
	return out, err
}

// MarshalJSON writes the hash in hexadecimal.
func (s State) MarshalJSON() ([]byte, error) {
	type plain State
	return json.Marshal(struct {
		plain
		Hash string `json:"hash"`
	}{plain(s), fmt.Sprintf("%x", s.Hash)})
}
