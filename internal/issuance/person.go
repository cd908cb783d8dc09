package issuance

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/names"
	"github.com/opendivoc/divoc/internal/registry/pack"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// person is one row of people with everything certified about them, and their
// key once it was needed.
type person struct {
	row      query.Person
	once     sync.Once // opens key; drafts of one person are signed at the same time
	key      *seal.PersonKey
	keyErr   error
	versions []*version // of all records, ordered by programme, dose, version
	fresh    bool       // not in the database yet
	read     []byte     // sealed as it was read, where the row is to be written
	changing []string   // fields that corrections by hand of the same call change
}

// version is one certificate as stored.
type version struct {
	row   query.Certificate
	until time.Time // the end of its suspension, zero for none
}

// hashSize is the length of one keyed hash of an event.
const hashSize = 16

// holds reports whether an event with this hash was certified as v: its own
// content first, then contents that differed only in how to reach the person.
func (v *version) holds(hash []byte) bool {
	for c := v.row.Content; len(c) >= hashSize; c = c[hashSize:] {
		if bytes.Equal(c[:hashSize], hash) {
			return true
		}
	}
	return false
}

// contents is what holds searches once an event with this hash is the newest.
func (v *version) contents(hash []byte) []byte {
	out := bytes.Clone(hash)
	for c := range slices.Chunk(v.row.Content, hashSize) {
		if !bytes.Equal(c, hash) {
			out = append(out, c...)
		}
	}
	return out
}

// newest reports whether the event v holds now has this hash.
func (v *version) newest(hash []byte) bool { return bytes.HasPrefix(v.row.Content, hash) }

func (v *version) number() int { return int(v.row.Version) }

func (v *version) status() vaccination.Status { return statusOf(v.row.Status) }

func (v *version) id() vaccination.CertificateID { return vaccination.CertificateID(v.row.ID) }

// record returns the versions of one record, oldest first.
func (p *person) record(programme string, dose int) []*version {
	var out []*version
	for _, v := range p.versions {
		if v.row.Programme == programme && int(v.row.Dose) == dose {
			out = append(out, v)
		}
	}
	return out
}

// statuses are the states by their number in the database.
func statuses() []vaccination.Status {
	return []vaccination.Status{vaccination.StatusValid, vaccination.StatusSuspended, vaccination.StatusSuperseded, vaccination.StatusRevoked}
}

func statusOf(n int16) vaccination.Status { return statuses()[n] }

func statusNumber(s vaccination.Status) int16 {
	for i, t := range statuses() {
		if s == t {
			return int16(i)
		}
	}
	panic("issuance: unknown status " + string(s))
}

// particulars is what is sealed in a person's row: who they are by the newest
// event, and how to reach them.
type particulars struct {
	EnrolmentCode string              `json:"code"`
	Source        string              `json:"source"`
	Person        vaccination.Person  `json:"person"`
	Contacts      []string            `json:"contacts,omitempty"`
	Address       vaccination.Address `json:"address,omitzero"`
	// Instead is a change of how to reach the person that was made here.
	Instead *instead `json:"instead,omitempty"`
}

// instead keeps a change of contacts that was made here, with evidence, from
// being undone by a source that says what it said before: Are stand until it says
// something else than Were.
type instead struct {
	Were []string `json:"were,omitempty"`
	Are  []string `json:"are,omitempty"`
}

// of is how the person is reached where their source says contacts.
func (i *instead) of(contacts []string) ([]string, *instead) {
	switch {
	case i == nil:
		return contacts, nil
	case slices.Equal(contacts, i.Were) || slices.Equal(contacts, i.Are):
		return i.Are, i
	default:
		return contacts, nil
	}
}

// written is an event as it is stored and hashed.
func written(e vaccination.Event) []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic("issuance: an event cannot be written as JSON: " + err.Error())
	}
	return b
}

// contentHash is the keyed hash by which two events, as written, are the same.
func (s *Service) contentHash(event []byte) []byte { return s.Box.Index(seal.Content, string(event)) }

// newPerson draws an id and a key for a person seen for the first time.
func (s *Service) newPerson(p *person) error {
	var b [8]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return err
	}
	p.row.ID = int64(binary.BigEndian.Uint64(b[:]) >> 1)
	wrapped, key, err := s.Box.NewPersonKey(s.aad(p, "key"))
	if err != nil {
		return err
	}
	p.row.Key, p.key = wrapped, key
	return nil
}

func (s *Service) aad(p *person, column string) []byte {
	return seal.AAD(vaccination.Bucket(p.row.Bucket), p.row.ID, column)
}

func certificateColumn(id vaccination.CertificateID) string { return "certificate " + id.String() }

// unlock opens the person's key.
func (s *Service) unlock(p *person) (*seal.PersonKey, error) {
	p.once.Do(func() {
		if p.key != nil {
			return // a new person's
		}
		if p.erased() {
			p.keyErr = errErased()
			return
		}
		if p.key, p.keyErr = s.Box.PersonKey(p.row.Key, s.aad(p, "key")); p.keyErr != nil {
			p.keyErr = fmt.Errorf("opening a person's key: %w", p.keyErr)
		}
	})
	return p.key, p.keyErr
}

// sealParticulars seals what the person's row holds after event e, and returns e
// with the contacts by which they are reached.
func (s *Service) sealParticulars(p *person, e vaccination.Event) (vaccination.Event, error) {
	var keep *instead
	if !p.fresh {
		before, err := s.particularsOf(p)
		if err != nil {
			return e, err
		}
		e.Contacts, keep = before.Instead.of(e.Contacts)
	}
	return e, s.writeParticulars(p, particulars{e.EnrolmentCode, p.row.Source, e.Person, e.Contacts, e.Address, keep})
}

// writeParticulars seals a person's row.
func (s *Service) writeParticulars(p *person, known particulars) error {
	key, err := s.unlock(p)
	if err != nil {
		return err
	}
	b, err := json.Marshal(known)
	if err != nil {
		return err
	}
	if p.read == nil {
		p.read = p.row.Sealed
	}
	p.row.Sealed, err = key.Seal(b, s.aad(p, "particulars"))
	return err
}

// indexes are the blind indexes by which a person with this event is found, each
// once: two spellings of one number are one.
func (s *Service) indexes(e vaccination.Event) [][]byte {
	var out [][]byte
	add := func(kind seal.IndexKind, value string) {
		index := s.Box.Index(kind, value)
		if !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, index) }) {
			out = append(out, index)
		}
	}
	for _, c := range e.Contacts {
		if number, ok := strings.CutPrefix(c, "tel:+"); ok {
			add(seal.Mobile, "+"+number)
		}
	}
	if !e.Person.BirthDate.IsZero() {
		add(seal.BirthDate, e.Person.BirthDate.String())
	}
	if v := s.nameIndex(e.Person); v != nil {
		out = append(out, v)
	}
	if id := normaliseIdentity(e.Person.Identifier.Value); id != "" {
		add(seal.NationalID, id)
	}
	return out
}

// nameIndex is the blind index of name and birth date together, nil where the
// date is not known to the day. It finds who is recorded twice, also by another
// order or common spelling of the name.
func (s *Service) nameIndex(p vaccination.Person) []byte {
	if p.BirthDate.Precision() != vaccination.PrecisionDay || p.BirthDate.Estimated {
		return nil
	}
	key := names.Parse(p.Name).Key()
	if key == "" {
		return nil
	}
	return s.Box.Index(seal.NameAndBirth, p.BirthDate.String()+" "+key)
}

// normaliseIdentity makes spellings of one identity number alike: letters and
// digits only, upper case.
func normaliseIdentity(v string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r > 0x7f:
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		default:
			return -1
		}
	}, v)
}

// signedParts is what is stored of a certificate: what was said, the
// exact text of the document, the exact bytes of the code.
type signedParts struct {
	event, document, code []byte
}

// open unseals a certificate.
func (s *Service) open(p *person, v *version) (signedParts, error) {
	key, err := s.unlock(p)
	if err != nil {
		return signedParts{}, err
	}
	plain, err := key.Unseal(v.row.Sealed, s.aad(p, certificateColumn(v.id())))
	if err != nil {
		return signedParts{}, fmt.Errorf("opening certificate %s: %w", v.id(), err)
	}
	parts, err := pack.Unpack(plain)
	if err != nil || len(parts) != 3 {
		return signedParts{}, fmt.Errorf("unpacking certificate %s: %d parts, %w", v.id(), len(parts), err)
	}
	return signedParts{event: parts[0], document: parts[1], code: parts[2]}, nil
}

func (s *Service) sealParts(p *person, id vaccination.CertificateID, parts signedParts) ([]byte, error) {
	key, err := s.unlock(p)
	if err != nil {
		return nil, err
	}
	packed, err := pack.Pack(parts.event, parts.document, parts.code)
	if err != nil {
		return nil, err
	}
	return key.Seal(packed, s.aad(p, certificateColumn(id)))
}

// eventOf returns what was said when a stored certificate was issued.
func (s *Service) eventOf(p *person, v *version) (vaccination.Event, error) {
	parts, err := s.open(p, v)
	if err != nil {
		return vaccination.Event{}, err
	}
	var e vaccination.Event
	if err := json.Unmarshal(parts.event, &e); err != nil {
		return vaccination.Event{}, fmt.Errorf("reading the event of certificate %s: %w", v.id(), err)
	}
	return e, nil
}

// loadPeople fills in the people that are in the database, by code index, and
// their certificates.
func (s *Service) loadPeople(ctx context.Context, people map[string]*person, buckets []int16, codes [][]byte) error {
	q := s.Store.Read()
	rows, err := q.PeopleByCode(ctx, query.PeopleByCodeParams{Buckets: buckets, Codes: codes})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	type key struct {
		bucket int16
		id     int64
	}
	byID := map[key]*person{}
	var in query.CertificatesOfPeopleParams
	for _, row := range rows {
		p := people[string(row.CodeIndex)]
		p.row, p.fresh = row, false
		byID[key{row.Bucket, row.ID}] = p
		in.Buckets, in.People = append(in.Buckets, row.Bucket), append(in.People, row.ID)
	}
	versions, err := s.certificatesOf(ctx, in)
	if err != nil {
		return err
	}
	for _, v := range versions {
		p := byID[key{v.row.Bucket, v.row.PersonID}]
		p.versions = append(p.versions, v)
	}
	return nil
}

// certificatesOf returns the certificates of people, oldest first of each
// record, after suspensions that are over were lifted.
func (s *Service) certificatesOf(ctx context.Context, people query.CertificatesOfPeopleParams) ([]*version, error) {
	for again := false; ; again = true {
		rows, err := s.Store.Read().CertificatesOfPeople(ctx, people)
		if err != nil {
			return nil, err
		}
		versions := make([]*version, len(rows))
		for i, row := range rows {
			versions[i] = &version{row: row}
		}
		if lifted, err := s.ended(ctx, versions); err != nil || !lifted || again {
			return versions, err
		}
	}
}
