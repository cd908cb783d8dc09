package intake

import (
	"context"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/vaccination"
)

// Matcher says whether people whom the registry does not know under their
// enrolment code are known under another, and whether a dose is certified
// already for whoever a person is one with. It is asked before anything is
// issued for them.
type Matcher interface {
	// Match returns one answer for each question, in their order, as if they were
	// asked one after the other. It writes nothing; the zero Match is somebody
	// new with a new dose, or nothing to say.
	Match(ctx context.Context, source string, asks []issuance.Ask) ([]Match, error)
}

// Match is what a [Matcher] says of one event.
type Match struct {
	// Same is whom this person is one with, beyond doubt: what is issued under
	// their own enrolment code is linked with it. Zero for nobody.
	Same issuance.One
	// Stands, if not nil, has the certificate of this dose, for whoever this
	// person is one with: nothing is issued.
	Stands *Candidate
	// Hold, if not "", holds the event for review, with this class:
	// [PossibleDuplicate], [SecondDose].
	Hold HoldClass
	// Candidates are whom a held one may be.
	Candidates []Candidate
	// Problems are what to show with a hold: fields and advice, no values.
	Problems []vaccination.Fault
	// Seen is what the answer rests on; issuing is refused once it is not so.
	Seen *issuance.Seen
}

// Candidate is somebody whom a person may be. The certificate names them; it is
// zero for somebody of the same call, for whom nothing is issued yet.
type Candidate struct {
	EnrolmentCode string
	Certificate   vaccination.CertificateID
}

// candidatePath is the path of a problem whose message is the certificate of
// somebody whom a held person may be.
const candidatePath = "candidate"

// match asks whether people who are new are known under another code.
func (b *batch) match(ctx context.Context) error {
	if b.s.Matcher == nil {
		return nil
	}
	var asks []issuance.Ask
	var of []*verdict
	for _, v := range b.verdicts {
		if v.state == "" && v.dose.row.Certificate == nil && !b.released(v.dose, PossibleDuplicate) {
			asks, of = append(asks, issuance.Ask{Event: v.event, As: v.one.EnrolmentCode}), append(of, v)
		}
	}
	if len(asks) == 0 {
		return nil
	}
	answers, err := b.s.Matcher.Match(ctx, b.src.Name, asks)
	if err != nil {
		return err
	}
	for i, m := range answers {
		of[i].matched(m)
	}
	return nil
}

// matched is what an answer makes of a verdict. What a person decided of the
// same goes before it.
func (v *verdict) matched(m Match) {
	v.seen = m.Seen
	decided := v.person.state.Distinct || v.person.state.As != ""
	switch {
	case m.Stands != nil:
		v.is(Unchanged, Elsewhere)
		v.about = []Candidate{*m.Stands}
	case m.Hold == PossibleDuplicate && decided:
	case m.Hold != "":
		if m.Same.EnrolmentCode != "" && !decided { // should the dose be released, they are one all the same
			v.person.state.As, v.person.state.AsWhy, v.person.dirty = m.Same.EnrolmentCode, m.Same.Reason, true
		}
		if len(m.Problems) == 0 {
			m.Problems = []vaccination.Fault{{Path: "person", Code: string(m.Hold), Message: "this person may be known already: compare them, then merge them, or release this record as somebody else's"}}
		}
		v.is(Held, m.Hold, m.Problems...)
		v.about = m.Candidates
	case !decided:
		v.one = m.Same
	}
}

// told completes what is written of a verdict that is about others: which
// certificate stands, and who the candidates are. Those of the same batch have
// their certificates only now.
func (w *writing) told(v *verdict, r *itemRow) {
	for _, c := range v.about {
		id := c.Certificate
		for o, e := range w.results {
			same := o.event.Programme == v.event.Programme && o.event.Vaccination.Number == v.event.Vaccination.Number
			if id.IsZero() && e.Err == nil && o.event.EnrolmentCode == c.EnrolmentCode && (same || v.state == Held) {
				id = e.Result.ID
			}
		}
		switch {
		case v.state == Held && !id.IsZero():
			r.problems = append(r.problems[:len(r.problems):len(r.problems)], vaccination.Fault{Path: candidatePath, Code: string(v.class), Message: id.String()})
		case v.state == Unchanged && id.IsZero(): // it was not issued after all
			r.state, r.class = Held, SecondDose
			r.problems = []vaccination.Fault{{Path: "vaccination.dose", Code: string(SecondDose), Message: "another record of the same delivery is this dose of this person, and could not be issued: retry when it is settled"}}
		case v.state == Unchanged:
			r.certificate = id[:]
		}
	}
}
