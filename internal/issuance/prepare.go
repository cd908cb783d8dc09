package issuance

import (
	"context"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Draft is an event that was checked and decided upon. Only [Service.Prepare]
// makes one, so only what was checked can be signed.
type Draft struct {
	said      vaccination.Event // in one spelling, with nothing added: what a record is known by
	written   []byte            // said, as it is stored
	content   []byte            // keyed hash of written
	event     vaccination.Event // completed by catalogue and programme, as it is certified
	programme *profile.Programme
	person    *person
	outcome   Outcome
	previous  *version // superseded or followed by this one; current for Unchanged and Updated
	number    int      // version number of the new certificate
	domestic  bool
	same      *Draft // an earlier draft of the same call that holds the same record
	source    string
	byHand    bool   // a correction that somebody asked for
	reason    string // why it is issued again
	second    bool   // two people approved it
	alone     bool   // one person corrects who somebody is
	oneWith   One
	one       *person // that oneWith names, nil for nobody
	seen      *Seen
	settling
}

// Prepare checks events and decides what is to become of each. Every fault of
// an event is reported at once, in an [*ItemError] for the first wrong event.
func (s *Service) Prepare(ctx context.Context, by access.Caller, action Action, events []vaccination.Event) (drafts []*Draft, err error) {
	ctx, span := tracing.Step(ctx, "Prepare", len(events))
	defer func() { span.End(err) }()
	r := request{by: by, action: action, events: events}
	drafts, errs, err := s.checkEach(ctx, r)
	if err == nil {
		err = first(errs)
	}
	if err == nil {
		err = s.decideEach(ctx, r, drafts, errs)
	}
	if err == nil {
		err = first(errs)
	}
	if err != nil {
		return nil, err
	}
	return drafts, nil
}

// first is the first of errs, as an [*ItemError].
func first(errs []error) error {
	for i, err := range errs {
		if err != nil {
			return &ItemError{Item: i, Err: err}
		}
	}
	return nil
}

// checkEach is what Prepare does with each event by itself. errs says what is
// wrong with events; those have no draft.
func (s *Service) checkEach(ctx context.Context, r request) (drafts []*Draft, errs []error, err error) {
	// 1. May the caller do this at all?
	if err := r.by.Can(permission(r.action)); err != nil {
		return nil, nil, err
	}
	if r.by.Source == "" {
		return nil, nil, vaccination.Errorf(vaccination.Forbidden, "this caller delivers for no source")
	}
	if err := s.notHeld(ctx, s.Store.Read()); err != nil {
		return nil, nil, err
	}
	source, err := s.sourceOf(ctx, r.by.Source)
	if err != nil {
		return nil, nil, err
	}
	// 2. Resolve and check every event by itself.
	drafts, errs = make([]*Draft, len(r.events)), make([]error, len(r.events))
	for i, e := range r.events {
		if drafts[i], errs[i] = s.check(e, source.Programme); errs[i] != nil {
			continue
		}
		drafts[i].source, drafts[i].reason, drafts[i].authoritative = r.by.Source, r.reason, source.Authoritative
		drafts[i].second = r.second
		if errs[i] = onlyAbroad(r.by, drafts[i].said); errs[i] != nil {
			continue
		}
		drafts[i].once = r.once
		if r.told != nil {
			drafts[i].oneWith, drafts[i].seen = r.told[i].One, r.told[i].Seen
			drafts[i].oneWith.EnrolmentCode = normal(vaccination.Event{EnrolmentCode: r.told[i].One.EnrolmentCode}).EnrolmentCode
		}
		if r.asOf != nil {
			drafts[i].asOf = s.told(r.asOf[i])
		}
	}
	return drafts, errs, nil
}

// decideEach is what Prepare does with the events together. Drafts that are nil
// are passed over; those that may not become anything get their error in errs.
func (s *Service) decideEach(ctx context.Context, r request, drafts []*Draft, errs []error) error {
	// 3. Find the people and every version of their records.
	people, err := s.findPeople(ctx, drafts)
	if err != nil {
		return err
	}
	s.number(people, drafts, errs)
	if err := s.findTold(ctx, people, drafts); err != nil {
		return err
	}
	// 4. Decide.
	seen := map[recordKey]*Draft{}
	for i, d := range drafts {
		if d == nil || errs[i] != nil {
			continue
		}
		d.person = people[string(s.codeIndex(d.event.EnrolmentCode))]
		if d.oneWith.EnrolmentCode != "" {
			d.one = people[string(s.codeIndex(d.oneWith.EnrolmentCode))]
		}
		key := recordKey{d.person, d.programme.Key, d.event.Number()}
		if first := seen[key]; first != nil {
			if string(first.content) != string(d.content) {
				errs[i] = conflict("the same record stands in this request before, with other content in", first.said, d.said)
			}
			d.same = first
			continue
		}
		if errs[i] = s.decide(r.by, r.action, d); errs[i] == nil {
			errs[i] = d.inTime(s.Now())
		}
		if errs[i] == nil {
			d.note(r.by, r.action)
			seen[key] = d
		}
	}
	return nil
}

type recordKey struct {
	person    *person
	programme string
	dose      int
}

func permission(a Action) access.Permission {
	switch a {
	case Correct:
		return access.Correct
	case Reissue:
		return access.Reissue
	default:
		return access.Certify
	}
}

// decide applies the rules of sameness to one draft.
func (s *Service) decide(by access.Caller, action Action, d *Draft) error {
	if !by.In(d.programme.Key) {
		return vaccination.Errorf(vaccination.Forbidden, "this token is for another programme than the one of the event")
	}
	versions := d.person.record(d.programme.Key, d.event.Number())
	if len(versions) == 0 {
		if action != Certify {
			return vaccination.Errorf(vaccination.NotFound, "there is no certificate for this enrolment code and dose: certify it first")
		}
		d.outcome, d.number = Issued, 1
		return nil
	}
	last := versions[len(versions)-1]
	mine := by.Owns(permission(action), last.row.Source)
	if mine {
		d.source = last.row.Source // whoever corrects it, a record stays its source's
	}
	var match *version
	for _, v := range versions {
		if v.holds(d.content) {
			match = v
		}
	}
	d.previous, d.number, d.byHand = last, last.number()+1, action == Correct
	// Is it something that was heard before?
	known := match != nil && (action == Certify || last.newest(d.content))
	// Does what differs become a new version?
	corrects := action == Correct
	if action == Certify && d.authoritative && last.row.Source == by.Source {
		known, corrects = d.heard(last, match != nil), true
		if d.contradicts() {
			known, corrects = false, false
		}
	}
	switch {
	case action != Certify && !mine:
		return vaccination.Errorf(vaccination.NotFound, "there is no certificate for this enrolment code and dose: certify it first")
	case action == Reissue:
		if last.status() != vaccination.StatusRevoked {
			return vaccination.Errorf(vaccination.Conflict, "only a revoked certificate can be issued again")
		}
		d.outcome = Issued
	case last.status() == vaccination.StatusSuperseded && mine && !last.newest(d.content):
		d.outcome = Issued // what superseded it was lost in a restore, and is sent again
	case last.status() == vaccination.StatusSuperseded && mine:
		return vaccination.Errorf(vaccination.Conflict, "this record was corrected, and the correction was lost in a restore: send the corrected record again")
	case (match != nil || known) && last.status() == vaccination.StatusRevoked:
		return vaccination.Errorf(vaccination.Revoked, "this record's certificate was revoked; an administrator can issue it again, and a record with corrected content becomes a new certificate")
	case known:
		d.outcome = Unchanged
	case last.status() == vaccination.StatusRevoked && mine:
		d.outcome = Issued
	case !corrects && mine:
		before, err := s.eventOf(d.person, last)
		if err != nil {
			return err
		}
		return conflict("this record has a certificate with other content in", before, d.said)
	case !corrects:
		// Whose record it is and what it says is not for another source to learn.
		return vaccination.Errorf(vaccination.Conflict, "this enrolment code and dose already has a certificate with other content, from another source")
	case last.status() == vaccination.StatusSuspended:
		return vaccination.Errorf(vaccination.Conflict, "the certificate is suspended: lift the suspension before correcting it")
	default:
		before, err := s.eventOf(d.person, last)
		if err != nil {
			return err
		}
		d.outcome = Corrected
		differs := vaccination.Diff(before, d.said)
		if onlyContact(differs) {
			d.outcome = Updated
		}
		return s.amendable(by, action, versions, d, differs)
	}
	return nil
}

// onlyContact reports whether all paths are about how to reach the person,
// which no certificate says.
func onlyContact(paths []string) bool {
	for _, p := range paths {
		if !strings.HasPrefix(p, "contacts") && !strings.HasPrefix(p, "address.") {
			return false
		}
	}
	return true
}

func conflict(what string, a, b vaccination.Event) *vaccination.Error {
	e := vaccination.Errorf(vaccination.Conflict, "%s %s; send a correction to change it", what, strings.Join(vaccination.Diff(a, b), ", "))
	for _, path := range vaccination.Diff(a, b) {
		e.Faults = append(e.Faults, vaccination.Fault{Path: path, Code: "differs", Message: "differs from what is certified"})
	}
	return e
}

// sourceOf is what is known of a source.
func (s *Service) sourceOf(ctx context.Context, name string) (query.SourceByNameRow, error) {
	source, err := s.Store.Read().SourceByName(ctx, name)
	if registry.IsNone(err) {
		source, err = query.SourceByNameRow{}, nil // an administrator's door is no source
	}
	if key := s.Profile.SourceProgrammes[name]; key != "" {
		source.Programme = key
	}
	return source, err
}

func (s *Service) codeIndex(code string) []byte { return s.Box.Index(seal.EnrolmentCode, code) }

// findPeople loads the people that drafts are about, with their certificates,
// by code index. A person not known yet is a new one.
func (s *Service) findPeople(ctx context.Context, drafts []*Draft) (map[string]*person, error) {
	people := map[string]*person{}
	var buckets []int16
	var codes [][]byte
	for _, d := range drafts {
		if d == nil {
			continue
		}
		for _, code := range []string{d.event.EnrolmentCode, d.oneWith.EnrolmentCode} {
			index := s.codeIndex(code)
			if code == "" || people[string(index)] != nil {
				continue
			}
			bucket := int16(s.Box.Bucket(code))
			people[string(index)] = &person{row: query.Person{Bucket: bucket, CodeIndex: index}, fresh: true}
			buckets, codes = append(buckets, bucket), append(codes, index)
		}
	}
	if err := s.loadPeople(ctx, people, buckets, codes); err != nil {
		return nil, err
	}
	for _, p := range people {
		if !p.fresh {
			continue
		}
		if err := s.newPerson(p); err != nil {
			return nil, err
		}
	}
	return people, nil
}

// validity is the period of a certificate of e issued now: as long as the
// programme says, and never beyond the signer's certificate.
func validity(now time.Time, p *profile.Programme, e vaccination.Event, signerEnds time.Time) vaccination.Period {
	start := now.UTC().Truncate(time.Second)
	end := start.AddDate(p.ValidYears, 0, 0)
	if p.Tests {
		end = testEnds(p, e.Test)
	}
	if signerEnds = signerEnds.UTC().Truncate(time.Second); end.After(signerEnds) {
		end = signerEnds
	}
	return vaccination.Period{Start: start, End: end}
}
