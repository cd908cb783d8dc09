package issuance

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Many is what an act on many certificates is, in the transaction that does it:
// what became of each, nil where it was done. It may be told more than once, each
// time in a new transaction.
type Many func(ctx context.Context, tx pgx.Tx, q *query.Queries, each []error) error

// ChangeMany does to many certificates, in one transaction with what also writes,
// what [Service.Change] does to one. A certificate that is not there, or whose
// state does not allow it, is left as it is and the others are changed. Nobody is
// told of it. It needs the permission to withdraw many; who approved it is for the
// caller to know.
func (s *Service) ChangeMany(ctx context.Context, by access.Caller, ids []vaccination.CertificateID, act vaccination.Act, reason string, also Many) error {
	if err := by.Can(access.WithdrawMany); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	if act != vaccination.ActRevoke && act != vaccination.ActSuspend && act != vaccination.ActLift {
		return vaccination.Errorf(vaccination.Invalid, "many certificates are revoked, suspended or lifted at once")
	}
	ctx = Quietly(ctx)
	changed := false
	err := s.retry(ctx, func() error {
		rows, err := s.rowsOf(ctx, ids)
		if err != nil {
			return err
		}
		w, each := newWrites(s, by), make([]error, len(ids))
		for i, id := range ids {
			row, ok := rows[id]
			if !ok {
				each[i] = errNoCertificate()
				continue
			}
			if each[i] = w.move(row, act, reason); each[i] == nil {
				w.record(row.Bucket, string(act), id, reason)
			}
		}
		changed = !w.empty()
		return s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) error {
			if err := also(ctx, tx, q, each); err != nil || w.empty() {
				return err
			}
			return w.run(ctx)(tx, q)
		})
	})
	if err == nil && changed {
		s.bundles.drop()
	}
	return err
}

// rowsOf loads certificates by their ids, after suspensions that are over were
// lifted.
func (s *Service) rowsOf(ctx context.Context, ids []vaccination.CertificateID) (map[vaccination.CertificateID]query.Certificate, error) {
	var in query.CertificatesByIDsParams
	for _, id := range ids {
		in.Buckets, in.Ids = append(in.Buckets, int16(id.Bucket())), append(in.Ids, bytes.Clone(id[:]))
	}
	for again := false; ; again = true {
		rows, err := s.Store.Read().CertificatesByIDs(ctx, in)
		if err != nil {
			return nil, err
		}
		out := make(map[vaccination.CertificateID]query.Certificate, len(rows))
		versions := make([]*version, len(rows))
		for i, row := range rows {
			out[vaccination.CertificateID(row.ID)] = row
			versions[i] = &version{row: row}
		}
		if lifted, err := s.ended(ctx, versions); err != nil || !lifted || again {
			return out, err
		}
	}
}

// Stood says what is known of a certificate without opening it.
type Stood struct {
	ID       vaccination.CertificateID
	Status   vaccination.Status
	IssuedAt time.Time
}

// States says how certificates stand now, by their ids. Those that are not there
// are left out.
func (s *Service) States(ctx context.Context, by access.Caller, ids []vaccination.CertificateID) (map[vaccination.CertificateID]Stood, error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return nil, err
	}
	rows, err := s.rowsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[vaccination.CertificateID]Stood, len(rows))
	for id, row := range rows {
		out[id] = Stood{id, statusOf(row.Status), row.IssuedAt}
	}
	return out, nil
}

// Common is what certificates that are looked for have in common. Lot and
// Facility, where they are set, must be what the record says but for case and
// spaces; to find them every certificate of the rest is opened.
type Common struct {
	Act           vaccination.Act // that their state must allow
	Source, Actor string          // who delivered them, who issued them as the audit names them
	Since, Until  time.Time       // of their issue; zero is no bound
	Lot, Facility string
	Programme     string
	After         Place // behind this one; the zero Place begins
	Most          int   // certificates to look at
}

// Place is where a search stands. It is made by [Service.Scan] alone.
type Place struct {
	At     time.Time `json:"at,omitzero"`
	Bucket int16     `json:"bucket,omitempty"`
	ID     []byte    `json:"id,omitempty"`
	Seq    int64     `json:"seq,omitempty"`
}

// Scan looks at the next certificates that may be meant and returns those that
// are, and where it stands; done says that there are no others. Certificates whose
// person was erased match no lot and no facility. Nothing of them is handed
// out but their ids, so it is not a read of a person's data.
func (s *Service) Scan(ctx context.Context, by access.Caller, c Common) (found []vaccination.CertificateID, looked int, next Place, done bool, err error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return nil, 0, c.After, false, err
	}
	if c.Until.IsZero() {
		c.Until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.Since.IsZero() {
		c.Since = time.Unix(0, 0)
	}
	if c.After.ID == nil {
		c.After.ID = []byte{}
	}
	rows, next, done, err := s.scanned(ctx, c)
	if err != nil {
		return nil, 0, c.After, false, err
	}
	looked = len(rows)
	rows = slices.DeleteFunc(rows, func(r query.Certificate) bool { return c.Programme != "" && r.Programme != c.Programme })
	if c.Lot != "" || c.Facility != "" {
		if rows, err = s.saying(ctx, rows, c); err != nil {
			return nil, 0, c.After, false, err
		}
	}
	for _, r := range rows {
		found = append(found, vaccination.CertificateID(r.ID))
	}
	return found, looked, next, done, nil
}

// scanned are the next rows that may be meant, by the quickest way to them.
func (s *Service) scanned(ctx context.Context, c Common) (rows []query.Certificate, next Place, done bool, err error) {
	q, most := s.Store.Read(), int32(c.Most)
	var states []int16
	for n, status := range statuses() {
		if _, err := status.After(c.Act); err == nil {
			states = append(states, int16(n))
		}
	}
	next = c.After
	switch {
	case c.Actor != "":
		entries, err := q.IssuedBy(ctx, query.IssuedByParams{Actor: c.Actor, Since: c.Since.UTC(), Until: c.Until.UTC(), At: c.After.At.UTC(), Chain: c.After.Bucket, Seq: c.After.Seq, MaxRows: most})
		if err != nil || len(entries) == 0 {
			return nil, next, true, err
		}
		var ids []vaccination.CertificateID
		for _, e := range entries {
			if id, err := vaccination.ParseCertificateID(e.Object); err == nil {
				ids = append(ids, id)
			}
		}
		all, err := s.rowsOf(ctx, ids)
		for _, id := range ids {
			if row, ok := all[id]; ok && slices.Contains(states, row.Status) && (c.Source == "" || row.Source == c.Source) {
				rows = append(rows, row)
			}
		}
		last := entries[len(entries)-1]
		return rows, Place{At: last.At, Bucket: last.Chain, Seq: last.Seq}, len(entries) < c.Most, err
	case c.Source != "":
		rows, err = q.ScanDelivered(ctx, query.ScanDeliveredParams{Source: c.Source, Since: c.Since.UTC(), Until: c.Until.UTC(), IssuedAt: c.After.At.UTC(), After: c.After.ID, Statuses: states, MaxRows: most})
		if len(rows) > 0 {
			next = Place{At: rows[len(rows)-1].IssuedAt, ID: rows[len(rows)-1].ID}
		}
	default:
		rows, err = q.ScanCertificates(ctx, query.ScanCertificatesParams{Bucket: c.After.Bucket, After: c.After.ID, Statuses: states, Since: c.Since.UTC(), Until: c.Until.UTC(), MaxRows: most})
		if len(rows) > 0 {
			next = Place{Bucket: rows[len(rows)-1].Bucket, ID: rows[len(rows)-1].ID}
		}
	}
	return rows, next, len(rows) < c.Most, err
}

// saying keeps the certificates whose record says what is looked for.
func (s *Service) saying(ctx context.Context, rows []query.Certificate, c Common) ([]query.Certificate, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	people, err := s.peopleOf(ctx, rows)
	if err != nil {
		return nil, err
	}
	said := make([]bool, len(rows))
	err = inParallel(len(rows), func(i int) error {
		p := people[personKey{rows[i].Bucket, rows[i].PersonID}]
		if p == nil || len(p.row.Key) == 0 {
			return nil // erased
		}
		e, err := s.eventOf(p, &version{row: rows[i]})
		if err != nil {
			return err
		}
		said[i] = is(e.Lot(), c.Lot) && is(e.Centre(), c.Facility)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []query.Certificate
	for i, r := range rows {
		if said[i] {
			out = append(out, r)
		}
	}
	return out, nil
}

// is reports whether what a record says is what is looked for, "" for anything.
func is(says, wanted string) bool { return wanted == "" || plainName(says) == plainName(wanted) }

// StatusNumbered is the state that stands as n in the database.
func StatusNumbered(n int16) vaccination.Status { return statusOf(n) }
