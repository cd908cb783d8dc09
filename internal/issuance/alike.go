package issuance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Callers that name people by codes of their own (the API for events, DIVOC's,
// files) are answered with a certificate, and who they named is compared with
// everybody else right after: by following the audit, which says of each
// certificate that it was issued. Issuing knows nothing of it.

// Alike are two people who have a number, or a name and birth date, in common, the
// one for whom a certificate was issued just now and another. They still have to
// be compared.
type Alike struct {
	People [2]*Known
	// Same and Differs are for whoever compares them: one number of one document
	// and all else agrees; fields of an event in which they differ.
	Same    bool
	Differs []string
}

// newcomersPage is how many entries of the audit are followed at once.
const newcomersPage = 1000

// Newcomers returns who may be known already among those for whom certificates
// were issued, by the entries of an audit chain after one; last is the last entry
// that was looked at, after where there is none. What sources delivered is left
// out: it was compared before it was issued.
func (s *Service) Newcomers(ctx context.Context, chain int16, after int64) (found []Alike, last int64, err error) {
	entries, err := s.Store.Read().AuditAfter(ctx, query.AuditAfterParams{Chain: chain, Seq: after, MaxRows: newcomersPage})
	if err != nil || len(entries) == 0 {
		return nil, after, err
	}
	last = entries[len(entries)-1].Seq
	keys, err := s.issuedTo(ctx, entries)
	if err != nil || len(keys) == 0 {
		return nil, last, err
	}
	came, err := s.openPeople(ctx, keys)
	if err != nil {
		return nil, after, err
	}
	seen, values := map[personKey]*Seen{}, [][]byte(nil)
	for k, p := range came {
		seen[k] = s.seen(vaccination.Event{Person: p.Person, Contacts: p.Contacts})
		values = append(values, seen[k].Values...)
	}
	hits, err := s.hits(ctx, s.Store.Read(), values)
	if err != nil {
		return nil, after, err
	}
	var others []personKey
	for _, near := range hits {
		if len(near) > 1 && len(near) <= maxLike { // one is who came
			others = append(others, near...)
		}
	}
	like, err := s.openPeople(ctx, others)
	if err != nil {
		return nil, after, err
	}
	paired := map[[2]personKey]bool{}
	for _, k := range keys {
		for _, other := range seen[k].take(hits, like) {
			low, high := inOrder(k, other.ref)
			if pair := [2]personKey{low, high}; other.ref != k && !paired[pair] {
				paired[pair] = true
				found = append(found, Alike{People: [2]*Known{came[k], other}})
			}
		}
	}
	return found, last, nil
}

// issuedTo are the people of certificates that entries say were issued, without
// those that came by the intake and those that were erased since.
func (s *Service) issuedTo(ctx context.Context, entries []query.Audit) ([]personKey, error) {
	var ids [][]byte
	for _, e := range entries {
		id, err := vaccination.ParseCertificateID(e.Object)
		if e.Act == string(Issued) && err == nil && !strings.HasPrefix(e.Actor, "intake:") {
			ids = append(ids, id[:])
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	q := s.Store.Read()
	decided, err := q.CertificatesOfItems(ctx, ids) // released by somebody who compared them
	if err != nil {
		return nil, err
	}
	by := map[string]bool{}
	for _, id := range decided {
		by[string(id)] = true
	}
	var of query.CertificatesByIDsParams
	for _, id := range ids {
		if !by[string(id)] {
			of.Buckets, of.Ids = append(of.Buckets, int16(vaccination.CertificateID(id).Bucket())), append(of.Ids, id)
		}
	}
	rows, err := q.CertificatesByIDs(ctx, of)
	if err != nil {
		return nil, err
	}
	var keys []personKey
	known := map[personKey]bool{}
	for _, r := range rows {
		k := personKey{r.Bucket, r.PersonID}
		if !known[k] && len(r.Sealed) > 0 {
			known[k] = true
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// KeepAlike writes down people who were compared and are alike, unless somebody
// said what they are, and that a chain was followed from after to last. Where
// somebody else followed it meanwhile nothing is written. It returns how many
// pairs are new.
func (s *Service) KeepAlike(ctx context.Context, chain int16, after, last int64, alike []Alike) (kept int64, err error) {
	in := query.InsertLikenessesParams{FoundAt: s.Now().UTC()}
	for _, a := range alike {
		apart, err := s.decided(ctx, a.People[0].ref, a.People[1].ref)
		if err != nil {
			return 0, err
		}
		if !apart {
			if err := s.addAlike(ctx, &in, a); err != nil {
				return 0, err
			}
		}
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.MoveLikenessSeen(ctx, query.MoveLikenessSeenParams{Chain: chain, Before: after, Seq: last})
		if err != nil || n == 0 || len(in.People) == 0 {
			return err
		}
		kept, err = q.InsertLikenesses(ctx, in)
		return err
	})
	return kept, err
}

// addAlike adds a pair, with a dose that both have where there is one.
func (s *Service) addAlike(ctx context.Context, in *query.InsertLikenessesParams, a Alike) error {
	low, high := inOrder(a.People[0].ref, a.People[1].ref)
	doses, err := s.Store.Read().DosesOfPeople(ctx, query.DosesOfPeopleParams{Buckets: []int16{low.bucket, high.bucket}, People: []int64{low.id, high.id}})
	if err != nil {
		return err
	}
	var one, other *query.DosesOfPeopleRow
	for i := range doses {
		for j := range doses {
			x, y := &doses[i], &doses[j]
			if (personKey{x.Bucket, x.PersonID}) != low || (personKey{y.Bucket, y.PersonID}) != high {
				continue
			}
			if one == nil || x.Programme == y.Programme && x.Dose == y.Dose {
				one, other = x, y
			}
		}
	}
	if one == nil {
		return nil // nothing of theirs stands any more
	}
	programme, dose := "", int16(0)
	if one.Programme == other.Programme && one.Dose == other.Dose {
		programme, dose = one.Programme, one.Dose
	}
	in.Buckets, in.People, in.Certificates = append(in.Buckets, low.bucket), append(in.People, low.id), append(in.Certificates, one.ID)
	in.OtherBuckets, in.Others, in.OtherCertificates = append(in.OtherBuckets, high.bucket), append(in.Others, high.id), append(in.OtherCertificates, other.ID)
	in.Programmes, in.Doses, in.Sames = append(in.Programmes, programme), append(in.Doses, dose), append(in.Sames, a.Same)
	in.Differs = append(in.Differs, strings.Join(a.Differs, " "))
	return nil
}

// Likeness is a pair of people who look like one, named by certificates.
type Likeness struct {
	ID           int64                        `json:"id"`
	Certificates [2]vaccination.CertificateID `json:"certificates"`
	Programme    string                       `json:"programme,omitempty"` // of the dose that both have
	Dose         int                          `json:"dose,omitempty"`      // that both have; 0 for none
	Same         bool                         `json:"same"`                // one number of one document, and the rest agrees
	Differs      []string                     `json:"differs"`             // fields of an event
	Found        time.Time                    `json:"found"`
}

// Likenesses lists pairs of whom nobody said what they are, after one, the oldest
// first. Nothing in it is personal.
func (s *Service) Likenesses(ctx context.Context, by access.Caller, after int64, most int) ([]Likeness, error) {
	if err := by.Can(access.MergePeople); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().Likenesses(ctx, query.LikenessesParams{After: after, MaxRows: int32(most)})
	out := make([]Likeness, len(rows))
	for i, r := range rows {
		out[i] = Likeness{r.ID, [2]vaccination.CertificateID{vaccination.CertificateID(r.Certificate), vaccination.CertificateID(r.OtherCertificate)}, r.Programme, int(r.Dose), r.Same, strings.Fields(r.Differs), r.FoundAt.UTC()}
	}
	return out, err
}

// CountLikenesses is how many pairs wait for somebody to say what they are.
func (s *Service) CountLikenesses(ctx context.Context) (int64, error) {
	return s.Store.Read().CountLikenesses(ctx)
}

// CloseLikeness says that a pair are two people, and why.
func (s *Service) CloseLikeness(ctx context.Context, by access.Caller, id int64, reason string) error {
	if err := by.Can(access.MergePeople); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	now := s.Now().UTC()
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.CloseLikeness(ctx, query.CloseLikenessParams{ID: id, At: now, By: by.Actor, Why: reason})
		if err == nil && n != 1 {
			err = vaccination.Errorf(vaccination.NotFound, "nothing waits under this number: somebody may have decided it")
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "person.distinct", Object: fmt.Sprint("likeness ", id), Detail: reason})
	})
}

// LikenessSeen is how far each audit chain was followed.
func (s *Service) LikenessSeen(ctx context.Context) (map[int16]int64, error) {
	rows, err := s.Store.Read().LikenessSeen(ctx)
	out := make(map[int16]int64, len(rows))
	for _, r := range rows {
		out[r.Chain] = r.Seq
	}
	return out, err
}
