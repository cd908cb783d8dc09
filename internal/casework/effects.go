package casework

import (
	"context"
	"fmt"
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

// The templates of messages about cases.
const (
	MessageDecided        = "case-decided"    // something was done to it: follow it
	MessageContactChanged = "contact-changed" // to both numbers, a day before
	MessageGuardianLinked = "guardian-linked"
	MessageGuardianEnded  = "guardian-ended"
)

func (f *file) turn() string { return fmt.Sprintf(" %d", f.row.Turn) }

// tell returns what queues a message about a case, to a number or, where to is
// empty, to however the person is reached.
func (s *Service) tell(ctx context.Context, f *file, template, to, once string) func(*query.Queries) error {
	return func(q *query.Queries) error {
		if s.Tell == nil || f.seal == nil {
			return nil
		}
		n := Notice{
			Template: template, Ticket: f.ticket(), Bucket: f.row.Bucket, To: to, Language: f.asked.Language,
			Once: strings.Join([]string{f.ticket().object(), template, to, once}, " "),
		}
		if f.row.PersonID != nil {
			n.Person = *f.row.PersonID
			if to == "" {
				contacts, err := s.Issuance.Contacts(ctx, n.Bucket, n.Person)
				if err != nil {
					return err
				}
				if n.To = first(contacts); n.To == "" {
					return nil
				}
			}
		}
		if n.To == "" {
			return nil // nobody to tell
		}
		return s.Tell(ctx, q, n)
	}
}

// first is the telephone number of contacts, else the first address.
func first(contacts []string) string {
	for _, c := range contacts {
		if strings.HasPrefix(c, "tel:") {
			return c
		}
	}
	if len(contacts) > 0 {
		return contacts[0]
	}
	return ""
}

// all runs each.
func all(each ...func(*query.Queries) error) func(*query.Queries) error {
	return func(q *query.Queries) error {
		for _, f := range each {
			if err := f(q); err != nil {
				return err
			}
		}
		return nil
	}
}

// approveContact has a new number take effect in a day. Both numbers are told, and
// whoever has the message can stop it.
func (s *Service) approveContact(ctx context.Context, by access.Caller, f *file, a Approval) (State, error) {
	now, err := s.Issuance.Contacts(ctx, f.row.Bucket, *f.row.PersonID)
	if err != nil {
		return "", err
	}
	if slices.Contains(now, f.asked.Contact) {
		return "", vaccination.Errorf(vaccination.Conflict, "the person is reached by this number already")
	}
	asked := f.asked
	asked.Old = now
	sealed, err := f.sealed(asked)
	if err != nil {
		return "", err
	}
	due := s.now().Add(contactDelay)
	tell := []func(*query.Queries) error{s.tell(ctx, f, MessageContactChanged, f.asked.Contact, "")}
	for _, old := range now {
		tell = append(tell, s.tell(ctx, f, MessageContactChanged, old, ""))
	}
	return s.do(ctx, by, f, step{act: ActApprove, note: a.Note, row: func(c *query.CaseFile) {
		c.Effect, c.EffectAt, c.Sealed = string(Pending), &due, sealed
	}}, all(tell...))
}

// Stop stops a change of contact before it takes effect. Whoever has the ticket
// may, because both numbers were sent it; by may be nobody.
func (s *Service) Stop(ctx context.Context, by access.Caller, t Ticket) error {
	f, err := s.load(ctx, t)
	if err != nil {
		return err
	}
	if f.row.Effect != string(Pending) {
		return vaccination.Errorf(vaccination.Conflict, "there is nothing to stop: no change of number is under way, or it has happened; go to a health facility with your papers")
	}
	if by.Actor == "" {
		by.Actor = "citizen by ticket"
	}
	_, err = s.do(ctx, by, f, step{act: ActStop, row: func(c *query.CaseFile) { c.Effect = string(Stopped) }})
	return err
}

// StopBy is [Service.Stop] for staff, and citizens, who may see the case.
func (s *Service) StopBy(ctx context.Context, by access.Caller, t Ticket) error {
	if _, err := s.may(ctx, by, t); err != nil {
		return err
	}
	return s.Stop(ctx, by, t)
}

// closed has no citizen's session reach a person's record any more until it is
// opened anew: whom it is reached by has changed.
func closed(ctx context.Context, q *query.Queries, f *file) error {
	return q.ForgetOpenedOf(ctx, query.ForgetOpenedOfParams{Bucket: f.row.Bucket, PersonID: *f.row.PersonID})
}

// changeDue has a change of contact take effect.
func (s *Service) changeDue(ctx context.Context, t Ticket) error {
	f, err := s.load(ctx, t)
	if err != nil || f.row.Effect != string(Pending) || f.row.EffectAt.After(s.now()) {
		return err
	}
	by := access.System("casework")
	done := step{act: ActDone, row: func(c *query.CaseFile) { c.Effect = string(Done) }}
	if f.seal == nil { // erased meanwhile
		return nil
	}
	return s.Issuance.ChangeContacts(ctx, by, f.row.Bucket, *f.row.PersonID, func(now []string) []string {
		rest := slices.DeleteFunc(now, func(c string) bool { return strings.HasPrefix(c, "tel:") })
		return append([]string{f.asked.Contact}, rest...)
	}, func(q *query.Queries) error {
		if err := closed(ctx, q, f); err != nil {
			return err
		}
		_, err := s.write(ctx, q, by, f, done)
		return err
	})
}

// approveNotMine takes a number from a person: at once, because who has it said
// so.
func (s *Service) approveNotMine(ctx context.Context, by access.Caller, f *file, a Approval) (state State, err error) {
	now, err := s.Issuance.Contacts(ctx, f.row.Bucket, *f.row.PersonID)
	if err != nil {
		return "", err
	}
	if !slices.Contains(now, f.asked.Contact) {
		return "", vaccination.Errorf(vaccination.Conflict, "the person is not reached by this number any more")
	}
	err = s.Issuance.ChangeContacts(ctx, by, f.row.Bucket, *f.row.PersonID, func(now []string) []string {
		return slices.DeleteFunc(now, func(c string) bool { return c == f.asked.Contact })
	}, func(q *query.Queries) error {
		if err := closed(ctx, q, f); err != nil {
			return err
		}
		state, err = s.write(ctx, q, by, f, step{act: ActApprove, note: a.Note})
		return err
	})
	return state, err
}

// guardianUntil is when a child needs no guardian any more.
func (s *Service) guardianUntil(child *issuance.Subject) (time.Time, error) {
	last, ok := child.Known.BirthDate.Latest()
	if !ok {
		return time.Time{}, vaccination.Errorf(vaccination.Conflict, "the child's date of birth is not recorded: have it corrected first")
	}
	until := time.Date(last.Year()+s.Profile.GuardianAge, last.Month(), last.Day(), 0, 0, 0, 0, s.Profile.TimeZone).UTC()
	if !until.After(s.now()) {
		return time.Time{}, vaccination.Errorf(vaccination.Conflict, "this person is of age: nobody else reaches their certificates")
	}
	return until, nil
}

func (s *Service) approveGuardian(ctx context.Context, by access.Caller, f *file, a Approval) (State, error) {
	child, err := s.Issuance.Subject(ctx, by, access.DecideCases, f.certificate(), "case")
	if err != nil {
		return "", err
	}
	until, err := s.guardianUntil(child)
	if err != nil {
		return "", err
	}
	mobile := s.mobile(f.asked.Contact)
	return s.do(ctx, by, f, step{act: ActApprove, note: a.Note}, func(q *query.Queries) error {
		return q.InsertGuardian(ctx, query.InsertGuardianParams{
			Bucket: f.row.Bucket, PersonID: *f.row.PersonID, CaseID: f.row.ID, Mobile: mobile, MadeAt: s.now(), MadeBy: by.Actor, Until: until,
		})
	}, s.tell(ctx, f, MessageGuardianLinked, f.asked.Contact, ""))
}

// mobile is the blind index of a telephone number.
func (s *Service) mobile(contact string) []byte {
	return s.Box.Index(seal.Mobile, strings.TrimPrefix(contact, "tel:"))
}

// EndGuardian ends the link of a guardian, which the ticket of its case names.
// Staff who may open cases may; reason is one line that says nothing personal.
func (s *Service) EndGuardian(ctx context.Context, by access.Caller, t Ticket) error {
	f, err := s.may(ctx, by, t)
	if err != nil {
		return err
	}
	if by.Role == access.Citizen {
		return errNoCase()
	}
	return s.endGuardian(ctx, by, f)
}

func (s *Service) endGuardian(ctx context.Context, by access.Caller, f *file) error {
	_, err := s.do(ctx, by, f, step{act: ActEnd}, func(q *query.Queries) error {
		n, err := q.EndGuardian(ctx, query.EndGuardianParams{At: s.now(), By: by.Actor, Bucket: f.row.Bucket, CaseID: f.row.ID})
		if err == nil && n == 0 {
			err = vaccination.Errorf(vaccination.Conflict, "this case links no guardian, or the link has ended")
		}
		if err != nil {
			return err
		}
		return closed(ctx, q, f)
	}, s.tell(ctx, f, MessageGuardianEnded, f.asked.Contact, ""))
	return err
}

func (s *Service) approveDeath(ctx context.Context, by access.Caller, f *file, a Approval) (State, error) {
	return s.do(ctx, by, f, step{act: ActApprove, note: a.Note}, func(q *query.Queries) error {
		err := q.InsertDeceased(ctx, query.InsertDeceasedParams{Bucket: f.row.Bucket, PersonID: *f.row.PersonID, CaseID: f.row.ID, At: s.now()})
		if err != nil {
			return err
		}
		if err := closed(ctx, q, f); err != nil {
			return err
		}
		return q.EndMessagesOf(ctx, query.EndMessagesOfParams{Now: s.now(), Bucket: f.row.Bucket, PersonID: *f.row.PersonID})
	})
}

// MayReach reports whether a telephone may reach a person's certificates: not
// those of somebody who died.
func (s *Service) MayReach(ctx context.Context, bucket int16, person int64) (bool, error) {
	dead, err := s.Store.Read().IsDeceased(ctx, query.IsDeceasedParams{Bucket: bucket, PersonID: person})
	return err == nil && !dead, err
}

// Person names somebody in the registry.
type Person struct {
	Bucket int16
	ID     int64
}

// maxWards bounds the children of one number.
const maxWards = 20

// Wards are the children whose certificates a number in E.164 reaches because its
// owner is their guardian: alive and not of age, whatever a job has done.
func (s *Service) Wards(ctx context.Context, number string) ([]Person, error) {
	rows, err := s.Store.Read().WardsOf(ctx, query.WardsOfParams{Mobile: s.mobile(number), Now: s.now(), MaxRows: maxWards})
	var out []Person
	for _, r := range rows {
		out = append(out, Person{r.Bucket, r.PersonID})
	}
	return out, err
}

// dueAtOnce bounds what one run of the job takes up.
const dueAtOnce = 200

// Due has everything take effect whose time has come: changes of contact, and the
// end of guardians. One that fails holds up no other; the next run takes it up.
func (s *Service) Due(ctx context.Context) error {
	hold, err := registry.ReadHold(ctx, s.Store.Read())
	if err != nil || hold != nil {
		return err // a restored database waits
	}
	pending, err := s.Store.Read().PendingCases(ctx, query.PendingCasesParams{Now: s.now(), MaxRows: dueAtOnce})
	if err != nil {
		return err
	}
	for _, p := range pending {
		if err := s.changeDue(ctx, Ticket(p.ID)); err != nil {
			s.failed(ctx, Ticket(p.ID), err)
		}
	}
	ended, err := s.Store.Read().GuardiansDue(ctx, query.GuardiansDueParams{Now: s.now(), MaxRows: dueAtOnce})
	if err != nil {
		return err
	}
	for _, g := range ended {
		f, err := s.load(ctx, Ticket(g.CaseID))
		if err == nil {
			err = s.endGuardian(ctx, access.System("casework"), f)
		}
		if err != nil {
			s.failed(ctx, Ticket(g.CaseID), err)
		}
	}
	return ctx.Err()
}
