// Package statistics tells what happened: how much was issued, held, corrected,
// revoked, delivered and verified, by hour, product, place and source, and about how
// often a certificate was checked here. It knows counts and no records.
//
// Who does something that counts adds to the counts in the same transaction
// ([registry.Count]); rows are only added there, so that nobody waits for
// anybody, and a job folds them into hours.
package statistics

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Service counts and tells. It is safe for concurrent use.
type Service struct {
	Store *registry.Store
	Zone  *time.Location // in which an hour and a day begin
	Now   func() time.Time

	mu     sync.Mutex
	known  map[key]*Report
	meter  map[string]int64 // by kind, not written yet
	checks checks
}

// Asked is which counts are meant.
type Asked struct {
	Since, Until time.Time // whole hours, at most MaxDays apart
	Programme    string    // "" for all
}

// MaxDays bounds the time of one report.
const MaxDays = 92

// Report is what happened in a time. Its lists are ordered by number, the
// largest first; hours by time.
type Report struct {
	Asked
	At         time.Time // of which moment it is
	Totals     map[string]int64
	Hours      []Hour
	Products   []Line
	Facilities []Line
	Sources    []Line
}

// Hour is what happened in one hour, by kind.
type Hour struct {
	Start time.Time
	N     map[string]int64
}

// Line is what happened with one product, at one facility or from one source, by
// kind. Name "" is what was not recorded.
type Line struct {
	Name string
	N    map[string]int64
}

// Kinds are what is counted, in the order in which it is shown.
func Kinds() []string {
	return []string{registry.CountIssued, registry.CountHeld, registry.CountCorrected, registry.CountRevoked, registry.CountSuspended, registry.CountDelivered, registry.CountFailed, registry.CountVerified}
}

// Today is the day of the moment t, in the zone.
func (s *Service) Today(t time.Time) (since, until time.Time) {
	y, m, d := t.In(s.Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, s.Zone), time.Date(y, m, d+1, 0, 0, 0, 0, s.Zone)
}

// keep is how long a report is told again without counting anew.
const keep = 10 * time.Second

type key struct {
	Asked
	facility string
}

// maxKnown bounds the reports that are kept.
const maxKnown = 64

// Report counts what happened. Who may see the counts of one facility alone sees
// those under its name in the list of places. It may be ten seconds old.
func (s *Service) Report(ctx context.Context, by access.Caller, a Asked) (*Report, error) {
	if err := by.Can(access.ReadStatistics); err != nil {
		return nil, err
	}
	if !a.Until.After(a.Since) || a.Until.Sub(a.Since) > MaxDays*24*time.Hour+time.Hour {
		return nil, vaccination.Errorf(vaccination.Invalid, "ask for one day to %d days", MaxDays)
	}
	facilities, own := []string{}, ""
	if !by.At(access.ReadStatistics, "") {
		if own = by.Facility; own == "" {
			return nil, vaccination.Errorf(vaccination.Forbidden, "you work at no facility: there are no counts for you")
		}
		name, err := s.Store.Read().PlaceName(ctx, own)
		if registry.IsNone(err) {
			name, err = own, nil // sources may name it by its code
		}
		if err != nil {
			return nil, err
		}
		facilities = []string{registry.CountedFacility(name), own}
	}
	k := key{a, own}
	s.mu.Lock()
	known := s.known[k]
	s.mu.Unlock()
	if now := s.Now(); known != nil && now.Sub(known.At) < keep && !now.Before(known.At) {
		return known, nil
	}
	rows, err := s.rows(ctx, a, facilities)
	if err != nil {
		return nil, err
	}
	r := s.report(a, rows)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = map[key]*Report{}
	}
	s.known[k] = r
	return r, nil
}

// rows are the counts of a report: whole days of all facilities from the sums, of
// which there are few; everything else from the hours.
func (s *Service) rows(ctx context.Context, a Asked, facilities []string) ([]query.CountsBetweenRow, error) {
	since, _ := s.Today(a.Since)
	until, _ := s.Today(a.Until)
	if len(facilities) > 0 || !since.Equal(a.Since) || !until.Equal(a.Until) {
		return s.Store.Read().CountsBetween(ctx, query.CountsBetweenParams{Since: a.Since.UTC(), Until: a.Until.UTC(), Zone: s.Zone.String(), Programme: a.Programme, Facilities: facilities})
	}
	sums, err := s.Store.Read().SumsBetween(ctx, query.SumsBetweenParams{Since: a.Since.UTC(), Until: a.Until.UTC(), Zone: s.Zone.String(), Programme: a.Programme})
	if err != nil {
		return nil, err
	}
	out := make([]query.CountsBetweenRow, len(sums))
	for i, x := range sums {
		out[i] = query.CountsBetweenRow{Kind: x.Kind, Dimension: int32(x.Dimension), Hour: x.Hour, N: x.N}
		switch x.Dimension {
		case byProduct:
			out[i].Product = x.Name
		case byFacility:
			out[i].Facility = x.Name
		case bySource:
			out[i].Source = x.Name
		}
	}
	return out, nil
}

// The dimensions of a row, as the query's GROUPING tells them.
const (
	byHour     = 0b0111
	byProduct  = 0b1011
	byFacility = 0b1101
	bySource   = 0b1110
)

func (s *Service) report(a Asked, rows []query.CountsBetweenRow) *Report {
	r := &Report{Asked: a, At: s.Now(), Totals: map[string]int64{}}
	hours := map[int64]map[string]int64{}
	lines := map[*[]Line]map[string]map[string]int64{&r.Products: {}, &r.Facilities: {}, &r.Sources: {}}
	for _, row := range rows {
		list, name := &r.Sources, row.Source
		switch row.Dimension {
		case byHour:
			at := row.Hour.Unix()
			if hours[at] == nil {
				hours[at] = map[string]int64{}
			}
			hours[at][row.Kind] += row.N
			r.Totals[row.Kind] += row.N
			continue
		case byProduct:
			list, name = &r.Products, row.Product
		case byFacility:
			list, name = &r.Facilities, row.Facility
		}
		if lines[list][name] == nil {
			lines[list][name] = map[string]int64{}
		}
		lines[list][name][row.Kind] += row.N
	}
	for at, n := range hours {
		r.Hours = append(r.Hours, Hour{time.Unix(at, 0).In(s.Zone), n})
	}
	slices.SortFunc(r.Hours, func(a, b Hour) int { return a.Start.Compare(b.Start) })
	for list, named := range lines {
		for name, n := range named {
			*list = append(*list, Line{name, n})
		}
		slices.SortFunc(*list, func(a, b Line) int {
			return cmp.Or(cmp.Compare(b.N[registry.CountIssued], a.N[registry.CountIssued]), cmp.Compare(b.sum(), a.sum()), cmp.Compare(a.Name, b.Name))
		})
	}
	return r
}

func (l Line) sum() (n int64) {
	for _, c := range l.N {
		n += c
	}
	return n
}

// Count counts something that is written nowhere else, such as a code that was
// verified. It is kept in memory until the next [Service.Fold]: what happened in
// the seconds before a crash is lost.
func (s *Service) Count(kind string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meter == nil {
		s.meter = map[string]int64{}
	}
	s.meter[kind] += n
}

// lockFolding is the class of the advisory lock of who folds, foldPage how many
// rows one transaction folds.
const (
	lockFolding = 7275
	foldPage    = 20_000
)

// Fold writes what is counted in memory and moves what was added to the counts
// into hours. Each row is moved once, by whichever server; a failure leaves it for
// the next time.
func (s *Service) Fold(ctx context.Context) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	for {
		var n int64
		err := s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := q.LockFolding(ctx, lockFolding); err != nil {
				return err
			}
			if err := q.FillSums(ctx, s.Zone.String()); err != nil {
				return err
			}
			var err error
			n, err = q.FoldCounts(ctx, query.FoldCountsParams{Zone: s.Zone.String(), MaxRows: foldPage})
			return err
		})
		if err != nil || n < foldPage {
			return err
		}
	}
}

// Flush writes what is counted in memory.
func (s *Service) Flush(ctx context.Context) error {
	s.mu.Lock()
	meter := s.meter
	s.meter = nil
	s.mu.Unlock()
	var counts []registry.Counted
	for kind, n := range meter {
		counts = append(counts, registry.Counted{Kind: kind, N: n})
	}
	err := registry.Count(ctx, s.Store.Read(), s.Now().UTC(), counts...)
	if err != nil { // for the next time
		for kind, n := range meter {
			s.Count(kind, n)
		}
	}
	return err
}

// foldEvery is how often counts are folded.
const foldEvery = 30 * time.Second

// Run writes what this server counts in memory until ctx ends, then once more. A
// server that ends waits for it: what a day's checks added is lost else.
func (s *Service) Run(ctx context.Context) {
	every := time.NewTicker(foldEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = s.Flush(last) // counts of some seconds
			_ = s.FlushChecks(last, true)
			return
		case <-every.C:
			_ = s.Flush(ctx) // they wait for the next time
			_ = s.FlushChecks(ctx, false)
		}
	}
}

// foldCounts is the job that folds.
type foldCounts struct{}

// Kind names the job in the queue.
func (foldCounts) Kind() string { return "fold-counts" }

type foldWorker struct {
	river.WorkerDefaults[foldCounts]
	service *Service
}

// Work folds.
func (w *foldWorker) Work(ctx context.Context, _ *river.Job[foldCounts]) error {
	return w.service.Fold(ctx)
}

// Work is the service's part of the job queue.
func (s *Service) Work() issuance.Work {
	return issuance.Work{
		Queue: "statistics", Workers: 1,
		Add:   func(w *river.Workers) { river.AddWorker(w, &foldWorker{service: s}) },
		Every: []issuance.Periodic{{Every: foldEvery, Job: func() river.JobArgs { return foldCounts{} }}},
	}
}
