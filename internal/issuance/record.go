package issuance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Record is one stored certificate, opened for somebody who may read it.
type Record struct {
	ID        vaccination.CertificateID
	Programme string
	Dose      int
	Version   int
	Status    vaccination.Status
	StatusAt  time.Time
	Reason    string // why the status is what it is
	// SuspendedUntil is when a suspension ends, zero for one without an end.
	SuspendedUntil time.Time
	IssuedAt       time.Time
	Replaces       vaccination.CertificateID // zero for a first version
	Source         string
	Enrolment      string // the person's code, as first received with this version
	Certificate    vaccination.Certificate
	Document       []byte // the signed W3C credential, exactly as issued
	Code           string // the text of the QR code

	person *person
	row    query.Certificate
}

// errNoCertificate is what a caller hears of a certificate that does not exist
// and of one that is not theirs to see.
func errNoCertificate() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such certificate, or it was delivered by another source")
}

// ByID returns one certificate. purpose says in the audit what it was read for.
func (s *Service) ByID(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) (*Record, error) {
	p, v, err := s.find(ctx, by, access.Read, id)
	if err != nil {
		return nil, err
	}
	if err := s.auditRead(ctx, by, purpose, v); err != nil {
		return nil, err
	}
	return s.openRecord(p, v)
}

// ByCode returns every version of every dose of a person in a programme, by
// dose and version. An empty programme means the caller's default. None is
// [vaccination.NotFound].
func (s *Service) ByCode(ctx context.Context, by access.Caller, programme, code, purpose string) ([]*Record, error) {
	p, versions, err := s.findByCode(ctx, by, access.Read, programme, code)
	if err != nil {
		return nil, err
	}
	if err := s.auditRead(ctx, by, purpose, versions...); err != nil {
		return nil, err
	}
	return s.openAll(p, versions)
}

// Page returns what a page about a certificate shows: the current doses of its
// person, and of whoever they are one with, in its programme, by dose, and which
// of them the certificate is. A certificate that is not current has no page: [vaccination.Conflict] says so.
func (s *Service) Page(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) (doses []*Record, index int, err error) {
	p, v, err := s.find(ctx, by, access.Read, id)
	if err != nil {
		return nil, 0, err
	}
	if v.status().Final() {
		return nil, 0, vaccination.Errorf(vaccination.Conflict, "this certificate is %s; ask for the current one", v.status())
	}
	doses, err = s.page(ctx, by, p, v.row.Programme, purpose)
	if err != nil {
		return nil, 0, err
	}
	index = slices.IndexFunc(doses, func(r *Record) bool { return r.ID == id })
	if index < 0 {
		return nil, 0, errNoCertificate() // it was replaced between the two reads
	}
	return doses, index, nil
}

// PageByCode is [Service.Page] for the latest current dose or test of an enrolment
// code.
func (s *Service) PageByCode(ctx context.Context, by access.Caller, programme, code, purpose string) (doses []*Record, index int, err error) {
	p, versions, err := s.findByCode(ctx, by, access.Read, programme, code)
	if err != nil {
		return nil, 0, err
	}
	if len(current(versions)) == 0 {
		return nil, 0, errNoCertificate()
	}
	doses, err = s.page(ctx, by, p, versions[0].row.Programme, purpose)
	return doses, len(doses) - 1, err
}

// page returns the current doses of a person, and of whoever they are one with,
// in a programme, by dose and date.
func (s *Service) page(ctx context.Context, by access.Caller, p *person, programme, purpose string) ([]*Record, error) {
	records, err := s.ofAll(ctx, by, p, purpose, func(p *person) ([]*version, error) {
		versions, err := s.versionsOf(ctx, by, access.Read, p, programme)
		return current(versions), err
	})
	slices.SortStableFunc(records, func(a, b *Record) int {
		x, y := a.Certificate, b.Certificate
		if x.IsTest() && y.IsTest() { // their numbers tell nothing of their order
			return x.Test.Date.Compare(y.Test.Date)
		}
		return cmp.Or(a.Dose-b.Dose, cmp.Compare(x.Vaccination.Date.String(), y.Vaccination.Date.String()))
	})
	return records, err
}

// ofAll opens certificates of a person and of whoever they are one with, the
// person's first.
func (s *Service) ofAll(ctx context.Context, by access.Caller, p *person, purpose string, of func(*person) ([]*version, error)) ([]*Record, error) {
	people, err := s.linked(ctx, p)
	if err != nil {
		return nil, err
	}
	var all []*version
	versions := make([][]*version, len(people))
	for i, one := range people {
		if versions[i], err = of(one); err != nil {
			return nil, err
		}
		all = append(all, versions[i]...)
	}
	if err := s.auditRead(ctx, by, purpose, all...); err != nil {
		return nil, err
	}
	var out []*Record
	for i, one := range people {
		records, err := s.openAll(one, versions[i])
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	return out, nil
}

// Search is [Service.ByCode] with the certificates of whoever the person is one
// with behind their own. Each has the enrolment code it was issued under.
func (s *Service) Search(ctx context.Context, by access.Caller, programme, code, purpose string) ([]*Record, error) {
	p, versions, err := s.findByCode(ctx, by, access.Read, programme, code)
	if err != nil {
		return nil, err
	}
	return s.ofAll(ctx, by, p, purpose, func(one *person) ([]*version, error) {
		if one == p {
			return versions, nil
		}
		return s.versionsOf(ctx, by, access.Read, one, versions[0].row.Programme)
	})
}

// Latest returns the newest current certificates; it is for demonstrations.
func (s *Service) Latest(ctx context.Context, by access.Caller, n int) ([]*Record, error) {
	rows, err := s.Store.Read().LatestCertificates(ctx, int32(n))
	if err != nil {
		return nil, err
	}
	var out []*Record
	for _, row := range rows {
		r, err := s.ByID(ctx, by, vaccination.CertificateID(row.ID), "list")
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// current keeps the versions that stand, one per dose.
func current(versions []*version) []*version {
	return slices.DeleteFunc(slices.Clone(versions), func(v *version) bool { return v.status().Final() })
}

// find loads a certificate the caller may do something to.
func (s *Service) find(ctx context.Context, by access.Caller, may access.Permission, id vaccination.CertificateID) (*person, *version, error) {
	if err := by.Can(may); err != nil {
		return nil, nil, err
	}
	q := s.Store.Read()
	get := query.CertificateByIDParams{Bucket: int16(id.Bucket()), ID: id[:]}
	row, err := q.CertificateByID(ctx, get)
	if registry.IsNone(err) || err == nil && !(by.Owns(may, row.Source) && by.In(row.Programme)) {
		return nil, nil, errNoCertificate()
	}
	if err != nil {
		return nil, nil, err
	}
	v := &version{row: row}
	lifted, err := s.ended(ctx, []*version{v})
	if err == nil && lifted {
		*v = version{}
		v.row, err = q.CertificateByID(ctx, get)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := q.PersonByID(ctx, query.PersonByIDParams{Bucket: row.Bucket, ID: row.PersonID})
	if err != nil {
		return nil, nil, err
	}
	return &person{row: p}, v, nil
}

// findByCode loads the versions of a programme of an enrolment code that the
// caller may do something to.
func (s *Service) findByCode(ctx context.Context, by access.Caller, may access.Permission, programme, code string) (*person, []*version, error) {
	if err := by.Can(may); err != nil {
		return nil, nil, err
	}
	if programme == "" {
		source, err := s.sourceOf(ctx, by.Source)
		if err != nil {
			return nil, nil, err
		}
		programme = source.Programme
	}
	pr, ok := s.Profile.Programme(programme, "")
	if !ok {
		return nil, nil, errNoCertificate()
	}
	code = normal(vaccination.Event{EnrolmentCode: code}).EnrolmentCode
	index := s.codeIndex(code)
	p := &person{fresh: true}
	if err := s.loadPeople(ctx, map[string]*person{string(index): p}, []int16{int16(s.Box.Bucket(code))}, [][]byte{index}); err != nil {
		return nil, nil, err
	}
	var out []*version
	for _, v := range p.versions {
		if v.row.Programme == pr.Key && by.In(pr.Key) && by.Owns(may, v.row.Source) {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		return nil, nil, errNoCertificate()
	}
	return p, out, nil
}

func (s *Service) versionsOf(ctx context.Context, by access.Caller, may access.Permission, p *person, programme string) ([]*version, error) {
	all, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{p.row.Bucket}, People: []int64{p.row.ID}})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v *version) bool {
		return v.row.Programme != programme || !by.In(programme) || !by.Owns(may, v.row.Source)
	}), nil
}

func (s *Service) openAll(p *person, versions []*version) ([]*Record, error) {
	out := make([]*Record, len(versions))
	for i, v := range versions {
		r, err := s.openRecord(p, v)
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	return out, nil
}

func (s *Service) openRecord(p *person, v *version) (*Record, error) {
	parts, err := s.open(p, v)
	if err != nil {
		return nil, err
	}
	document, err := vc.Parse(parts.document)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", v.id(), err)
	}
	code, err := hcert.Text(parts.code)
	if err != nil {
		return nil, fmt.Errorf("reading certificate %s: %w", v.id(), err)
	}
	var said struct {
		EnrolmentCode string `json:"enrolmentCode"`
	}
	if err := json.Unmarshal(parts.event, &said); err != nil {
		return nil, fmt.Errorf("reading the event of certificate %s: %w", v.id(), err)
	}
	r := &Record{
		ID: v.id(), Enrolment: said.EnrolmentCode, Programme: v.row.Programme, Dose: int(v.row.Dose), Version: v.number(),
		Status: v.status(), StatusAt: v.row.StatusAt, Reason: v.row.Reason, SuspendedUntil: v.until, IssuedAt: v.row.IssuedAt, Source: v.row.Source,
		Certificate: document.Certificate(), Document: parts.document, Code: code, person: p, row: v.row,
	}
	if v.row.Replaces != nil {
		r.Replaces = vaccination.CertificateID(v.row.Replaces)
	}
	return r, nil
}

// auditRead records that certificates were read. When it cannot be recorded,
// they are not shown.
func (s *Service) auditRead(ctx context.Context, by access.Caller, purpose string, versions ...*version) error {
	var entries []registry.Entry
	for _, v := range versions {
		entries = append(entries, registry.Entry{Chain: registry.GroupOf(v.row.Bucket), Act: "read", Object: v.id().String(), Detail: purpose})
	}
	return registry.Audit(ctx, s.Store.Read(), s.Now().UTC(), by.Actor, entries...)
}

// Versions returns all versions of the record that a certificate belongs to,
// oldest first.
func (s *Service) Versions(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) ([]*Record, error) {
	p, v, err := s.find(ctx, by, access.Read, id)
	if err != nil {
		return nil, err
	}
	versions, err := s.versionsOf(ctx, by, access.Read, p, v.row.Programme)
	if err != nil {
		return nil, err
	}
	versions = slices.DeleteFunc(versions, func(o *version) bool { return o.row.Dose != v.row.Dose })
	if err := s.auditRead(ctx, by, purpose, versions...); err != nil {
		return nil, err
	}
	return s.openAll(p, versions)
}
