package issuance

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// maxLike bounds how many people are looked at for one number or name. What
// more people have is a clinic's telephone or no number, and says nothing.
const maxLike = 20

// ErrMet says that somebody like a person who is new came to the registry while
// that was decided: nothing was written, and it is to be decided again.
var ErrMet = errors.New("issuance: somebody like this person came meanwhile")

// Ask is an event and, where somebody decided that, the enrolment code of whom
// its person is one with.
type Ask struct {
	Event vaccination.Event
	As    string
}

// Look is what the registry knows of whom an event is about.
type Look struct {
	// Event is said in one spelling: product, programme, country and telephone
	// numbers as they would be stored.
	Event vaccination.Event
	// Person is who has the event's enrolment code; nil for somebody new.
	Person *Known
	// As is whom a new person is one with, as was decided; nil for nobody.
	As *Known
	// Like are people whom somebody new may be, at most a few dozen: they have
	// the same identity number, telephone number, or name and birth date.
	Like []*Known
	// Seen is what they were found by, nil for who was not looked for. Two people who are new may be one where
	// their Values have one in common.
	Seen *Seen
}

// Known is somebody whom the registry knows. Of a [Look]'s Person, only who they
// are one with is filled in; so of As.
type Known struct {
	EnrolmentCode string
	Person        vaccination.Person
	Contacts      []string
	Certificate   vaccination.CertificateID // one of theirs, to name them by

	ref   personKey
	group []personKey
}

// SameAs reports whether it was said before that the two are one.
func (k *Known) SameAs(o *Known) bool { return slices.Contains(k.group, o.ref) }

// Full reports whether no more people can be one with them.
func (k *Known) Full() bool { return len(k.group) >= maxLinked }

// Seen is what was known of the blind indexes of somebody new.
type Seen struct {
	Values [][]byte // all, by which people were looked for
	strong [][]byte // those that make a match: identity number, name with birth date
	hits   map[string][]personKey
}

// Look finds whom events of a source are about, and whom they may be. It costs
// the same few queries for many events as for one, and opens only people who
// have a number or name in common with somebody new.
func (s *Service) Look(ctx context.Context, source string, asks []Ask) ([]Look, error) {
	from, err := s.sourceOf(ctx, source)
	if err != nil {
		return nil, err
	}
	out := make([]Look, len(asks))
	var in query.PeopleByCodeParams
	add := func(code string) {
		in.Buckets, in.Codes = append(in.Buckets, int16(s.Box.Bucket(code))), append(in.Codes, s.codeIndex(code))
	}
	for i, a := range asks {
		out[i].Event = s.said(a.Event, from.Programme)
		add(out[i].Event.EnrolmentCode)
	}
	for _, a := range asks {
		if a.As != "" {
			add(a.As)
		}
	}
	rows, err := s.Store.Read().PeopleByCode(ctx, in)
	if err != nil {
		return nil, err
	}
	known := map[string]*Known{}
	for _, r := range rows {
		known[string(r.CodeIndex)] = &Known{ref: personKey{r.Bucket, r.ID}}
	}
	var values [][]byte
	for i := range out {
		if out[i].Person = known[string(in.Codes[i])]; out[i].Person == nil && asks[i].As != "" {
			out[i].As = known[string(s.codeIndex(asks[i].As))]
		} else if out[i].Person == nil {
			out[i].Seen = s.seen(out[i].Event)
			values = append(values, out[i].Seen.Values...)
		}
	}
	hits, err := s.hits(ctx, s.Store.Read(), values)
	if err != nil {
		return nil, err
	}
	var found []personKey
	for _, keys := range hits {
		if len(keys) <= maxLike {
			found = append(found, keys...)
		}
	}
	like, err := s.openPeople(ctx, found)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Seen != nil {
			out[i].Like = out[i].Seen.take(hits, like)
		}
	}
	return out, s.group(ctx, known, like)
}

// said is an event as it would be stored, as far as it can be understood.
func (s *Service) said(e vaccination.Event, programme string) vaccination.Event {
	e = normal(e)
	p, ok := s.programmeOf(e, programme)
	if ok {
		e.Programme = p.Key
	} else {
		e.Programme = cmp.Or(e.Programme, programme)
	}
	ignore := func(_, _, _ string) {}
	if e.IsTest() {
		s.resolveTest(&e, ignore)
	} else {
		s.resolveDose(&e, p, ignore)
	}
	s.resolvePerson(&e, ignore)
	return e
}

// seen are the blind indexes by which people like the one of an event are
// looked for. A birth date alone is that of too many.
func (s *Service) seen(e vaccination.Event) *Seen {
	out := &Seen{hits: map[string][]personKey{}}
	if v := s.nameIndex(e.Person); v != nil {
		out.strong = append(out.strong, v)
	}
	for _, form := range s.IdentityForms(e.Person.Identifier) {
		out.strong = append(out.strong, s.Box.Index(seal.NationalID, form))
	}
	out.Values = slices.Clone(out.strong)
	for _, c := range e.Contacts[:min(len(e.Contacts), 4)] {
		if len(c) > len("tel:+") && c[:5] == "tel:+" {
			out.Values = append(out.Values, s.Box.Index(seal.Mobile, c[4:]))
		}
	}
	return out
}

// IdentityForms are the ways in which the same number of an identity document
// may be stored, the one to compare first; none for what is no number.
func (s *Service) IdentityForms(i vaccination.Identifier) []string {
	plain := normaliseIdentity(i.Value)
	if !isNumber(plain) {
		return nil
	}
	out := []string{plain}
	if id, err := s.Profile.Identity(i.Kind, i.Value); err == nil {
		out = append(slices.Clone(id.Forms), plain)
		if slices.Contains(id.Forms, plain) {
			out = id.Forms
		}
	}
	return out
}

// isNumber reports whether a text can be the number of a document: "NA", "0000"
// and "unknown" are what clerks type where there is none.
func isNumber(text string) bool {
	digits := 0
	distinct := map[rune]bool{}
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits++
		}
		distinct[r] = true
	}
	return len(text) >= 5 && digits >= 3 && len(distinct) > 1
}

// hits are who is found by blind indexes; nobody by what too many have.
func (s *Service) hits(ctx context.Context, q *query.Queries, values [][]byte) (map[string][]personKey, error) {
	out := map[string][]personKey{}
	if len(values) == 0 {
		return out, nil
	}
	slices.SortFunc(values, slices.Compare)
	rows, err := q.PeopleWithIndexes(ctx, query.PeopleWithIndexesParams{Vals: slices.CompactFunc(values, slices.Equal), Most: maxLike + 1})
	for _, r := range rows {
		out[string(r.Value)] = append(out[string(r.Value)], personKey{r.Bucket, r.PersonID})
	}
	return out, err
}

// take remembers what was found and returns the people.
func (n *Seen) take(hits map[string][]personKey, like map[personKey]*Known) []*Known {
	var out []*Known
	for _, v := range n.Values {
		n.hits[string(v)] = hits[string(v)]
		if len(hits[string(v)]) > maxLike {
			continue
		}
		for _, k := range hits[string(v)] {
			if p := like[k]; p != nil && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// openPeople opens who people are.
func (s *Service) openPeople(ctx context.Context, keys []personKey) (map[personKey]*Known, error) {
	out := map[personKey]*Known{}
	var in query.PeopleByIDParams
	for _, k := range keys {
		if out[k] == nil {
			out[k] = &Known{ref: k}
			in.Buckets, in.Ids = append(in.Buckets, k.bucket), append(in.Ids, k.id)
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	rows, err := s.Store.Read().PeopleByID(ctx, in)
	if err != nil {
		return nil, err
	}
	opened := make([]particulars, len(rows))
	err = inParallel(len(rows), func(i int) (err error) {
		opened[i], err = s.particularsOf(&person{row: rows[i]})
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		k := out[personKey{r.Bucket, r.ID}]
		k.EnrolmentCode, k.Person, k.Contacts = opened[i].EnrolmentCode, opened[i].Person, opened[i].Contacts
	}
	return out, nil
}

// particularsOf opens who a person is.
func (s *Service) particularsOf(p *person) (known particulars, err error) {
	key, err := s.unlock(p)
	if err != nil {
		return known, err
	}
	plain, err := key.Unseal(p.row.Sealed, s.aad(p, "particulars"))
	if err != nil {
		return known, fmt.Errorf("opening %s: %w", p.ref(), err)
	}
	return known, json.Unmarshal(plain, &known)
}

// group says whom people are one with, and names those that were found.
func (s *Service) group(ctx context.Context, known map[string]*Known, like map[personKey]*Known) error {
	var keys, found []personKey
	for _, k := range known {
		keys = append(keys, k.ref)
	}
	for k := range like {
		keys, found = append(keys, k), append(found, k)
	}
	all, err := groups(ctx, s.Store.Read(), keys)
	if err != nil {
		return err
	}
	for _, k := range known {
		k.group = all[k.ref]
	}
	for _, k := range like {
		k.group = all[k.ref]
	}
	names, err := s.anyCertificates(ctx, found)
	for k, id := range names {
		like[k].Certificate = id
	}
	return err
}

// lockIndexes is the class of the advisory locks on blind indexes, of which
// there are as many as stripes.
const (
	lockIndexes = 7274
	stripes     = 256
)

// meet checks that nobody like those who are new came since they were looked
// up. From here to our commit, nobody else who looked is added who has a strong
// index in common with them: either they see what we write, or we what they
// wrote.
func (w *writes) meet(ctx context.Context, q *query.Queries) error {
	var values [][]byte
	var lock []int32
	for _, n := range w.seen {
		for _, v := range n.strong {
			if len(n.hits[string(v)]) <= maxLike {
				values, lock = append(values, v), append(lock, int32(binary.BigEndian.Uint16(v)%stripes))
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	slices.Sort(lock)
	if err := q.LockIndexes(ctx, query.LockIndexesParams{Class: lockIndexes, Stripes: slices.Compact(lock)}); err != nil {
		return err
	}
	now, err := w.s.hits(ctx, q, values)
	if err != nil {
		return err
	}
	own := map[personKey]bool{}
	for _, p := range w.order {
		own[p.ref()] = true
	}
	for _, n := range w.seen {
		for _, v := range n.strong {
			for _, k := range now[string(v)] {
				if !own[k] && len(n.hits[string(v)]) <= maxLike && !slices.Contains(n.hits[string(v)], k) {
					return ErrMet
				}
			}
		}
	}
	return nil
}
