package casework

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// decider loads a case for somebody who decides it: who opened it does not.
func (s *Service) decider(ctx context.Context, by access.Caller, t Ticket) (*file, error) {
	if err := by.Can(access.DecideCases); err != nil {
		return nil, err
	}
	f, err := s.load(ctx, t)
	// Who decides may also have opened it at another door, under another name.
	decides := err == nil && access.Caller{Role: access.Role(f.row.OpenedAs)}.Can(access.DecideCases) == nil
	if err == nil && (f.row.OpenedBy == by.Actor || decides && !by.Second(f.row.OpenedBy)) {
		err = vaccination.Errorf(vaccination.Forbidden, "you opened this case: somebody else decides it")
	}
	return f, err
}

// Take says that the caller works on a case; whoever took it before does not any
// more.
func (s *Service) Take(ctx context.Context, by access.Caller, t Ticket) error {
	if err := by.Can(access.DecideCases); err != nil {
		return err
	}
	f, err := s.load(ctx, t)
	if err != nil || f.row.TakenBy == by.Actor {
		return err
	}
	_, err = s.do(ctx, by, f, step{act: ActTake, row: func(c *query.CaseFile) { c.TakenBy = by.Actor }})
	return err
}

// Ask asks the person for evidence; note says which, and is shown to them.
func (s *Service) Ask(ctx context.Context, by access.Caller, t Ticket, note string) error {
	note, err := checkNote(note, true)
	if err != nil {
		return err
	}
	f, err := s.decider(ctx, by, t)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, by, f, step{act: ActAsk, note: note, row: func(c *query.CaseFile) { c.ApprovedBy = "" }}, s.tell(ctx, f, MessageDecided, "", string(ActAsk)+f.turn()))
	return err
}

// Refuse refuses a case; note says why, and is shown to the person.
func (s *Service) Refuse(ctx context.Context, by access.Caller, t Ticket, note string) error {
	note, err := checkNote(note, true)
	if err != nil {
		return err
	}
	f, err := s.decider(ctx, by, t)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, by, f, step{act: ActRefuse, note: note}, s.tell(ctx, f, MessageDecided, "", string(ActRefuse)))
	return err
}

// Withdraw takes back a case that is not decided: by who opened it, a citizen
// whose record it is about, or staff of the facility where it was opened.
func (s *Service) Withdraw(ctx context.Context, by access.Caller, t Ticket) error {
	f, err := s.may(ctx, by, t)
	if err != nil {
		return err
	}
	mine := f.row.OpenedBy == by.Actor || by.Facility != "" && f.row.Facility == by.Facility ||
		by.Role == access.Citizen && f.row.OpenedAs == string(access.Citizen)
	if !mine {
		return vaccination.Errorf(vaccination.Forbidden, "a case is withdrawn by who opened it; you can refuse it")
	}
	_, err = s.do(ctx, by, f, step{act: ActWithdraw})
	return err
}

func checkNote(note string, needed bool) (string, error) {
	note = strings.TrimSpace(note)
	if !goodText(note, maxNote) || needed && note == "" {
		return "", &vaccination.Error{Code: vaccination.Invalid, Message: "the request has faults", Faults: []vaccination.Fault{
			{Path: "note", Code: vaccination.FaultRequired, Message: "say why, in at most 500 characters: the person is shown it"},
		}}
	}
	return note, nil
}

// Preview says what approving a correction, or a dose abroad, would do; nil
// changes are what was asked. The look is recorded.
func (s *Service) Preview(ctx context.Context, by access.Caller, t Ticket, changes []Change) (*Preview, error) {
	if err := by.Can(access.DecideCases); err != nil {
		return nil, err
	}
	f, err := s.load(ctx, t)
	if err != nil {
		return nil, err
	}
	switch Kind(f.row.Kind) {
	case Correction:
		return s.preview(ctx, by, f, changes)
	case DoseAbroad:
		if err := s.looked(ctx, by, t, "preview"); err != nil {
			return nil, err
		}
		if f.asked.Event == nil {
			return nil, errNoCase()
		}
		return &Preview{After: *f.asked.Event}, s.checkAbroad(ctx, by, *f.asked.Event)
	default:
		return nil, vaccination.Errorf(vaccination.Invalid, "a case of this kind changes no certificate")
	}
}

func (s *Service) preview(ctx context.Context, by access.Caller, f *file, changes []Change) (*Preview, error) {
	if f.row.Certificate == nil || f.seal == nil {
		return nil, errNoCase()
	}
	if changes == nil {
		changes = f.asked.changes()
	}
	if faults := checkChanges(changes); len(faults) > 0 {
		return nil, &vaccination.Error{Code: vaccination.Invalid, Message: "the request has faults", Faults: faults}
	}
	now, err := s.Issuance.Subject(ctx, by, access.DecideCases, f.certificate(), "case")
	if err != nil {
		return nil, err
	}
	if now.Version.IsZero() {
		return nil, vaccination.Errorf(vaccination.Conflict, "no certificate of this record stands any more: it was revoked")
	}
	after, err := amended(now.Event, changes)
	if err != nil {
		return nil, err
	}
	p := &Preview{Version: now.Version, Before: now.Event, After: after, Differs: vaccination.Diff(now.Event, after)}
	if p.TwoNeed, err = s.Issuance.NeedsTwo(ctx, by, f.certificate(), after); err != nil {
		return nil, err
	}
	return p, s.Issuance.Faults(ctx, by, after, nil)
}

// changes are what a correction changes: as the first of two approved it, else as
// it was asked.
func (a Asked) changes() []Change {
	if a.Decided != nil {
		return a.Decided
	}
	return a.Changes
}

// Approve approves a case and does what follows from it, in one transaction: what
// it acknowledged is durable, and so is what was issued and whom it told. Where
// two people are needed the first is answered with [SecondApproval]. The error is
// [vaccination.Conflict] where somebody was first, the certificate is another by
// now, or evidence is missing.
func (s *Service) Approve(ctx context.Context, by access.Caller, t Ticket, a Approval) (State, error) {
	note, err := checkNote(a.Note, false)
	if err != nil {
		return "", err
	}
	a.Note = note
	f, err := s.decider(ctx, by, t)
	if err != nil {
		return "", err
	}
	if _, err := f.state().After(ActApprove); err != nil {
		return "", err
	}
	if f.seal == nil {
		return "", vaccination.Errorf(vaccination.Conflict, "this person's data was erased: refuse the case")
	}
	if Kind(f.row.Kind).NeedsEvidence() && f.evidence == 0 {
		return "", vaccination.Errorf(vaccination.Conflict, "there is no evidence: ask for a photograph of the papers first")
	}
	switch Kind(f.row.Kind) {
	case Correction:
		return s.approveCorrection(ctx, by, f, a)
	case DoseAbroad:
		return s.approveAbroad(ctx, by, f, a)
	case ContactChange:
		return s.approveContact(ctx, by, f, a)
	case NotMine:
		return s.approveNotMine(ctx, by, f, a)
	case Guardian:
		return s.approveGuardian(ctx, by, f, a)
	default:
		return s.approveDeath(ctx, by, f, a)
	}
}

// hand is the caller for what follows from an approval, which is not theirs to do
// without a case.
func hand(by access.Caller, source string) access.Caller {
	return access.Caller{Actor: by.Actor, Role: access.SystemAdmin, Source: source}
}

func (s *Service) approveCorrection(ctx context.Context, by access.Caller, f *file, a Approval) (State, error) {
	second := f.state() == SecondApproval
	if second && !by.Second(f.row.ApprovedBy) {
		return "", vaccination.Errorf(vaccination.Forbidden, "you approved this already, or somebody at another door did who may be you: somebody else approves it too")
	}
	if second && a.Changes != nil && !slices.Equal(a.Changes, f.asked.Decided) {
		return "", vaccination.Errorf(vaccination.Conflict, "the first of the two approved other changes: look at the preview again")
	}
	p, err := s.preview(ctx, by, f, a.Changes)
	if err != nil {
		return "", err
	}
	if len(p.Differs) == 0 {
		return "", vaccination.Errorf(vaccination.Conflict, "this changes nothing: the certificate says so already")
	}
	if !a.Version.IsZero() && a.Version != p.Version {
		return "", vaccination.Errorf(vaccination.Conflict, "the certificate was corrected meanwhile: look at the preview again")
	}
	asked := f.asked
	if !second {
		if asked.Decided = a.Changes; asked.Decided == nil {
			asked.Decided = f.asked.changes() // as they saw it in the preview
		}
	}
	sealed, err := f.sealed(asked)
	if err != nil {
		return "", err
	}
	if p.TwoNeed && !second {
		if err := by.First(); err != nil {
			return "", err
		}
		return s.do(ctx, by, f, step{act: ActFirst, row: func(c *query.CaseFile) { c.ApprovedBy, c.Sealed = by.Actor, sealed }})
	}
	source := "casework"
	if p.After.Vaccination.FromEvidence {
		source = access.Abroad
	}
	state, err := s.issue(ctx, hand(by, source), issuance.Correct, f, p.After, second, p.Version, step{act: ActApprove, note: a.Note, row: func(c *query.CaseFile) { c.Sealed = sealed }})
	if vaccination.ErrorCode(err) == vaccination.Forbidden { // it needs two people by what was written since the preview
		err = vaccination.Errorf(vaccination.Conflict, "another record of this person was corrected meanwhile, so that two people must approve this: look at the preview again")
	}
	return state, err
}

// checkAbroad says what is wrong with a dose that was given abroad.
func (s *Service) checkAbroad(ctx context.Context, by access.Caller, e vaccination.Event) error {
	var faults []vaccination.Fault
	if c := e.Vaccination.Country.Code; c == "" || strings.EqualFold(c, s.Profile.Country.Alpha3) || strings.EqualFold(c, s.Profile.Country.Alpha2) {
		faults = append(faults, vaccination.Fault{Path: "vaccination.country", Code: vaccination.FaultRequired, Message: "say in which other country the dose was given, by its code of three letters"})
	}
	return s.Issuance.Faults(ctx, access.Caller{Actor: by.Actor, Source: access.Abroad}, e, faults)
}

func (s *Service) approveAbroad(ctx context.Context, by access.Caller, f *file, a Approval) (State, error) {
	asked := f.asked
	if a.Event != nil {
		// Whom it is about stays; all else is as the papers say.
		e := *a.Event
		e.EnrolmentCode, e.Contacts, e.Vaccination.FromEvidence = asked.Event.EnrolmentCode, asked.Event.Contacts, true
		if f.row.PersonID != nil {
			e.Person = asked.Event.Person
		}
		asked.Event = &e
	}
	e := *asked.Event
	if err := s.checkAbroad(ctx, by, e); err != nil {
		return "", err
	}
	sealed, err := f.sealed(asked)
	if err != nil {
		return "", err
	}
	return s.issue(ctx, hand(by, access.Abroad), issuance.Certify, f, e, false, vaccination.CertificateID{}, step{act: ActApprove, note: a.Note, row: func(c *query.CaseFile) { c.Sealed = sealed }})
}

// issue issues what a case is approved to, with the act. replaces is the version
// that it must follow, zero for none.
func (s *Service) issue(ctx context.Context, by access.Caller, action issuance.Action, f *file, e vaccination.Event, second bool, replaces vaccination.CertificateID, st step) (state State, err error) {
	_, err = s.Issuance.Amend(ctx, by, action, e, second, func(ctx context.Context, _ pgx.Tx, q *query.Queries, each []issuance.Each) error {
		if each[0].Err != nil {
			return each[0].Err
		}
		r := each[0].Result
		if r.Outcome != issuance.Issued && r.Outcome != issuance.Corrected {
			return vaccination.Errorf(vaccination.Conflict, "this changes nothing: there is such a certificate already")
		}
		if r.Replaces != replaces {
			return vaccination.Errorf(vaccination.Conflict, "the certificate was corrected meanwhile: look at the preview again")
		}
		// The person first, as everybody locks them before the audit's heads.
		if f.row.PersonID != nil {
			if err := q.LockPeople(ctx, query.LockPeopleParams{Buckets: []int16{f.row.Bucket}, Ids: []int64{*f.row.PersonID}}); err != nil {
				return err
			}
		}
		with := st
		with.row = func(c *query.CaseFile) {
			st.row(c)
			c.Result = r.ID[:]
		}
		state, err = s.write(ctx, q, by, f, with)
		return err
	})
	if err != nil {
		return "", err // state may be that of a transaction that was undone
	}
	return state, nil
}
