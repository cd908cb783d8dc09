package issuance

import (
	"context"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Twice is a dose that two people have a certificate of who are found by one
// number or name, and of whom nobody said whether they are one.
type Twice struct {
	People       [2]*Known
	Certificates [2]vaccination.CertificateID
	Programme    string
	Dose         int
}

// sharedPage is how many blind indexes are looked at at once.
const sharedPage = 500

// Twice calls each for every dose that is certified twice among people who have
// a number, or a name and birth date, in common; often for the same pair. What
// they have in common may be a birth date alone: each has to compare. It reads
// all indexes, a page at a time, and is recorded once.
func (s *Service) Twice(ctx context.Context, by access.Caller, each func(Twice) error) error {
	if err := by.Can(access.MergePeople); err != nil {
		return err
	}
	err := registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "person.duplicates"})
	if err != nil {
		return err
	}
	for after := []byte{}; ; {
		rows, err := s.Store.Read().SharedIndexes(ctx, query.SharedIndexesParams{After: after, Most: maxLike, MaxRows: sharedPage})
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].Value
		found, err := s.twice(ctx, rows)
		if err != nil {
			return err
		}
		for _, t := range found {
			if err := each(t); err != nil {
				return err
			}
		}
	}
}

// twice is what is certified twice among the people of a page of indexes.
func (s *Service) twice(ctx context.Context, rows []query.PersonIndex) ([]Twice, error) {
	var in query.DosesOfPeopleParams
	near := map[string][]personKey{}
	for _, r := range rows {
		near[string(r.Value)] = append(near[string(r.Value)], personKey{r.Bucket, r.PersonID})
		in.Buckets, in.People = append(in.Buckets, r.Bucket), append(in.People, r.PersonID)
	}
	certified, err := s.Store.Read().DosesOfPeople(ctx, in)
	if err != nil {
		return nil, err
	}
	doses := map[personKey][]query.DosesOfPeopleRow{}
	for _, d := range certified {
		k := personKey{d.Bucket, d.PersonID}
		if !slices.ContainsFunc(doses[k], func(o query.DosesOfPeopleRow) bool { return slices.Equal(o.ID, d.ID) }) {
			doses[k] = append(doses[k], d)
		}
	}
	type pair struct{ a, b personKey }
	found := map[pair]Twice{}
	for _, keys := range near {
		for i, a := range keys {
			for _, b := range keys[i+1:] {
				for _, x := range doses[a] {
					for _, y := range doses[b] {
						if x.Programme == y.Programme && x.Dose == y.Dose {
							found[pair{a, b}] = Twice{Certificates: [2]vaccination.CertificateID{vaccination.CertificateID(x.ID), vaccination.CertificateID(y.ID)}, Programme: x.Programme, Dose: int(x.Dose)}
						}
					}
				}
			}
		}
	}
	var keys []personKey
	for p := range found {
		if apart, err := s.decided(ctx, p.a, p.b); err != nil {
			return nil, err
		} else if apart {
			delete(found, p)
			continue
		}
		keys = append(keys, p.a, p.b)
	}
	people, err := s.openPeople(ctx, keys)
	if err != nil {
		return nil, err
	}
	var out []Twice
	for p, t := range found {
		t.People = [2]*Known{people[p.a], people[p.b]}
		out = append(out, t)
	}
	return out, nil
}

// decided reports whether somebody said of two people whether they are one: they
// are, by a link, or a link between them was ended.
func (s *Service) decided(ctx context.Context, a, b personKey) (bool, error) {
	group, err := groups(ctx, s.Store.Read(), []personKey{a})
	if err != nil || slices.Contains(group[a], b) {
		return true, err
	}
	rows, err := s.Store.Read().LinksOfPerson(ctx, query.LinksOfPersonParams{Bucket: a.bucket, PersonID: a.id})
	return slices.ContainsFunc(rows, func(r query.PersonLink) bool { return personKey{r.OtherBucket, r.OtherID} == b }), err
}
