package desk

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The second facts that open a record.
const (
	FactBirthDate = "birth-date"
	FactMobileEnd = "mobile-end" // the last four digits
	FactIdentity  = "identity"   // the number of the document on record
	FactCode      = "code"       // the enrolment code
)

// facts are those that may be asked of somebody who was found so: what was
// searched by proves nothing twice.
func facts(how How) []string {
	switch how {
	case ByMobile:
		return []string{FactBirthDate, FactIdentity}
	case ByBirthDate:
		return []string{FactMobileEnd, FactIdentity, FactCode}
	case ByCode:
		return []string{FactBirthDate, FactMobileEnd, FactIdentity}
	}
	return nil
}

// maxTries bounds the second facts tried in one search.
const maxTries = 3

// Opened is a record that somebody has open.
type Opened struct {
	ID     vaccination.CertificateID `json:"id"`
	How    How                       `json:"how"`
	Reason string                    `json:"reason,omitempty"`
}

// errRefused says that a second fact was wrong, between Open and what it asks.
var errRefused = errors.New("desk: the second fact is wrong")

// Open opens a match of a search with a second fact and returns the name of the
// opened record. A wrong fact is [vaccination.Forbidden]; too many of them end the
// search ([vaccination.NotFound]). The same bounds and reasons as for a search hold.
func (s *Service) Open(ctx context.Context, by access.Caller, search string, id vaccination.CertificateID, fact, value, reason string) (name string, err error) {
	if err := by.Can(access.Print); err != nil {
		return "", err
	}
	found, err := s.Found(ctx, by, search)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(found.Matches, func(m Match) bool { return m.ID == id }) {
		return "", errEnded()
	}
	return s.open(ctx, by, search, Opened{ID: id, How: found.How, Reason: reason}, found.Facts, fact, value)
}

// open counts, asks for the fact, records and keeps an opened record. search is
// the draft whose tries are taken.
func (s *Service) open(ctx context.Context, by access.Caller, search string, o Opened, may []string, fact, value string) (name string, err error) {
	if err := s.allow(ctx, by, Today{Opened: 1}, o.Reason); err != nil {
		return "", err
	}
	key, err := s.key(search)
	if err != nil {
		return "", err
	}
	_, err = s.Store.Read().TryDeskDraft(ctx, query.TryDeskDraftParams{ID: key, Actor: by.Actor, Kind: kindFound, At: s.Now().UTC(), MaxTries: maxTries})
	if registry.IsNone(err) {
		return "", errEnded()
	}
	if err != nil {
		return "", err
	}
	holder, err := s.Issuance.HolderOf(ctx, by, o.ID, "desk", func(h issuance.Holder) error {
		if o.How.Shown() || slices.Contains(may, fact) && s.knows(h, fact, value) {
			return nil
		}
		return errRefused
	})
	if errors.Is(err, errRefused) {
		return "", s.refused(ctx, by, o, fact)
	}
	if err != nil {
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.GiveBackDeskTry(ctx, query.GiveBackDeskTryParams{ID: key, Actor: by.Actor}); err != nil {
			return err
		}
		return s.opened(ctx, q, by, withReason("by "+string(o.How), o.Reason), certificatesOf(o.ID, holder.Records))
	})
	if err != nil {
		return "", err
	}
	return s.add(ctx, by, kindRecord, recordLife, o)
}

// opened records that records were opened in full, each by all its certificates,
// unless the caller opened too many without printing: then it is refused, and q
// is to be undone.
func (s *Service) opened(ctx context.Context, q *query.Queries, by access.Caller, detail string, records ...[]vaccination.CertificateID) error {
	if err := s.Allow(ctx, q, by.Actor); err != nil {
		return err
	}
	for i, ids := range records {
		var entries []registry.Entry
		for _, id := range ids {
			entries = append(entries, registry.Entry{Chain: registry.GroupOf(int16(id.Bucket())), Act: ActOpen, Object: id.String(), Detail: detail})
		}
		// What is opened at one moment counts as one record.
		at := s.Now().UTC().Truncate(time.Microsecond).Add(time.Duration(i) * time.Microsecond)
		if err := registry.Audit(ctx, q, at, by.Actor, entries...); err != nil {
			return err
		}
	}
	return nil
}

// certificatesOf are a certificate and those of its holder that stand.
func certificatesOf(id vaccination.CertificateID, records []*issuance.Record) []vaccination.CertificateID {
	out := []vaccination.CertificateID{id}
	for _, r := range records {
		if r.ID != id {
			out = append(out, r.ID)
		}
	}
	return out
}

// refused counts and records a wrong fact.
func (s *Service) refused(ctx context.Context, by access.Caller, o Opened, fact string) error {
	if !slices.Contains([]string{FactBirthDate, FactMobileEnd, FactIdentity, FactCode}, fact) {
		fact = "none"
	}
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		if _, err := s.count(ctx, q, by, Today{Opened: -1, Refused: 1}); err != nil {
			return err
		}
		return s.audit(ctx, q, by, ActRefused, o.ID, fact)
	})
	if err != nil {
		return err
	}
	return vaccination.Errorf(vaccination.Forbidden, "this is not what is on record")
}

// knows compares a second fact with what is on record, in the same time whatever
// it is. What is not on record is not right.
func (s *Service) knows(h issuance.Holder, fact, value string) bool {
	var right []string
	value = strings.TrimSpace(value)
	switch fact {
	case FactBirthDate:
		if d, err := vaccination.ParseDate(value); err == nil && h.Person.BirthDate.Precision() != vaccination.PrecisionUnknown {
			// A record that knows the year alone is answered by the year of the date.
			value = trimTo(d, h.Person.BirthDate.Precision()).String()
			on := h.Person.BirthDate
			on.Estimated = false
			right = []string{on.String()}
		}
	case FactMobileEnd:
		for _, c := range h.Contacts {
			if number, ok := strings.CutPrefix(c, "tel:"); ok && len(number) > 6 {
				right = append(right, number[len(number)-4:])
			}
		}
	case FactIdentity:
		right = s.Issuance.IdentityForms(h.Person.Identifier)
		if forms := s.Issuance.IdentityForms(vaccination.Identifier{Kind: h.Person.Identifier.Kind, Value: value}); len(forms) > 0 {
			value = forms[0]
		}
	case FactCode:
		right = []string{h.EnrolmentCode}
	}
	ok := 0
	for _, r := range right {
		if r != "" {
			ok |= subtle.ConstantTimeCompare(s.Box.Index(seal.Content, r), s.Box.Index(seal.Content, value))
		}
	}
	return ok == 1
}

// trimTo is a date known no better than a precision.
func trimTo(d vaccination.Date, p vaccination.Precision) vaccination.Date {
	d.Estimated = false
	switch p {
	case vaccination.PrecisionYear:
		d.Month, d.Day = 0, 0
	case vaccination.PrecisionMonth:
		d.Day = 0
	}
	return d
}

// Record returns an opened record of the caller's: whom it is about, and their
// certificates that stand. The look is recorded.
func (s *Service) Record(ctx context.Context, by access.Caller, name string) (Opened, issuance.Holder, error) {
	var o Opened
	if err := by.Can(access.Print); err != nil {
		return o, issuance.Holder{}, err
	}
	if err := s.get(ctx, by, name, kindRecord, &o); err != nil {
		return o, issuance.Holder{}, err
	}
	h, err := s.Issuance.HolderOf(ctx, by, o.ID, "desk", nil)
	return o, h, err
}

// Preview returns the papers of some certificates of an opened record as they
// would be printed, without a number of a copy. The look is recorded.
func (s *Service) Preview(ctx context.Context, by access.Caller, name string, ids []vaccination.CertificateID) (issuance.Holder, []Page, error) {
	_, h, err := s.Record(ctx, by, name)
	if err != nil {
		return h, nil, err
	}
	pages, err := pagesOf(h.Records, ids)
	return h, pages, err
}

// Page is a page to print: the doses it lists, and whose code it has.
type Page struct {
	Doses []*issuance.Record
	Index int
}

// pagesOf are the pages of certificates among records; one that is not among
// them is [vaccination.NotFound].
func pagesOf(records []*issuance.Record, ids []vaccination.CertificateID) ([]Page, error) {
	var out []Page
	for _, id := range ids {
		at := slices.IndexFunc(records, func(r *issuance.Record) bool { return r.ID == id })
		if at < 0 {
			return nil, vaccination.Errorf(vaccination.NotFound, "this certificate is not among those of the record, or does not stand any more")
		}
		p := Page{}
		for _, r := range records {
			if r.Programme == records[at].Programme {
				if r.ID == id {
					p.Index = len(p.Doses)
				}
				p.Doses = append(p.Doses, r)
			}
		}
		out = append(out, p)
	}
	return out, nil
}
