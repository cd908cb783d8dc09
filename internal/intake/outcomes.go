package intake

import (
	"context"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

func errNoArrival() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such delivery of this source")
}

// hashOf reads a reference.
func hashOf(reference string) ([]byte, error) {
	hash, err := referenceEncoding.DecodeString(reference)
	if err != nil || len(hash) != 16 {
		return nil, errNoArrival()
	}
	return hash, nil
}

// Outcomes are the items of a delivery: one for each dose in it. None as long as
// it waits.
func (s *Service) Outcomes(ctx context.Context, source, reference string) ([]Item, error) {
	hash, err := hashOf(reference)
	if err != nil {
		return nil, err
	}
	row, err := s.Store.Read().ArrivalByHash(ctx, query.ArrivalByHashParams{Hash: hash, Source: source})
	if registry.IsNone(err) {
		return nil, errNoArrival()
	}
	if err != nil {
		return nil, err
	}
	return s.outcomes(ctx, row)
}

func (s *Service) outcomes(ctx context.Context, row query.Arrival) ([]Item, error) {
	items, err := s.Store.Read().ItemsOfArrival(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	out := make([]Item, len(items))
	for i, r := range items {
		if out[i], err = itemOf(r, row.Hash); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Counts is the ledger of every source that delivered something.
func (s *Service) Counts(ctx context.Context) (map[string]Counts, error) {
	rows, err := s.Store.Read().Tallies(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]Counts{}
	for _, r := range rows {
		c := out[r.Source]
		c.In += r.N
		switch ItemState(r.State) {
		case stateWaiting:
			c.Waiting += r.N
		case Issued:
			c.Issued += r.N
		case Unchanged:
			c.Unchanged += r.N
		case Held:
			c.Held += r.N
		case Rejected:
			c.Rejected += r.N
		}
		out[r.Source] = c
	}
	return out, nil
}
