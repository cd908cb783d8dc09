// Package matching recognises people who come to the registry under a second
// enrolment code, and doses that are certified already. docs/matching.md says by
// which rules, and why.
//
// It never decides by a name: only one number of one kind of identity document,
// with a birth date and a name that agree, makes two people one without
// somebody's look. Everything else that speaks for it waits for a person.
package matching

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/names"
	"github.com/opendivoc/divoc/vaccination"
)

// maxCandidates is how many people somebody who has to decide is shown.
const maxCandidates = 5

// reasonSame is why two people are linked without a person's decision.
const reasonSame = "the same identity number, with birth date and name that agree"

// Matcher is an [intake.Matcher] over what package issuance keeps. It is safe for
// concurrent use.
type Matcher struct {
	Issuance *issuance.Service
}

// newcomer is somebody new in a call.
type newcomer struct {
	record
	ask  int // the first about them
	seen *issuance.Seen
}

// Match answers for events of one source, see [intake.Matcher].
func (m Matcher) Match(ctx context.Context, source string, asks []issuance.Ask) ([]intake.Match, error) {
	looks, err := m.Issuance.Look(ctx, source, asks)
	if err != nil {
		return nil, err
	}
	out := make([]intake.Match, len(asks))
	who := make([]*issuance.Known, len(asks)) // whose doses count beside the event's own
	first := map[string]int{}                 // ask by the code of somebody new
	var newcomers []newcomer
	byValue := map[string][]int{} // newcomers by what they are found by
	for i := range looks {
		l := &looks[i]
		code := l.Event.EnrolmentCode
		switch before, again := first[code]; {
		case l.Person != nil:
			who[i] = l.Person
			continue
		case asks[i].As != "":
			who[i] = l.As
			continue
		case again:
			out[i], who[i] = out[before], who[before]
			continue
		}
		first[code] = i
		n := newcomer{m.record(l.Event.Person, l.Event.Contacts), i, l.Seen}
		var near []int
		for _, v := range l.Seen.Values {
			for _, k := range byValue[string(v)] {
				if !slices.Contains(near, k) && len(near) < maxCandidates {
					near = append(near, k)
				}
			}
			byValue[string(v)] = append(byValue[string(v)], len(newcomers))
		}
		out[i], who[i] = m.decide(n, l.Like, newcomers, near, looks)
		newcomers = append(newcomers, n)
	}
	return out, m.doses(ctx, looks, out, who)
}

// record is what is compared of a person.
func (m Matcher) record(p vaccination.Person, contacts []string) record {
	r := record{person: p, name: names.Parse(p.Name), forms: m.Issuance.IdentityForms(p.Identifier)}
	for _, c := range contacts {
		if strings.HasPrefix(c, "tel:") {
			r.phones = append(r.phones, c)
		}
	}
	return r
}

// decide says who somebody new is: one of known people, one of those before in
// the same call, nobody, or for a person to say.
func (m Matcher) decide(n newcomer, known []*issuance.Known, before []newcomer, near []int, looks []issuance.Look) (intake.Match, *issuance.Known) {
	out := intake.Match{Seen: n.seen}
	var certain []*issuance.Known
	var fresh, candidates []intake.Candidate
	var differs []string
	asked := false
	note := func(v verdict, c intake.Candidate, paths []string) {
		if v == other {
			return
		}
		asked = asked || v == like
		candidates = append(candidates, c)
		for _, p := range paths {
			if !slices.Contains(differs, p) {
				differs = append(differs, p)
			}
		}
	}
	exact := false // somebody has the number and does not agree with the rest
	for _, k := range known {
		r := m.record(k.Person, k.Contacts)
		v, paths := compare(n.record, r)
		if v == same {
			certain = append(certain, k)
		}
		if _, one := numberOf(n.record, r); one && v == like {
			exact = true
		}
		note(v, intake.Candidate{EnrolmentCode: k.EnrolmentCode, Certificate: k.Certificate}, paths)
	}
	for _, i := range near {
		v, paths := compare(n.record, before[i].record)
		c := intake.Candidate{EnrolmentCode: looks[before[i].ask].Event.EnrolmentCode}
		if v == same {
			fresh = append(fresh, c)
		}
		if _, one := numberOf(n.record, before[i].record); one && v == like {
			exact = true
		}
		note(v, c, paths)
	}
	one := !slices.ContainsFunc(certain, func(k *issuance.Known) bool { return !certain[0].SameAs(k) || k.Full() })
	switch {
	case len(candidates) == 0:
	case !exact && one && len(certain) > 0:
		// Who came before in the same call with the same number is linked with them
		// too.
		out.Same = issuance.One{EnrolmentCode: certain[0].EnrolmentCode, Reason: reasonSame}
		return out, certain[0]
	case !exact && len(certain) == 0 && len(fresh) > 0:
		out.Same = issuance.One{EnrolmentCode: fresh[0].EnrolmentCode, Reason: reasonSame}
	case asked || len(candidates) > 0:
		out.Hold = intake.PossibleDuplicate
		out.Candidates = candidates[:min(len(candidates), maxCandidates)]
		out.Problems = advice(differs, exact)
	}
	return out, nil
}

// advice says what differs and what is to be done.
func advice(differs []string, exact bool) []vaccination.Fault {
	message := "this person looks like somebody who is known under another code: compare the two, then merge them, or release this record as somebody else's"
	if exact {
		message = "somebody known has the same identity number, and not all the rest is alike: find out whose it is, then merge the two, correct the record at its source, or release it as somebody else's"
	}
	out := []vaccination.Fault{{Path: "person", Code: string(intake.PossibleDuplicate), Message: message}}
	for _, path := range differs {
		out = append(out, vaccination.Fault{Path: path, Code: "differs", Message: "differs from whom it may be"})
	}
	return out
}

// doses settles what is a dose that is certified already for whoever a person is
// one with.
func (m Matcher) doses(ctx context.Context, looks []issuance.Look, out []intake.Match, who []*issuance.Known) error {
	events, own := make([]vaccination.Event, len(looks)), make([]bool, len(looks))
	for i := range looks {
		events[i], own[i] = looks[i].Event, looks[i].Person != nil
	}
	standing, err := m.Issuance.Standing(ctx, who, own, events)
	if err != nil {
		return err
	}
	type dose struct {
		code, programme string
		number          int
	}
	before := map[dose]int{}    // the first of a dose of people who are one, in this call
	root := map[string]string{} // code of the first of people who are one
	for i, e := range events {
		if out[i].Hold != "" {
			continue
		}
		code := e.EnrolmentCode
		if one := out[i].Same.EnrolmentCode; one != "" {
			code = cmp.Or(root[one], one)
		}
		root[e.EnrolmentCode] = code
		for _, s := range standing[i] {
			settle(&out[i], e.Vaccination, s.Dose, intake.Candidate{Certificate: s.Certificate})
		}
		key := dose{code, e.Programme, e.Vaccination.Number}
		if first, again := before[key]; !again {
			before[key] = i
		} else if o := events[first]; o.EnrolmentCode != e.EnrolmentCode {
			settle(&out[i], e.Vaccination, o.Vaccination, intake.Candidate{EnrolmentCode: o.EnrolmentCode})
		}
	}
	return nil
}

// settle says what a dose is beside one that is certified. That it is the same
// goes before that it is another.
func settle(out *intake.Match, d, stands vaccination.Dose, c intake.Candidate) {
	switch {
	case out.Stands != nil:
	case d.Date == stands.Date && d.Product == stands.Product:
		out.Stands, out.Hold, out.Candidates, out.Problems = &c, "", nil, nil
	case out.Hold == "":
		out.Hold, out.Candidates = intake.SecondDose, []intake.Candidate{c}
		out.Problems = []vaccination.Fault{{
			Path: "vaccination.dose", Code: string(intake.SecondDose),
			Message: "this person has a certificate of this dose with another date or product, under another code: correct the number of the dose, reject this record, or release it where both were given",
		}}
	}
}

// Duplicate is a dose that is certified for two people who are like each other
// and not linked.
type Duplicate struct {
	Certificates [2]vaccination.CertificateID
	Programme    string
	Dose         int
	Same         bool     // one number of one document, and the rest agrees
	Differs      []string // fields of an event in which the two differ
}

// Duplicates calls each for every such dose in the registry, once for each pair
// of certificates. It compares everybody who has something in common: minutes
// for millions of people.
func (m Matcher) Duplicates(ctx context.Context, by access.Caller, each func(Duplicate) error) error {
	told := map[[2]vaccination.CertificateID]bool{}
	return m.Issuance.Twice(ctx, by, func(t issuance.Twice) error {
		a, b := t.People[0], t.People[1]
		v, differs := compare(m.record(a.Person, a.Contacts), m.record(b.Person, b.Contacts))
		if v == other || told[t.Certificates] {
			return nil
		}
		told[t.Certificates] = true
		return each(Duplicate{Certificates: t.Certificates, Programme: t.Programme, Dose: t.Dose, Same: v == same, Differs: differs})
	})
}
