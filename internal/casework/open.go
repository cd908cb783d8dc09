package casework

import (
	"cmp"
	"context"
	"encoding/base32"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The bounds of a request, in characters.
const (
	maxMessage = 2000
	maxNote    = 500
	maxOnce    = 100
)

// The bounds of the cases of one person, for what citizens ask and for what others
// ask: so that nobody's requests hide among somebody's thousands.
const (
	maxUndecided = 10 // at once
	maxLately    = 20 // opened within a day, whatever became of them
)

// Open opens a case and returns its ticket. The error is [vaccination.Invalid]
// with faults for what cannot be asked so, [vaccination.NotFound] for a
// certificate that is not the caller's, [vaccination.Conflict] where other content
// was sent under the same Once, [vaccination.TooMany] where as much is asked about
// the person as can be.
func (s *Service) Open(ctx context.Context, by access.Caller, r Request) (Ticket, error) {
	if err := by.Can(access.OpenCase); err != nil {
		return 0, err
	}
	if by.Role == access.Citizen && !r.Kind.ByCitizen() {
		return 0, vaccination.Errorf(vaccination.Forbidden, "this is asked for at a health facility, with the papers")
	}
	r, err := s.checked(r)
	if err != nil {
		return 0, err
	}
	subject, err := s.subject(ctx, by, r.Certificate, "case")
	if err != nil {
		return 0, err
	}
	if err := s.checkFor(ctx, by, &r, subject); err != nil {
		return 0, err
	}
	return s.insert(ctx, by, r, subject)
}

// subject is whom a certificate is about, nil for none.
func (s *Service) subject(ctx context.Context, by access.Caller, id vaccination.CertificateID, purpose string) (*issuance.Subject, error) {
	if id.IsZero() {
		return nil, nil
	}
	may := access.OpenCase
	if by.Role == access.Citizen {
		opened := false
		if s.Opened != nil {
			var err error
			if opened, err = s.Opened(ctx, by, id); err != nil {
				return nil, err
			}
		}
		if !opened {
			return nil, vaccination.Errorf(vaccination.NotFound, "there is no such certificate among those that you opened")
		}
		by = access.Caller{Actor: by.Actor, Role: access.FacilityStaff} // the law above let them
	} else if by.Can(access.DecideCases) == nil {
		may = access.DecideCases
	}
	return s.Issuance.Subject(ctx, by, may, id, purpose)
}

// checked is a request in one spelling, with all its faults.
func (s *Service) checked(r Request) (Request, error) {
	var faults []vaccination.Fault
	add := func(path, code, message string) {
		faults = append(faults, vaccination.Fault{Path: path, Code: code, Message: message})
	}
	if !slices.Contains(Kinds(), r.Kind) {
		add("kind", "unknown", "say what is asked for: correction, contact, dose-abroad, not-mine, guardian or death")
	}
	if r.Certificate.IsZero() && r.Kind != DoseAbroad {
		add("certificate", vaccination.FaultRequired, "say which certificate it is about")
	}
	r.Message, r.Name = strings.TrimSpace(r.Message), strings.Join(strings.Fields(r.Name), " ")
	if !goodText(r.Message, maxMessage) {
		add("message", vaccination.FaultTooLong, "at most 2000 characters, without control characters")
	}
	if !goodText(r.Name, vaccination.MaxName) {
		add("name", vaccination.FaultTooLong, "at most 200 characters, without control characters")
	}
	if !goodText(r.Once, maxOnce) || !goodText(r.Language, 35) || !goodText(r.Facility, vaccination.MaxCode) {
		add("once", vaccination.FaultTooLong, "this is too long")
	}
	if r.Kind == Correction {
		faults = append(faults, checkChanges(r.Changes)...)
		if len(r.Changes) == 0 && r.Message == "" {
			add("changes", vaccination.FaultRequired, "say what is wrong, or what is right")
		}
	} else if len(r.Changes) > 0 {
		add("changes", "unknown", "only a correction has these")
	}
	if slices.Contains([]Kind{ContactChange, Guardian, NotMine}, r.Kind) {
		number, err := s.Profile.Phone(strings.TrimPrefix(r.Contact, "tel:"))
		if err != nil {
			add("contact", vaccination.FaultFormat, "write a telephone number of the country, or one with + and country code")
		}
		r.Contact = "tel:" + number
	} else if r.Contact != "" {
		add("contact", "unknown", "this kind of case has no number")
	}
	if r.Kind == Guardian && r.Name == "" {
		add("name", vaccination.FaultRequired, "write the guardian's name")
	}
	if (r.Event != nil) != (r.Kind == DoseAbroad) {
		add("event", vaccination.FaultRequired, "a dose given abroad, and only that, has a record")
	}
	if len(faults) > 0 {
		return r, &vaccination.Error{Code: vaccination.Invalid, Message: "the request has faults", Faults: faults}
	}
	return r, nil
}

// goodText reports whether a text is one that may be kept and shown; line breaks
// are good.
func goodText(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most &&
		!strings.ContainsFunc(text, func(r rune) bool {
			return r != '\n' && r != '\r' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
		})
}

// checkFor checks a request against whom it is about.
func (s *Service) checkFor(ctx context.Context, by access.Caller, r *Request, subject *issuance.Subject) error {
	switch r.Kind {
	case Correction:
		_, err := amended(subject.Event, r.Changes)
		return err
	case NotMine:
		if !slices.Contains(subject.Contacts, r.Contact) {
			return vaccination.Errorf(vaccination.Conflict, "the person is not reached by this number")
		}
	case Guardian:
		_, err := s.guardianUntil(subject)
		return err
	case DoseAbroad:
		e := *r.Event
		if subject != nil {
			e.EnrolmentCode, e.Person, e.Contacts = subject.EnrolmentCode, subject.Known, subject.Contacts
		} else {
			code, err := s.newCode(by, r.Once)
			if err != nil {
				return err
			}
			e.EnrolmentCode, e.Programme = code, cmp.Or(e.Programme, s.Profile.DefaultProgramme)
		}
		e.Vaccination.FromEvidence = true
		r.Event = &e
		if err := s.checkAbroad(ctx, by, e); err != nil {
			return err
		}
	}
	return nil
}

// newCode is the enrolment code of somebody who had none: the same for the same
// request.
func (s *Service) newCode(by access.Caller, once string) (string, error) {
	code := make([]byte, 10)
	if _, err := io.ReadFull(s.Random, code); err != nil {
		return "", err
	}
	if once != "" {
		copy(code, s.Box.Index(seal.Content, "abroad "+by.Actor+"\x1f"+once))
	}
	return "ABROAD-" + base32.StdEncoding.EncodeToString(code), nil
}

// insert writes the case with its first line, or finds the one that was opened
// before by the same request.
func (s *Service) insert(ctx context.Context, by access.Caller, r Request, subject *issuance.Subject) (Ticket, error) {
	at := s.now()
	row := query.InsertCaseParams{
		Kind: string(r.Kind), OpenedAs: string(by.Role), OpenedBy: by.Actor, OpenedAt: at, Deadline: at.Add(s.Profile.CaseTime), Facility: r.Facility,
	}
	if by.Facility != "" {
		row.Facility = by.Facility
	}
	if subject != nil {
		row.Bucket, row.PersonID, row.Programme, row.Certificate = subject.Bucket, &subject.Person, subject.Programme, r.Certificate[:]
	} else {
		row.Bucket, row.Programme = s.Issuance.Bucket(r.Event.EnrolmentCode), r.Event.Programme
	}
	ticket, err := newTicket(row.Bucket, s.Random)
	if err != nil {
		return 0, err
	}
	f := &file{row: query.CaseFile{Bucket: row.Bucket, ID: int64(ticket), PersonID: row.PersonID}, seal: fileSeal{s.Box, ticket}}
	if subject != nil {
		if f.seal, err = s.Issuance.PersonSeal(ctx, subject.Bucket, subject.Person); err != nil {
			return 0, err
		}
	}
	asked := Asked{Changes: r.Changes, Contact: r.Contact, Name: r.Name, Event: r.Event, Message: r.Message, Language: r.Language}
	row.ID = int64(ticket)
	if row.Sealed, err = f.sealed(asked); err != nil {
		return 0, err
	}
	if row.Once, row.Asked, err = s.once(by, r, ticket); err != nil {
		return 0, err
	}
	repeated := false
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		// The person first, as everybody locks them before the audit's heads.
		if row.PersonID != nil {
			if err := q.LockPeople(ctx, query.LockPeopleParams{Buckets: []int16{row.Bucket}, Ids: []int64{*row.PersonID}}); err != nil {
				return err
			}
		}
		n, err := q.InsertCase(ctx, row)
		if err != nil || n == 0 {
			repeated = err == nil
			return err
		}
		if err := s.bounded(ctx, q, row); err != nil {
			return err
		}
		err = q.InsertCaseEvent(ctx, query.InsertCaseEventParams{Bucket: row.Bucket, CaseID: row.ID, Turn: 1, At: at, Actor: by.Actor, Act: string(ActOpen)})
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, at, by.Actor, entry(ticket, ActOpen, row.Kind+" "+string(Open)))
	})
	if err != nil || !repeated {
		return ticket, err
	}
	before, err := s.Store.Read().CaseByOnce(ctx, query.CaseByOnceParams{Bucket: row.Bucket, Once: row.Once})
	if err != nil {
		return 0, err
	}
	if !slices.Equal(before.Asked, row.Asked) {
		return 0, vaccination.Errorf(vaccination.Conflict, "another case was opened with this key: use a new key for a new case")
	}
	return Ticket(before.ID), nil
}

// bounded refuses a case, which was just inserted, above the bounds of its person.
func (s *Service) bounded(ctx context.Context, q *query.Queries, c query.InsertCaseParams) error {
	if c.PersonID == nil {
		return nil
	}
	n, err := q.CountCasesOfPerson(ctx, query.CountCasesOfPersonParams{
		Bucket: c.Bucket, PersonID: *c.PersonID, ByCitizen: c.OpenedAs == string(access.Citizen), Since: c.OpenedAt.Add(-24 * time.Hour),
	})
	switch {
	case err != nil:
		return err
	case n.Undecided > maxUndecided:
		return vaccination.Errorf(vaccination.TooMany, "%d requests about this person are not decided yet: wait for an answer, or take one of them back", maxUndecided)
	case n.Lately > maxLately:
		return vaccination.Errorf(vaccination.TooMany, "%d requests about this person were made within a day: ask again tomorrow", maxLately)
	}
	return nil
}

// once is by what a repeated request is known, and what it said. One without a
// key is never repeated.
func (s *Service) once(by access.Caller, r Request, ticket Ticket) (once, asked []byte, err error) {
	key := "key " + by.Actor + "\x1f" + r.Once
	if r.Once == "" {
		key = "ticket " + ticket.String()
	}
	text, err := json.Marshal(r)
	return s.Box.Index(seal.Content, key), s.Box.Index(seal.Content, "case "+string(text)), err
}
