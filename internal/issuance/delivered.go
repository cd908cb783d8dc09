package issuance

import (
	"context"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Delivered returns certificates, every version, that the caller's source
// delivered, in the order they were issued: at most limit after the one of id
// after, the first ones where that is zero. more says that there are others. An
// after that is not the caller's is [vaccination.Invalid].
func (s *Service) Delivered(ctx context.Context, by access.Caller, after vaccination.CertificateID, limit int, purpose string) (list []*Record, more bool, err error) {
	if err := by.CanWhole(access.Read); err != nil {
		return nil, false, err
	}
	in := query.CertificatesDeliveredParams{Source: by.Source, ID: []byte{}, MaxRows: int32(limit) + 1}
	in.IssuedAt = time.Unix(0, 0)
	if !after.IsZero() {
		_, v, err := s.find(ctx, by, access.Read, after)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			return nil, false, vaccination.Errorf(vaccination.Invalid, "after names no certificate of yours: take the id of the last row there was")
		}
		if err != nil {
			return nil, false, err
		}
		in.IssuedAt, in.ID = v.row.IssuedAt, v.row.ID
	}
	rows, err := s.Store.Read().CertificatesDelivered(ctx, in)
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > limit; more {
		rows = rows[:limit]
	}
	versions := make([]*version, len(rows))
	for i, row := range rows {
		versions[i] = &version{row: row}
	}
	if lifted, err := s.ended(ctx, versions); err != nil {
		return nil, false, err
	} else if lifted {
		return s.Delivered(ctx, by, after, limit, purpose)
	}
	people, err := s.peopleOf(ctx, rows)
	if err != nil {
		return nil, false, err
	}
	if err := s.auditRead(ctx, by, purpose, versions...); err != nil {
		return nil, false, err
	}
	list = make([]*Record, len(rows))
	for i, row := range rows {
		if list[i], err = s.openRecord(people[personKey{row.Bucket, row.PersonID}], versions[i]); err != nil {
			return nil, false, err
		}
	}
	return list, more, nil
}

// personKey is the primary key of a person.
type personKey struct {
	bucket int16
	id     int64
}

// peopleOf loads the people whom certificates are about.
func (s *Service) peopleOf(ctx context.Context, certificates []query.Certificate) (map[personKey]*person, error) {
	var in query.PeopleByIDParams
	out := map[personKey]*person{}
	for _, c := range certificates {
		key := personKey{c.Bucket, c.PersonID}
		if out[key] == nil {
			out[key] = &person{}
			in.Buckets, in.Ids = append(in.Buckets, c.Bucket), append(in.Ids, c.PersonID)
		}
	}
	rows, err := s.Store.Read().PeopleByID(ctx, in)
	for _, row := range rows {
		out[personKey{row.Bucket, row.ID}].row = row
	}
	return out, err
}

// maxMine is how many people one mobile number may reach. A number of more is a
// clinic's or an office's, and opens nobody's records.
const maxMine = 20

// Mine returns the certificates that stand of everybody who is reached by the
// mobile number of the caller, an [access.Recipient]: by person, programme and
// dose. There may be none.
func (s *Service) Mine(ctx context.Context, by access.Caller, purpose string) ([]*Record, error) {
	people, err := s.mine(ctx, by)
	if err != nil {
		return nil, err
	}
	var all []*version
	for _, p := range people {
		all = append(all, p.versions...)
	}
	if err := s.auditRead(ctx, by, purpose, all...); err != nil {
		return nil, err
	}
	var out []*Record
	for _, p := range people {
		records, err := s.openAll(p, p.versions)
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// MyPage is [Service.Page] for a caller who is an [access.Recipient]: of their
// own certificates that stand.
func (s *Service) MyPage(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) (doses []*Record, index int, err error) {
	people, err := s.mine(ctx, by)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range people {
		k := slices.IndexFunc(p.versions, func(v *version) bool { return v.id() == id })
		if k < 0 {
			continue
		}
		page := slices.DeleteFunc(slices.Clone(p.versions), func(v *version) bool { return v.row.Programme != p.versions[k].row.Programme })
		if err := s.auditRead(ctx, by, purpose, page...); err != nil {
			return nil, 0, err
		}
		doses, err = s.openAll(p, page)
		return doses, slices.IndexFunc(doses, func(r *Record) bool { return r.ID == id }), err
	}
	return nil, 0, errNoCertificate()
}

// mine loads the people who are reached by the caller's mobile number, with the
// versions of theirs that stand.
func (s *Service) mine(ctx context.Context, by access.Caller) ([]*person, error) {
	if err := by.Can(access.ReadMine); err != nil {
		return nil, err
	}
	number, err := s.Profile.Phone(by.Mobile)
	if err != nil {
		return nil, vaccination.Errorf(vaccination.Forbidden, "the mobile number in this token is none of this country's, and none with + and a country code")
	}
	rows, err := s.Store.Read().PeopleByIndex(ctx, query.PeopleByIndexParams{Value: s.Box.Index(seal.Mobile, number), MaxRows: maxMine + 1})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if len(rows) > maxMine {
		return nil, vaccination.Errorf(vaccination.Forbidden, "this mobile number reaches more than %d people, so it says nothing of who is asking: ask where you were vaccinated", maxMine)
	}
	var in query.CertificatesOfPeopleParams
	people := make([]*person, len(rows))
	for i, row := range rows {
		people[i] = &person{row: row}
		in.Buckets, in.People = append(in.Buckets, row.Bucket), append(in.People, row.ID)
	}
	versions, err := s.certificatesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		k := slices.IndexFunc(people, func(p *person) bool { return p.row.Bucket == v.row.Bucket && p.row.ID == v.row.PersonID })
		if k >= 0 && !v.status().Final() {
			people[k].versions = append(people[k].versions, v)
		}
	}
	return people, nil
}
