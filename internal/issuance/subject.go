package issuance

import (
	"context"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Subject is whom a certificate is about, and what its record says now, for a
// case about them.
type Subject struct {
	Bucket        int16
	Person        int64
	EnrolmentCode string
	Known         vaccination.Person // who they are, as heard last
	Contacts      []string           // how they are reached
	Programme     string
	Dose          int
	Source        string                    // of the record
	Version       vaccination.CertificateID // that stands; zero for none
	Suspended     bool
	Event         vaccination.Event // as said for the newest version
}

// Subject returns whom a certificate is about, with the newest version of its
// record, for a caller who may do that. The look is recorded.
func (s *Service) Subject(ctx context.Context, by access.Caller, may access.Permission, id vaccination.CertificateID, purpose string) (*Subject, error) {
	p, v, err := s.find(ctx, by, may, id)
	if err != nil {
		return nil, err
	}
	versions, err := s.versionsOf(ctx, by, may, p, v.row.Programme)
	if err != nil {
		return nil, err
	}
	for _, o := range versions {
		if o.row.Dose == v.row.Dose && o.number() > v.number() {
			v = o
		}
	}
	if err := s.auditRead(ctx, by, purpose, v); err != nil {
		return nil, err
	}
	known, err := s.particularsOf(p)
	if err != nil {
		return nil, err
	}
	out := &Subject{
		Bucket: p.row.Bucket, Person: p.row.ID, EnrolmentCode: known.EnrolmentCode, Known: known.Person, Contacts: known.Contacts,
		Programme: v.row.Programme, Dose: int(v.row.Dose), Source: v.row.Source, Suspended: v.status() == vaccination.StatusSuspended,
	}
	if !v.status().Final() {
		out.Version = v.id()
	}
	out.Event, err = s.eventOf(p, v)
	return out, err
}

// PersonSeal seals what another package keeps of one person, under their key: it
// is gone when they are erased.
type PersonSeal struct {
	key    *seal.PersonKey
	bucket vaccination.Bucket
	id     int64
}

// PersonSeal returns the seal of a person. Who is not there, or was erased, is
// [vaccination.NotFound].
func (s *Service) PersonSeal(ctx context.Context, bucket int16, id int64) (*PersonSeal, error) {
	p, err := s.personAt(ctx, s.Store.Read(), bucket, id)
	if err != nil {
		return nil, err
	}
	key, err := s.unlock(p)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.NotFound, "this person's data was erased")
	}
	return &PersonSeal{key, vaccination.Bucket(bucket), id}, nil
}

// Seal seals a value for the place that column names.
func (p *PersonSeal) Seal(plain []byte, column string) ([]byte, error) {
	return p.key.Seal(plain, seal.AAD(p.bucket, p.id, column))
}

// Unseal is the inverse of [PersonSeal.Seal].
func (p *PersonSeal) Unseal(sealed []byte, column string) ([]byte, error) {
	return p.key.Unseal(sealed, seal.AAD(p.bucket, p.id, column))
}

func (s *Service) personAt(ctx context.Context, q *query.Queries, bucket int16, id int64) (*person, error) {
	row, err := q.PersonByID(ctx, query.PersonByIDParams{Bucket: bucket, ID: id})
	if registry.IsNone(err) {
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such person")
	}
	return &person{row: row}, err
}

// Contacts is how a person is reached.
func (s *Service) Contacts(ctx context.Context, bucket int16, id int64) ([]string, error) {
	p, err := s.personAt(ctx, s.Store.Read(), bucket, id)
	if err != nil {
		return nil, err
	}
	known, err := s.particularsOf(p)
	return known.Contacts, err
}

// ChangeContacts changes how a person is reached, by what was decided here with
// evidence, together with what also writes. It stands against a source that goes
// on to say what it said before, see [instead]. change is given the contacts as
// they are.
func (s *Service) ChangeContacts(ctx context.Context, by access.Caller, bucket int16, id int64, change func(now []string) []string, also func(*query.Queries) error) error {
	return s.retry(ctx, func() error {
		return s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := s.notHeld(ctx, q); err != nil {
				return err
			}
			if err := q.LockPeople(ctx, query.LockPeopleParams{Buckets: []int16{bucket}, Ids: []int64{id}}); err != nil {
				return err
			}
			p, err := s.personAt(ctx, q, bucket, id)
			if err != nil {
				return err
			}
			known, err := s.particularsOf(p)
			if err != nil {
				return err
			}
			if known.Instead == nil {
				known.Instead = &instead{Were: known.Contacts}
			}
			known.Contacts = change(slices.Clone(known.Contacts))
			known.Instead.Are = known.Contacts
			at := s.Now().UTC().Truncate(time.Microsecond)
			if err := s.rewrite(ctx, q, at, p, known); err != nil {
				return err
			}
			rows, err := q.AnyCertificates(ctx, query.AnyCertificatesParams{Buckets: []int16{bucket}, People: []int64{id}})
			if err != nil {
				return err
			}
			if err := also(q); err != nil {
				return err
			}
			var entries []registry.Entry
			for _, r := range rows {
				entries = append(entries, registry.Entry{Chain: registry.GroupOf(bucket), Act: actContact, Object: vaccination.CertificateID(r.ID).String(), Detail: "by a case"})
			}
			return registry.Audit(ctx, q, at, by.Actor, entries...)
		})
	})
}

// rewrite writes a person's row and indexes anew.
func (s *Service) rewrite(ctx context.Context, q *query.Queries, at time.Time, p *person, known particulars) error {
	if err := s.writeParticulars(p, known); err != nil {
		return err
	}
	one := query.DeletePersonIndexesParams{Buckets: []int16{p.row.Bucket}, Ids: []int64{p.row.ID}}
	n, err := q.UpdatePeople(ctx, query.UpdatePeopleParams{UpdatedAt: at, Buckets: one.Buckets, Ids: one.Ids, Befores: [][]byte{p.read}, Sealeds: [][]byte{p.row.Sealed}})
	if err == nil && n != 1 {
		err = registry.ErrChanged
	}
	if err != nil {
		return err
	}
	if err := q.DeletePersonIndexes(ctx, one); err != nil {
		return err
	}
	var in query.InsertPersonIndexesParams
	for _, v := range s.indexes(vaccination.Event{Person: known.Person, Contacts: known.Contacts}) {
		in.Vals, in.Buckets, in.Ids = append(in.Vals, v), append(in.Buckets, p.row.Bucket), append(in.Ids, p.row.ID)
	}
	if len(in.Vals) == 0 {
		return nil
	}
	return q.InsertPersonIndexes(ctx, in)
}

// Bucket is where somebody with an enrolment code lies.
func (s *Service) Bucket(enrolmentCode string) int16 { return int16(s.Box.Bucket(enrolmentCode)) }
