package statistics

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// checks count, for each certificate, how often a verifier was told what it is
// worth. They wait in memory for the end of the day and are then written all
// together: no row, and no time at which a row was written, tells when somebody was
// asked to show their certificate.
type checks struct {
	n   map[vaccination.CertificateID]int64
	due time.Time // the end of the day in which the first of them came
}

// Bounds of what waits: so many certificates are enough to hide each other, and are
// written before the day ends; of twice as many others none is counted.
const (
	enoughChecks = 100_000
	mostChecks   = 2 * enoughChecks
	checksPage   = 5_000 // written at once
)

// Checked counts that a verifier was told the state of a certificate of ours. It
// waits for nothing; see [Service.FlushChecks] for when it is written.
func (s *Service) Checked(id vaccination.CertificateID) { s.checked(id, 1) }

func (s *Service) checked(id vaccination.CertificateID, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.checks
	if c.n == nil {
		c.n = map[vaccination.CertificateID]int64{}
		_, c.due = s.Today(s.Now())
	}
	if _, known := c.n[id]; known || len(c.n) < mostChecks {
		c.n[id] += n
	}
}

// FlushChecks adds what was counted to the certificates' numbers, where the day in
// which it was counted is over or many different ones wait; with end in any case,
// for a server that ends. What could not be written waits for the next time.
func (s *Service) FlushChecks(ctx context.Context, end bool) error {
	s.mu.Lock()
	waiting := s.checks.n
	if !end && s.Now().Before(s.checks.due) && len(waiting) < enoughChecks {
		waiting = nil
	} else {
		s.checks.n = nil
	}
	s.mu.Unlock()
	// In one order, whatever the order in which they came: where a row lies would
	// tell it else.
	ids := slices.SortedFunc(maps.Keys(waiting), func(a, b vaccination.CertificateID) int { return bytes.Compare(a[:], b[:]) })
	for page := range slices.Chunk(ids, checksPage) {
		var p query.AddChecksParams
		for _, id := range page {
			p.Buckets, p.Ids, p.Ns = append(p.Buckets, int16(id.Bucket())), append(p.Ids, id[:]), append(p.Ns, waiting[id])
		}
		if err := s.Store.Read().AddChecks(ctx, p); err != nil {
			for id, n := range waiting {
				s.checked(id, n)
			}
			s.mu.Lock()
			s.checks.due = s.Now()
			s.mu.Unlock()
			return err
		}
		for _, id := range page {
			delete(waiting, id)
		}
	}
	return nil
}

// Checks is about how often a certificate was checked here, as of the last time that
// numbers were added: "0", "1–9", "10–99" or "100+". The exact number would tell
// whoever looks each day that somebody was asked that day.
func (s *Service) Checks(ctx context.Context, id vaccination.CertificateID) (string, error) {
	n, err := s.Store.Read().ChecksOf(ctx, query.ChecksOfParams{Bucket: int16(id.Bucket()), Certificate: id[:]})
	if err != nil && !registry.IsNone(err) {
		return "", err
	}
	switch {
	case n == 0:
		return "0", nil
	case n < 10:
		return "1–9", nil
	case n < 100:
		return "10–99", nil
	}
	return "100+", nil
}
