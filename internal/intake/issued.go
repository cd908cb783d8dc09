package intake

import (
	"context"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// IssuedDose is one dose of a source for which something was issued.
type IssuedDose struct {
	Number      int64  // orders them
	Person      string // the source's id
	Certificate vaccination.CertificateID
}

// IssuedSince returns the doses of a source for which certificates were issued
// or corrected behind a number, in order, at most max. It is for telling the
// source, which delivered all of it.
func (s *Service) IssuedSince(ctx context.Context, source string, after int64, max int) ([]IssuedDose, error) {
	rows, err := s.Store.Read().IssuedItems(ctx, query.IssuedItemsParams{Source: source, After: after, MaxRows: int32(max)})
	if err != nil {
		return nil, err
	}
	out := make([]IssuedDose, len(rows))
	for i, r := range rows {
		f, err := s.open(query.Fragment{Source: source, Key: r.Key, Sealed: r.Sealed})
		if err != nil {
			return nil, err
		}
		out[i] = IssuedDose{Number: r.Number, Person: f.state.Fragment.Person, Certificate: vaccination.CertificateID(r.Certificate)}
	}
	return out, nil
}
