package intake

import (
	"context"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// Doses is [Service.Outcomes] by the source's ids of doses, for a sender that
// wants to hear of each. Doses that the delivery changed nothing of, or that were
// not looked at yet, are not in the answer; whole is the item of a delivery that
// is about no dose, if there is one.
func (s *Service) Doses(ctx context.Context, source, reference string, ids []string) (found map[string]Item, whole *Item, err error) {
	hash, err := hashOf(reference)
	if err != nil {
		return nil, nil, err
	}
	arrival, err := s.Store.Read().ArrivalByHash(ctx, query.ArrivalByHashParams{Hash: hash, Source: source})
	if registry.IsNone(err) {
		err = errNoArrival()
	}
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.Store.Read().ItemsOfArrival(ctx, arrival.ID)
	if err != nil {
		return nil, nil, err
	}
	dose := map[string]string{} // by key
	for _, id := range ids {
		dose[string(s.key(source, DoseFragment, id))] = id
	}
	found = map[string]Item{}
	for _, r := range rows {
		item, err := itemOf(r, arrival.Hash)
		if err != nil {
			return nil, nil, err
		}
		if len(r.Fragment) == 0 {
			whole = &item
			continue
		}
		if id, ok := dose[string(r.Fragment)]; ok {
			found[id] = item
		}
	}
	return found, whole, nil
}
