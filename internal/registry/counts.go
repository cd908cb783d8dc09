package registry

import (
	"context"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
)

// Counted is something that happened N times. Kind is one of the Count kinds;
// what else is not known is left empty. Nothing in it is personal: Facility is
// the name of a place of vaccination.
type Counted struct {
	Kind, Programme, Product, Facility, Source string
	N                                          int64
}

// The kinds of what is counted. Held is counted by the database where it is
// written.
const (
	CountIssued    = "issued"
	CountCorrected = "corrected"
	CountRevoked   = "revoked"
	CountSuspended = "suspended"
	CountHeld      = "held"
	CountDelivered = "delivered" // messages
	CountFailed    = "failed"    // messages
	CountVerified  = "verified"  // codes, by this server
)

// maxFacility bounds the name of a place that is counted, in characters: what is
// longer is no name.
const maxFacility = 100

// Count adds what happened to the counts, in the caller's transaction. Equal
// ones are added together first; none costs nothing.
func Count(ctx context.Context, q *query.Queries, at time.Time, counts ...Counted) error {
	sums := map[Counted]int64{}
	for _, c := range counts {
		n := c.N
		c.N, c.Facility = 0, CountedFacility(c.Facility)
		sums[c] += n
	}
	p := query.AppendCountsParams{At: at}
	for c, n := range sums {
		if n == 0 {
			continue
		}
		p.Ns, p.Kinds, p.Programmes = append(p.Ns, n), append(p.Kinds, c.Kind), append(p.Programmes, c.Programme)
		p.Products, p.Facilities, p.Sources = append(p.Products, c.Product), append(p.Facilities, c.Facility), append(p.Sources, c.Source)
	}
	if len(p.Ns) == 0 {
		return nil
	}
	return q.AppendCounts(ctx, p)
}

// CountedFacility is the name of a place as it is counted: cut after 100 characters.
func CountedFacility(name string) string {
	if len(name) <= maxFacility {
		return name
	}
	n := 0
	for i := range name {
		if n++; n > maxFacility {
			return name[:i]
		}
	}
	return name
}
