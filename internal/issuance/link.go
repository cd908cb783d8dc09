package issuance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// maxLinked bounds how many people can be one. Who is known under more codes is
// a mistake, or nobody.
const maxLinked = 10

// The acts on links in the audit. Object and detail name people by bucket and
// number, which say nothing of them.
const (
	actMerge   = "person.merge"
	actUnmerge = "person.unmerge"
)

func (k personKey) compare(o personKey) int {
	return cmp.Or(cmp.Compare(k.bucket, o.bucket), cmp.Compare(k.id, o.id))
}

// String names a person in the audit.
func (k personKey) String() string { return fmt.Sprintf("person %d-%d", k.bucket, k.id) }

// ref is the primary key of p.
func (p *person) ref() personKey { return personKey{p.row.Bucket, p.row.ID} }

// link is one that is to be made: of is the one who is new.
type link struct {
	of, to *person
	why    string
}

// groups says for each of these people who they are one with, themselves
// included, in order.
func groups(ctx context.Context, q *query.Queries, people []personKey) (map[personKey][]personKey, error) {
	edges, asked := map[personKey][]personKey{}, map[personKey]bool{}
	for next := people; len(next) > 0; {
		var in query.LinkedToParams
		for _, k := range next {
			if !asked[k] {
				asked[k] = true
				in.Buckets, in.Ids = append(in.Buckets, k.bucket), append(in.Ids, k.id)
			}
		}
		if next = nil; len(in.Ids) == 0 {
			break
		}
		rows, err := q.LinkedTo(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			of, to := personKey{r.Bucket, r.PersonID}, personKey{r.OtherBucket, r.OtherID}
			edges[of] = append(edges[of], to)
			next = append(next, to)
		}
	}
	out := map[personKey][]personKey{}
	for _, k := range people {
		group := []personKey{k}
		for i := 0; i < len(group); i++ {
			for _, to := range edges[group[i]] {
				if !slices.Contains(group, to) {
					group = append(group, to)
				}
			}
		}
		slices.SortFunc(group, personKey.compare)
		out[k] = group
	}
	return out, nil
}

// linked is a person with all who they are one with, the person first.
func (s *Service) linked(ctx context.Context, p *person) ([]*person, error) {
	all, err := groups(ctx, s.Store.Read(), []personKey{p.ref()})
	if err != nil || len(all[p.ref()]) == 1 {
		return []*person{p}, err
	}
	var in query.PeopleByIDParams
	for _, k := range all[p.ref()] {
		if k != p.ref() {
			in.Buckets, in.Ids = append(in.Buckets, k.bucket), append(in.Ids, k.id)
		}
	}
	rows, err := s.Store.Read().PeopleByID(ctx, in)
	out := []*person{p}
	for _, row := range rows {
		out = append(out, &person{row: row})
	}
	slices.SortFunc(out[1:], func(a, b *person) int { return a.ref().compare(b.ref()) })
	return out, err
}

// Merge says that the people of two certificates are one. Their certificates,
// codes and records stay as they are; pages and searches list them together,
// and a dose that one of them has is the other's too. reason is kept with the
// link and must hold nothing personal. Merging again changes nothing. The error
// is [vaccination.NotFound] for a certificate that does not exist,
// [vaccination.Conflict] where more people would be one than can be.
func (s *Service) Merge(ctx context.Context, by access.Caller, a, b vaccination.CertificateID, reason string) error {
	return s.changeLink(ctx, by, a, b, reason, func(ctx context.Context, q *query.Queries, at time.Time, x, y *person, gx, gy []personKey) error {
		switch {
		case slices.Contains(gx, y.ref()):
			return nil
		case len(gx)+len(gy) > maxLinked:
			return vaccination.Errorf(vaccination.Conflict, "with these, more than %d people would be one: see which of the links before are wrong", maxLinked)
		}
		// A link of the same two that was made before, by a clock that went on since,
		// is not this one.
		rows, err := q.LinksOfPerson(ctx, query.LinksOfPersonParams{Bucket: x.row.Bucket, PersonID: x.row.ID})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if (personKey{r.OtherBucket, r.OtherID}) == y.ref() && !at.After(r.MadeAt) {
				at = r.MadeAt.Add(time.Microsecond)
			}
		}
		entries, err := putLink(ctx, q, at, by.Actor, x.ref(), y.ref(), reason)
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, at, by.Actor, entries...)
	})
}

// Unmerge ends the link between the people of two certificates: they are shown
// apart again. What was issued, and the link itself, stay as history. The error
// is [vaccination.NotFound] where they are not linked, [vaccination.Conflict]
// where they are by way of others.
func (s *Service) Unmerge(ctx context.Context, by access.Caller, a, b vaccination.CertificateID, reason string) error {
	return s.changeLink(ctx, by, a, b, reason, func(ctx context.Context, q *query.Queries, at time.Time, x, y *person, gx, _ []personKey) error {
		first, second := inOrder(x.ref(), y.ref())
		var entries []registry.Entry
		// The row that counts first: what a crash leaves is no link.
		for _, k := range [][2]personKey{{first, second}, {second, first}} {
			n, err := q.EndLink(ctx, query.EndLinkParams{At: at, By: by.Actor, Why: reason, Bucket: k[0].bucket, PersonID: k[0].id, OtherBucket: k[1].bucket, OtherID: k[1].id})
			if err != nil {
				return err
			}
			if n > 0 {
				entries = append(entries, linkEntry(actUnmerge, k[0], k[1], reason))
			}
		}
		switch {
		case len(entries) == 0 && slices.Contains(gx, y.ref()):
			return vaccination.Errorf(vaccination.Conflict, "these two are one by way of others: end one of those links")
		case len(entries) == 0:
			return vaccination.Errorf(vaccination.NotFound, "these two are not linked")
		}
		return registry.Audit(ctx, q, at, by.Actor, entries...)
	})
}

func inOrder(a, b personKey) (first, second personKey) {
	if a.compare(b) > 0 {
		a, b = b, a
	}
	return a, b
}

// linkEntry is the entry of an act on one row of a link.
func linkEntry(act string, of, to personKey, why string) registry.Entry {
	return registry.Entry{Chain: registry.GroupOf(of.bucket), Act: act, Object: of.String(), Detail: to.String() + ": " + why}
}

// putLink writes both rows of a link, the one that counts last, and returns
// their entries. A row that a crash left is taken as it is.
func putLink(ctx context.Context, q *query.Queries, at time.Time, by string, a, b personKey, why string) (entries []registry.Entry, err error) {
	first, second := inOrder(a, b)
	for _, k := range [][2]personKey{{second, first}, {first, second}} {
		n, err := q.InsertLink(ctx, query.InsertLinkParams{
			Bucket: k[0].bucket, PersonID: k[0].id, OtherBucket: k[1].bucket, OtherID: k[1].id, MadeAt: at, MadeBy: by, MadeWhy: why,
		})
		if err != nil {
			return nil, err
		}
		if n > 0 {
			entries = append(entries, linkEntry(actMerge, k[0], k[1], why))
		}
	}
	return entries, nil
}

// changeLink runs do in one transaction that nobody else's act on a link of the
// same people meets.
func (s *Service) changeLink(ctx context.Context, by access.Caller, a, b vaccination.CertificateID, reason string, do func(context.Context, *query.Queries, time.Time, *person, *person, []personKey, []personKey) error) error {
	if err := by.Can(access.MergePeople); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	if reason == "" {
		return vaccination.Errorf(vaccination.Invalid, "say why, with nothing of the person")
	}
	x, _, err := s.find(ctx, by, access.MergePeople, a)
	if err != nil {
		return err
	}
	y, _, err := s.find(ctx, by, access.MergePeople, b)
	if err != nil {
		return err
	}
	both := []personKey{x.ref(), y.ref()}
	if both[0] == both[1] {
		return vaccination.Errorf(vaccination.Invalid, "both certificates are of one enrolment code: there is nothing to link")
	}
	return s.retry(ctx, func() error {
		before, err := groups(ctx, s.Store.Read(), both)
		if err != nil {
			return err
		}
		return s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := s.notHeld(ctx, q); err != nil {
				return err
			}
			// Everybody who may become one is locked, so that no two acts make a
			// ring between them.
			var lock query.LockPeopleParams
			for _, k := range slices.Concat(before[both[0]], before[both[1]]) {
				lock.Buckets, lock.Ids = append(lock.Buckets, k.bucket), append(lock.Ids, k.id)
			}
			if err := q.LockPeople(ctx, lock); err != nil {
				return err
			}
			now, err := groups(ctx, q, both)
			if err != nil {
				return err
			}
			for _, k := range both {
				if !slices.Equal(before[k], now[k]) {
					return registry.ErrChanged
				}
			}
			return do(ctx, q, s.Now().UTC().Truncate(time.Microsecond), x, y, now[both[0]], now[both[1]])
		})
	})
}

// Link is a link that a person has or had.
type Link struct {
	Certificate vaccination.CertificateID // of the other person, to name them by
	Made        time.Time
	By          string // who made it, as the audit names them
	Reason      string
	Ended       time.Time // zero for one that stands
	EndedBy     string
	EndReason   string
}

// Links returns the links that the person of a certificate has and had, the
// oldest first.
func (s *Service) Links(ctx context.Context, by access.Caller, id vaccination.CertificateID) ([]Link, error) {
	if err := by.Can(access.MergePeople); err != nil {
		return nil, err
	}
	p, v, err := s.find(ctx, by, access.MergePeople, id)
	if err != nil {
		return nil, err
	}
	if err := s.auditRead(ctx, by, "links", v); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().LinksOfPerson(ctx, query.LinksOfPersonParams{Bucket: p.row.Bucket, PersonID: p.row.ID})
	if err != nil {
		return nil, err
	}
	var others []personKey
	for _, r := range rows {
		others = append(others, personKey{r.OtherBucket, r.OtherID})
	}
	ids, err := s.anyCertificates(ctx, others)
	if err != nil {
		return nil, err
	}
	out := make([]Link, len(rows))
	for i, r := range rows {
		out[i] = Link{Certificate: ids[others[i]], Made: r.MadeAt, By: r.MadeBy, Reason: r.MadeWhy, EndedBy: r.EndedBy, EndReason: r.EndedWhy}
		if r.EndedAt != nil {
			out[i].Ended = *r.EndedAt
		}
	}
	return out, nil
}

// anyCertificates names people by one certificate of each.
func (s *Service) anyCertificates(ctx context.Context, people []personKey) (map[personKey]vaccination.CertificateID, error) {
	out := map[personKey]vaccination.CertificateID{}
	if len(people) == 0 {
		return out, nil
	}
	var in query.AnyCertificatesParams
	for _, k := range people {
		in.Buckets, in.People = append(in.Buckets, k.bucket), append(in.People, k.id)
	}
	rows, err := s.Store.Read().AnyCertificates(ctx, in)
	for _, r := range rows {
		out[personKey{r.Bucket, r.PersonID}] = vaccination.CertificateID(r.ID)
	}
	return out, err
}

// writeLinks makes the links of people who were issued something in this
// transaction. A link that there was before, also one that somebody ended, is
// not made again.
func (w *writes) writeLinks(ctx context.Context, q *query.Queries) error {
	done := map[[2]personKey]bool{}
	for _, l := range w.links {
		of, to := l.of.ref(), l.to.ref()
		if _, written := w.people[l.to]; done[[2]personKey{of, to}] || of == to || l.to.fresh && !written {
			continue
		}
		done[[2]personKey{of, to}] = true
		if !l.of.fresh {
			rows, err := q.LinksOfPerson(ctx, query.LinksOfPersonParams{Bucket: of.bucket, PersonID: of.id})
			if err != nil {
				return err
			}
			// Who has links already is for a person to link: no ring comes of it.
			if slices.ContainsFunc(rows, func(r query.PersonLink) bool {
				return r.EndedAt == nil || personKey{r.OtherBucket, r.OtherID} == to
			}) {
				continue
			}
		}
		entries, err := putLink(ctx, q, w.now, w.by.Actor, of, to, l.why)
		if err != nil {
			return err
		}
		w.audit = append(w.audit, entries...)
	}
	return nil
}
