package issuance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Report is what [Service.Check] found.
type Report struct {
	Certificates int            // examined
	AuditEntries int            // examined
	ByStatus     map[string]int // certificates by status
	Problems     []string       // what is wrong, by id, never by content; empty when all is well
}

// maxProblems bounds a report.
const maxProblems = 1000

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// checkPage is how many rows a reader holds in memory at once; checkReaders
// bounds how many read: each has a connection, and keeps what the audit says of a
// sixteenth of all certificates.
const (
	checkPage    = 1000
	checkReaders = 4
)

// Beside checks tables of other packages while [Service.Check] reads everything
// else, in the same view of the database. What it finds it tells problem, by id,
// never by content. It is called by one goroutine at a time.
type Beside interface {
	// Entries is given the audit's entries about people, some at a time, each
	// chain in its order; several chains may take turns.
	Entries(ctx context.Context, q *query.Queries, entries []query.Audit, problem func(format string, args ...any)) error
	// Certificates is given all certificates with their events, some at a time.
	Certificates(ctx context.Context, q *query.Queries, page []Certified, problem func(format string, args ...any)) error
	// End checks what is left.
	End(ctx context.Context, q *query.Queries, problem func(format string, args ...any)) error
}

// Certified is a certificate that opens, and the event it was issued for.
type Certified struct {
	ID        vaccination.CertificateID
	Programme string // as it was resolved
	Event     vaccination.Event
}

// Check reads everything that is stored and says what does not agree: every
// certificate opens, both its signatures verify, it says what its row says, its
// versions form one line with one end, its person is found by what is known of
// them, its status position is its own, and is published as it stands; the
// people who are one are linked from both sides as the audit says, and chose their
// language when it says; the sums of counts are those of their hours; the
// audit's chains are whole, name every certificate and no other, and lead to the
// state it is in; tokens, sources, settings and uploads are what the audit says
// of them, and the rows of an upload what its counters say. It writes nothing, and sees the database as of one moment,
// whatever a server does meanwhile.
//
// It answers for the database alone. Somebody who can write every table can make
// a chain anew; the heads of chains kept elsewhere would show it.
func (s *Service) Check(ctx context.Context, beside ...Beside) (*Report, error) {
	c := &checking{Service: s, Report: newReport(), beside: beside, turn: &sync.Mutex{}, keys: trust.New(&trust.Bundle{Issuers: []trust.Issuer{s.Keys.Issuer()}})}
	err := s.Store.Shared(ctx, func(q *query.Queries, view registry.View) error {
		c.q = q
		return c.all(ctx, view)
	})
	if err != nil {
		return nil, err
	}
	return c.Report, nil
}

func newReport() *Report { return &Report{ByStatus: map[string]int{}} }

// add adds what a part of a check found.
func (r *Report) add(o *Report) {
	r.Certificates += o.Certificates
	r.AuditEntries += o.AuditEntries
	for status, n := range o.ByStatus {
		r.ByStatus[status] += n
	}
	r.Problems = append(r.Problems, o.Problems[:min(len(o.Problems), maxProblems-len(r.Problems))]...)
}

// checking is one run of [Service.Check], or a part of one.
type checking struct {
	*Service
	*Report
	q      *query.Queries
	keys   *trust.List
	beside []Beside
	turn   *sync.Mutex // of beside
}

// parts are what is checked at once: nothing that one of them reads matters to
// another.
func (c *checking) parts() []func(*checking, context.Context) error {
	out := []func(*checking, context.Context) error{(*checking).strays, (*checking).lists}
	for group := range int16(registry.AdminChain) {
		out = append(out, func(c *checking, ctx context.Context) error { return c.whole(ctx, group) })
	}
	return append(out, (*checking).administration)
}

// all runs every part, some at once, and tells what they found in their order.
func (c *checking) all(ctx context.Context, view registry.View) error {
	parts := c.parts()
	reports := make([]*Report, len(parts))
	work, within := errgroup.WithContext(ctx)
	// One more than there are processors: while one waits for the database, the
	// others verify.
	work.SetLimit(min(runtime.GOMAXPROCS(0)+1, checkReaders))
	for i, part := range parts {
		reports[i] = newReport()
		work.Go(func() error {
			return view(within, func(q *query.Queries) error {
				p := *c
				p.Report, p.q = reports[i], q
				return part(&p, within)
			})
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	for _, r := range reports {
		c.add(r)
	}
	return c.others(func(b Beside) error { return b.End(ctx, c.q, c.problem) })
}

// others calls each of beside when nobody else does.
func (c *checking) others(call func(Beside) error) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	for _, b := range c.beside {
		if err := call(b); err != nil {
			return err
		}
	}
	return nil
}

// strays checks what belongs to nothing, and what belongs to two.
func (c *checking) strays(ctx context.Context) error {
	positions, err := c.q.DoubleStatusPositions(ctx)
	if err != nil {
		return err
	}
	for _, p := range positions {
		c.problem("status list %d: index %d belongs to more than one certificate", p.StatusList, p.StatusIndex)
	}
	strays, err := c.q.Strays(ctx)
	if err != nil {
		return err
	}
	for what, n := range map[string]int64{"people without a certificate": strays.People, "search indexes of nobody": strays.Indexes, "audit entries of no chain": strays.Entries,
		"pairs of people who may be one of whom one is not there": strays.Likenesses, "numbers of checks of certificates whose person was erased": strays.Checks} {
		if n > 0 {
			c.problem("there are %d %s", n, what)
		}
	}
	kinds, err := c.q.SumsApart(ctx)
	for _, kind := range kinds {
		c.problem("the sums of what was %s are not those of its hours", kind)
	}
	return err
}

// whole checks a group of buckets and the audit chain about it.
func (c *checking) whole(ctx context.Context, group int16) error {
	trails, links, languages := trails{}, linkTrails{}, languageTrails{}
	err := c.chain(ctx, group, func(e query.Audit) error {
		languages.follow(e)
		return errors.Join(links.follow(e), trails.follow(e))
	})
	if err != nil {
		return err
	}
	if err := c.group(ctx, group, trails); err != nil {
		return err
	}
	if err := c.links(ctx, group, links); err != nil {
		return err
	}
	if err := c.languages(ctx, group, languages); err != nil {
		return err
	}
	for _, id := range slices.SortedFunc(maps.Keys(trails), func(a, b vaccination.CertificateID) int { return bytes.Compare(a[:], b[:]) }) {
		c.problem("certificate %s: the audit says it was issued, and it is missing", id)
	}
	return nil
}

// group checks the certificates and people of one group of buckets and takes
// each certificate from trails.
func (c *checking) group(ctx context.Context, group int16, trails trails) error {
	positions, err := c.positions(ctx, group)
	if err != nil {
		return err
	}
	suspensions, err := c.suspensions(ctx, group)
	if err != nil {
		return err
	}
	if err := c.told(ctx, group); err != nil {
		return err
	}
	if err := c.exports(ctx, group); err != nil {
		return err
	}
	var last *query.CertificatesAfterRow // the row before, nil at first
	var touched touch                    // when the person of last was written last, by the audit
	endPerson := func() {
		if last != nil && last.Person.UpdatedAt.UnixMicro() != touched.at {
			c.problem("certificate %s: its person was changed at another time than the audit says", vaccination.CertificateID(last.Certificate.ID))
		}
	}
	after := query.CertificatesAfterParams{Bucket: group<<6 - 1, PersonID: math.MaxInt64, Last: group<<6 | 63, MaxRows: checkPage}
	for {
		rows, err := c.q.CertificatesAfter(ctx, after)
		if err != nil {
			return err
		}
		faults, err := c.page(ctx, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			row := &rows[i]
			cert := row.Certificate
			id := vaccination.CertificateID(cert.ID)
			c.Certificates++
			c.ByStatus[string(statusOf(cert.Status))]++
			for _, fault := range faults[i] {
				c.problem("certificate %s: %v", id, fault)
			}
			if last == nil || last.Person.Bucket != row.Person.Bucket || last.Person.ID != row.Person.ID {
				endPerson()
				touched = touch{}
			}
			t, known := trails[id]
			if !known {
				c.problem("certificate %s: the audit does not know it", id)
			}
			delete(trails, id)
			if t.touched.seq > touched.seq {
				touched = t.touched
			}
			if gone := len(row.Person.Key) == 0; known && gone != t.erased {
				c.problem("certificate %s: that its person was erased, or was not, is not what the audit says", id)
			}
			if err := t.differs(cert, suspensions[id]); known && err != nil {
				c.problem("certificate %s: %v", id, err)
			}
			if !positions.has(cert.StatusList, cert.StatusIndex) {
				c.problem("certificate %s: its status position was never handed out", id)
			}
			c.follows(last, row)
			last = row
		}
		if len(rows) < checkPage {
			break
		}
		end := last.Certificate
		after.Bucket, after.PersonID, after.Programme, after.Dose, after.Version = end.Bucket, end.PersonID, end.Programme, end.Dose, end.Version
	}
	endPerson()
	c.follows(last, nil)
	return nil
}

// follows checks that the row after another is the next version of its record,
// or the first of another record after the end of this one. Either may be nil.
func (c *checking) follows(a, b *query.CertificatesAfterRow) {
	if a != nil && b != nil && a.Certificate.Bucket == b.Certificate.Bucket && a.Certificate.PersonID == b.Certificate.PersonID &&
		a.Certificate.Programme == b.Certificate.Programme && a.Certificate.Dose == b.Certificate.Dose {
		if b.Certificate.Version != a.Certificate.Version+1 || !bytes.Equal(b.Certificate.Replaces, a.Certificate.ID) {
			c.problem("certificate %s: it does not follow the version before it", vaccination.CertificateID(b.Certificate.ID))
		}
		if !statusOf(a.Certificate.Status).Final() {
			c.problem("certificate %s: it stands, and a later version does too", vaccination.CertificateID(a.Certificate.ID))
		}
		return
	}
	if a != nil && statusOf(a.Certificate.Status) == vaccination.StatusSuperseded && a.Certificate.Reason != reasonPublished {
		c.problem("certificate %s: the version that supersedes it is missing", vaccination.CertificateID(a.Certificate.ID))
	}
	if b != nil && (b.Certificate.Version != 1 || len(b.Certificate.Replaces) > 0) {
		c.problem("certificate %s: an earlier version is missing", vaccination.CertificateID(b.Certificate.ID))
	}
}

// page opens certificates and the people that begin in them, on all cores.
func (c *checking) page(ctx context.Context, rows []query.CertificatesAfterRow) ([][]error, error) {
	var in query.IndexesOfPeopleParams
	for i, row := range rows {
		if i == 0 || rows[i-1].Person.ID != row.Person.ID {
			in.Buckets, in.Ids = append(in.Buckets, row.Person.Bucket), append(in.Ids, row.Person.ID)
		}
	}
	stored, err := c.q.IndexesOfPeople(ctx, in)
	if err != nil {
		return nil, err
	}
	type key struct {
		bucket int16
		id     int64
	}
	indexes := map[key][][]byte{}
	for _, i := range stored {
		k := key{i.Bucket, i.PersonID}
		indexes[k] = append(indexes[k], i.Value)
	}
	faults, events := make([][]error, len(rows)), make([]vaccination.Event, len(rows))
	err = inParallel(len(rows), func(i int) error {
		row := rows[i]
		p := &person{row: row.Person}
		if p.erased() {
			faults[i] = append(faults[i], erasedWhole(row, len(indexes[key{row.Person.Bucket, row.Person.ID}])))
		} else {
			faults[i] = append(faults[i], c.certificate(p, row.Certificate, &events[i]))
			if i == 0 || rows[i-1].Person.ID != row.Person.ID {
				faults[i] = append(faults[i], c.person(p, indexes[key{row.Person.Bucket, row.Person.ID}]))
			}
		}
		faults[i] = slices.DeleteFunc(faults[i], func(err error) bool { return err == nil })
		return nil
	})
	if err != nil {
		return nil, err
	}
	var page []Certified
	for i, row := range rows {
		if events[i].EnrolmentCode != "" {
			page = append(page, Certified{vaccination.CertificateID(row.Certificate.ID), row.Certificate.Programme, events[i]})
		}
	}
	return faults, c.others(func(b Beside) error { return b.Certificates(ctx, c.q, page, c.problem) })
}
