package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// checkPage is how many rows of a check are held in memory at once.
const checkPage = 500

type problems = func(format string, args ...any)

// Check is the part of [issuance.Service.Check] that knows what sources
// delivered: the counts of the ledger are those of its items; every arrival
// opens, is the one its reference names, and is counted; every fragment opens, is
// under its key, and is counted; what a dose's certificate is, is a certificate of
// this record; what an item names is there; everything that a source had issued
// has an item; and what a person decided is what the audit says.
type Check struct {
	*Service
	certified int64 // doses whose certificate is one of their record
	decided   int64 // items that are as a person decided
}

// NewCheck returns a check for one run of [issuance.Service.Check].
func (s *Service) NewCheck() *Check { return &Check{Service: s} }

// Entries implements [issuance.Beside].
func (c *Check) Entries(ctx context.Context, q *query.Queries, entries []query.Audit, problem func(string, ...any)) error {
	var issued [][]byte
	decisions, ids := map[int64]query.Audit{}, []int64{}
	for _, e := range entries {
		number, isItem := strings.CutPrefix(e.Object, "item ")
		switch {
		case strings.HasPrefix(e.Actor, "intake:") && (e.Act == string(issuance.Issued) || e.Act == string(issuance.Corrected)):
			if id, err := vaccination.ParseCertificateID(e.Object); err == nil {
				issued = append(issued, id[:])
			}
		case isItem && strings.HasPrefix(e.Act, "hold."):
			state, _, _ := strings.Cut(e.Detail, " ")
			if !slices.Contains([]string{string(Issued), string(Unchanged), string(Rejected)}, state) {
				continue // it was looked at, or is held still, or was read again
			}
			if id, err := strconv.ParseInt(number, 10, 64); err == nil {
				decisions[id], ids = e, append(ids, id)
			}
		}
	}
	if len(issued) > 0 {
		there, err := q.CertificatesOfItems(ctx, issued)
		if err != nil {
			return err
		}
		known := make(map[string]bool, len(there))
		for _, id := range there {
			known[string(id)] = true
		}
		for _, id := range issued {
			if !known[string(id)] {
				problem("certificate %s: it was issued for a source, and no delivery says so", vaccination.CertificateID(id))
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.ItemsByID(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range rows {
		e := decisions[r.ID]
		delete(decisions, r.ID)
		if state, _, _ := strings.Cut(e.Detail, " "); r.State != state || r.DecidedBy != e.Actor {
			problem("item %d: it is not as the audit says that a person decided", r.ID)
			continue
		}
		c.decided++
	}
	for id := range decisions {
		problem("item %d: the audit says that a person decided it, and it is missing", id)
	}
	return nil
}

// Certificates implements [issuance.Beside].
func (c *Check) Certificates(ctx context.Context, q *query.Queries, page []issuance.Certified, _ func(string, ...any)) error {
	of := map[string][]vaccination.CertificateID{}
	var records [][]byte
	for _, p := range page {
		e := p.Event.Normalise()
		// A source may leave the programme to the profile.
		for _, programme := range slices.Compact([]string{"", e.Programme, p.Programme}) {
			record := c.index("record", programme, e.EnrolmentCode, fmt.Sprint(e.Vaccination.Number))
			of[string(record)], records = append(of[string(record)], p.ID), append(records, record)
		}
	}
	rows, err := q.CertificatesOfRecords(ctx, distinct(records))
	for _, r := range rows {
		if len(r.Certificate) == len(vaccination.CertificateID{}) && slices.Contains(of[string(r.Record)], vaccination.CertificateID(r.Certificate)) {
			c.certified++
		}
	}
	return err
}

// End implements [issuance.Beside].
func (c *Check) End(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	for _, check := range []func(context.Context, *query.Queries, problems) error{c.sources, c.tallies, c.arrivals, c.fragments, c.ledger} {
		if err := check(ctx, q, problem); err != nil {
			return err
		}
	}
	if n, err := q.CountCertified(ctx); err != nil {
		return err
	} else if n != c.certified {
		problem("%d doses of sources have a certificate, of which %d are certificates of the same person and dose", n, c.certified)
	}
	if n, err := q.CountDecided(ctx); err != nil {
		return err
	} else if n != c.decided {
		problem("%d items were decided by people, and by the audit %d", n, c.decided)
	}
	return nil
}

func (c *Check) sources(ctx context.Context, q *query.Queries, problem problems) error {
	rows, err := q.MappingVersions(ctx)
	for _, r := range rows {
		if len(r.Config) > 0 {
			if _, err := c.Box.Unseal(r.Config, configAAD(r.Name)); err != nil {
				problem("source %s: its settings do not open", r.Name)
			}
		}
		if r.N != int64(r.MappingVersion) || r.NAll != r.N {
			problem("source %s: it has %d versions of its mapping, and uses version %d", r.Name, r.NAll, r.MappingVersion)
		}
	}
	return err
}

func (c *Check) tallies(ctx context.Context, q *query.Queries, problem problems) error {
	rows, err := q.TalliesWrong(ctx)
	for _, r := range rows {
		problem("source %s: %d items are counted as %s, and there are %d", r.Source, r.Told, r.State, r.Counted)
	}
	return err
}

// each judges the rows of a page on all cores and tells what it finds in order.
func each[T any](rows []T, problem problems, judge func(T) string) {
	found := make([]string, len(rows))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, row := range rows {
		work.Go(func() error { found[i] = judge(row); return nil })
	}
	_ = work.Wait() // nobody returns an error
	for _, f := range found {
		if f != "" {
			problem("%s", f)
		}
	}
}

func (c *Check) arrivals(ctx context.Context, q *query.Queries, problem problems) error {
	p := query.ArrivalsAfterParams{MaxRows: checkPage}
	for {
		rows, err := q.ArrivalsAfter(ctx, p)
		if err != nil || len(rows) == 0 {
			return err
		}
		each(rows, problem, func(r query.ArrivalsAfterRow) string {
			if fault := c.arrival(r); fault != "" {
				return fmt.Sprintf("delivery %s of source %s: %s", referenceEncoding.EncodeToString(r.Hash), r.Source, fault)
			}
			return ""
		})
		p.After = rows[len(rows)-1].ID
	}
}

func (c *Check) arrival(r query.ArrivalsAfterRow) string {
	if r.ClearedAt != nil {
		switch {
		case len(r.Sealed) > 0:
			return "its text was removed, and is there"
		case r.State == stateWaiting:
			return "its text was removed before it was looked at"
		case !r.Counted:
			return "it was looked at, and the ledger has nothing of it"
		}
		return ""
	}
	small, err := c.Box.Unseal(r.Sealed, arrivalAAD(r.Source, r.Hash))
	if err != nil {
		return "it does not open"
	}
	a, err := c.packer.unpack(small)
	if err != nil {
		return "it cannot be read"
	}
	text, err := plain(a)
	switch {
	case err != nil || !bytes.Equal(r.Hash, c.index("arrival", r.Source, string(text))):
		return "it is another than its reference names"
	case len(a.Body) != int(r.Size):
		return "its size is not what is said"
	case r.LatestAt.Before(r.ReceivedAt):
		return "it came for the last time before it came first"
	case !r.Counted:
		return "it was looked at, and the ledger has nothing of it"
	}
	return ""
}

func (c *Check) fragments(ctx context.Context, q *query.Queries, problem problems) error {
	p := query.FragmentsAfterParams{Bucket: -1, After: []byte{}, MaxRows: checkPage}
	for {
		rows, err := q.FragmentsAfter(ctx, p)
		if err != nil || len(rows) == 0 {
			return err
		}
		each(rows, problem, func(r query.FragmentsAfterRow) string {
			if fault := c.fragment(r); fault != "" {
				return fmt.Sprintf("%s %x of source %s: %s", r.Fragment.Kind, r.Fragment.Key, r.Fragment.Source, fault)
			}
			return ""
		})
		last := rows[len(rows)-1].Fragment
		p.Bucket, p.After = last.Bucket, last.Key
	}
}

func (c *Check) fragment(r query.FragmentsAfterRow) string {
	row := r.Fragment
	f, err := c.open(row)
	if err != nil {
		return "it does not open"
	}
	is := f.state.Fragment
	person := is.Person
	if is.Kind == PersonFragment {
		person = is.ID
	}
	switch {
	case string(is.Kind) != row.Kind || !bytes.Equal(row.Key, c.key(row.Source, is.Kind, is.ID)):
		return "it is another than its key names"
	case !bytes.Equal(row.Person, c.key(row.Source, PersonFragment, person)):
		return "it belongs to another person"
	case is.Kind == PersonFragment && int16(c.Box.Bucket(row.Source+":"+is.ID)) != row.Bucket:
		return "it belongs to another bucket"
	case !bytes.Equal(row.Hash, c.hash(is)):
		return "it says something else than it is known by"
	case row.Deleted != is.Deleted || row.Facility != is.Facility:
		return "what stands beside it is not what it says"
	case (row.Certificate == nil) != (row.Record == nil) || row.Content != nil && row.Certificate == nil:
		return "what was certified for it is there in part"
	case !r.Brought:
		return "the delivery that brought it is of another source"
	case !r.Counted:
		return "the ledger has nothing of the delivery that brought it"
	}
	return ""
}

func (c *Check) ledger(ctx context.Context, q *query.Queries, problem problems) error {
	p := query.ItemsAfterParams{Bucket: -1, MaxRows: checkPage}
	for {
		rows, err := q.ItemsAfter(ctx, p)
		if err != nil || len(rows) == 0 {
			return err
		}
		each(rows, problem, func(r query.ItemsAfterRow) string {
			if fault := c.item(r); fault != "" {
				return fmt.Sprintf("item %d of source %s: %s", r.ID, r.Source, fault)
			}
			return ""
		})
		last := rows[len(rows)-1]
		p.Bucket, p.After = last.Bucket, last.ID
	}
}

func (c *Check) item(r query.ItemsAfterRow) string {
	var faults []vaccination.Fault
	if r.Problems != "" && json.Unmarshal([]byte(r.Problems), &faults) != nil {
		return "what is wrong with it cannot be read"
	}
	if r.Code != nil || r.Sealed != nil {
		text, err := c.Box.Unseal(r.Sealed, codeAAD(r.Code))
		var codes []missingCode
		if err != nil || json.Unmarshal(text, &codes) != nil || len(codes) == 0 || !bytes.Equal(r.Code, c.codeIndex(codes[0])) {
			return "the code that its mapping lacks does not open"
		}
	}
	switch {
	case !r.Brought:
		return "its delivery is of another source"
	case !r.Known:
		return "its dose is missing"
	case !r.Certified:
		return "its certificate is missing"
	case r.State == string(Issued) && r.Certificate == nil:
		return "it is issued, without a certificate"
	case (r.State == string(Held)) != (r.DecidedAt == nil):
		return "it is held and decided, or neither"
	case (itemRow{problems: faults}).field() != r.Field:
		return "it is about another field than it says"
	case r.State == string(Held) && (r.Class == "" || len(faults) == 0):
		return "it is held, and nothing says why"
	}
	return ""
}
