package intake

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// IssuedDose is one dose of a source for which something was issued.
type IssuedDose struct {
	Person      string // the source's id
	Certificate vaccination.CertificateID
}

// told is how far a source was told of its certificates.
type told struct {
	Issued  int64     `json:"issued,omitempty"` // number of the item that made the last certificate
	Changed time.Time `json:"changed,omitzero"` // when the state of the last one changed
	ID      []byte    `json:"id,omitempty"`     // of that one, as many may change at once
}

// changesSettle is how long a change of a state may take to be written: one with
// an earlier time may be seen later. What changed in it is told again.
const changesSettle = 5 * time.Minute

// IssuedSince returns the doses of a source for which certificates were issued or
// corrected, or changed their state in any other way, behind a mark, at most
// max, the next mark, and whether there may be more; the first mark is empty. The
// last changes are told more than once. It is for telling the source, which
// delivered all of it.
func (s *Service) IssuedSince(ctx context.Context, source, mark string, max int) (out []IssuedDose, next string, more bool, err error) {
	var t told
	if mark != "" {
		if err := json.Unmarshal([]byte(mark), &t); err != nil {
			return nil, "", false, err
		}
	}
	add := func(certificate, key, sealed []byte) error {
		f, err := s.open(query.Fragment{Source: source, Key: key, Sealed: sealed})
		if err == nil {
			out = append(out, IssuedDose{Person: f.state.Fragment.Person, Certificate: vaccination.CertificateID(certificate)})
		}
		return err
	}
	issued, err := s.Store.Read().IssuedItems(ctx, query.IssuedItemsParams{Source: source, After: t.Issued, MaxRows: int32(max)})
	if err != nil {
		return nil, "", false, err
	}
	for _, r := range issued {
		if err := add(r.Certificate, r.Key, r.Sealed); err != nil {
			return nil, "", false, err
		}
		t.Issued = r.Number
	}
	if more = len(issued) > 0; !more {
		settled := s.Now().UTC().Add(-changesSettle)
		changed, err := s.Store.Read().ChangedCertificates(ctx, query.ChangedCertificatesParams{Source: source, After: t.Changed, AfterID: t.ID, MaxRows: int32(max)})
		if err != nil {
			return nil, "", false, err
		}
		for _, r := range changed {
			if err := add(r.ID, r.Key, r.Sealed); err != nil {
				return nil, "", false, err
			}
			t.Changed, t.ID = r.StatusAt, r.ID
		}
		if more = len(changed) == max; !more && t.Changed.After(settled) {
			t.Changed, t.ID = settled, nil
		}
	}
	encoded, err := json.Marshal(t)
	return out, string(encoded), more, err
}
