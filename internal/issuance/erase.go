package issuance

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// actErase is how the audit names that the person of a certificate was erased.
const actErase = "person.erase"

// Whom is a person whose data is shown to them, or destroyed.
type Whom struct {
	Bucket       int16
	Person       int64
	Source       string // that named them first
	Enrolment    string // their code, as first received
	Certificates []vaccination.CertificateID
	By           string // who does it, as the audit names them
	At           time.Time
}

// Object names the subject in the audit.
func (s Whom) Object() string { return personKey{s.Bucket, s.Person}.String() }

// IDs are the certificates as the database has them.
func (s Whom) IDs() [][]byte {
	out := make([][]byte, len(s.Certificates))
	for i := range s.Certificates {
		out[i] = s.Certificates[i][:]
	}
	return out
}

// Forget destroys what another room holds of a person, in the transaction that
// destroys their key.
type Forget func(ctx context.Context, q *query.Queries, who Whom) error

// errErased is what is heard of a certificate whose person was erased.
func errErased() error {
	return vaccination.Errorf(vaccination.NotFound, "the data of this certificate's person was erased, as the law gives them the right to")
}

// erased reports whether a person's key was destroyed.
func (p *person) erased() bool { return len(p.row.Key) == 0 && !p.fresh }

// Erase destroys the key of the person of a certificate, and with it everything
// that is sealed under it; their search indexes, links and what others forget go
// in the same transaction. Certificates keep their place, state and status
// position; with revoke, those that stand are revoked before, and nobody is told.
// No record of theirs opens again, also not in a copy of the database that is
// made after it. Erasing again is [vaccination.NotFound].
func (s *Service) Erase(ctx context.Context, by access.Caller, id vaccination.CertificateID, revoke bool, reason string, forget ...Forget) (Whom, error) {
	if reason == "" {
		return Whom{}, vaccination.Errorf(vaccination.Invalid, "say why, with nothing of the person")
	}
	if err := checkReason(reason); err != nil {
		return Whom{}, err
	}
	var who Whom
	err := s.retry(ctx, func() error {
		p, versions, w, err := s.subject(ctx, by, id)
		if err != nil {
			return err
		}
		who = w
		if revoke {
			for _, v := range current(versions) {
				if _, err := s.Change(Quietly(ctx), by, v.id(), vaccination.ActRevoke, reason); err != nil {
					return err
				}
			}
		}
		return s.Store.Tx(ctx, func(q *query.Queries) error { return s.erase(ctx, q, p, who, reason, forget) })
	})
	return who, err
}

// subject loads the person of a certificate with all certificates of theirs.
func (s *Service) subject(ctx context.Context, by access.Caller, id vaccination.CertificateID) (*person, []*version, Whom, error) {
	p, _, err := s.find(ctx, by, access.ErasePerson, id)
	if err != nil {
		return nil, nil, Whom{}, err
	}
	if p.erased() {
		return nil, nil, Whom{}, errErased()
	}
	known, err := s.particularsOf(p)
	if err != nil {
		return nil, nil, Whom{}, err
	}
	versions, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{p.row.Bucket}, People: []int64{p.row.ID}})
	who := Whom{Bucket: p.row.Bucket, Person: p.row.ID, Source: p.row.Source, Enrolment: known.EnrolmentCode, By: by.Actor, At: s.Now().UTC().Truncate(time.Microsecond)}
	for _, v := range versions {
		who.Certificates = append(who.Certificates, v.id())
	}
	return p, versions, who, err
}

func (s *Service) erase(ctx context.Context, q *query.Queries, p *person, who Whom, reason string, forget []Forget) error {
	if err := s.notHeld(ctx, q); err != nil {
		return err
	}
	if err := q.LockPeople(ctx, query.LockPeopleParams{Buckets: []int16{who.Bucket}, Ids: []int64{who.Person}}); err != nil {
		return err
	}
	// What was issued meanwhile is theirs too.
	rows, err := q.CertificatesOfPeople(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{who.Bucket}, People: []int64{who.Person}})
	if err != nil {
		return err
	}
	if len(rows) != len(who.Certificates) {
		return registry.ErrChanged
	}
	entries, err := s.endLinks(ctx, q, p.ref(), who, "erased")
	if err != nil {
		return err
	}
	nobody := make([]byte, 16)
	if _, err := io.ReadFull(s.Random, nobody); err != nil {
		return err
	}
	if err := q.DeletePersonIndexes(ctx, query.DeletePersonIndexesParams{Buckets: []int16{who.Bucket}, Ids: []int64{who.Person}}); err != nil {
		return err
	}
	if err := q.ForgetTold(ctx, query.ForgetToldParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
		return err
	}
	if _, err := q.EraseCertificates(ctx, query.EraseCertificatesParams{Bucket: who.Bucket, PersonID: who.Person}); err != nil {
		return err
	}
	for _, f := range forget {
		if err := f(ctx, q, who); err != nil {
			return err
		}
	}
	n, err := q.ErasePerson(ctx, query.ErasePersonParams{Bucket: who.Bucket, ID: who.Person, Before: p.row.Key, CodeIndex: nobody, At: who.At})
	if err == nil && n != 1 {
		err = registry.ErrChanged // their key was wrapped anew, or somebody was faster
	}
	if err != nil {
		return err
	}
	for _, id := range who.Certificates {
		entries = append(entries, registry.Entry{Chain: registry.GroupOf(who.Bucket), Act: actErase, Object: id.String(), Detail: reason})
	}
	return registry.Audit(ctx, q, who.At, who.By, entries...)
}

// endLinks ends the links of a person, from both sides.
func (s *Service) endLinks(ctx context.Context, q *query.Queries, of personKey, who Whom, why string) ([]registry.Entry, error) {
	rows, err := q.LinksOfPerson(ctx, query.LinksOfPersonParams{Bucket: of.bucket, PersonID: of.id})
	if err != nil {
		return nil, err
	}
	var entries []registry.Entry
	for _, r := range rows {
		if r.EndedAt != nil {
			continue
		}
		first, second := inOrder(of, personKey{r.OtherBucket, r.OtherID})
		for _, k := range [][2]personKey{{first, second}, {second, first}} {
			n, err := q.EndLink(ctx, query.EndLinkParams{At: who.At, By: who.By, Why: why, Bucket: k[0].bucket, PersonID: k[0].id, OtherBucket: k[1].bucket, OtherID: k[1].id})
			if err != nil {
				return nil, err
			}
			if n > 0 {
				entries = append(entries, linkEntry(actUnmerge, k[0], k[1], why))
			}
		}
	}
	return entries, nil
}

// Held is what a person is known by here, and everything that was certified for
// them.
type Held struct {
	Enrolment    string              `json:"enrolmentCode"`
	Source       string              `json:"source"`
	Person       vaccination.Person  `json:"person"`
	Contacts     []string            `json:"contacts"`
	Address      vaccination.Address `json:"address"`
	Certificates []HeldCertificate   `json:"certificates"`
}

// HeldCertificate is one version of a certificate as it is stored.
type HeldCertificate struct {
	ID        vaccination.CertificateID `json:"id"`
	Programme string                    `json:"programme"`
	Dose      int                       `json:"dose"`
	Version   int                       `json:"version"`
	Status    vaccination.Status        `json:"status"`
	StatusAt  time.Time                 `json:"statusAt"`
	Reason    string                    `json:"reason,omitempty"`
	IssuedAt  time.Time                 `json:"issuedAt"`
	Source    string                    `json:"source"`
	Event     json.RawMessage           `json:"event"`    // what was said
	Document  json.RawMessage           `json:"document"` // what was signed
	Code      string                    `json:"code"`     // of the QR code
}

// Held returns what is held of the person of a certificate, for who shows it to
// them, and records that somebody took it.
func (s *Service) Held(ctx context.Context, by access.Caller, id vaccination.CertificateID) (*Held, Whom, error) {
	p, versions, who, err := s.subject(ctx, by, id)
	if err != nil {
		return nil, Whom{}, err
	}
	var entries []registry.Entry
	for _, v := range versions {
		entries = append(entries, registry.Entry{Chain: registry.GroupOf(who.Bucket), Act: "person.export", Object: v.id().String()})
	}
	if err := registry.Audit(ctx, s.Store.Read(), who.At, by.Actor, entries...); err != nil {
		return nil, Whom{}, err
	}
	known, err := s.particularsOf(p)
	if err != nil {
		return nil, Whom{}, err
	}
	out := &Held{Enrolment: known.EnrolmentCode, Source: known.Source, Person: known.Person, Contacts: known.Contacts, Address: known.Address}
	for _, v := range versions {
		r, err := s.openRecord(p, v)
		if err != nil {
			return nil, Whom{}, err
		}
		parts, err := s.open(p, v)
		if err != nil {
			return nil, Whom{}, err
		}
		out.Certificates = append(out.Certificates, HeldCertificate{
			ID: r.ID, Programme: r.Programme, Dose: r.Dose, Version: r.Version, Status: r.Status, StatusAt: r.StatusAt, Reason: r.Reason, IssuedAt: r.IssuedAt, Source: r.Source,
			Event: json.RawMessage(parts.event), Document: json.RawMessage(r.Document), Code: r.Code,
		})
	}
	return out, who, nil
}

// WhomOf returns whom a certificate is about, for who may export or erase them.
func (s *Service) WhomOf(ctx context.Context, by access.Caller, id vaccination.CertificateID) (Whom, error) {
	_, _, who, err := s.subject(ctx, by, id)
	return who, err
}
