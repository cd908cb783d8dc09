package issuance

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Wanted is what is known of somebody who is looked for: one of a certificate's
// id, an enrolment code, a mobile number, or a date of birth with a name
// beginning or a place of vaccination.
type Wanted struct {
	Certificate   vaccination.CertificateID
	EnrolmentCode string
	Mobile        string // in any form that the profile can read
	BirthDate     vaccination.Date
	Name          string // how it, or a part of it, begins
	Centre        string // how the place of a dose begins
}

// Found is somebody who was found: who they are, and one certificate of theirs,
// the latest that stands.
type Found struct {
	Certificate   vaccination.CertificateID
	EnrolmentCode string
	Person        vaccination.Person
	Contacts      []string
	Doses         int // certificates that stand, of whoever they are one with too
}

// maxWanted bounds the people with one birth date or number who are looked at.
const maxWanted = 2000

// FindPeople returns people of whom a certificate stands, at most that many; more
// says that there are others, or that too many had to be looked at. What was
// found by an id or a code is one person. The caller records the search: nothing
// of it is in the audit yet. Too little to look for, or what is no date, number or
// id, is [vaccination.Invalid].
func (s *Service) FindPeople(ctx context.Context, by access.Caller, w Wanted, most int) (found []Found, more bool, err error) {
	if err := by.Can(access.SearchPeople); err != nil {
		return nil, false, err
	}
	rows, err := s.wanted(ctx, by, w)
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) > maxWanted; more {
		rows = rows[:maxWanted]
	}
	people := make([]*Known, len(rows))
	err = inParallel(len(rows), func(i int) error {
		p := &person{row: rows[i]}
		known, err := s.particularsOf(p)
		people[i] = &Known{EnrolmentCode: known.EnrolmentCode, Person: known.Person, Contacts: known.Contacts, ref: p.ref()}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if w.Name != "" {
		people = slices.DeleteFunc(people, func(k *Known) bool { return !begins(k.Person.Name, w.Name) })
	}
	found, err = s.standing(ctx, people, w.Centre)
	if err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(a.Person.Name, b.Person.Name) })
	if len(found) > most {
		return found[:most], true, nil
	}
	return found, more, nil
}

// wanted are the rows of people to look at.
func (s *Service) wanted(ctx context.Context, by access.Caller, w Wanted) ([]query.Person, error) {
	index := func(kind seal.IndexKind, value string) ([]query.Person, error) {
		return s.Store.Read().PeopleByIndex(ctx, query.PeopleByIndexParams{Value: s.Box.Index(kind, value), MaxRows: maxWanted + 1})
	}
	switch {
	case !w.Certificate.IsZero():
		p, _, err := s.find(ctx, by, access.SearchPeople, w.Certificate)
		if vaccination.ErrorCode(err) == vaccination.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []query.Person{p.row}, nil
	case w.EnrolmentCode != "":
		code := normal(vaccination.Event{EnrolmentCode: w.EnrolmentCode}).EnrolmentCode
		return s.Store.Read().PeopleByCode(ctx, query.PeopleByCodeParams{Buckets: []int16{int16(s.Box.Bucket(code))}, Codes: [][]byte{s.codeIndex(code)}})
	case w.Mobile != "":
		number, err := s.Profile.Phone(w.Mobile)
		if err != nil {
			return nil, err
		}
		return index(seal.Mobile, number)
	case !w.BirthDate.IsZero() && (w.Name != "" || w.Centre != ""):
		return index(seal.BirthDate, w.BirthDate.String())
	}
	return nil, vaccination.Errorf(vaccination.Invalid, "a person is found by a certificate, an enrolment code, a mobile number, or a date of birth with a name or place")
}

// begins reports whether a name, or a part of it, begins so.
func begins(name, beginning string) bool {
	name, beginning = plainName(name), plainName(beginning)
	if beginning == "" {
		return false
	}
	return strings.HasPrefix(name, beginning) || strings.Contains(name, " "+beginning)
}

// plainName makes spellings of a name alike that differ in case and spaces.
func plainName(text string) string {
	text = strings.ToLower(norm.NFC.String(text))
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == '.' || r == ',' }), " ")
}

// standing are those of these people of whom a certificate stands, each once,
// however many they are one with.
func (s *Service) standing(ctx context.Context, people []*Known, centre string) ([]Found, error) {
	if len(people) == 0 {
		return nil, nil
	}
	var keys []personKey
	for _, k := range people {
		keys = append(keys, k.ref)
	}
	groups, err := groups(ctx, s.Store.Read(), keys)
	if err != nil {
		return nil, err
	}
	var in query.StandingOfPeopleParams
	asked := map[personKey]bool{}
	for _, k := range keys {
		for _, one := range append([]personKey{k}, groups[k]...) {
			if !asked[one] {
				asked[one] = true
				in.Buckets, in.People = append(in.Buckets, one.bucket), append(in.People, one.id)
			}
		}
	}
	rows, err := s.Store.Read().StandingOfPeople(ctx, in)
	if err != nil {
		return nil, err
	}
	of := map[personKey][]query.StandingOfPeopleRow{}
	for _, r := range rows {
		k := personKey{r.Bucket, r.PersonID}
		of[k] = append(of[k], r)
	}
	var out []Found
	seen := map[personKey]bool{}
	for _, k := range people {
		members := groups[k.ref]
		if len(members) == 0 {
			members = []personKey{k.ref}
		}
		var all []query.StandingOfPeopleRow
		again := false
		for _, one := range members {
			again = again || seen[one]
			all = append(all, of[one]...)
		}
		if again || len(all) == 0 {
			continue
		}
		if centre != "" {
			if ok, err := s.vaccinatedAt(ctx, all, centre); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		seen[k.ref] = true
		latest := all[len(all)-1]
		if own := of[k.ref]; len(own) > 0 { // their own, where they have one
			latest = own[len(own)-1]
		}
		out = append(out, Found{
			Certificate: vaccination.CertificateID(latest.ID), EnrolmentCode: k.EnrolmentCode, Person: k.Person, Contacts: k.Contacts, Doses: len(all),
		})
	}
	return out, nil
}

// vaccinatedAt reports whether the place of one of these doses begins so.
func (s *Service) vaccinatedAt(ctx context.Context, doses []query.StandingOfPeopleRow, centre string) (bool, error) {
	for _, d := range doses {
		row, err := s.Store.Read().CertificateByID(ctx, query.CertificateByIDParams{Bucket: d.Bucket, ID: d.ID})
		if registry.IsNone(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		p, err := s.Store.Read().PersonByID(ctx, query.PersonByIDParams{Bucket: d.Bucket, ID: d.PersonID})
		if err != nil {
			return false, err
		}
		e, err := s.eventOf(&person{row: p}, &version{row: row})
		if err != nil {
			return false, err
		}
		if begins(e.Centre(), centre) {
			return true, nil
		}
	}
	return false, nil
}

// WhoIs returns who certificates are about, as the registry knows them now, for a
// list; the caller records what is shown of it.
func (s *Service) WhoIs(ctx context.Context, by access.Caller, ids []vaccination.CertificateID) (map[vaccination.CertificateID]Found, error) {
	if err := by.Can(access.SearchPeople); err != nil {
		return nil, err
	}
	var in query.PeopleOfCertificatesParams
	for _, id := range ids {
		in.Buckets, in.Ids = append(in.Buckets, int16(id.Bucket())), append(in.Ids, id[:])
	}
	rows, err := s.Store.Read().PeopleOfCertificates(ctx, in)
	if err != nil {
		return nil, err
	}
	known := make([]particulars, len(rows))
	err = inParallel(len(rows), func(i int) (err error) {
		r := rows[i]
		known[i], err = s.particularsOf(&person{row: query.Person{Bucket: r.Bucket, ID: r.ID, CodeIndex: r.CodeIndex, Key: r.Key, Sealed: r.Sealed, UpdatedAt: r.UpdatedAt, Source: r.Source}})
		return err
	})
	out := map[vaccination.CertificateID]Found{}
	for i, r := range rows {
		id := vaccination.CertificateID(r.Certificate)
		out[id] = Found{Certificate: id, EnrolmentCode: known[i].EnrolmentCode, Person: known[i].Person, Contacts: known[i].Contacts}
	}
	return out, err
}

// HolderOf returns whom a certificate is about, with all certificates that stand,
// of whoever they are one with too, by programme and dose. The certificate may be
// an old version. prove sees who they are first, without certificates: what it
// returns ends the call, and nothing was shown or recorded then.
func (s *Service) HolderOf(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string, prove func(Holder) error) (Holder, error) {
	p, _, err := s.find(ctx, by, access.Print, id)
	if err != nil {
		return Holder{}, err
	}
	known, err := s.particularsOf(p)
	if err != nil {
		return Holder{}, err
	}
	h := Holder{EnrolmentCode: known.EnrolmentCode, Source: known.Source, Person: known.Person, Contacts: known.Contacts, Updated: p.row.UpdatedAt}
	if prove != nil {
		if err := prove(h); err != nil {
			return Holder{}, err
		}
	}
	h.Records, err = s.ofAll(ctx, by, p, purpose, func(one *person) ([]*version, error) {
		all, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{one.row.Bucket}, People: []int64{one.row.ID}})
		return current(slices.DeleteFunc(all, func(v *version) bool { return !by.Owns(access.Print, v.row.Source) })), err
	})
	slices.SortStableFunc(h.Records, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Programme, b.Programme), a.Dose-b.Dose, cmp.Compare(a.Certificate.Day(s.Profile.TimeZone).String(), b.Certificate.Day(s.Profile.TimeZone).String()))
	})
	return h, err
}
