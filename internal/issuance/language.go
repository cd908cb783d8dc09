package issuance

import (
	"context"
	"fmt"
	"slices"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/citizen"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// actLanguage is the act of the audit; which language it is stands in no entry,
// as it may tell where somebody comes from.
const actLanguage = "person.language"

// LanguageOf is the language in which a person wants to be written to, "" where
// nobody said.
func (s *Service) LanguageOf(ctx context.Context, p citizen.Person) (string, error) {
	rows, err := s.Store.Read().LanguagesOfPeople(ctx, query.LanguagesOfPeopleParams{Buckets: []int16{p.Bucket}, People: []int64{p.ID}})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Language, nil
}

// LanguageAt is [Service.LanguageOf] whom a certificate is about, for staff who
// opened their record.
func (s *Service) LanguageAt(ctx context.Context, by access.Caller, id vaccination.CertificateID) (string, error) {
	if err := by.Can(access.Print); err != nil {
		return "", err
	}
	p, err := s.PersonOf(ctx, id)
	if err != nil {
		return "", err
	}
	return s.LanguageOf(ctx, p)
}

// ChooseMyLanguage says in which of the profile's languages those are written to
// whose records a citizen's session opened and reaches. Another language is
// [vaccination.Invalid]; a session that opened nobody's is
// [vaccination.Forbidden].
func (s *Service) ChooseMyLanguage(ctx context.Context, by *citizen.Session, language string) error {
	if err := by.Caller.Can(access.ReadMine); err != nil {
		return err
	}
	people, _, err := s.reachable(ctx, by)
	if err != nil {
		return err
	}
	var mine []citizen.Person
	for _, p := range people {
		if ref := (citizen.Person{Bucket: p.row.Bucket, ID: p.row.ID}); by.HasOpened(ref) {
			mine = append(mine, ref)
		}
	}
	if len(mine) == 0 {
		return vaccination.Errorf(vaccination.Forbidden, "open a record first: the language is that of its person")
	}
	return s.chooseLanguage(ctx, by.Caller, mine, language)
}

// ChooseLanguage is [Service.ChooseMyLanguage] for who a certificate is about, by
// staff whom they told.
func (s *Service) ChooseLanguage(ctx context.Context, by access.Caller, id vaccination.CertificateID, language string) error {
	if err := by.Can(access.Print); err != nil {
		return err
	}
	p, err := s.PersonOf(ctx, id)
	if err != nil {
		return err
	}
	return s.chooseLanguage(ctx, by, []citizen.Person{p}, language)
}

func (s *Service) chooseLanguage(ctx context.Context, by access.Caller, people []citizen.Person, language string) error {
	if !slices.Contains(s.Profile.Languages, language) {
		return vaccination.Errorf(vaccination.Invalid, "this is not one of the languages in which messages are written here")
	}
	at := s.Now().UTC()
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := s.notHeld(ctx, q); err != nil {
			return err
		}
		for _, p := range people { // in the order of everybody, see reachable
			if err := q.ChoosePersonLanguage(ctx, query.ChoosePersonLanguageParams{Bucket: p.Bucket, PersonID: p.ID, Language: language, At: at}); err != nil {
				return err
			}
			if err := registry.Audit(ctx, q, at, by.Actor, registry.Entry{Chain: registry.GroupOf(p.Bucket), Act: actLanguage, Object: fmt.Sprintf("person %d-%d", p.Bucket, p.ID)}); err != nil {
				return err
			}
		}
		return nil
	})
}
