package intake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// verdict is what is to become of a dose.
type verdict struct {
	dose     *stored
	person   *stored // nil when it is not there
	cause    *arrived
	state    ItemState // "" when it is to be issued
	class    HoldClass
	problems []vaccination.Fault
	code     []byte // keyed hash of rule and code that the mapping lacks
	sealed   []byte // the code
	event    vaccination.Event
	record   []byte
	content  []byte
	place    string
	takes    *stored // the deleted record of the same dose that it follows
	deleted  bool    // the certificate's record was deleted just now
	one      issuance.One
	seen     *issuance.Seen
	about    []Candidate // who else it is about
}

func (v *verdict) is(state ItemState, class HoldClass, problems ...vaccination.Fault) {
	v.state, v.class, v.problems = state, class, problems
}

func (v *verdict) hold(class HoldClass, path, message string) {
	v.is(Held, class, vaccination.Fault{Path: path, Code: string(class), Message: message})
}

// evaluate judges every dose that is new, whose person is, or that a person
// decides about.
func (b *batch) evaluate(ctx context.Context) error {
	for _, f := range b.doses() {
		cause, again := b.causes[f], false
		if cause == nil {
			if person := b.frags[string(f.row.Person)]; person != nil {
				cause = b.causes[person]
			}
			_, decided := b.decided[f]
			again = decided || b.open[string(f.row.Key)].Class == string(SameDose) && b.siblingChanged(f)
		}
		if cause == nil && !again || b.causes[f] == nil && f.row.Settled {
			continue
		}
		v := &verdict{dose: f, person: b.frags[string(f.row.Person)], cause: cause}
		if err := b.judge(v); err != nil {
			return err
		}
		b.verdicts = append(b.verdicts, v)
	}
	if err := b.sameDoses(ctx); err != nil {
		return err
	}
	if err := b.match(ctx); err != nil {
		return err
	}
	b.limit()
	return nil
}

// doses are the doses at hand, in the order in which their states came.
func (b *batch) doses() []*stored {
	var out []*stored
	for _, f := range b.frags {
		if f.row.Kind == string(DoseFragment) && f.state.Fragment.ID != "" {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *stored) int {
		return cmp.Or(cmp.Compare(a.row.Arrival, b.row.Arrival), cmp.Compare(a.place, b.place), bytes.Compare(a.row.Key, b.row.Key))
	})
	return out
}

func (b *batch) siblingChanged(f *stored) bool {
	for other := range b.causes {
		if other != f && bytes.Equal(other.row.Person, f.row.Person) {
			return true
		}
	}
	return false
}

// judge decides about one dose by itself.
func (b *batch) judge(v *verdict) error {
	f, certified := v.dose, v.dose.row.Certificate != nil
	deleted := f.row.Deleted || v.person != nil && v.person.row.Deleted
	if b.src.Mapping == nil {
		v.hold(Unreadable, "", "the source has no mapping: `divoc source set-mapping` gives it one")
		return nil
	}
	out := b.mapped(v)
	switch {
	case certified && f.row.Content != nil && (deleted || out.Skip != ""): // without content it is revoked already
		why := "the source deleted this record: revoke its certificate, or keep it"
		if !deleted {
			why = "the source no longer counts this dose as given (" + out.Skip + "): revoke its certificate, or keep it"
		}
		v.hold(Deleted, "", why)
		v.deleted = b.causes[f] != nil || v.person != nil && b.causes[v.person] != nil
		return nil
	case deleted && f.state.Fragment.Person == "":
		v.hold(MissingField, "person", "the source deletes a record that is not known here under this id: find the certificate that is meant and revoke it, or reject this")
		return nil
	case out.Skip != "":
		v.is(Unchanged, NoDose)
		return nil
	case deleted:
		v.is(Unchanged, Withdrawn)
		return nil
	case f.state.Fragment.Person == "":
		v.hold(MissingField, "person", "the source does not say whose dose this is")
		return nil
	case v.person == nil:
		v.hold(WaitingForPerson, "person", "the person of this dose has not arrived yet; nothing is to be done unless it stays so")
		return nil
	}
	event, problems, err := b.edited(v, out)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return b.unmapped(v, problems)
	}
	if as := v.person.state.As; as != "" {
		v.one = issuance.One{EnrolmentCode: as, Reason: v.person.state.AsWhy}
	}
	v.event = event
	b.name(v)
	if certified && bytes.Equal(v.content, f.row.Content) {
		v.is(Unchanged, Same)
		return nil
	}
	switch {
	case certified && f.row.Content == nil && !b.released(f, WasRevoked):
		v.hold(WasRevoked, "", "its certificate was revoked after the source had deleted the record, and now the source has it again: release it to certify it again where it says something else; issue the certificate again, then retry, where it says the same")
	case b.outOfScope(v) && !b.released(f, OutOfScope):
		v.hold(OutOfScope, "vaccination.centre", "this facility is not among those that the source reports for: widen the source's scope, release the record, or reject it")
	case f.row.Record != nil && !bytes.Equal(f.row.Record, v.record) && !b.released(f, Moved):
		v.hold(Moved, "vaccination.dose", "this record was certified as another dose or for another person: release it to certify it anew and revoke the former certificate, or reject it")
	}
	return nil
}

// released reports whether a person who released a dose had seen that it would be
// held for class, or has let it pass before: each release lets pass what the dose
// is held for and what is looked at before that, and nothing that comes after.
func (b *batch) released(f *stored, class HoldClass) bool {
	order := []HoldClass{WasRevoked, OutOfScope, Moved, SameDose, PossibleDuplicate}
	held, ok := b.release[f]
	if held == SecondDose {
		held = PossibleDuplicate // both are answers of the matcher
	}
	return ok && slices.Index(order, held) >= slices.Index(order, class)
}

// mapped is a dose through the source's mapping.
func (b *batch) mapped(v *verdict) mapping.Outcome {
	f := v.dose.state.Fragment
	in := mapping.Input{Source: b.src.Name, PersonID: f.Person, Stage: f.Stage, Status: f.Status, Dose: f.Fields, Facility: b.place(v)}
	if v.person != nil {
		in.Person = v.person.state.Fragment.Fields
	}
	return b.src.Mapping.Event(in)
}

// name sets what an event is recognised by.
func (b *batch) name(v *verdict) {
	e := v.event.Normalise()
	v.record = b.s.index("record", e.Programme, e.EnrolmentCode, fmt.Sprint(e.Vaccination.Number))
	text, err := json.Marshal(v.event)
	if err != nil {
		panic("intake: an event cannot be written as JSON: " + err.Error())
	}
	v.content = b.s.index("event", string(text))
}

// place is the name of where a dose was given: that of the time when it was
// certified, for as long as it is the same place.
func (b *batch) place(v *verdict) string {
	f := v.dose
	if f.row.Facility == "" {
		return ""
	}
	if f.row.Certificate != nil && f.state.PlaceOf == f.row.Facility {
		v.place = f.state.Place
	} else {
		v.place = b.places[f.row.Facility].Name
	}
	return v.place
}

// outOfScope reports whether a dose was given where the source does not report
// for. Without a scope every place counts.
func (b *batch) outOfScope(v *verdict) bool {
	if len(b.src.Scope) == 0 {
		return false
	}
	f := b.places[v.dose.row.Facility]
	return !slices.ContainsFunc(b.src.Scope, func(scope string) bool {
		return v.dose.row.Facility == scope || f.Path == scope || strings.HasPrefix(f.Path, strings.TrimSuffix(scope, "/")+"/")
	})
}

// unmapped holds a dose that the mapping cannot read.
func (b *batch) unmapped(v *verdict, problems []mapping.Problem) error {
	v.is(Held, HoldClass(problems[0].Class))
	var codes []missingCode
	for _, p := range problems {
		v.problems = append(v.problems, vaccination.Fault{Path: p.Field, Code: string(p.Class), Message: p.Message})
		if p.Code != "" {
			codes = append(codes, missingCode{p.Rule, p.Code})
		}
	}
	if len(codes) == 0 {
		return nil
	}
	// Items that lack the same code are found by the first of it.
	v.code = b.s.codeIndex(codes[0])
	text, err := json.Marshal(codes)
	if err != nil {
		return err
	}
	v.sealed, err = b.s.Box.Seal(text, codeAAD(v.code))
	return err
}

// missingCode is a code of the source that the mapping does not have.
type missingCode struct {
	Rule string `json:"rule"`
	Code string `json:"code"`
}

func (s *Service) codeIndex(c missingCode) []byte { return s.index("code", c.Rule, c.Code) }

// sameDoses holds what would be the second record of the source for one dose of
// one person. Where the first was deleted, the second takes its place.
func (b *batch) sameDoses(ctx context.Context) error {
	var records [][]byte
	for _, v := range b.verdicts {
		if v.state == "" {
			records = append(records, v.record)
		}
	}
	if len(records) == 0 {
		return nil
	}
	rows, err := b.s.Store.Read().OwnersOfRecords(ctx, query.OwnersOfRecordsParams{Records: distinct(records), Source: b.src.Name})
	if err != nil {
		return err
	}
	type owner struct {
		key     string
		deleted bool
	}
	owners := map[string]owner{}
	for _, row := range rows {
		owners[string(row.Record)] = owner{string(row.Key), row.Deleted}
	}
	var released [][]byte // records that a person gave to another dose
	for _, v := range b.verdicts {
		if o, taken := owners[string(v.record)]; v.state == "" && taken && b.released(v.dose, SameDose) {
			released = append(released, []byte(o.key))
		}
	}
	if len(released) > 0 {
		if err := b.fetch(ctx, released, nil); err != nil {
			return err
		}
	}
	for _, v := range b.verdicts {
		if v.state != "" {
			continue
		}
		mine := owner{key: string(v.dose.row.Key)}
		o, taken := owners[string(v.record)]
		if other := b.frags[o.key]; taken && other != nil {
			o.deleted = other.row.Deleted
			if o.key != mine.key && (b.released(v.dose, SameDose) || o.deleted && bytes.Equal(other.row.Person, v.dose.row.Person)) {
				v.takes = other
			}
		}
		switch {
		case !taken || o.key == mine.key || v.takes != nil:
			owners[string(v.record)] = mine
		default:
			v.hold(SameDose, "vaccination.dose", "another record of the source is this dose of this person already: delete or correct one of them at the source, or reject this one")
		}
	}
	return nil
}

// limit holds what is more than the source issues in an hour.
func (b *batch) limit() {
	if b.src.HourlyLimit == 0 {
		return
	}
	left := b.src.HourlyLimit
	if b.src.row.HourAt.Equal(b.hour()) {
		left -= int(b.src.row.HourIssued)
	}
	for _, v := range b.verdicts {
		_, released := b.release[v.dose]
		switch {
		case v.state != "" || released:
		case left <= 0:
			v.hold(OverLimit, "", "more certificates in one hour than this source is to issue: see whether that is right, then release them")
		default:
			left--
		}
	}
}

func (b *batch) hour() time.Time { return b.now.Truncate(time.Hour) }
