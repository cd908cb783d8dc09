package issuance

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Reached is somebody whose records a citizen's session may open or has opened.
type Reached struct {
	Ref     citizen.Person
	Records []*Record // the newest of each dose that was not only replaced, by programme and dose
	Factor  string    // what opens them, see [Service.Factor]
	Child   bool      // of whom the number is a guardian's
	Closed  bool      // nothing is known that could open them here
	right   []string
	known   particulars
}

// Right reports whether what a citizen gave for the factor is right.
func (s *Service) Right(r *Reached, given string) bool { return s.Knows(r.Factor, r.right, given) }

// Person is who they are by the newest event, for whoever opened their records.
func (r *Reached) Person() vaccination.Person { return r.known.Person }

// Contacts are how they can be reached, as URIs, for whoever opened their records.
func (r *Reached) Contacts() []string { return r.known.Contacts }

// EnrolmentCode names them at their source, for whoever opened their records.
func (r *Reached) EnrolmentCode() string { return r.known.EnrolmentCode }

// OnRecord reports whether somebody is reached by a telephone number in E.164
// and, unless it is "", by an e-mail address in small letters. A number of very
// many people says nothing of who is asking.
func (s *Service) OnRecord(ctx context.Context, number, email string) (bool, error) {
	rows, err := s.Store.Read().PeopleByIndex(ctx, query.PeopleByIndexParams{Value: s.Box.Index(seal.Mobile, number), MaxRows: maxMine + 1})
	if err != nil || len(rows) > maxMine {
		return false, err
	}
	if email == "" {
		wards, err := s.Store.Read().WardsOf(ctx, query.WardsOfParams{Mobile: s.Box.Index(seal.Mobile, number), Now: s.Now().UTC(), MaxRows: 1})
		if err != nil || len(wards) > 0 {
			return err == nil, err
		}
	}
	for _, row := range rows {
		if dead, err := s.Store.Read().IsDeceased(ctx, query.IsDeceasedParams{Bucket: row.Bucket, PersonID: row.ID}); err != nil || dead {
			if err != nil {
				return false, err
			}
			continue
		}
		if email == "" {
			return true, nil
		}
		known, err := s.particularsOf(&person{row: row})
		if err != nil {
			return false, err
		}
		if hasAddress(known.Contacts, func(a string) bool { return a == email }) {
			return true, nil
		}
	}
	return false, nil
}

// hasAddress reports whether one of the e-mail addresses among contacts, in
// small letters, is what is looked for.
func hasAddress(contacts []string, is func(address string) bool) bool {
	return slices.ContainsFunc(contacts, func(c string) bool {
		a, ok := strings.CutPrefix(c, "mailto:")
		return ok && is(strings.ToLower(a))
	})
}

// Reach finds everybody whom a citizen's session reaches: by the number it
// proved, by the e-mail address too where the code went there, and whose records
// it opened. Reading them is audited.
func (s *Service) Reach(ctx context.Context, by *citizen.Session, purpose string) ([]*Reached, error) {
	if err := by.Caller.Can(access.ReadMine); err != nil {
		return nil, err
	}
	people, children, err := s.reachable(ctx, by)
	if err != nil || len(people) == 0 {
		return nil, err
	}
	var in query.CertificatesOfPeopleParams
	for _, p := range people {
		in.Buckets, in.People = append(in.Buckets, p.row.Bucket), append(in.People, p.row.ID)
	}
	all, err := s.certificatesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	shown := map[personKey][]*version{}
	for i, v := range all {
		last := i+1 == len(all) || all[i+1].row.Bucket != v.row.Bucket || all[i+1].row.PersonID != v.row.PersonID ||
			all[i+1].row.Programme != v.row.Programme || all[i+1].row.Dose != v.row.Dose
		if last && v.status() != vaccination.StatusSuperseded {
			key := personKey{v.row.Bucket, v.row.PersonID}
			shown[key] = append(shown[key], v)
		}
	}
	var out []*Reached
	var read []*version
	for _, p := range people {
		versions := shown[p.ref()]
		if len(versions) == 0 {
			continue
		}
		r := &Reached{Ref: citizen.Person{Bucket: p.row.Bucket, ID: p.row.ID}, Child: children[p.ref()]}
		if r.known, err = s.particularsOf(p); err != nil {
			return nil, err
		}
		if len(by.Email) > 0 && !hasAddress(r.known.Contacts, func(a string) bool { return bytes.Equal(citizen.Email(s.Box, a), by.Email) }) {
			continue
		}
		if r.Records, err = s.openAll(p, versions); err != nil {
			return nil, err
		}
		var doses []vaccination.Dose
		for _, c := range r.Records {
			doses = append(doses, s.known(c.Certificate))
		}
		r.Factor, r.right = s.Factor(r.known.Person.BirthDate, doses)
		r.Closed = len(r.right) == 0 && !s.Knows(r.Factor, nil, "")
		read = append(read, versions...)
		out = append(out, r)
	}
	return out, s.auditRead(ctx, by.Caller, purpose, read...)
}

// reachable are the people of a session, each once, and who of them are children
// in somebody's care. The records of who died are for a facility to show.
func (s *Service) reachable(ctx context.Context, by *citizen.Session) (people []*person, children map[personKey]bool, err error) {
	var rows []query.Person
	q := s.Store.Read()
	children = map[personKey]bool{}
	var in query.PeopleByIDParams
	if len(by.Number) > 0 {
		found, err := q.PeopleByIndex(ctx, query.PeopleByIndexParams{Value: by.Number, MaxRows: maxMine + 1})
		if err != nil {
			return nil, nil, err
		}
		if len(found) <= maxMine {
			rows = found
		}
		if len(by.Email) == 0 { // a guardian is one by telephone
			wards, err := q.WardsOf(ctx, query.WardsOfParams{Mobile: by.Number, Now: s.Now().UTC(), MaxRows: maxMine})
			if err != nil {
				return nil, nil, err
			}
			for _, w := range wards {
				key := personKey{w.Bucket, w.PersonID}
				if children[key] = true; !slices.ContainsFunc(rows, func(r query.Person) bool { return r.Bucket == key.bucket && r.ID == key.id }) {
					in.Buckets, in.Ids = append(in.Buckets, w.Bucket), append(in.Ids, w.PersonID)
				}
			}
		}
	}
	for _, identity := range by.Identities { // ways to write one number
		found, err := q.PeopleByIndex(ctx, query.PeopleByIndexParams{Value: identity, MaxRows: maxMine + 1})
		if err != nil {
			return nil, nil, err
		}
		if len(found) <= maxMine {
			rows = append(rows, found...)
		}
	}
	if len(by.Number) == 0 && len(by.Identities) == 0 { // who proved it in another way; who is not reached by a number any more is not shown any more
		for _, p := range by.Opened {
			in.Buckets, in.Ids = append(in.Buckets, p.Bucket), append(in.Ids, p.ID)
		}
	}
	if len(in.Ids) > 0 {
		more, err := q.PeopleByID(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, more...)
	}
	slices.SortFunc(rows, func(a, b query.Person) int { return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.ID, b.ID)) })
	rows = slices.CompactFunc(rows, func(a, b query.Person) bool { return a.Bucket == b.Bucket && a.ID == b.ID })
	for _, row := range rows {
		dead, err := q.IsDeceased(ctx, query.IsDeceasedParams{Bucket: row.Bucket, PersonID: row.ID})
		if err != nil {
			return nil, nil, err
		}
		if !dead {
			people = append(people, &person{row: row})
		}
	}
	return people, children, nil
}

// OpenedPage is [Service.Page] for a citizen's session that opened the record of
// the certificate's person. Every other certificate is [vaccination.NotFound].
func (s *Service) OpenedPage(ctx context.Context, by *citizen.Session, id vaccination.CertificateID, purpose string) (doses []*Record, index int, err error) {
	if err := by.Caller.Can(access.ReadMine); err != nil {
		return nil, 0, err
	}
	people, _, err := s.reachable(ctx, by)
	if err != nil {
		return nil, 0, err
	}
	q := s.Store.Read()
	row, err := q.CertificateByID(ctx, query.CertificateByIDParams{Bucket: int16(id.Bucket()), ID: id[:]})
	if err != nil || !by.HasOpened(citizen.Person{Bucket: row.Bucket, ID: row.PersonID}) {
		return nil, 0, orNoCertificate(err)
	}
	k := slices.IndexFunc(people, func(p *person) bool { return p.row.Bucket == row.Bucket && p.row.ID == row.PersonID })
	if k < 0 {
		return nil, 0, errNoCertificate()
	}
	return s.Page(ctx, reader(by), id, purpose)
}

// reader reads what a session opened, which proved whose it is: as the system
// does, in its own name.
func reader(by *citizen.Session) access.Caller {
	return access.Caller{Actor: by.Caller.Actor, Role: access.SystemAdmin}
}

// ExportOpened is [Service.ExportRecord] for a certificate of [Service.OpenedPage].
func (s *Service) ExportOpened(ctx context.Context, by *citizen.Session, r *Record, format Format) (*Exported, error) {
	return s.ExportRecord(ctx, reader(by), r, format)
}

// PersonOf is whom a certificate is about.
func (s *Service) PersonOf(ctx context.Context, id vaccination.CertificateID) (citizen.Person, error) {
	row, err := s.Store.Read().CertificateByID(ctx, query.CertificateByIDParams{Bucket: int16(id.Bucket()), ID: id[:]})
	if err != nil {
		return citizen.Person{}, orNoCertificate(err)
	}
	return citizen.Person{Bucket: row.Bucket, ID: row.PersonID}, nil
}

// orNoCertificate is err, or that there is no such certificate.
func orNoCertificate(err error) error {
	if err == nil || registry.IsNone(err) {
		return errNoCertificate()
	}
	return err
}
