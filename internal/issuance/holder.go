package issuance

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Holder is a person with the certificates of theirs that stand.
type Holder struct {
	EnrolmentCode string
	Source        string // that named the person first
	Person        vaccination.Person
	Contacts      []string  // URIs: "tel:+94712345678"
	Updated       time.Time // when who they are was last heard
	Records       []*Record // by programme and dose
}

// maxHolders bounds the people with one number of an identity document.
const maxHolders = 10

// Holders returns the people who have one of these numbers of an identity
// document, in any spelling, and certificates that stand; at most ten.
func (s *Service) Holders(ctx context.Context, by access.Caller, numbers []string, purpose string) ([]Holder, error) {
	if err := by.Can(access.Read); err != nil {
		return nil, err
	}
	var people []*person
	for _, number := range numbers {
		rows, err := s.Store.Read().PeopleByIndex(ctx, query.PeopleByIndexParams{Value: s.Box.Index(seal.NationalID, normaliseIdentity(number)), MaxRows: maxHolders})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if !slices.ContainsFunc(people, func(p *person) bool { return p.row.Bucket == row.Bucket && p.row.ID == row.ID }) {
				people = append(people, &person{row: row})
			}
		}
	}
	people = people[:min(len(people), maxHolders)]
	var out []Holder
	for _, p := range people {
		h, err := s.holder(ctx, by, p, purpose)
		if err != nil {
			return nil, err
		}
		if len(h.Records) > 0 {
			out = append(out, h)
		}
	}
	return out, nil
}

func (s *Service) holder(ctx context.Context, by access.Caller, p *person, purpose string) (Holder, error) {
	versions, err := s.certificatesOf(ctx, query.CertificatesOfPeopleParams{Buckets: []int16{p.row.Bucket}, People: []int64{p.row.ID}})
	if err != nil {
		return Holder{}, err
	}
	versions = current(slices.DeleteFunc(versions, func(v *version) bool { return !by.Owns(access.Read, v.row.Source) || !by.In(v.row.Programme) }))
	if len(versions) == 0 {
		return Holder{}, nil
	}
	if err := s.auditRead(ctx, by, purpose, versions...); err != nil {
		return Holder{}, err
	}
	key, err := s.unlock(p)
	if err != nil {
		return Holder{}, err
	}
	plain, err := key.Unseal(p.row.Sealed, s.aad(p, "particulars"))
	if err != nil {
		return Holder{}, err
	}
	var known particulars
	if err := json.Unmarshal(plain, &known); err != nil {
		return Holder{}, err
	}
	records, err := s.openAll(p, versions)
	return Holder{EnrolmentCode: known.EnrolmentCode, Source: known.Source, Person: known.Person, Contacts: known.Contacts, Updated: p.row.UpdatedAt, Records: records}, err
}
